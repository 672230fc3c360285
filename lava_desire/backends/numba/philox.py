"""NumPy's Philox generator, compiled, so that a kernel draws only the words that it needs.

Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) turns a
counter and a key into four 64-bit words. The tests compare every word with those of
``numpy.random.Philox``, which :mod:`lava_desire.randomness` draws from.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lava_desire.backends.numba.jit import njit
from lava_desire.backends.numba.threads import pieces_of, ranges, share
from lava_desire.randomness import DropoutStream

ROUNDS = 10
_FIRST_MULTIPLIER = np.uint64(0xD2E7470EE14C6C93)
_SECOND_MULTIPLIER = np.uint64(0xCA5A826395121157)
_FIRST_BUMP = np.uint64(0x9E3779B97F4A7C15)
_SECOND_BUMP = np.uint64(0xBB67AE8584CAA73B)
_HALF = np.uint64(32)
_UNUSED_BITS = np.uint32(8)  # a float32 in [0, 1) is made of 24 bits
_LOW = np.uint64(0xFFFFFFFF)
_WORDS_A_COUNTER = 4  # of 64 bits
_TOGETHER = 16  # counters: two vectors, so that one goes on while the other waits


@intrinsic  # type: ignore[untyped-decorator]
def _high_product(context: Any, one: Any, other: Any) -> Any:
    """Return the upper 64 bits of the product of two 64-bit words."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide, word = ir.IntType(128), ir.IntType(64)
        one, other = (builder.zext(argument, wide) for argument in arguments)
        product = builder.mul(one, other)
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), word)

    return types.uint64(types.uint64, types.uint64), generate


@njit(nogil=True)
def draw_eight(key: Any, counter: int, words: Any) -> None:
    """Draw the eight 32-bit words of one counter.

    `key` is (2,) uint64; `counter`, from 0 and below 2**63 − 1, is the number among those that
    NumPy's generator goes through; `words`, (8,) uint32, are filled in the order in which NumPy's
    lie in little-endian memory.
    """
    # NumPy increments the counter before it draws.
    first, second = np.uint64(counter + 1), np.uint64(0)
    third, fourth = np.uint64(0), np.uint64(0)
    key_first, key_second = key[0], key[1]
    for _ in range(ROUNDS):
        first, second, third, fourth = (
            _high_product(_SECOND_MULTIPLIER, third) ^ second ^ key_first,
            _SECOND_MULTIPLIER * third,
            _high_product(_FIRST_MULTIPLIER, first) ^ fourth ^ key_second,
            _FIRST_MULTIPLIER * first,
        )
        key_first += _FIRST_BUMP
        key_second += _SECOND_BUMP
    words[0], words[1] = np.uint32(first & _LOW), np.uint32(first >> _HALF)
    words[2], words[3] = np.uint32(second & _LOW), np.uint32(second >> _HALF)
    words[4], words[5] = np.uint32(third & _LOW), np.uint32(third >> _HALF)
    words[6], words[7] = np.uint32(fourth & _LOW), np.uint32(fourth >> _HALF)


@njit(nogil=True)
def draw_kept(key: Any, sample: int, least: int, keep: Any) -> None:
    """Draw the dropout masks of consecutive samples.

    `key` is (2,) uint64. Each sample begins with a counter of its own. `keep`, (B, N) bool, becomes
    true where a draw of 24 bits is at least `least`.
    """
    if least == 0:
        keep[:] = True
        return
    num_samples, num_neurons = keep.shape
    counters = (num_neurons + 7) // 8
    words = np.empty(8, np.uint32)
    for row in range(num_samples):
        for part in range(counters):
            draw_eight(key, (sample + row) * counters + part, words)
            for k in range(min(8, num_neurons - 8 * part)):
                keep[row, 8 * part + k] = (words[k] >> _UNUSED_BITS) >= least


