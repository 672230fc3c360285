#!/usr/bin/env bash
# Rockpool 3.1.0: recurrent weights and neurons' biases are left out of an exported NIR graph without a word.
#
# One would expect to_nir to write LIFTorch as it is, or to refuse it: from_nir reads recurrent layers, and v_leak as
# the bias. Seen: with has_rec=True the layer is written as a CubaLIF without an edge back, and v_leak is 0 whatever the
# bias, a trained parameter. Networks with and without them make one and the same graph. A layer that inhibits itself
# spikes 4.6 times as often when it is read again. What is left of a network has a dt of 0.995 ms for 1 ms, from r.
# For our users: biases belong into the LinearTorch in front, which keeps them; export no recurrent layer.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install torch==2.13.0 numpy==2.4.6 scipy==1.17.1 nir==1.0.4
"$folder/venv/bin/python" -m pip -q install --no-deps rockpool==3.1.0 nirtorch==2.0.2
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys
import warnings

import torch
from rockpool.nn.combinators import Sequential
from rockpool.nn.modules import LIFTorch, LinearTorch
from rockpool.nn.modules.torch.nir import from_nir, to_nir

torch.manual_seed(0)
inputs = (torch.rand(1, 200, 3) < 0.3).float()  # sample, time, neuron


def trip(**options):
    dense = LinearTorch((3, 3), weight=0.5 * torch.eye(3), has_bias=False)
    network = Sequential(dense, LIFTorch(3, tau_mem=0.01, tau_syn=0.005, dt=0.001, **options))
    graph = to_nir(network)
    with torch.no_grad():
        before, after = network(inputs)[0], from_nir(graph)(inputs)[0]
    kinds = [type(node).__name__ for node in graph.nodes.values()]
    v_leak = graph.nodes["1_LIFTorch"].v_leak
    return (*kinds, len(graph.edges), *map(float, v_leak)), int(before.sum()), int(after.sum())


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    found = {
        "neither": trip(),
        "biases of 0.2": trip(bias=torch.full((3,), 0.2)),
        "recurrent weights of -0.3": trip(has_rec=True, w_rec=torch.full((3, 3), -0.3)),
    }
for name, (graph, before, after) in found.items():
    print(f"{name}: nodes, number of edges, v_leak {graph}; spikes {before}, read again {after}")
told = [str(each.message) for each in caught if "bias" in str(each.message) or "recurrent" in str(each.message)]
print("warnings that name what is left out:", told)
(_, alone, again), (_, biased, _), (_, inhibited, _) = found.values()
sys.exit(
    len({graph for graph, _, _ in found.values()}) != 1
    or {after for _, _, after in found.values()} != {again}
    or not abs(alone - again) < 10 < biased - again
    or 4 * inhibited > again
    or told != []
)
PYTHON
