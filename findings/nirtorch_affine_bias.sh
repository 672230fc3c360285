#!/usr/bin/env bash
# nirtorch 2.6: a NIR Affine node gets a random bias instead of its own.
#
# One would expect W x + b. Seen: the default mapping of nir_to_torch copies the weight, and leaves the bias that
# torch.nn.Linear has drawn. Two seeds give two networks, and no error. An own mapping of nir.Affine is exact.
# For our users: pass node_map={nir.Affine: ...} to nir_to_torch, or export Linear nodes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install torch==2.13.0 nir==1.0.8 nirtorch==2.6 numpy==2.3.5
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys

import nir
import nirtorch
import numpy as np
import torch

bias = np.array([10.0, 20.0, 30.0], np.float32)
graph = nir.NIRGraph(
    {
        "input": nir.Input({"input": np.array([3])}),
        "affine": nir.Affine(np.eye(3, dtype=np.float32), bias),
        "output": nir.Output({"output": np.array([3])}),
    },
    [("input", "affine"), ("affine", "output")],
)


def affine(node):
    layer = torch.nn.Linear(3, 3)
    layer.weight.data, layer.bias.data = torch.tensor(node.weight), torch.tensor(node.bias)
    return layer


def answer(seed, mapping):
    torch.manual_seed(seed)
    return nirtorch.nir_to_torch(graph, mapping)(torch.zeros(1, 3))[0].detach().numpy().ravel()


default = [answer(seed, {}) for seed in (0, 1)]
mapped = answer(0, {nir.Affine: affine})
print("to zeros, default mapping:", *default, "; own mapping:", mapped)
wrong = max(np.abs(values).max() for values in default) < 1
sys.exit(not (wrong and not np.array_equal(*default) and np.array_equal(mapped, bias)))
PYTHON
