"""A moving average of the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lava_desire.model.fields import BELOW_1, real
from lava_desire.model.option import Option


@dataclass(frozen=True)
class WeightAverage(Option):
    """Average of the weights over minibatches, which is evaluated; learning does not change.

    In integers it is of mantissas, and rounded to them before it is evaluated or kept.
    """

    position: ClassVar[int] = 40
    integers: ClassVar[bool] = True
    single_samples: ClassVar[bool] = True

    weight_average: float = real(
        0.0,
        BELOW_1,
        doc="Factor a in [0, 1) of a moving average of the weights, a·average + (1 − a)·W after "
        "every minibatch, that is evaluated and kept beside them. 0, the paper's rule, keeps none.",
        help="Factor of the average.",
        example=0.5,
    )
