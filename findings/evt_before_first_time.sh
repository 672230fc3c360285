#!/usr/bin/env bash
# Events before a recording's first upper word of time are read as if it had said 0.
#
# EVT2 and EVT3 give an event the lower 6 or 12 bits of its time, and the upper ones by a word of their own. A stream
# that is recorded from its middle has events before the first such word; nothing says when they were. The maker's
# own decoder (OpenEB, evt2_decoder.h and evt3_decoder.h) leaves them out, so one would expect other readers to.
# Seen, of one event before an upper word of 0.4 s and two after it: faery 0.7.1 and expelliarmus 1.1.12 put the first
# into the first 64 us (EVT2) or 4 ms (EVT3), so that 0.4 s of silence follow it, and evlib 0.13.2 does so in EVT3;
# expelliarmus then reads those after it in EVT3 4096 us late. evt3 0.4.1, and evlib in EVT2, leave it out. Nobody
# says anything.
# For our users: such events are left out, and a warning counts them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install faery==0.7.1 evt3==0.4.1 evlib==0.13.2 expelliarmus==1.1.12 numpy==2.3.5
cd "$folder"
venv/bin/python - <<'PYTHON'
import struct
import sys

import evlib
import evt3
import faery
import numpy as np
from expelliarmus import Wizard

HEADER = "% evt {0}.0\n% format EVT{0};width=34;height=24\n% geometry 34x24\n% end\n"
TIMES = [4090, 409_605, 409_609]  # of the first, the lower bits alone


def read(version, content):
    """Return the times that each reader finds."""
    with open("a.raw", "wb") as file:
        file.write(HEADER.format(version).encode() + content)
    read = {
        "faery": np.concatenate(list(faery.events_stream_from_file("a.raw")))["t"],
        "evlib": evlib.load_events("a.raw").collect()["t"].to_physical().to_numpy(),
        "expelliarmus": Wizard(encoding=f"evt{version}", fpath="a.raw").read()["t"],
    }
    if version == 3:
        read["evt3"] = evt3.decode_file("a.raw").timestamp
    return {name: np.asarray(t, np.int64).tolist() for name, t in read.items()}


low, high = 1 << 28, 8 << 28
words = [low | (t & 63) << 22 for t in TIMES]
words.insert(1, high | TIMES[1] >> 6)
by_evt2 = read(2, struct.pack("<4I", *words))
words = [[6 << 12 | t & 4095, 0, 2 << 12 | 1] for t in TIMES]
words.insert(1, [8 << 12 | TIMES[1] >> 12])
by_evt3 = read(3, struct.pack("<10H", *sum(words, [])))
print("EVT2", by_evt2)
print("EVT3", by_evt3)
good = by_evt2["faery"] == by_evt2["expelliarmus"] == [58, *TIMES[1:]]
good &= by_evt2["evlib"] == TIMES[1:]
good &= by_evt3["faery"] == by_evt3["evlib"] == TIMES
good &= by_evt3["expelliarmus"] == [4090, *(t + 4096 for t in TIMES[1:])]
good &= by_evt3["evt3"] == TIMES[1:]
sys.exit(not good)
PYTHON
