"""Training images that are turned, scaled and bent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lava_desire.model.fields import BELOW_1, FloatRange, real
from lava_desire.model.option import Augmentation

_ANGLE = FloatRange("0 <= {name} <= 180", lambda value: 0 <= value <= 180)


@dataclass(frozen=True)
class ImageRotation(Augmentation):
    """Images turned about their centre: :func:`~lava_desire.training.augment.turn_images`."""

    position: ClassVar[int] = 120
    integers: ClassVar[bool] = True
    is_quiet: ClassVar[bool] = True

    image_rotation: float = real(
        0.0,
        _ANGLE,
        doc="Largest angle in degrees, in [0, 180], that a training image is turned by about its "
        "centre, drawn anew in every epoch, evenly in both directions. 0, the paper's rule, turns "
        "none. `image_shift_share` and `image_shift_start` hold here as well.",
        help="Turn images, degrees.",
        example=30.0,
    )


@dataclass(frozen=True)
class ImageScale(Augmentation):
    """Images made larger or smaller: :func:`~lava_desire.training.augment.turn_images`."""

    position: ClassVar[int] = 121
    integers: ClassVar[bool] = True
    is_quiet: ClassVar[bool] = True

    image_scale: float = real(
        0.0,
        BELOW_1,
        doc="Largest share, in [0, 1), that a training image is enlarged or made smaller by about "
        "its centre: a factor in [1 − s, 1 + s], drawn anew in every epoch. 0, the paper's rule, "
        "leaves their size. `image_shift_share` and `image_shift_start` hold here as well.",
        help="Scale images, share.",
        example=0.3,
    )


@dataclass(frozen=True)
class ImageBend(Augmentation):
    """Images bent elastically: :func:`~lava_desire.training.augment.turn_images`."""

    position: ClassVar[int] = 122
    integers: ClassVar[bool] = True
    is_quiet: ClassVar[bool] = True

    image_bend: float = real(
        0.0,
        FloatRange("0 <= {name} <= 1000", lambda value: 0 <= value <= 1000),
        doc="Largest distance in pixels, in [0, 1000], that a training image is bent by: places 7 "
        "pixels apart are displaced at random, anew in every epoch, by up to so much down and "
        "across, and a cubic spline bends the image between them; a pixel's displacement has a "
        "standard deviation of about 0.28 of it. 0, the paper's rule, bends none. "
        "`image_shift_share` and `image_shift_start` hold here as well.",
        help="Bend images, pixels.",
        example=2.0,
    )
