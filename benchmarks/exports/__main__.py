"""Export trained networks, run them in other frameworks, and keep what differed.

``make check-exports`` sets up the environments of the frameworks and runs this. It trains networks
on digits, dense and convolutional, that reset by subtraction and to zero, and adds random ones of
MNIST's size. Every layer is compared, by exporting the layers up to it as a network. Then networks
of the other frameworks are taken from their files, and their counts compared.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nir
import numpy as np

from lava_desire import Conv2d, Dense, DesireConfig, DesireNetwork, evaluate, fit, load_dataset
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.deploy import from_nir, to_netx, to_nir

RESULT = Path(__file__).parents[1] / "results" / "exports.json"
EPOCHS = 10
NETX_SAMPLES = 100
FOREIGN_DT = {"Norse": 1e-6, "snnTorch": 1e-4, "SpikingJelly": 1e-4}


KINDS: dict[str, tuple[DesireConfig, DesireConfig]] = {
    "": (DesireConfig.preset("digits").replace(epochs=EPOCHS), DesireConfig((784, 100, 10))),
    "_conv": (
        DesireConfig(
            layers=[Conv2d(16, 3), Conv2d(32, 3, stride=2, padding=1), Dense(50), Dense(10)],
            input_shape=(1, 8, 8),
            learning_rate=1e-3,
            batch_size=16,
            epochs=EPOCHS,
            trace_baseline=1.0,
            rate_floor=0.05,
        ),
        DesireConfig(
            layers=[Conv2d(16, 5, stride=2), Conv2d(32, 5, stride=2), Dense(10)],
            input_shape=(1, 28, 28),
        ),
    ),
}
"""By what their files are called: to be trained on digits, and random of MNIST's size."""


def trained(config: DesireConfig) -> DesireNetwork:
    """Train on digits."""
    digits = load_dataset("digits")
    network = DesireNetwork(config)
    fit(network, digits.train, digits.test)
    return network


def random_images(num_samples: int) -> np.ndarray:
    """Draw images of MNIST's size of which 81 % of the pixels are dark, as there."""
    generator = np.random.default_rng(0)
    bright = generator.random((num_samples, 784)) < 0.19
    return (generator.integers(1, 256, bright.shape) * bright).astype(np.uint8)


def write_graphs(folder: Path, name: str, network: DesireNetwork, images: np.ndarray) -> None:
    """Write a graph and its spikes for every number of layers."""
    config = network.config
    spikes = [train.numpy() for train in network.forward(images).spikes]
    for depth in range(1, config.num_layers + 1):
        part = DesireNetwork(config.first_layers(depth), weights=network.numpy_weights()[:depth])
        path = folder / f"{name}_layer_{depth}.nir"
        nir.write(path, to_nir(part))
        # The graph has no delay between layers, so its last layer is that much earlier.
        steps = config.num_steps - (depth - 1)
        inputs = spikes[0][:steps].reshape(steps, -1, *config.synapses[0].pre_shape)
        np.savez(path.with_suffix(".npz"), inputs=inputs, outputs=spikes[depth][depth - 1 :])


def write_netx(folder: Path, name: str, network: DesireNetwork, images: np.ndarray) -> None:
    """Write a netx file and the spikes of its integers."""
    path = folder / f"{name}.net"
    integers = to_netx(network, path, convert_reset=network.config.reset == "subtract")
    inputs = network.forward(images).spikes[0].numpy()
    outputs = integers.spikes(inputs)[-1]
    np.savez(
        path.with_suffix(".npz"),
        inputs=inputs,
        outputs=outputs,
        window=network.config.window_steps,
    )


def read_foreign(python: str, folder: Path) -> list[dict[str, Any]]:
    """Have the frameworks write networks of their own, and compare what ours count."""
    folder.mkdir()
    images = random_images(64)
    encoder = DesireNetwork(DesireConfig((784, 100, 10)))
    # Both layers of a graph fire in the same step, ours in the next one.
    inputs = encoder.forward(images).spikes[0].numpy()[:-1]
    np.save(folder / "inputs.npy", inputs)
    run(python, "foreign", folder)
    rows = []
    for path in sorted(folder.glob("*.nir")):
        name = path.stem.split(",")[0]
        network = from_nir(path, dt=FOREIGN_DT[name], num_steps=len(inputs))
        counts = folder / f"{path.stem.removesuffix(', one number')}.npy"
        wanted = np.load(counts, allow_pickle=False)
        given = network.forward(images).counts[-1].numpy()
        row = {
            "file": path.stem,
            "dt": FOREIGN_DT[name],
            "counts": wanted.size,
            "spikes": int(wanted.sum()),
            "mismatching": int((given != wanted).sum()),
        }
        rows.append(row)
        print(
            f"{path.stem:28} taken at dt = {row['dt']:g} {row['mismatching']:7} of "
            f"{wanted.size} counts differ"
        )
    return rows


def run(python: str, script: str, folder: Path) -> str:
    """Run a script of this folder with another Python; return what it printed."""
    command = [python, str(Path(__file__).parent / f"{script}.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def main() -> None:
    """Export, run, print, and write the result."""
    frameworks, netx = sys.argv[1:]
    digits = load_dataset("digits")
    accuracies = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for kind, reset in itertools.product(KINDS, ("subtract", "zero")):
            small, large = (config.replace(reset=reset) for config in KINDS[kind])
            network, name = trained(small), f"{kind}_{reset}"
            accuracies[f"digits{name}"] = evaluate(network, digits.test).accuracy
            write_graphs(folder, f"digits{name}", network, digits.test_images)
            write_netx(folder, f"digits{name}", network, digits.test_images[:NETX_SAMPLES])
            random = DesireNetwork(large)
            write_graphs(folder, f"random{name}", random, random_images(64))
            write_netx(folder, f"random{name}", random, random_images(64))
        results: dict[str, Any] = {}
        for python, script in ((frameworks, "frameworks"), (netx, "netx")):
            printed = run(python, script, folder)
            # snnTorch prints every parameter of every layer; the rows are what is wanted.
            print("\n".join(row for row in printed.splitlines() if "bits differ" in row))
            results[script] = json.loads((folder / f"{script}.json").read_text())
        results["foreign"] = read_foreign(frameworks, folder / "foreign")
    result = {
        "command": "make check-exports",
        "commit": commit(),
        "environment": environment(),
        "digits_test_accuracy": accuracies,
        **results,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(RESULT)


if __name__ == "__main__":
    main()
