"""Spike trains as bytes, a bit a spike, to be sent to another process.

A layer of N neurons takes ⌈T/8⌉ bytes a neuron and sample, lowest steps first, in ⌈T/8⌉ planes of N
bytes: bit k of plane p is the spike of step 8p + k.
"""

from __future__ import annotations

import torch
from torch import Tensor

_BITS = 8


def num_planes(num_steps: int) -> int:
    """Return ⌈T/8⌉, the bytes that a train of T steps takes."""
    return -(-num_steps // _BITS)


def pack_spikes(spikes: Tensor) -> Tensor:
    """Pack trains: (T, B, N) bool → (B, ⌈T/8⌉, N) uint8, on the same device."""
    num_steps, batch_size, size = spikes.shape
    planes = torch.zeros(
        num_planes(num_steps), batch_size, size, dtype=torch.uint8, device=spikes.device
    )
    for step in range(num_steps):
        planes[step // _BITS] |= spikes[step].to(torch.uint8) << (step % _BITS)
    return planes.transpose(0, 1).contiguous()


def unpack_spikes(planes: Tensor, num_steps: int) -> Tensor:
    """Return what :func:`pack_spikes` has packed: (B, ⌈T/8⌉, N) uint8 → (T, B, N) bool."""
    steps = [
        (planes[:, step // _BITS] >> (step % _BITS)).bitwise_and(1) for step in range(num_steps)
    ]
    return torch.stack(steps).to(torch.bool)


def pack_words(words: Tensor, num_steps: int) -> Tensor:
    """Pack trains that are words: (B, N) int64, bit t the spike of step t → (B, ⌈T/8⌉, N) uint8."""
    planes = [(words >> (_BITS * plane)).to(torch.uint8) for plane in range(num_planes(num_steps))]
    return torch.stack(planes, dim=1)


def unpack_words(planes: Tensor) -> Tensor:
    """Return what :func:`pack_words` has packed: (B, ⌈T/8⌉, N) uint8 → (B, N) int64."""
    words = planes[:, 0].to(torch.int64)
    for plane in range(1, planes.shape[1]):
        words |= planes[:, plane].to(torch.int64) << (_BITS * plane)
    return words
