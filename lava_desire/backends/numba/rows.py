"""Rows of weights added where they lie, and neurons run over a window, in registers (SIMD).

A batch lays the rows of a tile side by side first (``lava_desire.backends.numba.scan``); of one
sample each row is read too few times for that. Here rows are addresses: of weights, of sums of
inputs that share a train, or of nothing but zeros, which fills lists up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lava_desire.backends.numba.simd import _VECTOR_BITS, _splat, fetch

_LANES = _VECTOR_BITS // 32  # float32 of a vector
_NUMBER, _HALF, _WHOLE, _WORD = ir.FloatType(), ir.IntType(16), ir.IntType(32), ir.IntType(64)
_VECTOR, _BITS = ir.VectorType(_NUMBER, _LANES), ir.VectorType(_WHOLE, _LANES)
_FLAGS = ir.VectorType(ir.IntType(1), _LANES)


def make_sum_members(width: int) -> Callable[..., None]:
    """Return a function that sums chosen rows, and sees how large their weights are.

    It takes addresses, of the first of `width` float32 in row 0, of the list `chosen` (int32), of
    the sum or 0, and of 16 int32, and numbers: ``(rows, stride, chosen, begin, end, result,
    magnitudes)``. Rows begin `stride` elements apart. The largest magnitudes, as bits, are taken up
    in `magnitudes`, see :func:`~.simd.largest_magnitude`. What lies behind the `width` elements of
    each row, and as many, is asked for, into the second-level cache.
    """

    def define(builder: Any, arguments: Any) -> None:
        rows, stride, chosen, begin, end, result, magnitudes = arguments
        rows = builder.inttoptr(rows, _NUMBER.as_pointer())
        chosen = builder.inttoptr(chosen, _WHOLE.as_pointer())
        found = builder.inttoptr(magnitudes, _BITS.as_pointer())
        unsigned = ir.Constant(_BITS, [0x7FFFFFFF] * _LANES)
        sums = _variables(builder, _VECTOR, width)
        largest = cgutils.alloca_once(builder, _BITS)
        builder.store(builder.load(found, align=4), largest)

        def row(place: Any) -> Any:
            index = builder.sext(builder.load(builder.gep(chosen, [place])), _WORD)
            return builder.gep(rows, [builder.mul(index, stride)])

        def look_at(row: Any, part: int) -> Any:
            values = builder.load(_part(builder, row, part), align=4)
            size = builder.and_(builder.bitcast(values, _BITS), unsigned)
            before = builder.load(largest)
            above = builder.icmp_signed(">", size, before)
            builder.store(builder.select(above, size, before), largest)
            ahead = builder.ptrtoint(_part(builder, row, part + len(sums)), _WORD)
            fetch(builder, ahead, 2)
            return values

        def add(total: Any, value: Any) -> None:
            builder.store(builder.fadd(builder.load(total), value), total)

        four = builder.and_(builder.sub(end, begin), ir.Constant(_WORD, -4))
        middle = builder.add(begin, four)
        with cgutils.for_range_slice(builder, begin, middle, ir.Constant(_WORD, 4)) as (k, _):
            places = [row(builder.add(k, ir.Constant(_WORD, index))) for index in range(4)]
            for part, total in enumerate(sums):
                a, b, c, d = (look_at(each, part) for each in places)
                add(total, builder.fadd(builder.fadd(a, b), builder.fadd(c, d)))
        with cgutils.for_range_slice(builder, middle, end, ir.Constant(_WORD, 1)) as (k, _):
            place = row(k)
            for part, total in enumerate(sums):
                add(total, look_at(place, part))
        builder.store(builder.load(largest), found, align=4)
        with builder.if_then(builder.icmp_unsigned("!=", result, ir.Constant(_WORD, 0))):
            target = builder.inttoptr(result, _NUMBER.as_pointer())
            for part, total in enumerate(sums):
                builder.store(builder.load(total), _part(builder, target, part), align=4)
        builder.ret_void()

    generate = _called(f"sum_members.{width}", [_WORD] * 7, define)

    @intrinsic  # type: ignore[untyped-decorator]
    def sum_members(
        context: Any,
        rows: Any,
        stride: Any,
        chosen: Any,
        begin: Any,
        end: Any,
        result: Any,
        magnitudes: Any,
    ) -> Any:
        return types.void(*[types.intp] * 7), generate

    return sum_members  # type: ignore[no-any-return]


def make_add_steps(width: int) -> Callable[..., None]:
    """Return a function that adds rows to the currents of each step.

    It takes addresses and numbers: ``(events, begins, num_steps, shift, currents)``. Events are
    addresses of rows, int64, of which `width` float32 count that lie `shift` bytes behind them;
    `begins`, (T + 1,) int64, says where the steps begin, multiples of four apart; currents are
    (T, `width`) float32.
    """

    def define(builder: Any, arguments: Any) -> None:
        events, begins, num_steps, shift, currents = arguments
        events, begins = (builder.inttoptr(each, _WORD.as_pointer()) for each in (events, begins))
        currents = builder.inttoptr(currents, _NUMBER.as_pointer())
        sums = _variables(builder, _VECTOR, width)
        with cgutils.for_range(builder, num_steps) as loop:
            places = _load_currents(builder, currents, loop.index, sums)
            _add_events(builder, events, begins, loop.index, shift, sums)
            for total, place in zip(sums, places, strict=True):
                builder.store(builder.load(total), place, align=4)
        builder.ret_void()

    generate = _called(f"add_steps.{width}", [_WORD] * 5, define)

    @intrinsic  # type: ignore[untyped-decorator]
    def add_steps(
        context: Any, events: Any, begins: Any, num_steps: Any, shift: Any, currents: Any
    ) -> Any:
        return types.void(*[types.intp] * 5), generate

    return add_steps  # type: ignore[no-any-return]


def make_integrate(width: int) -> Callable[..., None]:
    """Return a function that runs `width` neurons over the currents of a window, from rest.

    What :func:`make_add_steps` adds is added to the currents on the way, and stays in registers. It
    takes the arguments of that function, ``(events, begins, num_steps, shift, currents)``; the
    first step in which something arrives; ``gain, decay, synapse_decay, threshold, kept, offset,
    bound, low, high`` (float32: a potential that reached the threshold is multiplied by `kept`, and
    `offset` is subtracted); whether there is a band from `low` to `high`; and addresses of currents
    that are filtered (`width` float32, zero), of words, (4, `width`) uint32, and of doubts,
    (`width` / 16,) uint16.

    It fills two rows of words, the second where T is above 32, with the trains of steps below 32,
    and from 32 on; with a band two more, zero before, with the steps whose potential, before the
    reset, is in it, none before anything arrives; and doubts with the neurons whose potential is in
    some step not farther than `bound` from the threshold, or from an end of the band.
    """
    parts = range(width // _LANES)
    free = ("contract",)

    def define(builder: Any, arguments: Any) -> None:
        events, begins, num_steps, shift, currents, first_step = arguments[:6]
        synapse_decay = arguments[8]
        gain, decay, alpha, threshold, kept, offset, bound, low, high = (
            _splat(builder, each, _LANES) for each in arguments[6:15]
        )
        has_band = builder.trunc(arguments[15], ir.IntType(1))
        events, begins = (builder.inttoptr(each, _WORD.as_pointer()) for each in (events, begins))
        currents = builder.inttoptr(currents, _NUMBER.as_pointer())
        filtered = builder.inttoptr(arguments[16], _NUMBER.as_pointer())
        words = builder.inttoptr(arguments[17], _BITS.as_pointer())
        found = builder.inttoptr(arguments[18], _HALF.as_pointer())
        magnitude = ir.Constant(_BITS, [0x7FFFFFFF] * _LANES)  # all bits but the sign
        filters = builder.fcmp_unordered("!=", synapse_decay, ir.Constant(_NUMBER, 0))
        values, potentials = (_variables(builder, _VECTOR, width) for _ in range(2))
        doubts, trains = (_variables(builder, kind, width) for kind in (_FLAGS, _BITS))

        def is_near(value: Any, other: Any) -> Any:  # also where it is NaN
            difference = builder.bitcast(builder.fsub(value, other), _BITS)
            distance = builder.bitcast(builder.and_(difference, magnitude), _VECTOR)
            return builder.fcmp_unordered("<=", distance, bound)

        def bits_of(flags: Any, bit: Any) -> Any:
            return builder.select(flags, bit, ir.Constant(_BITS, None))

        def word_at(row: Any, part: int) -> Any:
            place = builder.mul(row, ir.Constant(_WORD, len(parts)))
            return builder.gep(words, [builder.add(place, ir.Constant(_WORD, part))])

        half = ir.Constant(_WORD, 32)
        with cgutils.for_range_slice(builder, ir.Constant(_WORD, 0), num_steps, half) as (first, _):
            row, behind = builder.udiv(first, half), builder.add(first, half)
            last = builder.select(builder.icmp_signed("<", num_steps, behind), num_steps, behind)
            for each in trains:
                builder.store(ir.Constant(_BITS, None), each)
            with cgutils.for_range_slice(builder, first, last, ir.Constant(_WORD, 1)) as (step, _):
                _load_currents(builder, currents, step, values)
                _add_events(builder, events, begins, step, shift, values)
                for each in values:
                    builder.store(builder.fmul(gain, builder.load(each)), each)
                with builder.if_then(filters):
                    for part, each in enumerate(values):
                        place = _part(builder, filtered, part)
                        left = builder.fmul(alpha, builder.load(place, align=4), flags=free)
                        current = builder.fadd(left, builder.load(each), flags=free)
                        builder.store(current, place, align=4)
                        builder.store(current, each)
                place = builder.trunc(builder.sub(step, first), _WHOLE)
                bit = _splat(builder, builder.shl(ir.Constant(_WHOLE, 1), place), _LANES)
                for part in parts:
                    left = builder.fmul(decay, builder.load(potentials[part]), flags=free)
                    value = builder.fadd(left, builder.load(values[part]), flags=free)
                    builder.store(value, values[part])
                    fires = builder.fcmp_ordered(">=", value, threshold)
                    near = builder.or_(builder.load(doubts[part]), is_near(value, threshold))
                    builder.store(near, doubts[part])
                    train = builder.or_(builder.load(trains[part]), bits_of(fires, bit))
                    builder.store(train, trains[part])
                    rest = builder.fsub(builder.fmul(kept, value, flags=free), offset, flags=free)
                    builder.store(builder.select(fires, rest, value), potentials[part])
                arrived = builder.icmp_signed(">=", step, first_step)
                with builder.if_then(builder.and_(has_band, arrived), likely=False):
                    for part in parts:
                        value = builder.load(values[part])
                        edge = builder.or_(is_near(value, low), is_near(value, high))
                        builder.store(builder.or_(builder.load(doubts[part]), edge), doubts[part])
                        above = builder.fcmp_ordered(">", value, low)
                        between = builder.and_(above, builder.fcmp_ordered("<", value, high))
                        place = word_at(builder.add(row, ir.Constant(_WORD, 2)), part)
                        marks = builder.or_(builder.load(place, align=4), bits_of(between, bit))
                        builder.store(marks, place, align=4)
            for part, train in enumerate(trains):
                builder.store(builder.load(train), word_at(row, part), align=4)
        for part, each in enumerate(doubts):
            flags = builder.bitcast(builder.load(each), _HALF)
            builder.store(flags, builder.gep(found, [ir.Constant(_WORD, part)]), align=2)
        builder.ret_void()

    kinds = [_WORD] * 6 + [_NUMBER] * 9 + [_WORD] * 4
    generate = _called(f"integrate.{width}", kinds, define)

    @intrinsic  # type: ignore[untyped-decorator]
    def integrate(
        context: Any,
        events: Any,
        begins: Any,
        num_steps: Any,
        shift: Any,
        currents: Any,
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
        has_band: Any,
        filtered: Any,
        words: Any,
        doubts: Any,
    ) -> Any:
        address, number = types.intp, types.float32
        return types.void(*[address] * 6, *[number] * 9, *[address] * 4), generate

    return integrate  # type: ignore[no-any-return]


def _called(name: str, kinds: list[Any], define: Callable[[Any, Any], None]) -> Callable[..., Any]:
    """Return what an intrinsic generates: a call of a function, one copy, however often called."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = builder.module.globals.get(f"lava_desire.{name}")
        if function is None:
            kind = ir.FunctionType(ir.VoidType(), kinds)
            function = ir.Function(builder.module, kind, f"lava_desire.{name}")
            function.linkage = "internal"
            function.attributes.add("noinline")
            define(ir.IRBuilder(function.append_basic_block()), function.args)
        builder.call(function, arguments)
        return context.get_dummy_value()

    return generate


