"""Run exported NIR graphs in SpikingJelly, Norse and snnTorch; count spikes that differ from ours.

``make check-exports`` calls this in an environment that holds the three frameworks and not this
library: ``python frameworks.py FOLDER`` reads every ``*.nir`` there with the input and output
spikes in the ``.npz`` of the same name, and writes ``frameworks.json``.

The patch that each framework needs to reset by subtraction is one line; those lines are here.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

import nir
import norse.torch
import numpy as np
import snntorch
import torch
from norse.torch.functional.reset import reset_subtract
from norse.torch.module.lif_box import LIFBoxCell
from snntorch.import_nir import import_from_nir as snntorch_from_nir
from spikingjelly.activation_based.neuron import LIFNode
from spikingjelly.activation_based.nir_exchange import import_from_nir as spikingjelly_from_nir


def spikingjelly(graph: nir.NIRGraph, dt: float) -> torch.nn.Module:
    """Import as it is: resets to zero."""
    return spikingjelly_from_nir(graph, dt=dt)


def spikingjelly_subtract(graph: nir.NIRGraph, dt: float) -> torch.nn.Module:
    """Import and patch: resets by subtraction."""
    model = spikingjelly_from_nir(graph, dt=dt)
    for neuron in (module for module in model.modules() if isinstance(module, LIFNode)):
        neuron.v_reset = None  # the patch
    return model


def norse_(graph: nir.NIRGraph, dt: float) -> torch.nn.Module:
    """Import as it is: resets to zero."""
    return norse.torch.from_nir(graph, dt=dt)


def norse_subtract(graph: nir.NIRGraph, dt: float) -> torch.nn.Module:
    """Import and patch: resets by subtraction."""
    model = norse.torch.from_nir(graph, dt=dt)
    for cell in (module for module in model.modules() if isinstance(module, LIFBoxCell)):
        cell.p = cell.p._replace(reset_method=reset_subtract)  # the patch
    return model


def snntorch_(graph: nir.NIRGraph, dt: float) -> torch.nn.Module:
    """Import as it is; the time step is fixed at 1e-4 s."""
    return snntorch_from_nir(graph)


def snntorch_subtract_late(graph: nir.NIRGraph, dt: float) -> torch.nn.Module:
    """Import and patch: resets by subtraction, in the step after the spike."""
    return _snntorch_subtract(graph, reset_delay=True)


def snntorch_subtract(graph: nir.NIRGraph, dt: float) -> torch.nn.Module:
    """Import and patch: resets by subtraction, in the step of the spike."""
    return _snntorch_subtract(graph, reset_delay=False)


def _snntorch_subtract(graph: nir.NIRGraph, reset_delay: bool) -> torch.nn.Module:
    model = snntorch_from_nir(graph)
    for neuron in (module for module in model.modules() if isinstance(module, snntorch.Leaky)):
        neuron.reset_mechanism = "subtract"  # the patch, three lines
        neuron.state_function = neuron._base_sub
        neuron.reset_delay = reset_delay
    return model


ROUTES = {
    "subtract": [
        ("SpikingJelly", "as imported", spikingjelly),
        ("SpikingJelly", "v_reset = None", spikingjelly_subtract),
        ("Norse", "as imported", norse_),
        ("Norse", "reset_method = reset_subtract", norse_subtract),
        ("snnTorch", "as imported", snntorch_),
        ("snnTorch", "subtract, a step late", snntorch_subtract_late),
        ("snnTorch", "subtract, at once", snntorch_subtract),
    ],
    "zero": [
        ("SpikingJelly", "as imported", spikingjelly),
        ("Norse", "as imported", norse_),
        ("snnTorch", "as imported", snntorch_),
    ],
}


def run(model: torch.nn.Module, spikes: np.ndarray) -> np.ndarray:
    """Run a model step by step: (T, B, ...) bool → (T, B, ...) bool."""
    state = None
    outputs = []
    with torch.no_grad():
        for step in torch.from_numpy(spikes).float():
            # Without the state of the step before there are no spikes, and no error.
            output, state = model(step, state)
            outputs.append(output)
    return torch.stack(outputs).numpy() != 0


def main() -> None:
    """Compare every graph with every route of its reset."""
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    rows = []
    for path in sorted(folder.glob("*.nir")):
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
            inputs, wanted = file["inputs"], file["outputs"]
        graph = nir.read(path)
        dt, reset = float(graph.metadata["dt"]), graph.metadata["reset"]
        for framework, how, build in ROUTES[reset]:
            # A dense layer behind planes is a convolution too: (B, N_L, 1, 1).
            given = run(build(nir.read(path), dt), inputs).reshape(wanted.shape)
            row = {
                "graph": path.stem,
                "reset": reset,
                "framework": framework,
                "how": how,
                "output_bits": wanted.size,
                "spikes": int(wanted.sum()),
                "mismatching": int((given != wanted).sum()),
            }
            rows.append(row)
            print(
                f"{path.stem:28} {reset:9} {framework:13} {how:30} "
                f"{row['mismatching']:7} of {wanted.size} bits differ"
            )
    versions = {
        name: importlib.metadata.version(name)
        for name in ("spikingjelly", "norse", "snntorch", "nir", "nirtorch", "torch", "numpy")
    }
    result = {"versions": versions, "results": rows}
    (folder / "frameworks.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
