"""Triton: sums over synapses and over a window, on the tensor cores.

Two arithmetics:

exact
    float64, rounded once to float32: the products are the float64 instructions of the tensor cores
    (from compute capability 8.0). Server GPUs have them at a fraction of their bfloat16 rate, other
    GPUs hardly at all.
otherwise
    Weights and traces as the sum of two bfloat16 terms, sums in float32: two bfloat16 products.
    Spikes and signs are 0 and ±1, which bfloat16 holds exactly.

Rows of operands are as long as their stride, a multiple of 64, and hold zeros behind the last
neuron. The inner loops read what they multiply, so that reads can be started ahead.
"""

from __future__ import annotations

import triton
import triton.language as tl

from lava_desire.backends.triton.neurons import brain_terms, popcount


@triton.jit
def exact_current_kernel(
    words,
    weights,
    currents,
    num_samples,
    num_in,
    num_out,
    GAIN: tl.constexpr,
    DELAY: tl.constexpr,
    NUM_STEPS: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
):
    """Sum the weighted spikes of every neuron and step in float64, W (g·u) of Eq. 1.

    `words` is (B, N_i), `weights` (N_o, N_i) float32, `currents` (T, B, N_o) float32, filled; a
    row is a step of a sample.
    """
    rows = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    outputs = tl.program_id(1) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    steps, samples = rows // num_samples, rows % num_samples
    row_inside = steps < NUM_STEPS
    output_inside = outputs < num_out
    total = tl.zeros((BLOCK_ROWS, BLOCK_OUT), tl.float64)
    for start in range(0, num_in, BLOCK_IN):
        inputs = start + tl.arange(0, BLOCK_IN)
        input_inside = inputs < num_in
        trains = tl.load(
            words + samples[:, None].to(tl.int64) * num_in + inputs[None, :],
            mask=row_inside[:, None] & input_inside[None, :],
            other=0,
        )
        spikes = ((trains << DELAY) >> steps[:, None]) & 1
        weight = tl.load(
            weights + outputs[None, :].to(tl.int64) * num_in + inputs[:, None],
            mask=input_inside[:, None] & output_inside[None, :],
            other=0.0,
        )
        total = tl.dot(spikes.to(tl.float64), weight.to(tl.float64), total, out_dtype=tl.float64)
    tl.store(
        currents + rows[:, None].to(tl.int64) * num_out + outputs[None, :],
        (total * GAIN).to(tl.float32),
        mask=row_inside[:, None] & output_inside[None, :],
    )


@triton.jit
def current_kernel(
    spikes,
    terms,
    currents,
    num_rows,
    num_out,
    stride,
    GAIN: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
):
    """Sum the weighted spikes of every neuron and step, W (g·u) of Eq. 1, by two terms a weight.

    `spikes` is (R, stride), a row a step of a sample, `terms` (2, N_o, stride), `currents`
    (R, N_o) float32, filled. `stride` is a multiple of BLOCK_IN.
    """
    rows = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    outputs = tl.program_id(1) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    inputs = tl.arange(0, BLOCK_IN)
    # Beyond the last row and neuron others are computed again, and not stored.
    spikes_at = spikes + (rows % num_rows)[:, None].to(tl.int64) * stride + inputs[None, :]
    high_at = terms + (outputs % num_out)[None, :].to(tl.int64) * stride + inputs[:, None]
    low_at = high_at + num_out * stride
    total = tl.zeros((BLOCK_ROWS, BLOCK_OUT), tl.float32)
    for _ in range(0, stride, BLOCK_IN):
        ones = tl.load(spikes_at)
        total = tl.dot(ones, tl.load(high_at), total)
        total = tl.dot(ones, tl.load(low_at), total)
        spikes_at += BLOCK_IN
        high_at += BLOCK_IN
        low_at += BLOCK_IN
    tl.store(
        currents + rows[:, None].to(tl.int64) * num_out + outputs[None, :],
        total * GAIN,
        mask=(rows < num_rows)[:, None] & (outputs < num_out)[None, :],
    )


