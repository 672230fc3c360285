#!/usr/bin/env bash
# BindsNET 0.3.4: encoding.rank_order keeps no ranks, drops the faintest input, and all of a binary image.
#
# One would expect "one spike per neuron, temporally ordered by decreasing intensity". Seen: times are proportional to
# 1 / intensity and stretched until the faintest input's is the end of the window, just outside: it never spikes. In an
# image of zeros and ones all are the faintest, and nothing spikes. A pixel of 1, were it in another sample of the
# batch, moves all from 128 to 255 into one step: their ranks are gone. The caller's tensor is divided by its maximum.
# `single`, of a sparsity of "0 for no spikes and 1 for all spikes", drops the faintest too.
# For our users: steps by rank are `(-image).argsort().argsort()`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" -m pip -q install --no-deps bindsnet==0.3.4  # its environments are not needed here
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import importlib.util
import pathlib
import runpy
import sys

import torch

package = pathlib.Path(importlib.util.find_spec("bindsnet").origin).parent
encodings = runpy.run_path(str(package / "encoding" / "encodings.py"))


def times(*samples):
    trains = encodings["rank_order"](torch.tensor(samples), time=100)
    return [train.nonzero().flatten().tolist() for train in trains[:, 0].T]


even = times((255.0, 192.0, 128.0, 64.0))
beside = times((255.0, 192.0, 128.0, 64.0), (255.0, 255.0, 255.0, 1.0))
binary = times((1.0, 0.0, 1.0, 1.0))
image = torch.tensor([255.0, 51.0])
encodings["rank_order"](image, time=100)
single = encodings["single"](torch.tensor([255.0, 128.0, 64.0]), time=100, sparsity=1.0)[0].tolist()
print("steps of spikes, of 100, of 255, 192, 128, 64:", even)
print("the same beside a sample with a pixel of 1:", beside)
print("of a binary image 1, 0, 1, 1:", binary)
print("an image of 255, 51 afterwards:", image.tolist(), "; single with sparsity 1 of 255, 128, 64:", single)
sys.exit(
    even != [[25], [33], [49], []]
    or beside != [[0], [0], [0], [1]]
    or binary != [[], [], [], []]
    or not torch.allclose(image, torch.tensor([1.0, 0.2]))
    or single != [1, 1, 0]
)
PYTHON
