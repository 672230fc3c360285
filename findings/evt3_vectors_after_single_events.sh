#!/usr/bin/env bash
# Vectors of EVT3 behind a single event are read at that event's column, or with its polarity.
#
# In EVT3 a word (VECT_BASE_X) gives the column and the polarity of the vectors of events behind it, each of which moves
# on by its width. A single event has a word of its own (EVT_ADDR_X) with its column and polarity; by the format's
# specification, and in the maker's own decoder (OpenEB, evt3_decoder.h), it changes neither for the vectors that follow.
# Seen, of a vector of 32 from column 100, ON, a single event at 500, OFF, and another vector of 32, which goes on at
# 132, ON: faery 0.7.1 reads its first event at 500, OFF, expelliarmus 1.1.12 at 132, but OFF; evlib 0.13.2 and evt3
# 0.4.1 read it as it is. Nobody says anything.
# For our users: files are read by faery; where a vector is behind a single event, it is given a copy in which a word
# gives the column and the polarity anew.
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

HEADER = b"% evt 3.0\n% format EVT3;width=1280;height=720\n% geometry 1280x720\n% end\n"
ROW, SINGLE, BASE, VECTOR_12, VECTOR_8, LOW, HIGH = (kind << 12 for kind in (0, 2, 3, 4, 5, 6, 8))
ON = 1 << 11
first_of_32 = [VECTOR_12 | 1, VECTOR_12, VECTOR_8]
words = [HIGH | 1, LOW | 5, ROW | 7, BASE | ON | 100, *first_of_32, SINGLE | 500, *first_of_32]
with open("a.raw", "wb") as file:
    file.write(HEADER + struct.pack(f"<{len(words)}H", *words))

by_faery = np.concatenate(list(faery.events_stream_from_file("a.raw")))
by_evlib = evlib.load_events("a.raw").collect()
by_expelliarmus = Wizard(encoding="evt3", fpath="a.raw").read()
by_evt3 = evt3.decode_file("a.raw")
found = {
    "faery": (by_faery["x"], by_faery["on"]),
    "evlib": (by_evlib["x"].to_numpy(), by_evlib["polarity"].to_numpy() > 0),
    "expelliarmus": (by_expelliarmus["x"], by_expelliarmus["p"]),
    "evt3": (by_evt3.x, by_evt3.polarity),
}
found = {
    name: [(int(column), int(on)) for column, on in zip(*both)] for name, both in found.items()
}
for name, events in found.items():
    print(name, "column, ON:", events)
begin = [(100, 1), (500, 0)]
good = found["evlib"] == found["evt3"] == [*begin, (132, 1)]
good &= found["faery"] == [*begin, (500, 0)] and found["expelliarmus"] == [*begin, (132, 0)]
sys.exit(not good)
PYTHON
