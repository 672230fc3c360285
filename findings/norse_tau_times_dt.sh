#!/usr/bin/env bash
# Norse 1.1.0: a cell of 10 ms is exported to NIR as one of 10 microseconds.
#
# One would expect tau = 1 / tau_mem_inv in seconds, the unit that NIR asks for, and the same spikes from a network
# that is exported and imported again. Seen: to_nir writes dt / tau_mem_inv, with dt = 1e-3 unless told otherwise;
# from_nir with the same dt builds cells that move by a hundred times what they should lose. No error, other spikes.
# For our users: to_nir(..., dt=1) writes seconds; a graph that was written without runs right with dt = 1e-6.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install torch==2.13.0 nir==1.0.8 nirtorch==2.6 h5py==3.16.0 numpy==2.4.6
"$folder/venv/bin/python" -m pip -q install --no-deps norse==1.1.0  # its torchvision is not needed here
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys

import norse.torch as norse
import torch
from norse.torch.module.lif_box import LIFBoxCell, LIFBoxParameters

torch.manual_seed(0)
ones = torch.ones(4)
cell = LIFBoxCell(LIFBoxParameters(tau_mem_inv=100 * ones, v_leak=0 * ones, v_th=ones, v_reset=0 * ones))
network = norse.SequentialState(torch.nn.Linear(3, 4, bias=False), cell)
network[0].weight.data = 20 * torch.rand(4, 3)
trains = (torch.rand(50, 3) < 0.3).float()


def spikes(model):
    state, outputs = None, []
    for step in trains:
        output, state = model(step[None], state)
        outputs.append(output)
    return torch.stack(outputs)


def tau(graph):
    return float(next(node.tau for node in graph.nodes.values() if type(node).__name__ == "LIF")[0])


expected = spikes(network)
graph, seconds = norse.to_nir(network, torch.zeros(3)), norse.to_nir(network, torch.zeros(3), dt=1)
differ = {
    "default, imported by default": int((spikes(norse.from_nir(graph)) != expected).sum()),
    "default, imported with dt=1e-6": int((spikes(norse.from_nir(graph, dt=1e-6)) != expected).sum()),
    "dt=1, imported by default": int((spikes(norse.from_nir(seconds)) != expected).sum()),
}
print(f"tau of 10 ms is written as {tau(graph):.3g} s, with dt=1 as {tau(seconds):.3g} s")
print(f"spikes that differ, of {expected.numel()}:", differ)
first, second, third = differ.values()
sys.exit(not (tau(graph) < 1.1e-5 and abs(tau(seconds) - 0.01) < 1e-6 and first > 20 and second == third == 0))
PYTHON
