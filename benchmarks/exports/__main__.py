"""Export trained networks, run them in other frameworks, and keep what differed.

``make check-exports`` sets up the environments of the frameworks and runs this. It trains networks
on digits, dense and convolutional, that reset by subtraction and to zero, and adds random ones of
MNIST's size. Every layer is compared, by exporting the layers up to it as a network: in the default
form and in the reader's own, as it is read and with what cures it. Then networks of other
frameworks are taken from their files, and their counts compared.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from lava_desire import Conv2d, Dense, DesireConfig, DesireNetwork, evaluate, fit, load_dataset
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.deploy import from_nir, to_netx
from lava_desire.deploy.nir_dialects import DEFAULT, DIALECTS, Dialect
from lava_desire.deploy.nir_export import graph_of, packed

RESULT = Path(__file__).parents[1] / "results" / "exports.json"
EPOCHS = 10
NETX_SAMPLES = 100
FOREIGN_DT = {"Norse": 1e-6, "snnTorch": 1e-4, "SpikingJelly": 1e-4}

READERS = {
    "frameworks": ("norse", "spikingjelly", "snntorch", "nirtorch"),
    "older_nir": ("sinabs", "rockpool"),
    "jax": ("spyx", "snn_mlir", "jaxsnn"),
}
"""By the environment that they share."""
ALL = tuple(itertools.chain(*READERS.values()))
OWN = {each: name for each in ALL if (name := each.replace("_", "-")) in DIALECTS}
AFFINE = {"affine": Dialect("", dense="Affine")}
"""The form before there were dialects."""
COMPARED = ("affine", DEFAULT, "spikingjelly")
"""Forms that could be the default: every reader is given a whole digits network in each."""
DENSE_ONLY = ("snn_mlir", "jaxsnn", "sinabs", "rockpool")

DENSE = (DesireConfig.preset("digits").replace(epochs=EPOCHS), DesireConfig((784, 100, 10)))
KINDS: dict[str, tuple[DesireConfig, ...]] = {
    "": DENSE,
    "_current": tuple(config.replace(synapse_decay=0.5) for config in DENSE),
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


def write_graphs(
    folder: Path, name: str, network: DesireNetwork, images: np.ndarray
) -> list[dict[str, Any]]:
    """Write graphs and their spikes for every number of layers; return who is to read which."""
    config = network.config
    spikes = [train.numpy() for train in network.forward(images).spikes]
    planes = len(config.synapses[0].pre_shape) == 3
    plans = []
    for depth in range(1, config.num_layers + 1):
        part = DesireNetwork(config.first_layers(depth), weights=network.numpy_weights()[:depth])
        # The graph has no delay between layers, so its last layer is that much earlier.
        steps = config.num_steps - (depth - 1)
        inputs = spikes[0][:steps].reshape(steps, -1, *config.synapses[0].pre_shape)
        trains = folder / f"{name}_{depth}.npz"
        np.savez(trains, inputs=inputs, outputs=spikes[depth][depth - 1 :])
        plain = not planes and not config.synapse_decay
        whole = name.startswith("digits") and plain and depth == config.num_layers
        for form in {**DIALECTS, **AFFINE}:
            readers = ALL if form == DEFAULT or (whole and form in COMPARED) else ()
            readers = [each for each in ALL if each in readers or OWN.get(each) == form]
            if planes:
                readers = [each for each in readers if each not in DENSE_ONLY]
            if config.synapse_decay and not DIALECTS.get(form, Dialect("")).currents:
                continue
            if not readers:
                continue
            path = folder / f"{name}_{depth}, {form}.nir"
            with patch.dict(DIALECTS, AFFINE):
                graph = graph_of(part, form, DIALECTS[form].dt)
                path.write_bytes(packed(graph))
            plans.append(
                {
                    "graph": name,
                    "layer": depth,
                    "reset": config.reset,
                    "form": form,
                    "file": path.name,
                    "spikes": trains.name,
                    "dt": graph.metadata["dt"],
                    "readers": readers,
                }
            )
    return plans


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
    script(python, "foreign", folder)
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


def run(command: list[str]) -> str:
    """Run another Python; return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def script(python: str, name: str, folder: Path) -> str:
    """Run a script of this folder with another Python; return what it printed."""
    return run([python, str(Path(__file__).parent / f"{name}.py"), str(folder)])


def read_graphs(python: str, name: str, folder: Path) -> dict[str, Any]:
    """Have a reader read what is planned for it; print its rows, and return what it found."""
    printed = run([python, "-m", f"{__package__}.readers", str(folder), name])
    # snnTorch prints every parameter of every layer; the rows are what is wanted.
    print("\n".join(row for row in printed.splitlines() if row.startswith(name)), flush=True)
    found: dict[str, Any] = json.loads((folder / f"readers_{name}.json").read_text())
    return found


def main() -> None:
    """Export, run, print, and write the result."""
    *pythons, netx = sys.argv[1:]
    digits = load_dataset("digits")
    accuracies, plans = {}, []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for kind, reset in itertools.product(KINDS, ("subtract", "zero")):
            small, large = (config.replace(reset=reset) for config in KINDS[kind])
            network, name = trained(small), f"{kind}_{reset}"
            accuracies[f"digits{name}"] = evaluate(network, digits.test).accuracy
            plans += write_graphs(folder, f"digits{name}", network, digits.test_images)
            random = DesireNetwork(large)
            plans += write_graphs(folder, f"random{name}", random, random_images(64))
            if not small.synapse_decay:  # which lava-dl's neurons cannot
                write_netx(folder, f"digits{name}", network, digits.test_images[:NETX_SAMPLES])
                write_netx(folder, f"random{name}", random, random_images(64))
        (folder / "plan.json").write_text(json.dumps(plans))
        with ThreadPoolExecutor(len(sys.argv)) as pool:
            read = {
                name: pool.submit(read_graphs, python, name, folder)
                for python, names in zip(pythons, READERS.values(), strict=True)
                for name in names
            }
            run_netx = pool.submit(script, netx, "netx", folder)
            foreign = pool.submit(read_foreign, pythons[0], folder / "foreign")
            readers = {name: found.result() for name, found in read.items()}
            print(run_netx.result())
            results = {
                "readers": readers,
                "netx": json.loads((folder / "netx.json").read_text()),
                "foreign": foreign.result(),
            }
    result = {
        "command": "make check-exports",
        "commit": commit(),
        "environment": environment(),
        "digits_test_accuracy": accuracies,
        **results,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(RESULT)


if __name__ == "__main__":
    main()
