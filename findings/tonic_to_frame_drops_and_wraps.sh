#!/usr/bin/env bash
# tonic 1.7.0: ToFrame(n_time_bins=n) drops events, and a busy pixel's count turns negative.
#
# One would expect n bins that cover the recording. Seen: a bin is (last - first) // n units wide and what lies
# behind n bins is dropped: always the last event, and all of them where a recording has fewer units than
# bins (20 events at 0..19 in 20 bins: windows of zero length, no event kept). Frames are int16: 40,000
# events on one pixel become -25,536. Nothing is said in either case.
# For our users: give time_window, or bin in 64 bits, and compare frames.sum() with len(events).
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


def frames(times, bins):
    events = np.zeros(len(times), fields)
    events["t"] = times
    return tonic.transforms.ToFrame(sensor_size=(2, 2, 2), n_time_bins=bins)(events)


short, longer = frames(np.arange(20), 20), frames(np.arange(0, 300_000, 70), 20)
busy = frames(np.arange(40_001), 1)
print("20 events in 20 bins, kept:", short.sum())
print("4286 events in 20 bins, kept:", longer.sum())
print("40,000 events on a pixel:", busy.min(), busy.dtype)
sys.exit((short.sum(), longer.sum(), busy.min()) != (0, 4285, 40_000 - 2**16))
PYTHON
