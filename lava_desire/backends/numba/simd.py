"""Sums and maxima in vector registers (SIMD), where numba alone would go through memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lava_desire.backends.numba.jit import njit

_VECTOR_BITS = 512  # LLVM splits a vector where a machine's are shorter

LANES = _VECTOR_BITS // 64
"""Numbers of a vector of float64."""


def has_wide_vectors() -> bool:
    """Tell whether this machine has AVX-512."""
    try:
        features = binding.get_host_cpu_features()
    except RuntimeError:  # where LLVM does not know
        return False
    return bool(features.get("avx512f", False))


def make_sum_units(width: int) -> Callable[..., None]:
    """Return a function that sums rows of an array into other rows; compiled functions may call it.

    It has no branch but its loop: one that ends with every sum is foreseen by no processor. The
    function takes addresses of rows, of `width` float32, and of groups, (G, 8) int32, and G. A
    group is four numbers of rows that are added to the sum, the row that receives what there is of
    it, bits that are flipped in that, as the sign is, and bits of the sum that are kept for the
    next group: none or all.
    """
    lanes = _VECTOR_BITS // 32
    vector, integer, word = ir.VectorType(ir.FloatType(), lanes), ir.IntType(32), ir.IntType(64)
    integers = ir.VectorType(integer, lanes)
    parts = range(width // lanes)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows = builder.inttoptr(arguments[0], vector.as_pointer())
        groups = builder.inttoptr(arguments[1], integer.as_pointer())
        sums = [cgutils.alloca_once(builder, vector) for _ in parts]
        for total in sums:
            builder.store(ir.Constant(vector, None), total)
        with cgutils.for_range(builder, arguments[2]) as loop:
            group = builder.gep(groups, [builder.mul(loop.index, ir.Constant(word, 8))])
            fields = [
                builder.load(builder.gep(group, [ir.Constant(word, field)])) for field in range(7)
            ]
            *four, target = (
                builder.gep(
                    rows, [builder.mul(builder.sext(each, word), ir.Constant(word, len(parts)))]
                )
                for each in fields[:5]
            )
            flipped, kept = (_splat(builder, each, lanes) for each in fields[5:])
            for part, total in zip(parts, sums, strict=True):
                place = [ir.Constant(word, part)]
                a, b, c, d = (builder.load(builder.gep(each, place), align=4) for each in four)
                added = builder.fadd(builder.fadd(a, b), builder.fadd(c, d))
                bits = builder.bitcast(builder.fadd(builder.load(total), added), integers)
                result = builder.bitcast(builder.xor(bits, flipped), vector)
                builder.store(result, builder.gep(target, place), align=4)
                builder.store(builder.bitcast(builder.and_(bits, kept), vector), total)
        return context.get_dummy_value()

    @intrinsic  # type: ignore[untyped-decorator]
    def sum_units(context: Any, rows: Any, groups: Any, count: Any) -> Any:
        return types.void(types.intp, types.intp, types.intp), generate

    return sum_units  # type: ignore[no-any-return]


def make_copy_rows(width: int) -> Callable[..., None]:
    """Return a function that lays parts of rows side by side; compiled functions may call it.

    It takes addresses, of the first element to copy of row 0 and of the numbers of rows (int64);
    how many rows there are, and how many elements apart they begin; how many strips of `width`
    float32 to copy of each; the address of the first strip, in which rows follow each other, and
    how many elements apart strips begin; and the address of 16 int32, which take up the largest
    magnitudes of what is copied, as bits, see :func:`largest_magnitude`.
    """
    number, whole, word = ir.FloatType(), ir.IntType(32), ir.IntType(64)
    lanes = _VECTOR_BITS // 32
    vector, bits = ir.VectorType(number, lanes), ir.VectorType(whole, lanes)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, chosen, count, length, num_strips, strips, apart, magnitudes = arguments
        rows, strips = (builder.inttoptr(each, number.as_pointer()) for each in (rows, strips))
        chosen = builder.inttoptr(chosen, word.as_pointer())
        found = builder.inttoptr(magnitudes, bits.as_pointer())
        largest = [cgutils.alloca_once(builder, bits) for _ in range(width // lanes)]
        for each in largest:
            builder.store(builder.load(found, align=4), each)
        unsigned = ir.Constant(bits, [0x7FFFFFFF] * lanes)
        with cgutils.for_range(builder, count) as loop:
            row = builder.mul(builder.load(builder.gep(chosen, [loop.index])), length)
            place = builder.mul(loop.index, ir.Constant(word, width))
            with cgutils.for_range(builder, num_strips) as strip:
                begin = builder.mul(strip.index, ir.Constant(word, width))
                source = builder.gep(rows, [builder.add(row, begin)])
                target = builder.gep(strips, [builder.add(place, builder.mul(strip.index, apart))])
                for part, each in enumerate(largest):
                    at = [ir.Constant(word, part)]
                    values = builder.load(
                        builder.gep(builder.bitcast(source, vector.as_pointer()), at), align=4
                    )
                    builder.store(
                        values,
                        builder.gep(builder.bitcast(target, vector.as_pointer()), at),
                        align=4,
                    )
                    seen = builder.and_(builder.bitcast(values, bits), unsigned)
                    before = builder.load(each)
                    above = builder.icmp_signed(">", seen, before)
                    builder.store(builder.select(above, seen, before), each)
        total = builder.load(largest[0])
        for each in largest[1:]:
            other = builder.load(each)
            total = builder.select(builder.icmp_signed(">", other, total), other, total)
        builder.store(total, found, align=4)
        return context.get_dummy_value()

    @intrinsic  # type: ignore[untyped-decorator]
    def copy_rows(
        context: Any,
        rows: Any,
        chosen: Any,
        count: Any,
        length: Any,
        num_strips: Any,
        strips: Any,
        apart: Any,
        magnitudes: Any,
    ) -> Any:
        return types.void(*[types.intp] * 8), generate

    return copy_rows  # type: ignore[no-any-return]


def make_weigh_rows(width: int) -> Callable[..., None]:
    """Return a function that sums chosen rows by their weights; compiled functions may call it.

    The function takes addresses of rows, of `width` float32, of the list `chosen` (int32), of as
    many factors (float32), their count, and the address of the sum, which it overwrites. A row is
    added at a time, products and sums may be rounded together.
    """
    lanes = _VECTOR_BITS // 32
    vector, word = ir.VectorType(ir.FloatType(), lanes), ir.IntType(64)
    parts = range(width // lanes)
    free = ("contract",)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, result = (builder.inttoptr(arguments[k], vector.as_pointer()) for k in (0, 4))
        chosen = builder.inttoptr(arguments[1], ir.IntType(32).as_pointer())
        factors = builder.inttoptr(arguments[2], ir.FloatType().as_pointer())
        sums = [cgutils.alloca_once(builder, vector) for _ in parts]
        for total in sums:
            builder.store(ir.Constant(vector, None), total)
        with cgutils.for_range(builder, arguments[3]) as loop:
            index = builder.sext(builder.load(builder.gep(chosen, [loop.index])), word)
            row = builder.gep(rows, [builder.mul(index, ir.Constant(word, len(parts)))])
            factor = _splat(builder, builder.load(builder.gep(factors, [loop.index])), lanes)
            for part, total in zip(parts, sums, strict=True):
                value = builder.load(builder.gep(row, [ir.Constant(word, part)]), align=4)
                product = builder.fmul(factor, value, flags=free)
                builder.store(builder.fadd(builder.load(total), product, flags=free), total)
        for part, total in zip(parts, sums, strict=True):
            place = builder.gep(result, [ir.Constant(word, part)])
            builder.store(builder.load(total), place, align=4)
        return context.get_dummy_value()

    @intrinsic  # type: ignore[untyped-decorator]
    def weigh_rows(
        context: Any, rows: Any, chosen: Any, factors: Any, count: Any, result: Any
    ) -> Any:
        return types.void(*[types.intp] * 5), generate

    return weigh_rows  # type: ignore[no-any-return]


ADDS, CLIPS, MOVES, IS_NEAR = 1, 2, 4, 8
"""What a step of :func:`make_replay` does, as bits."""


def make_replay(num_vectors: int) -> Callable[..., None]:
    """Return a function that changes weights and their means step by step, in registers.

    Compiled functions may call it. It takes addresses of weights and means (float32) and of rows of
    `width` float32, the width, the address of steps, (S, 4) int32, S, how often `num_vectors`
    vectors of 64 bytes are changed, and a limit. A step is bits of what it does, the number of a
    row, and two numbers of float32, a and b. It adds the row times a to the weights, which rounds
    twice; it clips them to the limit; and it moves the means towards them by the share b from where
    they are, or, unless it is near, by 1 + b from the weights, as
    :func:`~lava_desire.backends.numba.update.move_rows` does. Means that do not move may lie where
    the weights do.
    """
    number, whole, word = ir.FloatType(), ir.IntType(32), ir.IntType(64)
    lanes = _VECTOR_BITS // 32
    vector = ir.VectorType(number, lanes)
    parts = range(num_vectors)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        weights, means, rows = (
            builder.inttoptr(each, number.as_pointer()) for each in arguments[:3]
        )
        width, steps, num_steps, num_blocks, limit = arguments[3:]
        steps = builder.inttoptr(steps, whole.as_pointer())
        upper = _splat(builder, limit, lanes)
        lower = _splat(builder, builder.fneg(limit), lanes)
        fma = builder.module.declare_intrinsic(
            f"llvm.fma.v{lanes}f32", (), ir.FunctionType(vector, [vector] * 3)
        )
        values, averages = ([cgutils.alloca_once(builder, vector) for _ in parts] for _ in "wm")

        def at(pointer: Any, place: Any, part: int) -> Any:
            moved = builder.gep(pointer, [builder.add(place, ir.Constant(word, lanes * part))])
            return builder.bitcast(moved, vector.as_pointer())

        with cgutils.for_range(builder, num_blocks) as block:
            place = builder.mul(block.index, ir.Constant(word, lanes * num_vectors))
            for part in parts:
                for pointer, kept in ((weights, values), (means, averages)):
                    builder.store(builder.load(at(pointer, place, part), align=4), kept[part])
            with cgutils.for_range(builder, num_steps) as loop:
                step = builder.gep(steps, [builder.mul(loop.index, ir.Constant(word, 4))])
                kind, row, first, second = (
                    builder.load(builder.gep(step, [ir.Constant(word, field)]))
                    for field in range(4)
                )
                factor, share = (
                    _splat(builder, builder.bitcast(each, number), lanes)
                    for each in (first, second)
                )

                def does(bit: int, kind: Any = kind) -> Any:
                    found = builder.and_(kind, ir.Constant(whole, bit))
                    return builder.icmp_signed("!=", found, ir.Constant(whole, 0))

                with builder.if_then(does(ADDS)):
                    begin = builder.add(place, builder.mul(builder.sext(row, word), width))
                    for part in parts:
                        added = builder.load(at(rows, begin, part), align=4)
                        total = builder.fadd(
                            builder.load(values[part]), builder.fmul(added, factor)
                        )
                        builder.store(total, values[part])
                with builder.if_then(does(CLIPS)):
                    for part in parts:
                        value = builder.load(values[part])
                        for sign, bound in (("<", lower), (">", upper)):
                            beyond = builder.fcmp_ordered(sign, value, bound)
                            value = builder.select(beyond, bound, value)
                        builder.store(value, values[part])
                with builder.if_then(does(MOVES)):
                    is_near = does(IS_NEAR)
                    for part in parts:
                        value, mean = builder.load(values[part]), builder.load(averages[part])
                        nearer = builder.select(is_near, mean, value)
                        moved = builder.call(fma, [share, builder.fsub(value, mean), nearer])
                        builder.store(moved, averages[part])
            for part in parts:
                for pointer, kept in ((means, averages), (weights, values)):
                    builder.store(builder.load(kept[part]), at(pointer, place, part), align=4)
        return context.get_dummy_value()

    @intrinsic  # type: ignore[untyped-decorator]
    def replay(
        context: Any,
        weights: Any,
        means: Any,
        rows: Any,
        width: Any,
        steps: Any,
        num_steps: Any,
        num_blocks: Any,
        limit: Any,
    ) -> Any:
        return types.void(*[types.intp] * 7, types.float32), generate

    return replay  # type: ignore[no-any-return]


@intrinsic  # type: ignore[untyped-decorator]
def sum_bytes(
    context: Any, rows: Any, length: Any, chosen: Any, count: Any, first: Any, last: Any, sums: Any
) -> Any:
    """Sum elements first to last of chosen rows of int8 in int16, as many as make whole vectors.

    At the addresses are rows of `length` int8, `count` numbers of rows, int64, and as many sums as
    a row is long, overwritten. A run of eight vectors stays in registers, then single ones, the
    last of them short.
    """
    wide, word = _VECTOR_BITS // 16, ir.IntType(64)
    byte, whole = ir.IntType(8), ir.IntType(16)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, length, chosen, count, first, last, sums = arguments
        rows = builder.inttoptr(rows, byte.as_pointer())
        chosen = builder.inttoptr(chosen, word.as_pointer())
        sums = builder.inttoptr(sums, whole.as_pointer())
        for num_vectors, lanes in ((8, wide), (1, wide), (1, BYTES)):
            vector, narrow = (ir.VectorType(each, lanes) for each in (whole, byte))
            width = ir.Constant(word, num_vectors * lanes)
            behind = builder.add(
                first, builder.mul(builder.sdiv(builder.sub(last, first), width), width)
            )
            totals = [cgutils.alloca_once(builder, vector) for _ in range(num_vectors)]
            with cgutils.for_range_slice(builder, first, behind, width) as (place, _):
                for total in totals:
                    builder.store(ir.Constant(vector, None), total)
                with cgutils.for_range(builder, count) as loop:
                    row = builder.load(builder.gep(chosen, [loop.index]))
                    start = builder.gep(rows, [builder.add(builder.mul(row, length), place)])
                    start = builder.bitcast(start, narrow.as_pointer())
                    for part, total in enumerate(totals):
                        values = builder.gep(start, [ir.Constant(word, part)])
                        widened = builder.sext(builder.load(values, align=1), vector)
                        builder.store(builder.add(builder.load(total), widened), total)
                target = builder.bitcast(builder.gep(sums, [place]), vector.as_pointer())
                for part, total in enumerate(totals):
                    target_part = builder.gep(target, [ir.Constant(word, part)])
                    builder.store(builder.load(total), target_part, align=2)
            first = behind
        return context.get_dummy_value()

    return types.void(*[types.intp] * 7), generate


BYTES = 8
"""Elements of the shortest vector of :func:`sum_bytes`."""

MOVES_AT_ONCE = 64
"""Numbers that :func:`nonzero_of` looks at."""


@intrinsic  # type: ignore[untyped-decorator]
def nonzero_of(context: Any, address: Any) -> Any:
    """Return which of 64 int16 at an address are not zero, the first in the lowest bit."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.IntType(16), MOVES_AT_ONCE)
        values = builder.load(builder.inttoptr(arguments[0], vector.as_pointer()), align=2)
        found = builder.icmp_signed("!=", values, ir.Constant(vector, None))
        return builder.bitcast(found, ir.IntType(MOVES_AT_ONCE))

    return types.uint64(types.intp), generate


