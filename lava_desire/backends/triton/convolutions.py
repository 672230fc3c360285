"""Triton: convolutions. What a position or a pixel meets is gathered from trains where it is used.

A product has a row a sample and position (or pixel), and no window of a batch is ever copied out:
a row loads the words of its few inputs, and takes the spikes of all steps from them. Potentials
and traces stay in registers. Sums are float64 in either precision, as in the torch operations.

GEOMETRY is (C, H, W, C', H', W', k_h, k_w, s_h, s_w, p_h, p_w), as of
:class:`~lava_desire.model.conv2d.Conv2d`; planes are flat in C order.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from lava_desire.backends.triton.products import store_desires
from lava_desire.backends.triton.tiles import Tile
from lava_desire.config import DesireConfig
from lava_desire.model.conv2d import Conv2d

# Positions or pixels of samples × channels, input channels or synapses a time; not yet timed.
RUN, DESIRE, PAIR = Tile(64, 16, 16, 4, 2), Tile(64, 16, 16, 4, 2), Tile(16, 32, 32, 4, 2)
_PROGRAMS = 512  # of an update at least, as far as there are rows


@triton.jit
def _met(places, synapses, GEOMETRY: tl.constexpr):
    """Return where in a sample the input of a synapse lies, of neurons at a place, and whether.

    `places` and `synapses`, numbers of (H', W') and of (C, k_h, k_w), are broadcast together.
    """
    height: tl.constexpr = GEOMETRY[1]
    width: tl.constexpr = GEOMETRY[2]
    taps: tl.constexpr = GEOMETRY[6] * GEOMETRY[7]
    tap = synapses % taps
    y = places // GEOMETRY[5] * GEOMETRY[8] + tap // GEOMETRY[7] - GEOMETRY[10]
    x = places % GEOMETRY[5] * GEOMETRY[9] + tap % GEOMETRY[7] - GEOMETRY[11]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return (synapses // taps * height + y) * width + x, inside


@triton.jit
def run_kernel(
    words,
    weights,
    keep,
    spikes,
    num_samples,
    GAIN: tl.constexpr,
    DELAY: tl.constexpr,
    DECAY: tl.constexpr,
    SYNAPSE_DECAY: tl.constexpr,
    THRESHOLD: tl.constexpr,
    NUM_STEPS: tl.constexpr,
    SUBTRACT: tl.constexpr,
    MASKED: tl.constexpr,
    GEOMETRY: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
):
    """Run a convolution over a window from rest: currents and neurons (Eq. 1 and 16).

    `words` is (B, N_i), `weights` (C', C, k_h, k_w) float32, `keep` (B, N_o) bool where MASKED,
    `spikes` (B, N_o) words, filled. A row is a position of a sample.
    """
    num_in: tl.constexpr = GEOMETRY[0] * GEOMETRY[1] * GEOMETRY[2]
    num_out: tl.constexpr = GEOMETRY[3]
    num_places: tl.constexpr = GEOMETRY[4] * GEOMETRY[5]
    fan_in: tl.constexpr = GEOMETRY[0] * GEOMETRY[6] * GEOMETRY[7]
    rows = tl.program_id(0) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    outputs = tl.program_id(1) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    samples, places = rows // num_places, rows % num_places
    row_inside = (samples < num_samples)[:, None]
    inside = row_inside & (outputs < num_out)[None, :]
    trains_at = words + samples[:, None].to(tl.int64) * num_in
    at = (samples[:, None].to(tl.int64) * num_out + outputs[None, :]) * num_places + places[:, None]
    kept = inside
    if MASKED:
        kept = tl.load(keep + at, mask=inside, other=0) != 0
    potential = tl.zeros((BLOCK_ROWS, BLOCK_OUT), tl.float32)
    current = tl.zeros((BLOCK_ROWS, BLOCK_OUT), tl.float32)
    word = tl.zeros((BLOCK_ROWS, BLOCK_OUT), spikes.dtype.element_ty)
    for step in range(NUM_STEPS):
        total = tl.zeros((BLOCK_ROWS, BLOCK_OUT), tl.float64)
        for start in range(0, fan_in, BLOCK_IN):
            synapses = start + tl.arange(0, BLOCK_IN)
            met, is_met = _met(places[:, None], synapses[None, :], GEOMETRY)
            trains = tl.load(
                trains_at + met, mask=row_inside & is_met & (synapses < fan_in)[None, :], other=0
            )
            arrived = ((trains << DELAY) >> step) & 1
            weight = tl.load(
                weights + outputs[None, :] * fan_in + synapses[:, None],
                mask=(synapses < fan_in)[:, None] & (outputs < num_out)[None, :],
                other=0.0,
            )
            total = tl.dot(
                arrived.to(tl.float64), weight.to(tl.float64), total, out_dtype=tl.float64
            )
        arriving = (total * GAIN).to(tl.float32)
        if SYNAPSE_DECAY > 0:
            current = SYNAPSE_DECAY * current + arriving
            arriving = current
        potential = DECAY * potential + arriving
        fires = (potential >= THRESHOLD) & kept
        word = word | (fires.to(spikes.dtype.element_ty) << step)
        if SUBTRACT:
            potential = tl.where(fires, potential - THRESHOLD, potential)
        else:
            potential = tl.where(fires, 0.0, potential)
    tl.store(spikes + at, word, mask=inside)


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
    THRESHOLD: tl.constexpr,
    NUM_COUNTS: tl.constexpr,
    MASKED: tl.constexpr,
    GEOMETRY: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
):
    """Pass desires to the layer before, sgn(Wᵀ c) where it exceeds a threshold (Eq. 13 to 15).

    Arguments are those of :func:`~lava_desire.backends.triton.products.hidden_desire_kernel`. A row
    is a pixel of a listed sample: it gathers from the positions that its spikes reach.
    """
    num_in: tl.constexpr = GEOMETRY[0]
    num_pixels: tl.constexpr = GEOMETRY[1] * GEOMETRY[2]
    num_out: tl.constexpr = GEOMETRY[3]
    num_places: tl.constexpr = GEOMETRY[4] * GEOMETRY[5]
    taps: tl.constexpr = GEOMETRY[6] * GEOMETRY[7]
    num_rows = tl.load(num_active) * num_pixels
    first = tl.program_id(0) * BLOCK_ROWS
    if first < num_rows:
        rows = first + tl.arange(0, BLOCK_ROWS)
        inputs = tl.program_id(1) * BLOCK_IN + tl.arange(0, BLOCK_IN)
        row_inside = rows < num_rows
        samples = tl.load(active + rows // num_pixels, mask=row_inside, other=0).to(tl.int64)
        pixels = rows % num_pixels
        y, x = pixels // GEOMETRY[2] + GEOMETRY[10], pixels % GEOMETRY[2] + GEOMETRY[11]
        total = tl.zeros((BLOCK_ROWS, BLOCK_IN), tl.float64)
        for tap in range(taps):
            down, right = y - tap // GEOMETRY[7], x - tap % GEOMETRY[7]
            out_y, out_x = down // GEOMETRY[8], right // GEOMETRY[9]
            reached = row_inside & (down >= 0) & (right >= 0)
            reached &= (out_y * GEOMETRY[8] == down) & (out_x * GEOMETRY[9] == right)
            reached &= (out_y < GEOMETRY[4]) & (out_x < GEOMETRY[5])
            places = out_y * GEOMETRY[5] + out_x
            for start in range(0, num_out, BLOCK_OUT):
                outputs = start + tl.arange(0, BLOCK_OUT)
                error = tl.load(
                    errors
                    + (samples[:, None] * num_out + outputs[None, :]) * num_places
                    + places[:, None],
                    mask=reached[:, None] & (outputs < num_out)[None, :],
                    other=0.0,
                )
                weight = tl.load(
                    weights + (outputs[:, None] * num_in + inputs[None, :]) * taps + tap,
                    mask=(outputs < num_out)[:, None] & (inputs < num_in)[None, :],
                    other=0.0,
                )
                total = tl.dot(
                    error.to(tl.float64), weight.to(tl.float64), total, out_dtype=tl.float64
                )
        store_desires(
            total.to(tl.float32),
            (samples[:, None] * num_in + inputs[None, :]) * num_pixels + pixels[:, None],
            row_inside[:, None] & (inputs < num_in)[None, :],
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
def pair_kernel(
    words,
    outputs,
    desire,
    active,
    num_active,
    pairs,
    DELAY: tl.constexpr,
    DECAY: tl.constexpr,
    SYNAPSE_DECAY: tl.constexpr,
    NUM_STEPS: tl.constexpr,
    GEOMETRY: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
):
    """Sum pairs of signed spike and trace over positions and steps of listed samples (Eq. 3 and 4).

    `words` is (B, N_i), `outputs` and `desire` (B, N_o), int32. `pairs` is (S, C', fan-in) float64,
    filled: every program of the last axis of the grid takes a share of the rows, and S of them
    leave one sum each. A row is a position of a sample.
    """
    num_in: tl.constexpr = GEOMETRY[0] * GEOMETRY[1] * GEOMETRY[2]
    num_out: tl.constexpr = GEOMETRY[3]
    num_places: tl.constexpr = GEOMETRY[4] * GEOMETRY[5]
    fan_in: tl.constexpr = GEOMETRY[0] * GEOMETRY[6] * GEOMETRY[7]
    neurons = tl.program_id(0) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    synapses = tl.program_id(1) * BLOCK_IN + tl.arange(0, BLOCK_IN)
    share, num_shares = tl.program_id(2), tl.num_programs(2)
    num_rows = tl.load(num_active) * num_places
    total = tl.zeros((BLOCK_OUT, BLOCK_IN), tl.float64)
    for first in range(share * BLOCK_ROWS, num_rows, num_shares * BLOCK_ROWS):
        rows = first + tl.arange(0, BLOCK_ROWS)
        row_inside = rows < num_rows
        samples = tl.load(active + rows // num_places, mask=row_inside, other=0).to(tl.int64)
        places = rows % num_places
        at = (samples[None, :] * num_out + neurons[:, None]) * num_places + places[None, :]
        inside = row_inside[None, :] & (neurons < num_out)[:, None]
        sign = tl.load(desire + at, mask=inside, other=0)
        sent = tl.load(outputs + at, mask=inside & (sign != 0), other=0)
        if tl.max(tl.max((sent != 0).to(tl.int32), 1), 0) > 0:
            met, is_met = _met(places[:, None], synapses[None, :], GEOMETRY)
            is_met &= row_inside[:, None] & (synapses < fan_in)[None, :]
            trains = tl.load(words + samples[:, None] * num_in + met, mask=is_met, other=0) << DELAY
            trace = tl.zeros((BLOCK_ROWS, BLOCK_IN), tl.float64)
            current = trace
            for step in range(NUM_STEPS):
                arrived = ((trains >> step) & 1).to(tl.float64)
                if SYNAPSE_DECAY > 0:
                    current = SYNAPSE_DECAY * current + arrived
                    arrived = current
                trace = DECAY * trace + arrived
                signed = ((sent >> step) & 1) * sign
                total = tl.dot(signed.to(tl.float64), trace, total, out_dtype=tl.float64)
    tl.store(
        pairs + (share * num_out + neurons[:, None]) * fan_in + synapses[None, :],
        total,
        mask=(neurons < num_out)[:, None] & (synapses < fan_in)[None, :],
    )


def run(
    synapse: Conv2d,
    config: DesireConfig,
    delay: int,
    weights: Tensor,
    trains: Tensor,
    gain: float,
    mask: Tensor | None,
) -> Tensor:
    """Run a convolution over the window, (B, N_i) words → (B, N_o) words, in one launch."""
    spikes = trains.new_empty((len(trains), synapse.num_post))
    grid = RUN.grid(len(trains) * synapse.num_positions, synapse.out_channels)
    run_kernel[grid](
        trains,
        weights,
        spikes if mask is None else mask.contiguous(),
        spikes,
        len(trains),
        GAIN=float(gain),
        DELAY=delay,
        DECAY=config.decay,
        SYNAPSE_DECAY=config.synapse_decay,
        THRESHOLD=config.threshold,
        NUM_STEPS=config.num_steps,
        SUBTRACT=config.reset == "subtract",
        MASKED=mask is not None,
        GEOMETRY=synapse.geometry,
        BLOCK_ROWS=RUN.rows,
        BLOCK_OUT=RUN.columns,
        BLOCK_IN=RUN.inner,
        **RUN.options,
    )
    return spikes


def pass_back(
    synapse: Conv2d,
    threshold: float,
    table: Tensor,
    weights: Tensor,
    error: Tensor,
    active: Tensor,
    num_active: Tensor,
    pre: Tensor,
    mask: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Do what ``TritonBackend.pass_back_listed`` does, in one launch."""
    passed = torch.zeros(pre.shape, dtype=torch.int8, device=pre.device)
    passed_error = torch.empty(pre.shape, device=pre.device)
    pixels = synapse.in_height * synapse.in_width
    hidden_desire_kernel[DESIRE.grid(len(pre) * pixels, synapse.in_channels)](
        error,
        active,
        num_active,
        weights,
        pre,
        passed if mask is None else mask.contiguous(),
        table,
        passed,
        passed_error,
        THRESHOLD=threshold,
        NUM_COUNTS=table.shape[1],
        MASKED=mask is not None,
        GEOMETRY=synapse.geometry,
        BLOCK_ROWS=DESIRE.rows,
        BLOCK_OUT=DESIRE.inner,
        BLOCK_IN=DESIRE.columns,
        **DESIRE.options,
    )
    return passed, passed_error


def pair(
    synapse: Conv2d,
    config: DesireConfig,
    delay: int,
    signs: Tensor,
    active: Tensor,
    num_active: Tensor,
    pre: Tensor,
    post: Tensor,
) -> Tensor:
    """Sum the pairs of listed samples, a weight each: (C', C, k_h, k_w) float64."""
    grid = PAIR.grid(synapse.out_channels, synapse.fan_in)
    rows = triton.cdiv(len(pre) * synapse.num_positions, PAIR.inner)
    shares = max(1, min(rows, _PROGRAMS // (grid[0] * grid[1])))
    pairs = torch.empty((shares, *synapse.weight_shape), dtype=torch.float64, device=pre.device)
    pair_kernel[(*grid, shares)](
        pre,
        post,
        signs.to(torch.int32),  # of int8 Triton 3.6 makes no operand of a float64 product
        active,
        num_active,
        pairs,
        DELAY=delay,
        DECAY=config.decay,
        SYNAPSE_DECAY=config.synapse_decay,
        NUM_STEPS=config.num_steps,
        GEOMETRY=synapse.geometry,
        BLOCK_ROWS=PAIR.inner,
        BLOCK_OUT=PAIR.rows,
        BLOCK_IN=PAIR.columns,
        **PAIR.options,
    )
    return pairs.sum(0)
