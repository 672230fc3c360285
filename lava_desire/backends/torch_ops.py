"""Torch operations on any device, in every precision."""

from __future__ import annotations

import torch
from torch import Tensor

from lava_desire.backends.base import Backend
from lava_desire.model.synapses import Dense, Synapse


class TorchBackend(Backend):
    """The equations in torch operations: the currents of a layer's whole window in one product.

    ``float32`` sums in float64 and rounds once, so that results depend neither on order nor on
    batch or threads. ``bfloat16x2`` takes two bfloat16 terms a weight and a trace, and sums in
    float32. On CUDA the two go through the tensor cores; torch offers no bfloat16 product with a
    float32 result on a CPU, so there they are added first, which is exact, and multiplied in
    float32. Synapses that are not dense sum in float64 in either precision.
    """

    name = "torch"

    def _splits(self, synapse: Synapse) -> bool:
        return self.precision == "bfloat16x2" and isinstance(synapse, Dense)

    def _current(self, synapse: Synapse, weights: Tensor, spikes: Tensor, gain: float) -> Tensor:
        if not self._splits(synapse):
            return super()._current(synapse, weights, spikes, gain)
        current = _split_product(spikes, *(term.T for term in split_bfloat16(weights)))
        return current if gain == 1 else current.mul_(gain)

    def _pairings(self, synapse: Synapse, signed: Tensor, arrived: Tensor) -> Tensor:
        if not self._splits(synapse):
            return super()._pairings(synapse, signed, arrived)
        traces = self._traces(arrived, torch.float32)
        return _split_product(signed.flatten(0, 1).T, *split_bfloat16(traces.flatten(0, 1)))


def _split_product(left: Tensor, high: Tensor, low: Tensor) -> Tensor:
    """Multiply 0 and ±1, (R, S), by the sum of two bfloat16 terms, (S, C), in float32."""
    if not high.is_cuda:
        return left.to(torch.float32) @ (high.float() + low.float())
    left = left.to(torch.bfloat16)
    sums = torch.mm(left, high, out_dtype=torch.float32)
    return sums.add_(torch.mm(left, low, out_dtype=torch.float32))


def split_bfloat16(values: Tensor) -> tuple[Tensor, Tensor]:
    """Split float32 values into two bfloat16 terms whose sum is within 2⁻¹⁷ of them, relatively."""
    high = values.to(torch.bfloat16)
    return high, (values - high.to(values.dtype)).to(torch.bfloat16)
