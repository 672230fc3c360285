"""Time a training step of one and of two ranks, and two ways for ranks to share an update.

``make bench-distributed`` runs it, prints a table and writes ``results/distributed.json`` beside
it. Two processes with a thread each take turns with one in every round, so that a busy machine
slows all alike; the best round of each counts. *Gather* is what the engine does: the samples with
desire go to every rank, which computes the whole update. *Reduce* is what it does not do: each rank
computes its part of the update, and the float64 sums are added up.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed

from lava_desire import DesireConfig, DesireNetwork, load_dataset
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.engine import open_process_group
from lava_desire.training.distributed import pack_samples, unpack_samples
from lava_desire.training.ranks import Ranks

LAYERS = (784, 1600, 800, 10)
RATE = 1e-5
PRETRAIN, PRETRAIN_RATE = 6400, 5e-5
HERE = Path(__file__).parent


class Bench:
    """A rank with a network and a minibatch."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        self.network = DesireNetwork(DesireConfig(LAYERS), kernels="compiled")
        self.ranks = Ranks(self.network.device)
        self.images, self.labels = images, labels
        self.sums = [
            torch.zeros(inputs, neurons, dtype=torch.float64).T
            for inputs, neurons in pairwise(LAYERS)
        ]
        self.phases: dict[str, float] = {}
        self.num_bytes = 0

    def alone(self, batch: slice, rate: float) -> None:
        """Learn a minibatch as one process."""
        if self.ranks.is_first:
            self.network.samples_seen = 0
            self.network.train_step_checked(self.images[batch], self.labels[batch], rate)

    def _share(self, batch: slice) -> Any:
        size = batch.stop - batch.start
        mine = self.ranks.share_of(size)
        here = slice(batch.start + mine.start, batch.start + mine.stop)
        self.network.samples_seen = 0
        masks = self.network.draw_masks(size, mine)
        activity = self.network.forward_checked(self.images[here], masks)
        return activity, self.network.desires(activity, self.labels[here]), mine.start, size

    def gather(self, batch: slice, rate: float) -> None:
        """Learn a minibatch as the engine's ranks do."""
        marks = [time.perf_counter()]
        activity, desires, first, size = self._share(batch)
        marks.append(time.perf_counter())
        packed = pack_samples(activity, desires, first)
        marks.append(time.perf_counter())
        gathered, _ = self.ranks.meet(packed, 0, 0)
        marks.append(time.perf_counter())
        activity, desires = unpack_samples(self.network, torch.cat(gathered), size)
        marks.append(time.perf_counter())
        self.network.update(activity, desires, rate)
        marks.append(time.perf_counter())
        names = ("forward and desires", "pack", "exchange", "unpack", "update")
        for name, (begin, end) in zip(names, pairwise(marks), strict=True):
            self.phases[name] = min(self.phases.get(name, np.inf), end - begin)
        self.num_bytes = packed.numel()

    def reduce(self, batch: slice, rate: float) -> None:
        """Learn a minibatch by adding up the ranks' float64 sums."""
        activity, desires, _, _ = self._share(batch)
        masks = activity.masks or []
        marks = [0.0, 0.0]
        for layer, (desire, sums) in enumerate(zip(desires, self.sums, strict=True), start=1):
            sums.zero_()
            pre, post = activity.trains[layer - 1 : layer + 1]
            mask = masks[layer] if layer < len(masks) else None
            place = self.network.backend.layers[layer - 1]
            self.network.backend.learn(place, sums, 1.0, desire, mask, pre, post)
            begin = time.perf_counter()
            torch.distributed.all_reduce(sums.T)
            marks[0] += time.perf_counter() - begin
            begin = time.perf_counter()
            self.network.weights[layer - 1] += (rate * sums).to(torch.float32)
            marks[1] += time.perf_counter() - begin
        for name, mark in zip(("reduce: exchange", "reduce: apply"), marks, strict=True):
            self.phases[name] = min(self.phases.get(name, np.inf), mark)

    def difference(self, batch: slice) -> dict[str, float]:
        """Return by how much each way's weights differ from those of one process."""
        before = [weights.clone() for weights in self.network.weights]
        after: dict[str, list[torch.Tensor]] = {}
        for name in ("alone", "gather", "reduce"):
            self.step(name)(batch, RATE)
            after[name] = [weights.clone() for weights in self.network.weights]
            for weights, old in zip(self.network.weights, before, strict=True):
                weights.copy_(old)
        return {
            name: max(
                float((mine - expected).abs().max())
                for mine, expected in zip(after[name], after["alone"], strict=True)
            )
            for name in ("gather", "reduce")
        }

    def step(self, name: str) -> Callable[[slice, float], None]:
        """Return the way of learning of that name."""
        ways = {"alone": self.alone, "gather": self.gather, "reduce": self.reduce}
        return ways[name]


