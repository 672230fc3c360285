#!/usr/bin/env bash
# lava-dl 0.6.0: slayer.io's Event changes channels, counts a pixel once a bin, and loses inputs from 256 on.
#
# One would expect events to keep their polarity, binning_mode="SUM" to add them, and a file of one-dimensional spikes,
# whose docstring gives 16 bits to the neuron, to hold 700 inputs. Seen: the smallest channel of each recording becomes
# 0, also in the caller's array, so that a recording of ON events alone is one of OFF events. Five events of a pixel in
# a bin are 1, by "SUM" as by "OR", and of graded ones the last alone is left. encode_1d_spikes writes inputs modulo 256,
# and times modulo 8.4 s. Times are rounded to bins, so that the first is half as wide as the others. Nothing is said.
# For our users: give copies, see that no recording lacks a polarity, count with np.add.at, and write HDF5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install torch==2.13.0 numpy==2.4.6 matplotlib==3.10.8
# It asks for Python 3.10 and an older torch, which this one of its files does not need.
"$folder/venv/bin/python" -m pip -q install --no-deps --ignore-requires-python lava-dl==0.6.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import importlib.util
import pathlib
import runpy
import sys

import numpy as np

library = pathlib.Path(next(iter(importlib.util.find_spec("lava.lib.dl").submodule_search_locations)))
slayer_io = runpy.run_path(str(library / "slayer" / "io.py"))
Event = slayer_io["Event"]

polarity = np.array([1, 1, 1])
on = Event(np.arange(3), np.zeros(3, int), polarity, np.array([1.0, 2.0, 3.0]))
channels = on.c.tolist(), polarity.tolist()
print("channels of three ON events, and the caller's:", *channels)

busy = np.array([0, 0, 0, 0, 0, 1])  # the last one in another channel
places = np.zeros(6, int)
sums = []
for mode in ("OR", "SUM"):
    event = Event(places, places, busy.copy(), np.ones(6))
    sums.append(float(event.fill_tensor(np.zeros((2, 1, 1, 3)), binning_mode=mode).sum()))
graded = float(Event([0, 0], [0, 0], [0, 0], [1.0, 1.0], payload=[3, 4]).to_tensor().sum())
print("six events, five of one pixel and bin, by OR and SUM:", sums, "; payloads of 3 and 4 together:", graded)

inputs, times = np.array([5, 255, 256, 300, 699]), np.array([1.0, 2.0, 3.0, 4.0, 9000.0])  # ms
slayer_io["encode_1d_spikes"]("spikes.bs1", Event(inputs, None, np.zeros(5, int), times))
read = slayer_io["read_1d_spikes"]("spikes.bs1")
print("inputs and ms written:", inputs, times, "; read:", read.x.tolist(), read.t.tolist())

# One event at a time, 0.1 ms apart for 4 ms, in bins of 1 ms.
alone = [Event([0], None, [0], [time]).fill_tensor(np.zeros((1, 1, 1, 9))) for time in np.arange(0.05, 4, 0.1)]
widths = np.sum(alone, axis=0, dtype=int).ravel().tolist()
print("events a bin, of 10 a millisecond for 4 ms:", widths)
sys.exit(
    channels != ([0, 0, 0], [0, 0, 0])
    or sums != [2, 2]
    or graded != 4
    or widths != [5, 10, 10, 10, 5, 0, 0, 0, 0]
    or read.x.tolist() != [5, 255, 0, 44, 187]
    or read.t.tolist() != [1, 2, 3, 4, 611.392]
)
PYTHON
