"""A moving average of the weights beside the network that learns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from lava_desire.network import DesireNetwork


class WeightAverage:
    """Averages a network's weights over the minibatches; training itself is not touched.

    average ← a·average + (1 − a)·W, with a of the config's `weight_average`. For the first
    1 / (1 − a) minibatches it is their plain mean, so that the initial weights leave no trace.

    Parameters
    ----------
    network : DesireNetwork
        The network that learns.

    Attributes
    ----------
    network : DesireNetwork
        A network of the averaged weights, which are the `average` in the learning one's state.

    Raises
    ------
    ValueError
        If the network computes in integers, whose average is none.
    """

    def __init__(self, network: DesireNetwork) -> None:
        if network.arithmetic != "floating_point":
            raise ValueError(
                f"weight_average is {network.config.weight_average}: expected 0 in "
                f"{network.arithmetic} arithmetic, where weights are integers"
            )
        self._learning = network
        self.network: DesireNetwork = type(network)(
            network.config,
            network.device,
            network.weights,
            precision=network.precision,
            kernels=network.kernels,
        )
        weights = self.network.weights
        network.state.average, network.state.minibatches_averaged = weights, 0
        self.network.state = replace(network.state, weights=weights, samples_seen=0)
        self.network.class_names = network.class_names

    @torch.inference_mode()
    def update(self) -> None:
        """Take in the present weights, element by element in float32."""
        (share,) = self.next_shares(1)
        for average, weights in zip(self.network.weights, self._learning.weights, strict=True):
            self._learning.backend.move_average(average, weights, share)

    def next_shares(self, num_minibatches: int) -> list[float]:
        """Return by how much each of the next minibatches moves the average, and count them.

        Parameters
        ----------
        num_minibatches : int
            How many.

        Returns
        -------
        list of float
            Shares in (0, 1].
        """
        state, least = self._learning.state, 1 - self._learning.config.weight_average
        first = state.minibatches_averaged + 1
        state.minibatches_averaged += num_minibatches
        return [max(1 / number, least) for number in range(first, first + num_minibatches)]
