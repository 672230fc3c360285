"""The network in lava-dl's SLAYER: dense blocks of neurons whose current does not last.

Its ``__init__`` imports object detection, which needs OpenCV and torchvision, and so is not run.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch

from benchmarks.exports.netx import enter_without_init
from benchmarks.peers.encoder import DECAY
from benchmarks.peers.gradients import gradient_step

enter_without_init("lava.lib.dl.slayer")
from lava.lib.dl.slayer.block import cuba  # noqa: E402  (what is entered above)


def build(layers: tuple[int, ...], option: str, batch_size: int) -> Any:
    """See :mod:`benchmarks.peers`."""
    neuron = {"threshold": 1.0, "current_decay": 1.0, "voltage_decay": 1 - DECAY}
    network = torch.nn.Sequential(
        *(cuba.Dense(neuron, before, behind) for before, behind in pairwise(layers))
    )

    def run(spikes: torch.Tensor) -> torch.Tensor:
        return network(spikes.permute(1, 2, 0).contiguous()).sum(-1)

    return gradient_step(network, run, option)
