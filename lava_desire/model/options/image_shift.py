"""Training images, and planes of spikes, that are moved by whole pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lava_desire.model.fields import SHARE, integer, real
from lava_desire.model.option import Augmentation

if TYPE_CHECKING:
    from lava_desire.config import DesireConfig


@dataclass(frozen=True)
class ImageShift(Augmentation):
    """Images that are moved anew in every epoch, so that a network does not learn their places."""

    position: ClassVar[int] = 25
    integers: ClassVar[bool] = True
    of_spikes: ClassVar[bool] = True

    image_shift: int = integer(
        0,
        0,
        doc="Largest shift s of a training image: in every epoch each is moved by a whole number "
        "of pixels in [−s, s] down and across, drawn at random, and what it uncovers is dark. 0, "
        "the paper's rule, moves none; more needs `input_shape` or square images, whose channels "
        "move together, and s below their height and width. Planes of spikes, (C, H, W), are moved "
        "alike, all time steps of a recording by the same.",
        help="Shift images, pixels.",
        example=1,
    )
    image_shift_share: float = real(
        1.0,
        SHARE,
        doc="Probability, in [0, 1], that an epoch moves an image; the others stay. So for all "
        "that is changed in training samples, spike trains as well.",
        help="Of images moved.",
        example=0.5,
    )
    image_shift_start: int = integer(
        0,
        0,
        doc="First epoch, counted from 0, that moves images or spike trains, in [0, 2**31).",
        help="First epoch moved.",
        example=1,
    )

    def check(self, config: DesireConfig) -> None:
        """See :class:`~lava_desire.model.fields.Part`."""
        super().check(config)
        if self.is_on and self.image_shift >= (side := min(config.image_planes[1:])):
            raise ValueError(
                f"image_shift is {self.image_shift}: expected image_shift < {side}, the width of "
                "an image, or its height"
            )
