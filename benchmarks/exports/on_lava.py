"""Run trained MNIST networks on Lava's processes and compare them with the engine.

``python -m benchmarks.exports.on_lava --data-dir FOLDER`` trains 784-200-100-10 for one epoch, once
resetting to zero (stock processes) and once by subtraction (DesireLIF), quantises both, and runs
test images through Lava in floating and in fixed point.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from lava_desire import DesireConfig, DesireNetwork, evaluate, fit, load_dataset, rule
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.deploy import quantize, to_lava

RESULT = Path(__file__).parents[1] / "results" / "exports_on_lava.json"


def compare(network: DesireNetwork, images: Any) -> dict[str, Any]:
    """Run images in Lava and count spikes and predictions that differ from the engine's."""
    exported = to_lava(network)
    activity = network.forward(images)
    wanted = activity.spikes[-1].numpy()
    given = exported.output_spikes(activity.spikes[0].numpy())
    counts = given.sum(axis=0)
    return {
        "processes": exported.description,
        "images": len(images),
        "output_bits": wanted.size,
        "spikes": int(wanted.sum()),
        "mismatching_spikes": int((given != wanted).sum()),
        "mismatching_predictions": int((rule.predict(counts) != activity.prediction.numpy()).sum()),
    }


def main() -> None:
    """Train, export, run, print, write."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data-dir")
    parser.add_argument("--images", type=int, default=1000)
    arguments = parser.parse_args()
    mnist = load_dataset("mnist", arguments.data_dir)
    rows = []
    for reset in ("zero", "subtract"):
        config = DesireConfig((784, 200, 100, 10), reset=reset, epochs=1, learning_rate=3e-5)
        network = DesireNetwork(config)
        fit(network, mnist.train, mnist.test)
        integers = quantize(network, mnist.train, test=mnist.test).network
        for chosen in (integers, network):
            accuracy = evaluate(chosen, mnist.test).accuracy
            # The integers on stock processes are what a chip would get: they are shown at length.
            long = reset == "zero" and chosen is integers
            count = arguments.images if long else arguments.images // 5
            rows.append({"test_accuracy": accuracy, **compare(chosen, mnist.test_images[:count])})
            print(json.dumps(rows[-1]), flush=True)
    result = {
        "command": "python -m benchmarks.exports.on_lava",
        "commit": commit(),
        "environment": environment(),
        "results": rows,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(RESULT)


if __name__ == "__main__":
    main()
