"""The network in SpikingJelly: multi-step mode, a layer's whole window in one product.

Layers that are texts, as ``16c5s2``, see images of 28 x 28.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from spikingjelly.activation_based import functional, layer, neuron, surrogate

from benchmarks.peers.encoder import DECAY
from benchmarks.peers.gradients import gradient_step

IMAGE = (1, 28, 28)


def build(layers: tuple[Any, ...], option: str, batch_size: int) -> Any:
    """See :mod:`benchmarks.peers`."""
    parts: list[torch.nn.Module] = []
    for connection in connections(layers):
        parts.append(connection)
        parts.append(
            neuron.LIFNode(
                tau=1 / (1 - DECAY),
                decay_input=False,
                v_reset=None,
                surrogate_function=surrogate.ATan(),
                step_mode="m",
            )
        )
    network = torch.nn.Sequential(*parts)
    forward = torch.compile(network) if option == "compile" else network
    shape = IMAGE if isinstance(layers[0], str) else (-1,)

    def run(spikes: torch.Tensor) -> torch.Tensor:
        functional.reset_net(network)
        return forward(spikes.reshape(*spikes.shape[:2], *shape)).sum(0)

    return gradient_step(network, run, option)


def connections(layers: tuple[Any, ...]) -> Iterator[torch.nn.Module]:
    """Yield the modules between the neurons."""
    if isinstance(layers[0], int):
        for before, behind in pairwise(layers):
            yield layer.Linear(before, behind, bias=False, step_mode="m")
        return
    channels, size, _ = IMAGE
    for text in layers:
        numbers = [int(number) for number in re.findall(r"\d+", text)]
        if len(numbers) == 1:
            flatten = layer.Flatten(step_mode="m")
            dense = layer.Linear(channels * size**2, *numbers, bias=False, step_mode="m")
            yield torch.nn.Sequential(flatten, dense)
            channels, size = numbers[0], 1
            continue
        behind, kernel, stride = numbers
        yield layer.Conv2d(channels, behind, kernel, stride, bias=False, step_mode="m")
        channels, size = behind, (size - kernel) // stride + 1
