"""Decisions by a lead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lava_desire.model.arrays import Array, namespace
from lava_desire.model.decision import UNDECIDED, predict
from lava_desire.model.fields import integer
from lava_desire.model.option import DecisionPolicy


@dataclass(frozen=True)
class LeastLead(DecisionPolicy):
    """A class is predicted where it has M spikes more than every other.

    Examples
    --------
    >>> import numpy as np
    >>> LeastLead(3).predict(np.array([[5, 2, 0], [5, 4, 0]]), np.zeros((2, 3), int))
    array([ 0, -1])
    """

    integers: ClassVar[bool] = True

    least_lead: int = integer(
        0,
        0,
        doc="Spikes M, at least 0, that the predicted class leads all others by; 0 and 1 are the "
        "paper's rule.",
        help="Lead of the predicted class.",
        example=2,
    )

    def predict(self, counts: Array, last_spikes: Array) -> Array:
        """See :class:`~lava_desire.model.option.DecisionPolicy`."""
        xp, winner = namespace(counts), predict(counts)
        others = xp.sum(
            xp.astype(counts > xp.max(counts, axis=-1, keepdims=True) - self.least_lead, xp.int64),
            axis=-1,
        )
        return xp.where(others > 1, xp.full_like(winner, UNDECIDED), winner)
