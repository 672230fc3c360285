"""The rate encoder: brightness becomes spikes (Sec. 4.1)."""

from __future__ import annotations

from lava_desire.model.arrays import Array, namespace

BRIGHTEST = 255
"""Level of the brightest pixel."""


def as_levels(images: Array) -> Array:
    """Return images as levels k = ⌊255·x⌉, (..., N) uint8.

    Images are (..., N) integer levels in [0, 255], or brightness x in [0, 1] as floats or
    booleans. What lies outside is for the caller to refuse.
    """
    xp = namespace(images)
    if xp.isdtype(images.dtype, ("real floating", "bool")):
        images = xp.round(xp.astype(images, xp.float64) * BRIGHTEST)
    return xp.astype(images, xp.uint8, copy=False)


def encode_step(potential: Array, brightness: Array, threshold: float) -> tuple[Array, Array]:
    """Advance the rate encoder, a non-leaky integrate-and-fire neuron a pixel, by one time step.

    p ← p + x;  s = [p ≥ θ];  p ← p − θ·s  (Sec. 4.1)

    Parameters
    ----------
    potential : array
        Membrane potential p, (..., N) float32; zero before the first step.
    brightness : array
        x, (..., N) float32 in [0, 1].
    threshold : float
        θ > 0.

    Returns
    -------
    spikes : array
        s, (..., N) bool.
    potential : array
        p after the step, (..., N) float32.
    """
    xp = namespace(potential, brightness)
    potential = potential + brightness
    spikes = potential >= threshold
    return spikes, potential - threshold * xp.astype(spikes, potential.dtype)


def encode(brightness: Array, num_steps: int, threshold: float) -> Array:
    """Encode brightness as spike trains: :func:`encode_step`, T times from rest (Sec. 4.1).

    Parameters
    ----------
    brightness : array
        (..., N) float32 in [0, 1].
    num_steps : int
        T.
    threshold : float
        θ > 0.

    Returns
    -------
    array
        Spikes, (T, ..., N) bool.

    Examples
    --------
    >>> import numpy as np
    >>> brightness = np.array([0.0, 0.25, 0.75], np.float32)
    >>> encode(brightness, num_steps=8, threshold=1.0).astype(int).T
    array([[0, 0, 0, 0, 0, 0, 0, 0],
           [0, 0, 0, 1, 0, 0, 0, 1],
           [0, 1, 1, 1, 0, 1, 1, 1]])
    """
    xp = namespace(brightness)
    potential = xp.zeros_like(brightness)
    trains = []
    for _ in range(num_steps):
        spikes, potential = encode_step(potential, brightness, threshold)
        trains.append(spikes)
    return xp.stack(trains)
