#!/usr/bin/env bash
# tonic 1.7.0: four of its five AEDAT readers raise for every file.
#
# One would expect tonic.io.read_dvs_ibm to read a recording of DVS Gesture, AEDAT 3.1. Seen: the header's reader returns
# three values since it also reads the time of recording, and read_dvs_ibm, read_dvs_128, read_dvs_red and
# read_dvs_346mini take two: "too many values to unpack". Only read_davis_346, of another layout, returns events.
# For our users: lava_desire.data.events.read_events reads them; the data set that tonic offers is converted beforehand.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install tonic==1.7.0 numpy==2.3.5
cd "$folder"
venv/bin/python - <<'PYTHON'
import struct
import sys
from pathlib import Path

import tonic

header = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"
packet = struct.pack("<hhiiiiii", 1, 1, 8, 4, 0, 1, 1, 1)  # one polarity event
event = struct.pack("<II", 5 << 17 | 6 << 2 | 1 << 1 | 1, 100)  # x = 5, y = 6, brighter, valid; 100 us
Path("one.aedat").write_bytes(header + packet + event)
seen = {}
for name in ("read_dvs_ibm", "read_dvs_128", "read_dvs_red", "read_dvs_346mini", "read_davis_346"):
    try:
        seen[name] = f"{len(getattr(tonic.io, name)('one.aedat')[-1])} event"
    except ValueError as error:
        seen[name] = str(error)
    print(f"{name:17} {seen[name]}")
failing = [name for name, said in seen.items() if said == "too many values to unpack (expected 2)"]
sys.exit(failing != list(seen)[:4] or seen["read_davis_346"] != "1 event")
PYTHON
