"""How the learning neurons, and those of their errors, run on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_desire import rule as equations
from lava_desire.deploy.loihi_neuron.process import DesireErrors, DesireLearningLIF
from lava_desire.model import integers as fixed
from lava_desire.model.integers.constants import whole_decay
from lava_desire.model.integers.limits import ALIGNMENT_BITS, DECAY_BITS, STATE_LIMIT
from lava_desire.model.option import output_desires

from lava.magma.core.decorator import implements, requires, tag  # isort: skip
from lava.magma.core.model.py.model import PyLoihiProcessModel  # isort: skip
from lava.magma.core.model.py.neuron import (  # isort: skip
    LearningNeuronModelFixed,
    LearningNeuronModelFloat,
)
from lava.magma.core.model.py.ports import PyInPort, PyOutPort  # isort: skip
from lava.magma.core.model.py.type import LavaPyType  # isort: skip
from lava.magma.core.resources import CPU  # isort: skip
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol  # isort: skip

_TRACE_PLACES = 8  # of a trace that neurons keep themselves, below what the engine takes


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
            whole_decay(self._config.decay),
            # No potential exceeds the limit, and more would not fit 64 bits.
            min(int(self.vth), STATE_LIMIT) << ALIGNMENT_BITS,
            reset=self._config.reset,
        )
        self.v = potential.astype(np.int32)
        return fired


class _Errors(PyLoihiProcessModel):
    """What both arithmetics do: count, compare with what is wanted, tell the layer below."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._config, self._layer = proc_params["config"], proc_params["layer"]
        self._window = proc_params["rule"].window_steps
        self._threshold = proc_params["threshold"]
        self._backward = proc_params["feedback_rule"]
        self._is_last = self._layer == self._config.num_layers

    def run_spk(self: Any) -> None:
        """Take in spikes and what is wanted; send desire, error, what the feedback learns by."""
        config, size = self._config, self.count.shape
        step = (self.time_step - 1) % self._window + 1
        spikes, target, z = self.s_in.recv(), self.target_in.recv(), self.z_in.recv()
        if step == 1:
            self.count, self.desire = np.zeros_like(self.count), np.zeros_like(self.desire)
            self.trace = np.zeros_like(self.trace)
        within = 2 <= step <= config.num_steps + 1
        if within:
            self.count = self.count + spikes.astype(self.count.dtype)
        known = config.num_steps + 1 + 2 * (config.num_layers - self._layer)
        if step == known:
            wanted = self._output_desire(target) if self._is_last else self._hidden_desire(z)
            self.desire = wanted.astype(self.desire.dtype)
        self.desire_out.send(self.desire if step == known else np.zeros_like(self.desire))
        sent = self._error() if step == known + 1 else np.zeros(size, np.int32)
        y1 = y2 = np.zeros(size, np.int32)
        if self._backward:
            if within:
                sent, y1 = spikes.astype(np.int32), self._sent_trace()
                self._follow(spikes)
            sign = {self._window - 1: 1, self._window: -1}.get(step, 0)
            if sign:
                sent = (self.desire == sign).astype(np.int32)
                y2 = np.full(size, sign * self._number(self._backward.third_factor))
        self.c_out.send(sent)
        self.s_out_y1.send(y1)
        self.s_out_y2.send(y2)

    def _rate(self: Any) -> Any:
        return equations.firing_rate(self.count, self._config.num_steps, self._config.error_margin)

    def _output_desire(self: Any, target: Any) -> Any:
        if not target.any():
            return self.desire
        label = np.array([np.argmax(target)])
        return output_desires(self._config, self.count[None].astype(np.int64), label)[0]

    def _local_error(self: Any) -> Any:
        return equations.local_error(self.desire.astype(np.int8), self._rate())


@implements(proc=DesireErrors, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDesireErrorsModelFloat(_Errors):
    """Floating point."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    target_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    z_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    desire_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    c_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    s_out_y1: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    s_out_y2: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    count: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32)
    desire: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int8)
    trace: np.ndarray[Any, Any] = LavaPyType(np.ndarray, float)

    _number = float
    _error = _Errors._local_error

    def _hidden_desire(self, z: Any) -> Any:
        threshold = self._config.desire_threshold_of(self._layer)
        return equations.hidden_desire(z.astype(np.float32), threshold)

    def _follow(self, spikes: Any) -> None:
        self.trace = self._config.decay * self.trace + spikes

    def _sent_trace(self) -> Any:
        return self.trace * self._backward.impulse


@implements(proc=DesireErrors, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDesireErrorsModelFixed(_Errors):
    """Integers: errors in units of 1 / (T − m), a trace of 16 bits of which 7 are sent."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool, precision=1)
    target_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    z_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    desire_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    c_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    s_out_y1: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=7)
    s_out_y2: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=7)
    count: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32)
    desire: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32)
    trace: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32)

    _number = int

    def _hidden_desire(self, z: Any) -> Any:
        return equations.hidden_desire(z, self._threshold)

    def _error(self) -> Any:
        steps = self._config.num_steps - self._config.error_margin
        return np.rint(self._local_error() * steps).astype(np.int32)

    def _follow(self, spikes: Any) -> None:
        decayed = whole_decay(self._config.decay) * self.trace >> DECAY_BITS
        self.trace = decayed + (int(self._backward.impulse) << _TRACE_PLACES) * spikes

    def _sent_trace(self) -> Any:
        return (self.trace + (1 << (_TRACE_PLACES - 1))) >> _TRACE_PLACES