@intrinsic  # type: ignore[untyped-decorator]
def _draw_together(
    context: Any, first_key: Any, second_key: Any, counter: Any, parts: Any, places: Any, words: Any
) -> Any:
    """Do what :func:`draw_parts` does for `_TOGETHER` parts in vector registers.

    `parts`, `places` and `words` are addresses. Products of 64 bits are put together from those of
    32, as vectors have no others; the machine is little-endian.
    """
    word, lanes = ir.IntType(64), range(_TOGETHER)
    vector, four = ir.VectorType(word, _TOGETHER), ir.VectorType(word, _WORDS_A_COUNTER)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def every(value: Any) -> Any:
            return ir.Constant(vector, [int(value)] * _TOGETHER)

        def spread(value: Any) -> Any:
            one = builder.insert_element(
                ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
            )
            return builder.shuffle_vector(one, one, ir.Constant(indices(_TOGETHER), None))

        def indices(count: int) -> Any:
            return ir.VectorType(ir.IntType(32), count)

        def chosen(one: Any, other: Any, which: list[int]) -> Any:
            return builder.shuffle_vector(one, other, ir.Constant(indices(len(which)), which))

        def product(value: Any, factor: Any) -> Any:
            low, half = every(_LOW), every(_HALF)
            values = builder.and_(value, low), builder.lshr(value, half)
            factors = every(factor & _LOW), every(factor >> _HALF)
            lowest = builder.mul(values[0], factors[0])
            middle = builder.add(builder.mul(values[1], factors[0]), builder.lshr(lowest, half))
            other = builder.add(builder.mul(values[0], factors[1]), builder.and_(middle, low))
            carried = builder.add(builder.lshr(middle, half), builder.lshr(other, half))
            high = builder.add(builder.mul(values[1], factors[1]), carried)
            return high, builder.or_(builder.shl(other, half), builder.and_(lowest, low))

        *keys, counter, parts, places, words = arguments
        keys = [spread(key) for key in keys]
        parts, places, words = (
            builder.inttoptr(each, word.as_pointer()) for each in (parts, places, words)
        )
        numbers = builder.load(builder.bitcast(parts, vector.as_pointer()), align=8)
        first = builder.add(builder.add(numbers, spread(counter)), every(1))
        second = third = fourth = every(0)
        for _ in range(ROUNDS):
            high, low = product(first, _FIRST_MULTIPLIER)
            other_high, other_low = product(third, _SECOND_MULTIPLIER)
            first = builder.xor(builder.xor(other_high, second), keys[0])
            third = builder.xor(builder.xor(high, fourth), keys[1])
            second, fourth = other_low, low
            bumps = every(_FIRST_BUMP), every(_SECOND_BUMP)
            keys = [builder.add(key, bump) for key, bump in zip(keys, bumps, strict=True)]
        for odd in range(2):
            pairs = [k + odd + side for k in lanes[::2] for side in (0, _TOGETHER)]
            one, other = chosen(first, second, pairs), chosen(third, fourth, pairs)
            for lane in lanes[::2]:
                drawn = chosen(
                    one, other, [lane + side for side in (0, 1, _TOGETHER, _TOGETHER + 1)]
                )
                place = builder.load(builder.gep(places, [ir.Constant(word, lane + odd)]))
                place = builder.mul(place, ir.Constant(word, _WORDS_A_COUNTER))
                place = builder.gep(words, [place])
                builder.store(drawn, builder.bitcast(place, four.as_pointer()), align=4)
        return context.get_dummy_value()

    whole = types.uint64
    return types.void(whole, whole, whole, *[types.intp] * 3), generate


@njit(nogil=True)
def draw_parts(key: Any, counter: int, parts: Any, places: Any, words: Any) -> None:
    """Draw some of the counters that follow one another: where k is their place words from 8·k on.

    `parts`, their numbers, and `places` are int64, `words` uint32, see :func:`draw_eight`.
    """
    some, where = np.empty(_TOGETHER, np.int64), np.empty(_TOGETHER, np.int64)
    for begin in range(0, len(parts), _TOGETHER):
        for k in range(_TOGETHER):  # the last again and again, where there are fewer
            drawn = min(begin + k, len(parts) - 1)
            some[k], where[k] = parts[drawn], places[drawn]
        _draw_together(
            key[0],
            key[1],
            np.uint64(counter),
            some.ctypes.data,
            where.ctypes.data,
            words.ctypes.data,
        )


@njit(nogil=True)
def draw_kept_together(key: Any, sample: int, least: int, keep: Any) -> None:
    """Do what :func:`draw_kept` does, several counters at a time."""
    num_samples, size = keep.shape
    counters = (size + 7) // 8
    parts = np.arange(counters * num_samples)
    words = np.empty(8 * len(parts), np.uint32)
    if least > 0:  # samples follow one another, also in their counters
        draw_parts(key, sample * counters, parts, parts, words)
    for row in range(num_samples):
        drawn = words[8 * counters * row :]
        for j in range(size):
            keep[row, j] = least == 0 or np.int64(drawn[j] >> _UNUSED_BITS) >= least


@njit(nogil=True)
def draw_shared(
    keys: Any,
    sample: int,
    leasts: Any,
    edges: Any,
    num_samples: int,
    kept: Any,
    board: Any,
    thread: int,
) -> None:
    """Draw the dropout masks of some layers, as :func:`draw_kept` does, piece by piece.

    `keys` are (L, 2) uint64, `leasts` (L,) int64. In `kept`, bool, those of `num_samples` samples
    lie between a layer's `edges`, (L + 1,) int64. Pieces are a layer and its samples.
    """
    for piece in pieces_of(board, thread):
        layer, first, last = piece[0], piece[1], piece[2]
        keep = kept[edges[layer] : edges[layer + 1]].reshape((num_samples, -1))[first:last]
        draw_kept_together(keys[layer], sample + first, leasts[layer], keep)


def draw_masks(streams: Sequence[DropoutStream], first_sample: int, num_samples: int) -> list[Any]:
    """Draw the dropout masks of consecutive samples, (num_samples, N) bool a stream."""
    sizes = np.array([0, *(stream.num_neurons for stream in streams)], np.int64)
    edges = num_samples * np.cumsum(sizes)
    kept = np.empty(edges[-1], bool)
    keys = np.array([stream.key for stream in streams])
    leasts = np.array([stream.least for stream in streams], np.int64)
    pieces = [(layer, *some) for layer in range(len(streams)) for some in ranges(num_samples)]
    share(partial(draw_shared, keys, first_sample, leasts, edges, num_samples, kept), pieces)
    return [
        kept[first:last].reshape(num_samples, size)
        for (first, last), size in zip(pairwise(edges), sizes[1:], strict=True)
    ]
