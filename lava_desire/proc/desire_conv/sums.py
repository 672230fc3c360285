"""The sums over the synapses of a convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_desire.config import DesireConfig
from lava_desire.proc.desire_connection.sums import Sums


class ConvSums(Sums):
    """Sums over the spikes that there are: each adds the rows of the kernels that it meets."""

    def __init__(self, config: DesireConfig, synapse: Any) -> None:
        super().__init__(config, synapse)
        self._maps, num_pre = synapse.out_channels, synapse.num_pre
        # The input that each position meets with each row of the kernels; padding is num_pre.
        numbers = np.arange(num_pre).reshape(synapse.pre_shape)
        margin = ((0, 0), *((each, each) for each in synapse.padding))
        planes = np.pad(numbers, margin, constant_values=num_pre)
        reach = (synapse.in_channels, *synapse.kernel_size)
        windows = np.lib.stride_tricks.sliding_window_view(planes, reach)[0]
        step_y, step_x = synapse.stride
        inputs = windows[::step_y, ::step_x].reshape(synapse.num_positions, -1)
        # The same by input: where in lists of positions and rows its own begin, and how many.
        position, self._row = np.divmod(inputs.ravel().argsort(kind="stable"), inputs.shape[1])
        self._place = (position * self._maps)[:, None]
        self._count = np.bincount(inputs.ravel(), minlength=num_pre + 1)[:num_pre]
        self._first = self._count.cumsum() - self._count
        self._channels = np.arange(self._maps)
        self._rows = np.zeros((inputs.shape[1], self._maps))

    def take(self, weights: Any, rows: Any = slice(None)) -> None:
        """See :class:`Sums`."""
        super().take(weights, rows)
        self._rows[...] = self._weights.reshape(self._maps, -1).T

    def current(self, spikes: Any) -> Any:
        """See :class:`Sums`."""
        (active,) = spikes.nonzero()
        count = self._count[active]
        met = np.repeat(self._first[active] - count.cumsum() + count, count)
        if not len(met):  # also where strides leave all of them out
            return np.zeros(self.synapse.num_post)
        met += np.arange(len(met))
        place, added = self._place[met] + self._channels, self._rows.take(self._row[met], axis=0)
        plane = np.bincount(place.ravel(), added.ravel(), self.synapse.num_post)
        return plane.reshape(-1, self._maps).T.ravel()
