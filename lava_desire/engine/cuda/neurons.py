"""Triton: neurons over a window. Scan, spike counts, traces, desires.

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
    word = tl.zeros((BLOCK,), words.dtype.element_ty)
    current_at = currents + place
    for step in tl.static_range(NUM_STEPS):
        potential = DECAY * potential + tl.load(current_at, mask=inside, other=0.0)
        fires = (potential >= THRESHOLD) & kept
        word = word | (fires.to(words.dtype.element_ty) << step)
        if SUBTRACT:
            potential = tl.where(fires, potential - THRESHOLD, potential)
        else:
            potential = tl.where(fires, 0.0, potential)
        current_at += size
    tl.store(words + place, word, mask=inside)


@triton.jit
def count_kernel(words, counts, size, BLOCK: tl.constexpr):
    """Count spikes: (size,) words → (size,) int64."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < size
    count = popcount(tl.load(words + place, mask=inside, other=0))
    tl.store(counts + place, count.to(tl.int64), mask=inside)


@triton.jit
def compact_kernel(desiring, active, num_active, num_samples, BLOCK: tl.constexpr):
    """List the samples that desire: (B,) bool → the first `num_active` of (B,) int32; one program.

    The length of the list stays on the device, so that a step needs no answer from it.
    """
    sample = tl.arange(0, BLOCK)
    wanted = tl.load(desiring + sample, mask=sample < num_samples, other=0) != 0
    place = tl.cumsum(wanted.to(tl.int32), 0) - 1
    tl.store(active + place, sample, mask=wanted)
    tl.store(num_active, tl.sum(wanted.to(tl.int32), 0))


@triton.jit
def trace_kernel(
    words,
    active,
    num_active,
    high,
    low,
    num_in,
    LAG: tl.constexpr,
    DECAY: tl.constexpr,
    NUM_STEPS: tl.constexpr,
    EXACT: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Trace the inputs of the listed samples (Eq. 3); a program a sample and BLOCK inputs.

    `high` and `low` are (B·T, N_i), a row a step, sample after sample in the order of the list:
    float64 where EXACT, and `low` is not touched; else the terms of a float32 trace.
    """
    place = tl.program_id(0)
    if place < tl.load(num_active):
        sample = tl.load(active + place).to(tl.int64)
        inputs = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
        inside = inputs < num_in
        word = tl.load(words + sample * num_in + inputs, mask=inside, other=0) << LAG
        at = place.to(tl.int64) * NUM_STEPS * num_in + inputs
        trace = tl.zeros((BLOCK,), tl.float64 if EXACT else tl.float32)
        for step in tl.static_range(NUM_STEPS):
            trace = DECAY * trace + ((word >> step) & 1).to(trace.dtype)
            if EXACT:
                tl.store(high + at, trace, mask=inside)
            else:
                first, second = brain_terms(trace, high.dtype.element_ty)
                tl.store(high + at, first, mask=inside)
                tl.store(low + at, second, mask=inside)
            at += num_in


@triton.jit
def teach_kernel(
    words,
    labels,
    table,
    desire,
    prediction,
    num_classes,
    NUM_COUNTS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Read off what the output layer says, and what it ought to (Eq. 11); a program a sample.

    `table` is (2, T + 1) int8, desire by count, of other classes and of the label's; `desire`
    (B, K) int8 and `prediction` (B,) int64 are filled, the latter with −1 for a tie.
    """
    sample = tl.program_id(0)
    classes = tl.arange(0, BLOCK)
    inside = classes < num_classes
    count = popcount(tl.load(words + sample * num_classes + classes, mask=inside, other=0))
    ranked = tl.where(inside, count, -1)
    largest = tl.max(ranked, 0)
    winners = tl.sum((ranked == largest).to(tl.int32), 0)
    winner = tl.max(tl.where(ranked == largest, classes, -1), 0)
    tl.store(prediction + sample, tl.where(winners == 1, winner, -1).to(tl.int64))
    is_label = (classes == tl.load(labels + sample)).to(tl.int32)
    wanted = tl.load(table + is_label * NUM_COUNTS + count, mask=inside, other=0)
    tl.store(desire + sample * num_classes + classes, wanted, mask=inside)
