"""Time a training sample against neurons, time steps, batch and layers, and fit how it grows.

``make bench-growth`` writes ``benchmarks/results/growth.json`` and ``growth.png``. Every size is a
process of its own, with untrained weights and a learning rate of 0, so that all rounds do the same
work: all samples have desire. What is in the file already, of this commit and machine, is not
measured again, unless ``--fresh``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lava_desire import DesireConfig, DesireNetwork, load_dataset
from lava_desire._provenance import commit
from lava_desire.backends.registry import MAX_STEPS
from lava_desire.cli.machine import environment

HERE = Path(__file__).parent
BASE: dict[str, Any] = {"hidden": [1600, 800], "num_steps": 20, "batch_size": 64}
AXES: dict[str, dict[int, dict[str, Any]]] = {
    "hidden neurons": {
        size: {"hidden": [size]} for size in (100, 300, 1000, 2000, 5000, 10_000, 20_000, 30_000)
    },
    "time steps": {size: {"num_steps": size} for size in (5, 10, 20, 30, 40, 64, 80, 128, 256)},
    "batch": {size: {"batch_size": size} for size in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)},
    "hidden layers": {size: {"hidden": size * [800]} for size in range(1, 9)},
}
ROUNDS, SECONDS = 40, 3.0  # of a size at most; a round is a step, and at least one is timed
FAST = "compiled"


def measure(size: dict[str, Any], images: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Time training steps of one size; the fastest counts."""
    config = DesireConfig(
        [784, *size["hidden"], 10], num_steps=size["num_steps"], batch_size=size["batch_size"]
    )
    kernels = "compiled" if size["num_steps"] <= MAX_STEPS else "auto"
    network = DesireNetwork(config, kernels=kernels)
    images, labels = images[: config.batch_size], labels[: config.batch_size]
    started, times = time.perf_counter(), []
    while len(times) < 2 or (len(times) <= ROUNDS and time.perf_counter() - started < SECONDS):
        clock, processor = time.perf_counter(), time.process_time()
        network.train_step(images, labels, 0.0)
        taken = time.perf_counter() - clock, time.process_time() - processor
        times.append([1e3 * seconds / config.batch_size for seconds in taken])
    clocks, processors = zip(*times[1:], strict=True)  # the first step compiles and allocates
    return {
        "milliseconds": min(clocks),
        "processor_milliseconds": min(processors),
        "kernels": network.backend.name,
    }


def exponents(points: list[dict[str, Any]]) -> dict[str, float]:
    """Fit a sample's time as size to a power, on fast kernels: by all sizes, by the last three."""
    fast = [point for point in points if point["kernels"] == FAST]
    return {
        name: float(
            np.polyfit(
                np.log([point["size"] for point in chosen]),
                np.log([point["milliseconds"] for point in chosen]),
                1,
            )[0]
        )
        for name, chosen in (("all", fast), ("last three", fast[-3:]))
    }


def draw(report: dict[str, Any], path: Path) -> None:
    """Draw a sample's time against each size, sizes that leave the fast kernels hollow."""
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    for axes, (axis, points) in zip(
        figure.subplots(2, 2).flat, report["axes"].items(), strict=True
    ):
        fits = report["exponents"][axis]
        axes.plot(
            [point["size"] for point in points],
            [point["milliseconds"] for point in points],
            color="#0072B2",
        )
        for kernels, face, label in (
            (FAST, "#0072B2", "compiled kernels"),
            ("torch", "white", "torch operations: above 64 time steps"),
        ):
            chosen = [point for point in points if point["kernels"] == kernels]
            if chosen:
                axes.plot(
                    [point["size"] for point in chosen],
                    [point["milliseconds"] for point in chosen],
                    "o",
                    color="#0072B2",
                    markerfacecolor=face,
                    label=label,
                )
        axes.set(xscale="log", yscale="log", xlabel=axis, ylabel="ms a training sample")
        axes.set_title(
            f"size to the power {fits['all']:.2f}; last three {fits['last three']:.2f}", fontsize=9
        )
        axes.grid(alpha=0.3, which="both", linewidth=0.5)
        axes.legend(fontsize=8)
    figure.suptitle(
        "784-1600-800-10, T = 20, B = 64 but for what varies; one hidden layer of N; "
        f"hidden layers of 800\n{report['environment']['processor']}, "
        f"{report['environment']['threads']} threads",
        fontsize=10,
    )
    figure.savefig(path, dpi=130)


def main() -> None:
    """Measure what is missing, write after every size, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="folder with MNIST's files; else they are downloaded")
    parser.add_argument("--fresh", action="store_true", help="measure all sizes anew")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "growth.json")
    options = parser.parse_args()
    report: dict[str, Any] = {
        "command": "python -m benchmarks.growth",
        "commit": commit(),
        "base": BASE,
        "environment": environment(),
        "load_before": os.getloadavg()[0],
        "axes": {axis: [] for axis in AXES},
    }
    if options.output.exists() and not options.fresh:
        before = json.loads(options.output.read_text())
        if all(before[name] == report[name] for name in ("commit", "base", "environment")):
            report = before
    images, labels = load_dataset("mnist", options.data_dir).train
    most = max(AXES["batch"])
    samples = images[:most].reshape(most, -1), labels[:most].astype(np.int64)
    number, started = sum(map(len, AXES.values())), time.perf_counter()
    done = itertools.count(1)
    for axis, sizes in AXES.items():
        points = report["axes"][axis]
        measured = {point["size"] for point in points}
        for size, changes in sizes.items():
            place = f"{next(done):2} of {number}"
            if size in measured:
                continue
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                point = pool.apply(measure, ({**BASE, **changes}, *samples))
            points.append({"size": size, **point})
            options.output.write_text(json.dumps(report, indent=2) + "\n")
            print(
                f"{place}, {time.perf_counter() - started:4.0f} s: {axis} {size}: "
                f"{point['milliseconds']:.3f} ms a sample, {point['kernels']}",
                flush=True,
            )
    report["exponents"] = {axis: exponents(points) for axis, points in report["axes"].items()}
    options.output.write_text(json.dumps(report, indent=2) + "\n")
    draw(report, options.output.with_suffix(".png"))
    for axis, fits in report["exponents"].items():
        print(f"{axis}: size to the power {fits['all']:.2f}, last three {fits['last three']:.2f}")
    print(options.output, options.output.with_suffix(".png"), sep="\n")


if __name__ == "__main__":
    main()
