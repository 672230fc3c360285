"""Arrays of models, as kernels take them: by address, of a type, and no two of them one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


class Unfit(Exception):  # noqa: N818
    """A model, as it is now, has to go on by its own methods: why, as what is said of the model."""


def address(array: Any) -> int:
    """Return where an array is."""
    return int(array.__array_interface__["data"][0])


def check_alike(array: Any, values: Any) -> None:
    """Raise Unfit if a model's array is of another type or shape than ours."""
    _check(values, array.dtype, array.shape)


def take(array: Any, values: Any) -> None:
    """Take the values of a model's array, or raise Unfit if they are of another type or shape."""
    check_alike(array, values)
    array[...] = values


def fit(values: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
    """Return an array of a model in which a kernel can write, or raise Unfit."""
    _check(values, dtype, shape)
    if not values.flags.carray:
        raise Unfit("has an array that is not contiguous, or may not be written to")
    return values


def _check(values: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    if values.__class__ is not np.ndarray:
        raise Unfit(f"has a {type(values).__name__} where an array was")
    if values.shape != shape or values.dtype != dtype:
        raise Unfit(
            f"has an array {values.shape} of {values.dtype}, and its kernel works on one "
            f"{shape} of {dtype}"
        )


def refuse_shared(arrays: Iterable[tuple[Any, str]]) -> None:
    """Raise Unfit if arrays, each with what it is called, may share memory, or elements of one.

    Arrays that lie within one another, as two columns do, count as such.
    """
    end, of = -1, ""
    for begin, behind, name, array in sorted(
        ((*_span(array), name, array) for array, name in arrays if array.size),
        key=lambda each: each[:3],
    ):
        if begin < end:
            raise Unfit(f"{of} and {name} share memory")
        if _overlaps_itself(array):
            raise Unfit(f"elements of {name} share memory")
        end, of = behind, name


def _span(array: Any) -> tuple[int, int]:
    """Return where an array begins in memory, and what is behind it."""
    begin = address(array)
    if array.flags.c_contiguous:
        return begin, begin + array.nbytes
    reach = [(size - 1) * step for size, step in zip(array.shape, array.strides, strict=True)]
    behind = begin + array.itemsize + sum(max(each, 0) for each in reach)
    return begin + sum(min(each, 0) for each in reach), behind


def _overlaps_itself(array: Any) -> bool:
    """Tell whether two elements of an array may lie in one place, as of one that was broadcast."""
    if array.flags.c_contiguous:
        return False
    behind = array.itemsize  # of the elements along the axes so far
    for step, size in sorted(zip(map(abs, array.strides), array.shape, strict=True)):
        if size > 1:
            if step < behind:
                return True
            behind += (size - 1) * step
    return False
