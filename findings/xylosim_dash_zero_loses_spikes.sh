#!/usr/bin/env bash
# xylosim 0.1.3 (SynSense's Xylo): dash_syn = 0 does not switch the synaptic filter off, it loses every spike.
#
# The neurons' synaptic filter is there to smooth currents, and one would set its decay to 0 to have none. Seen: a
# current decays in the step in which it arrives, i <- (i + w) - ((i + w) >> dash_syn), so that dash_syn = 0 leaves
# nothing of any spike, dash_syn = 1 half of its weight at once, and dash_syn = 15 nearly all. Shifts round down: a
# current of +50 outlasts one of -50.
# For our users: `to_xylo` takes dash_syn of 1 or more, and scales weights for it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install xylosim==0.1.3 numpy==2.3.5
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys

from xylosim.v2 import XyloLayer, XyloSynapse


def currents(dash_syn, weight):
    synapses = [[XyloSynapse(0, 0, weight)]], [[]], [[XyloSynapse(0, 0, 1)]]
    layer = XyloLayer(
        synapses_in=synapses[0],
        synapses_rec=synapses[1],
        synapses_out=synapses[2],
        aliases=[[]],
        threshold=[1000],
        threshold_out=[1000],
        has_bias=False,
        bias=[0],
        bias_out=[0],
        weight_shift_inp=0,
        weight_shift_rec=0,
        weight_shift_out=0,
        dash_mem=[1],
        dash_mem_out=[1],
        dash_syns=[[dash_syn]],
        dash_syns_out=[[1]],
        name="one",
    )
    layer.reset_all()
    layer.evolve([[1], [0], [0], [0], [0], [0], [0]])
    return [int(each) for each in layer.rec_i_syn[0]]


expected = {
    (0, 100): [0, 0, 0, 0, 0, 0, 0],
    (1, 100): [50, 25, 13, 7, 4, 2, 1],
    (1, -100): [-50, -25, -12, -6, -3, -1, 0],
    (15, 100): [99, 98, 97, 96, 95, 94, 93],
}
changed = False
for (dash_syn, weight), wanted in expected.items():
    found = currents(dash_syn, weight)
    print(f"dash_syn {dash_syn:2}, a spike of weight {weight:4}: current {found}")
    changed |= found != wanted
sys.exit(changed)
PYTHON
