"""Training images, and planes of spikes, that are mirrored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lava_desire.model.fields import SHARE, real
from lava_desire.model.option import Augmentation


@dataclass(frozen=True)
class ImageMirror(Augmentation):
    """Images of which left and right are exchanged, where classes do not depend on it."""

    position: ClassVar[int] = 123
    integers: ClassVar[bool] = True
    is_quiet: ClassVar[bool] = True
    of_spikes: ClassVar[bool] = True

    image_mirror: float = real(
        0.0,
        SHARE,
        doc="Probability, in [0, 1], that left and right of a training image are exchanged, drawn "
        "anew in every epoch, before it is moved otherwise. 0, the paper's rule, mirrors none. "
        "Planes of spikes, (C, H, W), are mirrored alike. `image_shift_share` and "
        "`image_shift_start` hold here as well.",
        help="Mirror images, share.",
        example=1.0,
    )