WORDS = LANES
"""Words that :func:`list_words` looks at, fewer than a byte has bits by none."""

_PLACES = [[k for k in range(WORDS) if flags >> k & 1] for flags in range(1 << WORDS)]


@intrinsic  # type: ignore[untyped-decorator]
def list_words(context: Any, words: Any, bits: Any, first: Any, listed: Any) -> Any:
    """List which of 8 words have any of some bits, and return how many do.

    At the addresses are the words, and what receives their numbers, int32, counted from `first` on;
    8 are written, the last of which say nothing. Which words it is decides no branch, as it is
    foreseen by no processor.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, whole, word = (ir.IntType(bits) for bits in (8, 32, 64))
        vector, numbers = ir.VectorType(word, WORDS), ir.VectorType(whole, WORDS)
        row = ir.VectorType(byte, WORDS)
        table = ir.Constant(
            ir.ArrayType(row, len(_PLACES)),
            [ir.Constant(row, (places + [0] * WORDS)[:WORDS]) for places in _PLACES],
        )
        places = cgutils.global_constant(builder, "lava_desire.places", table)
        found = builder.load(builder.inttoptr(arguments[0], vector.as_pointer()), align=8)
        found = builder.and_(found, _splat(builder, arguments[1], WORDS))
        found = builder.icmp_unsigned("!=", found, ir.Constant(vector, None))
        found = builder.zext(builder.bitcast(found, byte), word)
        chosen = builder.load(builder.gep(places, [ir.Constant(word, 0), found]), align=8)
        first = _splat(builder, builder.trunc(arguments[2], whole), WORDS)
        target = builder.inttoptr(arguments[3], numbers.as_pointer())
        builder.store(builder.add(builder.zext(chosen, numbers), first), target, align=4)
        return builder.ctpop(found)

    return types.int64(types.intp, types.uint64, types.int64, types.intp), generate


SQUARE = _VECTOR_BITS // 32
"""Rows, and columns, of what :func:`transpose_square` transposes."""


@intrinsic  # type: ignore[untyped-decorator]
def transpose_square(context: Any, source: Any, length: Any, target: Any, width: Any) -> Any:
    """Transpose SQUARE x SQUARE numbers of float32, in registers.

    They lie at one address in rows of a length, and go to another in rows of a width.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, number = ir.IntType(64), ir.FloatType()
        vector = ir.VectorType(number, SQUARE)
        source, target = (builder.inttoptr(arguments[k], number.as_pointer()) for k in (0, 2))

        def at(pointer: Any, row: int, length: Any) -> Any:
            moved = builder.gep(pointer, [builder.mul(length, ir.Constant(word, row))])
            return builder.bitcast(moved, vector.as_pointer())

        rows = [builder.load(at(source, row, arguments[1]), align=4) for row in range(SQUARE)]
        half = SQUARE // 2
        low = [k // 2 + SQUARE * (k % 2) for k in range(SQUARE)]  # a0 b0 a1 b1 ...
        shuffles = [
            ir.Constant(ir.VectorType(ir.IntType(32), SQUARE), [k + shift for k in low])
            for shift in (0, half)
        ]
        for _ in range(4):  # as often as half can be taken of SQUARE
            rows = [
                builder.shuffle_vector(rows[row], rows[row + half], shuffle)
                for row in range(half)
                for shuffle in shuffles
            ]
        for row, values in enumerate(rows):
            builder.store(values, at(target, row, arguments[3]), align=4)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), generate


