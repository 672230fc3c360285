"""Connections of a NIR graph as ours: Affine, Linear, Conv2d, and the pools before them.

A pooling layer sends no spikes and is no layer here. A sum over q × q neurons and then a kernel W
of k × k, stride s and padding p are one kernel W[o, c, ⌊i/q⌋, ⌊j/q⌋] of q·k, stride q·s and padding
q·p.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from lava_desire.model.conv2d import Conv2d
from lava_desire.model.synapses import Dense, Synapse

Shape = tuple[int, ...]
_MAX_WEIGHTS = 2**27  # of a layer; a small file could ask for more with a large pool


@dataclass(frozen=True)
class Pool:
    """The pools before a connection: sums over so many rows and columns, times a scale."""

    size: tuple[int, int] = (1, 1)
    scale: float = 1.0

    def then(self, name: str, node: Any, shape: Shape, *, mean: bool) -> tuple[Pool, Shape]:
        """Add a node; return also the planes that come out, where those that come in are known."""
        (tall, wide), stride = _pair(name, node, "kernel_size", 1), _pair(name, node, "stride", 1)
        padding = _pair(name, node, "padding", 0)
        if stride != (tall, wide) or any(padding):
            raise ValueError(
                f"{name!r} pools {tall} x {wide} with stride {stride} and padding {padding}: "
                f"expected stride {(tall, wide)} and no padding"
            )
        if shape and (len(shape) != 3 or shape[1] % tall or shape[2] % wide):
            raise ValueError(
                f"{name!r} pools {tall} x {wide} of neurons of the shape {shape}: expected planes "
                "of whole pools"
            )
        scale = self.scale / (tall * wide) if mean else self.scale
        pooled = (shape[0], shape[1] // tall, shape[2] // wide) if shape else ()
        return Pool((self.size[0] * tall, self.size[1] * wide), scale), pooled

    def times(self, pair: Shape) -> tuple[int, int]:
        """Return how many rows and columns before the pools so many behind them are."""
        return pair[0] * self.size[0], pair[1] * self.size[1]

    def in_kernels(self, kernels: Any) -> Any:
        """Return (C', C, k_h, k_w) weights that pool as well."""
        if self == Pool():
            return kernels
        wide = kernels.astype(np.float64) * self.scale
        return wide.repeat(self.size[0], axis=2).repeat(self.size[1], axis=3)


def as_dense(synapse: Synapse) -> Synapse:
    """Return a convolution whose kernels are as large as its planes as the dense layer it is."""
    if isinstance(synapse, Conv2d) and (
        any(synapse.padding) or synapse.kernel_size != synapse.pre_shape[1:]
    ):
        return synapse
    return Dense(synapse.num_post).connected((synapse.num_pre,))


def connect(
    nir: Any, name: str, node: Any, shape: Shape, pool: Pool, before: str
) -> tuple[Synapse, Any]:
    """Return the connection of a node, and its weights as the graph holds them.

    `shape` is what comes out of the pools behind the node `before`, () where that is not known.
    Raises ValueError if the node does what no connection here can.
    """
    weight = _weight(nir, name, node)
    if not isinstance(node, nir.Conv2d):
        _check_inputs(name, weight.shape[1:], (prod(shape),) if shape else (), before)
        if pool == Pool():
            return Dense(len(weight)).connected(weight.shape[1:]), weight
        if not shape:
            raise ValueError(f"Input says no shape of the planes that {before!r} pools")
        weight, plane = weight.reshape(-1, *shape), shape
        stride, padding = (1, 1), (0, 0)
    else:
        stride, padding = _geometry(name, node, weight.shape[2:])
        sides = shape[1:] if node.input_shape is None else _pair(name, node, "input_shape", 1)
        if len(sides) != 2:
            raise ValueError(
                f"{name!r} has no input_shape: expected (height, width), there or in Input"
            )
        plane = (weight.shape[1], *sides)
        _check_inputs(name, plane, shape, before)
    try:
        geometry = [pool.times(pair) for pair in (weight.shape[2:], stride, padding)]
        synapse = as_dense(
            Conv2d(len(weight), *geometry).connected((plane[0], *pool.times(plane[1:])))
        )
        if synapse.num_weights > _MAX_WEIGHTS:
            raise ValueError(f"{synapse.num_weights} weights: expected at most {_MAX_WEIGHTS}")
    except ValueError as error:
        raise ValueError(f"node {name!r} ({type(node).__name__}): {error}") from None
    return synapse, pool.in_kernels(weight).reshape(synapse.weight_shape)


def array_of(value: Any) -> Any:
    """Return a parameter as an array; Norse keeps tensors in its graphs."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value)


def _check_inputs(name: str, taken: Shape, given: Shape, before: str) -> None:
    if given and taken != given:
        taken_text, expected = (
            str(shape[0] if len(shape) == 1 else shape) for shape in (taken, given)
        )
        raise ValueError(
            f"node {name!r} takes {taken_text} inputs: expected {expected}, one a neuron of "
            f"{before or 'Input'!r}"
        )


def _weight(nir: Any, name: str, node: Any) -> Any:
    """Return finite weights, and refuse a bias."""
    is_convolution = isinstance(node, nir.Conv2d)
    weight = array_of(node.weight)
    axes = "channels out and in, rows, columns" if is_convolution else "neurons by inputs"
    ndim = 4 if is_convolution else 2
    if weight.ndim != ndim or weight.dtype.kind not in "fiu" or not np.isfinite(weight).all():
        raise ValueError(
            f"weight of {name!r} is {weight.dtype} {weight.shape}: expected finite numbers, {axes}"
        )
    bias = getattr(node, "bias", None)
    bias = array_of(0 if bias is None else bias)
    if bias.dtype.kind not in "fiu":
        raise ValueError(f"bias of {name!r} is {bias.dtype}: expected zeros, or none")
    if bias.any():
        raise ValueError(
            f"{name!r} ({type(node).__name__}) has a bias: expected zero, neurons here have none"
        )
    return weight


def _geometry(name: str, node: Any, kernel_size: Shape) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return stride and padding of a convolution, and refuse groups and dilation."""
    for field in ("groups", "dilation"):
        given = _pair(name, node, field, 1)
        if given != (1, 1):
            raise ValueError(
                f"{field} of {name!r} is {max(given)}: expected 1, convolutions here have no other"
            )
    stride = _pair(name, node, "stride", 1)
    if not isinstance(node.padding, str):
        return stride, _pair(name, node, "padding", 0)
    if node.padding == "valid":
        return stride, (0, 0)
    if stride != (1, 1) or not all(size % 2 for size in kernel_size):
        raise ValueError(
            f"padding of {name!r} is 'same' with stride {stride} and kernels of {kernel_size}: "
            "expected numbers, or stride 1 and odd kernels, which it pads alike on both sides"
        )
    return stride, (kernel_size[0] // 2, kernel_size[1] // 2)


def _pair(name: str, node: Any, field: str, smallest: int) -> tuple[int, int]:
    """Return one or two integers, vertical first, as two; writers keep them in any container."""
    given = array_of(getattr(node, field))
    if given.dtype.kind in "fiu" and given.size in (1, 2):
        values = np.broadcast_to(given.reshape(-1), 2).tolist()
        if all(value == value // 1 >= smallest for value in values):
            return int(values[0]), int(values[1])
    raise ValueError(
        f"{field} of {name!r} is {getattr(node, field)!r}: expected one or two integers of at "
        f"least {smallest}"
    )
