"""Process models of the plastic connection, in integers."""

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
from lava_desire.model.option import integer_term_factors, refuse_in_integers
from lava_desire.model.rates import whole_rate
from lava_desire.proc.desire_connection.learning import AbstractPyDesireConnectionModel
from lava_desire.proc.desire_connection.process import DesireConnection
from lava_desire.proc.messages import check_integers
from lava_desire.randomness import RoundingStream, feedback_held


class AbstractPyDesireConnectionModelFixed(AbstractPyDesireConnectionModel):
    """Fixed point: traces step by step, pairs of a whole window, one rounding in the end.

    ``weights`` are mantissas. Traces run only where learning is enabled; where it is switched on
    within a window, they are made up for from its inputs.
    """

    in_integers = True
    number = np.int64
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    z_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    weights: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        config, layer, synapse = self._config, self._layer, self._synapse
        self._rule = IntegerRule(config, proc_params["formats"])
        self._format, self._mean_trace = self._rule.format_of(layer), self._rule.mean_trace
        self._ends = self._rule.range_of(layer)
        self._mantissas = fixed.as_mantissas(
            "weights", proc_params["given"], synapse.weight_shape, self._format, config.threshold
        )
        num_steps, num_in = self._received.shape
        self._trace_words = RoundingStream("trace", num_steps, num_in, config.seed, layer)
        rows, row_length = synapse.weight_table
        self._weight_words = RoundingStream("weight", rows, row_length, config.seed, layer)
        self._sample = proc_params["samples_seen"]
        self._feedback: Any = None  # what is kept for a feedback policy, when first needed
        self._has_traces = self._has_learned = False
        self._traces = np.zeros((num_steps, num_in), np.int64)
        self.trace, self._filtered = np.zeros(num_in, np.int64), np.zeros(num_in, np.int64)

    def _check_weights(self) -> None:
        if self.time_step == 1:
            # The Var began with the weights as floats, for the models that have them.
            self.weights[:] = self._mantissas
        if self.weights.dtype != np.int32:  # a RefPort puts any array in place of the Var's
            self.weights = check_integers("weights", self.weights, 1).astype(np.int32)
        np.clip(self.weights, *self._ends, out=self.weights)

    def on_var_update(self) -> None:
        """Look at the weights anew when the next window begins."""
        self._taken = None

    def _begin_window(self) -> None:
        self._sample += self._has_learned
        self._has_learned = False
        self._has_traces = self._is_learning()
        if self._has_traces:
            # Here, so that no layer has changed by then.
            refuse_in_integers(self._config)
            self._rule.check_rate(self._layer, float(self.learning_rate[0]))
        self.trace, self._filtered = np.zeros_like(self.trace), np.zeros_like(self._filtered)

    def _current(self, spikes: Any) -> Any:
        total = self._sums.current(spikes).astype(np.int64)
        return fixed.apply_exponent(total, self._format.weight_exp)

    def _follow(self, step: int) -> None:
        if self._has_traces and step <= self._config.num_steps:
            self._advance_trace(step)

    def _advance_trace(self, step: int) -> None:
        words = self._trace_words.draw(self._sample, step - 1, 1)[0]
        spikes = self._received[step - 1]
        filtering, decay, impulse = self._rule.trace_constants
        if filtering:
            self._filtered = fixed.decay_trace(self._filtered, spikes, filtering, impulse, words)
            self.trace = fixed.filter_trace(self.trace, self._filtered, decay, words)
        else:
            self.trace = fixed.decay_trace(self.trace, spikes, decay, impulse, words)
        self._traces[step - 1] = self.trace

    def _backpropagate(self, counts: Any) -> Any:
        error = self._rule.local_error(self._desire, counts)
        policy = self._config.feedback_policy
        if policy is None or self._layer == 1:
            return fixed.saturate(self._sums.backward(error).astype(np.int64))
        if self._feedback is None:
            held = feedback_held(self._config, self._layer)
            self._feedback = fixed.feedback_kept(held, self._rule.step_of(self._layer))
        matrix = fixed.feedback_mantissas(policy, self._sums.weights, self._feedback)
        return fixed.saturate(self._synapse.backward(matrix, error).astype(np.int64))

    def _prepare(self, has_desire: bool) -> bool:
        if not self._has_traces:  # they are made up for where learning was switched on since
            refuse_in_integers(self._config)
            for step in range(1, self._config.num_steps + 1):
                self._advance_trace(step)
        self._has_learned = True
        return has_desire or bool(self._config.terms)

    def _as_factor(self, rates: Any) -> Any:
        return None if rates is None else whole_rate(rates)

    def run_lrn(self) -> None:
        """Turn the pairs of the neurons with desire into a change, and round it to the grid."""
        mantissa, shift = self._rule.rate_of(self._layer, float(self.learning_rate[0]))
        signed = self._paired * self._desire
        # The rows of neurons, or of channels, that change.
        of_rows = signed.reshape(len(signed), len(self.weights), -1)
        takes_part = of_rows.any(axis=(0, 2))
        terms = list(integer_term_factors(self._update(mantissa, signed)))
        for post, _, _ in terms:
            takes_part |= post.reshape(len(takes_part), -1).any(axis=1)
        (rows,) = takes_part.nonzero()
        if not len(rows) or mantissa == 0:
            return
        pairings = self._sums.pairings(signed, self._traces, rows).astype(np.int64)
        change = fixed.saturate(fixed.saturate(pairings) * mantissa, ACCUMULATOR_LIMIT)
        for post, pre, bits in terms:
            pairs = self._sums.pairings(post[None], pre[None], rows).astype(np.int64)
            change = fixed.saturate(change + (pairs + (1 << bits - 1) >> bits), ACCUMULATOR_LIMIT)
        words = np.concatenate([self._weight_words.draw(self._sample, int(row), 1) for row in rows])
        before = self.weights[rows]
        after = fixed.add_change(before, change, shift, words.reshape(change.shape), self._format)
        after = np.clip(after, *self._ends)
        self.weights[rows] = after
        self._sums.take(self.weights, rows)
        moved = np.zeros_like(self.weights)
        moved[rows] = np.abs(after - before)
        self.change = self._synapse.by_neuron(moved)


@implements(proc=DesireConnection, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDesireConnectionModelFixed(AbstractPyDesireConnectionModelFixed):
    """Of any kind of synapse."""
