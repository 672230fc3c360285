#!/usr/bin/env bash
# SANA-FE 2.2.9: what a simulation reports as "spikes" are deliveries to synapses, not spikes.
#
# One would divide energy by "spikes" to get energy a spike. Seen: one input that fires twice onto three neurons
# counts 6, while "neurons_fired", which includes the inputs, counts 2.
# For our users: "spikes" is the number of synaptic operations, neurons_fired that of spikes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install sanafe==2.2.9 numpy==2.3.5
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys

import sanafe

architecture, network = sanafe.load_loihi(), sanafe.Network()
source = network.create_neuron_group("source", 1, soma_hw_name="loihi_inputs[0]")
targets = network.create_neuron_group(
    "targets", 3, model_attributes={"threshold": 10.0}, soma_hw_name="loihi_lif"
)
source[0].set_attributes(model_attributes={"spikes": [1, 0, 1, 0, 0, 0]})
for target in targets:
    source[0].connect_to_neuron(target, {"weight": 1.0})
for neuron in [*source, *targets]:
    neuron.map_to_core(architecture.tiles[0].cores[0])
chip = sanafe.SpikingChip(architecture)
chip.load(network)
found = chip.sim(6)
print("spikes", found["spikes"], "neurons_fired", found["neurons_fired"])
sys.exit((found["spikes"], found["neurons_fired"]) != (6, 2))
PYTHON
