#!/usr/bin/env bash
# PyNN 0.13.0 on NEST 3.10.0: weights of IF_curr_delta are read and set in volts, though created in millivolts.
#
# One would expect Projection.get to return the weights that a projection was made with, and Projection.set with these
# to change nothing. Seen: neurons of IF_curr_delta, whose weights are steps of the potential, are connected in mV;
# `get` returns a thousandth, and `set` makes weights a thousand times as strong, so that one input spike fires every
# neuron. Of IF_curr_exp, in nA, all three agree. Nothing is said.
# For our users: give weights when connecting, or `set(weight=W / 1000)`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install nest-simulator==3.10.0 PyNN==0.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import sys

import numpy as np
import pyNN.nest as simulator

weights = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])  # 9 and 12 together, where 15 mV reach the threshold


def seen(model, change=None):
    simulator.setup(timestep=1.0, min_delay=1.0)
    sources = simulator.Population(3, simulator.SpikeSourceArray(spike_times=[5.0]))
    neurons = simulator.Population(2, model(tau_refrac=1.0))
    neurons.record("spikes")
    synapse = simulator.StaticSynapse(weight=weights, delay=1.0)
    projection = simulator.Projection(sources, neurons, simulator.AllToAllConnector(), synapse)
    before = projection.get("weight", format="array")
    if change is not None:
        projection.set(weight=change)
    simulator.run(10.0)
    inside = [float(weight) for weight in projection.nest_connections.weight]
    spikes = [len(train) for train in neurons.get_data().segments[0].spiketrains]
    simulator.end()
    return np.round(before, 9).tolist(), inside, spikes


created = seen(simulator.IF_curr_delta)
again = seen(simulator.IF_curr_delta, weights)
thousandth = seen(simulator.IF_curr_delta, weights / 1000)
others = seen(simulator.IF_curr_exp), seen(simulator.IF_curr_exp, weights)
print("IF_curr_delta, made with", weights.tolist(), ": get, weights in NEST, spikes of each neuron:", *created)
print("the same, and the same weights set again:", *again)
print("the same, and a thousandth of them set:", *thousandth)
print("IF_curr_exp, made and set again: weights in NEST", others[0][1], others[1][1])
flat = weights.ravel().tolist()
sys.exit(
    created != ((weights / 1000).tolist(), flat, [0, 0])
    or again[1:] != ([1000 * weight for weight in flat], [1, 1])
    or not np.allclose(thousandth[1], flat)
    or thousandth[2] != [0, 0]
    or others[0][0] != weights.tolist()
    or others[0][1] != others[1][1]
)
PYTHON
