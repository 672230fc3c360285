"""SpikingJelly: resets to zero."""

from __future__ import annotations

from typing import Any

from spikingjelly.activation_based.neuron import CUBALIFNode, LIFNode
from spikingjelly.activation_based.nir_exchange import import_from_nir

from benchmarks.exports.readers._stepwise import each, way

PACKAGES, DIALECT = ("spikingjelly", "nirtorch", "nir", "torch"), "spikingjelly"


def build(graph: Any, dt: float) -> Any:
    """Import as it is."""
    return import_from_nir(graph, dt=dt)


def subtract(model: Any) -> None:
    """Reset by subtraction."""
    for neuron in each(model, (LIFNode, CUBALIFNode)):
        neuron.v_reset = None


WAYS = {
    "subtract": {"": way(build), "v_reset = None": way(build, subtract)},
    "zero": {"": way(build)},
}
