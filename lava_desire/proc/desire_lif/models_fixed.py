"""Process models of the layer of neurons, in integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire.model import integers as fixed
from lava_desire.model.integers import IntegerRule
from lava_desire.proc.desire_lif.models import AbstractPyDesireLIFModel
from lava_desire.proc.desire_lif.process import DesireLIF
from lava_desire.proc.messages import check_integers


@implements(proc=DesireLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDesireLIFModelFixed(AbstractPyDesireLIFModel):
    """Fixed point: activations are aligned by six bits, as Lava's own LIF does it.

    It also takes the activations of Lava's own dense connection. Dropout's gain is applied here.
    """

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    z_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    potential: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._rule = IntegerRule(self._config, proc_params["formats"])
        self._gain = self._rule.gain_into(self._layer, False)
        self._current = np.zeros(len(self._no_spikes), np.int64)

    def _begin_window(self, training: bool) -> None:
        super()._begin_window(training)
        self._gain = self._rule.gain_into(self._layer, training)
        self._current = np.zeros_like(self._current)

    def _integrate_and_fire(self, current: Any, step: int) -> Any:
        arrived, gain = fixed.saturate(check_integers("a_in", current, step)), self._gain
        if self._rule.synapse_decay:
            arrived = fixed.filter_current(self._current, arrived, gain, self._rule.synapse_decay)
            self._current, gain = arrived, 1
        before, threshold = self.potential.astype(np.int64), self._rule.threshold_of(self._layer)
        reached = fixed.integrate(before, arrived, gain, self._rule.decay)
        self._mark_eligible(reached, threshold)
        spikes, potential = fixed.fire(reached, threshold, self.mask, self._config.reset)
        self.potential = potential.astype(np.int32)
        return spikes

    def _hidden_desire(self, z: Any, step: int) -> Any:
        z = check_integers("z_in", z, step)
        return fixed.hidden_desire(z, self._rule.hidden_threshold(self._layer))
