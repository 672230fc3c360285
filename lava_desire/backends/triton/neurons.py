"""Triton: neurons over a window. Scan, spike counts, mean rates, traces, output desires.

A spike train is one word, bit t the spike of step t; a membrane potential and a trace stay in a
register for the whole window. The order of operations is that of :mod:`lava_desire.rule`; kernels
are launched with ``enable_fp_fusion=False``, so that a product and a sum are never fused into one
operation with one rounding.

What depends on a spike count alone (rates, local errors, output desires) is read from tables that
the rule fills on the host: no division is done here.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def popcount(word):
    """Count the bits of words, two, four, eight … at a time."""
    # The masks undo that a signed word is shifted with its sign.
    word = word.to(tl.int64)
    word = word - ((word >> 1) & 0x5555555555555555)
    word = (word & 0x3333333333333333) + ((word >> 2) & 0x3333333333333333)
    word = (word + (word >> 4)) & 0x0F0F0F0F0F0F0F0F
    return ((word * 0x0101010101010101) >> 56).to(tl.int32)


@triton.jit
def brain_terms(values, TERM: tl.constexpr):
    """Split float32 values into two bfloat16 numbers, rounded to nearest, held as TERM.

    Triton's interpreter multiplies the bits of bfloat16 as if they were integers: there TERM is
    float32, and the numbers are the same.
    """
    if TERM == tl.bfloat16:
        high = values.to(tl.bfloat16)
        low = (values - high.to(tl.float32)).to(tl.bfloat16)
    else:
        high = _round_to_brain(values)
        low = _round_to_brain(values - high)
    return high, low


@triton.jit
def _round_to_brain(values):
    """Round float32 to the nearest that bfloat16 holds, ties to even."""
    bits = values.to(tl.int32, bitcast=True)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & -0x10000
    return bits.to(tl.float32, bitcast=True)


@triton.jit
def lif_scan_kernel(
    currents,
    keep,
    words,
    size,
    DECAY: tl.constexpr,
    SYNAPSE_DECAY: tl.constexpr,
    THRESHOLD: tl.constexpr,
    NUM_STEPS: tl.constexpr,
    SUBTRACT: tl.constexpr,
    MASKED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Run leaky integrate-and-fire neurons from rest (Eq. 1 and 16).

    `currents` is (T, size) float32, `keep` (size,) bool where MASKED, `words` (size,), filled.
    """
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < size
    kept = inside
    if MASKED:
        kept = tl.load(keep + place, mask=inside, other=0) != 0
    potential = tl.zeros((BLOCK,), tl.float32)
    current = tl.zeros((BLOCK,), tl.float32)
    word = tl.zeros((BLOCK,), words.dtype.element_ty)
    current_at = currents + place
    for step in tl.static_range(NUM_STEPS):
        arrived = tl.load(current_at, mask=inside, other=0.0)
        if SYNAPSE_DECAY > 0:
            current = SYNAPSE_DECAY * current + arrived
            arrived = current
        potential = DECAY * potential + arrived
        fires = (potential >= THRESHOLD) & kept
        word = word | (fires.to(words.dtype.element_ty) << step)
        if SUBTRACT:
            potential = tl.where(fires, potential - THRESHOLD, potential)
        else:
            potential = tl.where(fires, 0.0, potential)
        current_at += size
    tl.store(words + place, word, mask=inside)


