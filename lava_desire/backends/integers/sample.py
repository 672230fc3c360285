"""Samples one after the other in integers, compiled: forward pass, desires and update of each.

All is done by the kernels for batches (``kernels.py``) on batches of one, without Python in
between; only desires of layer 1 that change no weights are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from lava_desire.backends.integers.kernels import (
    count,
    learn_dense,
    list_pairs,
    pack_inputs,
    pass_back,
    run_dense,
    run_traces,
)
from lava_desire.backends.numba.jit import njit
from lava_desire.backends.numba.philox import draw_kept
from lava_desire.backends.numba.simd import bytes_at, floats_at
from lava_desire.backends.numba.update import move_rows
from lava_desire.model.integers.limits import STATE_LIMIT

FORWARD, LEARNS, LEARNS_AND_TELLS, LEARNS_WITH_MASKS = range(4)


@njit(nogil=True)
def run_samples(
    trains: Any,
    labels: Any,
    first_number: int,
    mode: int,
    addresses: Any,
    rates: Any,
    spikes: Any,
    marks: Any,
    masks: Any,
    desires: Any,
    sizes: Any,
    delays: Any,
    constants: Any,
    filters: tuple[int, int, int, bool],
    keys: Any,
    leasts: Any,
    thresholds: Any,
    errors: Any,
    numbers: tuple[int, int, bool],
    notes: Any,
    held: Any,
    averages: Any,
    shares: Any,
) -> tuple[int, int]:
    """Run samples through a network of dense layers one by one, and learn from each (Eq. 1 to 16).

    Trains of the input are (T, S, N_0) bool, labels (S,) int64; random numbers are those of samples
    from the first number on. In mode FORWARD samples run forward alone, without dropout; LEARNS
    learns, and looks for desires in layer 1 only where they change weights; LEARNS_AND_TELLS looks
    for all; LEARNS_WITH_MASKS also takes masks as they are given.

    `addresses`, (L,) int64, are those of mantissas, (N_{ℓ−1}, N_ℓ) int8, by input, which change;
    `rates`, (L, 4) int64, mantissa and shift of each layer's learning rate and ends of its weights'
    range. `spikes`, (T · N,) bool, `marks`, (T · (N − N_0),) bool, `masks`, (N − N_L,) bool, and
    `desires`, (N − N_0,) int8, layer behind layer, are what the last sample leaves; `marks`, steps
    in which neurons may learn, are empty where these are the spikes.

    `sizes`, (L + 1,), and `delays`, (L,), are the layers'. `constants`, (L, 6) int64, are exponent
    of weights, gain with and without dropout, threshold and the ends of a band; `filters` decay of
    currents, of potentials and traces, impulse, and whether a spike deducts the threshold. `keys`,
    (3, L, 2) uint64, are those of masks, traces and weights, `leasts`, (L,), of
    :func:`~lava_desire.backends.numba.philox.draw_kept`; `thresholds`, (L − 1,), of hidden desires;
    `errors`, (3, T + 1) int16, what a neuron passes back by desire + 1 and steps; `numbers` T − m,
    θ_out in spikes and whether ties go to the earliest. `notes`, (L, 5), and `held`, (L,), are
    extended: see :func:`~.kernels.run_dense` and :func:`~.kernels.learn_dense`. `averages`, (L,)
    int64, are addresses of averages, each like the mantissas in float32, and `shares`, (S,)
    float32, by how much samples move them; both empty where there are none.

    Returns how many samples are predicted right (Sec. 4.2), and have desire.
    """
    num_layers, num_steps = len(delays), len(trains)
    ends, learns, is_near = sizes.cumsum(), mode != FORWARD, len(marks) > 0
    everyone, no_marks = masks[:0].reshape(0, 0), marks[:0].reshape(0, 1, 0)
    no_potentials, num_correct, num_active = np.empty((0, 0, 0), np.int32), 0, 0
    of_currents, decay, impulse, deducts = filters
    for sample in range(len(labels)):
        number = first_number + sample
        if mode in (LEARNS, LEARNS_AND_TELLS):
            for layer in range(num_layers):
                kept = masks[ends[layer] - sizes[layer] : ends[layer]]
                draw_kept(keys[0, layer], number, leasts[layer], kept.reshape(1, len(kept)))
        seen = spikes[: num_steps * sizes[0]].reshape(num_steps, sizes[0])
        for step in range(num_steps):
            seen[step] = trains[step, sample]
            if learns:
                for source in range(sizes[0]):
                    seen[step, source] &= masks[source]
        for layer in range(num_layers):
            begin, middle, end = ends[layer] - sizes[layer], ends[layer], ends[layer + 1]
            exponent, training_gain, gain, threshold, low, high = constants[layer]
            gain = training_gain if learns else gain
            drops, first = learns and layer + 1 < num_layers, middle - sizes[0]
            run_dense(
                _rows(addresses, sizes, layer),
                _window(spikes, begin, middle, num_steps),
                delays[layer],
                (exponent, gain, of_currents, decay, threshold, deducts),
                masks[middle:end].reshape(1, end - middle) if drops else everyone,
                _window(spikes, middle, end, num_steps),
                (low, high),
                _window(marks, first, end - sizes[0], num_steps) if drops and is_near else no_marks,
                no_potentials,
                notes[layer],
                0,
                1,
            )
        if not learns:
            continue
        begin, end = ends[num_layers - 1], ends[num_layers]
        last = desires[begin - sizes[0] :]
        is_correct, is_active = _judge(
            _window(spikes, begin, end, num_steps), labels[sample], numbers, last
        )
        num_correct += is_correct
        num_active += is_active
        desires[: begin - sizes[0]] = 0
        if is_near:
            marks[num_steps * (begin - sizes[0]) :] = True
        for layer in range(num_layers - 1 if is_active else 0, 0, -1):
            begin, middle, end = ends[layer] - sizes[layer], ends[layer], ends[layer + 1]
            _pass_back(
                _rows(addresses, sizes, layer),
                _learned(spikes, marks, middle, end, sizes[0], num_steps),
                desires[middle - sizes[0] : end - sizes[0]],
                masks[middle:end] if layer + 1 < num_layers else masks[:0],
                errors,
                thresholds[layer - 1],
                _learned(spikes, marks, begin, middle, sizes[0], num_steps),
                layer > 1 or mode != LEARNS,
                desires[begin - sizes[0] : middle - sizes[0]],
            )
        for layer in range(num_layers if is_active else 0):
            begin, middle, end = ends[layer] - sizes[layer], ends[layer], ends[layer + 1]
            held[layer] += _learn(
                _rows(addresses, sizes, layer),
                _window(spikes, begin, middle, num_steps),
                delays[layer],
                _learned(spikes, marks, middle, end, sizes[0], num_steps),
                desires[middle - sizes[0] : end - sizes[0]],
                masks[middle:end] if layer + 1 < num_layers else masks[:0],
                (of_currents, decay, impulse),
                rates[layer],
                keys[1:, layer],
                number,
            )
        for layer in range(num_layers if len(averages) else 0):
            shape = sizes[layer], sizes[layer + 1]
            means = carray(floats_at(averages[layer]), shape)
            move_rows(means, _rows(addresses, sizes, layer), shares[sample], 0, sizes[layer])
    return num_correct, num_active


@njit(nogil=True)
def _rows(addresses: Any, sizes: Any, layer: int) -> Any:
    """Return the mantissas of a layer, (N_i, N_o) int8."""
    return carray(bytes_at(addresses[layer]), (sizes[layer], sizes[layer + 1]))


@njit(nogil=True)
def _window(trains: Any, first: int, last: int, num_steps: int) -> Any:
    """Return the trains of neurons first to last of all layers, (T, 1, N) bool."""
    return trains[num_steps * first : num_steps * last].reshape(num_steps, 1, last - first)


@njit(nogil=True)
def _learned(
    spikes: Any, marks: Any, first: int, last: int, num_inputs: int, num_steps: int
) -> Any:
    """Return the steps in which neurons first to last of all layers may learn, (T, 1, N) bool."""
    if len(marks):
        return _window(marks, first - num_inputs, last - num_inputs, num_steps)
    return _window(spikes, first, last, num_steps)


@njit(nogil=True)
def _judge(outputs: Any, label: int, numbers: tuple[int, int, bool], desire: Any) -> Any:
    """Fill in the desires of the output neurons; tell whether label is predicted, and any desires.

    See :func:`~lava_desire.rule.predict` and :func:`lava_desire.fixed.output_desire`.
    """
    full_count, threshold, breaks_ties = numbers
    counts = count(outputs.view(np.uint8), np.zeros(1, np.int64))[0]
    last = np.zeros(len(desire), np.int64)
    for step in range(len(outputs)):
        for j in range(len(desire)):
            if outputs[step, 0, j]:
                last[j] = step + 1
    is_correct: Any = True
    is_active: Any = False
    for j in range(len(desire)):
        if j == label:
            desire[j] = full_count - counts[j] > threshold
        else:
            desire[j] = -np.int8(counts[j] > threshold)
            loses = breaks_ties and counts[j] == counts[label] and last[j] > last[label]
            is_correct &= counts[j] < counts[label] or loses
        is_active |= desire[j] != 0
    return is_correct, is_active


@njit(nogil=True)
def _pass_back(
    rows: Any,
    outputs: Any,
    desire: Any,
    kept: Any,
    errors: Any,
    threshold: int,
    inputs: Any,
    all_of_them: bool,
    desires: Any,
) -> None:
    """Pass the desires of a layer, (N_o,) int8, to the one before, (N_i,) int8 (Eq. 13 to 15).

    `inputs` and `outputs` are the steps in which these and those may learn; unless `all_of_them`
    are wanted, desires of neurons that have no such step stay 0.
    """
    only = np.zeros(1, np.int64)
    counts, asked = count(outputs.view(np.uint8), only)[0], np.ones(len(desires), np.int64)
    if not all_of_them:
        asked = count(inputs.view(np.uint8), only)[0]
    error, sums = np.empty((1, len(desire)), np.int16), np.empty((1, len(desires)), np.int32)
    for j in range(len(desire)):
        sign = desire[j] if len(kept) == 0 or kept[j] else 0
        error[0, j] = errors[sign + 1, counts[j]]
    for source in range(len(desires)):
        if asked[source]:
            pass_back(rows, error, sums, source, source + 1)
            z = min(max(np.int64(sums[0, source]), -STATE_LIMIT), STATE_LIMIT)
            desires[source] = np.int8(z > threshold) - np.int8(z < -threshold)


@njit(nogil=True)
def _learn(
    rows: Any,
    inputs: Any,
    delay: int,
    outputs: Any,
    desire: Any,
    kept: Any,
    constants: tuple[int, int, int],
    rate: Any,
    keys: Any,
    number: int,
) -> int:
    """Change the weights of a layer; return how many were held at the end of their range (Eq. 4).

    `rate` are a layer's of `rates`, and `keys` those of its traces and weights, of
    :func:`run_samples`.
    """
    mantissa, shift, lowest, highest = rate
    if mantissa == 0:
        return 0
    signs = desire.reshape(1, len(desire)).copy()
    for j in range(len(kept)):
        signs[0, j] *= kept[j]
    samples, begin, places = list_pairs(outputs, signs)
    if len(samples) == 0:
        return 0
    num_in, num_out = rows.shape
    no_terms, no_bits = np.empty((0, num_in), np.int64), np.empty(0, np.int64)
    parts, packed = pack_inputs(inputs, samples, no_terms)
    traces = np.empty((len(inputs), packed.shape[2]), np.uint8)
    counters = (num_in + 7) // 8
    first = number * len(inputs) * counters
    run_traces(packed, 0, delay, constants, parts, keys[0], first, counters, traces)
    rounding = (shift, keys[1], number * num_out * counters, lowest, highest)
    factors, everyone = (no_terms, no_terms, no_bits), (0, num_out)
    pairs = (rows, traces, begin, places)
    held: int = learn_dense(*pairs, mantissa, *factors, parts, rounding, *everyone)
    return held
