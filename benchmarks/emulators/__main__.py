"""Export trained networks, run them in emulators of others, and keep what differed.

``make check-emulators`` sets up the environments and runs this with the names of the emulators:
``benchmarks/emulators/NAME.py`` runs in an environment of its own, without this library, on the
plain arrays and the scripts that are written here. It trains three networks on digits, with each
reset; their integers have 8 bits. The sums of the small one outgrow the 22 bits of a Loihi, so it
is run on half its scale as well. A fourth has currents that last, for emulators of Loihi alone.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.emulators.common import save
from benchmarks.xylo import write_xylo_networks
from lava_desire import Conv2d, Dense, DesireConfig, DesireNetwork, fit, load_dataset
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.deploy import export, quantize
from lava_desire.deploy.integer_network import as_integers, is_floating
from lava_desire.deploy.targets import find_targets
from lava_desire.model.integers.constants import whole_decay

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "emulators.json"
SAMPLES = 100
SCRIPTS = ("nest", "sanafe", "xylo")
"""Targets that write a script, which the emulators of their names run."""
NETWORKS: dict[str, DesireConfig] = {
    "digits": DesireConfig.preset("digits").replace(epochs=5),
    "small": DesireConfig.preset("digits").replace(layer_sizes=(64, 40, 10), epochs=5),
    "current": DesireConfig.preset("digits").replace(
        layer_sizes=(64, 40, 10), epochs=5, synapse_decay=0.5
    ),
    "convolution": DesireConfig(
        layers=[Conv2d(8, 3, stride=2, padding=1), Dense(10)],
        input_shape=(1, 8, 8),
        learning_rate=1e-3,
        batch_size=16,
        epochs=5,
        trace_baseline=1.0,
        rate_floor=0.05,
    ),
}


def trained(digits: Any) -> Iterator[tuple[str, DesireNetwork]]:
    """Yield names and networks, in floating point and in integers."""
    for (name, config), reset in itertools.product(NETWORKS.items(), ("subtract", "zero")):
        network = DesireNetwork(config.replace(reset=reset))
        fit(network, digits.train, digits.test)
        yield f"{name}_{reset}_float", network
        integers = quantize(network, digits.train, test=digits.test).network
        yield f"{name}_{reset}_integers", integers
        if name == "small":
            yield f"halved_{reset}_integers", halved(integers)


def halved(network: DesireNetwork) -> DesireNetwork:
    """Return the same weights on half the scale, where sums of inputs are half as large."""
    formats = [
        replace(each, weight_exp=each.weight_exp - 1, threshold=round(each.threshold / 2))
        for each in network.rule.formats
    ]
    weights = network.numpy_weights()
    return DesireNetwork(network.config, weights=weights, arithmetic="fixed_point", formats=formats)


def write_network(folder: Path, name: str, network: DesireNetwork, digits: Any) -> None:
    """Write a network as arrays, and as a script for every target that takes it."""
    config, images = network.config, digits.test_images[:SAMPLES]
    spikes = [train.numpy() for train in network.forward(images).spikes]
    integers = None if is_floating(network) else as_integers(network)
    weights = network.numpy_weights() if integers is None else integers.weights
    pairs = zip(config.synapses, weights, strict=True)
    matrices = [synapse.matrix(array) for synapse, array in pairs]
    settings = {
        "arithmetic": "float" if integers is None else "integers",
        "reset": config.reset,
        "num_steps": config.num_steps,
        "decay": config.decay,
        "voltage_decay": 4096 - whole_decay(config.decay),
        "current_decay": 4096 - whole_decay(config.synapse_decay),
        "exponents": list(integers.weight_exponents) if integers else [0] * config.num_layers,
        "thresholds": list(integers.thresholds)
        if integers
        else [config.threshold] * config.num_layers,
    }
    arrays: dict[str, Any] = {
        "matrices": matrices,
        "inputs": spikes[0],
        "spikes": spikes[1:],
        "labels": np.asarray(digits.test_labels[:SAMPLES]),
    }
    if integers is not None:
        arrays["potentials"] = [each.numpy() for each in network.potentials(images)]
    save(folder / f"{name}.npz", settings, arrays)
    for target in sorted({*SCRIPTS} & find_targets().keys()):
        (folder / target).mkdir(exist_ok=True)
        options = {"convert_reset": config.reset == "subtract"} if target == "nest" else {}
        try:
            export(network, folder / target / f"{name}.py", to=target, **options)
        except ValueError as error:
            print(f"{name} is not for {target}: {error}")


def run(name: str, folder: Path) -> dict[str, Any]:
    """Run an emulator's file in its environment, and return what it found."""
    python = ROOT / f".venv-emulators-{name}" / "bin" / "python"
    command = [str(python), "-m", f"benchmarks.emulators.{name}", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    print("\n".join(row for row in done.stdout.splitlines() if row.endswith("differ")))
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return found


def main() -> None:
    """Export, run, print, and write the result."""
    emulators = sys.argv[1:]
    digits = load_dataset("digits")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images, labels = digits.test_images[:SAMPLES], digits.test_labels[:SAMPLES]
        np.savez(folder / "images.npz", test_images=images, test_labels=labels)
        for name, network in trained(digits):
            write_network(folder, name, network, digits)
        if "xylosim" in emulators:
            write_xylo_networks(folder)
        with ThreadPoolExecutor(max(len(emulators), 1)) as pool:
            found = dict(
                zip(emulators, pool.map(run, emulators, itertools.repeat(folder)), strict=True)
            )
    result = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    for name, rows in found.items():
        result[name] = {
            "command": f'make check-emulators EMULATORS="{name}"',
            "commit": commit(),
            "environment": environment(),
            **rows,
        }
    RESULT.write_text(json.dumps(dict(sorted(result.items())), indent=1) + "\n")
    print(RESULT)


if __name__ == "__main__":
    main()
