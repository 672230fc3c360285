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
    sums = np.empty(num_out, np.int32)
    potential = np.empty(num_out, np.int64)
    for sample in range(batch_size):
        potential[:] = 0
        for step in range(num_steps):
            sums[:] = 0
            if step >= delay:
                for source in range(num_in):
                    if inputs[step - delay, sample, source]:
                        for neuron in range(num_out):
                            sums[neuron] += rows[source, neuron]
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
def gather_changes(
    spikes: Any, traces: Any, desire: Any, chosen: Any, rate_mantissa: int, changes: Any
) -> None:
    """Add one sample's change of weights to the accumulators of the chosen neurons (Eq. 4).

    Parameters
    ----------
    spikes : ndarray
        Postsynaptic spikes, (T, N_o) bool.
    traces : ndarray
        (T, N_i) uint8.
    desire : ndarray
        d · mask, (N_o,) int8.
    chosen : ndarray
        Indices of R neurons, (R,) int64.
    rate_mantissa : int
        See :func:`lava_desire.fixed.weight_change`.
    changes : ndarray
        Extended: (R, N_i) int64.
    """
    num_steps, num_in = traces.shape
    pairings = np.empty(num_in, np.int64)
    for row in range(len(chosen)):
        neuron = chosen[row]
        if desire[neuron] == 0:
            continue
        pairings[:] = 0
        for step in range(num_steps):
            if spikes[step, neuron]:
                for source in range(num_in):
                    pairings[source] += traces[step, source]
        factor = np.int64(desire[neuron]) * rate_mantissa
        for source in range(num_in):
            change = min(pairings[source], STATE_LIMIT) * factor
            changes[row, source] += min(max(change, -ACCUMULATOR_LIMIT), ACCUMULATOR_LIMIT)


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
    num_in = len(rows)
    counters_a_neuron = (num_in + _EIGHT - 1) // _EIGHT
    words = np.empty(_EIGHT, np.uint32)
    for row in range(len(chosen)):
        neuron = chosen[row]
        drawn = -1
        for source in range(num_in):
            change = changes[row, source]
            if change == 0:
                continue  # the noise alone never makes a step
            part = source // _EIGHT
            if part != drawn:
                draw_eight(key, counter + neuron * counters_a_neuron + part, words)
                drawn = part
            change = min(max(change, -ACCUMULATOR_LIMIT), ACCUMULATOR_LIMIT)
            noise = np.int64(words[source - part * _EIGHT]) >> (_WORD_BITS - shift)
            value = rows[source, neuron] + ((change + noise) >> shift)
            if value < lowest or value > highest:
                held += 1
                value = min(max(value, lowest), highest)
            rows[source, neuron] = value
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
    shift: int,
    trace_key: Any,
    trace_counter: int,
    weight_key: Any,
    weight_counter: int,
    lowest: int,
    highest: int,
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
    rate_mantissa, shift, lowest, highest : int
        See :func:`add_changes`.
    trace_key, trace_counter, weight_key, weight_counter : ndarray, int
        Where the random words of the batch's first sample begin.

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
    chosen = np.flatnonzero(is_chosen)
    if len(chosen) == 0 or rate_mantissa == 0:
        return 0
    changes = np.zeros((len(chosen), num_in), np.int64)
    traces = np.empty((num_steps, num_in), np.uint8)
    counters_a_sample = num_steps * ((num_in + _EIGHT - 1) // _EIGHT)
    for sample in range(batch_size):
        if takes_part[sample].any():
            begin = trace_counter + sample * counters_a_sample
            run_traces(inputs[:, sample], delay, decay, impulse, trace_key, begin, traces)
            gather_changes(
                outputs[:, sample], traces, desire[sample], chosen, rate_mantissa, changes
            )
    held: int = add_changes(
        rows, chosen, changes, shift, weight_key, weight_counter, lowest, highest
    )
    return held
