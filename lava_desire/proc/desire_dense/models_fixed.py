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
from lava_desire.model.option import refuse_in_integers
from lava_desire.model.synapses import Dense
from lava_desire.proc.desire_dense.process import DesireDense
from lava_desire.proc.learning_inputs import AbstractPyHearingModel
from lava_desire.proc.messages import check_integers
from lava_desire.proc.window import step_in_window
from lava_desire.randomness import RoundingStream


class AbstractPyDesireDenseModelFixed(AbstractPyHearingModel):
    """Fixed point: traces step by step, pairs of a whole window, one rounding in the end.

    ``weights`` are mantissas. What is set from outside takes effect with the next window. Traces
    run only where learning is enabled; where it is switched on within a window, they are made up
    for from its inputs.
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
        num_steps, num_out, num_in = config.num_steps, synapse.num_post, synapse.num_pre
        self._trace_words = RoundingStream("trace", num_steps, num_in, config.seed, layer)
        rows, row_length = synapse.weight_table
        self._weight_words = RoundingStream("weight", rows, row_length, config.seed, layer)
        self._sample = proc_params["samples_seen"]
        self._has_traces = self._has_learned = False
        self._weights_of_window = np.zeros(shape, np.int32)
        self._activation = np.zeros(num_out, np.int64)
        self._z = self._no_z = np.zeros(num_in, np.int64)
        self._received = np.zeros((num_steps, num_in), bool)
        self._answered = np.zeros((num_steps, num_out), bool)
        self._traces = np.zeros((num_steps, num_in), np.int64)
        self.trace = np.zeros(num_in, np.int64)

    def run_spk(self) -> None:
        """Send what was computed one step ago, then receive and compute."""
        num_steps = self._config.num_steps
        step = step_in_window(self.time_step, self._config)
        self.a_out.send(self._activation)
        self.z_out.send(self._z)
        spikes, answers = self._hear(step)
        self._must_learn = False
        self._z = self._no_z
        if step == 1:
            self._begin_window()
        if step <= num_steps:
            self._received[step - 1] = spikes
            if self._has_traces:
                self._advance_trace(step)
        if 2 <= step <= num_steps + 1:
            self._answered[step - 2] = answers
        self._activation = fixed.apply_exponent(self._sum(spikes), self._format.weight_exp)
        if step == self._step_of_desire:
            counts = self._answered.sum(axis=0, dtype=np.int64)
            error = fixed.local_error(self._desire, counts, self._rule.full_count)
            self._z = fixed.saturate(self._synapse.backward(self._weights_of_window, error))
            if self._is_learning():
                self._catch_up()
                self._has_learned = True
                self._must_learn = bool(self._desire.any())

    def _sum(self, spikes: Any) -> Any:
        """Return the sum over the synapses of each neuron, (N_ℓ,) int64 in mantissas."""
        if not self._is_dense:
            return self._synapse.current(self._weights_of_window, spikes)
        (active,) = spikes.nonzero()
        return self._weights_of_window.take(active, axis=1).sum(axis=1, dtype=np.int64)

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
        self._has_traces = self._is_learning()
        if self._has_traces:
            # Here, so that no layer has changed by then.
            refuse_in_integers(self._config)
            self._rule.check_rate(self._layer, float(self.learning_rate[0]))
        self.change = np.zeros_like(self.change)
        self.trace = np.zeros_like(self.trace)

    def _advance_trace(self, step: int) -> None:
        words = self._trace_words.draw(self._sample, step - 1, 1)[0]
        spikes = self._received[step - 1]
        decay, impulse = self._rule.decay, self._rule.impulse
        self.trace = fixed.decay_trace(self.trace, spikes, decay, impulse, words)
        self._traces[step - 1] = self.trace

    def _catch_up(self) -> None:
        """Make up for traces before learning was switched on, if that was in this window."""
        if self._has_traces:
            return
        refuse_in_integers(self._config)
        for step in range(1, self._config.num_steps + 1):
            self._advance_trace(step)

    def run_lrn(self) -> None:
        """Turn the pairs of the neurons with desire into a change, and round it to the grid."""
        mantissa, shift = self._rule.rate_of(self._layer, float(self.learning_rate[0]))
        signed = self._answered * self._desire
        synapse, rows = self._synapse, np.arange(len(self.weights))
        if not signed.any() or mantissa == 0:
            return
        if self._is_dense:  # the rows of neurons that change alone
            (rows,) = signed.any(axis=0).nonzero()
            signed, synapse = signed[:, rows], Dense(len(rows)).connected(synapse.pre_shape)
        pairings = fixed.saturate(synapse.pairings(signed, self._traces))
        change = fixed.saturate(pairings * mantissa, ACCUMULATOR_LIMIT)
        words = np.concatenate([self._weight_words.draw(self._sample, int(row), 1) for row in rows])
        before = self.weights[rows]
        after = fixed.add_change(before, change, shift, words.reshape(change.shape), self._format)
        self.weights[rows] = after
        moved = np.zeros_like(self.weights)
        moved[rows] = np.abs(after - before)
        self.change = self._synapse.by_neuron(moved)


@implements(proc=DesireDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDesireDenseModelFixed(AbstractPyDesireDenseModelFixed):
    """The model of the connection; a process that adds Vars may implement the abstract one."""
