"""What a network loses on Xylo: digits of 4 x 4 pixels and eight classes.

``python -m benchmarks.xylo`` trains networks with and without ``synapse_decay``, and runs them in
floating point, in Loihi's integers, in Xylo's, and on xylosim, whose environment ``make
check-emulators EMULATORS=xylosim`` sets up. ``python -m benchmarks.xylo learned`` adds what learns
in integers from the first sample on, and what several spikes a step cost. ``python -m
benchmarks.xylo record`` writes what xylosim computes of drawn networks, to which the tests hold
``XyloNetwork``.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.emulators.common import save
from lava_desire import DesireConfig, DesireNetwork, evaluate, fit, load_dataset
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.deploy import XyloNetwork, quantize, to_xylo
from lava_desire.deploy.xylo_script import write_xylo_script
from lava_desire.fixed import xylo_formats

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-emulators-xylosim" / "bin" / "python"
RESULT = ROOT / "benchmarks" / "results" / "xylo.json"
RECORDING = ROOT / "tests" / "deploy" / "xylosim.npz"
LAYERS = ((16, 200, 8), (16, 200, 60, 8))
DECAYS = (0.0, 0.5)
SEEDS = (0, 1, 2)
LEARNED_EPOCHS, LEARNED_SEEDS = 5, (0, 1)
_SIMULATE = (
    "import importlib, sys, numpy as np; sys.path.insert(0, sys.argv[1]);"
    "found = [importlib.import_module(n).simulate(np.load(f'{sys.argv[1]}/{n}_counts.npy'))"
    " for n in sys.argv[3:]];"
    "np.savez_compressed(sys.argv[2], **{f'{n}_{p}': a for n, r in zip(sys.argv[3:], found)"
    " for p, a in zip(('hidden', 'outputs'), r)})"
)


def small_digits() -> tuple[Any, Any]:
    """Return images (S, 16) in [0, 1] and labels of digits 0 to 7, to learn and to test with."""
    digits = load_dataset("digits")

    def pooled(images: Any, labels: Any) -> tuple[Any, Any]:
        kept = np.asarray(labels) < 8
        pixels = np.asarray(images)[kept].reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4))
        return pixels.reshape(-1, 16).astype(np.float32), np.asarray(labels)[kept]

    return pooled(*digits.train), pooled(*digits.test)


def configured(layers: tuple[int, ...], decay: float, seed: int, epochs: int = 15) -> DesireConfig:
    """Return how the small digits are learned."""
    return DesireConfig.preset("digits").replace(
        layer_sizes=layers, epochs=epochs, synapse_decay=decay, seed=seed
    )


def trained(layers: tuple[int, ...], decay: float, seed: int) -> DesireNetwork:
    """Return a network that has learned the small digits."""
    network = DesireNetwork(configured(layers, decay, seed))
    fit(network, *small_digits())
    return network


def drawn(number: int) -> Iterator[tuple[XyloNetwork, Any]]:
    """Yield networks with synapses back and forth, and input spikes (T, B, N_0) up to 255 a step.

    Thresholds, shifts and decays are such that some spike often, some saturate.
    """
    rng = np.random.default_rng(number)
    for kind in range(number):
        inputs, hidden, outputs = (int(n) for n in rng.integers((1, 1, 2), (17, 40, 9)))
        weights = [
            rng.integers(-128, 128, shape) * (rng.random(shape) < 0.7)
            for shape in ((inputs, hidden), (hidden, hidden), (hidden, outputs))
        ]
        highest, most = [(300, 2), (5000, 20), (32768, 256)][kind % 3]
        network = XyloNetwork(
            DesireConfig((inputs, hidden, outputs)),
            *weights,
            threshold=rng.integers(1, highest, hidden),
            threshold_out=rng.integers(1, 2000, outputs),
            dash_mem=rng.integers(1, 16, hidden),
            dash_mem_out=rng.integers(1, 16, outputs),
            dash_syn=rng.integers(0, 16, hidden),
            dash_syn_out=rng.integers(0, 16, outputs),
            weight_shift_in=int(rng.integers(8)),
            weight_shift_rec=int(rng.integers(8)),
            weight_shift_out=int(rng.integers(8)),
        )
        spiking = rng.random((15, 3, inputs)) < 0.5
        yield network, spiking * rng.integers(0, most, spiking.shape)


def write_xylo_networks(folder: Path) -> None:
    """Write trained and drawn networks, their inputs, their spikes by ours, and their scripts."""
    (folder / "xylo").mkdir(exist_ok=True)
    learned, (images, labels) = small_digits()
    for layers, decay in zip(LAYERS, DECAYS, strict=True):
        network = trained(layers, decay, 0)
        on_chip = to_xylo(network, learned).network
        inputs = network.forward(images).spikes[0].numpy()
        _write(folder, f"xylo_{len(layers) - 1}_layers", network, on_chip, inputs, labels)
    for index, (on_chip, counts) in enumerate(drawn(60)):
        network = DesireNetwork(on_chip.config)
        _write(folder, f"xylo_drawn_{index}", network, on_chip, counts, np.zeros(counts.shape[1]))


def _write(
    folder: Path, name: str, network: DesireNetwork, on_chip: XyloNetwork, inputs: Any, labels: Any
) -> None:
    run = on_chip.run(inputs)
    settings = {
        "arithmetic": "integers",
        "reset": "subtract",
        "num_steps": len(inputs),
        "decay": network.config.decay,
        "voltage_decay": 0,
        "current_decay": 4096,
        "exponents": [0, 0],
        "thresholds": [0, 0],
    }
    arrays = {
        "matrices": [on_chip.weights_in.T, on_chip.weights_out.T],
        "inputs": inputs,
        "spikes": [run.hidden, run.outputs],
        "labels": labels,
    }
    save(folder / f"{name}.npz", settings, arrays)
    write_xylo_script(network, on_chip, folder / "xylo" / f"{name}.py")


def on_xylosim(networks: list[tuple[DesireNetwork, XyloNetwork, Any]], result: Path) -> None:
    """Run networks with their input spikes on xylosim; write their spikes into ``result``."""
    with tempfile.TemporaryDirectory() as folder:
        names = [f"network_{index}" for index in range(len(networks))]
        for name, (network, on_chip, counts) in zip(names, networks, strict=True):
            write_xylo_script(network, on_chip, Path(folder) / f"{name}.py")
            np.save(Path(folder) / f"{name}_counts.npy", counts)
        subprocess.run([str(PYTHON), "-c", _SIMULATE, folder, str(result), *names], check=True)


def record() -> None:
    """Write drawn networks, their inputs, and what xylosim computes of them."""
    networks = [(DesireNetwork(chip.config), chip, counts) for chip, counts in drawn(6)]
    with tempfile.TemporaryDirectory() as folder:
        on_xylosim(networks, Path(folder) / "spikes.npz")
        with np.load(Path(folder) / "spikes.npz") as file:
            recorded = dict(file)
    for index, (_, on_chip, counts) in enumerate(networks):
        for name, array in {**on_chip.arrays(), "counts": counts}.items():
            recorded[f"network_{index}_{name}"] = np.asarray(array, np.int16)
    np.savez_compressed(RECORDING, **recorded)
    print(RECORDING)


def measure(layers: tuple[int, ...], decay: float, seed: int) -> dict[str, Any]:
    """Train a network, and return its accuracies by what it runs on."""
    learned, (images, labels) = small_digits()
    network = trained(layers, decay, seed)
    found = to_xylo(network, learned, test=(images, labels))
    inputs = network.forward(images).spikes[0].numpy()
    with tempfile.TemporaryDirectory() as folder:
        on_xylosim([(network, found.network, inputs)], Path(folder) / "spikes.npz")
        with np.load(Path(folder) / "spikes.npz") as file:
            hidden, outputs = file["network_0_hidden"], file["network_0_outputs"]
    ours = found.network.run(inputs)
    counts = outputs.astype(int).sum(axis=0)
    lead = (counts == counts.max(axis=1, keepdims=True)).sum(axis=1) == 1
    integers = quantize(network, learned, test=(images, labels)).report
    return {
        "layers": network.config.shape_text,
        "synapse_decay": decay,
        "seed": seed,
        "floating_point": evaluate(network, (images, labels)).accuracy,
        "loihi_integers": integers.accuracy_after,
        "xylo_network": found.report.accuracy_after,
        "xylosim": float((lead & (counts.argmax(axis=1) == labels)).mean()),
        "bits": hidden.size + outputs.size,
        "mismatching": int((hidden != ours.hidden).sum() + (outputs != ours.outputs).sum()),
        "several_spikes": [layer.several_spikes for layer in found.report.layers],
        "thresholds": [layer.threshold for layer in found.report.layers],
        "saturated": [layer.saturated for layer in found.report.layers],
    }


def with_low_thresholds(network: XyloNetwork) -> XyloNetwork:
    """Return a network of one hidden layer on the scale of weights that are not shifted.

    Its potentials are cut at many thresholds, so that neurons spike several times a step.
    """
    return replace(
        network,
        threshold=np.maximum(network.threshold >> network.weight_shift_in, 1),
        threshold_out=np.maximum(network.threshold_out >> network.weight_shift_out, 1),
        weight_shift_in=0,
        weight_shift_out=0,
    )


def learned_in_integers(seed: int) -> dict[str, Any]:
    """Learn in floating point, in Loihi's integers and with Xylo's neurons; return accuracies."""
    learned, test = small_digits()
    config = configured(LAYERS[0], 0.5, seed, LEARNED_EPOCHS)
    networks = {
        "floating_point": DesireNetwork(config),
        "loihi_integers": DesireNetwork(config, arithmetic="fixed_point"),
        "xylo_neurons": DesireNetwork(
            config, arithmetic="fixed_point", formats=xylo_formats(config)
        ),
    }
    accuracies = {
        name: [each.test_accuracy for each in fit(network, learned, test).records]
        for name, network in networks.items()
    }
    in_floats, on_xylo = networks["floating_point"], networks["xylo_neurons"]
    written = to_xylo(in_floats, learned, test=test)
    low = with_low_thresholds(written.network)
    spikes = low.run(in_floats.forward(test[0]).spikes[0].numpy()).hidden
    trains = [train.numpy() for train in on_xylo.forward(test[0]).spikes]
    with tempfile.TemporaryDirectory() as folder:
        on_chip = to_xylo(on_xylo, learned, test=test).network
        on_xylosim([(on_xylo, on_chip, trains[0])], Path(folder) / "spikes.npz")
        with np.load(Path(folder) / "spikes.npz") as file:
            pairs = [
                (file[f"network_0_{part}"], train)
                for part, train in zip(("hidden", "outputs"), trains[1:], strict=True)
            ]
    return {
        "layers": config.shape_text,
        "synapse_decay": config.synapse_decay,
        "seed": seed,
        "test_accuracies": accuracies,
        "quantised_to_loihi": quantize(in_floats, learned, test=test).report.accuracy_after,
        "written_for_xylo": written.report.accuracy_after,
        "low_thresholds": float((low.predict(test[0]) == test[1]).mean()),
        "several_spikes": float((spikes > 1).sum() / (spikes > 0).sum()),
        "bits": [train.size for _, train in pairs],
        "mismatching": [int((there != train).sum()) for there, train in pairs],
    }


def main() -> None:
    """Measure, and write the result; what was measured by another command is kept."""
    if sys.argv[1:] == ["record"]:
        record()
        return
    result = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    rows: list[dict[str, Any]] = []
    found = {"commit": commit(), "environment": environment(), "results": rows}
    if sys.argv[1:] == ["learned"]:
        measured = (learned_in_integers(seed) for seed in LEARNED_SEEDS)
        result["learned"] = {"command": "python -m benchmarks.xylo learned", **found}
    else:
        measured = (measure(*each) for each in itertools.product(LAYERS, DECAYS, SEEDS))
        result |= {"command": "python -m benchmarks.xylo", **found}
    for row in measured:
        rows.append(row)
        print(row, flush=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
