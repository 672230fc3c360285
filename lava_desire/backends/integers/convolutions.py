"""The hot loops of convolutions in integers: a spike or a desire meets the weights that it reaches.

Planes are laid out with the channels last, so that the innermost loop runs over neighbours in
memory; no copy of a window for every position is ever made. The sums are those that
:class:`~lava_desire.model.conv2d.Conv2d` makes of the same integers, in any order. A `geometry` is
C, H, W, C', H', W', k_h, k_w, s_h, s_w, p_h, p_w.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_desire.backends.integers.kernels import advance, mark_eligible, run_traces
from lava_desire.backends.numba.jit import njit
from lava_desire.model.conv2d import Conv2d
from lava_desire.model.integers.limits import ACCUMULATOR_LIMIT, STATE_LIMIT

_EIGHT = 8  # words of a Philox counter


@njit(nogil=True)
def run_convolution(
    geometry: Any,
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
) -> None:
    """Run a convolution over a window from rest (Eq. 1 and 16).

    `rows` are mantissas, input-major, (C · k_h · k_w, C') int8; the rest is as of
    :func:`~lava_desire.backends.integers.kernels.run_dense`.
    """
    _, height, width, num_out, out_h, out_w, size_h, size_w, step_h, step_w, pad_h, pad_w = geometry
    num_steps, batch_size, num_in = inputs.shape
    sums = np.empty((out_h * out_w, num_out), np.int32)
    in_order = np.empty(num_out * out_h * out_w, np.int32)
    states, everyone = np.empty((3, len(in_order)), np.int32), np.ones(len(in_order), np.bool_)
    for sample in range(batch_size):
        kept = mask[sample] if len(mask) else everyone
        states[:] = 0
        for step in range(num_steps):
            sums[:] = 0
            if step >= delay:
                for source in range(num_in):
                    if not inputs[step - delay, sample, source]:
                        continue
                    channel, pixel = source // (height * width), source % (height * width)
                    y, x = pixel // width + pad_h, pixel % width + pad_w
                    first_x = max(0, (x - size_w + step_w) // step_w)
                    for out_y in range(
                        max(0, (y - size_h + step_h) // step_h), min(out_h, y // step_h + 1)
                    ):
                        row = (channel * size_h + y - out_y * step_h) * size_w + x
                        for out_x in range(first_x, min(out_w, x // step_w + 1)):
                            place, weight = out_y * out_w + out_x, row - out_x * step_w
                            for neuron in range(num_out):
                                sums[place, neuron] += rows[weight, neuron]
            for neuron in range(num_out):
                for place in range(len(sums)):
                    in_order[neuron * len(sums) + place] = sums[place, neuron]
            advance(in_order, states, constants, kept, spikes[step, sample], notes)
            if len(eligible):
                mark_eligible(states[2], band, kept, eligible[step, sample])
            if len(potentials):
                potentials[step, sample] = states[1]


def backpropagated(synapse: Conv2d, weights: Any, errors: Any) -> Any:
    """Send errors, (B, N_o) int64, back through mantissas: (B, N_i) int64  (Eq. 13)."""
    channels, height, width = synapse.pre_shape
    sums = np.zeros((len(errors), height, width, channels), np.int64)
    kernels = np.ascontiguousarray(weights.transpose(0, 2, 3, 1))
    _backpropagate(kernels, synapse.geometry, errors, sums)
    return sums.transpose(0, 3, 1, 2).reshape(len(errors), -1)


@njit(nogil=True)
def _backpropagate(kernels: Any, geometry: Any, errors: Any, sums: Any) -> None:
    """Add errors, (B, N_o) int64, to the inputs that they come from, Wᵀ c (Eq. 13).

    `kernels` are mantissas, (C', k_h, k_w, C) int8; `sums`, (B, H, W, C) int64, are extended.
    """
    _, height, width, _, out_h, out_w, size_h, size_w, step_h, step_w, pad_h, pad_w = geometry
    for sample in range(len(errors)):
        for neuron in range(errors.shape[1]):
            error = errors[sample, neuron]
            if error == 0:
                continue
            channel, place = neuron // (out_h * out_w), neuron % (out_h * out_w)
            top, left = place // out_w * step_h - pad_h, place % out_w * step_w - pad_w
            begin, end = max(0, -left), min(size_w, width - left)
            for row in range(max(0, -top), min(size_h, height - top)):
                met = sums[sample, top + row, left + begin : left + end].reshape(-1)
                weights = kernels[channel, row, begin:end].reshape(-1)
                for source in range(len(met)):
                    met[source] += weights[source] * error


@njit(nogil=True)
def gather_pairings(spikes: Any, traces: Any, desire: Any, geometry: Any, pairings: Any) -> None:
    """Add one sample's pairs of spike and trace, summed over positions (Eq. 4).

    Postsynaptic spikes are (T, N_o) bool, traces (T, H, W, C) uint8, `desire` is d · mask, (N_o,)
    int8; `pairings`, (C', k_h, k_w, C) int64, are extended.
    """
    _, height, width, _, out_h, out_w, size_h, size_w, step_h, step_w, pad_h, pad_w = geometry
    for neuron in range(len(desire)):
        sign = np.int64(desire[neuron])
        if sign == 0:
            continue
        channel, place = neuron // (out_h * out_w), neuron % (out_h * out_w)
        top, left = place // out_w * step_h - pad_h, place % out_w * step_w - pad_w
        begin, end = max(0, -left), min(size_w, width - left)
        for step in range(len(spikes)):
            if not spikes[step, neuron]:
                continue
            for row in range(max(0, -top), min(size_h, height - top)):
                met = traces[step, top + row, left + begin : left + end].reshape(-1)
                pairs = pairings[channel, row, begin:end].reshape(-1)
                for source in range(len(met)):
                    pairs[source] += sign * met[source]


@njit(nogil=True)
def gather_changes(
    geometry: Any,
    inputs: Any,
    delay: int,
    outputs: Any,
    desire: Any,
    constants: tuple[int, int, int],
    rate_mantissa: int,
    trace_key: Any,
    trace_counter: int,
    changes: Any,
) -> None:
    """Add a batch's changes of a convolution's weights to its accumulators (Eq. 3 and 4).

    `changes`, (C', C, k_h, k_w) int64, are extended. `inputs`, `delay`, `constants`, key and
    counter are as of :func:`~lava_desire.backends.integers.kernels.run_traces`, `outputs` and
    `desire` as of :func:`~lava_desire.backends.integers.kernels.list_pairs`, and `rate_mantissa` as
    of :func:`lava_desire.fixed.weight_change`.
    """
    num_channels, height, width, num_out, _, _, size_h, size_w, _, _, _, _ = geometry
    num_steps, batch_size, num_in = inputs.shape
    if rate_mantissa == 0:
        return
    in_order = np.empty((num_steps, num_in), np.uint8)
    traces = np.empty((num_steps, height, width, num_channels), np.uint8)
    planes = in_order.reshape(num_steps, num_channels, height * width)
    places = traces.reshape(num_steps, height * width, num_channels)
    pairings = np.empty((num_out, size_h, size_w, num_channels), np.int64)
    sums = changes.reshape(num_out, num_channels, size_h * size_w)
    of_sample = pairings.reshape(num_out, size_h * size_w, num_channels)
    numbers = np.arange((num_in + _EIGHT - 1) // _EIGHT)
    for sample in range(batch_size):
        if not desire[sample].any():
            continue
        begin = trace_counter + sample * num_steps * len(numbers)
        words = (trace_key, begin, len(numbers))
        run_traces(inputs, sample, delay, constants, numbers, *words, in_order)
        for step in range(num_steps):
            for channel in range(num_channels):
                for place in range(height * width):
                    places[step, place, channel] = planes[step, channel, place]
        pairings[:] = 0
        gather_pairings(outputs[:, sample], traces, desire[sample], geometry, pairings)
        for neuron in range(num_out):
            for channel in range(num_channels):
                for place in range(size_h * size_w):
                    pairs = of_sample[neuron, place, channel]
                    change = min(max(pairs, -STATE_LIMIT), STATE_LIMIT) * rate_mantissa
                    sums[neuron, channel, place] += min(
                        max(change, -ACCUMULATOR_LIMIT), ACCUMULATOR_LIMIT
                    )
