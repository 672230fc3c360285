"""What all libraries share: the input spikes, the neurons' decay and the learning rate."""

from __future__ import annotations

import numpy as np

NUM_STEPS, DECAY = 20, 0.75
LEARNING_RATE = 1e-3


def encoder_table() -> np.ndarray:
    """Return the encoder's trains of the 256 brightnesses, (T, 256) float32."""
    brightness = np.arange(256, dtype=np.float32) / 255
    potential, trains = np.zeros(256, np.float32), []
    for _ in range(NUM_STEPS):
        potential += brightness
        trains.append((potential >= 1).astype(np.float32))
        potential -= trains[-1]
    return np.stack(trains)
