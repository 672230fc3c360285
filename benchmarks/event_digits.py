"""Accuracy on digits that an event camera has seen, beside that on the same digits as images.

``python -m benchmarks.event_digits --data-dir FOLDER`` shows MNIST to the event camera of
``data/events/synthetic.py``, with three saccades of 100 ms, learns the spikes and writes
``results/event-digits/result.json``. ``--kept FILE`` keeps the spikes, or takes them from there.
``--convolutions`` learns with those of the preset ``mnist-conv-best``, and writes
``convolutions.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from lava_desire import DesireConfig, DesireNetwork, fit, load_dataset
from lava_desire._provenance import commit
from lava_desire.analysis.experiments import spread, summary
from lava_desire.cli.machine import environment
from lava_desire.data import Dataset, SpikeTrains, load_npz
from lava_desire.data.events import EventDataset
from lava_desire.data.events.synthetic import saccades

PLACE = Path(__file__).parents[1] / "results" / "event-digits"
WINDOW, PART = 300_000, 500
BINNING: dict[str, Any] = {"start": 0, "duration": WINDOW, "late": "last", "counts": "clip"}


def seen(images: Any, labels: Any, num_steps: int) -> SpikeTrains:
    """Return the spikes of images that the camera looks at, some hundred recordings at a time."""
    planes = []
    for first in range(0, len(labels), PART):
        part = slice(first, first + PART)
        recordings = saccades(images[part].reshape(-1, 28, 28), duration=WINDOW)
        data = EventDataset(recordings, num_steps, labels=labels[part], **BINNING)
        planes.append(data.spikes(np.arange(len(data))).planes)
    return SpikeTrains(np.concatenate(planes), num_steps, data.shape)


def learn(config: DesireConfig, data: Dataset) -> dict[str, Any]:
    """Return what a network reached."""
    history = fit(DesireNetwork(config), data)
    found = {"learned": data.name, **summary(history, config)}
    print(f"{data.name}, seed {config.seed}: {_last(found):.4f}", flush=True)
    return found


def _last(run: dict[str, Any]) -> float:
    """Return the accuracy of the last epoch, of averaged weights where there are such."""
    average: float | None = run["last_average"]
    last: float = run["last"]["test_accuracy"]
    return last if average is None else average


def _flat(data: Dataset) -> DesireConfig:
    """Return a dense network of one hidden layer."""
    return DesireConfig(
        (data.num_inputs, 300, 10),
        epochs=3,
        learning_rate=2e-4,
        learning_rate_decay=0.7,
        batch_size=16,
        trace_baseline=1.0,
    )


def _planes(data: Dataset) -> DesireConfig:
    """Return two convolutions, of the preset, for planes of this shape."""
    planes = (2, 34, 34) if data.has_spikes else (1, 28, 28)
    return DesireConfig.preset("mnist-conv-best").replace(input_shape=planes)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="folder of MNIST's files")
    parser.add_argument("--kept", type=Path, help=".npz file of the spikes")
    parser.add_argument("--train", type=int, default=12_000, help="training samples")
    parser.add_argument("--test", type=int, default=2_000, help="test samples")
    parser.add_argument("--epochs", type=int, help="3, and 10 with convolutions")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, help="2e-4, and 1e-3 with convolutions")
    parser.add_argument("--convolutions", action="store_true", help="in place of a dense network")
    asked = parser.parse_args()
    mnist = load_dataset("mnist", asked.data_dir)
    pairs = [
        (images[:number], labels[:number])
        for (images, labels), number in ((mnist.train, asked.train), (mnist.test, asked.test))
    ]
    begin = time.perf_counter()
    if asked.kept and asked.kept.exists():
        events = load_npz(asked.kept)
    else:
        trains = [seen(*pair, 20) for pair in pairs]
        arrays = {"train_spikes": trains[0].planes, "test_spikes": trains[1].planes}
        arrays |= {"train_labels": pairs[0][1], "test_labels": pairs[1][1], "num_steps": 20}
        if asked.kept:
            np.savez(asked.kept, **arrays)
        events = Dataset.from_arrays(arrays, "event digits")
    seconds = time.perf_counter() - begin
    images = Dataset("images", *pairs[0], *pairs[1], num_classes=10)
    given = {"epochs": asked.epochs, "learning_rate": asked.learning_rate}
    changes = {name: value for name, value in given.items() if value is not None}
    network = _planes if asked.convolutions else _flat
    runs = [
        learn(network(data).replace(seed=seed, **changes), data)
        for data in (events, images)
        for seed in range(asked.seeds)
    ]
    found = {
        "training_samples": asked.train,
        "test_samples": asked.test,
        "binning": BINNING,
        "seconds_to_see": round(seconds),
        "spikes_a_step_and_input": float(np.mean(events.test[0].unpack())),
        "runs": runs,
        "last_over_seeds": {
            data.name: spread([_last(run) for run in runs if run["learned"] == data.name])
            for data in (events, images)
        },
        "command": f"python -m benchmarks.event_digits {' '.join(sys.argv[1:])}",
        "commit": commit(),
        "environment": environment(),
    }
    PLACE.mkdir(parents=True, exist_ok=True)
    name = "convolutions.json" if asked.convolutions else "result.json"
    (PLACE / name).write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
