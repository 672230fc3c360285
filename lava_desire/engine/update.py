"""The way back, compiled: hidden desires and updates, only where there is desire.

Sums of an update are sums of dyadic rationals, in float64; see
:func:`lava_desire.rule.desired_pairings` for how long they are exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_desire.engine.events import compiled, compiled_in_any_order, popcount
from lava_desire.engine.registers import make_sum_rows

BLOCK = 256
"""Neurons whose updates are gathered together: those of 1600 inputs fit the second-level cache."""

GROUP = 16
"""Neurons whose traces are summed in registers."""

_ROWS = 32
_ROUNDOFF = 2.0**-24
_sum_traces = make_sum_rows("float64", GROUP)


@compiled
def settle_desires(
    rows: Any,
    errors: Any,
    sums: Any,
    largest: float,
    threshold: Any,
    desires: Any,
    first: int,
    last: int,
) -> None:
    """Ternarise Wᵀ c as if it had been summed in float64 (Eq. 13 and 15).

    Parameters
    ----------
    rows : ndarray
        Wᵀ, (N_i, N_o) float32, of magnitudes up to `largest`.
    errors : ndarray
        c, (B, N_o) float32.
    sums : ndarray
        Wᵀ c in float32, (B, N_i), summed in any order. Where one is closer to the threshold than
        float32 can tell, it is summed again.
    threshold : float32
        θ_hid.
    desires : ndarray
        Receives d, (B, N_i) int8.
    first, last : int
        Range of samples to settle.
    """
    for sample in range(first, last):
        terms: Any = 0
        magnitude: Any = 0.0
        for error in errors[sample]:
            terms += np.int64(error != 0)
            magnitude += abs(np.float64(error))
        # Each term passes through fewer additions than there are terms, whatever their order.
        bound = np.float32(1.01 * _ROUNDOFF * (terms + 2) * largest * magnitude)
        doubts: Any = 0
        for row in range(sums.shape[1]):
            z = sums[sample, row]
            desires[sample, row] = np.int8(z > threshold) - np.int8(z < -threshold)
            doubts += np.int64(not abs(abs(z) - threshold) > bound)  # also where it is NaN
        for row in range(sums.shape[1]):
            if doubts == 0:
                break
            if not abs(abs(sums[sample, row]) - threshold) > bound:
                doubts -= 1
                desires[sample, row] = _exact_desire(rows[row], errors[sample], threshold)


@compiled
def _exact_desire(weights: Any, errors: Any, threshold: Any) -> Any:
    wide: Any = 0.0
    for j in range(len(errors)):
        wide += np.float64(weights[j]) * np.float64(errors[j])
    z = np.float32(wide)
    return np.int8(z > threshold) - np.int8(z < -threshold)


@compiled
def few_desires(
    rows: Any, errors: Any, threshold: Any, desires: Any, first: int, last: int
) -> None:
    """Do what :func:`settle_desires` does for few samples, in one pass over the weights.

    `first` and `last` are a range of inputs, whose desires, (B, N_i) int8, are written.
    """
    num_samples, num_out = errors.shape
    for row in range(first, last):
        for sample in range(num_samples):
            z, magnitude = _dot(rows[row], errors[sample])
            bound = np.float32(1.01 * _ROUNDOFF * (num_out + 2)) * magnitude
            desires[sample, row] = np.int8(z > threshold) - np.int8(z < -threshold)
            if not abs(abs(z) - threshold) > bound:  # also where it is NaN
                desires[sample, row] = _exact_desire(rows[row], errors[sample], threshold)


@compiled_in_any_order  # the bound on the error holds for all
def _dot(weights: Any, errors: Any) -> Any:
    """Return the sum of the products, and that of their magnitudes, in float32."""
    total, magnitude = np.float32(0), np.float32(0)
    for j in range(len(errors)):
        term = weights[j] * errors[j]
        total += term
        magnitude += abs(term)
    return total, magnitude


@compiled
def local_errors(desire: Any, words: Any, masks: Any, table: Any) -> Any:
    """Look up the local errors of neurons, (B, N) float32 (Eq. 14).

    `table`, (3, T + 1) float32, holds them by desire + 1 and spike count; `masks` may be empty.
    """
    errors = np.empty(words.shape, np.float32)
    for sample in range(words.shape[0]):
        for j in range(words.shape[1]):
            kept = masks.size == 0 or masks[sample, j]
            sign = np.int64(desire[sample, j]) * np.int64(kept)
            errors[sample, j] = table[sign + 1, np.int64(popcount(words[sample, j]))]
    return errors


@compiled
def learn_tiles(
    rows: Any,
    learning_rate: float,
    desire: Any,
    outputs: Any,
    unit_words: Any,
    inputs: Any,
    unit_of: Any,
    unit_begin: Any,
    num_units: Any,
    used: Any,
    num_steps: int,
    decay: float,
    sums: Any,
    pairings: Any,
    first: int,
    last: int,
) -> None:
    """Add the summed change of the weights of neurons first to last (Eq. 4).

    Σ_t s_o[t] r_i[t] = Σ_t q_o[t] u_i[t] with q[t] = s[t] + β·q[t+1]: a trace that runs backward
    behind the synapse does for all inputs what a forward trace before it does for each.

    `rows` are the weights, (N_i, N_o) float32, `desire` is d · mask, (B, N_o) int8, `outputs` the
    neurons' trains, (B, N_o) words; `sums`, (N_i, BLOCK) float64, is all zero before and after;
    `pairings`, (P, GROUP) float64, holds those of as many samples as there is room for, of at least
    one. The rest is :class:`~lava_desire.engine.events.Events`.
    """
    batch_size = desire.shape[0]
    chosen = np.empty((batch_size, BLOCK + 1), np.uintp)
    found = np.zeros(batch_size, np.int64)
    begin = np.zeros(batch_size, np.int64)
    traces = np.zeros((BLOCK // GROUP, num_steps, GROUP), np.float64)
    for start in range(first, last, BLOCK):
        size = min(BLOCK, last - start)
        waiting: Any = 0
        room: Any = 0
        any_found = False
        for sample in range(batch_size):
            signs = desire[sample, start : start + size]
            trains = outputs[sample, start : start + size]
            found[sample] = _trace_back(signs, trains, decay, chosen[sample], traces)
            needed = num_units[sample] * ((found[sample] + GROUP - 1) // GROUP)
            if room + needed > pairings.shape[0]:
                _gather(
                    waiting,
                    sample,
                    inputs,
                    unit_of,
                    unit_begin,
                    num_units,
                    found,
                    chosen,
                    begin,
                    pairings,
                    sums,
                )
                waiting, room = sample, 0
            begin[sample] = room
            _pair(unit_words[sample, : num_units[sample]], traces, found[sample], pairings[room:])
            room += needed
            any_found |= found[sample] > 0
        if any_found:
            _gather(
                waiting,
                batch_size,
                inputs,
                unit_of,
                unit_begin,
                num_units,
                found,
                chosen,
                begin,
                pairings,
                sums,
            )
            for row in used:
                _apply(learning_rate, sums[row], rows[row, start : start + size])


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
def limit_rows(rows: Any, limit: Any, first: int, last: int) -> None:
    """Clip the weights of inputs first to last to [−limit, limit], float32."""
    for row in range(first, last):
        for j in range(rows.shape[1]):
            rows[row, j] = min(max(rows[row, j], -limit), limit)


@compiled
def add_outer(rows: Any, baseline: Any, scaled: Any, first: int, last: int) -> None:
    """Add the products of the baselines of inputs first to last with a number a neuron.

    `rows` are the weights, (N_i, N_o) float32; products and sums are rounded one after the other.
    """
    for row in range(first, last):
        if baseline[row] != 0:
            for j in range(len(scaled)):
                rows[row, j] += scaled[j] * baseline[row]


@compiled
def add_columns(rows: Any, chosen: Any, change: Any, first: int, last: int) -> None:
    """Add a change of chosen neurons, (C, N_i) float32, to the weights of inputs first to last."""
    for row in range(first, last):
        for k in range(len(chosen)):
            rows[row, chosen[k]] += change[k, row]


@compiled
def _pair(words: Any, traces: Any, found: int, pairings: Any) -> None:
    """Sum the traces of the steps in which a unit spikes, unit by unit: (unit, group, neuron)."""
    steps = np.empty(64, np.int32)
    num_groups = (found + GROUP - 1) // GROUP
    for unit in range(len(words)):
        num_spikes = _steps_of(words[unit], steps)
        for group in range(num_groups):
            _sum_traces(
                traces[group].ctypes.data,
                steps.ctypes.data,
                0,
                num_spikes,
                pairings[unit * num_groups + group].ctypes.data,
            )


@compiled
def _gather(
    first_sample: int,
    last_sample: int,
    inputs: Any,
    unit_of: Any,
    unit_begin: Any,
    num_units: Any,
    found: Any,
    chosen: Any,
    begin: Any,
    pairings: Any,
    sums: Any,
) -> None:
    """Add the pairings of some samples to the sums of the synapses.

    Sums of few inputs, which stay in the first-level cache, are finished before the next.
    """
    flat = pairings.reshape(-1)
    cursor = np.zeros(last_sample - first_sample, np.int64)
    for stop in range(_ROWS, len(sums) + _ROWS, _ROWS):
        for sample in range(first_sample, last_sample):
            if found[sample] == 0:
                continue
            width = GROUP * ((found[sample] + GROUP - 1) // GROUP)
            at = cursor[sample - first_sample]
            heard = unit_begin[sample, num_units[sample]]
            while at < heard and inputs[sample, at] < stop:
                place = GROUP * begin[sample] + width * unit_of[sample, at]
                _scatter(
                    flat[place : place + found[sample]], chosen[sample], sums[inputs[sample, at]]
                )
                at += 1
            cursor[sample - first_sample] = at


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
def _steps_of(word: Any, steps: Any) -> Any:
    """List the steps in which a train spikes; return how many they are."""
    found: Any = 0
    while word != 0:
        lowest = word & (~word + np.uint64(1))
        word ^= lowest
        steps[found] = np.int32(popcount(lowest - np.uint64(1)))
        found += 1
    return found


@compiled
def _trace_back(desire: Any, outputs: Any, decay: float, chosen: Any, traces: Any) -> Any:
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
    return found
