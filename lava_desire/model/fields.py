"""What the fields of a configuration may hold, and how a value that they may not is shown."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Rational, Real
from typing import Any

# Beyond what anyone trains, and below what takes memory away or overflows the counters of kernels
# and random numbers: a configuration may come from a file that nobody has looked at.
MAX_LAYERS = 1_000
LARGEST = {
    "num_steps": 2**12,
    "baseline_samples": 2**31 - 1,
    "batch_size": 2**31 - 1,
    "class_margin": 2**12,
    "epochs": 2**31 - 1,
    "image_shift": 2**31 - 1,
    "image_shift_start": 2**31 - 1,
    "seed": 2**63 - 1,
}
SMALLEST_FLOAT, LARGEST_FLOAT = 2.0**-126, (2 - 2.0**-23) * 2.0**127
"""What float32, in which kernels compute, holds with all its digits, beside 0."""


@dataclass(frozen=True)
class FloatRange:
    """What a field that is a float may be, and which of that float32 can hold.

    Parameters
    ----------
    meant : str
        The range, with ``{name}`` for the field.
    holds : callable
        Whether a finite number is in it.
    held : str
        The part of it, beside 0, that kernels can tell from 0, from 1 and from infinity.
    smallest, largest : float
        Its ends.
    """

    meant: str
    holds: Callable[[float], bool]
    held: str = "0, or 2**-126 <= {name} < 2**128, which float32 can hold"
    smallest: float = SMALLEST_FLOAT
    largest: float = LARGEST_FLOAT


_AT_LEAST_0 = FloatRange("{name} >= 0", lambda value: value >= 0)
_SHARE = FloatRange("0 <= {name} <= 1", lambda value: 0 <= value <= 1)
_BELOW_1 = FloatRange(
    "0 <= {name} < 1",
    lambda value: 0 <= value < 1,
    "0, or 2**-126 <= {name} <= 1 - 2**-24, which float32 can hold",
    largest=1 - 2.0**-24,
)
# It is compared with potentials of some thresholds, where neither zero nor infinity would do.
_THRESHOLD = FloatRange(
    "{name} > 0", lambda value: value > 0, "2**-100 <= {name} <= 2**100", 2.0**-100, 2.0**100
)
FLOATS = {
    "decay": _BELOW_1,
    "threshold": _THRESHOLD,
    "desire_threshold_hidden": _AT_LEAST_0,
    "desire_threshold_output": _AT_LEAST_0,
    "dropout_input": _BELOW_1,
    "dropout_hidden": _BELOW_1,
    "learning_rate": _AT_LEAST_0,
    "learning_rate_decay": _AT_LEAST_0,
    "image_shift_share": _SHARE,
    "image_brightness": _BELOW_1,
    "weight_average": _BELOW_1,
    "trace_baseline": _SHARE,
    "weight_limit": _AT_LEAST_0,
    "rate_floor": _BELOW_1,
}
"""The fields that are floats, and what each may be."""

MOST_SAMPLES = 2**53
"""Samples that a network may have seen: no counter of kernels or random numbers overflows."""

MAX_NEURONS = 2**31 - 1
SHOWN = 200


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def number(name: str, value: Any, allowed: str, *, integer: bool = False) -> float:
    """Return a finite number as Python's own, or refuse what is none by the name of its field.

    NumPy's integers and floats are taken as well; truth values, Python's or NumPy's, are not.

    Raises
    ------
    ValueError
        Naming the field, the value and what is `allowed`.
    """
    # NumPy's numbers are known by what they say that they are: a configuration needs no NumPy.
    if _is_integer(value):
        value = int(value)
    elif isinstance(value, Real) and not isinstance(value, Rational) and not integer:
        value = float(value)
    kinds = (int,) if integer else (int, float)
    try:
        good = isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        good = False
    if not good:
        what = "an integer" if integer else "a finite number"
        raise ValueError(f"{name} is {shown(value)}: expected {what}, {allowed}")
    return value  # type: ignore[no-any-return]


def checked_float(name: str, value: Any) -> float:
    """Return a field as a float that float32 can hold, or refuse it.

    Raises
    ------
    ValueError
        Naming the field, the value and its range.
    """
    allowed = FLOATS[name]
    value = number(name, value, allowed.meant.format(name="value"))
    for is_good, said in (
        (allowed.holds(value), allowed.meant),
        (value == 0 or allowed.smallest <= value <= allowed.largest, allowed.held),
    ):
        if not is_good:
            raise ValueError(f"{name} is {value!r}: expected {said.format(name=name)}")
    # Written as a float, also where an integer was given: not every integer fits a kernel.
    return float(value)


def checked_rate(learning_rate: float, factor: float, layer: int) -> None:
    """Refuse a learning rate that a layer's factor takes out of float32.

    Raises
    ------
    ValueError
        Naming both fields, the layer and the range.
    """
    rate = learning_rate * factor
    if learning_rate and factor and not SMALLEST_FLOAT <= rate <= LARGEST_FLOAT:
        raise ValueError(
            f"learning_rate times learning_rate_scale of layer {layer} is {rate:.3g}: expected 0, "
            "or in [2**-126, 2**128), which float32 can hold"
        )


def shown(value: Any) -> str:
    """Return what was given, as far as a message has room for it."""
    try:
        text = repr(value)
    except ValueError:  # Python writes out no endless integer
        return "an endless integer"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def layer_sizes_of(given: Any) -> tuple[int, ...]:
    """Return sizes of layers as a tuple, or refuse what is none.

    Raises
    ------
    ValueError
        Naming what was given and what is allowed.
    """
    try:
        sizes = tuple(given)
    except TypeError:
        raise ValueError(
            f"layer_sizes is {shown(given)}: expected a sequence of integers, input first"
        ) from None
    if len(sizes) < 2:
        raise ValueError(f"layer_sizes is {sizes}: expected at least two layers, input and output")
    if len(sizes) > MAX_LAYERS:
        raise ValueError(f"layer_sizes has {len(sizes)} layers: expected at most {MAX_LAYERS}")
    sizes = tuple(int(size) if _is_integer(size) else size for size in sizes)
    for size in sizes:
        if not _is_integer(size) or size < 1:
            raise ValueError(f"layer_sizes is {shown(sizes)}: expected integers of at least 1")
        if size > MAX_NEURONS:
            raise ValueError(
                f"layer_sizes is {shown(sizes)}: expected at most {MAX_NEURONS} neurons"
            )
    return sizes


def learning_rate_scale_of(given: Any, num_layers: int) -> tuple[float, ...]:
    """Return factors on the learning rate as a tuple, or refuse what is none.

    Raises
    ------
    ValueError
        Naming what was given and what is allowed.
    """
    expected = f"expected {num_layers} numbers of at least 0, one a plastic layer, or none"
    if isinstance(given, str):
        raise ValueError(f"learning_rate_scale is {shown(given)}: {expected}")
    try:
        scale = tuple(given)
    except TypeError:
        raise ValueError(f"learning_rate_scale is {shown(given)}: {expected}") from None
    scale = tuple(number("learning_rate_scale", factor, expected) for factor in scale)
    for factor in scale:
        if factor < 0:
            raise ValueError(f"learning_rate_scale is {shown(scale)}: {expected}")
        if factor and not SMALLEST_FLOAT <= factor <= LARGEST_FLOAT:
            raise ValueError(
                f"learning_rate_scale is {shown(scale)}: expected factors of 0, or in "
                "[2**-126, 2**128), which float32 can hold"
            )
    if len(scale) not in (0, num_layers):
        raise ValueError(f"learning_rate_scale is {shown(scale)}: {expected}")
    return tuple(float(factor) for factor in scale)


def refuse_in_integers(config: Any) -> None:
    """Refuse to learn in integers what only floating point offers.

    Raises
    ------
    ValueError
        Naming the field of the configuration.
    """
    for name in ("trace_baseline", "weight_limit", "rate_floor"):
        if getattr(config, name):
            raise ValueError(
                f"{name} is {getattr(config, name)}: expected 0 where a network learns in integers"
            )
