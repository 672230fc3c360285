"""The network in Norse: boxed LIF neurons lifted over time, compiled."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import norse.torch
import torch
from norse.torch.functional.reset import reset_subtract

from benchmarks.peers.encoder import DECAY
from benchmarks.peers.gradients import gradient_step

_MILLISECOND = 1e-3  # Norse's time step


def build(layers: tuple[int, ...], option: str, batch_size: int) -> Any:
    """See :mod:`benchmarks.peers`."""
    parameters = norse.torch.LIFBoxParameters(
        tau_mem_inv=torch.tensor((1 - DECAY) / _MILLISECOND), reset_method=reset_subtract
    )
    linear = torch.nn.ModuleList(
        torch.nn.Linear(before, behind, bias=False) for before, behind in pairwise(layers)
    )
    neurons = [norse.torch.Lift(norse.torch.LIFBoxCell(parameters)) for _ in layers[1:]]

    @torch.compile
    def run(spikes: torch.Tensor) -> torch.Tensor:
        for product, neuron in zip(linear, neurons, strict=True):
            spikes, _ = neuron(product(spikes))
        return spikes.sum(0)

    return gradient_step(linear, run, option)
