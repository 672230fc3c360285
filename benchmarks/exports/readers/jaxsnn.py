"""jaxsnn, which takes Linear and CubaLIF, and computes the times of spikes between the steps."""

from __future__ import annotations

from pathlib import Path

import nir
import numpy as np
from jaxsnn.event.utils.from_nir import ConversionConfig, from_nir

PACKAGES, DIALECT = ("jaxsnn", "jax", "nir"), "jaxsnn"


def as_imported(path: Path, dt: float, spikes: np.ndarray) -> np.ndarray:
    """Read; nothing that it takes is a network of ours, so that this is as far as it comes."""
    from_nir(nir.read(path), ConversionConfig(t_max=len(spikes) * dt, n_steps={}))
    raise NotImplementedError("it was read, and nobody has said how to run it")


WAYS = {"subtract": {"": as_imported}, "zero": {"": as_imported}}
