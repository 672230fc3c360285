"""Process models of the plastic connection, in floating point."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire import rule
from lava_desire.model.option import LayerUpdate, term_factors
from lava_desire.proc.checks import bounded
from lava_desire.proc.desire_dense.process import DesireDense
from lava_desire.proc.desire_dense.sums import sums_of
from lava_desire.proc.followed_rates import FollowedRates
from lava_desire.proc.learning_inputs import AbstractPyHearingModel
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
        config, self._layer = self._config, proc_params["layer"]
        synapse = config.synapses[self._layer - 1]
        self._gain = config.dropout_gain(self._layer - 1)
        # When connection ℓ + 1 follows the rates of the same neurons, its inputs.
        self._step_of_answers = self._step_of_desire - (self._layer < config.num_layers)
        self._activation = np.zeros(synapse.num_post, np.float32)
        self._z = self._no_z = np.zeros(synapse.num_pre, np.float32)
        self._received = np.zeros((config.num_steps, synapse.num_pre), dtype=bool)
        self._num_spikes = np.zeros(synapse.num_pre, np.int64)
        self._answered = np.zeros((config.num_steps, synapse.num_post), dtype=bool)
        self._gain_of_window = 1.0
        self._follows_rates = config.follows_rates
        self._rates = FollowedRates(config)
        self._mean_trace = rule.mean_trace(config.num_steps, config.decay)
        self._sums = sums_of(config, synapse)
        self._taken: Any = None  # the Var's array, while the window's weights are in it

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
        if 2 <= step <= num_steps + 1:
            self._answered[step - 2] = answers
        self._activation = self._sums.current(spikes, self._gain_of_window)
        if self._follows_rates:
            self._num_spikes += spikes  # also one that comes too late for the window
            self._follow_rates(step)
        if step == self._step_of_desire:
            has_desire = bool(self._desire.any())
            if has_desire:
                self._z = self._backpropagate()
            self._must_learn = (has_desire or bool(self._config.terms)) and self._is_learning()

    def _begin_window(self) -> None:
        self._gain_of_window = self._gain if self.training[0] else 1.0
        # A RefPort puts another array in place of the Var's; set() writes into it.
        if self._taken is not self.weights:
            if not np.isfinite(self.weights).all():
                raise ValueError("weights hold NaN or infinity: expected finite values")
            self._keep_within_bounds()
            self._sums.take(self.weights)
            self._taken = self.weights
        if self._follows_rates:
            self._rates.begin(self)
            self._num_spikes.fill(0)
        self.change = np.zeros_like(self.change)

    def _keep_within_bounds(self) -> None:
        """Have weights that come from outside be as others are; a RefPort writes any type."""
        self.weights = self.weights.astype(np.float32, copy=False)
        self.weights[...] = bounded(self._config, self.weights)

    def on_var_update(self) -> None:
        """Keep weights within their bounds, and look at them anew when the next window begins."""
        self._keep_within_bounds()
        self._taken = None

    def _backpropagate(self) -> Any:
        config = self._config
        rate = rule.firing_rate(self._answered.sum(axis=0), config.num_steps, config.error_margin)
        error = rule.local_error(self._desire, rate)
        weights = self.weights if self._taken is self.weights else self._sums.weights
        return self._sums.backward(weights, error)

    def _follow_rates(self, step: int) -> None:
        is_rated = self._third_factor > 0 or not self._config.rates_desired_samples
        if is_rated and step in (self._step_of_answers, self._step_of_desire):
            if self._is_learning() and step == self._step_of_answers:
                self._rates.follow(self, "output_rates", self._answered.sum(axis=0))
            if self._is_learning() and step == self._step_of_desire:
                self._rates.follow(self, "input_rates", self._num_spikes)
        if step == self._config.window_steps:
            self._rates.show_samples(self)

    def run_lrn(self) -> None:
        """Change the weights by Eq. 4 and what the config adds to it."""
        if self._taken is not self.weights:
            self._keep_within_bounds()
        rate = float(self.learning_rate[0]) * self._config.learning_rate_scale_of(self._layer)
        signed = self._answered * self._desire
        self.change = self._sums.learn(
            self.weights, rate, signed, self._received, self._factors(rate, signed)
        )

    def _factors(self, rate: float, signed: Any) -> list[tuple[Any, Any]]:
        """Return the factors of what the config's terms add, in their order."""
        config, rates = self._config, self._rates.values
        update = LayerUpdate(
            config,
            self._layer,
            rate,
            num_samples=1,
            input_rates=rates["input_rates"],
            output_rates=rates["output_rates"] if self._layer < config.num_layers else None,
            desired_spikes=lambda: signed.sum(axis=0, dtype=np.int64),
            mean_trace=self._mean_trace,
        )
        return list(term_factors(update))
