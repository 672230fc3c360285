"""What the fields of a configuration may hold, and how a value that they may not is shown."""

from __future__ import annotations

import math
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
FLOATS = (
    "decay",
    "threshold",
    "desire_threshold_hidden",
    "desire_threshold_output",
    "dropout_input",
    "dropout_hidden",
    "learning_rate",
    "learning_rate_decay",
    "image_shift_share",
    "image_brightness",
    "weight_average",
    "trace_baseline",
    "weight_limit",
    "rate_floor",
)
MAX_NEURONS = 2**31 - 1
SHOWN = 200
# A threshold is compared with potentials in float32, where neither zero nor infinity would do.
THRESHOLDS = (2.0**-100, 2.0**100)


def number(name: str, value: Any, allowed: str, *, integer: bool = False) -> float:
    """Return a finite number, or refuse what is none by the name of its field.

    Raises
    ------
    ValueError
        Naming the field, the value and what is `allowed`.
    """
    kinds = (int,) if integer else (int, float)
    try:
        good = isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        good = False
    if not good:
        what = "an integer" if integer else "a finite number"
        raise ValueError(f"{name} is {shown(value)}: expected {what}, {allowed}")
    return value  # type: ignore[no-any-return]


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
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
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
    for factor in scale:
        if number("learning_rate_scale", factor, expected) < 0:
            raise ValueError(f"learning_rate_scale is {shown(scale)}: {expected}")
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
