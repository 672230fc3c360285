"""Export networks of Norse, snnTorch and SpikingJelly as NIR files, with what they count.

``make check-exports`` calls this in an environment that holds the three frameworks and not this
library: ``python foreign.py FOLDER`` reads ``inputs.npy`` there, spikes of shape (T, B, N), and
writes ``NAME.nir`` and ``NAME.npy``, the counts of the last layer, for each. The files are as their
users make them: with a sample's batch in Input and Output, with a Flatten first, with one number
where another has one a neuron.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import nir
import norse.torch
import numpy as np
import snntorch
import torch
from norse.torch.module.lif_box import LIFBoxCell, LIFBoxParameters
from snntorch.export_nir import export_to_nir as snntorch_to_nir
from spikingjelly.activation_based.layer import Flatten
from spikingjelly.activation_based.neuron import LIFNode
from spikingjelly.activation_based.nir_exchange import export_to_nir as spikingjelly_to_nir

DECAY, HIDDEN, OUTPUTS = 0.75, 100, 10


def dense(inputs: int, outputs: int) -> torch.nn.Linear:
    """Return a layer of weights with which no potential equals the threshold.

    There Norse and snnTorch do not fire, as NIR has it, and SpikingJelly and ours do.
    """
    layer = torch.nn.Linear(inputs, outputs, bias=False)
    layer.weight.data = torch.randn(outputs, inputs)
    return layer


def norse_network(inputs: int) -> tuple[Any, nir.NIRGraph]:
    """Build cells that keep three quarters in a step of 1 ms; the sample is a batch of one."""

    def cell(size: int) -> LIFBoxCell:
        one = torch.ones(size)
        rate = 1000 * (1 - DECAY) * one
        return LIFBoxCell(LIFBoxParameters(rate, v_leak=0 * one, v_th=one, v_reset=0 * one))

    layers = dense(inputs, HIDDEN), cell(HIDDEN), dense(HIDDEN, OUTPUTS), cell(OUTPUTS)
    network = norse.torch.SequentialState(*layers)
    return network, norse.torch.to_nir(network, torch.zeros(1, inputs))


def snntorch_network(inputs: int) -> tuple[Any, nir.NIRGraph]:
    """Build neurons that reset to zero, one parameter a neuron, since it exports no others."""

    def neurons(size: int) -> snntorch.Leaky:
        return snntorch.Leaky(
            torch.full((size,), DECAY),
            threshold=torch.ones(size),
            reset_mechanism="zero",
            reset_delay=False,
            init_hidden=True,
        )

    layers = dense(inputs, HIDDEN), neurons(HIDDEN), dense(HIDDEN, OUTPUTS), neurons(OUTPUTS)
    network = torch.nn.Sequential(*layers)
    return network, snntorch_to_nir(network, torch.zeros(inputs))


def spikingjelly_network(inputs: int) -> tuple[Any, nir.NIRGraph]:
    """Build one with a Flatten first."""
    layers = dense(inputs, HIDDEN), LIFNode(1 / (1 - DECAY)), dense(HIDDEN, OUTPUTS)
    network = torch.nn.Sequential(Flatten(), *layers, LIFNode(1 / (1 - DECAY)))
    return network, spikingjelly_to_nir(network, torch.zeros(1, 2, inputs // 2))


NETWORKS = {
    "Norse": norse_network,
    "snnTorch": snntorch_network,
    "SpikingJelly": spikingjelly_network,
}


def counts(name: str, network: Any, spikes: torch.Tensor) -> np.ndarray:
    """Run a network step by step: (T, B, N_0) → (B, N_L), how often each output has spiked."""
    state, total = None, 0
    with torch.no_grad():
        for step in spikes:
            if name == "Norse":
                output, state = network(step, state)
            else:
                output = network(step)
            total = total + output
    return np.asarray(total)


def one_number(source: Path, target: Path) -> None:
    """Write a file anew, parameters of neurons that are all the same as one number."""
    with h5py.File(source) as old, h5py.File(target, "w") as new:
        old.copy("node", new)
        for node in new["node/nodes"].values():
            if node["type"][()] == b"LIF":
                for name in set(node) - {"type", "metadata"}:
                    value = node[name][0]
                    del node[name]
                    node[name] = value


def main() -> None:
    """Write the files of all frameworks."""
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    torch.manual_seed(0)
    spikes = torch.from_numpy(np.load(folder / "inputs.npy", allow_pickle=False)).float()
    for name, build in NETWORKS.items():
        network, graph = build(spikes.shape[-1])
        np.save(folder / f"{name}.npy", counts(name, network, spikes))
        nir.write(folder / f"{name}.nir", graph)
        one_number(folder / f"{name}.nir", folder / f"{name}, one number.nir")


if __name__ == "__main__":
    main()
