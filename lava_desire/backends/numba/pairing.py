"""Pairings of inputs that spike with neurons that learn, in vectors of neurons (Eq. 4).

Sums are taken in one order, whatever vectors a machine has: where they are rounded, results depend
on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lava_desire.backends.numba.events import compiled
from lava_desire.backends.numba.simd import fetch, trailing_zeros
from lava_desire.backends.registry import MAX_STEPS

RUN = 8
"""Neurons that are summed and added together; behind the last one a run is filled up with zeros."""

LISTED = 1024
"""Runs that a list of :func:`list_runs` has room for."""

AHEAD = 6
"""Runs after which one's numbers are asked for while they are added."""

LOOK = 64
"""Neurons that :func:`choose` looks at together."""

_PART_BITS = 5  # steps, the sums of whose every choice are made beforehand
CHOICES = 1 << _PART_BITS
PARTS = -(-MAX_STEPS // _PART_BITS)

_double, _word = ir.DoubleType(), ir.IntType(64)
_vector, _words = ir.VectorType(_double, RUN), ir.VectorType(_word, RUN)  # which LLVM may split


@compiled
def choose(desire: Any, outputs: Any, chosen: Any) -> Any:
    """List the neurons that spike and have a desire, and return how many there are.

    `desire`, (N,) int8, and `outputs`, (N,) words, are of N < 2^16 − 2·RUN neurons. `chosen`,
    uint16, is at least N and two runs long; the last run is filled up with places behind them.
    """
    found: Any = 0
    whole = len(desire) // LOOK * LOOK
    for begin in range(0, whole, LOOK):
        wanted = _both_of(desire.ctypes.data + begin, outputs.ctypes.data + 8 * begin)
        while wanted:
            chosen[found] = begin + trailing_zeros(wanted)
            found += 1
            wanted &= wanted - np.uint64(1)
    for j in range(whole, len(desire)):
        chosen[found] = j
        found += np.int64((desire[j] != 0) & (outputs[j] != 0))
    for k in range(2 * RUN):
        chosen[found + k] = len(desire) + k
    return found


@compiled
def pair(
    words: Any,
    desire: Any,
    outputs: Any,
    chosen: Any,
    found: int,
    decay: float,
    synapse_decay: float,
    traces: Any,
    tables: Any,
    pairings: Any,
) -> None:
    """Sum d·q of neurons over the steps in which a unit spikes: (run, unit, neuron).

    `words` are the units' trains, (U,), the neurons are those of :func:`choose`; behind them a
    run is filled up with zeros. Two runs at a time `traces`, (T, 2, RUN) float64, and `tables`,
    (PARTS, CHOICES, 2, RUN) float64, are overwritten: with d·q, and with the sums of every choice
    of a few steps, so that a unit takes one addition a part of the window.
    """
    num_steps = traces.shape[0]
    num_parts = (num_steps + _PART_BITS - 1) // _PART_BITS
    for begin in range(0, found, 2 * RUN):
        _trace_runs(
            desire.ctypes.data,
            outputs.ctypes.data,
            chosen[begin:].ctypes.data,
            found - begin,
            decay,
            synapse_decay,
            num_steps,
            traces.ctypes.data,
        )
        for part in range(num_parts):
            first = part * _PART_BITS
            _sum_choices(
                traces[first].ctypes.data,
                min(_PART_BITS, num_steps - first),
                tables[part].ctypes.data,
            )
        _pair_units(
            words.ctypes.data,
            len(words),
            tables.ctypes.data,
            num_parts,
            pairings[begin * len(words) :].ctypes.data,
            found - begin,
        )


def _at(builder: Any, pointer: Any, place: Any, kind: Any) -> Any:
    """Return a pointer to so many numbers behind another one, as one to another kind."""
    if isinstance(place, int):
        place = ir.Constant(_word, place)
    return builder.bitcast(builder.gep(pointer, [place]), kind.as_pointer())


def _numbers(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, _double.as_pointer())


def _together(builder: Any, values: Any) -> Any:
    """Return a vector of numbers."""
    vector = ir.Constant(ir.VectorType(values[0].type, len(values)), ir.Undefined)
    for lane, value in enumerate(values):
        vector = builder.insert_element(vector, value, ir.Constant(ir.IntType(32), lane))
    return vector


def _splat(builder: Any, value: Any) -> Any:
    return _together(builder, [value] * RUN)


@intrinsic  # type: ignore[untyped-decorator]
def _trace_runs(
    context: Any,
    desire: Any,
    outputs: Any,
    chosen: Any,
    count: Any,
    decay: Any,
    synapse_decay: Any,
    num_steps: Any,
    traces: Any,
) -> Any:
    """Fill in the traces of two runs of neurons, (T, 2, RUN) float64, back from the last step.

    At the addresses are desires, int8, trains, words, and the places of neurons, uint16, of which
    the first `count` have traces.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        desire, outputs, chosen, count, decay, synapse_decay, num_steps, traces = arguments
        desire = builder.inttoptr(desire, ir.IntType(8).as_pointer())
        outputs = builder.inttoptr(outputs, _word.as_pointer())
        chosen = builder.inttoptr(chosen, ir.IntType(16).as_pointer())
        traces = _numbers(builder, traces)
        decays, zero = _splat(builder, decay), ir.Constant(_double, 0)
        one, nothing = ir.Constant(_words, [1] * RUN), ir.Constant(_words, None)
        trains, signs, silences, totals = [], [], [], []
        for half in range(2):
            some_trains, some_signs = [], []
            for lane in range(RUN * half, RUN * (half + 1)):
                place = builder.load(builder.gep(chosen, [ir.Constant(_word, lane)]))
                is_there = builder.icmp_signed("<", ir.Constant(_word, lane), count)
                place = builder.zext(builder.select(is_there, place, builder.load(chosen)), _word)
                train = builder.load(builder.gep(outputs, [place]))
                sign = builder.sitofp(builder.load(builder.gep(desire, [place])), _double)
                some_trains.append(builder.select(is_there, train, ir.Constant(_word, 0)))
                some_signs.append(builder.select(is_there, sign, zero))
            trains.append(_together(builder, some_trains))
            signs.append(_together(builder, some_signs))
            silences.append(builder.fmul(signs[half], ir.Constant(_vector, [0.0] * RUN)))
            totals.append(cgutils.alloca_once(builder, _vector))
            builder.store(ir.Constant(_vector, None), totals[half])

        def rows_back(count: Any) -> Any:
            return cgutils.for_range_slice(
                builder,
                builder.sub(count, ir.Constant(_word, 1)),
                ir.Constant(_word, -1),
                ir.Constant(_word, -1),
                inc=False,
            )

        with rows_back(num_steps) as (step, _):
            row = builder.gep(traces, [builder.mul(step, ir.Constant(_word, 2 * RUN))])
            shift = _splat(builder, step)
            for half in range(2):
                bits = builder.and_(builder.lshr(trains[half], shift), one)
                fires = builder.icmp_unsigned("!=", bits, nothing)
                spike = builder.select(fires, signs[half], silences[half])
                total = builder.fadd(builder.fmul(decays, builder.load(totals[half])), spike)
                builder.store(total, totals[half])
                builder.store(total, _at(builder, row, RUN * half, _vector), align=8)
        with builder.if_then(builder.fcmp_unordered("!=", synapse_decay, zero)):
            decays = _splat(builder, synapse_decay)
            with rows_back(builder.sub(num_steps, ir.Constant(_word, 1))) as (step, _):
                row = builder.gep(traces, [builder.mul(step, ir.Constant(_word, 2 * RUN))])
                for half in range(2):
                    target = _at(builder, row, RUN * half, _vector)
                    behind = _at(builder, row, RUN * half + 2 * RUN, _vector)
                    kept = builder.fmul(decays, builder.load(behind, align=8))
                    builder.store(
                        builder.fadd(builder.load(target, align=8), kept), target, align=8
                    )
        return context.get_dummy_value()

    address, number = types.intp, types.float64
    taken = (address, address, address, address, number, number, address, address)
    return types.void(*taken), generate


@intrinsic  # type: ignore[untyped-decorator]
def _sum_choices(context: Any, traces: Any, num_steps: Any, sums: Any) -> Any:
    """Fill (CHOICES, 2, RUN) float64: row k with the sum of the steps whose bits in k are set.

    At an address are the traces of `num_steps` steps, of five at most, (T, 2, RUN) float64. Rows of
    steps that there are not stay as they are.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        traces, sums = (_numbers(builder, arguments[k]) for k in (0, 2))
        for half in range(2):
            target = _at(builder, sums, RUN * half, _vector)
            builder.store(ir.Constant(_vector, None), target, align=8)
        for bit in range(_PART_BITS):
            is_there = builder.icmp_signed("<", ir.Constant(_word, bit), arguments[1])
            with builder.if_then(is_there):
                for half in range(2):
                    trace = builder.load(
                        _at(builder, traces, 2 * RUN * bit + RUN * half, _vector), align=8
                    )
                    for choice in range(1 << bit):
                        before = _at(builder, sums, 2 * RUN * choice + RUN * half, _vector)
                        place = 2 * RUN * (choice + (1 << bit)) + RUN * half
                        total = builder.fadd(builder.load(before, align=8), trace)
                        builder.store(total, _at(builder, sums, place, _vector), align=8)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3), generate


