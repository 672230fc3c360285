"""snn-mlir, emulated: what its front end reads, computed in NumPy as its dialect defines it.

What it emits needs snn-opt and MLIR's tools, which its wheel does not hold. The layers with their
decays, thresholds and weights are those that it parses; dense ones only.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from snn_mlir._api import parse_graph

PACKAGES, DIALECT = ("snn-mlir", "nir", "numpy"), "snn-mlir"


def emulated(path: Path, dt: float, spikes: np.ndarray) -> np.ndarray:
    """Read with its front end, and run: a threshold that is exceeded, a reset to v_reset."""
    outputs = spikes.astype(np.float32)
    for layer in parse_graph(path):
        if hasattr(layer, "weights"):
            outputs = outputs @ layer.weights.T
            if layer.bias is not None:
                outputs += layer.bias
            continue
        filters = hasattr(layer, "cur_decay")
        kept = np.float32(layer.cur_decay if filters else 0)
        decay = np.float32(layer.vol_decay if filters else layer.decay)
        current = potential = np.zeros_like(outputs[0])
        fired = []
        for step in outputs:
            current = kept * current + step
            potential = decay * potential + current
            fired.append(potential > np.float32(layer.threshold))
            potential = np.where(fired[-1], np.float32(0), potential)
        outputs = np.array(fired, np.float32)
    return outputs


WAYS = {"subtract": {"": emulated}, "zero": {"": emulated}}
