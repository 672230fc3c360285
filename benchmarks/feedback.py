"""What it costs to bring errors back without Wᵀ: accuracy of the four kinds of `feedback`.

``python -m benchmarks.feedback digits mnist`` trains each with the values that did best on training
samples kept back (of :data:`TRIED` scales of the threshold of hidden desires and learning rates),
three seeds each, and keeps test accuracies and how far B and W point the same way.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from lava_desire import DesireConfig, DesireNetwork, evaluate, fit, load_dataset
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.model.options.feedback import FEEDBACKS

RESULTS = Path(__file__).parents[1] / "results" / "feedback"
SEEDS = 0, 1, 2
TRIED = {"desire_threshold_hidden": (0.05, 0.2), "learning_rate": (1.0, 3.0)}
"""Thresholds, and factors of the learning rate of the preset."""
_LIFTED: Any = {"trace_baseline": 1.0, "rate_floor": 0.1}  # neurons that fell silent come back
RECIPES = {
    "digits": (DesireConfig.preset("digits").replace(epochs=20, **_LIFTED), 300),
    "mnist": (
        DesireConfig.preset("mnist").replace(
            layer_sizes=(784, 200, 100, 10), epochs=3, learning_rate=1e-5, **_LIFTED
        ),
        6000,
    ),
}
"""Configurations, and how many of the last training samples choose among what is tried."""


def trained(config: DesireConfig, samples: Any) -> DesireNetwork:
    """Return a network that has learned."""
    network = DesireNetwork(config)
    fit(network, samples)
    return network


def alignment(network: DesireNetwork) -> list[float]:
    """Return the cosine of B and W of layers 2 to L."""
    found = []
    for layer in range(2, network.config.num_layers + 1):
        one = network.feedback_matrix(layer).numpy().astype(np.float64).ravel()
        other = network.weights[layer - 1].numpy().astype(np.float64).ravel()
        found.append(float(one @ other / np.linalg.norm(one) / np.linalg.norm(other)))
    return found


def measured(config: DesireConfig, kept_back: int, data: Any, feedback: str) -> dict[str, Any]:
    """Choose values on samples kept back, then train with three seeds and test."""
    images, labels = data.train
    learned = images[:-kept_back], labels[:-kept_back]
    judged = images[-kept_back:], labels[-kept_back:]
    trials = []
    for threshold, factor in product(*TRIED.values()):
        tried = config.replace(
            feedback=feedback,
            desire_threshold_hidden=threshold,
            learning_rate=factor * config.learning_rate,
            epochs=max(1, config.epochs // 2),
        )
        accuracy = evaluate(trained(tried, learned), judged).accuracy
        trials.append({"threshold": threshold, "factor": factor, "kept back": accuracy})
        print(feedback, trials[-1], flush=True)
    best = max(trials, key=lambda trial: trial["kept back"])
    chosen = config.replace(
        feedback=feedback,
        desire_threshold_hidden=best["threshold"],
        learning_rate=best["factor"] * config.learning_rate,
    )
    runs = []
    for seed in SEEDS:
        network = trained(chosen.replace(seed=seed), data.train)
        accuracy = evaluate(network, data).accuracy
        runs.append({"seed": seed, "test_accuracy": accuracy, "cosine": alignment(network)})
        print(feedback, runs[-1], flush=True)
    return {"feedback": feedback, "trials": trials, "config": chosen.to_dict(), "runs": runs}


def main() -> None:
    """Measure the data sets that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=RECIPES)
    parser.add_argument("--data-dir", help="folder of the IDX files")
    given = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    for name in given.names:
        config, kept_back = RECIPES[name]
        data = load_dataset(name, None if name == "digits" else given.data_dir)
        result = {
            "command": f"python -m benchmarks.feedback {name}",
            "commit": commit(),
            "environment": environment(),
            "results": [measured(config, kept_back, data, each) for each in FEEDBACKS],
        }
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
        print(RESULTS / f"{name}.json")


if __name__ == "__main__":
    main()
