"""How the plastic connection runs in integers, on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire.model import integers as fixed
from lava_desire.model.integers import IntegerRule
from lava_desire.model.integers.limits import ACCUMULATOR_LIMIT
from lava_desire.model.option import refuse_in_integers
from lava_desire.model.synapses import Dense
from lava_desire.proc.desire_dense.process import DesireDense
from lava_desire.proc.hearing import AbstractPyHearingModel
from lava_desire.proc.messages import check_integers
from lava_desire.proc.window import step_in_window
from lava_desire.randomness import RoundingStream


class AbstractPyDesireDenseModelFixed(AbstractPyHearingModel):
    """Fixed point: traces step by step, pairs gathered a synapse, one rounding in the end.

    ``weights`` are mantissas. What is set from outside takes effect with the next window. Traces
    run only where learning is enabled; where it is switched on within a window, they are made up
    for from what was heard.
    """

    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    z_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    weights: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32)
    change: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float32)
    learning_rate: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float64)
    training: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)
    input_rates: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float64)
    output_rates: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float64)
    rated_samples: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        config = self._config
        self._layer = layer = proc_params["layer"]
        self._rule = IntegerRule(config, proc_params["formats"])
        self._format = self._rule.format_of(layer)
        self._synapse = synapse = config.synapses[layer - 1]
        self._is_dense, shape = isinstance(synapse, Dense), synapse.weight_shape
        self._mantissas = fixed.as_mantissas(
            "weights", proc_params["given"], shape, self._format, config.threshold
        )
        num_out, num_in = synapse.num_post, synapse.num_pre
        self._trace_words = RoundingStream("trace", config.num_steps, num_in, config.seed, layer)
        rows = (shape[0], synapse.num_weights // shape[0])
        self._weight_words = RoundingStream("weight", *rows, config.seed, layer)
        self._sample = proc_params["samples_seen"]
        self._gathers = self._has_learned = False
        self._heard: list[tuple[Any, Any]] = []
        self._weights_of_window = np.zeros(shape, np.int32)
        self._activation = np.zeros(num_out, np.int64)
        self._z = np.zeros(num_in, np.int64)
        self._counts = np.zeros(num_out, np.int64)
        self.trace = np.zeros(num_in, np.int64)
        self._pairings = np.zeros(shape, np.int64)
        self._history: list[tuple[Any, Any]] = []

    def run_spk(self) -> None:
        """Send what was computed one step ago, then receive and compute."""
        config = self._config
        step = step_in_window(self.time_step, config)
        self.a_out.send(self._activation)
        self.z_out.send(self._z)
        spikes, answers = self._hear(step)
        self._must_learn = False
        if step == 1:
            self._begin_window()
        if 2 <= step <= config.num_steps + 1:
            self._counts = self._counts + answers
        if self._gathers:
            self._gather(step, spikes, answers)
        else:
            self._heard.append((spikes, answers))
        if self._is_dense:
            active = np.flatnonzero(spikes)
            sums = self._weights_of_window[:, active].sum(axis=1, dtype=np.int64)
        else:
            sums = self._synapse.current(self._weights_of_window, spikes)
        self._activation = fixed.apply_exponent(sums, self._format.weight_exp)
        if step == self._step_of_desire:
            error = fixed.local_error(self._desire, self._counts, self._rule.full_count)
            self._z = fixed.saturate(self._synapse.backward(self._weights_of_window, error))
            if self._is_learning():
                self._catch_up()
                self._has_learned = True
                self._must_learn = bool(self._desire.any())
        elif step > self._step_of_desire:
            self._z = np.zeros_like(self._z)

    def _begin_window(self) -> None:
        if self.time_step == 1:
            # The Var began with the weights as floats, for the models that have them.
            self.weights[:] = self._mantissas
        if self.weights.dtype != np.int32:  # a RefPort puts any array in place of the Var's
            self.weights = check_integers("weights", self.weights, 1).astype(np.int32)
        np.clip(self.weights, self._format.lowest, self._format.highest, out=self.weights)
        self._weights_of_window[:] = self.weights
        self._sample += self._has_learned
        self._has_learned = False
        self._gathers = self._is_learning()
        if self._gathers:
            # Here, so that no layer has changed by then.
            refuse_in_integers(self._config)
            self._rule.check_rate(self._layer, float(self.learning_rate[0]))
        self._heard.clear()
        self._z = np.zeros_like(self._z)
        self.change = np.zeros_like(self.change)
        self._counts = np.zeros_like(self._counts)
        self.trace = np.zeros_like(self.trace)
        self._pairings[:] = 0
        self._history.clear()

    def _gather(self, step: int, spikes: Any, answers: Any) -> None:
        """Add the trace that the step before left where neurons answer, then advance it."""
        if 2 <= step <= self._config.num_steps + 1 and not self._is_dense:
            self._history.append((answers, self.trace))
        elif 2 <= step <= self._config.num_steps + 1:
            chosen = np.flatnonzero(answers)
            self._pairings[chosen] = fixed.gather_pairings(
                self._pairings[chosen], answers[chosen], self.trace
            )
        if step <= self._config.num_steps:
            words = self._trace_words.draw(self._sample, step - 1, 1)[0]
            self.trace = fixed.decay_trace(
                self.trace, spikes, self._rule.decay, self._rule.impulse, words
            )

    def _catch_up(self) -> None:
        """Gather what was heard before learning was switched on, if that was in this window."""
        if self._gathers:
            return
        refuse_in_integers(self._config)
        for step, (spikes, answers) in enumerate(self._heard, start=1):
            self._gather(step, spikes, answers)

    def run_lrn(self) -> None:
        """Turn the pairs of the neurons with desire into a change, and round it to the grid."""
        mantissa, shift = self._rule.rate_of(self._layer, float(self.learning_rate[0]))
        if not self._is_dense:
            self._learn_by_sums(mantissa, shift)
            return
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

    def _learn_by_sums(self, mantissa: int, shift: int) -> None:
        """Change all weights by the sums of their synapse."""
        answers, traces = map(np.array, zip(*self._history, strict=True))
        pairings = self._synapse.pairings(self._desire * answers, traces)
        change = fixed.saturate(pairings * mantissa, ACCUMULATOR_LIMIT)
        words = self._weight_words.draw(self._sample).reshape(change.shape)
        before = self.weights.copy()
        self.weights[...] = fixed.add_change(before, change, shift, words, self._format)
        self.change = self._synapse.by_neuron(np.abs(self.weights - before))


@implements(proc=DesireDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDesireDenseModelFixed(AbstractPyDesireDenseModelFixed):
    """The model of the connection; a process that adds Vars may implement the abstract one."""
