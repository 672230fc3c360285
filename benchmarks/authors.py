"""Accuracy here of the networks that the authors of desire backpropagation have published.

``python -m benchmarks.authors fashion_mnist.pt --data-dir FOLDER`` reads a file of
https://github.com/DanielGerlinghoff/desire-backpropagation (``models/``), classifies the data set
of its name, and writes ``benchmarks/results/authors.json``.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path

from lava_desire import evaluate, load_dataset
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.deploy import from_authors

RESULT = Path(__file__).parent / "results" / "authors.json"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, help="mnist.pt, fashion_mnist.pt")
    parser.add_argument("--data-dir", help="folder of the data sets")
    arguments = parser.parse_args()
    results = []
    for file in arguments.files:
        network = from_authors(file)
        data = load_dataset(file.stem.replace("_", "-"), arguments.data_dir)
        metrics = evaluate(network, data.test)
        results.append(
            {
                **network.card["source"],
                "data": data.name,
                "network": network.config.shape_text,
                "accuracy": metrics.accuracy,
                "undecided": metrics.num_undecided,
                "samples": metrics.num_samples,
            }
        )
        print(results[-1])
    names = shlex.join(file.name for file in arguments.files)
    notes = {
        "command": f"python -m benchmarks.authors {names}",
        "commit": commit(),
        "environment": environment(),
        "results": results,
    }
    RESULT.write_text(json.dumps(notes, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
