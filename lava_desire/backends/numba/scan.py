"""One layer over a window, compiled: currents, membranes and spikes of a tile of neurons at a time.

The spikes are those of :mod:`lava_desire.rule` to the bit, whose currents are sums in float64,
although most of the work here is done in float32. A membrane potential computed in float32 comes
with a bound on its distance from the exact one. As long as it stays farther than that from the
threshold, the exact neuron fires in the same steps. A neuron that comes closer in any step, about
one of a thousand, is run through the whole window again with sums in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_desire.backends.numba.events import compiled
from lava_desire.backends.numba.simd import (
    float_of,
    has_wide_vectors,
    largest_magnitude,
    make_sum_rows,
)

TILE = 128 if has_wide_vectors() else 64
"""Neurons whose currents are summed in registers: there are twice as many with AVX-512."""

NARROW = 16
"""The same for layers of so few neurons, such as an output layer."""

_LARGE = 32.0  # thresholds: a potential beyond them is left to the exact sums
_ROUNDOFF = 2.0**-24  # largest relative error of a float32 operation


sum_rows = make_sum_rows("float32", TILE)
sum_narrow_rows = make_sum_rows("float32", NARROW)


@compiled
def scan_layer(
    rows: Any,
    used: Any,
    unit_begin: Any,
    members: Any,
    num_sums: Any,
    events: Any,
    step_begin: Any,
    depth: Any,
    most: Any,
    gain: float,
    decay: float,
    synapse_decay: float,
    threshold: float,
    subtract: bool,
    masks: Any,
    spikes: Any,
    scratch: Any,
    first: int,
    last: int,
    first_sample: int,
    last_sample: int,
) -> bool:
    """Run neurons first to last of a layer over the window, for some samples (Eq. 1 and 16).

    Tell whether all weights that were added up, and all potentials, are finite.

    `rows` are the weights, (N_i, N_o) float32, `masks` the dropout masks, (B, N_o) bool or empty,
    `spikes` receives the trains, (B, N_o) words; `scratch`, (2·N_i, TILE or NARROW) float32, holds
    the weights of a tile and the sums of units. The rest is :class:`~.events.Events`.
    """
    num_in, width = rows.shape[0], scratch.shape[1]
    num_steps = step_begin.shape[1] - 1
    current = np.zeros(TILE, np.float32)
    kept_current = np.empty(TILE, np.float32)
    potential = np.empty(TILE, np.float32)
    words = np.empty((2, TILE), np.uint32)
    doubts = np.empty(TILE, np.uint32)
    is_finite = True
    for start in range(first, last, width):
        size = min(width, last - start)
        largest = _copy_tile(rows, used, start, size, scratch)
        is_finite &= largest < np.inf  # not so where it is NaN
        for sample in range(first_sample, last_sample):
            for unit in range(num_sums[sample]):
                _sum(
                    scratch,
                    members[sample],
                    np.int64(unit_begin[sample, unit]),
                    np.int64(unit_begin[sample, unit + 1]),
                    scratch[num_in + unit],
                )
            magnitude = most[sample] * np.float64(largest) * gain
            bound = _error_bound(depth[sample], magnitude, decay, synapse_decay, threshold)
            kept_current[:] = 0
            potential[:] = 0
            words[:] = 0
            doubts[:] = 0
            for step in range(num_steps):
                _sum(
                    scratch,
                    events[sample],
                    step_begin[sample, step],
                    step_begin[sample, step + 1],
                    current,
                )
                if synapse_decay:
                    _filter(kept_current, current, np.float32(gain), np.float32(synapse_decay))
                _integrate_and_fire(
                    potential,
                    kept_current if synapse_decay else current,
                    np.float32(1 if synapse_decay else gain),
                    np.float32(decay),
                    np.float32(threshold),
                    subtract,
                    np.float32(bound),
                    np.float32((_LARGE - 1) * threshold),
                    words[step >> 5],
                    np.uint32(1) << np.uint32(step & 31),
                    doubts,
                )
            trains = spikes[sample, start : start + size]
            for j in range(size):
                trains[j] = np.uint64(words[0, j]) | (np.uint64(words[1, j]) << np.uint64(32))
            if masks.size:
                kept = masks[sample, start : start + size]
                for j in range(size):
                    trains[j] *= np.uint64(kept[j])
                    doubts[j] *= np.uint32(kept[j])
            if not _any(doubts[:size]):
                continue
            for j in range(size):
                if doubts[j]:
                    trains[j], stays_finite = _exact_train(
                        scratch[:, j],
                        num_in,
                        unit_begin[sample],
                        members[sample],
                        num_sums[sample],
                        events[sample],
                        step_begin[sample],
                        gain,
                        np.float32(decay),
                        np.float32(synapse_decay),
                        np.float32(threshold),
                        subtract,
                    )
                    is_finite &= stays_finite
    return is_finite


@compiled
def _any(flags: Any) -> Any:
    """Tell whether any of the words is not zero, without a branch for each."""
    union = np.uint32(0)
    for flag in flags:
        union |= flag
    return union != 0


@compiled
def _sum(rows: Any, chosen: Any, begin: Any, end: Any, result: Any) -> None:
    if rows.shape[1] == TILE:
        sum_rows(rows.ctypes.data, chosen.ctypes.data, begin, end, result.ctypes.data)
    else:
        sum_narrow_rows(rows.ctypes.data, chosen.ctypes.data, begin, end, result.ctypes.data)


@compiled
def _copy_tile(rows: Any, used: Any, start: int, size: int, scratch: Any) -> Any:
    """Lay the weights of a tile side by side, and return the largest magnitude among them.

    They are then read again and again from the second-level cache, sample after sample.
    """
    largest, bits = np.int32(0), scratch.view(np.int32)
    for row in used:
        source, target = rows[row], scratch[row]
        for j in range(size):
            target[j] = source[start + j]
        for j in range(size, len(target)):
            target[j] = 0
        largest = max(largest, largest_magnitude(bits[row]))
    return float_of(largest)


@compiled
def _error_bound(
    depth: int, magnitude: float, decay: float, synapse_decay: float, threshold: float
) -> Any:
    """Bound how far a potential in float32 is from the one whose currents are summed in float64.

    A sum of terms whose magnitudes add up to A, each of which passes through n additions, is off
    by no more than n·u·A; gain, product and the exact current's own rounding add three u. Decay,
    sum and reset round once each, on both sides, values of less than 33 θ. An error is forgotten
    as the potential is, by β in a step. A filtered current is of magnitude A / (1 − α), rounds
    twice in a step on both sides, and forgets by α.
    """
    current: Any = 1.01 * _ROUNDOFF * (depth + 4) * magnitude
    if synapse_decay:
        left = 1 - np.float64(np.float32(synapse_decay))
        current = (current + 5 * _ROUNDOFF * magnitude / left) / left
    state = 6 * _ROUNDOFF * (_LARGE + 1) * threshold
    bound = (current + state) / (1 - np.float64(np.float32(decay)))
    return bound if bound < threshold else np.inf


@compiled
def _filter(kept: Any, current: Any, gain: Any, decay: Any) -> None:
    for j in range(TILE):
        kept[j] = decay * kept[j] + gain * current[j]


@compiled
def _integrate_and_fire(
    potential: Any,
    current: Any,
    gain: Any,
    decay: Any,
    threshold: Any,
    subtract: bool,
    bound: Any,
    large: Any,
    words: Any,
    bit: Any,
    doubts: Any,
) -> None:
    for j in range(TILE):
        value = decay * potential[j] + gain * current[j]
        distance = abs(value - threshold)
        # Also where it is NaN.
        doubts[j] |= np.uint32(not ((distance > bound) & (distance < large)))
        fires = value >= threshold
        words[j] |= bit if fires else np.uint32(0)
        rest = value - threshold if subtract else np.float32(0)
        potential[j] = rest if fires else value


@compiled
def _exact_train(
    weights: Any,
    num_in: int,
    unit_begin: Any,
    members: Any,
    num_sums: int,
    events: Any,
    step_begin: Any,
    gain: float,
    decay: Any,
    synapse_decay: Any,
    threshold: Any,
    subtract: bool,
) -> Any:
    """Run one neuron over the window with sums in float64, rounded once.

    Return its train, and whether its potential stays finite.
    """
    sums = np.zeros(num_sums, np.float64)
    for unit in range(num_sums):
        for k in range(unit_begin[unit], unit_begin[unit + 1]):
            sums[unit] += np.float64(weights[members[k]])
    potential: Any = np.float32(0)
    filtered: Any = np.float32(0)
    word: Any = np.uint64(0)
    is_finite = True
    for step in range(len(step_begin) - 1):
        current: Any = 0.0
        for k in range(step_begin[step], step_begin[step + 1]):
            row = events[k]
            current += sums[row - num_in] if row >= num_in else np.float64(weights[row])
        filtered = synapse_decay * filtered + np.float32(current * gain)
        value = decay * potential + filtered
        is_finite &= abs(value) < np.inf
        fires = value >= threshold
        word |= np.uint64(fires) << np.uint64(step)
        rest = value - threshold if subtract else np.float32(0)
        potential = rest if fires else value
    return word, is_finite
