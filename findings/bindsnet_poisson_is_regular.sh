#!/usr/bin/env bash
# BindsNET 0.3.4: encoding.poisson makes nearly regular trains that begin together, not Poisson trains.
#
# One would expect, of "Poisson-distributed spike trains" at 20 Hz, counts in a second whose variance is their mean, and
# spikes in every part of the window. Seen: the intervals are drawn from a Poisson distribution, so that they are all
# near their mean. The variance of counts is a fortieth of their mean; none of 4,000 inputs spikes in the first 20 ms,
# where a third should; near 50 ms they spike together, at 2.7 times the mean rate. At 500 Hz 6 % of the spikes are
# missing. The encoder `bernoulli` does what it says, but scales the caller's own image.
# For our users: torch.rand(T, N) < rate * dt draws each step by itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" -m pip -q install --no-deps bindsnet==0.3.4  # its environments are not needed here
cd "$folder"
venv/bin/python - <<'PYTHON'
import importlib.util
import pathlib
import runpy
import sys

import torch

package = pathlib.Path(importlib.util.find_spec("bindsnet").origin).parent
encodings = runpy.run_path(str(package / "encoding" / "encodings.py"))
torch.manual_seed(0)


def seen(trains):
    counts = trains.sum(0)
    early, volley = trains[:20].any(0).float().mean(), trains[48:53].mean() / trains.mean()
    return [round(float(value), 3) for value in (counts.mean(), counts.var() / counts.mean(), early, volley)]


theirs = seen(encodings["poisson"](torch.full((4000,), 20.0), time=1000).float())
poisson = seen((torch.rand(1000, 4000) < 0.02).float())
fast = float(encodings["poisson"](torch.full((4000,), 500.0), time=1000).float().sum(0).mean())
image = torch.tensor([0.0, 64.0, 128.0])
encodings["bernoulli"](image, time=10)
print("20 Hz for 1 s: spikes, variance of counts over mean, share with a spike by 20 ms, rate at 50 ms over mean rate")
print("BindsNET", theirs)
print("each step drawn by itself", poisson)
print("500 Hz for 1 s: spikes", fast)
print("an image of 0, 64, 128 after bernoulli:", image.tolist())
sys.exit(
    not (theirs[1] < 0.04 and theirs[2] == 0 and theirs[3] > 2 and 0.9 < poisson[1] < 1.1 and poisson[2] > 0.3)
    or not 460 < fast < 480
    or image.tolist() != [0, 0.5, 1]
)
PYTHON
