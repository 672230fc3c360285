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
    make_run_window,
    make_sum_units,
    prefetch,
    trailing_zeros,
)
from lava_desire.backends.numba.threads import _BOUNDS, pieces_of

TILE = 128 if has_wide_vectors() else 64
"""Neurons whose currents are summed in registers: there are twice as many with AVX-512."""

NARROW = 16
"""The same for layers of so few neurons, such as an output layer."""

FAILED = 4
"""Place in a piece, behind its bounds, that is not 0 where something was NaN or infinite."""

sum_units = make_sum_units(TILE)
sum_narrow_units = make_sum_units(NARROW)
run_window = make_run_window(TILE)
run_narrow_window = make_run_window(NARROW)
run_band = make_run_window(TILE, has_band=True)
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
    (2·N_i + 2, TILE or NARROW) float32, holds the rows that :class:`~.events.Events` numbers, for a
    tile; tiles come by :func:`~.threads.share`. The rest is that class's.
    """
    width, num_steps = scratch.shape[1], step_begin.shape[1] - 1
    filtered = np.zeros(TILE, np.float32)
    marks = np.empty((3, num_steps, width // 16), np.uint16)
    words = np.empty((4, width), np.uint32)
    kept, offset = np.float32(subtract), np.float32(threshold if subtract else 0)
    for piece in pieces_of(board, thread):
        first, last, first_sample, last_sample = piece[0], piece[1], piece[2], piece[3]
        for start in range(first, last, width):
            size = min(width, last - start)
            largest = _copy_tile(rows, used, start, size, scratch)
            if not largest < np.inf:  # or NaN
                piece[FAILED] = 1
            for sample in range(first_sample, last_sample):
                _fetch_next(
                    rows, used, start + width, sample - first_sample, last_sample - first_sample
                )
                magnitude = most[sample] * np.float64(largest) * gain
                bound = potential_error(
                    depth[sample], magnitude, num_steps, decay, synapse_decay, threshold
                )
                first_step = 0
                if eligible is not None:
                    first_step = _first_step(unit_words[sample, : num_units[sample]], num_steps)
                if synapse_decay:
                    filtered[:] = 0
                window = (
                    scratch.ctypes.data,
                    events[sample].ctypes.data,
                    step_begin[sample].ctypes.data,
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
                    marks.ctypes.data,
                    words.ctypes.data,
                )
                if width == TILE:
                    sum_units(scratch.ctypes.data, groups[sample].ctypes.data, num_groups[sample])
                    if eligible is None:
                        run_window(*window)
                    else:
                        run_band(*window)
                else:
                    sum_narrow_units(
                        scratch.ctypes.data, groups[sample].ctypes.data, num_groups[sample]
                    )
                    if eligible is None:
                        run_narrow_window(*window)
                    else:
                        run_narrow_band(*window)
                trains = spikes[sample, start : start + size]
                _join(words[0], words[1], trains)
                if eligible is not None:
                    near = eligible[sample, start : start + size]
                    _join(words[2], words[3], near)
                if masks.size:
                    kept_neurons = masks[sample, start : start + size]
                    for j in range(size):
                        trains[j] *= np.uint64(kept_neurons[j])
                        if eligible is not None:
                            near[j] *= np.uint64(kept_neurons[j])
                for part in range(width // 16):
                    doubts = _union(marks[1, :, part])
                    while doubts:
                        j = 16 * part + trailing_zeros(np.uint64(doubts))
                        doubts &= doubts - np.uint32(1)
                        if j < size and (masks.size == 0 or masks[sample, start + j]):
                            trains[j], steps, stays_finite = _exact_train(
                                scratch[:, j],
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
                            if eligible is not None:
                                near[j] = steps
                            if not stays_finite:
                                piece[FAILED] = 1


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
def _join(low_words: Any, high_words: Any, words: Any) -> None:
    """Join the halves of words, of 32 bits each."""
    for j in range(len(words)):
        words[j] = np.uint64(low_words[j]) | (np.uint64(high_words[j]) << np.uint64(32))


@compiled
def _union(marks: Any) -> Any:
    union = np.uint32(0)
    for mark in marks:
        union |= np.uint32(mark)
    return union


@compiled
def _fetch_next(rows: Any, used: Any, start: int, part: int, num_parts: int) -> None:
    """Fetch one of equal parts of a tile's weights, which are copied later."""
    width = rows.shape[1]
    behind = min(start + TILE, width)
    for k in range(len(used) * part // num_parts, len(used) * (part + 1) // num_parts):
        address = rows.ctypes.data + 4 * (used[k] * width + start)
        for line in range(0, 4 * (behind - start), 64):
            prefetch(address + line)


@compiled
def _copy_tile(rows: Any, used: Any, start: int, size: int, scratch: Any) -> Any:
    """Lay the weights of a tile side by side, and return the largest magnitude among them.

    They are then read again and again from the second-level cache, sample after sample.
    """
    largest, bits = np.int32(0), scratch.view(np.int32)
    scratch[len(used)] = 0
    for k in range(len(used)):
        source, target = rows[used[k]], scratch[k]
        for j in range(size):
            target[j] = source[start + j]
        for j in range(size, len(target)):
            target[j] = 0
        largest = max(largest, largest_magnitude(bits[k]))
    return float_of(largest)


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
        while word:
            currents[trailing_zeros(word)] += total
            word &= word - np.uint64(1)
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
