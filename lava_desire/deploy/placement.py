"""Which core holds which neuron, where spikes are counted or simulated: inputs, then the layers."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np

from lava_desire.config import DesireConfig
from lava_desire.deploy.axons import split
from lava_desire.deploy.chips.base import Chip
from lava_desire.deploy.core_map import map_network


def place(config: DesireConfig, chip: Chip) -> list[Any]:
    """Return the core of every neuron, inputs first, each layer on as few cores as it takes.

    A neuron takes one compartment, also where it resets by subtraction, as in SANA-FE. Weights have
    8 bits. Returns L + 1 arrays (N_ℓ,) int64 of numbers of cores from 0. Raises ValueError if the
    network, or it with its inputs, is larger than the chip.
    """
    found = map_network(config.replace(reset="zero"), chip)
    limit = chip.neurons_per_core
    inputs = ceil(config.num_inputs / limit.value) if limit else 1
    if found.problems or found.cores + inputs > found.chip_cores:
        why = "; ".join(found.problems) or (
            f"its layers take {found.cores} cores and its inputs {inputs}: expected at most "
            f"{found.chip_cores}"
        )
        raise ValueError(f"{config.shape_text} does not fit one {chip.title}: {why}")
    shapes = [(config.num_inputs,), *(synapse.post_shape for synapse in config.synapses)]
    placed, first = [], 0
    spread = [(inputs, 1), *((each.cores, each.channel_groups) for each in found.layers)]
    for shape, (cores, groups) in zip(shapes, spread, strict=True):
        numbers = np.zeros(int(np.prod(shape)), np.int64)
        for core, part in enumerate(split(shape, cores // groups, groups), start=first):
            numbers[part] = core
        placed.append(numbers)
        first += cores
    return placed
