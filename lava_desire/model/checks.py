"""Arrays of layers are checked here, in one wording, wherever they come from."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, prod
from typing import Any

import numpy as np

from lava_desire.model.arrays import Array, namespace

_PART = (1 << 15) - 1  # numbers looked at together
Range = tuple[float, float, str]
"""Smallest and largest number, and what they are: ``(0, 1, "spikes a time step")``."""


def check_layers(name: str, arrays: Sequence[Any], num_layers: int) -> None:
    """Refuse anything but one array a layer.

    Raises ValueError with the name, how many there are, and how many are expected.
    """
    if not hasattr(arrays, "__len__"):
        raise ValueError(f"{name} is {arrays!r}: expected a list of {num_layers} arrays")
    if len(arrays) != num_layers:
        raise ValueError(f"{name} holds {len(arrays)} arrays: expected {num_layers}, one a layer")


def is_finite(array: Array) -> bool:
    """Tell whether all numbers of a float array are finite: its least and largest are, then.

    NaN is passed on by both. They are taken of parts, of one row at least, that are so small that
    torch shares none among threads, which a forked process does not have.
    """
    xp, size = namespace(array), prod(array.shape)
    if size == 0:
        return True
    rows = max(1, _PART * array.shape[0] // size)
    parts = (array[row : row + rows] for row in range(0, array.shape[0], rows))
    return all(bool(xp.isfinite(end(part))) for part in parts for end in (xp.min, xp.max))


def check_array(
    name: str, array: Array, shape: tuple[int, ...], dtype: str, in_range: Range | None = None
) -> Array:
    """Return an array of a layer, or refuse it.

    `dtype` is what it must be: a dtype, ``"float"``, ``"integer"`` or ``"float or integer"``.
    Returns it as it is, or a float32 copy where `dtype` lets it be any float. Raises ValueError,
    with the name, if shape or dtype is another, or a number is NaN or infinite, in float32 where
    any float is taken, or outside the :data:`Range`.

    Examples
    --------
    >>> check_array("weights[0]", np.ones((2, 3)), (3, 2), "float")
    Traceback (most recent call last):
        ...
    ValueError: weights[0] is float64 (2, 3): expected float (3, 2)
    """
    if array is None:
        raise ValueError(f"{name} is nothing: expected {dtype} {shape}")
    xp, given = namespace(array), str(array.dtype).removeprefix("torch.")
    is_float = xp.isdtype(array.dtype, "real floating")
    kind = "float" if is_float else "integer" if xp.isdtype(array.dtype, "integral") else "other"
    if tuple(array.shape) != shape or not (given == dtype or kind in dtype.split(" or ")):
        raise ValueError(f"{name} is {given} {tuple(array.shape)}: expected {dtype} {shape}")
    checked = array
    if is_float:
        if given != dtype:
            with np.errstate(over="ignore"):  # float32 holds less than float64
                checked = xp.astype(array, xp.float32)
        if not is_finite(checked):
            place = [int(axis[0]) for axis in xp.nonzero(~xp.isfinite(checked))]
            value = float(array[tuple(place)])
            if isfinite(value):
                raise ValueError(f"{name} holds {value} at {place}: expected what float32 can hold")
            raise ValueError(f"{name} holds NaN or infinity at {place}: expected finite numbers")
    if in_range is not None:
        lowest, highest, meaning = in_range
        outside = (array < lowest) | (array > highest)
        if bool(xp.any(outside)):
            raise ValueError(
                f"{name} holds {array[outside][0]}: expected {meaning} in [{lowest:g}, {highest:g}]"
            )
    return checked
