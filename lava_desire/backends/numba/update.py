"""Compiled backward pass: hidden desires and weight updates, for samples with desire.

Sums of an update are sums of dyadic rationals, in float64; see
:func:`lava_desire.rule.desired_pairings` for how long they are exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_desire.backends.numba.events import (
    ROUNDOFF,
    compiled,
    compiled_in_any_order,
    popcount,
)
from lava_desire.backends.numba.simd import (
    SQUARE,
    float_of,
    fused,
    make_sum_rows,
    make_weigh_rows,
    prefetch,
    transpose_square,
)
from lava_desire.backends.numba.threads import num_threads, pieces_of
from lava_desire.backends.registry import MAX_STEPS

BLOCK = 256
"""Neurons whose updates are gathered together: those of 1600 inputs fit the second-level cache."""

GROUP = 16
"""Neurons whose traces are summed in registers."""

INPUTS = 64
"""Inputs whose desires are summed in registers."""

PAIRINGS = 1 << 17
"""Numbers that are gathered from the second-level cache at a time at least, 1 MiB."""

_FEW = 4  # samples, of which fewer do not pay for laying weights side by side
_ROWS = 32  # inputs whose sums are gathered at a time
_PART_BITS = 5  # steps, the sums of whose every choice are made beforehand
_CHOICES = 1 << _PART_BITS
_PARTS = -(-MAX_STEPS // _PART_BITS)
_sum_traces = make_sum_rows("float64", GROUP)
weigh_rows = make_weigh_rows(INPUTS)


def grain(num_neurons: int) -> int:
    """Return how many neurons an update takes at a time: as many in each of few large pieces."""
    threads = num_threads()
    num_pieces = threads * -(-num_neurons // (threads * BLOCK))
    return GROUP * -(-num_neurons // (num_pieces * GROUP))


@compiled
def list_errors(errors: Any, places: Any, values: Any, counts: Any, first: int, last: int) -> None:
    """List the errors other than zero, (A, N) float32, of samples first to last.

    Filled are their places, (A, N + 1) int32, themselves, float32, and (A,) int64 counts.
    """
    for sample in range(first, last):
        found = np.uint64(0)
        for j in range(errors.shape[1]):
            error = errors[sample, j]
            places[sample, found], values[sample, found] = j, error
            found += np.uint64(error != 0)
        counts[sample] = np.int64(found)


@compiled
def ternarise(
    rows: Any,
    errors: Any,
    places: Any,
    values: Any,
    counts: Any,
    threshold: Any,
    samples: Any,
    desires: Any,
    tile: Any,
    board: Any,
    thread: int,
) -> None:
    """Ternarise Wᵀ c as if it had been summed in float64 (Eq. 13 and 15).

    Where a sum in float32 is closer to the threshold than its rounding errors allow, it is summed
    again. Rows are Wᵀ, (N_i, N_o) float32, errors c of A samples, (A, N_o) float32, of which
    :func:`list_errors` makes places, values and counts; the threshold is θ_hid. `samples`, (A,)
    int64, are their numbers in the batch, whose d, (B, N_i) int8, are received by `desires` for the
    inputs that come by :func:`~.threads.share`. `tile`, (N_o, INPUTS) float32, is overwritten with
    the weights of some inputs, side by side.
    """
    num_samples = len(errors)
    # A sum's terms other than zero pass through fewer additions than there are of them, in any
    # order; their magnitudes add up to no more than the largest weight's times those of c.
    shares = np.empty(num_samples, np.float32)
    scales = np.empty(num_samples, np.float32)
    for sample in range(num_samples):
        magnitude: Any = 0.0
        for k in range(counts[sample]):
            magnitude += abs(np.float64(values[sample, k]))
        shares[sample] = 1.01 * ROUNDOFF * (counts[sample] + 4)
        scales[sample] = shares[sample] * magnitude
    sums = np.empty(INPUTS, np.float32)
    bounds = np.empty(INPUTS, np.float32)
    largest = np.empty(INPUTS, np.float32)
    for piece in pieces_of(board, thread):
        first, last = piece[0], piece[1]
        for start in range(first, last, INPUTS):
            size = min(INPUTS, last - start)
            if num_samples >= _FEW:
                _transpose(rows, start, size, tile, largest)
            for sample in range(num_samples):
                if num_samples >= _FEW:
                    weigh_rows(
                        tile.ctypes.data,
                        places[sample].ctypes.data,
                        values[sample].ctypes.data,
                        counts[sample],
                        sums.ctypes.data,
                    )
                    for j in range(INPUTS):
                        bounds[j] = largest[j] * scales[sample]
                else:
                    for j in range(size):
                        sums[j], magnitude = _product(rows[start + j], errors[sample])
                        bounds[j] = shares[sample] * magnitude
                signs, doubts = desires[samples[sample], start : start + size], np.int64(0)
                for j in range(size):
                    z = sums[j]
                    signs[j] = np.int8(z > threshold) - np.int8(z < -threshold)
                    # Also where it is NaN.
                    doubts += np.int64(not abs(abs(z) - threshold) > bounds[j])
                if doubts:
                    for j in range(size):
                        if not abs(abs(sums[j]) - threshold) > bounds[j]:
                            signs[j] = _exact_desire(rows[start + j], errors[sample], threshold)


@compiled
def _transpose(rows: Any, start: int, size: int, tile: Any, largest: Any) -> None:
    """Lay the weights of inputs side by side, and find the largest magnitude of each input's."""
    length = rows.shape[1]
    whole_rows, whole = size // SQUARE * SQUARE, length // SQUARE * SQUARE
    for j in range(0, whole, SQUARE):
        for k in range(0, whole_rows, SQUARE):
            transpose_square(
                rows.ctypes.data + 4 * ((start + k) * length + j),
                length,
                tile.ctypes.data + 4 * (j * INPUTS + k),
                INPUTS,
            )
    for k in range(size):
        for j in range(whole if k < whole_rows else 0, length):
            tile[j, k] = rows[start + k, j]
    bits = tile.view(np.int32)
    found = np.zeros(INPUTS, np.int32)
    for j in range(length):
        for k in range(INPUTS):
            found[k] = max(found[k], bits[j, k] & np.int32(0x7FFFFFFF))
    for k in range(INPUTS):
        largest[k] = float_of(found[k])


