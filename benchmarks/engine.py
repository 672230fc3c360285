"""Time a training sample of the engine against its own torch operations, in one run.

``make bench`` prints the table and writes ``benchmarks/results/engine.json``. The images are random
with the share of dark pixels that MNIST has, so nothing is downloaded; the network is untrained, so
that nearly every sample has desire: a training run is faster.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import numpy as np
import torch

from lava_desire import DesireConfig
from lava_desire.cli.run import environment
from lava_desire.engine import DesireNetwork, kernels

LAYERS = (784, 1600, 800, 10)
RESULT = Path(__file__).parent / "results" / "engine.json"
ROUNDS = 5


def random_images(num_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw images of which 81 % of the pixels are dark, as in MNIST, and labels."""
    generator = np.random.default_rng(0)
    bright = generator.random((num_samples, LAYERS[0])) < 0.19
    images = (generator.integers(1, 256, bright.shape) * bright).astype(np.uint8)
    return images, generator.integers(0, LAYERS[-1], num_samples)


def network_of(precision: str, operations: str) -> DesireNetwork:
    """Build a network on the kernels chosen by the machine, or on torch operations."""
    network = DesireNetwork(DesireConfig(LAYERS), precision=precision)
    if operations == "torch":
        network._kernels = kernels.TorchKernels(network.config, network.device, precision)
        network.weights = [weights.contiguous() for weights in network.weights]
    return network


def main() -> None:
    """Measure, print and write."""
    cases = [
        ("float32, torch operations, B = 64 (baseline)", "float32", "torch", 64),
        ("bfloat16x2, torch operations, B = 64", "bfloat16x2", "torch", 64),
        ("float32, event-driven, B = 64", "float32", "compiled", 64),
        ("float32, torch operations, B = 1", "float32", "torch", 1),
        ("float32, event-driven, B = 1", "float32", "compiled", 1),
    ]
    networks = [network_of(precision, operations) for _, precision, operations, _ in cases]
    images, labels = random_images(64 * ROUNDS)
    best = [float("inf")] * len(cases)
    # The cases take turns, so that a busy machine slows all of them alike.
    for turn in range(-1, ROUNDS):
        for index, (_, _, _, batch_size) in enumerate(cases):
            count = 64 if batch_size == 64 else 8
            chosen = [slice(at, at + batch_size) for at in range(0, count, batch_size)]
            started = time.perf_counter()
            for part in chosen:
                networks[index].train_step(images[part], labels[part], 1e-5)
            if turn >= 0:  # the first turn compiles
                best[index] = min(best[index], (time.perf_counter() - started) / count)
    rows = []
    for (name, *_), seconds in zip(cases, best, strict=True):
        rows.append({"case": name, "ms_per_sample": 1e3 * seconds, "speedup": best[0] / seconds})
        print(f"{name:46} {1e3 * seconds:8.3f} ms a sample {best[0] / seconds:8.2f} x")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
    result = {
        "command": "make bench",
        "commit": commit.stdout.strip(),
        "network": "-".join(map(str, LAYERS)),
        "torch_threads": torch.get_num_threads(),
        "environment": environment(),
        "results": rows,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(RESULT)


if __name__ == "__main__":
    main()
