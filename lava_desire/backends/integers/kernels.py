"""The hot loops in integers, compiled with numba; event-driven as those of ``backends.numba``.

Each does for a whole window what functions of :mod:`lava_desire.fixed` do for one step, and is
tested against them. Sums are held in 32 bits where the limits of
:class:`~lava_desire.fixed.IntegerRule` keep them inside, else in 64; states are saturated
explicitly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_desire.backends.numba.jit import njit
from lava_desire.backends.numba.philox import draw_eight
from lava_desire.model.integers.limits import (
    ACCUMULATOR_LIMIT,
    DECAY_BITS,
    IMPULSE_BITS,
    STATE_LIMIT,
    TRACE_LIMIT,
)

LOWEST, HIGHEST, LARGEST_ACTIVATION, ACTIVATIONS_SATURATED, POTENTIALS_SATURATED = range(5)
"""What :func:`run_dense` notes: range of the potential before its reset, largest magnitude of an
activation before its gain, saturations."""

_DECAY_MASK = 2**DECAY_BITS - 1
_IMPULSE_MASK = 2**IMPULSE_BITS - 1
_WORD_BITS = 32
_EIGHT = 8  # words of a Philox counter
_TOGETHER = 4  # spikes whose weights or traces are added at once
_MOST_IN_16_BITS = 256  # mantissas whose sum fits


@njit(nogil=True)
def run_dense(
    rows: Any,
    inputs: Any,
    delay: int,
    constants: tuple[int, int, int, int, bool],
    mask: Any,
    spikes: Any,
    potentials: Any,
    notes: Any,
) -> None:
    """Run a dense layer over a window from rest (Eq. 1 and 16).

    Parameters
    ----------
    rows : ndarray
        Mantissas, input-major, (N_i, N_o) int8.
    inputs : ndarray
        (T, B, N_i) bool.
    delay : int
        Steps by which the input arrives later than it was sent.
    constants : tuple
        Exponent of the weights, gain, decay, threshold, see
        :func:`lava_desire.fixed.integrate_and_fire`, and whether a spike deducts the threshold.
    mask : ndarray
        (B, N_o) bool, or of no rows where all are kept.
    spikes : ndarray
        Filled: (T, B, N_o) bool.
    potentials : ndarray
        Filled, where it has steps: (T, B, N_o) int32, after the reset.
    notes : ndarray
        Extended: (5,) int64, see above.
    """
    num_steps, batch_size, num_in = inputs.shape
    num_out = rows.shape[1]
    sums, partial = np.empty(num_out, np.int32), np.empty(num_out, np.int16)
    active = np.empty(num_in + _TOGETHER, np.int64)
    potential = np.empty(num_out, np.int64)
    for sample in range(batch_size):
        potential[:] = 0
        for step in range(num_steps):
            sums[:] = 0
            if step >= delay:
                found = 0
                for source in range(num_in):
                    active[found] = source
                    found += inputs[step - delay, sample, source]
                for first in range(0, found, _MOST_IN_16_BITS):
                    partial[:] = 0
                    last = min(first + _MOST_IN_16_BITS, found)
                    together = last - (last - first) % _TOGETHER
                    for begin in range(first, together, _TOGETHER):
                        one, two = rows[active[begin]], rows[active[begin + 1]]
                        three, four = rows[active[begin + 2]], rows[active[begin + 3]]
                        for neuron in range(num_out):
                            total = np.int16(one[neuron]) + np.int16(two[neuron])
                            total += np.int16(three[neuron]) + np.int16(four[neuron])
                            partial[neuron] += np.int16(total)
                    for begin in range(together, last):
                        one = rows[active[begin]]
                        for neuron in range(num_out):
                            partial[neuron] += one[neuron]
                    for neuron in range(num_out):
                        sums[neuron] += partial[neuron]
            kept = mask[sample] if len(mask) else mask[:0].reshape(-1)
            integrate_and_fire(sums, potential, constants, kept, spikes[step, sample], notes)
            if len(potentials):
                potentials[step, sample] = potential


@njit(nogil=True)
def run_neurons(
    sums: Any,
    constants: tuple[int, int, int, int, bool],
    mask: Any,
    spikes: Any,
    potentials: Any,
    notes: Any,
) -> None:
    """Do what :func:`run_dense` does, with sums of mantissas at hand, (T, B, N_o) int64."""
    potential = np.empty(sums.shape[2], np.int64)
    for sample in range(sums.shape[1]):
        potential[:] = 0
        for step in range(sums.shape[0]):
            kept = mask[sample] if len(mask) else mask[:0].reshape(-1)
            fired = spikes[step, sample]
            integrate_and_fire(sums[step, sample], potential, constants, kept, fired, notes)
            if len(potentials):
                potentials[step, sample] = potential


@njit(nogil=True)
def integrate_and_fire(
    sums: Any, potential: Any, constants: Any, kept: Any, fired: Any, notes: Any
) -> None:
    """Advance one sample's neurons by a step (Eq. 1 and 16); arguments as of :func:`run_dense`."""
    weight_exp, gain, decay, threshold, subtract = constants
    for neuron in range(len(sums)):
        activation = np.int64(sums[neuron])
        if weight_exp >= 0:
            activation <<= weight_exp
        else:
            activation >>= -weight_exp
        if abs(activation) > STATE_LIMIT:
            activation = STATE_LIMIT if activation > 0 else -STATE_LIMIT
            notes[ACTIVATIONS_SATURATED] += 1
        notes[LARGEST_ACTIVATION] = max(notes[LARGEST_ACTIVATION], abs(activation))
        value = potential[neuron]
        decayed = (abs(value) * decay) >> DECAY_BITS
        value = (decayed if value >= 0 else -decayed) + activation * gain
        if abs(value) > STATE_LIMIT:
            value = STATE_LIMIT if value > 0 else -STATE_LIMIT
            notes[POTENTIALS_SATURATED] += 1
        notes[LOWEST] = min(notes[LOWEST], value)
        notes[HIGHEST] = max(notes[HIGHEST], value)
        fires = value > threshold and (len(kept) == 0 or kept[neuron])
        fired[neuron] = fires
        if fires:
            value = value - threshold if subtract else 0
        potential[neuron] = value


