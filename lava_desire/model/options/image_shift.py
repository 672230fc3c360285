"""Training images that are moved by whole pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lava_desire.model.fields import SHARE, integer, real
from lava_desire.model.option import Option

if TYPE_CHECKING:
    from lava_desire.config import DesireConfig


@dataclass(frozen=True)
class ImageShift(Option):
    """Images that are moved anew in every epoch, so that a network does not learn their places."""

    position: ClassVar[int] = 25
    integers: ClassVar[bool] = True

    image_shift: int = integer(
        0,
        0,
        doc="Largest shift s of a training image: in every epoch each is moved by a whole number "
        "of pixels in [−s, s] down and across, drawn at random, and what it uncovers is dark. 0, "
        "the paper's rule, moves none; more needs `input_shape` or square images, whose channels "
        "move together, and s below their height and width.",
        help="Shift images, pixels.",
        example=1,
    )
    image_shift_share: float = real(
        1.0,
        SHARE,
        doc="Probability, in [0, 1], that an epoch draws a shift for an image; the others stay.",
        help="Of images moved.",
        example=0.5,
    )
    image_shift_start: int = integer(
        0,
        0,
        doc="First epoch, counted from 0, that moves images, in [0, 2**31).",
        help="First epoch moved.",
        example=1,
    )

    def check(self, config: DesireConfig) -> None:
        """See :class:`~lava_desire.model.fields.Part`."""
        if not self.image_shift:
            return
        side = math.isqrt(config.num_inputs)
        if len(config.input_shape) == 3:
            side = min(config.input_shape[1:])
        elif side * side != config.num_inputs:
            raise ValueError(
                f"image_shift is {self.image_shift}: expected 0 where the inputs are no square "
                f"image, and there are {config.num_inputs}; input_shape says which image they are"
            )
        if self.image_shift >= side:
            raise ValueError(
                f"image_shift is {self.image_shift}: expected image_shift < {side}, the width of "
                "an image, or its height"
            )

    def moves_images(self, epoch: int) -> bool:
        """Return whether an epoch, counted from 0, may move training images."""
        return bool(self.image_shift and self.image_shift_share) and epoch >= self.image_shift_start