@triton.jit
def hidden_desire_kernel(
    errors,
    active,
    num_active,
    weights,
    words,
    keep,
    table,
    passed,
    passed_errors,
    num_in,
    num_out,
    THRESHOLD: tl.constexpr,
    NUM_COUNTS: tl.constexpr,
    MASKED: tl.constexpr,
    BLOCK_SAMPLES: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
):
    """Pass desires to the layer before, sgn(Wᵀ c) where it exceeds a threshold (Eq. 13 to 15).

    `errors`, c, is (B, N_o) float32, `words` and `keep` (B, N_i), the latter bool where MASKED,
    `table` (3, T + 1) float32, errors by desire + 1 and count (Eq. 14). Of the listed samples,
    `passed` (B, N_i) int8, 0 where dropped, and `passed_errors` (B, N_i) float32 are filled. Sums
    are float64 in either arithmetic, as in the torch operations; most samples have no desire, which
    is why this is no matrix product.
    """
    first = tl.program_id(0) * BLOCK_SAMPLES
    listed = tl.load(num_active)
    if first < listed:
        slots = first + tl.arange(0, BLOCK_SAMPLES)
        inputs = tl.program_id(1) * BLOCK_IN + tl.arange(0, BLOCK_IN)
        sample_inside = slots < listed
        input_inside = inputs < num_in
        samples = tl.load(active + slots, mask=sample_inside, other=0).to(tl.int64)
        total = tl.zeros((BLOCK_SAMPLES, BLOCK_OUT, BLOCK_IN), tl.float64)
        for start in range(0, num_out, BLOCK_OUT):
            outputs = start + tl.arange(0, BLOCK_OUT)
            output_inside = outputs < num_out
            error = tl.load(
                errors + samples[:, None] * num_out + outputs[None, :],
                mask=sample_inside[:, None] & output_inside[None, :],
                other=0.0,
            )
            weight = tl.load(
                weights + outputs[:, None].to(tl.int64) * num_in + inputs[None, :],
                mask=output_inside[:, None] & input_inside[None, :],
                other=0.0,
            )
            total += error.to(tl.float64)[:, :, None] * weight.to(tl.float64)[None, :, :]
        store_desires(
            tl.sum(total, 1).to(tl.float32),
            samples[:, None] * num_in + inputs[None, :],
            sample_inside[:, None] & input_inside[None, :],
            words,
            keep,
            table,
            passed,
            passed_errors,
            THRESHOLD,
            NUM_COUNTS,
            MASKED,
        )


@triton.jit
def store_desires(
    z,
    at,
    inside,
    words,
    keep,
    table,
    passed,
    passed_errors,
    THRESHOLD: tl.constexpr,
    NUM_COUNTS: tl.constexpr,
    MASKED: tl.constexpr,
):
    """Store the desires of what has been sent back, z, and their errors (Eq. 14 and 15)."""
    desire = (z > THRESHOLD).to(tl.int32) - (z < -THRESHOLD).to(tl.int32)
    if MASKED:
        desire = tl.where(tl.load(keep + at, mask=inside, other=0) != 0, desire, 0)
    count = popcount(tl.load(words + at, mask=inside, other=0))
    tl.store(passed + at, desire.to(tl.int8), mask=inside)
    error = tl.load(table + (desire + 1) * NUM_COUNTS + count, mask=inside, other=0.0)
    tl.store(passed_errors + at, error, mask=inside)


