"""One layer over a window, compiled: currents, membranes and spikes of a tile of neurons at a time.

The spikes are those of :mod:`lava_desire.rule` to the bit, whose currents are sums in float64,
although most of the work here is done in float32. A membrane potential computed in float32 comes
with a bound on its distance from the exact one. As long as it stays farther than that from the
threshold, the exact neuron fires in the same steps. A neuron that comes closer in any step, about
one of a thousand, is run through the whole window again with sums in float64. Where neurons learn
near their threshold the same holds for both ends of that band.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_desire.backends.numba.events import ROUNDOFF, compiled
from lava_desire.backends.numba.simd import (
    float_of,
    has_wide_vectors,
    largest_magnitude,
    make_copy_rows,
    make_join_halves,
    make_run_window,
    make_sum_units,
    prefetch,
    trailing_zeros,
)
from lava_desire.backends.numba.threads import _BOUNDS, pieces_of

TILE = 128 if has_wide_vectors() else 64
"""Neurons whose weights are copied side by side, strip by strip."""

STRIP = 32
"""Neurons that are run through the window in registers. Rows of a sample that are so short lie in
the first-level cache."""

NARROW = 16
"""The same for layers of so few neurons, such as an output layer, a tile of one strip."""

FAILED = 4
"""Place in a piece, behind its bounds, that is not 0 where something was NaN or infinite."""

copy_rows = make_copy_rows(STRIP)
copy_narrow_rows = make_copy_rows(NARROW)
join_halves = make_join_halves(STRIP)
join_narrow_halves = make_join_halves(NARROW)
sum_units = make_sum_units(STRIP)
sum_narrow_units = make_sum_units(NARROW)
run_window = make_run_window(STRIP)
run_narrow_window = make_run_window(NARROW)
run_band = make_run_window(STRIP, has_band=True)
run_narrow_band = make_run_window(NARROW, has_band=True)


@compiled
def scan_layer(
    rows: Any,
    used: Any,
    unit_words: Any,
    unit_begin: Any,
    members: Any,
    num_units: Any,
    groups: Any,
    num_groups: Any,
    events: Any,
    step_begin: Any,
    depth: Any,
    most: Any,
    gain: float,
    decay: float,
    synapse_decay: float,
    threshold: float,
    subtract: bool,
    low: Any,
    high: Any,
    masks: Any,
    spikes: Any,
    eligible: Any,
    scratch: Any,
    board: Any,
    thread: int,
) -> None:
    """Run tiles of neurons and samples of a layer over the window (Eq. 1 and 16).

    A piece has 1 at `FAILED` if not all weights that were added up, and potentials, are finite.

    `rows` are the weights, (N_i, N_o) float32, `masks` the dropout masks, (B, N_o) bool or empty,
    `spikes` receives the trains, (B, N_o) words, and `eligible`, unless it is None, the steps in
    which potentials before the reset are between `low` and `high`, words as well; `scratch`,
    of :func:`strips_of`, holds the rows that :class:`~.events.Events` numbers, for a tile; tiles
    come by :func:`~.threads.share`. The rest is that class's.
    """
    num_strips, _, width = scratch.shape
    num_steps = step_begin.shape[1] - 1
    filtered = np.zeros(width, np.float32)
    doubts = np.empty(width // 16, np.uint16)
    words = np.empty((4, width), np.uint32)
    room = np.ones(width, np.bool_), np.empty(width, np.uint64)
    kept, offset = np.float32(subtract), np.float32(threshold if subtract else 0)
    for piece in pieces_of(board, thread):
        first, last, first_sample, last_sample = piece[0], piece[1], piece[2], piece[3]
        for start in range(first, last, num_strips * width):
            behind = min(start + num_strips * width, last)
            largest = _copy_tile(rows, used, start, behind, scratch)
            if not largest < np.inf:  # or NaN
                piece[FAILED] = 1
            for sample in range(first_sample, last_sample):
                _fetch_next(
                    rows,
                    used,
                    start + num_strips * width,
                    num_strips * width,
                    sample - first_sample,
                    last_sample - first_sample,
                )
                magnitude = most[sample] * np.float64(largest) * gain
                bound = potential_error(
                    depth[sample], magnitude, num_steps, decay, synapse_decay, threshold
                )
                first_step = 0
                if eligible is not None:
                    first_step = _first_step(unit_words[sample, : num_units[sample]], num_steps)
                lists = _row_at(events, sample), _row_at(step_begin, sample)
                sums = _row_at(groups, sample), num_groups[sample]
                for begin in range(start, behind, width):
                    number, end = (begin - start) // width, min(begin + width, behind)
                    strip = _row_at(scratch, number)
                    if synapse_decay:
                        filtered[:] = 0
                    window = (
                        strip,
                        *lists,
                        num_steps,
                        first_step,
                        np.float32(gain),
                        np.float32(decay),
                        np.float32(synapse_decay),
                        np.float32(threshold),
                        kept,
                        offset,
                        np.float32(bound),
                        low,
                        high,
                        filtered.ctypes.data,
                        doubts.ctypes.data,
                        words.ctypes.data,
                    )
                    if width == STRIP:
                        sum_units(strip, *sums)
                        if eligible is None:
                            run_window(*window)
                        else:
                            run_band(*window)
                    else:
                        sum_narrow_units(strip, *sums)
                        if eligible is None:
                            run_narrow_window(*window)
                        else:
                            run_narrow_band(*window)
                    _join(words, 0, masks, sample, begin, end, room, spikes)
                    if eligible is not None:
                        _join(words, 2, masks, sample, begin, end, room, eligible)
                    for part in range(len(doubts)):
                        left = doubts[part]
                        while left:
                            j = 16 * part + trailing_zeros(np.uint64(left))
                            left &= left - np.uint16(1)
                            neuron = begin + j
                            if neuron < end and (masks.size == 0 or masks[sample, neuron]):
                                train, steps, stays_finite = _exact_train(
                                    scratch[number, :, j],
                                    unit_words[sample],
                                    unit_begin[sample],
                                    members[sample],
                                    num_units[sample],
                                    num_steps,
                                    gain,
                                    np.float32(decay),
                                    np.float32(synapse_decay),
                                    np.float32(threshold),
                                    subtract,
                                    low,
                                    high,
                                )
                                spikes[sample, neuron] = train
                                if eligible is not None:
                                    eligible[sample, neuron] = steps
                                if not stays_finite:
                                    piece[FAILED] = 1


@compiled
def _row_at(array: Any, row: int) -> Any:
    """Return the address of a row of an array, without an object for it."""
    return array.ctypes.data + row * array.strides[0]


@compiled
def strips_of(scratch: Any, num_rows: int, is_narrow: bool) -> Any:
    """Return room for rows of a tile, (K, R, STRIP or NARROW) float32: K strips, one by one."""
    width = NARROW if is_narrow else STRIP
    num_strips = 1 if is_narrow else TILE // STRIP
    return scratch[: num_strips * num_rows * width].reshape((num_strips, num_rows, width))


@compiled
def has_failed(board: Any) -> Any:
    """Tell whether a piece of a board has something at `FAILED`."""
    found: Any = False
    for line in range(1, len(board)):
        found |= board[line, _BOUNDS + FAILED] != 0
    return found


@compiled
def _first_step(words: Any, num_steps: int) -> Any:
    """Return the first step in which something arrives, T where nothing does."""
    union = np.uint64(0)
    for word in words:
        union |= word
    return trailing_zeros(union) if union else num_steps


@compiled
def _join(
    halves: Any, row: int, masks: Any, sample: int, begin: int, end: int, room: Any, trains: Any
) -> None:
    """Join halves of words, of 32 bits each, to the trains of neurons begin to end of a sample.

    Halves, (4, N) uint32, lie in a row and the next one; trains are 0 where a mask is false. `room`
    is for as many masks, all true, and trains, of which there may be less.
    """
    width, size = halves.shape[1], end - begin
    kept, joined = room
    mask, target = kept.ctypes.data, joined.ctypes.data
    if size == width:
        target = _row_at(trains, sample) + 8 * begin
        if masks.size:
            mask = _row_at(masks, sample) + begin
    low, high = _row_at(halves, row), _row_at(halves, row + 1)
    if width == STRIP:
        join_halves(low, high, mask, target)
    else:
        join_narrow_halves(low, high, mask, target)
    if size < width:
        for j in range(size):
            is_kept = masks.size == 0 or masks[sample, begin + j]
            trains[sample, begin + j] = joined[j] if is_kept else np.uint64(0)


@compiled
def _fetch_next(rows: Any, used: Any, start: int, size: int, part: int, num_parts: int) -> None:
    """Fetch one of equal parts of a tile's weights, which are copied later."""
    width = rows.shape[1]
    behind = min(start + size, width)
    for k in range(len(used) * part // num_parts, len(used) * (part + 1) // num_parts):
        address = rows.ctypes.data + 4 * (used[k] * width + start)
        for line in range(0, 4 * (behind - start), 64):
            prefetch(address + line)


@compiled
def _copy_tile(rows: Any, used: Any, start: int, behind: int, scratch: Any) -> Any:
    """Lay the weights of a tile side by side, and return the largest magnitude among them.

    They are then read again and again from the second-level cache, sample after sample.
    """
    _, num_rows, width = scratch.shape
    magnitudes = np.zeros(16, np.int32)
    whole = (behind - start) // width
    scratch[:, len(used)] = 0
    copied = (
        rows.ctypes.data + 4 * start,
        used.ctypes.data,
        len(used),
        rows.shape[1],
        whole,
        scratch.ctypes.data,
        num_rows * width,
        magnitudes.ctypes.data,
    )
    if width == STRIP:
        copy_rows(*copied)
    else:
        copy_narrow_rows(*copied)
    begin = start + whole * width
    if begin < behind:
        bits = scratch[whole].view(np.int32)
        for k in range(len(used)):
            target, source = scratch[whole, k], rows[used[k]]
            for j in range(width):
                target[j] = source[begin + j] if begin + j < behind else np.float32(0)
            magnitudes[0] = max(magnitudes[0], largest_magnitude(bits[k]))
    return float_of(largest_magnitude(magnitudes))


@compiled
def potential_error(
    depth: int,
    magnitude: float,
    num_steps: int,
    decay: float,
    synapse_decay: float,
    threshold: float,
) -> Any:
    """Bound how far a potential in float32 is from the one whose currents are summed in float64.

    A sum of terms whose magnitudes add up to A, each of which passes through n additions, is off
    by no more than n·u·A; gain, product and the exact current's own rounding add three u. What
    reaches a filtered current in T steps is kept for G(α) = 1 + α + … + α^(T−1) of them, so that it
    is of magnitude A·G(α); it rounds twice in a step on both sides. A potential keeps currents for
    G(β) steps. Decay, sum and reset round once each, on both sides, values of no more than
    A·G(α)·G(β) + θ.
    """
    current: Any = 1.01 * ROUNDOFF * (depth + 4) * magnitude
    largest: Any = magnitude
    if synapse_decay:
        steps = _steps_kept(synapse_decay, num_steps)
        largest = magnitude * steps
        current = (current + 5 * ROUNDOFF * largest) * steps
    steps = _steps_kept(decay, num_steps)
    state = 6 * ROUNDOFF * (1.01 * largest * steps + threshold)
    bound = (current + state) * steps
    return bound if bound < threshold else np.inf


@compiled
def _steps_kept(decay: float, num_steps: int) -> Any:
    """Return how many times a value is in a sum that decays, if it comes in each of T steps."""
    kept: Any = 0.0
    for _ in range(num_steps):
        kept = 1 + np.float64(np.float32(decay)) * kept
    return kept


@compiled
def _exact_train(
    weights: Any,
    unit_words: Any,
    unit_begin: Any,
    members: Any,
    num_units: int,
    num_steps: int,
    gain: float,
    decay: Any,
    synapse_decay: Any,
    threshold: Any,
    subtract: bool,
    low: Any,
    high: Any,
) -> Any:
    """Run one neuron over the window with sums in float64, rounded once; see :func:`train_of`."""
    currents = np.zeros(num_steps, np.float64)
    for unit in range(num_units):
        total: Any = 0.0
        for k in range(unit_begin[unit], unit_begin[unit + 1]):
            total += np.float64(weights[members[k]])
        word = unit_words[unit]
        for step in range(num_steps):  # all of them: bits would come unforeseen
            spike = (word >> np.uint64(step)) & np.uint64(1)
            currents[step] += total if spike else 0.0
    return train_of(currents, gain, decay, synapse_decay, threshold, subtract, low, high)


@compiled
def train_of(
    currents: Any,
    gain: float,
    decay: Any,
    synapse_decay: Any,
    threshold: Any,
    subtract: bool,
    low: Any,
    high: Any,
) -> Any:
    """Run one neuron over its currents, (T,) float64, as the rule does (Eq. 1).

    Return its train, the steps in which its potential, before the reset, is between `low` and
    `high`, and whether its potential stays finite.
    """
    potential: Any = np.float32(0)
    filtered: Any = np.float32(0)
    word: Any = np.uint64(0)
    near: Any = np.uint64(0)
    is_finite = True
    for step in range(len(currents)):
        filtered = synapse_decay * filtered + np.float32(currents[step] * gain)
        value = decay * potential + filtered
        is_finite &= abs(value) < np.inf
        fires = value >= threshold
        word |= np.uint64(fires) << np.uint64(step)
        near |= np.uint64(low < value < high) << np.uint64(step)
        rest = value - threshold if subtract else np.float32(0)
        potential = rest if fires else value
    return word, near, is_finite
