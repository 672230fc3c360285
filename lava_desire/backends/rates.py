"""The mean firing rates of neurons, on which an update may depend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_desire import rule
from lava_desire.config import DesireConfig


class InputRates:
    """Follows how often the inputs of each plastic layer spike in training.

    ν ← ν + κ·(n / (B·T) − ν), with κ = B / min(samples seen, S) and S of the config's
    `baseline_samples`: a plain mean over the first S samples, later one that forgets. B are the
    samples of a minibatch, or those with desire, as `rates_over` of the config says. The
    baseline of a trace is a share of its mean, the config's `trace_baseline`.
    The inputs of a layer are the neurons of the one before: a `rate_floor` asks for their rates.

    Parameters
    ----------
    config : DesireConfig
        Of the network.
    device : torch.device
        Where it lives. Nothing here waits for the device.

    Attributes
    ----------
    gain, mean_trace : float
        Baseline of a trace, and its mean, at one spike a time step.
    rates : list of Tensor
        ν, L of (N_{ℓ−1},) float64, spikes a time step.
    num_samples : Tensor
        Samples followed by each layer, (L,) int64.
    """

    def __init__(self, config: DesireConfig, device: torch.device) -> None:
        self._config = config
        self.mean_trace = rule.mean_trace(config.num_steps, config.decay)
        self.gain = config.trace_baseline * self.mean_trace
        self.rates = [
            torch.zeros(size, dtype=torch.float64, device=device)
            for size in config.layer_sizes[:-1]
        ]
        self.num_samples = torch.zeros(config.num_layers, dtype=torch.int64, device=device)

    def follow(self, layer: int, num_spikes: Tensor, num_samples: int | Tensor) -> Tensor:
        """Take in a minibatch, and return the baseline of each input's trace.

        Parameters
        ----------
        layer : int
            ℓ in 1 to L.
        num_spikes : Tensor
            Spikes of its inputs, all samples together, (N_{ℓ−1},) int64.
        num_samples : int or Tensor
            B, a tensor () int64.

        Returns
        -------
        Tensor
            b, (N_{ℓ−1},) float32.
        """
        config, rate = self._config, self.rates[layer - 1]
        seen = self.num_samples[layer - 1]
        seen += num_samples
        batch = torch.zeros_like(rate[:1]) + num_samples
        horizon = seen.clamp(max=config.baseline_samples).maximum(batch).clamp(min=1)
        share = batch / horizon
        rate.copy_(rule.follow_rate(rate, num_spikes, num_samples, config.num_steps, share))
        return (rate * self.gain).to(torch.float32)

    def mean_traces(self, layer: int) -> Tensor:
        """Return the mean trace of each input of layer ℓ, (N_{ℓ−1},) float32."""
        return (self.rates[layer - 1] * self.mean_trace).to(torch.float32)

    def to_arrays(self) -> list[np.ndarray[Any, Any]]:
        """Return copies of the rates as NumPy arrays, L of (N_{ℓ−1},) float64."""
        return [rate.cpu().numpy().copy() for rate in self.rates]

    def held(self) -> tuple[list[Tensor], Tensor]:
        """Return a copy of all that :meth:`restore` takes."""
        return [rate.clone() for rate in self.rates], self.num_samples.clone()

    def restore(self, rates: Sequence[Any], num_samples: Any) -> None:
        """Go on from rates that were stored, and from the samples that they are the mean of.

        Parameters
        ----------
        rates : sequence of array
            L of (N_{ℓ−1},) float64.
        num_samples : int, list of int or Tensor
            Samples, the same for each layer or (L,).
        """
        for rate, stored in zip(self.rates, rates, strict=True):
            rate.copy_(torch.as_tensor(stored))
        self.num_samples.copy_(torch.as_tensor(num_samples, dtype=torch.int64))
