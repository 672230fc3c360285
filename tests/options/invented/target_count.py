"""Output desires from a target count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lava_desire.model.arrays import Array, namespace
from lava_desire.model.desire import is_target
from lava_desire.model.fields import integer
from lava_desire.model.option import OutputPolicy


@dataclass(frozen=True)
class TargetCount(OutputPolicy):
    """The neuron of the class wants n* spikes or more, the others none.

    Examples
    --------
    >>> import numpy as np
    >>> TargetCount(4).desire(np.array([[3, 0, 1]]), np.array([0]))
    array([[ 1,  0, -1]], dtype=int8)
    """

    integers: ClassVar[bool] = True

    target_count: int = integer(
        0,
        0,
        doc="Spikes n*, at least 0, that the neuron of the class should have at least while others "
        "have none; 0 is the paper's rule.",
        help="Spikes of the class.",
        example=2,
    )

    def desire(self, counts: Array, labels: Array) -> Array:
        """See :class:`~lava_desire.model.option.OutputPolicy`."""
        xp, target = namespace(counts, labels), is_target(counts, labels)
        wants_more = target & (counts < self.target_count)
        return xp.astype(wants_more, xp.int8) - xp.astype(~target & (counts > 0), xp.int8)
