"""What errors come back through, in place of the transposed weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from lava_desire.model.arrays import Array, namespace
from lava_desire.model.fields import choice
from lava_desire.model.option import FeedbackPolicy

FEEDBACKS = ("transpose", "random", "sign", "learned")
_THIRD = 0.4307273  # a third of normal numbers is that many deviations around 0


@dataclass(frozen=True)
class Feedback(FeedbackPolicy):
    """Errors come back through synapses of their own: z = Bᵀ c in Eq. 13, with B for W.

    Beyond the paper: a chip would have to store Wᵀ twice, or send errors backward through a
    synapse. With W_0 the initial weights of a layer, σ their deviation, and B_0 others drawn like
    them, that the seed fixes:

    - ``random``: √1.5 σ · T(B_0), a third each of −1, 0, +1, of deviation σ (feedback alignment,
      Lillicrap et al. 2016);
    - ``sign``: σ · sgn W (sign-symmetric feedback, Liao et al. 2016);
    - ``learned``: W + (B_0 − W_0), a second set of synapses that begins with B_0 and gets the
      same changes as W (Kolen & Pollack 1994, without decay), but for rounding and the bounds of
      W. It comes nearer to W only as W outgrows what it began with.

    Examples
    --------
    >>> import numpy as np
    >>> weights, initial = np.float32([[0.5, -0.25]]), np.float32([[0.25, 0.25]])
    >>> drawn = np.float32([[-0.75, 0.0]])
    >>> for name in ("random", "sign", "learned"):
    ...     policy = Feedback(name)
    ...     print(policy.matrix(weights, policy.held(initial, drawn, spread=0.5)).round(2))
    [[-0.61  0.  ]]
    [[ 0.5 -0.5]]
    [[-0.5 -0.5]]
    """

    position: ClassVar[int] = 110
    is_quiet: ClassVar[bool] = True
    integers: ClassVar[bool] = True

    feedback: str = choice(
        "transpose",
        FEEDBACKS,
        doc="What errors come back through: the transposed weights (the paper); fixed random "
        "synapses, the signs of the weights, or synapses that learn as the weights do.",
        help="transpose, random, sign or learned.",
        example="random",
    )

    def held(self, initial: Array, drawn: Array, spread: float) -> Array:
        """See :class:`~lava_desire.model.option.FeedbackPolicy`."""
        xp = namespace(initial)
        if self.feedback == "learned":
            return drawn - initial
        if self.feedback == "sign":
            return xp.full_like(initial, spread)
        kept = xp.abs(drawn) > _THIRD * spread
        return xp.astype(xp.sign(drawn) * kept * (math.sqrt(1.5) * spread), xp.float32)

    def matrix(self, weights: Array, held: Array) -> Array:
        """See :class:`~lava_desire.model.option.FeedbackPolicy`."""
        if self.feedback == "learned":
            return weights + held
        return held * namespace(weights).sign(weights) if self.feedback == "sign" else held
