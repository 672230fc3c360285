"""How the plastic connection runs on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire import rule
from lava_desire.proc.desire_dense.process import DesireDense
from lava_desire.proc.followed_rates import FollowedRates
from lava_desire.proc.hearing import AbstractPyHearingModel
from lava_desire.proc.window import step_in_window


@implements(proc=DesireDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDesireDenseModelFloat(AbstractPyHearingModel):
    """Floating point: trains are kept over the window, and paired in one product at its end.

    Weights, rates and `training` that are set within a window hold from the next one: until then
    the model goes by its own copies.
    """

    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    z_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    weights: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float32)
    change: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float32)
    learning_rate: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float64)
    training: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)
    input_rates: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float64)
    output_rates: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float64)
    rated_samples: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        layer = proc_params["layer"]
        num_in, num_out = map(self._config.num_neurons, (layer - 1, layer))
        self._gain = self._config.dropout_gain(layer - 1)
        self._learning_rate_scale = self._config.learning_rate_scale_of(layer)
        # When connection ℓ + 1 follows the rates of the same neurons, its inputs.
        self._step_of_answers = self._step_of_desire - (layer < self._config.num_layers)
        self._activation = np.zeros(num_out, np.float32)
        self._no_z = np.zeros(num_in, np.float32)
        self._z = self._no_z
        self._received = np.zeros((self._config.num_steps, num_in), dtype=bool)
        self._num_spikes = np.zeros(num_in, np.int64)
        self._answered = np.zeros((self._config.num_steps, num_out), dtype=bool)
        self._is_training = False
        self._rates = FollowedRates(self._config)
        self._mean_trace = rule.mean_trace(self._config.num_steps, self._config.decay)
        self._baseline_gain = self._config.trace_baseline * self._mean_trace
        self._floor = self._config.rate_floor_of(layer)
        # Weights by input and in float64: a sum over active inputs then adds whole rows.
        self._rows = np.zeros((num_in, num_out))
        self._rows_are_of: Any = None

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
        if self._config.follows_rates:
            self._num_spikes += spikes  # also one that comes too late for the window
        if step <= num_steps:
            self._received[step - 1] = spikes
        if 2 <= step <= num_steps + 1:
            self._answered[step - 2] = answers
        self._activation = self._activate(spikes)
        if self._config.follows_rates:
            self._follow_rates(step)
        if step == self._step_of_desire:
            if self._desire.any():
                self._z = self._backpropagate()
            if self._is_learning():
                self._must_learn = bool(self._desire.any() or self._low().any())

    def _begin_window(self) -> None:
        self._is_training = bool(self.training[0])
        self._take_new_weights()
        self._rates.begin(self)
        self.change = np.zeros_like(self.change)
        self._num_spikes[:] = 0

    def _take_new_weights(self) -> None:
        # A RefPort puts another array in place of the Var's; set() writes into it.
        if self._rows_are_of is self.weights:
            return
        if not np.isfinite(self.weights).all():
            raise ValueError("weights hold NaN or infinity: expected finite values")
        self._hold_to_limit()
        self._rows[:] = self.weights.T
        self._rows_are_of = self.weights

    def _hold_to_limit(self) -> None:
        """Have weights that come from outside be as others are; a RefPort writes any type."""
        self.weights = self.weights.astype(np.float32, copy=False)
        self.weights[...] = rule.limit_weights(self.weights, self._config.weight_limit)

    def _weights_of_window(self) -> Any:
        """Return the weights that this window began with, (N_ℓ, N_{ℓ−1}) float32."""
        if self._rows_are_of is self.weights:
            return self.weights
        return np.ascontiguousarray(self._rows.T, np.float32)

    def on_var_update(self) -> None:
        """Hold weights to their limit, and look at them anew when the next window begins."""
        self._hold_to_limit()
        self._rows_are_of = None

    def _activate(self, spikes: Any) -> Any:
        total = self._rows.take(np.flatnonzero(spikes), axis=0).sum(axis=0)
        if self._is_training:
            total *= self._gain
        return total.astype(np.float32)

    def _backpropagate(self) -> Any:
        config = self._config
        rate = rule.firing_rate(self._answered.sum(axis=0), config.num_steps, config.error_margin)
        error = rule.local_error(self._desire, rate)
        # Few neurons desire anything; the others would add zeros.
        wanted = np.flatnonzero(error)
        return rule.backpropagate_error(self._weights_of_window()[wanted], error[wanted])

    def _follow_rates(self, step: int) -> None:
        is_rated = self._third_factor > 0 or not self._config.rates_desired_samples
        if is_rated and self._is_learning():
            if step == self._step_of_answers:
                self._rates.follow_outputs(self, self._answered.sum(axis=0))
            if step == self._step_of_desire:
                self._rates.follow_inputs(self, self._num_spikes)
        if step == self._config.window_steps:
            self._rates.show_samples(self)

    def _low(self) -> Any:
        """Tell which neurons spike less than they at least should."""
        return self._rates.of_outputs < self._floor

    def run_lrn(self) -> None:
        """Change the weights of the neurons and inputs that take part alone."""
        if self._rows_are_of is not self.weights:
            self._hold_to_limit()
        rate = float(self.learning_rate[0]) * self._learning_rate_scale
        spiked = self._answered.any(axis=0) & (self._desire != 0)
        chosen = np.flatnonzero(spiked | self._low())
        active = np.flatnonzero(self._received.any(axis=0))
        if not len(chosen):
            return
        change = self._pair(chosen, active, rate)
        if self._config.follows_rates:
            by_rates = self._change_by_rates(chosen, rate)
            by_rates[:, active] += change
            active, change = np.arange(by_rates.shape[1]), by_rates
        if self._config.weight_limit:
            limited = rule.limit_weights(self.weights[chosen], self._config.weight_limit)
            self.weights[chosen] = limited
        self._rows[np.ix_(active, chosen)] = self.weights[np.ix_(chosen, active)].T
        self.change[chosen] = np.abs(change).sum(axis=1)

    def _pair(self, chosen: Any, active: Any, rate: float) -> Any:
        """Pair postsynaptic spikes with presynaptic traces; return the change, (C, A) float32."""
        if not len(active):
            return np.zeros((len(chosen), 0), np.float32)
        trace = np.zeros(len(active))
        traces = np.empty((len(self._received), len(active)))
        for step, spikes in enumerate(self._received[:, active]):
            traces[step] = trace = rule.decay_trace(trace, spikes, self._config.decay)
        pairings = rule.desired_pairings(
            self._desire[None, chosen], self._answered[:, None, chosen], traces[:, None]
        )
        change = rule.weight_change(pairings, rate)
        self.weights[np.ix_(chosen, active)] += change
        return change

    def _change_by_rates(self, chosen: Any, rate: float) -> Any:
        """Change weights by mean rates: baseline, then floor; return it, (C, N_i) float32."""
        rates = self._rates.of_inputs
        change = np.zeros((len(chosen), len(rates)), np.float32)
        if self._baseline_gain:
            desired_spikes = self._desire[chosen] * self._answered[:, chosen].sum(axis=0)
            baseline = (rates * self._baseline_gain).astype(np.float32)
            change = rule.baseline_change(desired_spikes, baseline, rate)
            self.weights[chosen] += change
        if self._floor:
            traces = (rates * self._mean_trace).astype(np.float32)
            own = self._rates.of_outputs[chosen]
            lifted = rule.rate_floor_change(own, self._floor, traces, 1, rate)
            self.weights[chosen] += lifted
            change = change + lifted
        return change
