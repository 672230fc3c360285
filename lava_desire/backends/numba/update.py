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
from lava_desire.backends.numba.pairing import (
    CHOICES,
    LISTED,
    PARTS,
    RUN,
    add_runs,
    choose,
    list_runs,
    pair,
)
from lava_desire.backends.numba.simd import (
    SQUARE,
    float_of,
    fused,
    make_weigh_rows,
    prefetch,
    transpose_square,
)
from lava_desire.backends.numba.threads import num_threads, pieces_of

BLOCK = 256
"""Neurons, of which the pairings of one sample always have room."""

INPUTS = 64
"""Inputs whose desires are summed in registers."""

PAIRINGS = 1 << 18
"""Numbers that are gathered at a time at least, 2 MiB."""

# Neurons whose updates are gathered together: with 2·RUN more their places fit uint16, and the runs
# of one sample, 2·RUN and AHEAD more fit LISTED.
_MOST = 1600
_SUMS = 1 << 11  # that stay in the first-level cache while they are gathered
_GRAIN = 16  # neurons
_FEW = 4  # samples, of which fewer do not pay for laying weights side by side
weigh_rows = make_weigh_rows(INPUTS)


def grain(num_neurons: int) -> int:
    """Return how many neurons an update takes at a time: as many in each of few large pieces."""
    threads = num_threads()
    num_pieces = 2 * threads * -(-num_neurons // (4 * threads * BLOCK))
    return _GRAIN * -(-num_neurons // (num_pieces * _GRAIN))


def room_of(num_inputs: int) -> tuple[int, int]:
    """Return how many float64 :func:`learn_tiles` needs for sums and for pairings."""
    return max(_SUMS, num_inputs * (BLOCK + RUN)), max(PAIRINGS, num_inputs * BLOCK)


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
    (S,) float64, is all zero before and after; `pairings`, (P,) float64, holds those of as many
    samples as there is room for, of at least one. :func:`room_of` says how many there have to be.
    The rest is :class:`~lava_desire.backends.numba.events.Events`.
    """
    batch_size = len(samples)
    chosen = np.empty((batch_size, min(rows.shape[1], _MOST) + 2 * RUN), np.uint16)
    found = np.zeros(batch_size, np.int64)
    traces = np.empty((num_steps, 2, RUN), np.float64)
    tables = np.empty((PARTS, CHOICES, 2, RUN), np.float64)
    arrivals, begins = _list_arrivals(samples, inputs, unit_of, unit_begin, num_units, len(rows))
    sources = np.zeros((batch_size, 4), np.uint64)
    listed = np.zeros((2, LISTED), np.uint64)
    reached = np.zeros(len(rows), np.bool_)
    for piece in pieces_of(board, thread):
        start: Any = piece[0]
        width: Any = _MOST
        while start < piece[1]:
            size: Any = min(piece[1] - start, width)
            needed = _choose(samples, desire, outputs, num_units, start, size, chosen, found)
            while needed > len(pairings) and size > BLOCK:
                parts = 1 + needed // len(pairings)
                width = _GRAIN * ((size + parts * _GRAIN - 1) // (parts * _GRAIN))
                size = max(BLOCK, min(width, size - _GRAIN))
                needed = _choose(samples, desire, outputs, num_units, start, size, chosen, found)
            sources[:, 3] = 0  # runs of samples that wait for no gathering
            room: Any = 0
            for k in range(batch_size):
                sample, num_runs = samples[k], (found[k] + RUN - 1) // RUN
                own = RUN * num_units[sample] * num_runs
                if room + own > len(pairings):
                    _gather(
                        arrivals,
                        begins,
                        sources,
                        listed,
                        sums,
                        False,
                        False,
                        reached,
                        learning_rate,
                        rows,
                        start,
                        size,
                    )
                    sources[:, 3] = 0
                    room = 0
                pair(
                    unit_words[sample, : num_units[sample]],
                    desire[sample, start : start + size],
                    outputs[sample, start : start + size],
                    chosen[k],
                    found[k],
                    decay,
                    synapse_decay,
                    traces,
                    tables,
                    pairings[room:],
                )
                sources[k, 0] = pairings[room:].ctypes.data
                sources[k, 1] = 8 * RUN * num_units[sample]
                sources[k, 2] = chosen[k].ctypes.data
                sources[k, 3] = num_runs
                room += own
            _gather(
                arrivals,
                begins,
                sources,
                listed,
                sums,
                needed <= len(pairings),
                True,
                reached,
                learning_rate,
                rows,
                start,
                size,
            )
            start += size


@compiled
def _choose(
    samples: Any,
    desire: Any,
    outputs: Any,
    num_units: Any,
    start: int,
    size: int,
    chosen: Any,
    found: Any,
) -> Any:
    """Choose those of some neurons that learn, sample by sample; return how many pairings it makes.

    Filled are their places, (A, size + 2 · RUN) uint16, and how many there are, (A,) int64.
    """
    needed: Any = 0
    for k in range(len(samples)):
        sample = samples[k]
        found[k] = choose(
            desire[sample, start : start + size], outputs[sample, start : start + size], chosen[k]
        )
        needed += RUN * num_units[sample] * ((found[k] + RUN - 1) // RUN)
    return needed


@compiled
def _list_arrivals(
    samples: Any, inputs: Any, unit_of: Any, unit_begin: Any, num_units: Any, num_inputs: int
) -> Any:
    """List what arrives by input: (A, 2) uint32, and where that of each input begins, (N_i + 2,).

    Of each arrival these are the place in `samples` and the unit; samples are in their order.
    """
    begin = np.zeros(num_inputs + 2, np.uint32)
    for sample in samples:
        own = inputs[sample]
        for at in range(np.uint64(unit_begin[sample, num_units[sample]])):
            begin[np.uint64(own[at]) + np.uint64(2)] += np.uint32(1)
    for row in range(2, len(begin)):
        begin[row] += begin[row - 1]
    arrivals = np.empty((begin[num_inputs + 1], 2), np.uint32)
    for k in range(len(samples)):
        sample = samples[k]
        own, units = inputs[sample], unit_of[sample]
        for at in range(np.uint64(unit_begin[sample, num_units[sample]])):
            own_begin = np.uint64(own[at]) + np.uint64(1)
            place = np.uint64(begin[own_begin])
            begin[own_begin] = np.uint32(place + np.uint64(1))
            arrivals[place, 0], arrivals[place, 1] = k, units[at]
    return arrivals, begin


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
def _gather(
    arrivals: Any,
    begins: Any,
    sources: Any,
    listed: Any,
    sums: Any,
    is_whole: bool,
    is_last: bool,
    reached: Any,
    learning_rate: float,
    rows: Any,
    start: int,
    size: int,
) -> None:
    """Add the pairings of some samples to the sums of the synapses, and the last ones' to weights.

    Sums of few inputs, which stay in the first-level cache, are finished before the next. Where
    these samples are the whole, all share the room of these few. `sources`, (A, 4) uint64, are of
    each sample the address of its pairings, how many bytes apart its runs of them are, the address
    of the places of neurons, and how many runs there are. `reached` are the inputs with a sum;
    `listed` is overwritten.
    """
    width = size + RUN
    num_rows = max(1, _SUMS // width)
    room = LISTED - size // RUN - 2 * RUN
    for low in range(0, len(rows), num_rows):
        high = min(low + num_rows, len(rows))
        for row in range(low, high):
            ahead = row + max(2, num_rows)
            if is_last and ahead < len(rows) and begins[ahead] != begins[ahead + 1]:
                _fetch(rows[ahead, start : start + size])
            target = sums[width * (row - low if is_whole else row) :].ctypes.data
            num_runs, has_any = np.uint64(0), np.uint64(0)
            for at in range(np.uint64(begins[row]), np.uint64(begins[row + 1])):
                source = sources[np.uint64(arrivals[at, 0])]
                list_runs(
                    source[0] + np.uint64(8 * RUN) * np.uint64(arrivals[at, 1]),
                    source[1],
                    source[2],
                    source[3],
                    listed.ctypes.data + 8 * num_runs,
                )
                num_runs += source[3]
                has_any |= source[3]
                if num_runs > room:
                    add_runs(listed.ctypes.data, num_runs, target)
                    num_runs = np.uint64(0)
            if has_any != 0:
                add_runs(listed.ctypes.data, num_runs, target)
                reached[row] = True
        if is_last:
            for row in range(low, high):
                if reached[row]:
                    reached[row] = False
                    place = width * (row - low if is_whole else row)
                    _apply(
                        learning_rate, sums[place : place + size], rows[row, start : start + size]
                    )


@compiled
def _fetch(weights: Any) -> None:
    for line in range(0, 4 * len(weights), 64):
        prefetch(weights.ctypes.data + line)


@compiled
def _apply(learning_rate: float, sums: Any, weights: Any) -> None:
    for j in range(len(weights)):
        weights[j] += weights.dtype.type(learning_rate * sums[j])
        sums[j] = 0.0