def fetch(builder: Any, address: Any, nearness: int) -> None:
    """Ask for the cache line at an address, into the first-level cache, 3, or the second, 2."""
    integer = ir.IntType(32)
    pointer = builder.inttoptr(address, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [pointer.type, integer, integer, integer])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [pointer, *(ir.Constant(integer, value) for value in (0, nearness, 1))])


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(context: Any, address: Any) -> Any:
    """Ask for the cache line at an address, into the second-level cache."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        fetch(builder, arguments[0], 2)
        return context.get_dummy_value()

    return types.void(types.intp), generate


def make_run_window(width: int, *, has_band: bool = False) -> Callable[..., None]:
    """Return a function that runs neurons over a window; compiled functions may call it.

    Currents, potentials and trains stay in registers: in a plain loop each step would read and
    write them. The function takes addresses of rows (`width` float32, one a neuron), of the events
    of all steps (int32, numbers of rows) and where each step's begin (int64, T + 1, multiples of
    four), T, the first step in which something arrives, ``gain, decay, synapse_decay, threshold,
    kept, offset, bound, low, high`` (float32: a potential that reached the threshold is multiplied
    by `kept`, and `offset` is subtracted), and addresses of currents that are filtered (`width`
    float32, zero), of doubts, (width / 16,) uint16, and of words, (4, width) uint32.

    It sets a bit in doubts for each neuron whose potential, in any step, is not farther than
    `bound` from the threshold, and fills the words with the trains of steps below 32, and from 32
    on. With `has_band` two more rows of words are of the steps whose potential, before the reset,
    is between `low` and `high`, and neurons with potentials near these are in doubt, too. Before
    anything arrives potentials are zero, whatever rounding leaves, and in no band.
    """
    number, half, word = ir.FloatType(), ir.IntType(16), ir.IntType(64)
    whole, lanes = ir.IntType(32), _VECTOR_BITS // 32
    vector, integers = ir.VectorType(number, lanes), ir.VectorType(whole, lanes)
    parts = range(width // lanes)
    free = ("contract",)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, events, begins, num_steps, first_step = arguments[:5]
        synapse_decay = arguments[7]
        gain, decay, alpha, threshold, kept, offset, bound, low, high = (
            _splat(builder, each, lanes) for each in arguments[5:14]
        )
        rows, filtered = (
            builder.inttoptr(each, vector.as_pointer()) for each in (rows, arguments[14])
        )
        events = builder.inttoptr(events, whole.as_pointer())
        begins = builder.inttoptr(begins, word.as_pointer())
        doubts = builder.inttoptr(arguments[15], half.as_pointer())
        words = builder.inttoptr(arguments[16], integers.as_pointer())
        magnitude = ir.Constant(integers, [0x7FFFFFFF] * lanes)  # all bits but the sign
        filters = builder.fcmp_unordered("!=", synapse_decay, ir.Constant(number, 0))

        def variables(kind: Any) -> list[Any]:
            return [cgutils.alloca_once(builder, kind) for _ in parts]

        def clear(some: list[Any]) -> None:
            for each in some:
                builder.store(ir.Constant(each.type.pointee, None), each)

        def set_bits(variable: Any, where: Any, bits: Any) -> None:
            chosen = builder.select(where, bits, ir.Constant(integers, None))
            builder.store(builder.or_(builder.load(variable), chosen), variable)

        def is_near(value: Any, other: Any) -> Any:  # also where it is NaN
            difference = builder.bitcast(builder.fsub(value, other), integers)
            distance = builder.bitcast(builder.and_(difference, magnitude), vector)
            return builder.fcmp_unordered("<=", distance, bound)

        def add_up(step: Any, sums: list[Any]) -> None:
            begin = builder.load(builder.gep(begins, [step]))
            end = builder.load(builder.gep(begins, [builder.add(step, ir.Constant(word, 1))]))
            clear(sums)
            with cgutils.for_range_slice(builder, begin, end, ir.Constant(word, 4)) as (k, _):
                four = []
                for index in range(4):
                    place = builder.gep(events, [builder.add(k, ir.Constant(word, index))])
                    row = builder.sext(builder.load(place), word)
                    row = builder.mul(row, ir.Constant(word, len(parts)))
                    four.append(builder.gep(rows, [row]))
                for part, total in zip(parts, sums, strict=True):
                    a, b, c, d = (
                        builder.load(builder.gep(each, [ir.Constant(word, part)]), align=4)
                        for each in four
                    )
                    added = builder.fadd(builder.fadd(a, b), builder.fadd(c, d))
                    builder.store(builder.fadd(builder.load(total), added), total)

        sums, potentials = variables(vector), variables(vector)
        seen, found = variables(integers), [variables(integers) for _ in range(1 + has_band)]
        clear(potentials)
        clear(seen)
        for row in range(2 * len(found)):
            for part in parts:
                place = builder.gep(words, [ir.Constant(word, row * len(parts) + part)])
                builder.store(ir.Constant(integers, None), place, align=4)
        every = ir.Constant(integers, [-1] * lanes)
        half_steps = ir.Constant(word, 32)
        with cgutils.for_range_slice(builder, ir.Constant(word, 0), num_steps, half_steps) as (
            first,
            _,
        ):
            behind = builder.add(first, half_steps)
            is_short = builder.icmp_signed("<", num_steps, behind)
            last = builder.select(is_short, num_steps, behind)
            for some in found:
                clear(some)
            with cgutils.for_range_slice(builder, first, last, ir.Constant(word, 1)) as (step, _):
                add_up(step, sums)
                for total in sums:
                    builder.store(builder.fmul(gain, builder.load(total)), total)
                with builder.if_then(filters):
                    for part, total in zip(parts, sums, strict=True):
                        place = builder.gep(filtered, [ir.Constant(word, part)])
                        left = builder.fmul(alpha, builder.load(place, align=4), flags=free)
                        current = builder.fadd(left, builder.load(total), flags=free)
                        builder.store(current, place, align=4)
                        builder.store(current, total)
                shift = builder.trunc(builder.sub(step, first), whole)
                bit = _splat(builder, builder.shl(ir.Constant(whole, 1), shift), lanes)
                arrived = _splat(builder, builder.icmp_signed(">=", step, first_step), lanes)
                for part in parts:
                    left = builder.fmul(decay, builder.load(potentials[part]), flags=free)
                    value = builder.fadd(left, builder.load(sums[part]), flags=free)
                    fires = builder.fcmp_ordered(">=", value, threshold)
                    set_bits(found[0][part], fires, bit)
                    in_doubt = is_near(value, threshold)
                    if has_band:
                        edge = builder.or_(is_near(value, low), is_near(value, high))
                        in_doubt = builder.or_(in_doubt, builder.and_(arrived, edge))
                        above = builder.fcmp_ordered(">", value, low)
                        between = builder.and_(above, builder.fcmp_ordered("<", value, high))
                        set_bits(found[1][part], builder.and_(arrived, between), bit)
                    set_bits(seen[part], in_doubt, every)
                    rest = builder.fsub(builder.fmul(kept, value, flags=free), offset, flags=free)
                    builder.store(builder.select(fires, rest, value), potentials[part])
            for kind, some in enumerate(found):
                row = builder.add(
                    builder.lshr(first, ir.Constant(word, 5)), ir.Constant(word, 2 * kind)
                )
                for part, train in zip(parts, some, strict=True):
                    place = builder.add(
                        builder.mul(row, ir.Constant(word, len(parts))), ir.Constant(word, part)
                    )
                    builder.store(builder.load(train), builder.gep(words, [place]), align=4)
        for part in parts:
            are = builder.icmp_unsigned("!=", builder.load(seen[part]), ir.Constant(integers, None))
            builder.store(
                builder.bitcast(are, half), builder.gep(doubts, [ir.Constant(word, part)])
            )
        return context.get_dummy_value()

    @intrinsic  # type: ignore[untyped-decorator]
    def run_window(
        context: Any,
        rows: Any,
        events: Any,
        begins: Any,
        num_steps: Any,
        first_step: Any,
        gain: Any,
        decay: Any,
        synapse_decay: Any,
        threshold: Any,
        kept: Any,
        offset: Any,
        bound: Any,
        low: Any,
        high: Any,
        filtered: Any,
        doubts: Any,
        words: Any,
    ) -> Any:
        address, number = types.intp, types.float32
        return types.void(*[address] * 5, *[number] * 9, *[address] * 3), generate

    return run_window  # type: ignore[no-any-return]


def make_join_halves(width: int) -> Callable[..., None]:
    """Return a function that joins halves of words; compiled functions may call it.

    It takes addresses of the lower and the upper halves, `width` uint32 each, of as many bytes, and
    of as many words, uint64, which it overwrites: with 0 where the byte is 0.
    """
    byte, whole, word = ir.IntType(8), ir.IntType(32), ir.IntType(64)
    lanes = _VECTOR_BITS // 32

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        halves, wholes = ir.VectorType(whole, lanes), ir.VectorType(word, lanes)
        flags = ir.VectorType(byte, lanes)
        low, high, kept, joined = (
            builder.inttoptr(address, kind.as_pointer())
            for address, kind in zip(arguments, (halves, halves, flags, wholes), strict=True)
        )
        shift = ir.Constant(wholes, [32] * lanes)
        for part in range(width // lanes):
            place = [ir.Constant(word, part)]
            lower, upper = (
                builder.zext(builder.load(builder.gep(each, place), align=4), wholes)
                for each in (low, high)
            )
            both = builder.or_(lower, builder.shl(upper, shift))
            mask = builder.load(builder.gep(kept, place), align=1)
            is_kept = builder.icmp_unsigned("!=", mask, ir.Constant(flags, None))
            chosen = builder.select(is_kept, both, ir.Constant(wholes, None))
            builder.store(chosen, builder.gep(joined, place), align=8)
        return context.get_dummy_value()

    @intrinsic  # type: ignore[untyped-decorator]
    def join_halves(context: Any, low: Any, high: Any, kept: Any, joined: Any) -> Any:
        return types.void(*[types.intp] * 4), generate

    return join_halves  # type: ignore[no-any-return]


@njit(nogil=True)
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


def _vectors(builder: Any, address: Any, element: Any) -> Any:
    """Return a pointer to vectors of numbers at an address."""
    return builder.inttoptr(address, ir.VectorType(element, LANES).as_pointer())


def _splat(builder: Any, value: Any, lanes: int = LANES) -> Any:
    vector = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    for lane in range(lanes):
        vector = builder.insert_element(vector, value, ir.Constant(ir.IntType(32), lane))
    return vector


@intrinsic  # type: ignore[untyped-decorator]
def add_vectors(context: Any, target: Any, source: Any, factor: Any, count: Any) -> Any:
    """Add a multiple of `count` vectors of float64 at one address to those at another.

    A plain loop would ask each time whether the two overlap, and go one by one through its end.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        factors = _splat(builder, arguments[2])
        target, source = (_vectors(builder, each, ir.DoubleType()) for each in arguments[:2])
        with cgutils.for_range(builder, arguments[3]) as loop:
            place = builder.gep(target, [loop.index])
            values = builder.load(builder.gep(source, [loop.index]), align=8)
            products = builder.fmul(factors, values, flags=("contract",))
            sums = builder.fadd(products, builder.load(place, align=8), flags=("contract",))
            builder.store(sums, place, align=8)
        return context.get_dummy_value()

    address = types.intp
    return types.void(address, address, types.float64, address), generate


