#!/usr/bin/env bash
# snn-mlir 1.0.0 takes a NIR neuron's decay from its resistance: 1 - 1/r, whatever tau says.
#
# NIR's LIF is tau dv/dt = (v_leak - v) + r I; its decay follows from tau and the step. Seen: `snn-mlir export` writes
# decay 0 (no memory) for r = 1 with tau of 0.4 ms and of 20 ms alike, and 0.75 for r = 4 with either. `check` calls
# all of them supported.
# For our users: a graph with r = tau / dt and unscaled weights is read as meant.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install nir==1.0.8 snn-mlir==1.0.0 numpy==2.3.5
cd "$folder"
cat >graph.py <<'PYTHON'
import sys

import nir
import numpy as np

tau, resistance = (np.full(2, float(text), np.float32) for text in sys.argv[1:3])
one, zero = np.ones(2, np.float32), np.zeros(2, np.float32)
nir.write(
    "graph.nir",
    nir.NIRGraph(
        {
            "input": nir.Input({"input": np.array([2])}),
            "linear": nir.Linear(np.eye(2, dtype=np.float32)),
            "lif": nir.LIF(tau=tau, r=resistance, v_leak=zero, v_threshold=one, v_reset=zero),
            "output": nir.Output({"output": np.array([2])}),
        },
        [("input", "linear"), ("linear", "lif"), ("lif", "output")],
    ),
)
PYTHON
status=0
for case in "4e-4 1 0.0" "2e-2 1 0.0" "4e-4 4 7.5" "2e-2 4 7.5"; do
    read -r tau resistance expected <<<"$case"
    venv/bin/python graph.py "$tau" "$resistance"
    venv/bin/snn-mlir export graph.nir -o graph.mlir >/dev/null
    decay=$(grep -o "decay_float = [0-9.e+-]*" graph.mlir | head -n 1)
    echo "tau $tau s, r $resistance: $decay"
    [[ $decay == "decay_float = $expected"* ]] || status=1
done
exit $status