@njit(nogil=True)
def run_traces(
    inputs: Any, delay: int, decay: int, impulse: int, key: Any, counter: int, traces: Any
) -> None:
    """Run the traces of one sample's input over a window (Eq. 3).

    Parameters
    ----------
    inputs : ndarray
        (T, N_i) bool.
    delay, decay, impulse : int
        See :func:`run_dense` and :func:`lava_desire.fixed.decay_trace`.
    key, counter : ndarray, int
        Where the random words of the sample begin; a step takes ⌈N_i / 8⌉ counters.
    traces : ndarray
        Filled: (T, N_i) uint8 in [0, 127].
    """
    num_steps, num_in = inputs.shape
    counters_a_step = (num_in + _EIGHT - 1) // _EIGHT
    trace = np.empty(_EIGHT, np.int64)
    words = np.empty(_EIGHT, np.uint32)
    for part in range(counters_a_step):
        begin, end = part * _EIGHT, min(part * _EIGHT + _EIGHT, num_in)
        trace[:] = 0
        began = False
        for step in range(num_steps):
            if not began:
                for source in range(begin, end):
                    began = began or (step >= delay and inputs[step - delay, source])
            if not began:  # zero decays to zero whatever is drawn
                traces[step, begin:end] = 0
                continue
            draw_eight(key, counter + step * counters_a_step + part, words)
            for lane in range(end - begin):
                word = np.int64(words[lane])
                value = (trace[lane] * decay + (word & _DECAY_MASK)) >> DECAY_BITS
                if step >= delay and inputs[step - delay, begin + lane]:
                    value += (impulse + (word >> DECAY_BITS & _IMPULSE_MASK)) >> IMPULSE_BITS
                trace[lane] = min(value, TRACE_LIMIT)
                traces[step, begin + lane] = trace[lane]


@njit(nogil=True)
def gather_pairings(spikes: Any, traces: Any, desire: Any, chosen: Any, pairings: Any) -> None:
    """Add one sample's pairs, signed by desire, to those of the chosen neurons (Eq. 4).

    Neither the 24 bits of a sample's pairs nor the 32 of its accumulator can be full: there are
    at most 127 · 2**16 pairs, times a rate of at most 255.

    Parameters
    ----------
    spikes : ndarray
        Postsynaptic spikes, (T, N_o) bool.
    traces : ndarray
        (T + 1, N_i) uint8, the last row of zeros.
    desire : ndarray
        d · mask, (N_o,) int8.
    chosen : ndarray
        Indices of R neurons, (R,) int64.
    pairings : ndarray
        Extended: (R, N_i) int32 or int64.
    """
    num_steps, num_in = len(spikes), traces.shape[1]
    steps = np.empty(num_steps + _TOGETHER, np.int64)
    for row in range(len(chosen)):
        neuron = chosen[row]
        sign = np.int32(desire[neuron])
        if sign == 0:
            continue
        found = 0
        for step in range(num_steps):
            if spikes[step, neuron]:
                steps[found] = step
                found += 1
        steps[found : found + _TOGETHER] = num_steps
        sums = pairings[row]
        for begin in range(0, found, _TOGETHER):
            one, two = traces[steps[begin]], traces[steps[begin + 1]]
            three, four = traces[steps[begin + 2]], traces[steps[begin + 3]]
            for source in range(num_in):
                pairs = np.int32(one[source]) + np.int32(two[source])
                pairs += np.int32(three[source]) + np.int32(four[source])
                sums[source] += sign * pairs


