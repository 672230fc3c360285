#!/usr/bin/env bash
# faery 0.7.1 and event_stream 1.6.3 read the same Event Stream (.es) file upside down to each other.
#
# One would expect one y for one byte. Seen: event_stream returns y as stored (origin at the bottom, as the format
# says), faery returns height - 1 - y; t, x and polarity are equal. A network trained on one and tested on
# the other sees mirrored images and no error.
# For our users: read training and test data by the same package, or flip y of one of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install faery==0.7.1 event_stream==1.6.3 numpy==2.3.5
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys

import event_stream
import faery
import numpy as np

width, height = 32, 24
events = np.zeros(4, event_stream.dvs_dtype)
events["t"], events["x"], events["y"] = [1, 2, 3, 4], [0, 1, 2, 3], [0, 1, 2, 10]
with event_stream.Encoder("events.es", "dvs", width, height) as encoder:
    encoder.write(events)
with event_stream.Decoder("events.es") as decoder:
    stored = np.concatenate(list(decoder))
flipped = np.concatenate(list(faery.events_stream_from_file("events.es")))
print("event_stream y:", stored["y"].tolist(), " faery y:", flipped["y"].tolist())
same = all(np.array_equal(stored[name], flipped[name]) for name in ("t", "x"))
sys.exit(not same or flipped["y"].tolist() != (height - 1 - stored["y"].astype(int)).tolist())
PYTHON
