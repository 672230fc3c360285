"""How often the neurons of a network fire, and which never or nearly always do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lava_desire.backends.inputs import as_input
from lava_desire.engine import DesireNetwork

RUNAWAY = 0.9
"""Spikes a time step above which a neuron says little: it fires whatever it is shown."""

_BATCH = 256


@dataclass(frozen=True)
class FiringRates:
    """Mean firing rates of a network's neurons.

    Parameters
    ----------
    rates : list of ndarray
        L arrays (N_ℓ,) float64, layer 1 first: spikes a time step, in [0, 1], mean over samples.
    num_samples : int
        What the means are over.
    """

    rates: list[npt.NDArray[np.float64]]
    num_samples: int

    @property
    def silent(self) -> list[int]:
        """Neurons of each layer that did not spike once."""
        return [int((rates == 0).sum()) for rates in self.rates]

    @property
    def runaway(self) -> list[int]:
        """Neurons of each layer with more than 0.9 spikes a time step."""
        return [int((rates > RUNAWAY).sum()) for rates in self.rates]


@torch.inference_mode()
def firing_rates(network: DesireNetwork, images: Any) -> FiringRates:
    """Measure how often each neuron spikes, without dropout.

    Parameters
    ----------
    network : DesireNetwork
        The network.
    images : array
        (S, N) uint8 or float brightness, or spike trains; at least one sample.

    Returns
    -------
    FiringRates

    Raises
    ------
    ValueError
        If the samples do not fit the network, or there are none.

    Examples
    --------
    >>> from lava_desire import DesireConfig, DesireNetwork, load_dataset
    >>> network = DesireNetwork(DesireConfig((64, 20, 10)))
    >>> found = firing_rates(network, load_dataset("digits").test_images)
    >>> [len(rates) for rates in found.rates], found.num_samples
    ([20, 10], 359)
    """
    config = network.config
    inputs = as_input(images, config, network.device, image_shape=network.image_shape)
    if not len(inputs):
        raise ValueError("images hold no sample: expected at least one")
    sums = [np.zeros(size) for size in config.neurons[1:]]
    with network.threads():
        for first in range(0, len(inputs), _BATCH):
            counts = network.forward_checked(inputs[first : first + _BATCH]).counts[1:]
            for total, count in zip(sums, counts, strict=True):
                total += count.sum(0).double().cpu().numpy()
    return FiringRates([total / (len(inputs) * config.num_steps) for total in sums], len(inputs))
