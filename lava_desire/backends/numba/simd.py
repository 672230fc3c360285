"""Sums and maxima in vector registers (SIMD), where numba alone would go through memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_VECTOR_BITS = 512  # LLVM splits a vector where a machine's are shorter


def has_wide_vectors() -> bool:
    """Tell whether this machine has AVX-512."""
    try:
        features = binding.get_host_cpu_features()
    except RuntimeError:  # where LLVM does not know
        return False
    return bool(features.get("avx512f", False))


def make_sum_rows(dtype: str, width: int) -> Callable[..., None]:
    """Return a function that adds up chosen rows of an array; compiled functions may call it.

    Parameters
    ----------
    dtype : {"float32", "float64"}
        Of the rows and of their sum.
    width : int
        Elements of a row, all in one run of 64-byte vectors.

    Returns
    -------
    callable
        Takes addresses, of the rows, of the list `chosen` (int32) and of the sum, which it
        overwrites, and the range of `chosen` to add: ``(rows, chosen, begin, end, result)``. Four
        rows are added together before they are added to the sum, so that a row passes through few
        additions, see :func:`~lava_desire.backends.numba.events.depth_of_sum`.
    """
    element, bits = {"float32": (ir.FloatType(), 32), "float64": (ir.DoubleType(), 64)}[dtype]
    lanes = _VECTOR_BITS // bits
    vector = ir.VectorType(element, lanes)
    parts = range(0, width, lanes)
    word = ir.IntType(64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        rows, chosen, begin, end, result = arguments
        rows = builder.inttoptr(rows, element.as_pointer())
        chosen = builder.inttoptr(chosen, ir.IntType(32).as_pointer())
        target = builder.inttoptr(result, element.as_pointer())
        sums = [cgutils.alloca_once(builder, vector) for _ in parts]
        for partial_sum in sums:
            builder.store(ir.Constant(vector, None), partial_sum)

        def at(pointer: Any, part: int) -> Any:
            moved = builder.gep(pointer, [ir.Constant(word, part)])
            return builder.bitcast(moved, vector.as_pointer())

        def row(position: Any) -> Any:
            index = builder.sext(builder.load(builder.gep(chosen, [position])), word)
            return builder.gep(rows, [builder.mul(index, ir.Constant(word, width))])

        def load(pointer: Any, part: int) -> Any:
            return builder.load(at(pointer, part), align=bits // 8)

        def add(partial_sum: Any, value: Any) -> None:
            builder.store(builder.fadd(builder.load(partial_sum), value), partial_sum)

        one, four = ir.Constant(word, 1), ir.Constant(word, 4)
        whole = builder.and_(builder.sub(end, begin), ir.Constant(word, -4))
        middle = builder.add(begin, whole)
        with cgutils.for_range_slice(builder, begin, middle, four) as (k, _):
            four_rows = [row(builder.add(k, ir.Constant(word, offset))) for offset in range(4)]
            for partial_sum, part in zip(sums, parts, strict=True):
                a, b, c, d = (load(pointer, part) for pointer in four_rows)
                add(partial_sum, builder.fadd(builder.fadd(a, b), builder.fadd(c, d)))
        with cgutils.for_range_slice(builder, middle, end, one) as (k, _):
            pointer = row(k)
            for partial_sum, part in zip(sums, parts, strict=True):
                add(partial_sum, load(pointer, part))
        for partial_sum, part in zip(sums, parts, strict=True):
            builder.store(builder.load(partial_sum), at(target, part), align=bits // 8)

    @intrinsic  # type: ignore[untyped-decorator]
    def sum_rows(context: Any, rows: Any, chosen: Any, begin: Any, end: Any, result: Any) -> Any:
        address = types.intp
        return types.void(address, address, address, address, address), generate

    return sum_rows  # type: ignore[no-any-return]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def largest_magnitude(bits: Any) -> Any:
    """Return the largest magnitude, as int32 bits, of float32 numbers that come as bits, too.

    Magnitudes of floats are ordered as the integers of the same bits are, NaN above all, and
    their maximum, unlike that of floats, may be taken in any order and so by vectors.
    """
    largest = np.int32(0)
    for j in range(len(bits)):
        largest = max(largest, bits[j] & np.int32(0x7FFFFFFF))
    return largest


@intrinsic  # type: ignore[untyped-decorator]
def float_of(context: Any, bits: Any) -> Any:
    """Return the float32 number of 32 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@intrinsic  # type: ignore[untyped-decorator]
def fused(context: Any, factor: Any, other: Any, addend: Any) -> Any:
    """Return factor · other + addend of float32 numbers, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    number = types.float32
    return number(number, number, number), generate