@compiled_in_any_order  # the bounds on errors hold for all
def _product(weights: Any, errors: Any) -> Any:
    """Return the sum of the products, and that of their magnitudes, in float32."""
    total, magnitude = np.float32(0), np.float32(0)
    for j in range(len(errors)):
        term = weights[j] * errors[j]
        total += term
        magnitude += abs(term)
    return total, magnitude


@compiled
def _exact_desire(weights: Any, errors: Any, threshold: Any) -> Any:
    wide: Any = 0.0
    for j in range(len(errors)):
        wide += np.float64(weights[j]) * np.float64(errors[j])
    z = np.float32(wide)
    return np.int8(z > threshold) - np.int8(z < -threshold)


@compiled
def local_errors(
    samples: Any,
    desire: Any,
    words: Any,
    masks: Any,
    table: Any,
    errors: Any,
    first: int,
    last: int,
) -> None:
    """Look up the local errors of neurons, (A, N) float32, of the chosen first to last (Eq. 14).

    `samples` are the A chosen ones, `table`, (3, T + 1) float32, holds errors by desire + 1 and
    spike count; `masks` may be empty.
    """
    for k in range(first, last):
        sample = samples[k]
        for j in range(words.shape[1]):
            errors[k, j] = 0
            if desire[sample, j] != 0 and (masks.size == 0 or masks[sample, j]):
                spikes = np.int64(popcount(words[sample, j]))
                errors[k, j] = table[np.int64(desire[sample, j]) + 1, spikes]


