"""Images with a channel of what is darker than around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from lava_desire.model.arrays import Array, namespace, zeros
from lava_desire.model.fields import BEYOND, Declared, declare, number
from lava_desire.model.option import Filter

_SIDES = "an odd side from 3 to 255"


def _side(name: str, value: Any, config: Any) -> int:
    """Return the side of a surround, or refuse it."""
    side = int(number(name, value, f"0, or {_SIDES}", integer=True))
    if side and not _is_side(side):
        raise ValueError(f"{name} is {side}: expected 0, or {_SIDES}")
    return side


def _is_side(side: int) -> bool:
    return 3 <= side <= 255 and side % 2 == 1


@dataclass(frozen=True)
class OffChannel(Filter):
    """Beside each channel of an image one of OFF cells: :func:`off_levels`."""

    position: ClassVar[int] = 28  # before all channels are scaled to one brightness
    is_quiet: ClassVar[bool] = True
    integers: ClassVar[bool] = True
    needs_planes: ClassVar[bool] = True
    channels: ClassVar[int] = 2

    off_channel: int = declare(
        0,
        Declared(
            _side,
            int,
            "int",
            doc="Side s of the square around a pixel, odd, 3 to 255, with which the cells of an "
            "OFF channel compare it: :func:`~lava_desire.rule.off_levels`. The input then has two "
            "neurons a pixel, first all of the image's channels and then those of their OFF cells. "
            "0, the paper's rule, has none.",
            help="OFF cells beside pixels: odd side of their surround.",
            panel=BEYOND,
            example=3,
            step=2,
        ),
    )

    def levels(self, brightness: Array) -> Array:
        """See :class:`~lava_desire.model.option.Filter`."""
        xp = namespace(brightness)
        return xp.concat([brightness, off_levels(brightness, self.off_channel)], axis=-3)


def off_levels(brightness: Array, side: int) -> Array:
    """Return how much darker than its surround each pixel is, as OFF cells of a retina tell.

    Beyond the paper, which encodes brightness alone (Sec. 4.1): what is dark makes no spike there,
    and no weight can ask for it.

    k' = min(255, ⌊2 (Σ_S k / |S| − k) + ½⌋), at least 0, where S are the pixels of the square of
    the side s around a pixel, as far as they lie in the image: integers, so that every backend has
    the same.

    Parameters
    ----------
    brightness : array
        Levels k in [0, 255], (..., H, W) uint8.
    side : int
        s, odd, 3 to 255.

    Returns
    -------
    array
        Levels k', (..., H, W) uint8.

    Raises
    ------
    ValueError
        If the side is another, or the levels are no uint8 of two dimensions or more.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.array([[90, 90, 90], [90, 0, 90], [90, 90, 90]], np.uint8)
    >>> off_levels(image, side=3)
    array([[  0,   0,   0],
           [  0, 160,   0],
           [  0,   0,   0]], dtype=uint8)
    """
    if not _is_side(side):
        raise ValueError(f"side is {side!r}: expected {_SIDES}")
    xp = namespace(brightness)
    if brightness.dtype != xp.uint8 or brightness.ndim < 2:
        raise ValueError(
            f"brightness is {brightness.dtype} {tuple(brightness.shape)}: "
            "expected uint8 (..., H, W)"
        )
    levels = xp.astype(brightness, xp.float64)  # whole numbers below 2**53: sums are exact
    rows, columns = (_near(length, side, levels) for length in levels.shape[-2:])
    count = xp.sum(rows, axis=1)[:, None] * xp.sum(columns, axis=1)
    darker = rows @ levels @ columns - count * levels
    # No quotient is rounded up to the next whole number, and the cast is the floor.
    return xp.astype(xp.clip((4 * darker + count) / (2 * count), 0, 255), xp.uint8)


def _near(length: int, side: int, like: Array) -> Array:
    """Tell which pixels of a row are in the square around each, (length, length) of 0 and 1."""
    xp = namespace(like)
    place = xp.cumulative_sum(zeros((length,), like) + 1)
    return xp.astype(xp.abs(place[:, None] - place) <= side // 2, like.dtype)
