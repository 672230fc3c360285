"""sinabs, with nir 1.0.4: takes no Linear, ignores R, and may spike more than once a step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch
from sinabs.activation import MembraneReset, SingleSpike
from sinabs.layers import LIFSqueeze
from sinabs.nir import from_nir

PACKAGES, DIALECT = ("sinabs", "nirtorch", "nir", "torch"), "sinabs"


def single(layer: Any) -> None:
    """Spike once a step."""
    layer.spike_fn = SingleSpike


def single_to_zero(layer: Any) -> None:
    """Spike once a step, and reset to zero."""
    layer.spike_fn, layer.reset_fn = SingleSpike, MembraneReset()


def way(patch: Any = lambda layer: None) -> Any:
    """Return a way of reading in which each layer of neurons is changed."""

    def read_and_run(path: Path, dt: float, spikes: np.ndarray) -> np.ndarray:
        steps, samples = spikes.shape[:2]
        model = from_nir(nir.read(path), batch_size=samples)
        for layer in (module for module in model.modules() if isinstance(module, LIFSqueeze)):
            patch(layer)
        rows = torch.from_numpy(spikes.swapaxes(0, 1).reshape(steps * samples, *spikes.shape[2:]))
        with torch.no_grad():
            outputs, _ = model(rows.float())
        return outputs.numpy().reshape(samples, steps, -1).swapaxes(0, 1)

    return read_and_run


WAYS = {
    "subtract": {"": way(), "spike_fn = SingleSpike": way(single)},
    "zero": {
        "": way(),
        "spike_fn = SingleSpike, reset_fn = MembraneReset()": way(single_to_zero),
    },
}
