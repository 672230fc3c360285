"""Convolutions: connections whose weights are shared by all positions of a plane.

A convolution is the dense layer whose matrix holds each weight of a kernel at every position; a
change of a weight is the sum of those of its copies. Currents, errors and changes are those of that
layer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lava_desire.model.arrays import Array, namespace, zeros
from lava_desire.model.fields import MAX_NEURONS, checked_integer, shown
from lava_desire.model.synapses import Synapse

_PAIR = r"(\d+)(?:x(\d+))?"
_TEXT = re.compile(rf"(\d+)c{_PAIR}(?:s{_PAIR})?(?:p{_PAIR})?")


class Conv2d(Synapse):
    """Kernels of shared weights (C', C, k_h, k_w), moved over planes (C, H, W) in strides.

    a[o, y, x] = Σ_{c,i,j} W[o, c, i, j] · u[c, y·s_h + i − p_h, x·s_w + j − p_w]

    A correlation: kernels are not turned. There is one position for each of H' × W' neurons of a
    channel, H' = ⌊(H + 2 p_h − k_h) / s_h⌋ + 1, and W' likewise; what the floor leaves uncovered is
    connected to nothing. Padding is silent. There is no bias, and groups and dilation are 1.

    Parameters
    ----------
    out_channels : int
        C', at least 1.
    kernel_size : int or pair of int
        (k_h, k_w), at least 1; of one integer both.
    stride : int or pair of int
        (s_h, s_w), at least 1.
    padding : int or pair of int
        (p_h, p_w), at least 0 and below the kernel's size.

    Attributes
    ----------
    in_channels, in_height, in_width : int
        C, H and W, of a connection that is :meth:`~lava_desire.model.synapses.Synapse.connected`.
    out_height, out_width : int
        H' and W'; their product is the number of positions P.

    Raises
    ------
    ValueError
        Naming the parameter, its value and what is allowed.

    Examples
    --------
    >>> from lava_desire import Conv2d, Dense, DesireConfig
    >>> layers = [Conv2d(16, 5, stride=2), Conv2d(32, 5, stride=2), Dense(10)]
    >>> config = DesireConfig(layers=layers, input_shape=(1, 28, 28))
    >>> [synapse.post_shape for synapse in config.synapses]
    [(16, 12, 12), (32, 4, 4), (10,)]
    >>> print(*layers)
    16c5s2 32c5s2 10
    """

    name = "conv2d"
    parameters = ("out_channels", "kernel_h", "kernel_w", "stride_h", "stride_w", "pad_h", "pad_w")

    def __init__(
        self,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        self.out_channels = checked_integer("out_channels", out_channels, 1, MAX_NEURONS)
        self.kernel_size = _pair("kernel_size", kernel_size, 1)
        self.stride = _pair("stride", stride, 1)
        self.padding = _pair("padding", padding, 0)
        if any(pad >= size for pad, size in zip(self.padding, self.kernel_size, strict=True)):
            raise ValueError(
                f"padding is {self.padding}: expected less than kernel_size, {self.kernel_size}"
            )
        super().__init__(self.out_channels, *self.kernel_size, *self.stride, *self.padding)

    @classmethod
    def parse(cls, text: str) -> Synapse | None:
        """See :class:`~lava_desire.model.synapses.Synapse`; ``"16c5s2p1"``, or ``"8c5x3"``."""
        found = _TEXT.fullmatch(text)
        if found is None:
            return None
        channels, *numbers = (None if each is None else int(each) for each in found.groups())
        pairs = [
            (default, default) if one is None else (one, one if other is None else other)
            for default, one, other in zip((1, 1, 0), numbers[::2], numbers[1::2], strict=True)
        ]
        return cls(channels, *pairs)  # type: ignore[arg-type]

    @classmethod
    def spelling(cls) -> str:
        """See :class:`~lava_desire.model.synapses.Synapse`."""
        return "16c5s2p1 (s before p)"

    def __str__(self) -> str:
        """See :class:`~lava_desire.model.synapses.Synapse`."""
        text = f"{self.out_channels}c{_spelled(self.kernel_size)}"
        if self.stride != (1, 1):
            text += f"s{_spelled(self.stride)}"
        return text if self.padding == (0, 0) else f"{text}p{_spelled(self.padding)}"

    def __repr__(self) -> str:
        """See :class:`~lava_desire.model.synapses.Synapse`."""
        return (
            f"Conv2d({self.out_channels}, {self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding})"
        )

    def _connect(self, pre_shape: tuple[int, ...]) -> None:
        if len(pre_shape) != 3:
            raise ValueError(
                f"the neurons before it have the shape {pre_shape}: expected (channels, height, "
                "width), as input_shape or a convolution gives them"
            )
        self.in_channels, self.in_height, self.in_width = pre_shape
        outs = [
            (size + 2 * pad - kernel) // step + 1
            for size, pad, kernel, step in zip(
                pre_shape[1:], self.padding, self.kernel_size, self.stride, strict=True
            )
        ]
        if min(outs) < 1:
            raise ValueError(
                f"its kernels are larger than the {self.in_height} x {self.in_width} neurons of a "
                "channel before it with their padding: expected smaller ones"
            )
        self.out_height, self.out_width = outs
        self.post_shape = (self.out_channels, self.out_height, self.out_width)
        self.num_positions = self.out_height * self.out_width
        self.weight_shape = (self.out_channels, self.in_channels, *self.kernel_size)
        self.fan_in = self.in_channels * self.kernel_size[0] * self.kernel_size[1]

    @property
    def geometry(self) -> tuple[int, ...]:
        """C, H, W, C', H', W', k_h, k_w, s_h, s_w, p_h, p_w, as kernels of backends take them."""
        sizes = (*self.kernel_size, *self.stride, *self.padding)
        return (*self.pre_shape, *self.post_shape, *sizes)

    def _patches(self, planes: Array) -> Iterator[tuple[int, int, Array]]:
        """Yield i, j and a view of the (…, C, H', W') neurons that offset meets at all positions.

        `planes` are padded.
        """
        (step_y, step_x), (height, width) = self.stride, (self.out_height, self.out_width)
        for i in range(self.kernel_size[0]):
            for j in range(self.kernel_size[1]):
                last_y, last_x = i + step_y * (height - 1), j + step_x * (width - 1)
                yield i, j, planes[..., i : last_y + 1 : step_y, j : last_x + 1 : step_x]

    def _silent(self, num_rows: int, like: Array) -> Array:
        """Return zeros for (R, C, H + 2 p_h, W + 2 p_w) neurons: planes with their padding."""
        height, width = (
            size + 2 * pad for size, pad in zip(self.pre_shape[1:], self.padding, strict=True)
        )
        return zeros((num_rows, self.in_channels, height, width), like)

    def _padded(self, values: Array) -> Array:
        """Return (R, N_i) neurons as planes with their padding."""
        inside = namespace(values).reshape(values, (-1, *self.pre_shape))
        if self.padding == (0, 0):
            return inside
        planes = self._silent(len(inside), values)
        self._inside(planes)[...] = inside
        return planes

    def _inside(self, planes: Array) -> Array:
        """Return a view of padded planes without their padding."""
        pad_y, pad_x = self.padding
        return planes[..., pad_y : pad_y + self.in_height, pad_x : pad_x + self.in_width]

    def forward(self, weights: Array, pre: Array) -> Array:
        """See :class:`~lava_desire.model.synapses.Synapse`."""
        xp, planes = namespace(weights, pre), self._padded(pre)
        current = zeros((len(planes), self.out_channels, self.num_positions), pre)
        for i, j, patch in self._patches(planes):
            met = xp.reshape(patch, (len(planes), self.in_channels, self.num_positions))
            current += weights[:, :, i, j] @ met
        return xp.reshape(current, (*pre.shape[:-1], self.num_post))

    def transpose(self, weights: Array, post: Array) -> Array:
        """See :class:`~lava_desire.model.synapses.Synapse`."""
        xp = namespace(weights, post)
        rows = xp.reshape(post, (-1, self.out_channels, self.num_positions))
        planes = self._silent(len(rows), post)
        for i, j, patch in self._patches(planes):
            patch += xp.reshape(weights[:, :, i, j].T @ rows, patch.shape)
        return xp.reshape(self._inside(planes), (*post.shape[:-1], self.num_pre))

    def pair(self, post: Array, pre: Array) -> Array:
        """See :class:`~lava_desire.model.synapses.Synapse`."""
        xp, num_rows = namespace(post, pre), len(post)
        planes = xp.reshape(post, (num_rows, self.out_channels, self.num_positions))
        channels = xp.reshape(xp.permute_dims(planes, (1, 0, 2)), (self.out_channels, -1))
        pairs = zeros(self.weight_shape, post)
        for i, j, patch in self._patches(self._padded(pre)):
            met = xp.reshape(xp.permute_dims(patch, (0, 2, 3, 1)), (-1, self.in_channels))
            pairs[:, :, i, j] = channels @ met
        return pairs


def _pair(name: str, given: Any, smallest: int) -> tuple[int, int]:
    """Return one integer twice, or a pair of them; refuse others by their name."""
    numbers = tuple(given) if isinstance(given, (tuple, list)) else (given, given)
    if len(numbers) != 2:
        raise ValueError(f"{name} is {shown(given)}: expected an integer, or two: vertical first")
    vertical, horizontal = (checked_integer(name, each, smallest, MAX_NEURONS) for each in numbers)
    return vertical, horizontal


def _spelled(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"
