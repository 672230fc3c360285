#!/usr/bin/env bash
# Lava 0.10.0: Var.set(value, idx) writes the chosen elements to the first places of the Var; Var.get(0) returns all of it.
#
# One would expect var.set(value, [0, 2]) to change elements 0 and 2, and var.get(0) to return element 0, as NumPy's
# indices do. Seen: the runtime sends value[[0, 2]], and the model writes what arrives from its first element on, so
# that elements 0 and 1 change. Whether there is an index is asked with "if idx:", for which 0 is none.
# For our users: the runtime of this library takes indices as NumPy does; on Lava's own, read the Var, change the array,
# and set it whole.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install numpy==1.26.4 scipy==1.13.1 networkx==2.8.7 asteval==0.9.33 scikit-learn==1.5.2
"$folder/venv/bin/python" -m pip -q install --no-deps --ignore-requires-python lava-nc==0.10.0
cd "$folder"
cat > script.py <<'PYTHON'
import dataclasses
import functools
import sys

# From Python 3.11 on dataclasses refuse defaults that have no hash, of which Lava has three.
dataclasses.dataclass = functools.partial(dataclasses.dataclass, unsafe_hash=True)

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.lif.process import LIF

neurons = LIF(shape=(4,), bias_mant=np.array([1.0, 2.0, 3.0, 4.0]))
neurons.run(RunSteps(1), Loihi2SimCfg(select_tag="floating_pt"))
first, second = neurons.bias_mant.get(0), neurons.bias_mant.get(1)
neurons.bias_mant.set(np.array([10.0, 20.0, 30.0, 40.0]), [0, 2])
after = neurons.bias_mant.get()
neurons.stop()
print(f"get(0): {first}; get(1): {second}; after set([10, 20, 30, 40], [0, 2]): {after}")
same = first.tolist() == [1, 2, 3, 4] and second == 2 and after.tolist() == [10, 30, 3, 4]
sys.exit(not same)
PYTHON
venv/bin/python script.py