@torch.inference_mode()
def rank(options: argparse.Namespace) -> None:
    """Measure as one of the ranks; the first prints what came."""
    torch.set_num_threads(1)
    open_process_group(timedelta(minutes=5))
    images, labels = load_dataset("mnist", options.data_dir).train
    bench = Bench(
        torch.from_numpy(images.reshape(len(images), -1)[:8192]),
        torch.from_numpy(labels[:8192].astype(np.int64)),
    )
    for at in range(0, PRETRAIN, 64):
        bench.gather(slice(at, at + 64), PRETRAIN_RATE)
    results = []
    for size in options.sizes:
        batch = slice(7168, 7168 + size)
        difference = bench.difference(batch)
        bench.phases.clear()
        best: dict[str, float] = {}
        processor: dict[str, float] = {}
        for _ in range(options.rounds):
            for name in ("alone", "gather", "reduce"):
                torch.distributed.barrier()
                begin, worked = time.perf_counter(), time.process_time()
                # Without a rate the weights stay, and every round does the same work.
                bench.step(name)(batch, 0.0)
                best[name] = min(best.get(name, np.inf), time.perf_counter() - begin)
                worked = time.process_time() - worked
                processor[name] = min(processor.get(name, np.inf), worked)
        row = 4 + 3 * sum(LAYERS) + sum(LAYERS[1:])
        results.append(
            {
                "batch_size": size,
                "ms": {name: 1e3 * value for name, value in best.items()},
                "two_ranks_as_fast_as_one": {
                    name: best["alone"] / best[name] for name in ("gather", "reduce")
                },
                "processor_ms_of_a_rank": {name: 1e3 * value for name, value in processor.items()},
                "two_ranks_as_fast_as_one_in_processor_time": {
                    name: processor["alone"] / processor[name] for name in ("gather", "reduce")
                },
                "phases_ms": {name: 1e3 * value for name, value in bench.phases.items()},
                "bytes_a_rank": {
                    "gather": bench.num_bytes,
                    "gather, all with desire": row * (size // 2),
                    "reduce": sum(8 * sums.numel() for sums in bench.sums),
                },
                "samples_with_desire": bench.num_bytes / row / (size // 2),
                "largest_difference_from_one_process": difference,
            }
        )
    if bench.ranks.is_first:
        print(json.dumps(results), flush=True)
    torch.distributed.destroy_process_group()


def main() -> None:
    """Start two ranks, print and write what they measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="folder with MNIST's files; else they are downloaded")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256, 1024])
    options = parser.parse_args()
    if "RANK" in os.environ:
        rank(options)
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.distributed", *sys.argv[1:]],
            env={**os.environ, **shared, "RANK": str(number), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    outputs = [process.communicate()[0] for process in processes]
    results = json.loads(outputs[0])
    for result in results:
        print(json.dumps(result))
    report = {
        "command": "make bench-distributed",
        "commit": commit(),
        "network": "-".join(map(str, LAYERS)),
        "data": f"MNIST, after {PRETRAIN} samples at {PRETRAIN_RATE}",
        "backend": "gloo, two processes of one thread on one machine",
        "rounds": options.rounds,
        "load_average": os.getloadavg()[0],
        "environment": environment(),
        "results": results,
    }
    (HERE / "results" / "distributed.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
