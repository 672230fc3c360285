"""The mean firing rates that a plastic connection follows, and the Vars that show them."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_desire import rule
from lava_desire.config import DesireConfig


class FollowedRates:
    """Mean firing rates of a connection's inputs and neurons, and over how many samples.

    A model shows them in its Vars ``input_rates``, ``output_rates`` and ``rated_samples``. What is
    set there within a window stays, and the next window begins with it: whether it was set is seen
    by its value.

    Parameters
    ----------
    config : DesireConfig
        T and the samples of the mean.

    Attributes
    ----------
    of_inputs, of_outputs : ndarray
        ν, (N_{ℓ−1},) and (N_ℓ,) float64, in spikes a time step.
    """

    def __init__(self, config: DesireConfig) -> None:
        self._config = config
        self.of_inputs: Any = None
        self.of_outputs: Any = None
        self._samples_of_inputs = self._samples_of_outputs = self._samples_shown = -1

    def begin(self, model: Any) -> None:
        """Take what the Vars were set to since the window before."""
        self.of_inputs = _as_set(model.input_rates, self.of_inputs)
        self.of_outputs = _as_set(model.output_rates, self.of_outputs)
        shown = int(model.rated_samples[0])
        if shown != self._samples_shown:
            self._samples_of_inputs = self._samples_of_outputs = self._samples_shown = shown

    def follow_inputs(self, model: Any, num_spikes: Any) -> None:
        """Take in how often the inputs spiked in a window, (N_{ℓ−1},) int64."""
        self._samples_of_inputs += 1
        before, self.of_inputs = (
            self.of_inputs,
            self._followed(self.of_inputs, num_spikes, self._samples_of_inputs),
        )
        if np.array_equal(model.input_rates, before):
            model.input_rates = self.of_inputs.copy()

    def follow_outputs(self, model: Any, num_spikes: Any) -> None:
        """Take in how often the neurons spiked in a window, (N_ℓ,) int64."""
        self._samples_of_outputs += 1
        before, self.of_outputs = (
            self.of_outputs,
            self._followed(self.of_outputs, num_spikes, self._samples_of_outputs),
        )
        if np.array_equal(model.output_rates, before):
            model.output_rates = self.of_outputs.copy()

    def show_samples(self, model: Any) -> None:
        """Show at the end of a window how many samples the rates of the inputs are over."""
        if int(model.rated_samples[0]) == self._samples_shown:
            self._samples_shown = self._samples_of_inputs
            model.rated_samples = np.array([self._samples_shown])

    def _followed(self, rates: Any, num_spikes: Any, num_samples: int) -> Any:
        share = 1.0 / min(num_samples, self._config.baseline_samples)
        return rule.follow_rate(rates, num_spikes, 1, self._config.num_steps, share)


def _as_set(shown: Any, followed: Any) -> Any:
    if followed is not None and np.array_equal(shown, followed):
        return followed
    return np.array(shown, np.float64)
