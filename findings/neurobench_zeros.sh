#!/usr/bin/env bash
# NeuroBench 2.3.0 reports an activation sparsity of 0 and no synaptic operations for models it does not know.
#
# One would expect an error, or a number. Seen: with an activation class of one's own ActivationSparsity is 0.0 until
# add_activation_module(class) is called, and a model that multiplies by a parameter instead of through nn.Linear
# has 0 synaptic operations, "Dense" ones included. Both read like measurements.
# For our users: register the neuron, use nn.Linear in the wrapper, and count events times fan-out once by hand.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install torch==2.13.0 neurobench==2.3.0 numpy==2.3.5
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys

import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.workload import ActivationSparsity, SynapticOperations
from neurobench.models import TorchModel


class Fire(torch.nn.Module):
    def forward(self, inputs):
        return (inputs >= 1).float()


class Product(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2, 4))

    def forward(self, inputs):
        return inputs @ self.weight.T


def measured(network, metric, *activations):
    model = TorchModel(network)
    for activation in activations:
        model.add_activation_module(activation)
    samples = [(torch.tensor([1.0, 1.0, 0.0, 0.0]), 0)] * 8
    loader = torch.utils.data.DataLoader(samples, batch_size=4)
    found = Benchmark(model, loader, [], [], [[], [metric]]).run(quiet=True)
    return next(iter(found.values()))


layer = torch.nn.Linear(4, 4, bias=False)
with torch.no_grad():
    layer.weight.copy_(torch.eye(4))
network = torch.nn.Sequential(layer, Fire())
sparsity = [measured(network, ActivationSparsity), measured(network, ActivationSparsity, Fire)]
operations = measured(Product(), SynapticOperations)
print("activation sparsity, half of the neurons silent:", sparsity[0], "; registered:", sparsity[1])
print("synaptic operations of a product of 2 x 4:", operations)
sys.exit(sparsity != [0.0, 0.5] or any(operations.values()))
PYTHON
