#!/usr/bin/env bash
# snnTorch 1.0.0: with multi_spike=True one neuron's spike erases those of all others in that step, in the whole batch.
#
# One would expect mse_temporal_loss(multi_spike=True) to be 0 for outputs that spike when they should. Seen: of two
# neurons that spike at 1, 5 and at 5, 15, as they should, the first is said to spike at 1 and 19, the last step. After
# first spikes are found, all spikes in their steps are deleted, also those of other samples: a sample's loss
# depends on what lies beside it in the minibatch.
# For our users: take the times neuron by neuron, as spikes.argmax(0) does for the first.
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


def spikes(*samples):
    trains = torch.zeros(20, len(samples), 2)  # time, sample, neuron
    for number, neurons in enumerate(samples):
        for neuron, times in enumerate(neurons):
            trains[list(times), number, neuron] = 1
    return trains


def loss(on, off, trains):  # each sample is of class 0, whose neuron should spike at `on`, the other at `off`
    wanted = functional.mse_temporal_loss(
        on_target=torch.tensor(on), off_target=torch.tensor(off), multi_spike=True, reduction="none"
    )
    by_neuron = wanted(trains, torch.zeros(trains.shape[1], dtype=torch.long))
    return [round(float(value), 3) for value in by_neuron.mean(dim=(0, 2))]


apart = loss((1, 5), (7, 15), spikes([(1, 5), (7, 15)]))
together = loss((1, 5), (5, 15), spikes([(1, 5), (5, 15)]))
beside = loss((1, 5), (7, 15), spikes([(1, 5), (7, 15)], [(5, 8), (9, 15)]))
print("as asked for, no first spike in a step of another's second:", apart)
print("as asked for, first spike of one in the step of the other's second:", together)
print("the first of these again, beside another sample:", beside)
sys.exit(apart != [0.0] or together[0] < 0.1 or beside[0] < 0.1)
PYTHON
