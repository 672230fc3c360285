"""Convolutions, compiled: a spike adds a run of weights to the neurons that it reaches.

All sums are taken in float64 and rounded once, as in :mod:`lava_desire.rule`. What is added is a
run of numbers that lie side by side in memory: forward the weights from one input to all channels
at those positions of a row that it reaches; backward the weights between one neuron and a row of
its patch; in an update the traces of that row. Nothing is laid out patch by patch.

A geometry is a tuple of twelve integers: channels, height and width of the input and of the output,
then height and width of the kernel, of the stride and of the padding. Neurons are flat, in C order
of (channel, row, column).
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

import numpy as np

from lava_desire.backends.numba.events import compiled
from lava_desire.backends.numba.simd import (
    LANES,
    add_vectors,
    integrate_vectors,
    mark_vectors,
    trailing_zeros,
)
from lava_desire.backends.numba.threads import Workspace, in_parallel
from lava_desire.config import DesireConfig
from lava_desire.model.conv2d import Conv2d

_NO_STEPS = np.empty((0, 0), np.uint64)
_BLOCKS = 8  # parts of a minibatch whose changes are summed apart, whatever the number of threads


def run_convolution(
    config: DesireConfig,
    synapse: Conv2d,
    delay: int,
    weights: Any,
    trains: Any,
    gain: float,
    band: tuple[float, float] | None,
    masks: Any,
    workspace: Workspace,
) -> tuple[Any, Any]:
    """Return the trains of a layer, see :meth:`~lava_desire.backends.base.Backend.run`.

    `weights` are (C', C, k_h, k_w) float32, `trains` (B, N_i) words, `masks` (B, N_o) bool or
    empty. Of a `band` also the steps in which potentials before the reset are in it, words too.
    """
    geometry = synapse.geometry
    lanes = _whole_vectors(synapse.out_channels)
    rows = workspace.take("rows", (synapse.in_channels, *synapse.kernel_size, lanes), np.float64)
    reach = lay_out_by_input(weights, geometry, rows)
    spikes = np.empty((len(trains), synapse.num_post), np.uint64)
    room = (config.num_steps, synapse.out_width * lanes)
    steps = _NO_STEPS if band is None else np.empty_like(spikes)
    low, high = (np.float32(end) for end in band or (0.0, 0.0))
    are_finite: list[bool] = []

    def piece(first: int, last: int) -> None:
        is_finite = run_windows(
            rows,
            reach,
            geometry,
            trains,
            delay,
            gain,
            np.float32(config.decay),
            np.float32(config.synapse_decay),
            np.float32(config.threshold),
            config.reset == "subtract",
            low,
            high,
            masks,
            spikes,
            steps,
            workspace.take("current", room, np.float64),
            first,
            last,
        )
        are_finite.append(is_finite)

    in_parallel(piece, len(trains))
    if not all(are_finite):
        raise FloatingPointError("a potential is NaN or infinite")
    return spikes, steps


def pass_back_convolution(
    synapse: Conv2d,
    weights: Any,
    errors: Any,
    threshold: Any,
    samples: Any,
    desires: Any,
    workspace: Workspace,
) -> None:
    """Fill in the desires of the chosen samples' inputs, (B, N_i) int8 (Eq. 13 and 15).

    `errors` are c of the samples, (A, N_o) float32.
    """
    geometry = synapse.geometry
    shape = (synapse.out_channels, synapse.kernel_size[0], _run_of(synapse))
    patches = workspace.take("patches", shape, np.float64)
    lay_out_by_neuron(weights, patches)

    def piece(first: int, last: int) -> None:
        plane = _padded(synapse, workspace)
        ternarise_planes(patches, geometry, samples, errors, threshold, desires, plane, first, last)

    in_parallel(piece, len(samples))


def learn_convolution(
    config: DesireConfig,
    synapse: Conv2d,
    delay: int,
    weights: Any,
    rate: float,
    samples: Any,
    signs: Any,
    post: Any,
    pre: Any,
    workspace: Workspace,
) -> None:
    """Add the change of weights, (C', C, k_h, k_w) float32, of the samples with desire (Eq. 4).

    `rate` is η times the layer's factor, `signs` d · mask, (B, N_o) int8.
    """
    geometry = synapse.geometry
    shape = (synapse.kernel_size[0], config.num_steps, _columns_of(synapse))
    sums = _sums_of(synapse, min(_BLOCKS, len(samples)), workspace)

    def piece(first: int, last: int) -> None:
        pair_planes(
            geometry,
            samples,
            signs,
            post,
            pre,
            delay,
            config.decay,
            config.synapse_decay,
            _with_room(workspace, "traces", shape),
            sums,
            first,
            last,
        )

    in_parallel(piece, len(sums))
    in_parallel(partial(apply_sums, rate, sums, weights), len(weights))


def add_outer_convolution(
    synapse: Conv2d, weights: Any, post: Any, pre: Any, workspace: Workspace
) -> None:
    """Add products of a number a neuron and one an input, float32, summed over positions."""
    plane = _padded(synapse, workspace)
    plane[:] = 0
    inside = plane[synapse.padding[0] :, synapse.padding[1] :]
    inside = inside[: synapse.in_height, : synapse.in_width]
    inside[:] = pre.reshape(synapse.pre_shape).transpose(1, 2, 0)
    sums = _sums_of(synapse, 1, workspace)
    in_parallel(partial(pair_factors, synapse.geometry, post, plane, sums), len(weights))
    in_parallel(partial(apply_sums, 1.0, sums, weights), len(weights))


def _whole_vectors(size: int) -> int:
    return -LANES * (-size // LANES)


def _run_of(synapse: Conv2d) -> int:
    """Return the numbers of a row of a patch, in whole vectors."""
    return _whole_vectors(synapse.kernel_size[1] * synapse.in_channels)


def _columns_of(synapse: Conv2d) -> int:
    """Return the numbers of a row of the input, with its padding."""
    return (synapse.in_width + 2 * synapse.padding[1]) * synapse.in_channels


def _with_room(workspace: Workspace, name: str, shape: tuple[int, ...]) -> Any:
    """Return a float64 array in front of as many numbers as the last run may reach beyond it."""
    size = prod(shape)
    return workspace.take(name, (size + LANES,), np.float64)[:size].reshape(shape)


def _padded(synapse: Conv2d, workspace: Workspace) -> Any:
    """Return room for a number an input and padding: (rows, columns, C) float64."""
    height = synapse.in_height + 2 * synapse.padding[0]
    shape = (height, _columns_of(synapse) // synapse.in_channels, synapse.in_channels)
    return _with_room(workspace, "plane", shape)


def _sums_of(synapse: Conv2d, num_blocks: int, workspace: Workspace) -> Any:
    """Return sums of changes, all zero: (blocks, C', k_h, run) float64."""
    shape = (num_blocks, synapse.out_channels, synapse.kernel_size[0], _run_of(synapse))
    sums = workspace.take("changes", shape, np.float64)
    sums[:] = 0
    return sums


@compiled
def lay_out_by_input(weights: Any, geometry: Any, rows: Any) -> Any:
    """Lay weights out by input channel, kernel row, run of kernel columns, and output channel.

    Columns that an input meets at one position after the other, a stride apart and from right to
    left, follow one another. `rows`, (C, k_h, k_w, C' in whole vectors) float64, receives
    the weights. Returns a row an input column, (W, 3) int64: the first position that it
    reaches, how many, and where their run begins.
    """
    maps, channels, k_h, k_w = weights.shape
    width, out_width, stride, padding = geometry[2], geometry[5], geometry[9], geometry[11]
    place = np.empty(k_w, np.int64)
    found: Any = 0
    for phase in range(min(stride, k_w)):
        for j in range(phase + (k_w - 1 - phase) // stride * stride, -1, -stride):
            place[j] = found
            found += 1
    for c in range(channels):
        for i in range(k_h):
            for j in range(k_w):
                row = rows[c, i, place[j]]
                for o in range(maps):
                    row[o] = weights[o, c, i, j]
                row[maps:] = 0
    reach = np.zeros((width, 3), np.int64)
    for x in range(width):
        first = max(0, (x + padding - k_w + stride) // stride)
        last = min(out_width - 1, (x + padding) // stride)
        if first <= last:
            reach[x] = first, last - first + 1, place[x + padding - first * stride]
    return reach


@compiled
def run_windows(
    rows: Any,
    reach: Any,
    geometry: Any,
    trains: Any,
    delay: int,
    gain: float,
    decay: Any,
    synapse_decay: Any,
    threshold: Any,
    subtract: bool,
    low: Any,
    high: Any,
    masks: Any,
    spikes: Any,
    eligible: Any,
    current: Any,
    first_sample: int,
    last_sample: int,
) -> bool:
    """Run a layer over the window, for some samples, a row of neurons at a time (Eq. 1 and 16).

    Tell whether all potentials are finite. `rows` and `reach` are of :func:`lay_out_by_input`,
    `masks` are (B, N) bool or empty, `spikes` receives the trains, (B, N) words, and `eligible`,
    unless it is empty, the steps in which potentials before the reset are between `low` and `high`;
    `current`, (T, W'·lanes) float64, is overwritten.
    """
    channels, height, width, maps, out_height, out_width, k_h, _, s_h, _, p_h, _ = geometry
    num_steps, lanes = len(current), rows.shape[3]
    window = ~np.uint64(0) >> np.uint64(64 - num_steps)
    potential = np.empty(current.shape[1], np.float32)
    words, marks = np.empty((2, 2, current.shape[1]), np.uint32)
    # Whatever is not finite stays so until the end.
    kept, offset = (np.float32(1), threshold) if subtract else (np.float32(0), np.float32(0))
    is_finite = True
    start, step_size, row_size = current.ctypes.data, current.strides[0], current.itemsize * lanes
    for sample in range(first_sample, last_sample):
        for y_out in range(out_height):
            current[:] = 0
            silent = True
            top = y_out * s_h - p_h
            for i in range(max(0, -top), min(k_h, height - top)):
                for c in range(channels):
                    begin = (c * height + top + i) * width
                    source = rows[c, i].ctypes.data
                    for x in range(width):
                        word = (trains[sample, begin + x] << np.uint64(delay)) & window
                        if word == 0:
                            continue
                        silent = False
                        target = start + reach[x, 0] * row_size
                        size = reach[x, 1] * lanes // LANES
                        run = source + reach[x, 2] * row_size
                        while word:
                            step = trailing_zeros(word)
                            add_vectors(target + step * step_size, run, 1.0, size)
                            word &= word - np.uint64(1)
            if gain != 1 and not silent:
                current *= gain
            if synapse_decay and not silent:
                _filter(current, synapse_decay)
            potential[:] = 0
            words[:] = 0
            marks[:] = 0
            for step in range(0 if silent else num_steps):
                if eligible.size:
                    mark_vectors(
                        potential.ctypes.data,
                        start + step * step_size,
                        marks[step >> 5].ctypes.data,
                        np.uint32(1) << np.uint32(step & 31),
                        decay,
                        low,
                        high,
                        len(potential) // LANES,
                    )
                integrate_vectors(
                    potential.ctypes.data,
                    start + step * step_size,
                    words[step >> 5].ctypes.data,
                    np.uint32(1) << np.uint32(step & 31),
                    decay,
                    threshold,
                    kept,
                    offset,
                    len(potential) // LANES,
                )
            for value in potential:
                is_finite &= value * np.float32(0) == 0
            for o in range(maps):
                begin = (o * out_height + y_out) * out_width
                for x in range(out_width):
                    lane = x * lanes + o
                    word = np.uint64(words[0, lane]) | (np.uint64(words[1, lane]) << np.uint64(32))
                    passes = masks.size == 0 or masks[sample, begin + x]
                    spikes[sample, begin + x] = word * np.uint64(passes)
                    if eligible.size:
                        word = np.uint64(marks[0, lane]) | (
                            np.uint64(marks[1, lane]) << np.uint64(32)
                        )
                        eligible[sample, begin + x] = word * np.uint64(passes)
    return is_finite


@compiled
def _filter(current: Any, decay: Any) -> None:
    """Filter currents, (T, N) float64, which become float32 first."""
    for j in range(current.shape[1]):
        kept = np.float32(0)
        for step in range(len(current)):
            kept = decay * kept + np.float32(current[step, j])
            current[step, j] = kept


@compiled
def lay_out_by_neuron(weights: Any, patches: Any) -> None:
    """Lay weights out by output channel, kernel row, and column and input channel of the patch.

    `patches`, (C', k_h, k_w·C in whole vectors) float64, receives them.
    """
    maps, channels, k_h, k_w = weights.shape
    patches[:, :, k_w * channels :] = 0
    for o in range(maps):
        for c in range(channels):
            for i in range(k_h):
                for j in range(k_w):
                    patches[o, i, j * channels + c] = weights[o, c, i, j]


@compiled
def ternarise_planes(
    patches: Any,
    geometry: Any,
    samples: Any,
    errors: Any,
    threshold: Any,
    desires: Any,
    plane: Any,
    first: int,
    last: int,
) -> None:
    """Ternarise z of the inputs, gathered from the neurons with an error (Eq. 13 and 15).

    `patches` are of :func:`lay_out_by_neuron`, `errors` of chosen samples, (A, N_o) float32;
    `desires` receives the d of these samples, (B, N_i) int8; `plane`, (H + 2 p_h, W + 2 p_w, C)
    float64, is overwritten.
    """
    channels, height, width, _, out_height, out_width, k_h, _, s_h, s_w, p_h, p_w = geometry
    for k in range(first, last):
        plane[:] = 0
        for neuron in range(errors.shape[1]):
            error = errors[k, neuron]
            if error != 0:
                o, position = divmod(neuron, out_height * out_width)
                y, x = divmod(position, out_width)
                for i in range(k_h):
                    add_vectors(
                        plane[y * s_h + i, x * s_w].ctypes.data,
                        patches[o, i].ctypes.data,
                        np.float64(error),
                        patches.shape[2] // LANES,
                    )
        for c in range(channels):
            for y in range(height):
                for x in range(width):
                    z = np.float32(plane[y + p_h, x + p_w, c])
                    sign = np.int8(z > threshold) - np.int8(z < -threshold)
                    desires[samples[k], (c * height + y) * width + x] = sign


@compiled
def pair_planes(
    geometry: Any,
    samples: Any,
    signs: Any,
    post: Any,
    pre: Any,
    delay: int,
    decay: float,
    synapse_decay: float,
    traces: Any,
    sums: Any,
    first: int,
    last: int,
) -> None:
    """Add Σ_t s_o[t] r_i[t], signed by desire, of the samples of blocks first to last (Eq. 3, 4).

    `samples` are those with desire, (A,) int64, in order shared out to the blocks of `sums`,
    (blocks, C', k_h, run) float64; `signs` is d · mask, (B, N_o) int8, `post` and `pre` the trains
    of both sides, words. `traces`, (k_h, T, columns with padding · C) float64, is overwritten: the
    traces of those rows of the input that a row of neurons pairs with, one after the other.
    """
    channels, height, width, maps, out_height, out_width, k_h, _, s_h, s_w, p_h, p_w = geometry
    num_steps, num_blocks = traces.shape[1], len(sums)
    window = ~np.uint64(0) >> np.uint64(64 - num_steps)
    arrived = np.zeros(traces.shape[2], np.uint64)
    found = np.empty((maps * out_width, 2), np.int64)
    size, patch_step = sums.shape[3] // LANES, traces.itemsize * s_w * channels
    for block in range(first, last):
        end = len(samples) * (block + 1) // num_blocks
        for k in range(len(samples) * block // num_blocks, end):
            sample, ready = samples[k], 0
            for y_out in range(out_height):
                num_found: Any = 0
                for o in range(maps):
                    for x in range(out_width):
                        neuron = (o * out_height + y_out) * out_width + x
                        found[num_found] = o, x
                        num_found += np.int64(
                            (signs[sample, neuron] != 0) & (post[sample, neuron] != 0)
                        )
                if num_found == 0:
                    continue
                top = y_out * s_h - p_h
                rows = range(max(0, -top), min(k_h, height - top))
                for i in rows:
                    y = top + i
                    if y >= ready:
                        for c in range(channels):
                            for x in range(width):
                                word = pre[sample, (c * height + y) * width + x] << np.uint64(delay)
                                arrived[(x + p_w) * channels + c] = word & window
                        _trace(arrived, decay, traces[y % k_h])
                        if synapse_decay:
                            _trace_further(traces[y % k_h], synapse_decay)
                        ready = y + 1
                for place in range(num_found):
                    o, x = found[place]
                    neuron = (o * out_height + y_out) * out_width + x
                    sign = np.float64(signs[sample, neuron])
                    for i in rows:
                        target = sums[block, o, i].ctypes.data
                        source = traces[(top + i) % k_h, 0].ctypes.data + x * patch_step
                        word = post[sample, neuron]
                        while word:
                            step = trailing_zeros(word)
                            add_vectors(target, source + step * traces.strides[1], sign, size)
                            word &= word - np.uint64(1)


@compiled
def _trace(words: Any, decay: float, traces: Any) -> None:
    """Fill the traces of neurons over the window: (N,) words, (T, N) float64 (Eq. 3)."""
    for step in range(len(traces)):
        before, now = traces[max(step - 1, 0)], traces[step]
        factor = decay if step else 0.0
        bit = np.uint64(1) << np.uint64(step)
        for j in range(len(words)):
            now[j] = factor * before[j] + (1.0 if words[j] & bit else 0.0)


@compiled
def _trace_further(traces: Any, decay: float) -> None:
    """Let traces, (T, N) float64, pass another filter."""
    for step in range(1, len(traces)):
        before, now = traces[step - 1], traces[step]
        for j in range(len(now)):
            now[j] += decay * before[j]


@compiled
def pair_factors(geometry: Any, post: Any, plane: Any, sums: Any, first: int, last: int) -> None:
    """Add the products of a number a neuron, (N_o,), and one an input, for some output channels."""
    _, _, _, _, out_height, out_width, k_h, _, s_h, s_w, _, _ = geometry
    for o in range(first, last):
        for y in range(out_height):
            for x in range(out_width):
                factor = np.float64(post[(o * out_height + y) * out_width + x])
                if factor != 0:
                    for i in range(k_h):
                        add_vectors(
                            sums[0, o, i].ctypes.data,
                            plane[y * s_h + i, x * s_w].ctypes.data,
                            factor,
                            sums.shape[3] // LANES,
                        )


@compiled
def apply_sums(learning_rate: float, sums: Any, weights: Any, first: int, last: int) -> None:
    """Change the weights of output channels first to last by the blocks' sums (Eq. 4)."""
    channels, k_h, k_w = weights.shape[1:]
    for o in range(first, last):
        for c in range(channels):
            for i in range(k_h):
                for j in range(k_w):
                    total: Any = 0.0
                    for block in range(len(sums)):
                        total += sums[block, o, i, j * channels + c]
                    weights[o, c, i, j] += np.float32(learning_rate * total)
