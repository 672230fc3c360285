#!/usr/bin/env bash
# Turns of EVT3's 24 bits of time are lost where the upper word does not go from 4095 to 0.
#
# EVT3 marks time by words of 12 upper and 12 lower bits. The maker's own decoder (OpenEB) takes a fall of the upper
# word by 2048 or more for a turn, so one would expect other readers to. Seen: of two events 73,728 us apart, whose
# upper words are 4081 and 3, the second comes at the time of the first by faery 0.7.1, 16.7 s earlier by evt3 0.4.1
# and 16.6 s later by evlib 0.13.2. faery also passes over an upper word of 4094 or 4095 at the beginning of a file.
# Nobody raises. expelliarmus 1.1.12 reads both right. Cameras write an upper word for every 4096 us; programs need not.
# For our users: such files are refused; write EVT2.
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

HEADER = b"% evt 3.0\n% format EVT3;width=34;height=24\n% geometry 34x24\n% end\n"


def differences(highs):
    """Return the times between an event and the next, by each reader."""
    words = [word for high in highs for word in (8 << 12 | high % 4096, 6 << 12 | 5, 0, 2 << 12 | 1)]
    with open("a.raw", "wb") as file:
        file.write(HEADER + struct.pack(f"<{len(words)}H", *words))
    read = {
        "faery": np.concatenate(list(faery.events_stream_from_file("a.raw")))["t"],
        "evt3": evt3.decode_file("a.raw").timestamp,
        "evlib": evlib.load_events("a.raw").collect()["t"].to_physical().to_numpy(),
        "expelliarmus": Wizard(encoding="evt3", fpath="a.raw").read()["t"],
    }
    return {name: np.diff(np.asarray(t, np.int64)).tolist() for name, t in read.items()}


seen = [differences(highs) for highs in ([4070, 4081, 4099, 4110], [4094, 4095, 4096, 4097])]
for line in seen:
    print(line)
turn, begin = seen
good = turn["expelliarmus"] == [45056, 73728, 45056]
good &= turn["faery"] == [45056, 0, 0]
good &= turn["evt3"] == [45056, 73728 - 2**24, 45056]
good &= turn["evlib"] == [45056, 16_613_376, 45056]
good &= begin.pop("faery") == [0, 0, 4096]
good &= all(each == [4096, 4096, 4096] for each in begin.values())
sys.exit(not good)
PYTHON
