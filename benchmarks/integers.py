"""How long a training step in integers takes, beside one in floats: both in turns, in one process.

python -m benchmarks.integers [--data-dir DIR] [--rounds 12] [--output FILE]

784-1600-800-10, one thread. With the preset mnist-best B = 64, and the moving average of weights is
part of a step; with the paper's rule samples are learned one at a time, in the compiled loop. Each
network learns 400 minibatches of 64 before it is measured, as untrained ones behave otherwise.
Processor time counts.
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
SINGLY = 200  # samples of a round
OUTPUT = Path(__file__).with_name("results") / "integers.json"


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="folder of the MNIST files; else a download")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    images, labels = map(torch.from_numpy, load_dataset("mnist", asked.data_dir).train)
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(images)))
    best = DesireConfig.preset("mnist-best")
    paper = DesireConfig.preset("mnist").replace(layer_sizes=best.layer_sizes, batch_size=1)
    result: dict[str, Any] = {
        "command": "python -m benchmarks.integers",
        "commit": commit(),
        "environment": environment(),
    }
    for name, config in {"B = 64": best, "B = 1": paper}.items():
        found = in_turns(config, images[order], labels[order], asked.rounds, name == "B = 1")
        ratios = np.array(found["integers"]) / np.array(found["floats"])
        result[name] = {
            "processor_milliseconds_a_step": found,
            "integers_over_floats": {
                "best": min(found["integers"]) / min(found["floats"]),
                "median": float(np.median(ratios)),
            },
        }
        print(name, json.dumps(result[name]["integers_over_floats"]))
    asked.output.write_text(json.dumps(result, indent=2) + "\n")


def in_turns(
    config: DesireConfig, images: Any, labels: Any, rounds: int, singly: bool
) -> dict[str, list[float]]:
    """Return milliseconds of the processor a step, of each round, by arithmetic."""
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
            part = slice(step * 64, step * 64 + 64)
            network.train_step(images[part], labels[part], config.learning_rate)
            for average, weights in zip(averages[name], network.weights, strict=True):
                if config.weight_average:
                    network.backend.move_average(average, weights, 1 - config.weight_average)
        return 1000 * (time.process_time() - started) / count

    def learn_singly(name: str, round_: int) -> float:
        first = WARM * 64 + SINGLY * round_
        part, started = slice(first, first + SINGLY), time.process_time()
        networks[name].learn_in_turn(images[part], labels[part], config.learning_rate)
        return 1000 * (time.process_time() - started) / SINGLY

    for name in networks:
        learn(name, 0, WARM)
    if singly:
        for name, network in networks.items():
            while not network.learns_in_turn:  # is being compiled
                time.sleep(0.1)
            learn_singly(name, rounds)
    found: dict[str, list[float]] = {name: [] for name in networks}
    for round_ in range(rounds):
        for name, times in found.items():
            first = WARM + AT_ONCE * round_
            times.append(learn_singly(name, round_) if singly else learn(name, first, AT_ONCE))
    return found


if __name__ == "__main__":
    main()
