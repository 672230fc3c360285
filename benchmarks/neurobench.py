"""Train on digits, MNIST and Fashion-MNIST, and keep NeuroBench's report of each network.

``make bench-neurobench`` makes an environment with NeuroBench and runs this; ``results/neurobench``
gets a JSON file a data set, of the network in floating point and quantised to 8 bits. Training is
short: what is measured is the activity of a network as it is used, not the best accuracy.
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path

from lava_desire import DesireConfig, DesireNetwork, fit, load_dataset
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.deploy import neurobench_report, quantize
from lava_desire.engine import count_operations, evaluate

RESULTS = Path(__file__).parents[1] / "results" / "neurobench"
RECIPES = {
    "digits": DesireConfig.preset("digits"),
    "mnist": DesireConfig.preset("mnist-best").replace(epochs=3),
    "fashion-mnist": DesireConfig.preset("fashion-mnist-best").replace(epochs=3),
}


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(RECIPES), help="which data sets")
    parser.add_argument("--data-dir", help="folder of the IDX files")
    parser.add_argument("--samples", type=int, default=2000, help="of the test set, at most")
    given = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    for name in given.names:
        config = RECIPES[name]
        data = load_dataset(name, None if name == "digits" else given.data_dir)
        network = DesireNetwork(config)
        fit(network, data.train)
        images, labels = (part[: given.samples] for part in data.test)
        found = {}
        for each in (network, quantize(network, data).network):
            sample = count_operations(each, each.forward(images))
            found[each.arithmetic] = {
                **neurobench_report(each, (images, labels)),
                "count_operations": sum(
                    layer.synaptic_operations / layer.num_samples for layer in sample
                ),
                "accuracy on the whole test set": evaluate(each, data).accuracy,
            }
        result = {
            "command": f"python -m benchmarks.neurobench {name} --samples {given.samples}",
            "commit": commit(),
            "environment": {**environment(), "neurobench": version("neurobench")},
            "config": config.to_dict(),
            "data": data.name,
            "num_samples": len(labels),
            "reports": found,
        }
        path = RESULTS / f"{name}.json"
        path.write_text(json.dumps(result, indent=2) + "\n")
        print(path, json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
