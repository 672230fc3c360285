"""The arrays that the equations take: NumPy's and torch's, by one set of functions."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

Array = Any
"""A NumPy array or a torch tensor."""


def namespace(*arrays: Array) -> Any:
    """Return what computes with these arrays; NumPy's are told without a search."""
    numpy, ndarray = _numpy()
    for array in arrays:
        if array.__class__ is not ndarray:
            from array_api_compat import array_namespace

            return array_namespace(*arrays)
    return numpy


def zeros(shape: tuple[int, ...], like: Array) -> Array:
    """Return zeros of the dtype of an array, where that is."""
    if hasattr(like, "new_zeros"):
        return like.new_zeros(shape)
    return namespace(like).zeros(shape, dtype=like.dtype)


@cache
def _numpy() -> tuple[Any, Any]:
    """Return what computes with NumPy's arrays, and their class.

    Its cast asks for no device: a step has dozens of them. NumPy is imported with the first
    array: an option's declaration needs none.
    """
    import array_api_compat.numpy
    import numpy as np

    def astype(array: Array, dtype: Any, copy: bool = True) -> Array:
        return array.astype(dtype, copy=copy)

    return SimpleNamespace(**{**vars(array_api_compat.numpy), "astype": astype}), np.ndarray
