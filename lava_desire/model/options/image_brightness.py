"""Images of the same mean brightness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lava_desire.model.arrays import Array, namespace
from lava_desire.model.encoding import as_levels
from lava_desire.model.fields import BELOW_1, real
from lava_desire.model.option import Filter

if TYPE_CHECKING:
    from lava_desire.config import DesireConfig


@dataclass(frozen=True)
class ImageBrightness(Filter):
    """Images of the same mean brightness: :func:`equalize_brightness`."""

    position: ClassVar[int] = 30
    integers: ClassVar[bool] = True
    equalizes: ClassVar[bool] = True

    image_brightness: float = real(
        0.0,
        BELOW_1,
        doc="Mean brightness x̄ over its pixels and channels, in [0, 1), that every image is scaled "
        "to, in training and in evaluation: :func:`~lava_desire.rule.equalize_brightness`. 0, the "
        "paper's rule, takes images as they are.",
        help="Mean of every image.",
        example=0.4,
    )

    def check(self, config: DesireConfig) -> None:
        """See :class:`~lava_desire.model.fields.Part`."""
        num_pixels, mean = config.num_inputs, self.image_brightness
        if mean and round(255 * num_pixels * mean) < 1:  # levels an image, in whole ones
            raise ValueError(
                f"image_brightness is {mean!r}: expected 0, or enough for images of {num_pixels} "
                f"pixels not to become dark, at least {1 / (255 * num_pixels):.2g}"
            )

    def levels(self, brightness: Array) -> Array:
        """See :class:`~lava_desire.model.option.Filter`."""
        return equalize_brightness(brightness, self.image_brightness)


def equalize_brightness(brightness: Array, mean: float) -> Array:
    """Scale images to the same mean brightness before they are encoded (Sec. 4.1).

    Not in the paper. With no bias and a fixed threshold, a neuron hears a dark image as it hears a
    weak feature; scaled, as a retina adapts to light, images differ in what they show.

    k ← min(255, ⌊M·k / Σk + ½⌋),  M = ⌊255·N·x̄⌉: integers, so that every backend has the same.

    Parameters
    ----------
    brightness : array
        (..., N) integer levels k in [0, 255], or float x in [0, 1], rounded to levels k = ⌊255·x⌉;
        N pixels of all channels, whose ratios stay.
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
    levels = xp.astype(as_levels(brightness), xp.float64)
    total = xp.sum(levels, axis=-1, keepdims=True)
    wanted = round(255 * levels.shape[-1] * mean)
    # Integers below 2**53: no quotient is rounded up to the next, and the cast is the floor.
    scaled = (2 * wanted * levels + total) / xp.clip(2 * total, 1, None)
    return xp.astype(xp.clip(scaled, None, 255), xp.uint8)
