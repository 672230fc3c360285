"""Triton: dropout masks drawn where they are used, the same bits as on the CPU."""

from __future__ import annotations

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from lava_desire.randomness import DropoutStream

# Philox4x64-10, as in :mod:`lava_desire.backends.numba.philox`.
_ROUNDS = tl.constexpr(10)
_FIRST_MULTIPLIER = tl.constexpr(0xD2E7470EE14C6C93)
_SECOND_MULTIPLIER = tl.constexpr(0xCA5A826395121157)
_FIRST_BUMP = tl.constexpr(0x9E3779B97F4A7C15)
_SECOND_BUMP = tl.constexpr(0xBB67AE8584CAA73B)
_UNUSED_BITS = tl.constexpr(8)  # a float32 in [0, 1) is made of 24 bits
_DRAWS = 8  # 32-bit words of a counter
_BLOCK = 128


@triton.jit
def dropout_kernel(
    keep,
    key,
    position,
    num_neurons,
    counters,
    least,
    BLOCK: tl.constexpr,
):
    """Draw the masks of a batch; a program a sample and BLOCK counters.

    `keep` is (B, N) bool, filled; `key` (2,) int64, the bits of the Philox key; `position` the
    number of the first sample, one int64. A draw of at least `least` keeps its neuron.
    """
    row = tl.program_id(0)
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    # NumPy increments the counter before it draws.
    number = (tl.load(position) + row) * counters + place + 1
    first = number.to(tl.uint64)
    second = tl.zeros((BLOCK,), tl.uint64)
    third = tl.zeros((BLOCK,), tl.uint64)
    fourth = tl.zeros((BLOCK,), tl.uint64)
    one = tl.load(key).to(tl.uint64, bitcast=True)
    other = tl.load(key + 1).to(tl.uint64, bitcast=True)
    for _ in tl.static_range(_ROUNDS):
        upper, lower = tl.umulhi(first, _FIRST_MULTIPLIER), first * _FIRST_MULTIPLIER
        first = tl.umulhi(third, _SECOND_MULTIPLIER) ^ second ^ one
        second = third * _SECOND_MULTIPLIER
        third = upper ^ fourth ^ other
        fourth = lower
        one = one + _FIRST_BUMP
        other = other + _SECOND_BUMP
    at = keep + row.to(tl.int64) * num_neurons
    for half in tl.static_range(2):
        neuron = place * 8 + half
        _store_kept(at, neuron, num_neurons, first >> (32 * half), least)
        _store_kept(at, neuron + 2, num_neurons, second >> (32 * half), least)
        _store_kept(at, neuron + 4, num_neurons, third >> (32 * half), least)
        _store_kept(at, neuron + 6, num_neurons, fourth >> (32 * half), least)


@triton.jit
def _store_kept(row, neuron, num_neurons, word, least):
    """Store whether a draw, the upper 24 of the lower 32 bits of `word`, keeps its neuron."""
    drawn = ((word >> _UNUSED_BITS) & 0xFFFFFF).to(tl.int32)
    tl.store(row + neuron, drawn >= least, mask=neuron < num_neurons)


class DeviceDropout:
    """Draws the masks of a layer's :class:`~lava_desire.randomness.DropoutStream` on a device.

    The stream itself is not moved.
    """

    def __init__(self, stream: DropoutStream, device: torch.device) -> None:
        self._num_neurons = stream.num_neurons
        self._key = torch.from_numpy(stream.key.view(np.int64)).to(device)
        self._least = stream.least

    def draw(self, position: Tensor, num_samples: int) -> Tensor:
        """Draw masks, (num_samples, N) bool, from the sample whose number `position` holds.

        `position` is one int64 on the device, so that a captured step reads it anew every time.
        """
        keep = torch.empty(
            (num_samples, self._num_neurons), dtype=torch.bool, device=position.device
        )
        counters = -(-self._num_neurons // _DRAWS)
        dropout_kernel[num_samples, triton.cdiv(counters, _BLOCK)](
            keep,
            self._key,
            position,
            self._num_neurons,
            counters,
            self._least,
            BLOCK=_BLOCK,
            enable_fp_fusion=False,
        )
        return keep
