"""Triton: sums over synapses and over a window, on the tensor cores.

Spikes are unpacked from their words in registers and never lie in memory as numbers. Each kernel
knows two arithmetics:

EXACT
    float64, rounded once to float32: the products are the float64 instructions of the tensor cores
    (from compute capability 8.0). Server GPUs have them at a fraction of their bfloat16 rate, other
    GPUs hardly at all.
otherwise
    Weights and traces as the sum of two bfloat16 terms, sums in float32: two bfloat16 products.
    Spikes and signs are 0 and ±1, which bfloat16 holds exactly.
"""

from __future__ import annotations

import triton
import triton.language as tl

from lava_desire.engine.cuda.neurons import brain_terms, popcount


@triton.jit
def current_kernel(
    words,
    weights,
    currents,
    num_samples,
    num_in,
    num_out,
    GAIN: tl.constexpr,
    LAG: tl.constexpr,
    NUM_STEPS: tl.constexpr,
    EXACT: tl.constexpr,
    TERM: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
):
    """Sum the weighted spikes of every neuron and step, W (g·u) of Eq. 1.

    `words` is (B, N_i), `weights` (N_o, N_i) float32, `currents` (T, B, N_o) float32, filled; a
    row is a step of a sample.
    """
    rows = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    outputs = tl.program_id(1) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    steps, samples = rows // num_samples, rows % num_samples
    row_inside = steps < NUM_STEPS
    output_inside = outputs < num_out
    total = tl.zeros((BLOCK_ROWS, BLOCK_OUT), tl.float64 if EXACT else tl.float32)
    for start in range(0, num_in, BLOCK_IN):
        inputs = start + tl.arange(0, BLOCK_IN)
        input_inside = inputs < num_in
        trains = tl.load(
            words + samples[:, None].to(tl.int64) * num_in + inputs[None, :],
            mask=row_inside[:, None] & input_inside[None, :],
            other=0,
        )
        spikes = ((trains << LAG) >> steps[:, None]) & 1
        weight = tl.load(
            weights + outputs[None, :].to(tl.int64) * num_in + inputs[:, None],
            mask=input_inside[:, None] & output_inside[None, :],
            other=0.0,
        )
        if EXACT:
            total = tl.dot(
                spikes.to(tl.float64), weight.to(tl.float64), total, out_dtype=tl.float64
            )
        else:
            high, low = brain_terms(weight, TERM)
            ones = spikes.to(tl.float32).to(TERM)
            total = tl.dot(ones, high, total)
            total = tl.dot(ones, low, total)
    tl.store(
        currents + rows[:, None].to(tl.int64) * num_out + outputs[None, :],
        (total * GAIN).to(tl.float32),
        mask=row_inside[:, None] & output_inside[None, :],
    )


@triton.jit
def hidden_desire_kernel(
    desire,
    keep,
    words,
    errors,
    weights,
    passed,
    num_samples,
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

    `desire` is (B, N_o) int8, `keep` (B, N_o) bool where MASKED, `words` (B, N_o), `errors`
    (3, T + 1) float32 by desire + 1 and count (Eq. 14), `passed` (B, N_i) int8, filled. Sums are
    float64 in either arithmetic, as in the torch operations.
    """
    samples = tl.program_id(0) * BLOCK_SAMPLES + tl.arange(0, BLOCK_SAMPLES)
    inputs = tl.program_id(1) * BLOCK_IN + tl.arange(0, BLOCK_IN)
    sample_inside = samples < num_samples
    input_inside = inputs < num_in
    total = tl.zeros((BLOCK_SAMPLES, BLOCK_IN), tl.float64)
    for start in range(0, num_out, BLOCK_OUT):
        outputs = start + tl.arange(0, BLOCK_OUT)
        output_inside = outputs < num_out
        at = samples[:, None].to(tl.int64) * num_out + outputs[None, :]
        inside = sample_inside[:, None] & output_inside[None, :]
        wanted = tl.load(desire + at, mask=inside, other=0).to(tl.int32)
        if MASKED:
            kept = tl.load(keep + at, mask=inside, other=0) != 0
            wanted = tl.where(kept, wanted, 0)
        count = popcount(tl.load(words + at, mask=inside, other=0))
        error = tl.load(errors + (wanted + 1) * NUM_COUNTS + count)
        weight = tl.load(
            weights + outputs[:, None].to(tl.int64) * num_in + inputs[None, :],
            mask=output_inside[:, None] & input_inside[None, :],
            other=0.0,
        )
        total = tl.dot(error.to(tl.float64), weight.to(tl.float64), total, out_dtype=tl.float64)
    z = total.to(tl.float32)
    tl.store(
        passed + samples[:, None].to(tl.int64) * num_in + inputs[None, :],
        (z > THRESHOLD).to(tl.int8) - (z < -THRESHOLD).to(tl.int8),
        mask=sample_inside[:, None] & input_inside[None, :],
    )


@triton.jit
def update_kernel(
    signs,
    words,
    high,
    low,
    active,
    num_active,
    weights,
    rate,
    num_in,
    num_out,
    NUM_STEPS: tl.constexpr,
    EXACT: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
):
    """Add η Σ d_o s_o r_i of the listed samples to the weights (Eq. 4).

    `signs` is d · mask, (B, N_o) int8, `words` (B, N_o), `high` and `low` the traces of
    :func:`~lava_desire.engine.cuda.neurons.trace_kernel`, `weights` (N_o, N_i) float32, `rate` one
    float64. Every weight is read and written once.
    """
    outputs = tl.program_id(0) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    inputs = tl.program_id(1) * BLOCK_IN + tl.arange(0, BLOCK_IN)
    output_inside = outputs < num_out
    input_inside = inputs < num_in
    num_rows = tl.load(num_active) * NUM_STEPS
    total = tl.zeros((BLOCK_OUT, BLOCK_IN), tl.float64 if EXACT else tl.float32)
    for start in range(0, num_rows, BLOCK_ROWS):
        rows = start + tl.arange(0, BLOCK_ROWS)
        row_inside = rows < num_rows
        samples = tl.load(active + rows // NUM_STEPS, mask=row_inside, other=0)
        at = samples[None, :].to(tl.int64) * num_out + outputs[:, None]
        inside = output_inside[:, None] & row_inside[None, :]
        fired = (tl.load(words + at, mask=inside, other=0) >> (rows % NUM_STEPS)[None, :]) & 1
        signed = fired.to(tl.int32) * tl.load(signs + at, mask=inside, other=0).to(tl.int32)
        traced = rows[:, None].to(tl.int64) * num_in + inputs[None, :]
        traced_inside = row_inside[:, None] & input_inside[None, :]
        trace = tl.load(high + traced, mask=traced_inside, other=0.0)
        if EXACT:
            total = tl.dot(signed.to(tl.float64), trace, total, out_dtype=tl.float64)
        else:
            ones = signed.to(tl.float32).to(trace.dtype)
            total = tl.dot(ones, trace, total)
            total = tl.dot(ones, tl.load(low + traced, mask=traced_inside, other=0.0), total)
    at = outputs[:, None].to(tl.int64) * num_in + inputs[None, :]
    inside = output_inside[:, None] & input_inside[None, :]
    change = (tl.load(rate).to(total.dtype) * total).to(tl.float32)
    tl.store(weights + at, tl.load(weights + at, mask=inside, other=0.0) + change, mask=inside)
