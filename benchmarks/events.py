"""Memory of recordings that stream: an hour of events, and training from files.

``python -m benchmarks.events`` writes files of its own into a temporary folder, prints what they
took, and writes ``results/events.json`` beside this file. Each measurement is a process of its own.
Memory is what the process holds itself (RssAnon); pages of files that are mapped are the system's,
which drops them when it needs them. Linux only.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.data.events import EventDataset, Events, iterate_events, stream_windows

HERE = Path(__file__).parent
SENSOR = (2, 34, 34)
HOUR = 3_600_000_000
WINDOW = 100_000


def memory() -> float:
    """Return what this process holds, MiB."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


def random_events(number: int, duration: int, seed: int) -> Events:
    """Return events at random times and places."""
    random = np.random.default_rng(seed)
    t = np.sort(random.integers(0, duration, number))
    x, y, p = (random.integers(0, size, number) for size in (34, 34, 2))
    return Events(t, x, y, p, sensor=SENSOR)


def write_hour(path: str, number: int) -> None:
    """Write a recording of an hour."""
    random_events(number, HOUR, 0).save(path)


def stream(path: str, report: Any) -> None:
    """Bin it window after window, and report memory on the way."""
    begin, held, spikes = time.perf_counter(), [], 0
    windows = stream_windows(iterate_events(path), 20, WINDOW, start=0, counts="clip")
    for number, window in enumerate(windows):
        spikes += int(window.sum())
        if number % (HOUR // WINDOW // 10) == 0:
            held.append(round(memory(), 1))
    seconds = time.perf_counter() - begin
    report.put({"windows": number + 1, "spikes": spikes, "MiB": held, "seconds": round(seconds)})


def write_recordings(folder: Path, number: int) -> None:
    """Write recordings as N-MNIST has them, five bytes an event, in ten folders."""
    for place in range(number):
        events = random_events(4000, 300_000, place)
        rows = np.stack(
            [
                events.x,
                events.y,
                events.p << 7 | events.t >> 16,
                events.t >> 8 & 255,
                events.t & 255,
            ]
        )
        target = folder / str(place % 10)
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{place:06}.bin").write_bytes(rows.T.astype(np.uint8).tobytes())


def train(folder: str, cache: str, report: Any) -> None:
    """Train an epoch, and report the most memory held after any minibatch."""
    from lava_desire import DesireConfig, DesireNetwork

    config = DesireConfig((2312, 100, 10), batch_size=64)
    network = DesireNetwork(config, kernels="compiled")
    before, begin = memory(), time.perf_counter()
    options: Any = {"duration": 300_000, "start": 0, "counts": "clip", "cache": cache}
    data = EventDataset(folder, 20, SENSOR, **options)
    written, held = time.perf_counter() - begin, [memory()]
    order = np.random.default_rng(0).permutation(len(data))
    for first in range(0, len(data), 64):
        part = order[first : first + 64]
        network.train_step(data.spikes(part), data.labels[part], 1e-5)
        held.append(memory())
    report.put(
        {
            "recordings": len(data),
            "packed MiB": round(sum(each.stat().st_size for each in Path(cache).iterdir()) / 2**20),
            "MiB more than before": round(max(held) - before, 1),
            "seconds to read and pack": round(written, 1),
        }
    )


def alone(function: Any, *arguments: Any) -> Any:
    """Call a function in a process of its own, and return what it reports."""
    context = multiprocessing.get_context("spawn")
    report = context.Queue()
    process = context.Process(target=function, args=(*arguments, report))
    process.start()
    found = report.get(timeout=3600)
    process.join()
    return found


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000_000, help="of the hour")
    parser.add_argument("--recordings", type=int, nargs="+", default=[1000, 4000, 16000])
    parser.add_argument("--output", type=Path, default=HERE / "results" / "events.json")
    options = parser.parse_args()
    found: dict[str, Any] = {"commit": commit(), "environment": environment()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_hour(str(folder / "hour.npz"), options.events)
        found["hour"] = {"events": options.events, **alone(stream, str(folder / "hour.npz"))}
        print(found["hour"])
        found["training"] = []
        for number in options.recordings:
            write_recordings(folder / str(number), number)
            cache = folder / f"cache{number}"
            found["training"].append(alone(train, str(folder / str(number)), str(cache)))
            print(found["training"][-1])
    options.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