@triton.jit
def take_kernel(
    trains,
    keep,
    place,
    words,
    num_samples,
    num_in,
    MASKED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Take a minibatch out of the trains of many samples, dropped neurons silent.

    `trains` is (S, N), `place` the number of the first sample, one int64, `keep` (B, N) bool where
    MASKED, `words` (B, N), filled.
    """
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < num_samples * num_in
    kept = inside
    if MASKED:
        kept = tl.load(keep + at, mask=inside, other=0) != 0
    word = tl.load(trains + tl.load(place) * num_in + at, mask=kept, other=0)
    tl.store(words + at, word, mask=inside)


@triton.jit
def spread_kernel(
    words,
    spikes,
    num_samples,
    num_in,
    stride,
    DELAY: tl.constexpr,
    NUM_STEPS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Unpack trains, (B, N), into numbers, (T, B, stride), N rounded up; `DELAY` steps later."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    sample = place // stride
    neuron = place % stride
    inside = sample < num_samples
    word = tl.load(words + sample * num_in + neuron, mask=inside & (neuron < num_in), other=0)
    word = word << DELAY
    at = spikes + place
    for step in tl.static_range(NUM_STEPS):
        spike = (word >> step) & 1
        tl.store(at, spike.to(tl.float32).to(spikes.dtype.element_ty), mask=inside)
        at += num_samples * stride


@triton.jit
def count_kernel(words, counts, size, BLOCK: tl.constexpr):
    """Count spikes: (size,) words → (size,) int64."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < size
    count = popcount(tl.load(words + place, mask=inside, other=0))
    tl.store(counts + place, count.to(tl.int64), mask=inside)


@triton.jit
def list_kernel(
    desire,
    active,
    num_active,
    num_samples,
    num_neurons,
    BLOCK_NEURONS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """List the samples with desire: (B, N) int8 → the first `num_active` of (B,) int32.

    The length of the list stays on the device, so that a step needs no answer from it. One program.
    """
    sample = tl.arange(0, BLOCK)
    wanted = tl.zeros((BLOCK,), tl.int32)
    for start in range(0, num_neurons, BLOCK_NEURONS):
        neuron = start + tl.arange(0, BLOCK_NEURONS)
        signs = tl.load(
            desire + sample[:, None].to(tl.int64) * num_neurons + neuron[None, :],
            mask=(sample < num_samples)[:, None] & (neuron < num_neurons)[None, :],
            other=0,
        )
        wanted |= tl.max((signs != 0).to(tl.int32), 1)
    place = tl.cumsum(wanted, 0) - 1
    tl.store(active + place, sample, mask=wanted != 0)
    tl.store(num_active, tl.sum(wanted, 0))


@triton.jit
def follow_kernel(
    words,
    rates,
    seen,
    active,
    num_active,
    num_samples,
    num_in,
    LISTED: tl.constexpr,
    SAMPLES_MEANT: tl.constexpr,
    NUM_STEPS: tl.constexpr,
    BLOCK_SAMPLES: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Let mean rates follow a minibatch.

    As :meth:`~lava_desire.model.rates.InputRates.follow`: `words` is (B, N_i), `rates` (N_i,)
    float64, changed, `seen` one int64, the samples before these.
    Where LISTED, it follows the first `num_active` samples of `active` alone.
    """
    inputs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = inputs < num_in
    total = tl.zeros((BLOCK,), tl.int32)
    number = num_samples
    if LISTED:
        number = tl.load(num_active)
    for start in range(0, number, BLOCK_SAMPLES):
        place = start + tl.arange(0, BLOCK_SAMPLES)
        samples = place
        if LISTED:
            samples = tl.load(active + place, mask=place < number, other=0)
        word = tl.load(
            words + samples[:, None].to(tl.int64) * num_in + inputs[None, :],
            mask=(place < number)[:, None] & inside[None, :],
            other=0,
        )
        total += tl.sum(popcount(word), 0)
    batch = tl.zeros((BLOCK,), tl.float64) + number
    horizon = tl.maximum(tl.minimum(tl.load(seen) + number, SAMPLES_MEANT), number)
    share = batch / tl.maximum(horizon, 1).to(tl.float64)
    slots = tl.maximum(batch, 1.0) * NUM_STEPS
    rate = tl.load(rates + inputs, mask=inside, other=0.0)
    rate = rate + share * (total.to(tl.float64) / slots - rate)
    tl.store(rates + inputs, rate, mask=inside)


@triton.jit
def pair_kernel(
    words,
    outputs,
    desire,
    active,
    num_active,
    high,
    low,
    signed,
    net_spikes,
    num_in,
    num_out,
    in_stride,
    out_stride,
    DELAY: tl.constexpr,
    DECAY: tl.constexpr,
    SYNAPSE_DECAY: tl.constexpr,
    NUM_STEPS: tl.constexpr,
    EXACT: tl.constexpr,
    COUNTED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Write what an update pairs: traces (Eq. 3) and signed spikes of the listed samples.

    `words` is (B, N_i), `outputs` and `desire` (B, N_o), int8. `high` and `low` are (B·T, N_i) and
    `signed`, d · s, (B·T, N_o), with rows of the strides given: a row a step, sample after sample
    in the order of the list; float64 where EXACT, and `low` is not touched, else the two terms of a
    float32 trace. Where COUNTED, spikes signed by desire are added to `net_spikes`, (N_o,) int32.
    What is behind the last neuron of a row is 0. A program a sample and BLOCK inputs or, behind
    those, BLOCK outputs.
    """
    place = tl.program_id(0)
    if place < tl.load(num_active):
        sample = tl.load(active + place).to(tl.int64)
        row = place.to(tl.int64) * NUM_STEPS
        blocks_in = tl.cdiv(in_stride, BLOCK)
        block = tl.program_id(1)
        if block < blocks_in:
            inputs = block * BLOCK + tl.arange(0, BLOCK)
            inside = inputs < in_stride
            word = tl.load(words + sample * num_in + inputs, mask=inputs < num_in, other=0) << DELAY
            at = row * in_stride + inputs
            trace = tl.zeros((BLOCK,), tl.float64 if EXACT else tl.float32)
            current = trace
            for step in tl.static_range(NUM_STEPS):
                arrived = ((word >> step) & 1).to(trace.dtype)
                if SYNAPSE_DECAY > 0:
                    current = SYNAPSE_DECAY * current + arrived
                    arrived = current
                trace = DECAY * trace + arrived
                if EXACT:
                    tl.store(high + at, trace, mask=inside)
                else:
                    first, second = brain_terms(trace, high.dtype.element_ty)
                    tl.store(high + at, first, mask=inside)
                    tl.store(low + at, second, mask=inside)
                at += in_stride
        else:
            neurons = (block - blocks_in) * BLOCK + tl.arange(0, BLOCK)
            real = neurons < num_out
            inside = neurons < out_stride
            word = tl.load(outputs + sample * num_out + neurons, mask=real, other=0)
            sign = tl.load(desire + sample * num_out + neurons, mask=real, other=0).to(tl.int32)
            at = row * out_stride + neurons
            for step in tl.static_range(NUM_STEPS):
                spike = ((word >> step) & 1).to(tl.int32) * sign
                tl.store(signed + at, spike.to(tl.float32).to(signed.dtype.element_ty), mask=inside)
                at += out_stride
            if COUNTED:
                tl.atomic_add(net_spikes + neurons, popcount(word) * sign, mask=real, sem="relaxed")


@triton.jit
def teach_kernel(
    words,
    labels,
    place,
    table,
    errors,
    desire,
    error,
    prediction,
    num_classes,
    NUM_COUNTS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Fill in predictions, output desires and errors (Eq. 11 and 14); a program a sample.

    `labels` is int64, that of the first sample at the one that `place` holds, one int64; `table`
    (2, T + 1) int8, desire by count, of other classes and of the label's; `errors` (3, T + 1)
    float32 by desire + 1 and count (Eq. 14). `desire` (B, K) int8, `error` (B, K) float32 and
    `prediction` (B,) int64 are filled, the latter with −1 for a tie.
    """
    sample = tl.program_id(0)
    classes = tl.arange(0, BLOCK)
    inside = classes < num_classes
    at = sample * num_classes + classes
    word = tl.load(words + at, mask=inside, other=0)
    count = popcount(word)
    ranked = tl.where(inside, count, -1)
    largest = tl.max(ranked, 0)
    winners = tl.sum((ranked == largest).to(tl.int32), 0)
    winner = tl.max(tl.where(ranked == largest, classes, -1), 0)
    tl.store(prediction + sample, tl.where(winners == 1, winner, -1).to(tl.int64))
    is_label = (classes == tl.load(labels + tl.load(place) + sample)).to(tl.int32)
    wanted = tl.load(table + is_label * NUM_COUNTS + count, mask=inside, other=0)
    tl.store(desire + at, wanted, mask=inside)
    missed = tl.load(errors + (wanted.to(tl.int32) + 1) * NUM_COUNTS + count, mask=inside, other=0)
    tl.store(error + at, missed, mask=inside)


@triton.jit
def advance_kernel(
    prediction,
    labels,
    num_active,
    totals,
    place,
    position,
    num_samples,
    BLOCK: tl.constexpr,
):
    """End a step: count what was right and what had desire, go on to the next samples.

    `totals` is (2,) int64, `place` and `position` one int64 each: where in the labels the step
    began, and the number of its first sample. One program.
    """
    sample = tl.arange(0, BLOCK)
    inside = sample < num_samples
    begun = tl.load(place)
    said = tl.load(prediction + sample, mask=inside, other=-1)
    right = said == tl.load(labels + begun + sample, mask=inside, other=-2)
    tl.store(totals, tl.load(totals) + tl.sum(right.to(tl.int64), 0))
    tl.store(totals + 1, tl.load(totals + 1) + tl.load(num_active).to(tl.int64))
    tl.store(place, begun + num_samples)
    tl.store(position, tl.load(position) + num_samples)
