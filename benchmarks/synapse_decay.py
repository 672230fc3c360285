"""What filtered synaptic currents do to accuracy: digits, MNIST, and order in time.

``python -m benchmarks.synapse_decay --data-dir FOLDER`` trains with a `synapse_decay` of 0, 0.5 and
0.75, all else alike, and writes ``results/synapse-decay/result.json``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from lava_desire import DesireConfig, DesireNetwork, fit, load_dataset
from lava_desire._provenance import commit
from lava_desire.analysis.catalogue import BASES
from lava_desire.analysis.experiments import spread, summary
from lava_desire.cli.machine import environment
from lava_desire.data.events import EventDataset
from lava_desire.data.events.synthetic import temporal_order

PLACE = Path(__file__).parents[1] / "results" / "synapse-decay"
DECAYS = (0.0, 0.5, 0.75)
SEEDS = {"digits": (0, 1, 2), "mnist": (0,), "temporal order": (0, 1, 2)}
FAST = {"trace_baseline": 1.0, "learning_rate": 8e-5}
CONFIGS = {
    "digits": DesireConfig.preset("digits").replace(trace_baseline=1.0),
    "mnist": BASES["small"].config.replace(**FAST, epochs=6, weight_average=0.0),
    "temporal order": DesireConfig(  # that of docs/events.md
        (20, 300, 2),
        batch_size=16,
        learning_rate=5e-4,
        learning_rate_decay=0.1,
        trace_baseline=1.0,
        epochs=10,
    ),
}


def _order(num_samples: int, seed: int) -> EventDataset:
    recordings, labels = temporal_order(num_samples, seed=seed)
    return EventDataset(recordings, 20, labels=labels, start=0, duration=100_000, counts="clip")


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="folder of MNIST's files")
    folder = parser.parse_args().data_dir
    digits, mnist = load_dataset("digits"), load_dataset("mnist", folder)
    data: dict[str, tuple[Any, Any]] = {
        "digits": (digits.train, digits.test),
        "mnist": (mnist.train, mnist.test),
        "temporal order": (_order(2000, 1), _order(500, 2)),
    }
    runs, last = [], {}
    for name, (train, test) in data.items():
        for decay in DECAYS:
            reached = []
            for seed in SEEDS[name]:
                config = CONFIGS[name].replace(synapse_decay=decay, seed=seed)
                found = summary(fit(DesireNetwork(config), train, test), config)
                runs.append({"learned": name, **found})
                reached.append(found["last"]["test_accuracy"])
            last[f"{name}, {decay:g}"] = spread(reached)
            print(f"{name}, {decay:g}: {reached}", flush=True)
    found = {
        "runs": runs,
        "last_over_seeds": last,
        "command": "python -m benchmarks.synapse_decay",
        "commit": commit(),
        "environment": environment(),
    }
    PLACE.mkdir(parents=True, exist_ok=True)
    (PLACE / "result.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
