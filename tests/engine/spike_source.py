"""A source of spike trains that counts what is read of it."""

from __future__ import annotations

import numpy as np

from lava_desire import DesireConfig, rule
from lava_desire.data import SpikeTrains


def encoded(config: DesireConfig, images) -> np.ndarray:
    """Return the spikes that the rule's encoder makes of images, (T, S, N) bool."""
    brightness = np.asarray(images, np.float32) / (255 if images.dtype == np.uint8 else 1)
    return rule.encode(brightness.astype(np.float32), config.num_steps, config.threshold)


class Counting:
    """As a data set on disk, whose samples are read when they are asked for."""

    def __init__(self, spikes, labels, class_names=None, shape=None):
        self._trains = SpikeTrains.pack(spikes)
        self.labels, self.class_names = np.asarray(labels), class_names
        self.shape = shape or self._trains.shape
        self.asked: list[np.ndarray] = []

    def __len__(self):
        return len(self._trains)

    def spikes(self, samples):
        self.asked.append(np.asarray(samples))
        return self._trains[samples]
