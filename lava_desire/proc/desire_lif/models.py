"""How the layer of neurons runs on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire import rule
from lava_desire.proc.desire_lif.process import DesireLIF
from lava_desire.proc.masks import MaskSequence
from lava_desire.proc.window import step_in_window


@implements(proc=DesireLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDesireLIFModelFloat(PyLoihiProcessModel):
    """Floating point."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.float32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool)
    z_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.float32)
    desire_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    potential: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float32)
    mask: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)
    desire: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int8)
    training: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._config = proc_params["config"]
        layer = proc_params["layer"]
        self._masks = MaskSequence(
            self._config, layer, proc_params["dropout_masks"], proc_params["samples_seen"]
        )
        # Connection ℓ + 1 sends z in this step; the output layer's desire is the teacher's.
        is_hidden = layer < self._config.num_layers
        steps = self._config.num_steps + 1 + self._config.num_layers - layer
        self._step_of_desire = steps if is_hidden else None
        size = self._config.layer_sizes[layer]
        self._no_spikes = np.zeros(size, dtype=bool)
        self._no_desire = np.zeros(size, dtype=np.int8)

    def run_spk(self) -> None:
        """Send the spikes of one time step, and the desire when z has come."""
        config = self._config
        step = step_in_window(self.time_step, config)
        if step == 1:
            self.potential = np.zeros_like(self.potential)
            self.mask = self._masks.next(bool(self.training[0]))
        # Both connections have sent before they wait for what is sent here.
        current = self.a_in.recv()
        if 2 <= step <= config.num_steps + 1:
            spikes, self.potential = rule.integrate_and_fire(
                self.potential, current, config.decay, config.threshold, self.mask, config.reset
            )
            if not np.isfinite(self.potential).all():
                raise ValueError("the membrane potential is no longer finite")
            self.s_out.send(spikes)
        else:
            self.s_out.send(self._no_spikes)
        z = self.z_in.recv()
        if step == self._step_of_desire:
            self.desire = rule.hidden_desire(z, config.desire_threshold_hidden)
            self.desire_out.send(self.desire * self.mask)
        else:
            self.desire_out.send(self._no_desire)
