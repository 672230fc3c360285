#!/usr/bin/env bash
# tonic 1.7.0: DropEventByTime takes a recording to begin at time 0.
#
# One would expect an interval of so much of the recording to be dropped, wherever its times begin. Seen: the
# interval is a share of the time from 0 to the last event. Of a recording of 1 s that begins at 10 s, a ratio of
# 0.2 drops nothing in nine of ten calls, else a beginning of any length; with absolute times, as AEDAT4 has
# them (µs since 1970), it never drops anything. EventDrop, which draws it as one of its ways, does the same.
# For our users: subtract the first time before, or use spike_drop and time_shift, which act on time steps.
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

fields = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])


def dropped(begin):
    """Return the share of events that is dropped in each of 1000 calls, of a recording of 1 s."""
    events = np.zeros(1000, fields)
    events["t"] = begin + np.arange(0, 1_000_000, 1000)
    np.random.seed(0)
    drop = transforms.DropEventByTime(duration_ratio=0.2)
    return np.array([1 - len(drop(events)) / 1000 for _ in range(1000)])


found = {}
for name, begin in (("0", 0), ("10 s", 10_000_000), ("in 2023", 1_700_000_000_000_000)):
    shares = found[name] = dropped(begin)
    print(
        f"begins at {name}: {(shares == 0).mean():.0%} of calls drop nothing, "
        f"mean share {shares.mean():.3f}, most {shares.max():.3f}"
    )
right = np.allclose(found["0"], 0.2, atol=0.002)
nothing = (found["10 s"] == 0).mean()
sys.exit(not (right and nothing > 0.8 and found["10 s"].max() > 0.9 and not found["in 2023"].any()))
PYTHON
