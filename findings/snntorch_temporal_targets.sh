#!/usr/bin/env bash
# snnTorch 1.0.0: mse_temporal_loss() does not depend on the labels, and a target of -1 for the other classes is 0.
#
# One would expect what its documentation says of the default: the label's neuron is to spike in the first step and the
# others in the last; and mse_membrane_loss(on_target=1, off_target=-1) to ask the others for -1. Seen: an off_target
# below 0 is clamped to 0. So the default loss asks all neurons to spike at once: it is 0 when they do, the same
# for every label, and 0.54 for an answer that is right. Of membranes it is 0 at 0 and not at -1.
# For our users: give numbers from 0 on, off_target=T - 1; of membranes add a constant to potentials and both targets.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install torch==2.13.0 snntorch==1.0.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys

import snntorch.functional as functional
import torch

right, at_once = torch.zeros(10, 1, 3), torch.zeros(10, 1, 3)  # time, sample, class
right[0, 0, 0] = right[9, 0, 1:] = 1  # class 0 spikes first, the others last
at_once[0] = 1


def by_label(loss, spikes):
    return [round(float(loss(spikes, torch.tensor([label]))), 2) for label in range(3)]


default = functional.mse_temporal_loss()
last = functional.mse_temporal_loss(off_target=9)
losses = by_label(default, right), by_label(default, at_once), by_label(last, right)
print("answer 0, for labels 0, 1, 2; all at once; answer 0 with off_target=9:", *losses)

membrane = functional.mse_membrane_loss(on_target=1, off_target=-1)
asked = [by_label(membrane, torch.tensor([[[1.0, other, other]]]))[0] for other in (-1.0, 0.0)]
print("membranes of the others at -1 and at 0, loss with off_target=-1:", asked)
sys.exit(losses != ([0.54] * 3, [0.0] * 3, [0.0, 0.54, 0.54]) or asked != [0.67, 0.0])
PYTHON
