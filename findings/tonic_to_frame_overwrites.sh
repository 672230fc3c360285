#!/usr/bin/env bash
# tonic 1.7.0: ToFrame for a sensor of one polarity sets p of the caller's own events to 0.
#
# One would expect a transform to leave its input alone, as it does for two polarities. Seen: of events that are all
# brighter (1) all are darker (0) after the call, in the array that was given; the same recording, kept in
# memory and binned again for two polarities, is in the other channel.
# For our users: give tonic a copy, events.copy(), where recordings are kept.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install tonic==1.7.0 numpy==2.3.5
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys

import numpy as np
import tonic

fields = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
events = np.zeros(4, fields)
events["t"], events["p"] = [0, 5, 9, 20], 1


def polarities_after(sensor_size):
    mine = events.copy()
    tonic.transforms.ToFrame(sensor_size=sensor_size, time_window=10)(mine)
    return mine["p"].tolist()


two, one = polarities_after((1, 1, 2)), polarities_after((1, 1, 1))
print("p given", events["p"].tolist(), " after two polarities", two, " after one", one)
sys.exit((two, one) != ([1, 1, 1, 1], [0, 0, 0, 0]))
PYTHON
