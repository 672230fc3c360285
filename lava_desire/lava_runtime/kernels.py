"""Steps of Lava's own models in compiled code, and the loop over many steps of a network.

A kernel is a function of a table and a time step, counted from 1. The table is int64: sizes, and
addresses of arrays that must stay where they are meanwhile. It returns 0, or 1 where the model has
to do this step by its own methods; what is then in its arrays is undefined. Bits are those of the
models on NumPy: products and sums are rounded one by one, in NumPy's order.

Numba is imported here, and this module only by :mod:`lava_desire.lava_runtime.compiling`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LARGEST = np.finfo(np.float64).max


@intrinsic
def _pointer(typing: Any, address: Any) -> Any:
    """Return the pointer to an address."""

    def generate(_: Any, builder: Any, __: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


@intrinsic
def _call(typing: Any, function: Any, table: Any, step: Any) -> Any:
    """Call the kernel at an address."""

    def generate(_: Any, builder: Any, __: Any, values: Any) -> Any:
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word.as_pointer(), word])
        kernel = builder.inttoptr(values[0], kind.as_pointer())
        return builder.call(kernel, [builder.inttoptr(values[1], word.as_pointer()), values[2]])

    return types.int64(types.int64, types.int64, types.int64), generate


@njit
def array(address: int, size: int, dtype: Any) -> Any:
    """Return the array at an address, (size,)."""
    return carray(_pointer(address), (size,), dtype)


def run(table: Any, step: int) -> int:
    """Run a network from a time step on; return how many steps it has gone through.

    table: number of steps, number of kernels, then of each its address and that of its table. Where
    a kernel gives up, its number stands in the place of the number of steps.
    """
    for done in range(table[0]):
        for number in range(table[1]):
            if _call(table[2 + 2 * number], table[3 + 2 * number], step + done) != 0:
                table[0] = number
                return done
    return table[0]


def add(table: Any, step: int) -> int:
    """Add up the messages that come to one port.

    table: size, number of messages, sum, messages; all float64.
    """
    size = table[0]
    total = array(table[2], size, np.float64)
    total[:] = 0.0
    for number in range(table[1]):
        message = array(table[3 + number], size, np.float64)
        for at in range(size):
            total[at] += message[at]
    return 0


def send(table: Any, step: int) -> int:
    """Send an array; as the sum with zeros, which makes a -0.0 into 0.0.

    table: size, array, message; float64.
    """
    size = table[0]
    values, message = array(table[1], size, np.float64), array(table[2], size, np.float64)
    for at in range(size):
        message[at] = values[at] + 0.0
    return 0


def ring_source(table: Any, step: int) -> int:
    """Send the column of a ring buffer whose turn it is.

    table: size, length of the buffer, data (size, length), message (size,); float64.
    """
    size, length = table[0], table[1]
    data, message = array(table[2], size * length, np.float64), array(table[3], size, np.float64)
    column = (step - 1) % length
    for at in range(size):
        message[at] = data[at * length + column] + 0.0
    return 0


def ring_sink(table: Any, step: int) -> int:
    """Write a message to the column of a ring buffer whose turn it is.

    table: size, length of the buffer, data (size, length), message (size,); float64.
    """
    size, length = table[0], table[1]
    data, message = array(table[2], size * length, np.float64), array(table[3], size, np.float64)
    column = (step - 1) % length
    for at in range(size):
        data[at * length + column] = message[at]
    return 0


def lif_float(table: Any, step: int) -> int:
    """Advance a layer of Lava's LIF in floating point.

    table: size, u, v, bias, activation, spikes, and 1 - du, 1 - dv and vth as one array; float64.
    """
    size = table[0]
    u, v = array(table[1], size, np.float64), array(table[2], size, np.float64)
    bias, activation = array(table[3], size, np.float64), array(table[4], size, np.float64)
    spikes, constants = array(table[5], size, np.float64), array(table[6], 3, np.float64)
    keep_u, keep_v, threshold = constants[0], constants[1], constants[2]
    num_beyond = 0
    for at in range(size):
        current = u[at] * keep_u
        current = current + activation[at]
        potential = v[at] * keep_v
        potential = potential + current
        potential = potential + bias[at]
        fires = potential > threshold
        u[at] = current
        v[at] = 0.0 if fires else potential
        spikes[at] = 1.0 if fires else 0.0
        # NumPy may have something to say about it.
        num_beyond += 0 if abs(potential) <= LARGEST else 1
    return 0 if num_beyond == 0 else 1


def dense_float(table: Any, step: int) -> int:
    """Sum the weights of the inputs that spike, for the next step.

    table: outputs, inputs, weights by input (inputs, outputs), spikes (inputs,), sums (outputs,);
    float64.
    """
    num_out, num_in = table[0], table[1]
    weights = array(table[2], num_in * num_out, np.float64)
    spikes, total = array(table[3], num_in, np.float64), array(table[4], num_out, np.float64)
    total[:] = 0.0
    for one in range(num_in):
        if spikes[one] != 0.0:
            row = weights[one * num_out : (one + 1) * num_out]
            for at in range(num_out):
                total[at] += row[at]
    num_beyond = 0
    for at in range(num_out):
        num_beyond += 0 if abs(total[at]) <= LARGEST else 1
    return 0 if num_beyond == 0 else 1


def record(table: Any, step: int) -> int:
    """Write values as the row of this step.

    table: size, rows (steps, size), float64; values (size,); their type: 0 for float64, 1 for
    float32, 2 for bool.
    """
    size = table[0]
    row = array(table[1] + 8 * (step - 1) * size, size, np.float64)
    if table[3] == 0:
        row[:] = array(table[2], size, np.float64)
    elif table[3] == 1:
        row[:] = array(table[2], size, np.float32)
    else:
        row[:] = array(table[2], size, np.bool_)
    return 0


KERNELS = {
    each.__name__: each
    for each in (run, add, send, ring_source, ring_sink, lif_float, dense_float, record)
}
"""The kernels by name."""
