"""Ties between classes are decided by time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lava_desire.model.arrays import Array
from lava_desire.model.decision import predict
from lava_desire.model.fields import choice
from lava_desire.model.option import DecisionPolicy

TIE_BREAKS = ("undecided", "earliest")


@dataclass(frozen=True)
class TieBreak(DecisionPolicy):
    """A tie goes to the class that reached the count earliest: :func:`~lava_desire.rule.predict`.

    Examples
    --------
    >>> import numpy as np
    >>> TieBreak("earliest").predict(np.array([[4, 4, 0]]), np.array([[19, 18, 0]]))
    array([1])
    """

    position: ClassVar[int] = 95
    integers: ClassVar[bool] = True
    single_samples: ClassVar[bool] = True

    tie_break: str = choice(
        "undecided",
        TIE_BREAKS,
        doc="What is predicted where several classes have the largest count: nothing, which counts "
        "as wrong (the paper), or the one that reached it earliest. Learning does not depend on "
        "it.",
        help="undecided or earliest.",
        example="earliest",
    )

    def predict(self, counts: Array, last_spikes: Array) -> Array:
        """See :class:`~lava_desire.model.option.DecisionPolicy`."""
        return predict(counts, last_spikes)
