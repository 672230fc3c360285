"""Kernels of the models of the processes; :mod:`lava_desire.lava_runtime.kernels` says what one is.

They stand for the steps 2 to T of a window, in which spikes go forward alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_desire.lava_runtime.kernels import array

LARGEST_SINGLE = np.finfo(np.float32).max


def encoder(table: Any, step: int) -> int:
    """Encode an image's brightness as spikes (Sec. 4.1).

    table: size, brightness as it has come and as it came first, brightness, potential, the
    threshold; float32; mask, spikes; bool.
    """
    size = table[0]
    received, first = array(table[1], size, np.float32), array(table[2], size, np.float32)
    brightness, potential = array(table[3], size, np.float32), array(table[4], size, np.float32)
    threshold = array(table[5], 1, np.float32)[0]
    mask, spikes = array(table[6], size, np.bool_), array(table[7], size, np.bool_)
    num_changed = 0
    for at in range(size):
        num_changed += 0 if received[at] == first[at] else 1
        total = potential[at] + brightness[at]
        fires = total >= threshold
        potential[at] = total - threshold if fires else total
        spikes[at] = fires & mask[at]
    return 0 if num_changed == 0 else 1


def send_single(table: Any, step: int) -> int:
    """Send an array, as the sum with zeros.

    table: size, array, message; float32.
    """
    size = table[0]
    values, message = array(table[1], size, np.float32), array(table[2], size, np.float32)
    for at in range(size):
        message[at] = values[at] + np.float32(0.0)
    return 0


def connection(table: Any, step: int) -> int:
    """Sum the weights of the inputs that spike (Eq. 1), and keep the trains for what is learned.

    table: outputs, inputs, steps of a window; weights by input (inputs, outputs), their sums
    (outputs,), the gain of dropout; float64; spikes (inputs,), answers (outputs,), received spikes
    (T, inputs), answers (T, outputs); bool; the activation (outputs,), float32; how often inputs
    have spiked in the window (inputs,), int64.
    """
    num_out, num_in = table[0], table[1]
    place = (step - 1) % table[2]  # of this step in its window, from 0
    weights = array(table[3], num_in * num_out, np.float64)
    total = array(table[4], num_out, np.float64)
    gain = array(table[5], 1, np.float64)[0]
    spikes, answers = array(table[6], num_in, np.bool_), array(table[7], num_out, np.bool_)
    received = array(table[8] + place * num_in, num_in, np.bool_)
    answered = array(table[9] + (place - 1) * num_out, num_out, np.bool_)
    activation = array(table[10], num_out, np.float32)
    num_spikes = array(table[11], num_in, np.int64)
    received[:] = spikes
    answered[:] = answers
    total[:] = 0.0
    for one in range(num_in):
        if spikes[one]:
            num_spikes[one] += 1
            row = weights[one * num_out : (one + 1) * num_out]
            for at in range(num_out):
                total[at] += row[at]
    num_beyond = 0
    for at in range(num_out):
        scaled = total[at] * gain if gain != 1.0 else total[at]
        num_beyond += 0 if abs(scaled) < LARGEST_SINGLE else 1
        activation[at] = np.float32(scaled)
    return 0 if num_beyond == 0 else 1


def neurons(table: Any, step: int) -> int:
    """Integrate and fire (Eq. 1).

    table: size, whether a neuron that fires is set to zero, potential, decay, activation,
    threshold; float32; mask, spikes; bool.
    """
    size, is_zeroed = table[0], table[1] != 0
    potential, decay = array(table[2], size, np.float32), array(table[3], size, np.float32)
    activation, threshold = array(table[4], size, np.float32), array(table[5], size, np.float32)
    mask, spikes = array(table[6], size, np.bool_), array(table[7], size, np.bool_)
    num_beyond = 0
    for at in range(size):
        total = potential[at] * decay[at]
        total = total + activation[at]
        num_beyond += 0 if abs(total) <= LARGEST_SINGLE else 1
        fires = (total >= threshold[at]) & mask[at]
        left = np.float32(0.0) if is_zeroed else total - threshold[at]
        potential[at] = left if fires else total
        spikes[at] = fires
    return 0 if num_beyond == 0 else 1


def teacher(table: Any, step: int) -> int:
    """Count the spikes of the output.

    table: size, steps of a window, spikes; bool; counts as the Var shows them, counts, steps of the
    last spikes; int64.
    """
    size = table[0]
    spikes, shown = array(table[2], size, np.bool_), array(table[3], size, np.int64)
    counts, last = array(table[4], size, np.int64), array(table[5], size, np.int64)
    for at in range(size):
        if spikes[at]:
            shown[at] += 1
            counts[at] += 1
            last[at] = (step - 1) % table[1] + 1
    return 0


KERNELS = {each.__name__: each for each in (encoder, send_single, connection, neurons, teacher)}
"""The kernels by name."""
