#!/usr/bin/env bash
# brian2-loihi 0.5.2: under a negative weight exponent small negative weights grow, small positive ones vanish.
#
# One would expect w and -w to stay opposite. Seen: each single weight is shifted and cut to a multiple of 64
# toward minus infinity. At exponent -3, mixed sign, weights 2, 4 and 6 add nothing and -2, -4 and -6 add -64, the
# current of -8; at exponent 0 they are symmetric. An integer network that sums first and shifts once (Lava's
# Dense process does) computes something else, also where every weight is even.
# For our users: export with exponents of 0 and above, or compare spikes bit by bit.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install brian2-loihi==0.5.2 brian2==2.9.0 numpy==2.3.5
cd "$folder"
venv/bin/python - <<'PYTHON' 2>/dev/null
import sys

import numpy as np
from brian2_loihi import (
    LoihiNetwork, LoihiNeuronGroup, LoihiSpikeGeneratorGroup, LoihiStateMonitor, LoihiSynapses, synapse_sign_mode,
)


def currents(weights, exponent):
    source = LoihiSpikeGeneratorGroup(1, [0], [2])
    neurons = LoihiNeuronGroup(
        len(weights), refractory=1, threshold_v_mant=100_000, decay_v=0, decay_I=4096
    )
    synapses = LoihiSynapses(source, neurons, sign_mode=synapse_sign_mode.MIXED, w_exp=exponent)
    synapses.connect()
    synapses.w = weights
    monitor = LoihiStateMonitor(neurons, "I")
    LoihiNetwork(source, neurons, synapses, monitor).run(5)
    current = np.array(monitor.I)
    return (current.max(axis=1) + current.min(axis=1)).astype(int).tolist()


weights = [2, 4, 6, 8, -2, -4, -6, -8]
seen = {exponent: currents(weights, exponent) for exponent in (0, -3)}
print("weights    ", weights)
for exponent, values in seen.items():
    print(f"exponent {exponent:2}", values)
sys.exit(seen != {0: [64 * w for w in weights], -3: [0, 0, 0, 64, -64, -64, -64, -64]})
PYTHON
