"""How the learning neuron runs on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_desire import rule as equations
from lava_desire.deploy.loihi_neuron.process import DesireLearningLIF
from lava_desire.model import integers as fixed
from lava_desire.model.integers.limits import ALIGNMENT_BITS

from lava.magma.core.decorator import implements, requires, tag  # isort: skip
from lava.magma.core.model.py.neuron import (  # isort: skip
    LearningNeuronModelFixed,
    LearningNeuronModelFloat,
)
from lava.magma.core.model.py.ports import PyInPort, PyOutPort  # isort: skip
from lava.magma.core.model.py.type import LavaPyType  # isort: skip
from lava.magma.core.resources import CPU  # isort: skip
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol  # isort: skip


class _Window:
    """What both arithmetics do: a window of 2^k steps, and the ports of the learning engine."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)  # type: ignore[call-arg]  # of Lava's model beside it
        self._config = proc_params["config"]
        self._rule = proc_params["rule"]

    def run_spk(self: Any) -> None:
        """Answer with spikes, then take in desire, then send both to the learning engine."""
        step = (self.time_step - 1) % self._rule.window_steps + 1
        activation = self.a_in.recv()
        if step == 1:
            self.v = np.zeros_like(self.v)
            self.desire = np.zeros_like(self.desire)
            self.count = np.zeros_like(self.count)
        fired = np.zeros(self.v.shape, dtype=bool)
        if 2 <= step <= self._config.num_steps + 1:
            fired = self._advance(activation)
        self.count = self.count + fired
        self.s_out.send(fired)
        # A teacher needs the spikes of this step for the desire that is waited for here.
        desire = np.sign(self.a_third_factor_in.recv())
        self.desire = np.where(desire != 0, desire, self.desire).astype(self.desire.dtype)
        self.s_out_bap.send(fired)
        self.s_out_y1.send(self.desire * self._number(self._rule.third_factor))
        self.s_out_y2.send(fired * self._number(self._rule.impulse))
        self.s_out_y3.send(np.zeros_like(self.y3))


@implements(proc=DesireLearningLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDesireLearningLIFModelFloat(_Window, LearningNeuronModelFloat):
    """Floating point."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    u: np.ndarray[Any, Any] = LavaPyType(np.ndarray, float)
    v: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float32)
    bias_mant: np.ndarray[Any, Any] = LavaPyType(np.ndarray, float)
    bias_exp: np.ndarray[Any, Any] = LavaPyType(np.ndarray, float)
    du: float = LavaPyType(float, float)
    dv: float = LavaPyType(float, float)
    vth: float = LavaPyType(float, float)
    desire: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int8)
    count: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32)

    _number = float

    def _advance(self, activation: Any) -> Any:
        config, activation = self._config, activation.astype(np.float32)
        fired, self.v = equations.integrate_and_fire(
            self.v, activation, config.decay, config.threshold, None, config.reset
        )
        return fired


@implements(proc=DesireLearningLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDesireLearningLIFModelFixed(_Window, LearningNeuronModelFixed):
    """Integers: a potential of 24 bits that saturates, decay of 12 bits rounded toward zero."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    u: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32)
    v: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32, precision=24)
    bias_mant: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int16)
    bias_exp: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int16)
    du: int = LavaPyType(int, np.uint16)
    dv: int = LavaPyType(int, np.uint16)
    vth: int = LavaPyType(int, np.int32, precision=17)
    desire: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32)
    count: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32)

    _number = int

    def _advance(self, activation: Any) -> Any:
        fired, potential = fixed.integrate_and_fire(
            self.v.astype(np.int64),
            activation.astype(np.int64),
            1 << ALIGNMENT_BITS,
            round(4096 * self._config.decay),
            int(self.vth) << ALIGNMENT_BITS,
            reset=self._config.reset,
        )
        self.v = potential.astype(np.int32)
        return fired
