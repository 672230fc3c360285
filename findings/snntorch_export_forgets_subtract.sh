#!/usr/bin/env bash
# snnTorch 1.0.0: a network that resets by subtraction, its default, is exported to NIR as one that resets to zero.
#
# One would expect an error, since NIR knows v_reset only, or a note in the graph. Seen: the graphs of reset_mechanism
# "subtract" and "zero" are the same, metadata empty, no warning; imported again (by snnTorch itself) the network
# spikes otherwise. SpikingJelly 2.0.0 refuses such an export ("NIR does not distinguish soft reset").
# For our users: pass reset="subtract" to from_nir for such a graph.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install torch==2.13.0 nir==1.0.8 nirtorch==2.6 snntorch==1.0.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys
import warnings

import numpy as np
import snntorch
import torch
from snntorch.export_nir import export_to_nir
from snntorch.import_nir import import_from_nir

torch.manual_seed(0)
weights, trains = 2 * torch.rand(4, 3), (torch.rand(50, 1, 3) < 0.5).float()
found, values = {}, {}
for reset in ("subtract", "zero"):
    beta, threshold = torch.full((4,), 0.75), torch.ones(4)
    neurons = snntorch.Leaky(beta=beta, threshold=threshold, reset_mechanism=reset, init_hidden=True)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4, bias=False), neurons)
    network[0].weight.data = weights.clone()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        graph = export_to_nir(network, torch.zeros(3))
    node = next(node for node in graph.nodes.values() if type(node).__name__ == "LIF")
    values[reset] = [np.asarray(getattr(node, name)) for name in ("tau", "r", "v_leak", "v_threshold", "v_reset")]
    told = [str(warning.message) for warning in said if "reset" in str(warning.message)]
    own = torch.stack([network(step) for step in trains])
    imported, state, outputs = import_from_nir(graph), None, []
    for step in trains:
        output, state = imported(step, state)
        outputs.append(output)
    differ = int((torch.stack(outputs) != own).sum())
    found[reset] = (differ, told, node.metadata, graph.metadata)
    print(f"{reset}: {differ} of {own.numel()} spikes differ after the way out and back;",
          f"warnings {told}, metadata {node.metadata} {graph.metadata}")
same = all(np.array_equal(*pair) for pair in zip(values["subtract"], values["zero"]))
print("the two graphs hold the same neurons:", same)
silent = all(not any(rest) for _, *rest in found.values())
sys.exit(not (same and silent and found["subtract"][0] > 20 and found["zero"][0] == 0))
PYTHON
