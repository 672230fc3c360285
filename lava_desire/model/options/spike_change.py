"""Training recordings that are shifted in time, and that lose spikes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lava_desire.model.fields import FloatRange, integer, real
from lava_desire.model.option import Augmentation

if TYPE_CHECKING:
    from lava_desire.config import DesireConfig

_DROPPED = FloatRange(
    "0 <= {name} < 1",
    lambda value: 0 <= value < 1,
    "0, or 2**-16 <= {name} <= 1 - 2**-16, as it is rounded to 1/65,536",
    2.0**-16,
    1 - 2.0**-16,
)


@dataclass(frozen=True)
class TimeShift(Augmentation):
    """Recordings that begin earlier or later: :func:`~lava_desire.training.augment.shift_steps`."""

    position: ClassVar[int] = 124
    integers: ClassVar[bool] = True
    is_quiet: ClassVar[bool] = True
    of_images: ClassVar[bool] = False
    of_spikes: ClassVar[bool] = True
    needs_planes: ClassVar[bool] = False

    time_shift: int = integer(
        0,
        0,
        doc="Largest shift n in time of a training recording, below `num_steps`: in every epoch "
        "each is moved by a whole number of time steps in [−n, n], drawn at random; spikes that "
        "leave the window are lost, and what it uncovers is silent. 0, the paper's rule, moves "
        "none. Of spike trains alone: an image has no time. `image_shift_share` and "
        "`image_shift_start` hold here as well.",
        help="Shift spike trains, steps.",
        example=1,
    )

    def check(self, config: DesireConfig) -> None:
        """See :class:`~lava_desire.model.fields.Part`."""
        if self.time_shift >= config.num_steps and self.is_on:
            raise ValueError(
                f"time_shift is {self.time_shift}: expected time_shift < {config.num_steps}, the "
                "time steps of a recording"
            )


@dataclass(frozen=True)
class SpikeDrop(Augmentation):
    """Recordings that lose spikes: :func:`~lava_desire.training.augment.drop_spikes`."""

    position: ClassVar[int] = 125
    integers: ClassVar[bool] = True
    is_quiet: ClassVar[bool] = True
    of_images: ClassVar[bool] = False
    of_spikes: ClassVar[bool] = True
    needs_planes: ClassVar[bool] = False

    spike_drop: float = real(
        0.0,
        _DROPPED,
        doc="Probability, in [0, 1) and rounded to 1/65,536, that a single spike of a training "
        "recording is lost, drawn anew in every epoch; what is left is not scaled, unlike under "
        "`dropout_input`, which silences whole inputs. 0, the paper's rule, loses none. Of spike "
        "trains alone. `image_shift_share` and `image_shift_start` hold here as well.",
        help="Lose single spikes, share.",
        example=0.25,
    )
