#!/usr/bin/env bash
# expelliarmus 1.1.12 writes EVT3 files without their upper time words.
#
# A reader would expect times up to 2^24 microseconds to survive: EVT3 carries 12 low and 12 high bits.
# Seen: the file holds one TIME_HIGH word, for the first event, and none after it. Its own reader counts
# turns of the 12 low bits, so that only recordings without a gap of 4096 us come back; evt3 0.4.1, which
# takes the upper word from the file, reads other times than the writer's own reader from the same file,
# and nobody raises. Saved as EVT2 the same events come back whole.
# For our users: keep recordings as EVT2, DAT or AEDAT4, or check times after writing EVT3.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install expelliarmus==1.1.12 evt3==0.4.1 numpy==2.3.5
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys

import evt3
import numpy as np
from expelliarmus import Wizard

fields = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "u1")], align=True)


def written_and_read(encoding, times):
    events = np.zeros(len(times), fields)
    events["t"], events["x"], events["p"] = times, np.arange(len(times)), 1
    wizard = Wizard(encoding=encoding)
    wizard.save(fpath=f"events_{encoding}.raw", arr=events)
    return wizard.read(f"events_{encoding}.raw")["t"].tolist()


def by_evt3():
    return np.asarray(evt3.decode_file("events_evt3.raw").timestamp).tolist()


def upper_time_words():
    return int((np.fromfile("events_evt3.raw", "<u2")[-40:] >> 12 == 8).sum())


dense, gap = [0, 1000, 5000, 9000], [1, 2, 3, 5000, 20_000_000]
seen = {
    "dense, own reader": written_and_read("evt3", dense),
    "dense, evt3": by_evt3(),
    "dense, TIME_HIGH words": upper_time_words(),
    "gap, own reader": written_and_read("evt3", gap),
    "gap, evt3": by_evt3(),
    "gap, EVT2": written_and_read("evt2", gap),
}
for name, times in seen.items():
    print(f"{name:23} {times}")
expected = {
    "dense, own reader": dense,
    "dense, TIME_HIGH words": 1,
    "dense, evt3": [0, 1000, 5000 % 4096, 9000 % 4096],
    "gap, own reader": [1, 2, 3, 5000 % 4096, 20_000_000 % 4096],
    "gap, evt3": [1, 2, 3, 5000 % 4096, 20_000_000 % 4096],
    "gap, EVT2": gap,
}
sys.exit(seen != expected)
PYTHON
