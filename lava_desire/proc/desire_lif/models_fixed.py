"""How the layer of neurons runs in integers, on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire import fixed
from lava_desire.fixed import IntegerRule
from lava_desire.proc.desire_lif.process import DesireLIF
from lava_desire.proc.masks import MaskSequence
from lava_desire.proc.window import step_in_window


@implements(proc=DesireLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDesireLIFModelFixed(PyLoihiProcessModel):
    """Fixed point: activations are aligned by six bits, as Lava's own LIF does it.

    It also takes the activations of Lava's own dense connection. Dropout's gain is applied here.
    """

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool)
    z_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    desire_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    potential: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32)
    mask: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)
    desire: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int8)
    training: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._config = config = proc_params["config"]
        self._layer = layer = proc_params["layer"]
        self._rule = IntegerRule(config, proc_params["formats"])
        self._masks = MaskSequence(
            config, layer, proc_params["dropout_masks"], proc_params["samples_seen"]
        )
        self._gain = self._rule.gain_into(layer, False)
        # Connection ℓ + 1 sends z in this step; the output layer's desire is the teacher's.
        is_hidden = layer < config.num_layers
        steps = config.num_steps + 1 + config.num_layers - layer
        self._step_of_desire = steps if is_hidden else None

    def run_spk(self) -> None:
        """Send the spikes of one time step, and the desire when z has come."""
        config = self._config
        step = step_in_window(self.time_step, config)
        if step == 1:
            training = bool(self.training[0])
            self.potential = np.zeros_like(self.potential)
            self.mask = self._masks.next(training)
            self._gain = self._rule.gain_into(self._layer, training)
        # Both connections have sent before they wait for what is sent here.
        activation = self.a_in.recv()
        if 2 <= step <= config.num_steps + 1:
            spikes, potential = fixed.integrate_and_fire(
                self.potential.astype(np.int64),
                fixed.saturate(activation.astype(np.int64)),
                self._gain,
                self._rule.decay,
                self._rule.threshold_of(self._layer),
                self.mask,
                config.reset,
            )
            self.potential = potential.astype(np.int32)
            self.s_out.send(spikes)
        else:
            self.s_out.send(np.zeros(self.mask.shape, dtype=bool))
        z = self.z_in.recv()
        if step == self._step_of_desire:
            self.desire = fixed.hidden_desire(z, self._rule.hidden_threshold(self._layer))
            self.desire_out.send(self.desire * self.mask)
        else:
            self.desire_out.send(np.zeros(self.mask.shape, dtype=np.int8))
