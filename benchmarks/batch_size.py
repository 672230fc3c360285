"""How accuracy depends on the minibatch: digits, the preset's epochs, several seeds.

``python -m benchmarks.batch_size`` prints a table and writes ``results/batch_size.json`` beside it.
Updates are summed over the minibatch, so at the same learning rate an epoch moves the weights by as
much whatever its size; scaled, the learning rate falls with the root of the size.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from lava_desire import DesireConfig, DesireNetwork, fit, load_dataset
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment

HERE = Path(__file__).parent
BASE = DesireConfig.preset("digits")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 64, 256, 1024])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=BASE.epochs)
    options = parser.parse_args()
    digits = load_dataset("digits")
    results: list[dict[str, Any]] = []
    for size in options.sizes:
        for scaled in (False, True):
            if scaled and size == BASE.batch_size:
                continue
            factor = (BASE.batch_size / size) ** 0.5 if scaled else 1.0
            config = BASE.replace(
                batch_size=size,
                epochs=options.epochs,
                learning_rate=BASE.learning_rate * factor,
            )
            best, last = [], []
            for seed in options.seeds:
                history = fit(DesireNetwork(config.replace(seed=seed)), digits.train, digits.test)
                assert history.best is not None
                assert history.last is not None
                best.append(history.best.test_accuracy)
                last.append(history.last.test_accuracy)
            results.append(
                {
                    "batch_size": size,
                    "learning_rate": config.learning_rate,
                    "best_of_seeds": best,
                    "last_of_seeds": last,
                }
            )
            print(
                f"B = {size:4d}  learning rate {config.learning_rate:.2e}  best "
                + " ".join(f"{100 * value:.2f}" for value in best)
                + "  last "
                + " ".join(f"{100 * value:.2f}" for value in last),
                flush=True,
            )
    report = {
        "command": f"python -m benchmarks.batch_size {' '.join(sys.argv[1:])}".strip(),
        "commit": commit(),
        "network": "-".join(map(str, BASE.layer_sizes)),
        "epochs": options.epochs,
        "seeds": options.seeds,
        "environment": environment(),
        "results": results,
    }
    (HERE / "results" / "batch_size.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
