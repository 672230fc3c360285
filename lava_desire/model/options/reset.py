"""What a spike does to the membrane potential."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lava_desire.model.fields import NETWORK, choice
from lava_desire.model.option import Option

RESETS = ("subtract", "zero")


@dataclass(frozen=True)
class Reset(Option):
    """The last argument of :func:`~lava_desire.rule.integrate_and_fire`."""

    position: ClassVar[int] = 10
    integers: ClassVar[bool] = True
    single_samples: ClassVar[bool] = True

    reset: str = choice(
        "subtract",
        RESETS,
        doc="What a spike does to the membrane potential: deduct θ (the paper), or set it to 0, "
        "for networks meant for neurons that cannot deduct.",
        help="subtract or zero; export --to lava, nest, netx need zero.",
        panel=NETWORK,
        example="zero",
    )
