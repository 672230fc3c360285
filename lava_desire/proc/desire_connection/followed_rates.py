"""Mean firing rates of a plastic connection, and the Vars that show them."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_desire import rule
from lava_desire.config import DesireConfig
from lava_desire.model.rates import follow_rate_in_integers


class FollowedRates:
    """Mean firing rates ν of a connection's inputs and neurons, and over how many samples.

    A model shows them in its Vars ``input_rates``, ``output_rates`` and ``rated_samples``. What is
    set there within a window stays, and the next window begins with it: whether it was set is seen
    by its value. `values` are ν by the name of the Var, (N_{ℓ−1},) and (N_ℓ,) float64, in spikes a
    time step.
    """

    def __init__(self, config: DesireConfig, in_integers: bool = False) -> None:
        self._config, self._in_integers = config, in_integers
        self.values: dict[str, Any] = {"input_rates": None, "output_rates": None}
        self._num_samples = dict.fromkeys(self.values, -1)
        self._samples_shown = -1

    def begin(self, model: Any) -> None:
        """Take what the Vars were set to since the window before."""
        for name, followed in self.values.items():
            shown = getattr(model, name)
            if followed is None or not np.array_equal(shown, followed):
                self.values[name] = np.array(shown, np.float64)
        num_samples = int(model.rated_samples[0])
        if num_samples != self._samples_shown:
            self._samples_shown = num_samples
            self._num_samples = dict.fromkeys(self.values, num_samples)

    def follow(self, model: Any, name: str, num_spikes: Any) -> None:
        """Take in how often the neurons behind a Var spiked in a window, (N,) int64."""
        config, before = self._config, self.values[name]
        self._num_samples[name] += 1
        horizon = min(self._num_samples[name], config.baseline_samples)
        if self._in_integers:
            after = follow_rate_in_integers(before, num_spikes, 1, config.num_steps, horizon)
        else:
            after = rule.follow_rate(before, num_spikes, 1, config.num_steps, 1.0 / horizon)
        self.values[name] = after
        if np.array_equal(getattr(model, name), before):
            setattr(model, name, self.values[name].copy())

    def show_samples(self, model: Any) -> None:
        """Show at the end of a window how many samples the rates of the inputs are over."""
        if int(model.rated_samples[0]) == self._samples_shown:
            self._samples_shown = self._num_samples["input_rates"]
            model.rated_samples = np.array([self._samples_shown])
