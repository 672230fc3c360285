"""Time training steps on a CUDA device: torch operations and the Triton kernels.

``make bench-gpu`` runs it, prints tables and writes ``benchmarks/results/gpu.json``. Without a GPU
it says so in one line and ends with status 2.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch.profiler import profile

from benchmarks.floor import LAYERS, Rates, floor_of
from lava_desire import DesireConfig, DesireNetwork, load_dataset
from lava_desire.cli.machine import environment
from lava_desire.training.choose import training_class

HERE = Path(__file__).parent
BATCHES = (1, 64, 128)
PRECISIONS = ("bfloat16x2", "float32")
STEPS = {1: 200, 64: 50, 128: 50}  # of a round
STEPS_BEFORE = {1: 6000, 64: 950, 128: 470}  # of training, before the second measurement
SLOW = 10  # so many steps fewer in torch operations, which are not trained before
DEVICE = "cuda"
CHUNK = 16_384  # samples


def seconds_of(work: Callable[[], Any], rounds: int) -> float:
    """Return the shortest of some rounds, the device's work included, after one to warm up."""
    work()
    best = float("inf")
    for _ in range(rounds):
        torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return best


def measured_rates(rounds: int) -> Rates:
    """Measure a copy of 1 GiB and products of square matrices."""
    source = torch.empty(2**28, device=DEVICE)
    target = torch.empty_like(source)
    moved = 2 * source.numel() * 4 / seconds_of(lambda: target.copy_(source), rounds)
    rates = []
    for size, dtype in ((8192, torch.bfloat16), (4096, torch.float64)):
        left, right = (torch.ones(size, size, dtype=dtype, device=DEVICE) for _ in range(2))
        rates.append(2 * size**3 / seconds_of(lambda a=left, b=right: a @ b, rounds))
    return Rates(moved, *rates)


