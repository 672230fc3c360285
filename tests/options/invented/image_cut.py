"""Images in black and white."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lava_desire.model.arrays import Array, namespace
from lava_desire.model.fields import integer
from lava_desire.model.option import Filter


@dataclass(frozen=True)
class ImageCut(Filter):
    """Pixels from a level on are white, all others black.

    Examples
    --------
    >>> import numpy as np
    >>> ImageCut(100).levels(np.array([[99, 100]], np.uint8))
    array([[  0, 255]], dtype=uint8)
    """

    integers: ClassVar[bool] = True

    image_cut: int = integer(
        0,
        0,
        255,
        doc="Level, in [0, 255], from which on a pixel is white, where all others are black; 0, "
        "the paper's rule, takes images as they are.",
        help="Level of white.",
        example=100,
    )

    def levels(self, brightness: Array) -> Array:
        """See :class:`~lava_desire.model.option.Filter`."""
        xp = namespace(brightness)
        return xp.astype(brightness >= self.image_cut, xp.uint8) * 255