@compiled
def learn_tiles(
    rows: Any,
    learning_rate: float,
    samples: Any,
    desire: Any,
    outputs: Any,
    unit_words: Any,
    inputs: Any,
    unit_of: Any,
    unit_begin: Any,
    num_units: Any,
    num_steps: int,
    decay: float,
    synapse_decay: float,
    sums: Any,
    pairings: Any,
    board: Any,
    thread: int,
) -> None:
    """Add the summed change of the weights of neurons that come by :func:`~.threads.share` (Eq. 4).

    Σ_t s_o[t] r_i[t] = Σ_t q_o[t] u_i[t] with q[t] = s[t] + β·q[t+1]: a trace that runs backward
    behind the synapse does for all inputs what a forward trace before it does for each. Where
    currents are filtered, y[t] = q[t] + α·y[t+1] takes the place of q.

    `rows` are the weights, (N_i, N_o) float32, `samples` those that desire, (A,) int64,
    `desire` is d · mask, (B, N_o) int8, `outputs` the neurons' trains, (B, N_o) words; `sums`,
    (N_i, BLOCK) float64, is all zero before and after; `pairings`, (P, GROUP) float64, holds those
    of as many samples as there is room for, of at least one. The rest is
    :class:`~lava_desire.backends.numba.events.Events`.
    """
    batch_size = len(samples)
    chosen = np.empty((batch_size, BLOCK + 1), np.uintp)
    found = np.zeros(batch_size, np.int64)
    begin = np.zeros(batch_size, np.int64)
    traces = np.zeros((BLOCK // GROUP, num_steps, GROUP), np.float64)
    tables = np.empty((_PARTS, _CHOICES, GROUP), np.float64)
    reached = np.zeros(len(rows), np.bool_)
    for piece in pieces_of(board, thread):
        first, last = piece[0], piece[1]
        for start in range(first, last, BLOCK):
            size = min(BLOCK, last - start)
            waiting: Any = 0
            room: Any = 0
            for k in range(batch_size + 1):
                needed: Any = 0
                if k < batch_size:
                    sample = samples[k]
                    signs = desire[sample, start : start + size]
                    trains = outputs[sample, start : start + size]
                    found[k] = _trace_back(signs, trains, decay, synapse_decay, chosen[k], traces)
                    needed = num_units[sample] * ((found[k] + GROUP - 1) // GROUP)
                if k == batch_size or room + needed > pairings.shape[0]:
                    _gather(
                        samples[waiting:k],
                        inputs,
                        unit_of,
                        unit_begin,
                        num_units,
                        found[waiting:k],
                        chosen[waiting:k],
                        begin[waiting:k],
                        pairings,
                        sums,
                        waiting == 0,
                        k == batch_size,
                        reached,
                        learning_rate,
                        rows,
                        start,
                        size,
                    )
                    waiting, room = k, 0
                if k < batch_size:
                    begin[k] = room
                    units = unit_words[sample, : num_units[sample]]
                    _pair(units, traces, found[k], tables, pairings[room:])
                    room += needed


@compiled
def signs_of(desire: Any, masks: Any, signs: Any, with_desire: Any, first: int, last: int) -> None:
    """Fill in d · mask, (B, N) int8, and whether a sample has any, (B,) bool; no masks: (0, 0).

    Samples are those from first to last.
    """
    for sample in range(first, last):
        union = np.int8(0)
        for j in range(desire.shape[1]):
            sign = desire[sample, j]
            if masks.size:
                sign *= np.int8(masks[sample, j])
            signs[sample, j] = sign
            union |= sign
        with_desire[sample] = union != 0


@compiled
def desired_spikes_of(desire: Any, masks: Any, words: Any) -> Any:
    """Sum spikes signed by desire over samples, (N,) int64; `masks`, (B, N) bool, may be empty."""
    total = np.zeros(desire.shape[1], np.int64)
    for sample in range(desire.shape[0]):
        if not desire[sample].any():
            continue
        for j in range(desire.shape[1]):
            kept = masks.size == 0 or masks[sample, j]
            sign = np.int64(desire[sample, j]) * np.int64(kept)
            total[j] += sign * np.int64(popcount(words[sample, j]))
    return total


@compiled
def add_desired_spikes(
    signs: Any, words: Any, chosen: Any, total: Any, first: int, last: int
) -> None:
    """Sum the spikes of neurons first to last, signed by desire, over the chosen samples.

    `signs` are d · mask, (B, N) int8, `words` trains, (B, N); `total`, (N,) int64, is filled in.
    """
    total[first:last] = 0
    for sample in chosen:
        for j in range(first, last):
            sign = np.int64(signs[sample, j])
            total[j] += sign * np.int64(popcount(words[sample, j]))


@compiled
def clip_rows(rows: Any, limit: Any, first: int, last: int) -> None:
    """Clip the weights of inputs first to last to [−limit, limit], float32."""
    for row in range(first, last):
        for j in range(rows.shape[1]):
            rows[row, j] = min(max(rows[row, j], -limit), limit)


@compiled
def move_rows(average: Any, rows: Any, share: Any, first: int, last: int) -> None:
    """Move the averages, float32, of the weights of inputs first to last towards them.

    As torch's lerp does it: from the nearer end, with one rounding of product and sum.
    """
    near = share < np.float32(0.5)
    factor = share if near else share - np.float32(1)
    for row in range(first, last):
        for j in range(rows.shape[1]):
            mean, weight = average[row, j], np.float32(rows[row, j])
            average[row, j] = fused(factor, weight - mean, mean if near else weight)


@compiled
def add_outer(rows: Any, pre: Any, post: Any, first: int, last: int) -> None:
    """Add the products of a number for each of the inputs first to last with one a neuron.

    `rows` are the weights, (N_i, N_o) float32; products and sums are rounded one after the other.
    """
    for row in range(first, last):
        if pre[row] != 0:
            for j in range(len(post)):
                rows[row, j] += post[j] * pre[row]


@compiled
def _pair(words: Any, traces: Any, found: int, tables: Any, pairings: Any) -> None:
    """Sum the traces of the steps in which a unit spikes, unit by unit: (unit, group, neuron).

    `tables`, (P, 2**_PART_BITS, GROUP) float64, is overwritten with the sums of every choice of
    a few steps, so that a unit takes one addition a part of the window.
    """
    num_steps = traces.shape[1]
    num_parts = (num_steps + _PART_BITS - 1) // _PART_BITS
    rows = np.empty(num_parts, np.int32)
    num_groups = (found + GROUP - 1) // GROUP
    for group in range(num_groups):
        for part in range(num_parts):
            _sum_choices(traces[group], part * _PART_BITS, tables[part])
        for unit in range(len(words)):
            for part in range(num_parts):
                bits = (words[unit] >> np.uint64(part * _PART_BITS)) & np.uint64(_CHOICES - 1)
                rows[part] = np.int32(part * _CHOICES) + np.int32(bits)
            _sum_traces(
                tables.ctypes.data,
                rows.ctypes.data,
                0,
                num_parts,
                pairings[unit * num_groups + group].ctypes.data,
            )


@compiled
def _sum_choices(traces: Any, first: int, sums: Any) -> None:
    """Fill (2**_PART_BITS, GROUP): row k with the sum of the steps whose bits in k are set."""
    sums[0] = 0
    for bit in range(_PART_BITS):
        if first + bit < len(traces):
            trace = traces[first + bit]
            for choice in range(1 << bit):
                for j in range(GROUP):
                    sums[choice + (1 << bit), j] = sums[choice, j] + trace[j]


@compiled
def _gather(
    samples: Any,
    inputs: Any,
    unit_of: Any,
    unit_begin: Any,
    num_units: Any,
    found: Any,
    chosen: Any,
    begin: Any,
    pairings: Any,
    sums: Any,
    is_first: bool,
    is_last: bool,
    reached: Any,
    learning_rate: float,
    rows: Any,
    start: int,
    size: int,
) -> None:
    """Add the pairings of some samples to the sums of the synapses, and the last ones' to weights.

    Sums of few inputs, which stay in the first-level cache, are finished before the next. Those of
    samples that are the first and the last share the room of these few. `reached` are the inputs
    with a sum.
    """
    flat = pairings.reshape(-1)
    cursor = np.zeros(len(samples), np.int64)
    for low in range(0, len(rows), _ROWS):
        high = min(low + _ROWS, len(rows))
        offset = low if is_first and is_last else 0
        for k in range(len(samples)):
            if found[k] == 0:
                continue
            sample = samples[k]
            width = GROUP * ((found[k] + GROUP - 1) // GROUP)
            at = cursor[k]
            arriving = unit_begin[sample, num_units[sample]]
            while at < arriving and inputs[sample, at] < high:
                row = inputs[sample, at]
                if not reached[row]:
                    reached[row] = True
                    _fetch(rows[row, start : start + size])
                place = GROUP * begin[k] + width * unit_of[sample, at]
                _scatter(flat[place : place + found[k]], chosen[k], sums[row - offset])
                at += 1
            cursor[k] = at
        if is_last:
            for row in range(low, high):
                if reached[row]:
                    reached[row] = False
                    _apply(learning_rate, sums[row - offset], rows[row, start : start + size])


@compiled
def _fetch(weights: Any) -> None:
    for line in range(0, 4 * len(weights), 64):
        prefetch(weights.ctypes.data + line)


@compiled
def _scatter(pairings: Any, chosen: Any, sums: Any) -> None:
    for k in range(len(pairings)):
        sums[chosen[k]] += pairings[k]


@compiled
def _apply(learning_rate: float, sums: Any, weights: Any) -> None:
    for j in range(len(weights)):
        weights[j] += weights.dtype.type(learning_rate * sums[j])
        sums[j] = 0.0


@compiled
def _trace_back(
    desire: Any, outputs: Any, decay: float, synapse_decay: float, chosen: Any, traces: Any
) -> Any:
    """Choose the spiking neurons with desire, and compute d·q of each: (group, step, neuron)."""
    found: Any = 0
    for j in range(len(desire)):
        chosen[found] = j
        found += np.int64((desire[j] != 0) & (outputs[j] != 0))
    for k in range(found):
        word, sign = outputs[chosen[k]], np.float64(desire[chosen[k]])
        trace: Any = 0.0
        for step in range(traces.shape[1] - 1, -1, -1):
            trace = decay * trace + np.float64((word >> np.uint64(step)) & np.uint64(1)) * sign
            traces[k // GROUP, step, k % GROUP] = trace
        if synapse_decay:
            for step in range(traces.shape[1] - 2, -1, -1):
                kept = synapse_decay * traces[k // GROUP, step + 1, k % GROUP]
                traces[k // GROUP, step, k % GROUP] += kept
    return found
