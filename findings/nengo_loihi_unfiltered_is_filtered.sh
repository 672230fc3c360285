#!/usr/bin/env bash
# nengo-loihi 1.1.0: a connection with synapse=None still filters: 1/4096 of a spike's current stays a step.
#
# One would expect no memory. Seen: the builder sets decay_u to 4094, the chip adds one, and 4095/4096 is cleared, so
# that a spike of 16256 leaves 3 in the next step. It matters where thresholds are met exactly: a network of
# integers put onto the emulator needs decay_u = 4095.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install nengo-loihi==1.1.0 nengo==4.1.0 numpy==1.26.4
cd "$folder"
venv/bin/python - <<'PYTHON' 2>/dev/null
import sys

import nengo
import nengo_loihi

neurons = nengo_loihi.LoihiSpikingRectifiedLinear()
with nengo.Network(seed=0) as network:
    source = nengo.Ensemble(1, 1, neuron_type=neurons, gain=[1], bias=[300.0])
    target = nengo.Ensemble(1, 1, neuron_type=neurons, gain=[1], bias=[0.0])
    nengo.Connection(source.neurons, target.neurons, transform=[[1.0]], synapse=None)
    current, spikes = nengo.Probe(target.neurons, "input"), nengo.Probe(source.neurons)
with nengo_loihi.Simulator(network, target="sim", progress_bar=False) as simulator:
    decay = [int(block.compartment.decay_u[0]) for block in simulator.model.blocks]
    simulator.run(0.008)
seen = [int(value) for value in simulator.data[current].ravel()]
print("decay_u of the target:", decay[1], " its current:", seen)
sys.exit(decay[1] != 4094 or seen != [0, 0, 0, 0, 16256, 3, 0, 0])
PYTHON
