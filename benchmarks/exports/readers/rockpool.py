"""Rockpool, with nir 1.0.4: reads a field that nir's LIF has not, and always subtracts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch
from rockpool.nn.modules.torch import LIFNeuronTorch
from rockpool.nn.modules.torch.nir import from_nir

PACKAGES, DIALECT = ("rockpool", "nirtorch", "nir", "torch"), "rockpool"


def run(graph: Any, spikes: np.ndarray, most: float | None = None) -> np.ndarray:
    """Import and run."""
    model = from_nir(graph)
    for layer in (module for module in model.modules() if isinstance(module, LIFNeuronTorch)):
        layer.max_spikes_per_dt = layer.max_spikes_per_dt if most is None else torch.tensor(most)
    with torch.no_grad():
        outputs, _ = model(torch.from_numpy(spikes.swapaxes(0, 1)).float())
    return outputs.numpy().swapaxes(0, 1)


def as_imported(path: Path, dt: float, spikes: np.ndarray) -> np.ndarray:
    """Read as it is."""
    return run(nir.read(path), spikes)


def patched(path: Path, dt: float, spikes: np.ndarray) -> np.ndarray:
    """Give the nodes the field that is read, and let a neuron spike once a step."""
    graph = nir.read(path)
    for node in graph.nodes.values():
        if isinstance(node, nir.LIF):
            node.tau_mem = node.tau
    return run(graph, spikes, 1.0)


WAYS = {
    reset: {"": as_imported, "node.tau_mem = node.tau, max_spikes_per_dt = 1": patched}
    for reset in ("subtract", "zero")
}
