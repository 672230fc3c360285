"""Run trained MNIST networks on Lava's processes and compare them with the engine.

``python -m benchmarks.exports.on_lava --data-dir FOLDER`` trains 784-200-100-10 for
one epoch and 16c5s2-32c5s2-10 on 6000 images, once resetting to zero (stock processes) and once by
subtraction (DesireLIF), quantises them, and runs test images through Lava in floating and in fixed
point.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

from lava_desire import DesireConfig, DesireNetwork, evaluate, fit, load_dataset, rule
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.deploy import quantize, to_lava

DENSE = DesireConfig((784, 200, 100, 10), epochs=1, learning_rate=3e-5)
PLANES = DesireConfig(
    layers=("16c5s2", "32c5s2", "10"),
    input_shape=(1, 28, 28),
    epochs=1,
    learning_rate=1e-3,
    batch_size=16,
    trace_baseline=1.0,
    rate_floor=0.05,
)
PLANES_SAMPLES = 6000
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
    for config, reset in itertools.product((DENSE, PLANES), ("zero", "subtract")):
        network = DesireNetwork(config.replace(reset=reset))
        seen = PLANES_SAMPLES if config is PLANES else None
        fit(network, tuple(array[:seen] for array in mnist.train), mnist.test)
        integers = quantize(network, mnist.train, test=mnist.test).network
        for chosen in (integers, network):
            accuracy = evaluate(chosen, mnist.test).accuracy
            # The integers on stock processes are what a chip would get: they are shown at length.
            long = config is DENSE and reset == "zero" and chosen is integers
            count = arguments.images // (1 if long else 5 if config is DENSE else 10)
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
