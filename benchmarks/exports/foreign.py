"""Export networks of Norse, snnTorch and SpikingJelly as NIR files, with what they count.

``make check-exports`` calls this in an environment that holds the three frameworks and not this
library: ``python foreign.py FOLDER`` reads ``inputs.npy`` there, spikes of shape (T, B, N), and
writes ``NAME.nir`` and ``NAME.npy``, the counts of the last layer, for each. The files are as their
users make them: with a sample's batch in Input and Output, with a Flatten first, with one number
where another has one a neuron; and with convolutions, pools and a Flatten where they export one.
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

DECAY, HIDDEN, OUTPUTS, SIDE = 0.75, 100, 10, 28


def dense(inputs: int, outputs: int) -> torch.nn.Linear:
    """Return a layer of weights with which no potential equals the threshold.

    There Norse and snnTorch do not fire, as NIR has it, and SpikingJelly and ours do.
    """
    layer = torch.nn.Linear(inputs, outputs, bias=False)
    layer.weight.data = torch.randn(outputs, inputs)
    return layer


def convolution(*sizes: int, **options: int) -> torch.nn.Conv2d:
    """Return kernels likewise; with a bias of zeros, since Norse exports no convolution without."""
    layer = torch.nn.Conv2d(*sizes, **options)
    layer.weight.data = torch.randn_like(layer.weight)
    layer.bias.data.zero_()
    return layer


def norse_cell(*shape: int) -> LIFBoxCell:
    """Return cells that keep three quarters in a step of 1 ms."""
    one = torch.ones(shape)
    rate = 1000 * (1 - DECAY) * one
    return LIFBoxCell(LIFBoxParameters(rate, v_leak=0 * one, v_th=one, v_reset=0 * one))


def norse_network(inputs: int) -> tuple[Any, nir.NIRGraph]:
    """Build one whose sample is a batch of one."""
    cell = norse_cell
    layers = dense(inputs, HIDDEN), cell(HIDDEN), dense(HIDDEN, OUTPUTS), cell(OUTPUTS)
    network = norse.torch.SequentialState(*layers)
    return network, norse.torch.to_nir(network, torch.zeros(1, inputs))


def norse_planes() -> tuple[Any, nir.NIRGraph]:
    """Build convolutions; it exports neither pools nor a Flatten, and a file wants input_shape."""
    layers = convolution(1, 8, 5, stride=2), norse_cell(8, 12, 12), convolution(8, OUTPUTS, 12)
    network = norse.torch.SequentialState(*layers, norse_cell(OUTPUTS, 1, 1))
    graph = norse.torch.to_nir(network, torch.zeros(1, 1, SIDE, SIDE))
    convolutions = (node for node in graph.nodes.values() if isinstance(node, nir.Conv2d))
    for node, side in zip(convolutions, (SIDE, 12), strict=True):
        node.input_shape = (side, side)
    return network, graph


def snntorch_neurons(*shape: int) -> snntorch.Leaky:
    """Return neurons that reset to zero, one parameter a neuron, since it exports no others."""
    return snntorch.Leaky(
        torch.full(shape, DECAY),
        threshold=torch.ones(shape),
        reset_mechanism="zero",
        reset_delay=False,
        init_hidden=True,
    )


def snntorch_network(inputs: int) -> tuple[Any, nir.NIRGraph]:
    """Build one of two dense layers."""
    neurons = snntorch_neurons
    layers = dense(inputs, HIDDEN), neurons(HIDDEN), dense(HIDDEN, OUTPUTS), neurons(OUTPUTS)
    network = torch.nn.Sequential(*layers)
    return network, snntorch_to_nir(network, torch.zeros(inputs))


def snntorch_planes() -> tuple[Any, nir.NIRGraph]:
    """Build convolutions and a pool of means; its export fails at a Flatten."""
    neurons = snntorch_neurons
    first = convolution(1, 8, 5, stride=2), neurons(8, 12, 12), torch.nn.AvgPool2d(2)
    second = convolution(8, 8, 3, padding=1), neurons(8, 6, 6), convolution(8, OUTPUTS, 6)
    network = torch.nn.Sequential(*first, *second, neurons(OUTPUTS, 1, 1))
    return network, snntorch_to_nir(network, torch.zeros(1, SIDE, SIDE))


def spikingjelly_network(inputs: int) -> tuple[Any, nir.NIRGraph]:
    """Build one with a Flatten first."""
    layers = dense(inputs, HIDDEN), LIFNode(1 / (1 - DECAY)), dense(HIDDEN, OUTPUTS)
    network = torch.nn.Sequential(Flatten(), *layers, LIFNode(1 / (1 - DECAY)))
    return network, spikingjelly_to_nir(network, torch.zeros(1, 2, inputs // 2))


def spikingjelly_planes() -> tuple[Any, nir.NIRGraph]:
    """Build convolutions, a pool of means, and a Flatten before the last layer."""

    def neurons() -> LIFNode:
        return LIFNode(1 / (1 - DECAY))

    first = convolution(1, 8, 5, stride=2), neurons(), torch.nn.AvgPool2d(2)
    second = convolution(8, 8, 3, padding=1), neurons(), Flatten(), dense(8 * 36, OUTPUTS)
    network = torch.nn.Sequential(*first, *second, neurons())
    return network, spikingjelly_to_nir(network, torch.zeros(1, 1, SIDE, SIDE))


NETWORKS = {
    "Norse": (norse_network, norse_planes),
    "snnTorch": (snntorch_network, snntorch_planes),
    "SpikingJelly": (spikingjelly_network, spikingjelly_planes),
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
    return np.asarray(total).reshape(spikes.shape[1], -1)


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
    planes = spikes.reshape(*spikes.shape[:2], 1, SIDE, SIDE)
    for name, (build, build_planes) in NETWORKS.items():
        network, graph = build(spikes.shape[-1])
        np.save(folder / f"{name}.npy", counts(name, network, spikes))
        nir.write(folder / f"{name}.nir", graph)
        one_number(folder / f"{name}.nir", folder / f"{name}, one number.nir")
        network, graph = build_planes()
        np.save(folder / f"{name}, planes.npy", counts(name, network, planes))
        nir.write(folder / f"{name}, planes.nir", graph)


if __name__ == "__main__":
    main()
