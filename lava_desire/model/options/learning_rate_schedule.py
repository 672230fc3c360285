"""Another course of the learning rate over the epochs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lava_desire.model.fields import choice
from lava_desire.model.option import RatePolicy

if TYPE_CHECKING:
    from lava_desire.config import DesireConfig

SCHEDULES = ("exponential", "cosine")


@dataclass(frozen=True)
class LearningRateSchedule(RatePolicy):
    """Half a cosine over the epochs, from the first rate down to nothing.

    η_e = η_0 · (1 + cos(π·e / E)) / 2 for epoch e of E = `epochs`, counted from 0  (Loshchilov &
    Hutter 2017, "SGDR", Eq. 5, without a restart and with η_min = 0). It stays high for longer than
    the paper's exponential, and ends nearer to 0. On a chip it is what that is: a learning rate
    that the host writes once an epoch.

    Examples
    --------
    >>> from lava_desire import DesireConfig
    >>> config = DesireConfig(
    ...     (4, 2), learning_rate=1e-4, epochs=4, learning_rate_schedule="cosine"
    ... )
    >>> [round(config.learning_rate_at(epoch) * 1e6, 2) for epoch in range(5)]
    [100.0, 85.36, 50.0, 14.64, 0.0]
    """

    position: ClassVar[int] = 130
    integers: ClassVar[bool] = True
    is_quiet: ClassVar[bool] = True

    learning_rate_schedule: str = choice(
        "exponential",
        SCHEDULES,
        doc="Course of the learning rate over the epochs: `exponential`, the paper's, by "
        "`learning_rate_decay`; or `cosine`, half a cosine that reaches 0 after the last of "
        "`epochs`, for which `learning_rate_decay` does not count.",
        help="exponential or cosine.",
        example="cosine",
    )

    def learning_rate(self, config: DesireConfig, epoch: int) -> float:
        """See :class:`~lava_desire.model.option.RatePolicy`."""
        share = min(1.0, epoch / max(1, config.epochs))
        return config.learning_rate * (1 + math.cos(math.pi * share)) / 2
