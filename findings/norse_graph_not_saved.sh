#!/usr/bin/env bash
# Norse 1.1.0 with nir 1.0.8: the graph of a network of default cells cannot be saved, and what is saved cannot be read.
#
# One would expect nir.read(file) to give back what nir.write(file, norse.to_nir(...)) took. Seen: the parameters of a
# default cell are numbers without dimensions, at which nir.write raises half-way (a TypeError about chunks) and leaves
# a file that nir.read does not know as a graph (KeyError). With parameters a neuron, and a sample of a batch of one,
# nir.write takes the graph; nir.read refuses the file, since the batch stands in Input.
# For our users: give cells one parameter a neuron, and to_nir a sample without a batch; from_nir of this library reads
# the second kind of file as it is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install torch==2.13.0 nir==1.0.8 nirtorch==2.6 h5py==3.16.0 numpy==2.4.6
"$folder/venv/bin/python" -m pip -q install --no-deps norse==1.1.0  # its torchvision is not needed here
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys
from pathlib import Path

import nir
import norse.torch as norse
import torch
from norse.torch.module.lif_box import LIFBoxCell, LIFBoxParameters


def attempt(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "done"


ones = torch.ones(4)
parameters = LIFBoxParameters(tau_mem_inv=100 * ones, v_leak=0 * ones, v_th=ones, v_reset=0 * ones)
said = {}
for name, cell, shape in (
    ("default cells", LIFBoxCell(), (3,)),
    ("one a neuron, batch", LIFBoxCell(parameters), (1, 3)),
    ("one a neuron", LIFBoxCell(parameters), (3,)),
):
    graph = norse.to_nir(norse.SequentialState(torch.nn.Linear(3, 4), cell), torch.zeros(shape))
    file = Path(f"{name}.nir")
    said[name] = (attempt(nir.write, file, graph), file.exists(), attempt(nir.read, file))
    print(f"{name}: write: {said[name][0]}; file there: {file.exists()}; read: {said[name][2]}")
first, second, third = said.values()
sys.exit(
    not (
        first[0].startswith("TypeError: Scalar datasets") and first[1] and first[2].startswith("KeyError")
        and second[0] == "done" and second[2].startswith("ValueError: Type inference error")
        and third == ("done", True, "done")
    )
)
PYTHON
