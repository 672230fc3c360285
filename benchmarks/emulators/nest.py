"""Run the scripts that were exported to NEST, and count what differs.

``make check-emulators`` calls ``python -m benchmarks.emulators.nest FOLDER``. Every script runs the
spikes of the input and gives those of all layers; and it classifies the images themselves, by its
own encoder.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from benchmarks.emulators.common import compare, networks, script, write


def main() -> None:
    """Compare every network; those that subtract their threshold were converted."""
    folder, rows = Path(sys.argv[1]), []
    with np.load(folder / "images.npz") as file:
        images = file["test_images"]
    for network in networks(folder):
        module = script(folder, "nest", network)
        if module is None:
            continue
        how, why = "script of --to nest", ""
        if network.reset == "subtract":
            how, why = f"{how} --convert-reset", "reset to zero keeps nothing above the threshold"
        spikes = module.record(network.inputs)
        rows += compare(network, how, spikes, why)
        last = [*[None] * (network.layers - 1), module.run(images).transpose(1, 0, 2) != 0]
        if not np.array_equal(last[-1], spikes[-1]):
            rows += compare(network, f"{how}, its own encoder", last, "the encoder")
    write(folder, "nest", ("nest-simulator", "numpy"), rows)


if __name__ == "__main__":
    main()