@intrinsic  # type: ignore[untyped-decorator]
def _pair_units(
    context: Any, words: Any, count: Any, tables: Any, num_parts: Any, pairings: Any, found: Any
) -> Any:
    """Add up, for each of `count` words, the row of each part of it: (2, count, RUN) float64.

    At the addresses are the words, tables, (P, CHOICES, 2, RUN) float64, and what is filled: half
    of it where no more neurons are found. Four parts are added together before they are added to
    the sum.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        words, count, tables, num_parts, pairings, found = arguments
        words = builder.inttoptr(words, _word.as_pointer())
        tables, pairings = _numbers(builder, tables), _numbers(builder, pairings)
        one, four = ir.Constant(_word, 1), ir.Constant(_word, 4)
        whole = builder.and_(num_parts, ir.Constant(_word, -4))
        sums = [cgutils.alloca_once(builder, _vector) for _ in range(2)]

        def row(word: Any, part: Any) -> Any:
            shift = builder.mul(part, ir.Constant(_word, _PART_BITS))
            bits = builder.and_(builder.lshr(word, shift), ir.Constant(_word, CHOICES - 1))
            place = builder.add(builder.mul(part, ir.Constant(_word, CHOICES)), bits)
            return builder.gep(tables, [builder.mul(place, ir.Constant(_word, 2 * RUN))])

        def load(pointer: Any, half: int) -> Any:
            return builder.load(_at(builder, pointer, RUN * half, _vector), align=8)

        def add(half: int, value: Any) -> None:
            builder.store(builder.fadd(builder.load(sums[half]), value), sums[half])

        def place(half: int, unit: Any) -> Any:
            behind = builder.add(unit, builder.mul(count, ir.Constant(_word, half)))
            behind = builder.mul(behind, ir.Constant(_word, RUN))
            return _at(builder, pairings, behind, _vector)

        def pair_units(halves: Any) -> None:
            with cgutils.for_range(builder, count) as loop:
                word = builder.load(builder.gep(words, [loop.index]))
                for half in halves:
                    builder.store(ir.Constant(_vector, None), sums[half])
                with cgutils.for_range_slice(builder, ir.Constant(_word, 0), whole, four) as (
                    part,
                    _,
                ):
                    rows = [row(word, builder.add(part, ir.Constant(_word, k))) for k in range(4)]
                    for half in halves:
                        a, b, c, d = (load(pointer, half) for pointer in rows)
                        add(half, builder.fadd(builder.fadd(a, b), builder.fadd(c, d)))
                with cgutils.for_range_slice(builder, whole, num_parts, one) as (part, _):
                    pointer = row(word, part)
                    for half in halves:
                        add(half, load(pointer, half))
                for half in halves:
                    builder.store(builder.load(sums[half]), place(half, loop.index), align=8)

        are_more = builder.icmp_signed(">", found, ir.Constant(_word, RUN))
        with builder.if_else(are_more) as (then, otherwise):
            with then:
                pair_units(range(2))
            with otherwise:
                pair_units(range(1))
        return context.get_dummy_value()

    return types.void(*[types.intp] * 6), generate


@intrinsic  # type: ignore[untyped-decorator]
def list_runs(context: Any, numbers: Any, apart: Any, places: Any, count: Any, listed: Any) -> Any:
    """List `count` runs: the addresses of their numbers, and of the places of these.

    The first ones lie at two addresses, those of numbers so many bytes apart, places behind each
    other. Written are RUN addresses at a time, (2, LISTED) int64, of which the last may be of no
    run: there is no branch but that of a loop which seldom goes on.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers, apart, places, count, listed = arguments
        listed = builder.inttoptr(listed, _word.as_pointer())
        steps = ir.Constant(_words, list(range(RUN)))
        kinds = (numbers, apart), (places, ir.Constant(_word, 2 * RUN))
        behind = [builder.mul(_splat(builder, each), steps) for _, each in kinds]
        with cgutils.for_range_slice(
            builder, ir.Constant(_word, 0), count, ir.Constant(_word, RUN)
        ) as (k, _):
            for row, (first, each) in enumerate(kinds):
                start = _splat(builder, builder.add(first, builder.mul(k, each)))
                place = builder.add(k, ir.Constant(_word, row * LISTED))
                target = _at(builder, listed, place, _words)
                builder.store(builder.add(start, behind[row]), target, align=8)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 5), generate


