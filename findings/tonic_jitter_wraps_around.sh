#!/usr/bin/env bash
# tonic 1.7.0: what SpatialJitter moves off one edge of the sensor, ToFrame draws at the opposite edge.
#
# One would expect events that leave the sensor to be lost, or an error. Seen: with its defaults
# (clip_outliers=False) SpatialJitter leaves them with coordinates below 0 and beyond the sensor; ToFrame takes
# x = -1 for the last column, without a word. Coordinates at or beyond the width raise an IndexError, so that an
# event far enough to the right is noticed, and one to the left is not.
# For our users: give clip_outliers=True, which drops them; or move whole recordings by image_shift.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install tonic==1.7.0 numpy==2.3.5
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys

import numpy as np
from tonic import transforms

sensor = (34, 34, 2)
events = np.zeros(1000, np.dtype([("x", int), ("y", int), ("t", int), ("p", int)]))
events["t"], events["x"], events["y"] = np.arange(1000), 3, 17  # a column near the left edge
np.random.seed(0)
moved = transforms.SpatialJitter(sensor, var_x=4, var_y=0)(events)
columns = transforms.ToFrame(sensor, n_event_bins=1)(moved).sum((0, 1, 2))
beyond = int((moved["x"] < 0).sum())
print("events that were moved off the left edge:", beyond, "least x:", moved["x"].min())
print("events in the ten columns at the right edge:", columns[-10:].tolist())
kept = transforms.SpatialJitter(sensor, var_x=4, var_y=0, clip_outliers=True)(events)
print("with clip_outliers=True, events kept:", len(kept), "least x:", kept["x"].min())
sys.exit(not (0 < beyond == columns[-10:].sum() and len(kept) < 1000 and kept["x"].min() >= 0))
PYTHON
