"""A factor on the learning rate of each layer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lava_desire.model.fields import (
    BEYOND,
    LARGEST_FLOAT,
    SMALLEST_FLOAT,
    Declared,
    declare,
    number,
    shown,
)
from lava_desire.model.option import Option

if TYPE_CHECKING:
    from lava_desire.config import DesireConfig


def _checked(name: str, given: Any, config: DesireConfig | None) -> tuple[float, ...]:
    num_layers = None if config is None else config.num_layers
    some = "" if num_layers is None else f"{num_layers} "
    expected = f"expected {some}numbers of at least 0, one a plastic layer, or none"
    try:
        scale = None if isinstance(given, str) else tuple(given)
    except TypeError:
        scale = None
    if scale is None:
        raise ValueError(f"{name} is {shown(given)}: {expected}")
    scale = tuple(number(name, factor, expected) for factor in scale)
    if min(scale, default=0) < 0 or (num_layers and len(scale) not in (0, num_layers)):
        raise ValueError(f"{name} is {shown(scale)}: {expected}")
    if not all(SMALLEST_FLOAT <= factor <= LARGEST_FLOAT for factor in scale if factor):
        raise ValueError(
            f"{name} is {shown(scale)}: expected factors of 0, or in [2**-126, 2**128), which "
            "float32 can hold"
        )
    return tuple(float(factor) for factor in scale)


def _parse(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(factor) for factor in re.split(r"\s*,\s*|\s+", text.strip()))
    except ValueError:
        raise ValueError(
            f"--learning-rate-scale is {text!r}: expected numbers, one a plastic layer, as in 1,1,2"
        ) from None


@dataclass(frozen=True)
class LearningRateScale(Option):
    """Layers that learn at different rates."""

    position: ClassVar[int] = 20
    integers: ClassVar[bool] = True
    single_samples: ClassVar[bool] = True

    learning_rate_scale: tuple[float, ...] = declare(
        (),
        Declared(
            _checked,
            str,
            "tuple of float",
            doc="Factor on η of each plastic layer, first to last, at least 0. ``()``, the paper's "
            "rule, is 1 of a dense layer, and 1/P of a convolution of P positions; a given factor "
            "replaces 1/P.",
            help="Factor a layer: 1,1,2. It replaces 1/P of a convolution.",
            panel=BEYOND,
            parse=_parse,
        ),
    )

    def check(self, config: DesireConfig) -> None:
        """See :class:`~lava_desire.model.fields.Part`."""
        for layer, factor in enumerate(self.learning_rate_scale, start=1):
            rate = config.learning_rate * factor
            is_meant = config.learning_rate and factor
            if is_meant and not SMALLEST_FLOAT <= rate <= LARGEST_FLOAT:
                raise ValueError(
                    f"learning_rate times learning_rate_scale of layer {layer} is {rate:.3g}: "
                    "expected 0, or in [2**-126, 2**128), which float32 can hold"
                )
