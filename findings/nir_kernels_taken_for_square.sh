#!/usr/bin/env bash
# nir 1.0.8: of a Conv2d whose kernels are not square the height is taken for the width too, and the graph is refused.
#
# One would expect the output type of PyTorch's Conv2d, which the class follows. Seen: calculate_conv_output gets
# weight.shape[2] for both axes. Kernels of 3 x 5 on 8 x 8 leave 6 x 4 neurons, nir says 6 x 6: a graph with neurons of
# the right shape is refused ("type mismatch"), when it is built and when a file of it is read, and one with 36 neurons
# a map, which no framework can run, is accepted.
# For our users: to_nir puts the right shape into the graph; files keep none, so read them with type_check=False.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install nir==1.0.8 h5py==3.16.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys

import nir
import numpy as np


def graph(height, width, check):
    weight = np.ones((2, 1, 3, 5), np.float32)
    conv = nir.Conv2d((8, 8), weight, stride=1, padding=0, dilation=1, groups=1, bias=np.zeros(2))
    neurons = nir.LIF(*(np.ones((2, height, width)) for _ in range(5)))
    return conv, nir.NIRGraph.from_list(conv, neurons, type_check=check)


def refusal(call):
    try:
        call()
    except ValueError as error:
        return str(error)
    return None


conv, right = graph(6, 4, False)
print("output type of 3 x 5 kernels on 8 x 8:", conv.output_type["output"])
built = refusal(lambda: graph(6, 4, True))
print("2 x 6 x 4 neurons behind them:", built)
nir.write("net.nir", right)
read = refusal(lambda: nir.read("net.nir"))
print("the file:", read, "; with type_check=False:", refusal(lambda: nir.read("net.nir", type_check=False)))
wrong = refusal(lambda: graph(6, 6, True))
print("2 x 6 x 6 neurons behind them:", wrong)
sys.exit(not (conv.output_type["output"].tolist() == [2, 6, 6] and built and read and wrong is None))
PYTHON
