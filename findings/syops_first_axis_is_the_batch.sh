#!/usr/bin/env bash
# syops 0.0.5: operations "per image" are divided by the number of time steps, or come from an uninitialised tensor.
#
# One would expect get_model_complexity_info to count one image's operations. Seen: the total is divided by the length
# of the first axis, which is time in SpikingJelly's multi-step networks, whose neurons it knows: with T steps in
# minibatches of B it reports B / T of an image's operations, here 8, 4 and 1 of 20, so that energies fall with the
# minibatch. Without a data loader the network reads memory that nobody wrote to, not "a random tensor": what happens
# to lie there decides whether a first layer costs nothing, or all of its multiplications.
# For our users: always a loader, samples first, time inside; `lava-desire energy` counts without it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install torch==2.13.0 numpy==2.4.6 progress==1.6.1
# Its page asks for SpikingJelly up to 0.0.0.0.12; the newest, which pip would choose, lacks names that it imports.
"$folder/venv/bin/python" -m pip -q install --no-deps spikingjelly==0.0.0.0.12 syops==0.0.5
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import io
import sys

import torch
from spikingjelly.clock_driven.neuron import IFNode, MultiStepIFNode
from syops import get_model_complexity_info

torch.manual_seed(0)
images = (torch.rand(8, 20, 784) < 0.1).float()  # sample, time, input


class StepByStep(torch.nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, inputs):
        return sum(self.layers(step) for step in inputs.unbind(1))


def network(neuron):
    return torch.nn.Sequential(torch.nn.Linear(784, 100, bias=False), neuron, torch.nn.Linear(100, 10, bias=False))


def operations(model, shape, batches=None):  # of one image: all, accumulations, multiply-accumulations
    counts, _ = get_model_complexity_info(
        model, shape, batches, as_strings=False, print_per_layer_stat=False, ost=io.StringIO()
    )
    return [round(float(count)) for count in counts[:3]]


def batches_of(size, time_first):
    parts = images.split(size)
    return [(part.transpose(0, 1) if time_first else part, None) for part in parts]


by_steps = operations(StepByStep(network(IFNode())), (20, 784), batches_of(8, False))
by_time = {size: operations(network(MultiStepIFNode()), (20, 784), batches_of(size, True)) for size in (8, 4, 1)}
print("operations of an image of 20 steps, all, accumulations, multiplications")
print("samples first, a loop over steps:", by_steps)
for size, counts in by_time.items():
    print(f"time first, minibatches of {size}:", counts)

# Without a loader: torch then fills with NaN what nobody wrote to.
torch.utils.deterministic.fill_uninitialized_memory = True
torch.use_deterministic_algorithms(True)
unknown = network(IFNode())
read = []
unknown.register_forward_pre_hook(lambda model, inputs: read.append(float(inputs[0].isnan().float().mean())))
written = operations(unknown, (784,))
print("without a loader:", written, "; share of the network's input that nobody wrote to:", *read)
layers = 784 * 100 + 100 + 100 * 10
sys.exit(
    by_steps[0] != 20 * layers
    or [counts[0] for counts in by_time.values()] != [8 * layers, 4 * layers, layers]
    or read != [1]
    or written[2] != 784 * 100
)
PYTHON
