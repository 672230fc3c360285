"""The hot loops in integers, compiled with numba; event-driven as those of ``backends.numba``.

Each does for a whole window what functions of :mod:`lava_desire.fixed` do for one step, and is
tested against them. Loops over neighbours have no branch, so that they are done by vectors; numbers
are as narrow as the limits of :class:`~lava_desire.fixed.IntegerRule` allow; states are saturated
explicitly. No result depends on how samples or neurons are shared among threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_desire.backends.numba.jit import njit
from lava_desire.backends.numba.philox import draw_parts
from lava_desire.backends.numba.simd import (
    BYTES,
    MOVES_AT_ONCE,
    nonzero_of,
    sum_bytes,
    trailing_zeros,
)
from lava_desire.model.integers.limits import (
    ACCUMULATOR_LIMIT,
    DECAY_BITS,
    IMPULSE_BITS,
    STATE_BITS,
    STATE_LIMIT,
    TRACE_LIMIT,
)

LOWEST, HIGHEST, LARGEST_ACTIVATION, ACTIVATIONS_SATURATED, POTENTIALS_SATURATED = range(5)
"""What :func:`run_dense` notes: range of the potential before its reset, largest magnitude of an
activation before its gain, saturations."""

_DECAY_MASK = np.int32(2**DECAY_BITS - 1)
_IMPULSE_MASK = np.int32(2**IMPULSE_BITS - 1)
_WORD_BITS = 32
_EIGHT = 8  # words of a Philox counter, and spikes that are looked at together
_MOST_IN_16_BITS = 256  # mantissas or traces whose sum fits
_MOST_IN_8_BITS = 255
_BEYOND = 2**STATE_BITS  # by so much any potential is saturated, whatever it was
_FAR = 256  # no mantissa moves farther before the end of its range


@njit(nogil=True)
def look_up(table: Any, levels: Any, spikes: Any) -> None:
    """Look up the trains of brightness, (B, N) int64, in (T, 256) bool: fill (T, B, N) bool."""
    for step in range(len(spikes)):
        of_level = table[step]
        for sample in range(len(levels)):
            for pixel in range(levels.shape[1]):
                spikes[step, sample, pixel] = of_level[levels[sample, pixel]]


@njit(nogil=True)
def count(spikes: Any, chosen: Any) -> Any:
    """Count the spikes, (T, B, N) uint8, of chosen samples, (A,) int64: (A, N) int64."""
    num_steps, _, size = spikes.shape
    counts, few = np.zeros((len(chosen), size), np.int64), np.empty(size, np.uint8)
    for row in range(len(chosen)):
        for first in range(0, num_steps, _MOST_IN_8_BITS):
            few[:] = 0
            for step in range(first, min(first + _MOST_IN_8_BITS, num_steps)):
                fired = spikes[step, chosen[row]]
                for neuron in range(size):
                    few[neuron] += fired[neuron]
            for neuron in range(size):
                counts[row, neuron] += few[neuron]
    return counts


@njit(nogil=True)
def list_active(spikes: Any, active: Any) -> Any:
    """Write which of (N,) bool spike to `active`, (N + 1,) int64, and return how many do."""
    found, whole = 0, len(spikes) // _EIGHT
    eights = spikes[: whole * _EIGHT].view(np.uint64)
    for part in range(whole):
        if eights[part]:
            for neuron in range(part * _EIGHT, part * _EIGHT + _EIGHT):
                active[found] = neuron
                found += spikes[neuron]
    for neuron in range(whole * _EIGHT, len(spikes)):
        active[found] = neuron
        found += spikes[neuron]
    return found


@njit(nogil=True)
def run_dense(
    rows: Any,
    inputs: Any,
    delay: int,
    constants: tuple[int, int, int, int, int, bool],
    mask: Any,
    spikes: Any,
    band: tuple[int, int],
    eligible: Any,
    potentials: Any,
    notes: Any,
    first_sample: int,
    last_sample: int,
) -> None:
    """Run some samples of a dense layer over a window from rest (Eq. 1 and 16).

    `rows` are mantissas, input-major, (N_i, N_o) int8; `inputs`, (T, B, N_i) bool, arrive `delay`
    steps after they were sent. `constants` are exponent of the weights, gain, decay of currents, of
    potentials, threshold, see :func:`lava_desire.fixed.integrate_and_fire`, and whether a spike
    deducts the threshold. The mask is (B, N_o) bool, or of no rows where all are kept. Filled are
    `spikes`, (T, B, N_o) bool; where they have steps `eligible`, (T, B, N_o) bool, which neurons
    are kept and had a potential between the two of `band` before its reset, and `potentials`,
    (T, B, N_o) int32, after it; `notes`, (5,) int64, see above, are extended.
    """
    num_steps, _, num_in = inputs.shape
    num_out = rows.shape[1]
    sums, partial = np.empty(num_out, np.int32), np.empty(num_out, np.int16)
    active = np.empty(num_in + 1, np.int64)
    states, everyone = np.empty((3, num_out), np.int32), np.ones(num_out, np.bool_)
    for sample in range(first_sample, last_sample):
        kept = mask[sample] if len(mask) else everyone
        states[:] = 0
        for step in range(num_steps):
            sums[:] = 0
            found = list_active(inputs[step - delay, sample], active) if step >= delay else 0
            for first in range(0, found, _MOST_IN_16_BITS):
                add_rows(rows, active[first : min(first + _MOST_IN_16_BITS, found)], partial)
                for neuron in range(num_out):
                    sums[neuron] += partial[neuron]
            advance(sums, states, constants, kept, spikes[step, sample], notes)
            if len(eligible):
                mark_eligible(states[2], band, kept, eligible[step, sample])
            if len(potentials):
                potentials[step, sample] = states[1]


@njit(nogil=True)
def mark_eligible(reached: Any, band: tuple[int, int], kept: Any, eligible: Any) -> None:
    """Fill `eligible`: which of those that are kept reached a potential between the two ends."""
    low, high = np.int32(band[0]), np.int32(band[1])
    for neuron in range(len(reached)):
        eligible[neuron] = (reached[neuron] > low) & (reached[neuron] < high) & kept[neuron]


@njit(nogil=True)
def add_rows(rows: Any, chosen: Any, sums: Any) -> None:
    """Add up chosen rows, of int8 or of uint8 below 128, at most 256: `sums` are int16.

    All are contiguous; `chosen` are int64.
    """
    size, count = len(sums), len(chosen)
    sum_bytes(rows.ctypes.data, size, chosen.ctypes.data, count, 0, size, sums.ctypes.data)
    behind = size - size % BYTES
    sums[behind:] = 0
    for k in range(count):
        for place in range(behind, size):
            sums[place] += rows[chosen[k], place]


@njit(nogil=True)
def run_neurons(
    sums: Any,
    constants: tuple[int, int, int, int, int, bool],
    mask: Any,
    spikes: Any,
    band: tuple[int, int],
    eligible: Any,
    potentials: Any,
    notes: Any,
) -> None:
    """Do what :func:`run_dense` does, with sums of mantissas at hand, (T, B, N_o) int64."""
    states, everyone = np.empty((3, sums.shape[2]), np.int32), np.ones(sums.shape[2], np.bool_)
    for sample in range(sums.shape[1]):
        kept = mask[sample] if len(mask) else everyone
        states[:] = 0
        for step in range(sums.shape[0]):
            fired = spikes[step, sample]
            advance(sums[step, sample], states, constants, kept, fired, notes)
            if len(eligible):
                mark_eligible(states[2], band, kept, eligible[step, sample])
            if len(potentials):
                potentials[step, sample] = states[1]


@njit(nogil=True)
def advance(sums: Any, states: Any, constants: Any, kept: Any, fired: Any, notes: Any) -> None:
    """Advance one sample's neurons by a step: currents where they are filtered, then potentials.

    `states`, (3, N_o) int32, are both, and the potentials as they were before their reset; other
    arguments as of :func:`run_dense`.
    """
    weight_exp, gain, synapse_decay, decay, threshold, subtract = constants
    current, potential, reached = states[0], states[1], states[2]
    if synapse_decay == 0:
        neuron = (weight_exp, gain, decay, threshold, subtract)
        integrate_and_fire(sums, potential, reached, neuron, kept, fired, notes)
        return
    filter_current(sums, current, weight_exp, gain, synapse_decay, notes)
    largest = notes[LARGEST_ACTIVATION]
    neuron = (0, 1, decay, threshold, subtract)
    integrate_and_fire(current, potential, reached, neuron, kept, fired, notes)
    notes[LARGEST_ACTIVATION] = largest  # the other is of a current, after its gain


@njit(nogil=True)
def filter_current(
    sums: Any, current: Any, weight_exp: int, gain: int, decay: int, notes: Any
) -> None:
    """Let what is left of currents, (N_o,) int32, add to those of a step.

    Saturations of a current count as those of activations; arguments as of :func:`run_dense`.
    """
    left, right, limit = max(weight_exp, 0), max(-weight_exp, 0), np.int64(STATE_LIMIT)
    for neuron in range(len(sums)):
        activation = np.int64(sums[neuron]) << left >> right
        held = min(max(activation, -limit), limit)
        notes[LARGEST_ACTIVATION] = max(notes[LARGEST_ACTIVATION], abs(held))
        kept = abs(np.int64(current[neuron])) * decay >> DECAY_BITS
        value = (kept if current[neuron] >= 0 else -kept) + held * gain
        after = min(max(value, -limit), limit)
        notes[ACTIVATIONS_SATURATED] += held != activation or after != value
        current[neuron] = after


@njit(nogil=True)
def integrate_and_fire(
    sums: Any, potential: Any, reached: Any, constants: Any, kept: Any, fired: Any, notes: Any
) -> None:
    """Advance one sample's neurons by a step (Eq. 1 and 16).

    `constants` are those of :func:`run_dense` without the decay of currents; `reached` is filled
    with the potential before its reset. All is done in 32
    bits: what would not fit is saturated before, as it will be behind.
    """
    weight_exp, gain, decay, threshold, subtract = constants
    gain, decay, threshold = np.int32(min(gain, _BEYOND)), np.int32(decay), np.int32(threshold)
    left, right = np.int32(max(weight_exp, 0)), np.int32(max(-weight_exp, 0))
    most = sums.dtype.type((STATE_LIMIT >> left) + 1 if left else 2**31 - 1)
    limit, reach = np.int32(STATE_LIMIT), np.int32(min(_BEYOND // gain + 1, STATE_LIMIT))
    least, floor, least_reach = sums.dtype.type(-most), np.int32(-limit), np.int32(-reach)
    deducted = threshold if subtract else np.int32(0)
    left_over = np.int32(-1 if subtract else 0)
    lowest = highest = largest = num_activations = num_potentials = np.int32(0)
    for neuron in range(len(sums)):  # each number is cast, as numba would make it of 64 bits
        total = np.int32(min(max(sums[neuron], least), most))
        activation = np.int32(np.int32(total << left) >> right)
        held = min(max(activation, floor), limit)
        num_activations = np.int32(num_activations + np.int32(held != activation))
        largest = max(largest, max(held, np.int32(-held)))
        added = np.int32(min(max(held, least_reach), reach) * gain)
        value = potential[neuron]
        magnitude = max(value, np.int32(-value))
        low = np.int32(np.int32(magnitude & _DECAY_MASK) * decay)
        high = np.int32(np.int32(magnitude >> DECAY_BITS) * decay)
        decayed = np.int32(high + np.int32(low >> DECAY_BITS))
        value = np.int32((decayed if value >= 0 else np.int32(-decayed)) + added)
        held = min(max(value, floor), limit)
        num_potentials = np.int32(num_potentials + np.int32(held != value))
        lowest, highest = min(lowest, held), max(highest, held)
        reached[neuron] = held
        fires = (held > threshold) & kept[neuron]
        fired[neuron] = fires
        potential[neuron] = np.int32(np.int32(held & left_over) - deducted) if fires else held
    notes[LOWEST] = min(notes[LOWEST], lowest)
    notes[HIGHEST] = max(notes[HIGHEST], highest)
    notes[LARGEST_ACTIVATION] = max(notes[LARGEST_ACTIVATION], largest)
    notes[ACTIVATIONS_SATURATED] += num_activations
    notes[POTENTIALS_SATURATED] += num_potentials


@njit(nogil=True)
def pass_back(rows: Any, errors: Any, sums: Any, first: int, last: int) -> None:
    """Send errors back to the inputs from first to last (Eq. 13).

    `rows` are mantissas, (N_i, N_o) int8, or int16 of 10 bits; `errors`, (A, N_o), int16 where the
    sums of 32 bits hold any, else int64; `sums`, (A, N_i) of int32 or int64, are filled.
    """
    for source in range(first, last):
        row = rows[source]
        for sample in range(len(errors)):
            error, total = errors[sample], sums.dtype.type(0)
            for neuron in range(len(row)):
                total += sums.dtype.type(sums.dtype.type(row[neuron]) * error[neuron])
            sums[sample, source] = total


@njit(nogil=True)
def pack_inputs(inputs: Any, samples: Any, pres: Any) -> tuple[Any, Any]:
    """Put side by side what a layer learns from, in eights, as random words come.

    `inputs` are (T, B, N_i) bool, `samples`, (A,) int64, those that are learned, and `pres`,
    (K, N_i) int64, factors of terms. Returns the eights of inputs of which one spikes, or has a
    factor other than zero, (P,) int64: no other weights change; and these inputs' spikes,
    (T, A, 8·P) bool, silent behind the last input.
    """
    num_steps, _, num_in = inputs.shape
    whole = num_in // _EIGHT
    seen = np.zeros((num_in + _EIGHT - 1) // _EIGHT * _EIGHT, np.uint8)
    for sample in samples:
        for step in range(num_steps):
            spikes = inputs[step, sample].view(np.uint8)
            for source in range(num_in):
                seen[source] |= spikes[source]
    for term in range(len(pres)):
        for source in range(num_in):
            seen[source] |= np.uint8(pres[term, source] != 0)
    parts = np.flatnonzero(seen.view(np.uint64))
    packed = np.zeros((num_steps, len(samples), len(parts) * _EIGHT), np.bool_)
    num_whole = len(parts) - (len(parts) > 0 and parts[-1] == whole)
    for step in range(num_steps):
        for row in range(len(samples)):
            spikes = inputs[step, samples[row]]
            eights, into = spikes[: whole * _EIGHT].view(np.uint64), packed[step, row]
            taken = into.view(np.uint64)
            for k in range(num_whole):
                taken[k] = eights[parts[k]]
            if num_whole < len(parts):
                for source in range(whole * _EIGHT, num_in):
                    into[num_whole * _EIGHT + source - whole * _EIGHT] = spikes[source]
    return parts, packed


@njit(nogil=True)
def run_traces(
    inputs: Any,
    sample: int,
    delay: int,
    constants: Any,
    numbers: Any,
    key: Any,
    counter: int,
    counters_a_step: int,
    traces: Any,
) -> None:
    """Run the traces of one sample's input over a window (Eq. 3).

    Words are drawn for eight neighbours where one of them spikes or has a trace: without either
    nothing changes, whatever is drawn.

    `inputs` and `delay` are as of :func:`run_dense`, or the inputs of :func:`pack_inputs`;
    `constants` are decay of currents and of traces, and the impulse: see
    :func:`lava_desire.fixed.decay_trace` and, where the first is not 0,
    :func:`lava_desire.fixed.filter_trace`. At `key` and `counter` the sample's random words begin;
    a step takes `counters_a_step` of them, of which the eights of inputs have the `numbers`, int64.
    `traces`, (T, N_i) uint8 in [0, 127], are filled.
    """
    num_steps, _, num_in = inputs.shape
    num_parts, whole = (num_in + _EIGHT - 1) // _EIGHT, num_in // _EIGHT
    words, drawn = np.zeros(num_parts * _EIGHT, np.uint32), np.empty(num_parts, np.int64)
    wanted = np.empty(num_parts, np.int64)
    before, silent = np.zeros(num_in, np.uint8), np.zeros(num_in, np.bool_)
    currents = np.zeros(num_in, np.uint8)  # where they are filtered; a trace is no smaller
    of_currents, of_traces, impulse = constants
    filters = of_currents != 0
    decay = np.int32(of_currents if filters else of_traces)
    impulse, of_traces = np.int32(impulse), np.int32(of_traces)
    for step in range(num_steps):
        arrived = inputs[step - delay, sample] if step >= delay else silent
        spiking = arrived[: whole * _EIGHT].view(np.uint64)
        traced, found = before[: whole * _EIGHT].view(np.uint64), 0
        for part in range(num_parts):
            drawn[found], wanted[found] = part, numbers[part]
            found += part == whole or (spiking[part] | traced[part]) != 0
        draw_parts(key, counter + step * counters_a_step, wanted[:found], drawn, words)
        after = currents if filters else traces[step]
        earlier = currents if filters else before
        for source in range(num_in):
            word, spike = np.int32(words[source]), np.int32(arrived[source])
            value = np.int32(np.int32(earlier[source]) * decay) + np.int32(word & _DECAY_MASK)
            noise = np.int32(np.int32(word >> DECAY_BITS) & _IMPULSE_MASK)
            added = np.int32(np.int32(impulse + noise) >> IMPULSE_BITS)
            value = np.int32(np.int32(value) >> DECAY_BITS) + np.int32(spike * added)
            after[source] = min(np.int32(value), np.int32(TRACE_LIMIT))
        if filters:
            after = traces[step]
            for source in range(num_in):
                noise = np.int32(words[source] >> np.uint32(_WORD_BITS - DECAY_BITS))
                value = np.int32(np.int32(before[source]) * of_traces) + noise
                value = np.int32(np.int32(value) >> DECAY_BITS) + np.int32(currents[source])
                after[source] = min(np.int32(value), np.int32(TRACE_LIMIT))
        before = after


@njit(nogil=True)
def list_pairs(outputs: Any, desire: Any) -> tuple[Any, Any, Any]:
    """List the spikes with desire, neuron by neuron.

    `outputs` are (T, B, N_o) bool, `desire` is d · mask, (B, N_o) int8. Returns the samples with
    such a spike, (A,) int64; where spikes begin that a neuron wants more of, and those that it
    wants less of, (2 · N_o + 1,) int64; and their rows in (A, T, N_i) traces: the place among the
    samples times T, and the step, (S,) int64.
    """
    num_steps, batch_size, size = outputs.shape
    begin, places = np.zeros(2 * size + 1, np.int64), np.empty(0, np.int64)
    samples, num_samples = np.empty(batch_size, np.int64), 0
    counts, steps = np.empty(size, np.int32), np.empty(num_steps + 1, np.int64)
    for listing in range(2):  # they are counted before
        num_samples = 0
        for sample in range(batch_size):
            signs, takes_part = desire[sample], False
            if not signs.any():
                continue
            counts[:] = 0
            for step in range(num_steps):
                fired = outputs[step, sample]
                for neuron in range(size):
                    counts[neuron] += np.int32(fired[neuron])
            for neuron in range(size):
                num_spikes = counts[neuron]
                if signs[neuron] == 0 or num_spikes == 0:
                    continue
                takes_part, kind = True, 2 * neuron + (signs[neuron] < 0)
                if not listing:
                    begin[kind + 1] += num_spikes
                    continue
                found = 0
                for step in range(num_steps):
                    steps[found] = num_samples * num_steps + step
                    found += outputs[step, sample, neuron]
                places[begin[kind] : begin[kind] + found] = steps[:found]
                begin[kind] += found
            samples[num_samples] = sample
            num_samples += takes_part
        if listing:
            begin[1:] = begin[:-1].copy()
            begin[0] = 0
        else:
            begin = begin.cumsum()
            places = np.empty(begin[-1], np.int64)
    return samples[:num_samples], begin, places


@njit(nogil=True)
def add_row(
    rows: Any,
    neuron: int,
    changes: Any,
    parts: Any,
    places: Any,
    words: Any,
    moves: Any,
    shift: int,
    key: Any,
    counter: int,
    lowest: int,
    highest: int,
) -> int:
    """Round a neuron's accumulators and add them: :func:`add_changes`.

    The accumulators, (8·P,) int64, are those of the eights of inputs `parts`, (P,) int64; they may
    be int32, if they hold what is less than 2**shift beside them. `places` are 0 to P − 1; `words`,
    (8·P,) uint32, and `moves`, int16, as many and zeros behind to whole `MOVES_AT_ONCE`, are
    overwritten.
    """
    num_in, held, kind = len(rows), 0, changes.dtype.type
    num_parts = (num_in + _EIGHT - 1) // _EIGHT
    draw_parts(key, counter + neuron * num_parts, parts, places, words)
    limit, far = kind(ACCUMULATOR_LIMIT), kind(_FAR)
    unused, noise = np.uint32(min(_WORD_BITS - shift, 31)), np.uint32((1 << shift) - 1)
    for place in range(len(changes)):
        change = min(max(changes[place], kind(-limit)), limit)
        total = kind(change + kind(np.uint32(words[place] >> unused) & noise))
        moves[place] = min(max(kind(total >> kind(shift)), kind(-far)), far)
    for first in range(0, len(moves), MOVES_AT_ONCE):
        found = nonzero_of(moves[first:].ctypes.data)
        while found:
            place = first + trailing_zeros(found)
            found &= found - np.uint64(1)
            source = parts[place // _EIGHT] * _EIGHT + place % _EIGHT
            value = rows[source, neuron] + moves[place]
            if value < lowest or value > highest:
                held += 1
                value = min(max(value, lowest), highest)
            rows[source, neuron] = value
    return held


@njit(nogil=True)
def room_for(num_parts: int) -> tuple[Any, Any, Any]:
    """Return the places, words and moves that :func:`add_row` takes."""
    size = num_parts * _EIGHT
    moves = np.zeros((size + MOVES_AT_ONCE - 1) // MOVES_AT_ONCE * MOVES_AT_ONCE, np.int16)
    return np.arange(num_parts), np.empty(size, np.uint32), moves


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

    `rows`, mantissas, input-major, (N_i, N_o) int8, are changed, of the neurons that are `chosen`,
    (R,) int64, by `changes`, (R, N_i) int64. `shift`, `lowest` and `highest` are as of
    :func:`lava_desire.fixed.add_change`; at `key` and `counter` the random words of the sample
    begin, and a neuron takes ⌈N_i / 8⌉ counters. Returns how many weights were held at the end of
    their range.
    """
    held, room = 0, room_for((len(rows) + _EIGHT - 1) // _EIGHT)
    rounding = shift, key, counter, lowest, highest
    for row in range(len(chosen)):
        held += add_row(rows, chosen[row], changes[row], room[0], *room, *rounding)
    return held


@njit(nogil=True)
def add_pairs(
    traces: Any, begin: Any, places: Any, neuron: int, rate_mantissa: int, sums: Any, changes: Any
) -> None:
    """Add what a neuron's spikes with desire change to accumulators, of int32 or int64 (Eq. 4).

    `sums`, as many int16, are overwritten; other arguments are as of :func:`learn_dense`.
    """
    for sign in range(2):
        first, last = begin[2 * neuron + sign], begin[2 * neuron + sign + 1]
        factor = changes.dtype.type(-rate_mantissa if sign else rate_mantissa)
        for at in range(first, last, _MOST_IN_16_BITS):
            add_rows(traces, places[at : min(at + _MOST_IN_16_BITS, last)], sums)
            for place in range(len(sums)):
                changes[place] += changes.dtype.type(factor * sums[place])


@njit(nogil=True)
def learn_dense(
    rows: Any,
    traces: Any,
    begin: Any,
    places: Any,
    rate_mantissa: int,
    posts: Any,
    pres: Any,
    bits: Any,
    parts: Any,
    rounding: tuple[int, Any, int, int, int],
    first: int,
    last: int,
) -> int:
    """Learn the weights of neurons first to last of a dense layer, rounding once (Eq. 4).

    `rows`, mantissas, input-major, (N_i, N_o) int8, are changed. `parts` are the eights of inputs
    of :func:`pack_inputs`, `traces`, (A · T, 8·P) uint8, theirs; `begin` and `places` are of
    :func:`list_pairs`, `rate_mantissa` as of :func:`lava_desire.fixed.weight_change`. `posts`,
    `pres` and `bits`, (K, N_o), (K, N_i) and (K,) int64, are factors of K terms: the accumulators
    get posts · pres / 2**bits, rounded. `rounding` are the arguments of :func:`add_changes` from
    `shift` on. Returns how many weights were held at the end of their range.
    """
    held, num_in, size, shift = 0, len(rows), traces.shape[1], rounding[0]
    sums, few, many = np.empty(size, np.int16), np.empty(size, np.int32), np.empty(size, np.int64)
    pairs, room = (traces, begin, places), room_for(len(parts))
    for neuron in range(first, last):
        num_pairs, has_terms = begin[2 * neuron + 2] - begin[2 * neuron], False
        for term in range(len(bits)):
            has_terms |= posts[term, neuron] != 0
        if num_pairs == 0 and not has_terms:
            continue
        largest = num_pairs * TRACE_LIMIT * rate_mantissa + (1 << shift)
        if not has_terms and largest <= ACCUMULATOR_LIMIT:
            few[:] = 0
            add_pairs(*pairs, neuron, rate_mantissa, sums, few)
            held += add_row(rows, neuron, few, parts, *room, *rounding)
            continue
        many[:] = 0
        add_pairs(*pairs, neuron, rate_mantissa, sums, many)
        for term in range(len(bits)):
            post, below = posts[term, neuron], bits[term]
            half = np.int64(1) << (below - 1)
            for place in range(size if post != 0 else 0):
                source = parts[place // _EIGHT] * _EIGHT + place % _EIGHT
                if source < num_in:
                    many[place] += (post * pres[term, source] + half) >> below
        held += add_row(rows, neuron, many, parts, *room, *rounding)
    return held