@intrinsic  # type: ignore[untyped-decorator]
def add_runs(context: Any, listed: Any, num_runs: Any, sums: Any) -> Any:
    """Add runs of numbers, float64, to those at their places.

    Runs are those of :func:`list_runs`. Numbers of later ones are fetched, up to AHEAD behind the
    last; what stands there in the list is an address of an earlier run, or 0.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        two = ir.VectorType(_double, 2)
        listed = builder.inttoptr(arguments[0], _word.as_pointer())
        sums = _numbers(builder, arguments[2])

        def address(row: int, run: Any) -> Any:
            place = builder.add(run, ir.Constant(_word, row * LISTED))
            return builder.load(builder.gep(listed, [place]))

        with cgutils.for_range(builder, arguments[1]) as loop:
            fetch(builder, address(0, builder.add(loop.index, ir.Constant(_word, AHEAD))), 3)
            run = _numbers(builder, address(0, loop.index))
            places = builder.inttoptr(address(1, loop.index), _word.as_pointer())
            for part in range(0, RUN, 4):
                # Four places are one word: a processor can read only so often in a cycle.
                four = builder.load(builder.gep(places, [ir.Constant(_word, part // 4)]), align=2)
                for lane in range(0, 4, 2):
                    targets = []
                    for k in range(lane, lane + 2):
                        place = builder.lshr(four, ir.Constant(_word, 16 * k))
                        place = builder.and_(place, ir.Constant(_word, 0xFFFF))
                        targets.append(builder.gep(sums, [place]))
                    numbers = builder.load(_at(builder, run, part + lane, two), align=8)
                    found = _together(builder, [builder.load(each) for each in targets])
                    totals = builder.fadd(found, numbers)
                    for k, target in enumerate(targets):
                        total = builder.extract_element(totals, ir.Constant(ir.IntType(32), k))
                        builder.store(total, target)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3), generate


@intrinsic  # type: ignore[untyped-decorator]
def _both_of(context: Any, desire: Any, outputs: Any) -> Any:
    """Return for which of LOOK neurons int8 and words at two addresses are both not zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found = []
        for address, element in zip(arguments, (ir.IntType(8), _word), strict=True):
            vector = ir.VectorType(element, LOOK)
            values = builder.load(builder.inttoptr(address, vector.as_pointer()), align=1)
            found.append(builder.icmp_unsigned("!=", values, ir.Constant(vector, None)))
        return builder.bitcast(builder.and_(*found), ir.IntType(LOOK))

    return types.uint64(types.intp, types.intp), generate
