"""A moving average of the weights beside the network that learns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from lava_desire.backends.registry import FIXED_POINT

if TYPE_CHECKING:
    from lava_desire.network import DesireNetwork


class WeightAverage:
    """Averages a network's weights over the minibatches; training itself is not touched.

    average ← a·average + (1 − a)·W, with a of the config's `weight_average`. For the first
    1 / (1 − a) minibatches it is their plain mean, so that the initial weights leave no trace.

    The averages are the `average` in the state of the network that learns; in integers that is the
    average of mantissas, float32.
    """

    def __init__(self, network: DesireNetwork) -> None:
        in_integers = network.arithmetic == FIXED_POINT
        self._learning = network
        self._network: DesireNetwork = type(network)(
            network.config,
            network.device,
            network.weights,
            precision=network.precision,
            kernels=network.kernels,
            arithmetic=network.arithmetic,
            formats=network.rule.formats if in_integers else None,
        )
        weights = self._network.weights
        averages = [each.float() for each in weights]  # those themselves, of float32
        network.state.average, network.state.minibatches_averaged = averages, 0
        self._share_state()
        self._network.class_names = network.class_names

    def _share_state(self) -> None:
        weights = self._network.weights
        self._network.state = replace(self._learning.state, weights=weights, samples_seen=0)

    @property
    def network(self) -> DesireNetwork:
        """The network of the averages as they are now, in integers rounded to mantissas."""
        if self._network.config is not self._learning.config:  # which a callback has set
            self._network.config = self._learning.config
            self._share_state()
        if self._network.arithmetic == FIXED_POINT:
            averages = self._learning.state.average
            for weights, average in zip(self._network.weights, averages, strict=True):
                weights.copy_(average.round())
        return self._network

    @torch.inference_mode()
    def update(self) -> None:
        """Take in the present weights, element by element in float32."""
        (share,) = self.next_shares(1)
        state = self._learning.state
        for average, weights in zip(state.average, state.weights, strict=True):
            self._learning.backend.move_average(average, weights, share)

    def next_shares(self, num_minibatches: int) -> list[float]:
        """Return by how much each of the next minibatches moves the average, and count them.

        Shares are in (0, 1].
        """
        state, least = self._learning.state, 1 - self._learning.config.weight_average
        first = state.minibatches_averaged + 1
        state.minibatches_averaged += num_minibatches
        return [max(1 / number, least) for number in range(first, first + num_minibatches)]
