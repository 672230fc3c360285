"""How the plastic connection runs in integers, on a CPU."""

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
from lava_desire._fields import refuse_in_integers
from lava_desire.fixed import IntegerRule
from lava_desire.proc.desire_dense.process import DesireDense
from lava_desire.proc.window import step_in_window
from lava_desire.randomness import RoundingStream


class AbstractPyDesireDenseModelFixed(PyLoihiProcessModel):
    """Fixed point: traces step by step, pairs gathered a synapse, one rounding in the end.

    ``weights`` are mantissas. What is set from outside is held to their range, and takes effect
    with the next window, as ``learning_enabled`` does; traces run only where learning is enabled.
    """

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    s_post_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    desire_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int8)
    third_factor_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    z_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    weights: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32)
    change: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float32)
    learning_rate: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float64)
    learning_enabled: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)
    training: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)
    input_rates: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float64)
    output_rates: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float64)
    rated_samples: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._config = config = proc_params["config"]
        self._layer = layer = proc_params["layer"]
        self._rule = IntegerRule(config, proc_params["formats"])
        self._format = self._rule.format_of(layer)
        shape = (config.layer_sizes[layer], config.layer_sizes[layer - 1])
        self._mantissas = fixed.as_mantissas(
            "weights", proc_params["given"], shape, self._format, config.threshold
        )
        num_out, num_in = shape
        self._step_of_desire = config.num_steps + 1 + config.num_layers - layer
        self._trace_words = RoundingStream("trace", config.num_steps, num_in, config.seed, layer)
        self._weight_words = RoundingStream("weight", num_out, num_in, config.seed, layer)
        self._sample = proc_params["samples_seen"] - 1
        self._is_learning = self._must_learn = False
        self._activation = np.zeros(num_out, np.int64)
        self._z = np.zeros(num_in, np.int64)
        self._counts = np.zeros(num_out, np.int64)
        self._desire = np.zeros(num_out, np.int8)
        self.trace = np.zeros(num_in, np.int64)
        self._pairings = np.zeros((num_out, num_in), np.int64)

    def run_spk(self) -> None:
        """Send what was computed one step ago, then receive and compute."""
        config = self._config
        step = step_in_window(self.time_step, config)
        self.a_out.send(self._activation)
        self.z_out.send(self._z)
        spikes = self.s_in.recv()
        answers = self.s_post_in.recv()
        desire = self.desire_in.recv()
        if config.rates_desired_samples:
            self.third_factor_in.recv()  # integers do not learn from rates
        self._must_learn = False
        if step == 1:
            self._begin_window()
        if 2 <= step <= config.num_steps + 1:
            self._pair(answers)
        if step <= config.num_steps and self._is_learning:
            words = self._trace_words.draw(self._sample, step - 1, 1)[0]
            self.trace = fixed.decay_trace(
                self.trace, spikes, self._rule.decay, self._rule.impulse, words
            )
        active = np.flatnonzero(spikes)
        sums = self.weights[:, active].sum(axis=1, dtype=np.int64)
        self._activation = fixed.apply_exponent(sums, self._format.weight_exp)
        if step == self._step_of_desire:
            self._desire = desire.astype(np.int8)
            error = fixed.local_error(self._desire, self._counts, self._rule.full_count)
            self._z = fixed.backpropagate_error(self.weights, error)
            self._must_learn = bool(self._is_learning and self._desire.any())
        elif step > self._step_of_desire:
            self._z = np.zeros_like(self._z)

    def _begin_window(self) -> None:
        if self.time_step == 1:
            # The Var began with the weights as floats, for the models that have them.
            self.weights[:] = self._mantissas
        np.clip(self.weights, self._format.lowest, self._format.highest, out=self.weights)
        self._is_learning = bool(self.learning_enabled[0])
        if self._is_learning:
            refuse_in_integers(self._config)
        self._sample += self._is_learning
        self._z = np.zeros_like(self._z)
        self.change = np.zeros_like(self.change)
        self._counts = np.zeros_like(self._counts)
        self.trace = np.zeros_like(self.trace)
        self._pairings[:] = 0

    def _pair(self, answers: Any) -> None:
        """Add the trace that the previous step left to the synapses of the neurons that spike."""
        self._counts = self._counts + answers
        chosen = np.flatnonzero(answers)
        if self._is_learning:
            self._pairings[chosen] = fixed.gather_pairings(
                self._pairings[chosen], answers[chosen], self.trace
            )

    def lrn_guard(self) -> bool:
        """Learn in the step in which a desire has arrived."""
        return self._must_learn

    def run_lrn(self) -> None:
        """Turn the pairs of the neurons with desire into a change, and round it to the grid."""
        mantissa, shift = self._rule.rate_of(self._layer, float(self.learning_rate[0]))
        chosen = np.flatnonzero((self._desire != 0) & (self._counts > 0))
        if not len(chosen) or mantissa == 0:
            return
        change = fixed.weight_change(self._pairings[chosen], self._desire[chosen], mantissa)
        words = np.concatenate(
            [self._weight_words.draw(self._sample, int(row), 1) for row in chosen]
        )
        before = self.weights[chosen]
        after = fixed.add_change(before, change, shift, words, self._format)
        self.weights[chosen] = after
        self.change[chosen] = np.abs(after - before).sum(axis=1)


@implements(proc=DesireDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDesireDenseModelFixed(AbstractPyDesireDenseModelFixed):
    """The model of the connection; a process that adds Vars may implement the abstract one."""
