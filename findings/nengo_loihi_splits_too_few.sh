#!/usr/bin/env bash
# nengo-loihi 1.1.0 splits a layer over fewer cores than hold it, and then refuses its own split.
#
# One would expect a layer that it splits by itself to fit, or a larger number of cores to be tried. Seen: it divides
# all bits of the layer's synapses by what a core holds. Each core begins lists of its own, though, and pads them to
# words: 300 neurons onto 770 are 2 cores by its sum and 1,056,000 of 1,048,576 bits in each of them, a BuildError.
# Told to spread it over 3, it builds the same layer.
# For our users: give `block_shape`, with the neurons a core that `lava-desire map` prints.
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
import numpy as np
from nengo.exceptions import BuildError


def build(cores):
    def ensemble(size):
        neurons = nengo_loihi.LoihiSpikingRectifiedLinear()
        return nengo.Ensemble(size, 1, neuron_type=neurons, gain=np.ones(size), bias=np.zeros(size))

    with nengo.Network(seed=0) as network:
        nengo_loihi.add_params(network)
        source, target = ensemble(300), ensemble(770)
        weights = np.random.default_rng(0).normal(size=(770, 300)) / 1000
        nengo.Connection(source.neurons, target.neurons, transform=weights, synapse=None)
        if cores:
            network.config[target].block_shape = nengo_loihi.BlockShape((-(-770 // cores),), (770,))
    try:
        with nengo_loihi.Simulator(network, target="sim", progress_bar=False) as simulator:
            return f"built on {len(simulator.model.blocks) - 1}"
    except BuildError as error:
        return str(error)


alone, told = build(None), build(3)
print("split by itself:", alone)
print("split over 3:", told)
sys.exit("Total synapse bits (1056000) exceeded max (1048576)" not in alone or told != "built on 3")
PYTHON