def _variables(builder: Any, kind: Any, width: int) -> list[Any]:
    """Return variables, zero at first, for `width` numbers; LLVM keeps them in registers."""
    found = [cgutils.alloca_once(builder, kind) for _ in range(width // _LANES)]
    for each in found:
        builder.store(ir.Constant(kind, None), each)
    return found


def _load_currents(builder: Any, currents: Any, step: Any, sums: list[Any]) -> list[Any]:
    """Load the currents of a step; return where they lie."""
    width = ir.Constant(_WORD, _LANES * len(sums))
    row = builder.gep(currents, [builder.mul(step, width)])
    places = [_part(builder, row, part) for part in range(len(sums))]
    for total, place in zip(sums, places, strict=True):
        builder.store(builder.load(place, align=4), total)
    return places


def _add_events(
    builder: Any, events: Any, begins: Any, step: Any, shift: Any, sums: list[Any]
) -> None:
    """Add the rows of a step's events to sums, four at a time; see :func:`make_add_steps`."""
    begin = builder.load(builder.gep(begins, [step]))
    end = builder.load(builder.gep(begins, [builder.add(step, ir.Constant(_WORD, 1))]))
    with cgutils.for_range_slice(builder, begin, end, ir.Constant(_WORD, 4)) as (k, _):
        rows = []
        for index in range(4):
            place = builder.gep(events, [builder.add(k, ir.Constant(_WORD, index))])
            address = builder.add(builder.load(place), shift)
            rows.append(builder.inttoptr(address, _NUMBER.as_pointer()))
        for part, total in enumerate(sums):
            a, b, c, d = (builder.load(_part(builder, row, part), align=4) for row in rows)
            added = builder.fadd(builder.fadd(a, b), builder.fadd(c, d))
            builder.store(builder.fadd(builder.load(total), added), total)


def _part(builder: Any, row: Any, part: int) -> Any:
    """Return a pointer to a vector of a row."""
    moved = builder.gep(row, [ir.Constant(_WORD, part * _LANES)])
    return builder.bitcast(moved, _VECTOR.as_pointer())
