"""The way back, compiled: hidden desires and updates, only where there is desire.

Sums of an update are sums of dyadic rationals, in float64; see
:func:`lava_desire.rule.desired_pairings` for how long they are exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_desire.engine.events import compiled, popcount

BLOCK = 128
"""Neurons whose updates are gathered together: those of 1600 inputs fit the second-level cache."""

_PAD = 8  # sums are taken over whole vectors
_ROUNDOFF = 2.0**-24


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
        terms, magnitude = 0, 0.0
        for error in errors[sample]:
            terms += np.int64(error != 0)
            magnitude += abs(np.float64(error))
        # Each term passes through fewer additions than there are terms, whatever their order.
        bound = np.float32(1.01 * _ROUNDOFF * (terms + 2) * largest * magnitude)
        doubts = 0
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
    wide = 0.0
    for j in range(len(errors)):
        wide += np.float64(weights[j]) * np.float64(errors[j])
    z = np.float32(wide)
    return np.int8(z > threshold) - np.int8(z < -threshold)


@compiled
def exact_desires(
    rows: Any, errors: Any, threshold: Any, desires: Any, first: int, last: int
) -> None:
    """Ternarise Wᵀ c for few samples: inputs first to last, summed over the errors there are."""
    present = np.flatnonzero(errors)
    for row in range(first, last):
        weights = rows[row]
        wide = 0.0
        for j in present:
            wide += np.float64(weights[j]) * np.float64(errors[j])
        z = np.float32(wide)
        desires[row] = np.int8(z > threshold) - np.int8(z < -threshold)


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
    unit_begin: Any,
    members: Any,
    num_units: Any,
    num_steps: int,
    decay: float,
    sums: Any,
    first: int,
    last: int,
) -> None:
    """Add the summed change of the weights of neurons first to last (Eq. 4).

    Σ_t s_o[t] r_i[t] = Σ_t q_o[t] u_i[t] with q[t] = s[t] + β·q[t+1]: a trace that runs backward
    behind the synapse does for all inputs what a forward trace before it does for each.

    `rows` are the weights, (N_i, N_o) float32, `desire` is d · mask, (B, N_o) int8, `outputs` the
    neurons' trains, (B, N_o) words; `sums`, (N_i, BLOCK) float64, is all zero before and after.
    """
    chosen = np.empty(BLOCK + _PAD, np.int64)
    traces = np.empty((num_steps, BLOCK + _PAD), np.float64)
    pairings = np.empty(BLOCK + _PAD, np.float64)
    touched = np.zeros(rows.shape[0], np.bool_)
    for start in range(first, last, BLOCK):
        size = min(BLOCK, last - start)
        for sample in range(desire.shape[0]):
            found = _trace_back(
                desire[sample, start : start + size],
                outputs[sample, start : start + size],
                decay,
                chosen,
                traces,
            )
            if found == 0:
                continue
            for unit in range(num_units[sample]):
                _pair(unit_words[sample, unit], traces, found, pairings)
                for m in range(unit_begin[sample, unit], unit_begin[sample, unit + 1]):
                    row = members[sample, m]
                    touched[row] = True
                    change = sums[row]
                    for k in range(found):
                        change[chosen[k]] += pairings[k]
        for row in range(rows.shape[0]):
            if touched[row]:
                touched[row] = False
                weights, change = rows[row, start : start + size], sums[row]
                for j in range(size):
                    weights[j] += np.float32(learning_rate * change[j])
                    change[j] = 0.0


@compiled
def _pair(word: Any, traces: Any, found: int, pairings: Any) -> None:
    """Sum the traces of the steps in which a unit spikes."""
    padded = (found + _PAD - 1) // _PAD * _PAD
    for k in range(padded):
        pairings[k] = 0.0
    while word != 0:
        lowest = word & (~word + np.uint64(1))
        word ^= lowest
        trace = traces[np.int64(popcount(lowest - np.uint64(1)))]
        for start in range(0, padded, _PAD):
            for k in range(start, start + _PAD):
                pairings[k] += trace[k]


@compiled
def _trace_back(desire: Any, outputs: Any, decay: float, chosen: Any, traces: Any) -> int:
    """Choose the spiking neurons with desire; put their d·q, steps outermost, into `traces`."""
    found: Any = 0
    for j in range(len(desire)):
        chosen[found] = j
        found += np.int64((desire[j] != 0) & (outputs[j] != 0))
    for k in range(found):
        word, sign = outputs[chosen[k]], np.float64(desire[chosen[k]])
        trace = 0.0
        for step in range(traces.shape[0] - 1, -1, -1):
            trace = decay * trace + np.float64((word >> np.uint64(step)) & np.uint64(1)) * sign
            traces[step, k] = trace
    return found
