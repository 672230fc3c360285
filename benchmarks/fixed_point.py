"""Measure what integers cost: quantised networks, and networks learned entirely in integers.

``python -m benchmarks.fixed_point`` runs every part that has no result yet and writes
``results/fixed_point/<part>.json``; name parts to choose, ``--force`` to measure them anew.
Training keeps checkpoints below ``runs/fixed_point`` and goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from lava_desire import DesireConfig, DesireNetwork, evaluate, fit, load_dataset
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.deploy import quantize
from lava_desire.fixed import default_formats
from lava_desire.operations import count_operations
from lava_desire.training.history import History
from lava_desire.training.run_folder import CHECKPOINT

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results" / "fixed_point"
RUNS = ROOT / "runs" / "fixed_point"
BITS = (8, 7, 6, 5, 4)
FINE_TUNED_BITS = (8, 4)
MNIST = DesireConfig.preset("mnist").replace(layer_sizes=(784, 200, 100, 10), epochs=10)
DIGITS = DesireConfig.preset("digits")


def train(
    name: str, data: Any, config: DesireConfig, bits: int | None
) -> tuple[DesireNetwork, History]:
    """Train in floating point, or in integers of so many bits, going on where it was stopped."""
    if bits is None:
        network = DesireNetwork(config)
    else:
        formats = default_formats(config, bits)
        network = DesireNetwork(config, arithmetic="fixed_point", formats=formats)
    folder, shown = RUNS / name, 0

    def show(progress: Any) -> None:
        nonlocal shown
        if len(progress.records) > shown:
            shown = len(progress.records)
            last = progress.records[-1]
            print(f"  {name}: epoch {last.epoch}, {100 * last.test_accuracy:.2f} %", flush=True)

    resume = (folder / CHECKPOINT).exists()
    history = fit(network, data.train, data.test, folder=folder, resume=resume, on_progress=show)
    return network, history


def curve(history: History, config: DesireConfig, bits: int | None) -> dict[str, Any]:
    """Return what a training run reached, for the result."""
    assert history.best is not None
    assert history.last is not None
    return {
        "weight_bits": bits or "float32",
        "config": config.to_dict(),
        "best_test_accuracy": history.best.test_accuracy,
        "last_test_accuracy": history.last.test_accuracy,
        "test_accuracy_by_epoch": [record.test_accuracy for record in history.records],
        "seconds": sum(record.seconds for record in history.records),
    }


def mnist_float(data: Any) -> dict[str, Any]:
    """Train 784-200-100-10 in floating point."""
    _, history = train("mnist-float", data, MNIST, None)
    return curve(history, MNIST, None)


def mnist_quantised(data: Any) -> list[dict[str, Any]]:
    """Quantise the network of `mnist_float` after its last epoch; fine-tune some."""
    network, _ = train("mnist-float", data, MNIST, None)
    rows = []
    for bits in BITS:
        epochs = 1 if bits in FINE_TUNED_BITS else 0
        tuned = quantize(network, data.train, bits, test=data.test, fine_tune_epochs=epochs)
        print(tuned.report, flush=True)
        rows.append({"weight_bits": bits, **tuned.report.to_dict()})
    return rows


def mnist_learned(data: Any) -> dict[str, Any]:
    """Learn in integers from scratch, 8-bit weights, with minibatches as in `mnist_float`."""
    network, history = train("mnist-learned-8", data, MNIST, 8)
    return {**curve(history, MNIST, 8), "formats": network.format_fields()}


def mnist_learned_online(data: Any) -> dict[str, Any]:
    """Learn in integers from scratch as the Lava processes do, sample by sample."""
    config = MNIST.replace(batch_size=1, epochs=2)
    network, history = train("mnist-learned-online-8", data, config, 8)
    return {**curve(history, config, 8), "formats": network.format_fields()}


def mnist_learned_bits(data: Any) -> list[dict[str, Any]]:
    """Learn in integers of fewer bits, two epochs each."""
    config = MNIST.replace(epochs=2)
    return [
        curve(train(f"mnist-learned-short-{bits}", data, config, bits)[1], config, bits)
        for bits in BITS
    ]


def convolutions(data: Any) -> list[dict[str, Any]]:
    """Learn a convolutional network from 4,000 images, in floating point and in 8 bits."""
    some = SimpleNamespace(train=tuple(array[:4000] for array in data.train), test=data.test)
    layers, rows = ["16c5s2", "32c5s2", "10"], []
    base = DesireConfig(layers=layers, input_shape=(1, 28, 28), dropout_hidden=0.0, epochs=1)
    for (batch_size, rate), bits, seed in product([(1, 1e-3), (16, 3e-4)], (None, 8), range(3)):
        config = base.replace(batch_size=batch_size, learning_rate=rate, seed=seed)
        name = f"convolutions-{batch_size}-{bits or 'float'}-{seed}"
        rows.append(curve(train(name, some, config, bits)[1], config, bits))
    return rows


def digits(data: Any) -> list[dict[str, Any]]:
    """Train the digits preset in floating point and in integers of 8 to 4 bits."""
    del data
    samples = load_dataset("digits")
    rows = []
    for bits in (None, *BITS):
        for seed in range(3 if bits in (None, 8) else 1):
            config = DIGITS.replace(seed=seed)
            _, history = train(f"digits-{bits or 'float'}-{seed}", samples, config, bits)
            rows.append({"seed": seed, **curve(history, config, bits)})
    return rows


def operations(data: Any) -> list[dict[str, Any]]:
    """Count what a window of the test set costs the quantised network, a mean over samples."""
    network, _ = train("mnist-float", data, MNIST, None)
    integer = quantize(network, data.train, 8, test=data.test).network
    totals: list[dict[str, Any]] = [{} for _ in integer.weights]
    for images in torch.split(torch.from_numpy(data.test_images.copy()), 500):
        for total, counted in zip(
            totals, count_operations(integer, integer.forward(images)), strict=True
        ):
            for name, value in asdict(counted).items():
                total[name] = total.get(name, 0) + value
    for total, weights in zip(totals, integer.weights, strict=True):
        count = total.pop("num_samples")
        for name in total:
            total[name] /= count
        total["weight_bytes_stored"] = weights.numel()
    accuracy = evaluate(integer, data.test).accuracy
    return [{"layer": layer, "accuracy": accuracy, **t} for layer, t in enumerate(totals, 1)]


PARTS: dict[str, Callable[[Any], Any]] = {
    part.__name__: part
    for part in (
        mnist_float,
        mnist_learned,
        mnist_quantised,
        operations,
        digits,
        mnist_learned_online,
        mnist_learned_bits,
        convolutions,
    )
}


def main() -> None:
    """Measure the parts asked for and write their results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; all by default")
    parser.add_argument("--data-dir", help="folder of the MNIST files; else a download")
    parser.add_argument("--force", action="store_true", help="measure again what has a result")
    arguments = parser.parse_args()
    for name in arguments.parts:
        if name not in PARTS:
            parser.error(f"there is no part {name}: expected some of {', '.join(PARTS)}")
    os.nice(10)
    torch.set_num_threads(1)
    RESULTS.mkdir(parents=True, exist_ok=True)
    RUNS.mkdir(parents=True, exist_ok=True)
    data = None
    for name in arguments.parts or PARTS:
        path = RESULTS / f"{name}.json"
        if path.exists() and not arguments.force:
            print(f"{name}: {path} is there", flush=True)
            continue
        if data is None and name != "digits":
            data = load_dataset("mnist", arguments.data_dir)
        print(f"{name} ...", flush=True)
        started = time.process_time()
        measured = PARTS[name](data)
        write(path, name, measured, time.process_time() - started)


def write(path: Path, name: str, measured: Any, processor_seconds: float) -> None:
    """Write a result with what it depends on."""
    result = {
        "command": f"python -m benchmarks.fixed_point {name}",
        "commit": commit(),
        "environment": environment(),
        "processor_seconds": round(processor_seconds, 1),
        "results": measured,
    }
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(path.relative_to(ROOT), flush=True)


if __name__ == "__main__":
    sys.exit(main())
