"""Images of the same mean brightness."""

from __future__ import annotations

from lava_desire.model.arrays import Array, namespace


def equalize_brightness(brightness: Array, mean: float) -> Array:
    """Scale images to the same mean brightness before they are encoded (Sec. 4.1).

    Not in the paper. With no bias and a fixed threshold, a neuron hears a dark image as it hears a
    weak feature; scaled, as a retina adapts to light, images differ in what they show.

    k ← min(255, ⌊M·k / Σk + ½⌋),  M = ⌊255·N·x̄⌉: integers, so that every backend has the same.

    Parameters
    ----------
    brightness : array
        (..., N) integer levels k in [0, 255], or float x in [0, 1], rounded to levels k = ⌊255·x⌉.
    mean : float
        x̄ in [0, 1). Images of which pixels are cut off at white stay below it. 0 returns
        `brightness` as it is.

    Returns
    -------
    array
        (..., N) uint8; dark images stay dark.

    Examples
    --------
    >>> import numpy as np
    >>> equalize_brightness(np.array([[0, 10, 20, 30], [0, 100, 200, 0]], np.uint8), mean=0.25)
    array([[  0,  43,  85, 128],
           [  0,  85, 170,   0]], dtype=uint8)
    """
    if mean == 0:
        return brightness
    xp = namespace(brightness)
    levels = brightness
    if xp.isdtype(levels.dtype, "real floating"):
        levels = xp.round(xp.astype(levels, xp.float64) * 255)
    levels = xp.astype(levels, xp.int64)
    total = xp.sum(levels, axis=-1, keepdims=True)
    wanted = round(255 * levels.shape[-1] * mean)
    scaled = (2 * wanted * levels + total) // xp.clip(2 * total, 1, None)
    return xp.astype(xp.clip(scaled, None, 255), xp.uint8)
