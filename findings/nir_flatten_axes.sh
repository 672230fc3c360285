#!/usr/bin/env bash
# nir 1.0.8, SpikingJelly 2.0.0, Norse 1.1.0, snnTorch 1.0.0: no start_dim of a Flatten node suits all of them.
#
# One would expect that a graph of Flatten and Linear flattens what a sample is, in any reader. Seen: shapes in a graph have
# no axis of samples, so that 0 is the axis of channels; SpikingJelly adds one to it, Norse and snnTorch pass it to PyTorch as
# it is, where 0 is the axis of samples: a batch of two becomes one row, and the Linear behind it raises. With 1, the node's
# default, those two are right, and nir itself refuses the graph, and SpikingJelly leaves the channels.
# For our users: to_nir writes no Flatten (a dense layer behind planes is a Conv2d); from_nir takes either.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install torch==2.13.0 nir==1.0.8 nirtorch==2.6 h5py==3.16.0 numpy==2.4.6 snntorch==1.0.0
"$folder/venv/bin/python" -m pip -q install loguru==0.7.3 matplotlib==3.11.2 scipy==1.17.1 tensorboard==2.21.0 tqdm==4.70.1
"$folder/venv/bin/python" -m pip -q install --no-deps norse==1.1.0 spikingjelly==2.0.0
cd "$folder"
venv/bin/python - <<'PYTHON' 2> errors.txt || { cat errors.txt; exit 1; }
import sys

import nir
import norse.torch
import numpy as np
import torch
from snntorch.import_nir import import_from_nir as from_nir_snntorch
from spikingjelly.activation_based.nir_exchange import import_from_nir as from_nir_spikingjelly

PLANES = (3, 2, 2)
READERS = {"SpikingJelly": from_nir_spikingjelly, "Norse": norse.torch.from_nir, "snnTorch": from_nir_snntorch}


def graph(start_dim, check):
    flatten = nir.Flatten({"input": np.array(PLANES)}, start_dim=start_dim)
    linear = nir.Linear(np.ones((12, 12), np.float32))
    return nir.NIRGraph.from_list(nir.Input(np.array(PLANES)), flatten, linear, type_check=check)


found = {}
for start_dim in (0, 1):
    try:
        graph(start_dim, True)
        found["nir", start_dim] = "accepts the graph"
    except ValueError as error:
        found["nir", start_dim] = str(error)
    for name, read in READERS.items():
        try:
            output = read(graph(start_dim, False))(torch.ones(2, *PLANES))
            output = output[0] if isinstance(output, tuple) else output
            found[name, start_dim] = tuple(output.shape)
        except RuntimeError as error:
            found[name, start_dim] = str(error).splitlines()[0]
for (name, start_dim), what in found.items():
    print(f"start_dim={start_dim}, a batch of two in {name}: {what}")
right = [key for key, what in found.items() if what in ((2, 12), "accepts the graph")]
print("right:", right)
sys.exit(right != [("nir", 0), ("SpikingJelly", 0), ("Norse", 1), ("snnTorch", 1)])
PYTHON
