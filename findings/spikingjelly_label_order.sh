#!/usr/bin/env bash
# SpikingJelly 2.0.0: labels of SHD as frames are places in a list of folders, sorted as texts: 2 becomes 12.
#
# One would expect SpikingHeidelbergDigits to give one label for a recording, that of the file. Seen: with
# data_type="event" it does. As frames, which are kept in a folder a label, labels are places in 0, 1, 10, 11, ..., 19,
# 2, 3, ...: 18 of 20 are others. So are those of DVS128Gesture, in both forms: gesture 10 is 2. Accuracy hides it;
# a network that was trained on frames is wrong nearly everywhere by labels of events, or of another reader.
# For our users: dataset.classes[label] is the label of the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install torch==2.13.0 h5py==3.16.0 numpy==2.4.6 \
    loguru==0.7.3 matplotlib==3.11.2 pillow==13.0.0 requests==2.34.2 scipy==1.17.1 tqdm==4.70.1
"$folder/venv/bin/python" -m pip -q install --no-deps torchvision==0.28.0 spikingjelly==2.0.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import importlib.util
import pathlib
import sys
import types

import h5py
import numpy as np
import torch

try:
    import torchvision  # noqa: F401
except RuntimeError:  # its operators do not load beside a torch without CUDA; nothing here calls them
    operators = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
# Their package imports all data sets, one of them torchaudio, which does not load without CUDA either.
package = types.ModuleType("spikingjelly.datasets")
package.__path__ = [str(pathlib.Path(importlib.util.find_spec("spikingjelly").origin).parent / "datasets")]
sys.modules["spikingjelly.datasets"] = package
from spikingjelly.datasets.dvs128_gesture import DVS128Gesture  # noqa: E402
from spikingjelly.datasets.shd import SpikingHeidelbergDigits  # noqa: E402

speech = pathlib.Path("shd", "events_h5")
speech.mkdir(parents=True)
for part in ("train", "test"):  # 20 recordings, one a label; each says its label by how often input 7 spikes
    with h5py.File(speech / f"shd_{part}.h5", "w") as file:
        file["labels"] = np.arange(20, dtype=np.uint16)
        spikes = file.create_group("spikes")
        times = spikes.create_dataset("times", 20, h5py.vlen_dtype(np.float16))
        units = spikes.create_dataset("units", 20, h5py.vlen_dtype(np.uint16))
        for label in range(20):
            times[label] = np.linspace(0, 1, label + 4, dtype=np.float16)
            units[label] = np.full(label + 4, 7, np.uint16)

events = SpikingHeidelbergDigits("shd", train=True, data_type="event")
by_event = {len(recording["t"]) - 4: int(label) for recording, label in events}
frames = SpikingHeidelbergDigits("shd", train=True, data_type="frame", frames_number=4, split_by="number")
by_frame = {int(recording[:, 7].sum()) - 4: label for recording, label in frames}

for label in range(11):  # as SpikingJelly keeps it: a folder a gesture
    for part in ("train", "test"):
        gesture = pathlib.Path("gesture", "events_np", part, str(label))
        gesture.mkdir(parents=True)
        np.savez(gesture / "a.npz", t=np.arange(label + 4), **dict.fromkeys("xyp", np.zeros(label + 4)))
gestures = DVS128Gesture("gesture", train=True, data_type="event")
by_gesture = {len(recording["t"]) - 4: label for recording, label in gestures}

print("SHD, label in the file: label as events:", by_event)
print("SHD, label in the file: label as frames:", by_frame)
print("DVS Gesture, label in the folder: label:", by_gesture)
by_name = {label: int(frames.classes[place]) for label, place in by_frame.items()}
as_texts = {count: {label: place for place, label in enumerate(sorted(range(count), key=str))} for count in (11, 20)}
sys.exit(
    by_event != {label: label for label in range(20)}
    or by_frame != as_texts[20]
    or by_gesture != as_texts[11]
    or by_name != by_event
)
PYTHON
