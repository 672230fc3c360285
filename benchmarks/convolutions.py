"""Time a sample of a convolutional network: ours, SpikingJelly's, and a dense network of ours.

``make bench-conv`` runs it, prints a table, and writes ``benchmarks/results/convolutions.json``.
Processes take turns as in ``make bench``, and the best round counts. The images are MNIST's.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.engine import HERE, NUM_IMAGES, PRETRAIN, measure, synaptic_operations
from benchmarks.peers import PEERS
from benchmarks.worker import IMAGE
from lava_desire import DesireConfig, DesireNetwork, load_dataset
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment

CONVOLUTIONS = ("16c5s2", "32c5s2", "10")
DENSE = (784, 300, 100, 10)
NETWORKS = {
    "convolutions": (
        DesireConfig(layers=CONVOLUTIONS, input_shape=IMAGE, trace_baseline=1.0),
        3e-4,
    ),
    "dense": (DesireConfig(DENSE), 5e-5),
}


def cases(folder: Path) -> list[dict[str, Any]]:
    """List the competitors: network, state, kind, option, batch size, samples a round."""
    rows: list[tuple[str, str, str, str, int, int]] = [
        ("convolutions", "untrained", "engine", "float32", 64, 640),
        ("convolutions", "in training", "engine", "float32", 64, 640),
        ("convolutions", "in training", "engine", "predict", 64, 640),
        ("convolutions", "untrained", "engine", "float32", 1, 64),
        ("convolutions", "in training", "engine", "float32", 1, 64),
        ("convolutions", "in training", "engine", "predict", 1, 64),
        ("convolutions", "untrained", "engine", "float32", 256, 768),
        ("convolutions", "untrained", "engine", "float32", 1024, 1024),
        ("convolutions", "in training", "engine", "torch:float32", 64, 64),
        ("dense", "untrained", "engine", "float32", 64, 640),
        ("dense", "in training", "engine", "float32", 64, 640),
        ("dense", "in training", "engine", "predict", 64, 640),
    ]
    if PEERS["spikingjelly"].python.exists():
        rows += [
            ("convolutions", "SpikingJelly", "spikingjelly", option, batch_size, batch_size)
            for option in ("", "predict")
            for batch_size in (64, 1)
        ]
    return [
        {
            "name": f"{network}, {state}, {option or 'float32'}, B = {batch_size}",
            "kind": kind,
            "option": option,
            "batch_size": batch_size,
            "weights": folder / f"{network}.npz" if state == "in training" else None,
            "samples": samples,
            "layers": CONVOLUTIONS if network == "convolutions" else DENSE,
        }
        for network, state, kind, option, batch_size, samples in rows
    ]


def prepare(folder: Path, data_dir: str | None) -> tuple[Path, dict[str, Any]]:
    """Write images and the weights of networks in training; count what their samples ask for."""
    images, labels = load_dataset("mnist", data_dir).train
    images, labels = images.reshape(len(images), -1), labels.astype(np.int64)
    work: dict[str, Any] = {}
    for name, (config, learning_rate) in NETWORKS.items():
        network = DesireNetwork(config)
        work[f"{name}, untrained"] = synaptic_operations(network, images[:64], labels[:64])
        for at in range(NUM_IMAGES, NUM_IMAGES + PRETRAIN, 64):
            network.train_step(images[at : at + 64], labels[at : at + 64], learning_rate)
        work[f"{name}, in training"] = synaptic_operations(network, images[:64], labels[:64])
        np.savez(folder / f"{name}.npz", *network.numpy_weights())
    np.savez(folder / "data.npz", images=images[:NUM_IMAGES], labels=labels[:NUM_IMAGES])
    return folder / "data.npz", work


def summary(results: list[dict[str, Any]], work: dict[str, Any]) -> dict[str, Any]:
    """Derive ratios to SpikingJelly, what an addition that a sample asks for costs, and memory."""
    times = {result["case"]: result for result in results}

    def took(case: str) -> float:
        return float(times[case]["ms_per_sample"])

    found: dict[str, Any] = {"work_per_sample": work, "times_as_fast_as_spikingjelly": {}}
    for option in ("float32", "predict"):
        for batch in ("B = 64", "B = 1"):
            peer = times.get(f"convolutions, SpikingJelly, {option}, {batch}")
            for state in ("untrained", "in training"):
                ours = times.get(f"convolutions, {state}, {option}, {batch}")
                if ours and peer:
                    found["times_as_fast_as_spikingjelly"][f"{state}, {option}, {batch}"] = {
                        "on the clock": peer["ms_per_sample"] / ours["ms_per_sample"],
                        "of the processor": peer["processor_ms_per_sample"]
                        / ours["processor_ms_per_sample"],
                    }
    found["nanoseconds_per_synaptic_operation"] = {
        f"{name}, {option}": 1e6 * took(f"{name}, {option}, B = 64") / operations
        for name, counted in work.items()
        for option, operations in (
            ("float32", counted["forward"] + counted["update"]),
            ("predict", counted["forward"]),
        )
        if f"{name}, {option}, B = 64" in times
    }
    peaks = [
        times[f"convolutions, untrained, float32, B = {size}"]["peak_mebibytes"]
        for size in (64, 256, 1024)
    ]
    found["mebibytes_per_sample_of_a_batch"] = {
        "64 to 256": (peaks[1] - peaks[0]) / (256 - 64),
        "256 to 1024": (peaks[2] - peaks[1]) / (1024 - 256),
    }
    return found


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="folder with MNIST's files; else they are downloaded")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path, default=HERE / "results")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    python = PEERS["spikingjelly"].python
    if not python.exists():
        print(f"{python} is not there: SpikingJelly is left out (make bench-conv makes it)")
    with tempfile.TemporaryDirectory() as name:
        data, work = prepare(Path(name), options.data_dir)
        results = measure(cases(Path(name)), data, options.threads, options.rounds)
    report = {
        "command": "make bench-conv",
        "commit": commit(),
        "networks": {"convolutions": "-".join(CONVOLUTIONS), "dense": "-".join(map(str, DENSE))},
        "data": f"MNIST; in training = after {PRETRAIN} samples",
        "threads": options.threads,
        "rounds": options.rounds,
        "environment": environment(),
        "results": results,
        "summary": summary(results, work),
    }
    print(f"{'case':50} {'ms a sample':>12} {'processor ms':>13} {'peak MiB':>9}")
    for result in results:
        print(
            f"{result['case']:50} {result['ms_per_sample']:12.3f} "
            f"{result['processor_ms_per_sample']:13.3f} {result['peak_mebibytes']:9.0f}"
        )
    print(json.dumps(report["summary"], indent=2))
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "convolutions.json").write_text(json.dumps(report, indent=2) + "\n")
    print(options.output / "convolutions.json")


if __name__ == "__main__":
    main()
