"""How long a training step in integers takes, beside one in floats: both in turns, in one process.

python -m benchmarks.integers [--data-dir DIR] [--rounds 12] [--output FILE]

784-1600-800-10 with the preset mnist-best, B = 64, one thread. Each network learns 400 minibatches
before it is measured, as untrained ones behave otherwise; the moving average of weights is part of
a step. Processor time counts.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lava_desire import DesireConfig, DesireNetwork, load_dataset
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment

KINDS = {"integers": "fixed_point", "floats": "floating_point"}
WARM, AT_ONCE = 400, 10  # minibatches before, and of a round
OUTPUT = Path(__file__).with_name("results") / "integers.json"


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="folder of the MNIST files; else a download")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    config = DesireConfig.preset("mnist-best")
    images, labels = load_dataset("mnist", asked.data_dir).train
    order = np.random.default_rng(0).permutation(len(images))
    networks = {
        name: DesireNetwork(
            config,
            arithmetic=kind,
            kernels="compiled" if kind == "floating_point" else "auto",
        )
        for name, kind in KINDS.items()
    }
    averages = {name: [w.float().clone() for w in net.weights] for name, net in networks.items()}

    def learn(name: str, first: int, count: int) -> float:
        network, started = networks[name], time.process_time()
        for step in range(first, first + count):
            chosen = order[step * 64 : step * 64 + 64]
            network.train_step(images[chosen], labels[chosen], config.learning_rate)
            for average, weights in zip(averages[name], network.weights, strict=True):
                network.backend.move_average(average, weights, 1 - config.weight_average)
        return 1000 * (time.process_time() - started) / count

    for name in networks:
        learn(name, 0, WARM)
    found: dict[str, list[float]] = {name: [] for name in networks}
    for round_ in range(asked.rounds):
        for name, times in found.items():
            times.append(learn(name, WARM + AT_ONCE * round_, AT_ONCE))
    ratios = np.array(found["integers"]) / np.array(found["floats"])
    result: dict[str, Any] = {
        "command": "python -m benchmarks.integers",
        "commit": commit(),
        "environment": environment(),
        "processor_milliseconds_a_step": found,
        "integers_over_floats": {
            "best": min(found["integers"]) / min(found["floats"]),
            "median": float(np.median(ratios)),
        },
    }
    asked.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["integers_over_floats"]))


if __name__ == "__main__":
    main()