@triton.jit
def update_kernel(
    signed,
    high,
    low,
    num_active,
    weights,
    rate,
    terms,
    posts,
    pres,
    average,
    shares,
    place,
    num_in,
    num_out,
    in_stride,
    out_stride,
    num_samples,
    NUM_STEPS: tl.constexpr,
    EXACT: tl.constexpr,
    SPLIT: tl.constexpr,
    NUM_TERMS: tl.constexpr,
    LIMIT: tl.constexpr,
    AVERAGED: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
):
    """Add η Σ d_o s_o r_i of the listed samples to the weights (Eq. 4), which are touched once.

    `signed`, `high` and `low` are what ``pair_kernel`` makes,
    `weights` (N_o, N_i) float32, `rate` one float64. What else happens to a weight happens here:

    SPLIT
        Its two terms are written to `terms`, (2, N_o, in_stride).
    NUM_TERMS
        Products of `posts`, (K, N_o) float32, and `pres`, (K, N_i) float32, are added to it, one
        after the other.
    LIMIT
        It is clipped to this magnitude where that is not 0.
    AVERAGED
        `average`, (N_o, N_i) float32, moves towards it by the share of the step that begins at
        sample `place` of its chunk, of `shares`, float32.
    """
    num_rows = tl.load(num_active) * NUM_STEPS
    outputs = tl.program_id(0) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    output_inside = outputs < num_out
    changes = AVERAGED or num_rows > 0
    for term in tl.static_range(NUM_TERMS):
        post = tl.load(posts + term * num_out + outputs, mask=output_inside, other=0.0)
        changes = changes or tl.max(tl.abs(post), 0) > 0
    if changes:
        inputs = tl.program_id(1) * BLOCK_IN + tl.arange(0, BLOCK_IN)
        rows = tl.arange(0, BLOCK_ROWS)
        signed_at = signed + rows[:, None].to(tl.int64) * out_stride + outputs[None, :]
        high_at = high + rows[:, None].to(tl.int64) * in_stride + inputs[None, :]
        low_at = low + rows[:, None].to(tl.int64) * in_stride + inputs[None, :]
        total = tl.zeros((BLOCK_OUT, BLOCK_IN), tl.float64 if EXACT else tl.float32)
        for start in range(0, num_rows, BLOCK_ROWS):
            row_inside = (start + rows < num_rows)[:, None]
            inside = row_inside & (inputs < in_stride)[None, :]
            ones = tl.load(signed_at, mask=row_inside & (outputs < out_stride)[None, :], other=0.0)
            ones = tl.trans(ones)
            trace = tl.load(high_at, mask=inside, other=0.0)
            if EXACT:
                total = tl.dot(ones, trace, total, out_dtype=tl.float64)
            else:
                total = tl.dot(ones, trace, total)
                total = tl.dot(ones, tl.load(low_at, mask=inside, other=0.0), total)
            signed_at += BLOCK_ROWS * out_stride
            high_at += BLOCK_ROWS * in_stride
            low_at += BLOCK_ROWS * in_stride
        at = outputs[:, None].to(tl.int64) * num_in + inputs[None, :]
        inside = output_inside[:, None] & (inputs < num_in)[None, :]
        weight = tl.load(weights + at, mask=inside, other=0.0)
        weight += (tl.load(rate).to(total.dtype) * total).to(tl.float32)
        for term in tl.static_range(NUM_TERMS):
            post = tl.load(posts + term * num_out + outputs, mask=output_inside, other=0.0)
            pre = tl.load(pres + term * num_in + inputs, mask=inputs < num_in, other=0.0)
            weight += post[:, None] * pre[None, :]
        if LIMIT > 0:
            weight = tl.minimum(tl.maximum(weight, -LIMIT), LIMIT)
        tl.store(weights + at, weight, mask=inside)
        if SPLIT:
            first, second = brain_terms(weight, terms.dtype.element_ty)
            split_at = terms + outputs[:, None].to(tl.int64) * in_stride + inputs[None, :]
            tl.store(split_at, first, mask=inside)
            tl.store(split_at + num_out * in_stride, second, mask=inside)
        if AVERAGED:
            mean = tl.load(average + at, mask=inside, other=0.0)
            share = tl.load(shares + tl.load(place) // num_samples)
            near = share < 0.5
            # As torch's lerp: from the nearer end, fused.
            factor = tl.where(near, share, share - 1.0)
            moved = tl.fma(
                factor + tl.zeros_like(mean), weight - mean, tl.where(near, mean, weight)
            )
            tl.store(average + at, moved, mask=inside)