@njit(nogil=True)
def add_row(
    rows: Any,
    neuron: int,
    change_of: Any,
    shift: int,
    key: Any,
    counter: int,
    lowest: int,
    highest: int,
) -> int:
    """Round a neuron's accumulators, (N_i,) int64, and add them: :func:`add_changes`."""
    held, drawn = 0, -1
    words = np.empty(_EIGHT, np.uint32)
    begin = counter + neuron * ((len(rows) + _EIGHT - 1) // _EIGHT)
    for source in range(len(rows)):
        change = change_of[source]
        if change == 0:
            continue  # the noise alone never makes a step
        part = source // _EIGHT
        if part != drawn:
            draw_eight(key, begin + part, words)
            drawn = part
        change = min(max(change, -ACCUMULATOR_LIMIT), ACCUMULATOR_LIMIT)
        noise = np.int64(words[source - part * _EIGHT]) >> (_WORD_BITS - shift)
        moved = (change + noise) >> shift
        if moved != 0:
            value = rows[source, neuron] + moved
            if value < lowest or value > highest:
                held += 1
                value = min(max(value, lowest), highest)
            rows[source, neuron] = value
    return held


@njit(nogil=True)
def add_changes(
    rows: Any,
    chosen: Any,
    changes: Any,
    shift: int,
    key: Any,
    counter: int,
    lowest: int,
    highest: int,
) -> int:
    """Round the accumulators stochastically and add them to the weights, saturating.

    Parameters
    ----------
    rows : ndarray
        Changed: mantissas, input-major, (N_i, N_o) int8.
    chosen : ndarray
        (R,) int64.
    changes : ndarray
        (R, N_i) int64.
    shift, lowest, highest : int
        See :func:`lava_desire.fixed.add_change`.
    key, counter : ndarray, int
        Where the random words of the sample begin; a neuron takes ⌈N_i / 8⌉ counters.

    Returns
    -------
    int
        Weights that were held at the end of their range.
    """
    held = 0
    for row in range(len(chosen)):
        held += add_row(rows, chosen[row], changes[row], shift, key, counter, lowest, highest)
    return held


@njit(nogil=True)
def learn_dense(
    rows: Any,
    inputs: Any,
    delay: int,
    outputs: Any,
    desire: Any,
    decay: int,
    impulse: int,
    rate_mantissa: int,
    trace_key: Any,
    trace_counter: int,
    posts: Any,
    pres: Any,
    bits: Any,
    pairings: Any,
    rounding: tuple[int, Any, int, int, int],
) -> int:
    """Learn a dense layer's weights from a batch: traces, accumulators, one rounding (Eq. 3 and 4).

    Parameters
    ----------
    rows : ndarray
        Changed: mantissas, input-major, (N_i, N_o) int8.
    inputs, outputs : ndarray
        (T, B, N_i) and (T, B, N_o) bool.
    delay, decay, impulse : int
        See :func:`run_traces`.
    desire : ndarray
        d · mask, (B, N_o) int8.
    rate_mantissa : int
        See :func:`lava_desire.fixed.weight_change`.
    trace_key, trace_counter : ndarray, int
        Where the random words of the batch's first sample begin.
    posts, pres, bits : ndarray
        Factors of K terms, (K, N_o), (K, N_i) and (K,) int64: the accumulators get
        posts · pres / 2**bits, rounded.
    pairings : ndarray
        Zeros, to be overwritten, (N_o, N_i) int32, or int64 where 127·T·B does not fit.
    rounding : tuple
        Arguments of :func:`add_changes` from `shift` on.

    Returns
    -------
    int
        Weights that were held at the end of their range.
    """
    num_steps, batch_size, num_in = inputs.shape
    num_out = outputs.shape[2]
    takes_part = np.zeros((batch_size, num_out), np.bool_)
    is_chosen = np.zeros(num_out, np.bool_)
    for step in range(num_steps):
        for sample in range(batch_size):
            for neuron in range(num_out):
                if outputs[step, sample, neuron] and desire[sample, neuron] != 0:
                    takes_part[sample, neuron] = True
                    is_chosen[neuron] = True
    for term in range(len(bits)):
        is_chosen |= posts[term] != 0
    chosen = np.flatnonzero(is_chosen)
    if len(chosen) == 0 or rate_mantissa == 0:
        return 0
    traces = np.zeros((num_steps + 1, num_in), np.uint8)
    counters_a_sample = num_steps * ((num_in + _EIGHT - 1) // _EIGHT)
    for sample in range(batch_size):
        if takes_part[sample].any():
            begin = trace_counter + sample * counters_a_sample
            run_traces(
                inputs[:, sample], delay, decay, impulse, trace_key, begin, traces[:num_steps]
            )
            gather_pairings(outputs[:, sample], traces, desire[sample], chosen, pairings)
    held = 0
    change_of = np.empty(num_in, np.int64)
    shift, key, counter, lowest, highest = rounding
    for row in range(len(chosen)):
        neuron = chosen[row]
        for source in range(num_in):
            change_of[source] = np.int64(pairings[row, source]) * rate_mantissa
        for term in range(len(bits)):
            post, below = posts[term, neuron], bits[term]
            if post != 0:
                half = np.int64(1) << (below - 1)
                for source in range(num_in):
                    change_of[source] += (post * pres[term, source] + half) >> below
        held += add_row(rows, neuron, change_of, shift, key, counter, lowest, highest)
    return held