def _state_pointers(builder: Any, arguments: Any) -> list[Any]:
    """Return pointers to vectors of potentials, float32, currents, float64, and words, uint32."""
    elements = ir.FloatType(), ir.DoubleType(), ir.IntType(32)
    return [
        _vectors(builder, address, element)
        for address, element in zip(arguments[:3], elements, strict=True)
    ]


def _integrated(builder: Any, pointers: Any, index: Any, decay: Any) -> tuple[Any, Any, Any]:
    """Return pointers to a vector of potentials and its words, and the potentials to come."""
    potential, current, words = (builder.gep(each, [index]) for each in pointers)
    narrow = builder.fptrunc(builder.load(current, align=8), decay.type)
    value = builder.fadd(builder.fmul(decay, builder.load(potential, align=4)), narrow)
    return potential, words, value


@intrinsic  # type: ignore[untyped-decorator]
def integrate_vectors(
    context: Any,
    potential: Any,
    current: Any,
    words: Any,
    bit: Any,
    decay: Any,
    threshold: Any,
    kept: Any,
    offset: Any,
    count: Any,
) -> Any:
    """Run `count` vectors of neurons for a step, and set a bit in the words of those that fire.

    At the addresses are their potentials, float32, currents, float64, and words, uint32. A
    potential that reached the threshold is multiplied by `kept`, and `offset` is subtracted from
    it. In a plain loop vectors would be as short as those of float64.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bit, decay, threshold, kept, offset = (_splat(builder, each) for each in arguments[3:8])
        pointers = _state_pointers(builder, arguments)
        with cgutils.for_range(builder, arguments[8]) as loop:
            potential, words, value = _integrated(builder, pointers, loop.index, decay)
            fires = builder.fcmp_ordered(">=", value, threshold)
            rest = builder.fsub(builder.fmul(kept, value), offset)
            builder.store(builder.select(fires, rest, value), potential, align=4)
            bits = builder.select(fires, bit, ir.Constant(bit.type, None))
            builder.store(builder.or_(builder.load(words, align=4), bits), words, align=4)
        return context.get_dummy_value()

    address, number = types.intp, types.float32
    taken = (address, address, address, types.uint32, number, number, number, number, address)
    return types.void(*taken), generate


@intrinsic  # type: ignore[untyped-decorator]
def mark_vectors(
    context: Any,
    potential: Any,
    current: Any,
    words: Any,
    bit: Any,
    decay: Any,
    low: Any,
    high: Any,
    count: Any,
) -> Any:
    """Set a bit in the words of those neurons whose next potential is between two numbers.

    At the addresses are what :func:`integrate_vectors` then runs for the step; nothing of it but
    the words is changed.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bit, decay, low, high = (_splat(builder, each) for each in arguments[3:7])
        pointers = _state_pointers(builder, arguments)
        with cgutils.for_range(builder, arguments[7]) as loop:
            _, words, value = _integrated(builder, pointers, loop.index, decay)
            above = builder.fcmp_ordered(">", value, low)
            between = builder.and_(above, builder.fcmp_ordered("<", value, high))
            bits = builder.select(between, bit, ir.Constant(bit.type, None))
            builder.store(builder.or_(builder.load(words, align=4), bits), words, align=4)
        return context.get_dummy_value()

    address, number = types.intp, types.float32
    taken = (address, address, address, types.uint32, number, number, number, address)
    return types.void(*taken), generate


@intrinsic  # type: ignore[untyped-decorator]
def trailing_zeros(context: Any, word: Any) -> Any:
    """Return the place of the lowest bit of a word that is not zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def floats_at(context: Any, address: Any) -> Any:
    """Return a pointer to float32 numbers at an address, for ``numba.carray``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.FloatType().as_pointer())

    return types.CPointer(types.float32)(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def bytes_at(context: Any, address: Any) -> Any:
    """Return a pointer to int8 numbers at an address, for ``numba.carray``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.CPointer(types.int8)(types.int64), generate