class Contender:
    """A network that trains on images which lie on the device."""

    def __init__(self, kernels: str, precision: str, batch_size: int, data: Any) -> None:
        config = DesireConfig.preset("mnist").replace(layer_sizes=LAYERS, batch_size=batch_size)
        self.images, self.labels = data
        self.batch_size, self.at, self.kernels = batch_size, 0, kernels
        self.rate = config.learning_rate
        self.network = DesireNetwork(config, DEVICE, precision=precision, kernels=kernels)
        self.step: Any = None
        if kernels == "triton":
            from lava_desire.training.captured import CapturedStep

            self.step = CapturedStep(self.network, batch_size, max(1, CHUNK // batch_size))
        self.order = torch.randperm(len(self.labels), device=DEVICE)

    def train(self, steps: int) -> None:
        """Do so many steps, as a training run does them."""
        while steps:
            shown = self._next(min(steps, 1 if self.step is None else self.step.num_steps))
            number = len(shown[1]) // self.batch_size
            steps -= number
            if self.step is None:
                self.network.train_step_checked(*shown, self.rate)
                continue
            self.step.begin(*shown, self.rate, 0)
            for _ in range(number):
                self.step.run()

    def _next(self, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the samples of at most so many steps."""
        if self.at + self.batch_size > len(self.order):
            self.at = 0
        steps = min(steps, (len(self.order) - self.at) // self.batch_size)
        chosen = self.order[self.at : self.at + steps * self.batch_size]
        self.at += len(chosen)
        return self.images[chosen], self.labels[chosen]

    def profile(self) -> list[dict[str, Any]]:
        """Return the device's time by kernel in microseconds a step, the longest first.

        A captured step is profiled uncaptured: the kernels are the same, the gaps are not counted.
        """
        work = self.train if self.step is None else self._body
        if self.step is not None:
            self.at = 0
            self.step.begin(*self._next(13), self.rate, 0)
        work(3)
        with profile() as found:
            work(10)
            torch.cuda.synchronize()
        rows = [
            {
                "kernel": row.key,
                "us_a_step": row.self_device_time_total / 10,
                "calls": row.count / 10,
            }
            for row in found.key_averages()
            if row.self_device_time_total > 0
        ]
        return sorted(rows, key=lambda row: -row["us_a_step"])[:20]

    @torch.inference_mode()
    def _body(self, steps: int) -> None:
        for _ in range(steps):
            self.step.body()


def measure(data: Any, rates: Rates, rounds: int) -> list[dict[str, Any]]:
    """Measure every case: untrained, then after some training."""
    results = []
    for kernels, precision, batch_size in product(("torch", "triton"), PRECISIONS, BATCHES):
        torch.cuda.reset_peak_memory_stats()
        contender = Contender(kernels, precision, batch_size, data)
        slow = kernels == "torch"
        steps = STEPS[batch_size] // (SLOW if slow else 1)
        untrained = seconds_of(lambda c=contender, n=steps: c.train(n), rounds) / steps
        contender.train(0 if slow else STEPS_BEFORE[batch_size])
        trained = seconds_of(lambda c=contender, n=steps: c.train(n), rounds) / steps
        floor = floor_of(batch_size, precision, rates)
        results.append(
            {
                "kernels": kernels,
                "precision": precision,
                "batch_size": batch_size,
                "untrained_ms_a_sample": 1e3 * untrained / batch_size,
                "in_training_ms_a_sample": 1e3 * trained / batch_size,
                "untrained_us_a_step": 1e6 * untrained,
                "in_training_us_a_step": 1e6 * trained,
                "floor": floor,
                "times_the_floor": 1e6 * untrained / floor["sum_us"],
                "peak_mebibytes": torch.cuda.max_memory_allocated() / 2**20,
                "profile": contender.profile(),
            }
        )
        show(results[-1])
    return results


def epoch_seconds(data: Any, kernels: str, precision: str) -> list[float]:
    """Time the training of three epochs at B = 128, evaluation left out, with what `fit` uses."""
    config = DesireConfig.preset("mnist").replace(layer_sizes=LAYERS, batch_size=128)
    network = DesireNetwork(config, DEVICE, precision=precision, kernels=kernels)
    run = training_class(network)(network, data, (data[0][:256], data[1][:256]), None)
    seconds = []
    for epoch in range(3):
        torch.cuda.synchronize()
        started = time.perf_counter()
        run._start_epoch(epoch)
        for _ in run._minibatches():
            pass
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return seconds


def tune(data: Any, rounds: int) -> list[dict[str, Any]]:
    """Try other tiles, one kernel at a time, and list them by the time of a step."""
    from lava_desire.backends.triton import tiles

    tried = []
    for (kernel, exact, few), first in list(tiles.TILES.items()):
        batch_size = 1 if few else 128
        precision = "float32" if exact and kernel != "desire" else "bfloat16x2"
        for rows, columns, inner, warps in product(*_choices(kernel, exact, few, first)):
            tile = replace(first, rows=rows, columns=columns, inner=inner, warps=warps)
            tiles.TILES[kernel, exact, few] = tile
            try:
                contender = Contender("triton", precision, batch_size, data)
                seconds = seconds_of(lambda c=contender: c.train(50), rounds) / 50
            except Exception as error:  # too much shared memory, most likely
                print(f"{kernel} {tile}: {type(error).__name__}", file=sys.stderr)
                continue
            tried.append(
                {"kernel": kernel, "exact": exact, "few": few, **asdict(tile), "us": 1e6 * seconds}
            )
        tiles.TILES[kernel, exact, few] = first
        case = {"kernel": kernel, "exact": exact, "few": few}
        mine = [row for row in tried if case.items() <= row.items()]
        print(f"{kernel}, exact {exact}, few rows {few}; now {first}")
        for row in sorted(mine, key=lambda row: row["us"])[:3]:
            print(f"    {row['us']:8.1f} us  {row}")
    return tried


def _choices(kernel: str, exact: bool, few: bool, first: Any) -> tuple[Any, ...]:
    """Return rows, columns, inner sizes and warps to try around a tile."""
    if kernel == "desire":
        return (1,) if few else (2, 4, 8), (16, 32), (first.inner, 2 * first.inner), (4, 8)
    if few:
        rows = (32,) if kernel == "current" else (32, 64)
        return rows, (16, 32, 64), (first.inner, 2 * first.inner), (2, 4)
    return (64, 128), (64, 128), (first.inner, 2 * first.inner), (4, 8)


def show(row: dict[str, Any]) -> None:
    """Print a case and where its time goes."""
    print(
        f"{row['kernels']:>7} {row['precision']:>11} B = {row['batch_size']:<4} "
        f"{row['untrained_us_a_step']:9.1f} us a step untrained, "
        f"{row['in_training_us_a_step']:9.1f} in training; "
        f"{row['untrained_ms_a_sample']:.4f} ms a sample; "
        f"{row['times_the_floor']:.1f} times the floor; {row['peak_mebibytes']:.0f} MiB"
    )
    for part in row["profile"][:6]:
        print(f"            {part['us_a_step']:8.1f} us  {part['kernel'][:70]}")


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="where MNIST's files are")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tune", action="store_true", help="try other tiles, and nothing else")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "gpu.json")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("bench-gpu: torch finds no CUDA device here: nothing was measured", file=sys.stderr)
        return 2
    images, labels = load_dataset("mnist", options.data_dir).train
    data = (
        torch.from_numpy(images.reshape(len(images), -1)).to(DEVICE),
        torch.from_numpy(labels.astype("int64")).to(DEVICE),
    )
    report: dict[str, Any] = {
        "environment": environment(),
        "device": torch.cuda.get_device_name(),
        "capability": torch.cuda.get_device_capability(),
    }
    if options.tune:
        report["tiles"] = tune(data, options.rounds)
        options.output = options.output.with_name("gpu_tiles.json")
    else:
        rates = measured_rates(options.rounds)
        print(f"{report['device']}: {rates}")
        report["rates"] = asdict(rates)
        report["results"] = measure(data, rates, options.rounds)
        report["epoch_seconds"] = {
            f"{kernels}, {precision}": epoch_seconds(data, kernels, precision)
            for kernels, precision in product(("triton",), PRECISIONS)
        }
        for name, seconds in report["epoch_seconds"].items():
            print(f"epoch of MNIST at B = 128, {name}: {', '.join(f'{s:.3f}' for s in seconds)} s")
    options.output.write_text(json.dumps(report, indent=1) + "\n")
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
