"""Spyx: ignores R and v_reset; fires and deducts a step late, so each layer is a step behind."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jax.numpy as jnp
import nir
import numpy as np
from spyx.nir import from_nir
from spyx.nn import LIF, CuBaLIF

PACKAGES, DIALECT = ("spyx", "jax", "flax", "nir"), "spyx"


def read_and_run(path: Path, dt: float, spikes: np.ndarray, late: bool = True) -> np.ndarray:
    """Import and run; planes come as (B, height, width, channels) there."""
    graph = nir.read(path)
    layers = sum(isinstance(node, (nir.LIF, nir.CubaLIF)) for node in graph.nodes.values()) * late
    padded = np.concatenate([spikes, np.zeros((layers, *spikes.shape[1:]), bool)])
    planes = spikes.ndim == 5
    inputs = padded.transpose(0, 1, 3, 4, 2) if planes else padded
    _, outputs = from_nir(graph, jnp.asarray(inputs, jnp.float32), dt=dt)
    outputs = np.asarray(outputs)[layers:]
    return outputs.transpose(0, 1, 4, 2, 3) if planes else outputs


def at_once(self: Any, inputs: Any, potential: Any, reset: str) -> Any:
    """Fire where the potential of this step reaches the threshold."""
    potential = self.beta[...] * potential + inputs
    spikes = (potential >= self.threshold).astype(jnp.float32)
    lost = self.threshold if reset == "subtract" else potential
    return spikes, potential - spikes * lost


def replaced(path: Path, dt: float, spikes: np.ndarray, reset: str) -> np.ndarray:
    """Import and run with the neuron above."""

    def call(self: Any, inputs: Any, potential: Any) -> Any:
        return at_once(self, inputs, potential, reset)

    def filtered(self: Any, inputs: Any, state: Any) -> Any:
        potential, current = jnp.split(state, 2, -1)
        current = self.alpha[...] * current + inputs
        spikes, potential = at_once(self, current, potential, reset)
        return spikes, jnp.concatenate([potential, current], axis=-1)

    with patch.object(LIF, "__call__", call), patch.object(CuBaLIF, "__call__", filtered):
        return read_and_run(path, dt, spikes, late=False)


WAYS = {
    reset: {"": read_and_run, "__call__ replaced": partial(replaced, reset=reset)}
    for reset in ("subtract", "zero")
}
