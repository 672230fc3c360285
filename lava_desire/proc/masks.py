"""Dropout masks of a layer, one a window."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_desire.config import DesireConfig
from lava_desire.randomness import DropoutStream


class MaskSequence:
    """The masks that the engine would draw for the same samples, or those that are given.

    Layer 0 is the input, L the output, which is never dropped. Masks given, (S, N) bool, are used
    in turn and then from the beginning; the first is that of sample number `samples_seen`.
    """

    def __init__(self, config: DesireConfig, layer: int, given: Any, samples_seen: int = 0) -> None:
        self._size = config.num_neurons(layer)
        self._given = given
        self._used = samples_seen
        self._stream = DropoutStream(self._size, config.dropout_of(layer), config.seed, layer)
        self._stream.seek(samples_seen)

    def next(self, training: bool) -> Any:
        """Return the mask of the next sample, (N,) bool; evaluation keeps all and draws none."""
        if not training:
            return np.ones(self._size, dtype=bool)
        return self.draw(1)[0]

    def draw(self, num_samples: int) -> Any:
        """Return the masks of the next samples, (num_samples, N) bool."""
        if self._given is None:
            return self._stream.draw(num_samples)
        samples = np.arange(self._used, self._used + num_samples)
        self._used += num_samples
        return self._given[samples % len(self._given)]
