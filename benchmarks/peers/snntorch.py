"""The network in snnTorch: its Leaky neurons, step by step."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import snntorch
import torch

from benchmarks.peers.encoder import DECAY
from benchmarks.peers.gradients import gradient_step


def build(layers: tuple[int, ...], option: str, batch_size: int) -> Any:
    """See :mod:`benchmarks.peers`."""
    dense = torch.nn.ModuleList(
        torch.nn.Linear(before, behind, bias=False) for before, behind in pairwise(layers)
    )
    neurons = torch.nn.ModuleList(snntorch.Leaky(beta=DECAY) for _ in layers[1:])

    def run(spikes: torch.Tensor) -> torch.Tensor:
        states = [neuron.init_leaky() for neuron in neurons]
        out = []
        for values in spikes:
            for index, (product, neuron) in enumerate(zip(dense, neurons, strict=True)):
                values, states[index] = neuron(product(values), states[index])
            out.append(values)
        return torch.stack(out).sum(0)

    return gradient_step(torch.nn.ModuleList([dense, neurons]), run, option)
