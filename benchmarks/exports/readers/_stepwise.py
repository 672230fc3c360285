"""Models of torch that take a step and a state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch


def run(model: Any, spikes: np.ndarray) -> np.ndarray:
    """Run a model step by step."""
    state, outputs = None, []
    with torch.no_grad():
        for step in torch.from_numpy(spikes).float():
            # Without the state of the step before there are no spikes, and no error.
            output, state = model(step, state)
            outputs.append(output)
    return torch.stack(outputs).numpy()


def way(
    build: Callable[[nir.NIRGraph, float], Any], patch: Callable[[Any], None] = lambda model: None
) -> Callable[[Path, float, np.ndarray], np.ndarray]:
    """Return a way of reading from what builds a model, and what changes it then."""

    def read_and_run(path: Path, dt: float, spikes: np.ndarray) -> np.ndarray:
        model = build(nir.read(path), dt)
        patch(model)
        return run(model, spikes)

    return read_and_run


def each(model: Any, kinds: Any) -> list[Any]:
    """Return the modules of a kind, or of some."""
    return [module for module in model.modules() if isinstance(module, kinds)]
