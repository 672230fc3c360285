"""Energy of networks on Loihi: derived from counts, beside what SANA-FE simulates of the same.

    python -m benchmarks.energy [NAME ...]

trains each network of ``NETWORKS``, quantises it to 8 bits, exports it with ``--to sanafe``, runs
the script in the environment that ``make check-emulators EMULATORS=sanafe`` sets up, compares the
spikes of all layers, and writes ``benchmarks/results/energy.json``. MNIST is looked for as
``lava-desire train --dataset mnist`` does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from lava_desire import DesireConfig, DesireNetwork, evaluate, fit, load_dataset
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.deploy import energy, export, quantize

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "energy.json"
PYTHON = ROOT / ".venv-emulators-sanafe" / "bin" / "python"
NETWORKS: dict[str, tuple[str, dict[str, Any], int]] = {
    "digits": ("digits", {"epochs": 30}, 359),
    "digits, reset to zero": ("digits", {"epochs": 30, "reset": "zero"}, 359),
    "mnist": ("mnist", {"layer_sizes": (784, 200, 100, 10), "epochs": 3}, 50),
}
"""Data set and preset, fields, and samples."""
_RUN = """
import sys, numpy as np, net
images, labels = net.read("images.npz")
np.savez("spikes.npz", *net.run_layers(images))
net.write_report("report.json")
"""


def measure(name: str) -> dict[str, Any]:
    """Return a row: bits that differ, what SANA-FE simulated, what is derived."""
    dataset, fields, samples = NETWORKS[name]
    data = load_dataset(dataset)
    network = DesireNetwork(DesireConfig.preset(dataset).replace(**fields))
    fit(network, data.train, data.test)
    integers = quantize(network, data.train, test=data.test).network
    images = data.test_images[:samples]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        export(integers, folder / "net.py", to="sanafe")
        np.savez(folder / "images.npz", images=images)
        subprocess.run([PYTHON, "-c", _RUN], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        report = json.loads((folder / "report.json").read_text())
        with np.load(folder / "spikes.npz") as file:
            theirs = [file[key] for key in file.files]
    ours = [train.numpy().transpose(1, 0, 2) for train in integers.forward(images).spikes[1:]]
    bits = [
        {"bits": mine.size, "mismatching": int((mine != other).sum())}
        for mine, other in zip(ours, theirs, strict=True)
    ]
    found = energy(integers, data, samples=samples, simulated=report)
    print(name, bits, found.report, sep="\n")
    return {
        "name": name,
        "test_accuracy": evaluate(integers, data.test).accuracy,
        "differing": bits,
        "energy": found.to_dict(),
    }


def main() -> None:
    """Measure the networks that are named, or all, and keep the others' rows."""
    names = sys.argv[1:] or list(NETWORKS)
    kept = json.loads(RESULT.read_text())["results"] if RESULT.exists() else []
    rows = {row["name"]: row for row in kept} | {name: measure(name) for name in names}
    result = {
        "command": "python -m benchmarks.energy",
        "commit": commit(),
        "environment": environment(),
        "emulator": "sanafe 2.2.9",
        "results": [rows[name] for name in NETWORKS if name in rows],
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(RESULT)


if __name__ == "__main__":
    main()
