"""snnTorch: a time step of 1e-4 s whatever is said; resets to zero."""

from __future__ import annotations

from functools import partial
from typing import Any

import snntorch
from snntorch.import_nir import import_from_nir

from benchmarks.exports.readers._stepwise import each, way

PACKAGES, DIALECT = ("snntorch", "nirtorch", "nir", "torch"), "snntorch"


def build(graph: Any, dt: float) -> Any:
    """Import as it is."""
    return import_from_nir(graph)


def subtract(model: Any, late: bool = False) -> None:
    """Reset by subtraction, in the step of the spike or in the one behind it."""
    for neuron in each(model, (snntorch.Leaky, snntorch.Synaptic)):
        neuron.reset_mechanism = "subtract"
        neuron.state_function = neuron._base_sub
        neuron.reset_delay = late


WAYS = {
    "subtract": {
        "": way(build),
        "subtract, a step late": way(build, partial(subtract, late=True)),
        "subtract, at once": way(build, subtract),
    },
    "zero": {"": way(build)},
}
