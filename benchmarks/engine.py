"""Time a training sample: our engine, five other libraries, and the machine's matrix product.

``make bench`` runs it, prints a table, and writes ``benchmarks/results/engine.json`` and
``engine.png``. Every competitor is a process of its own; they take turns, so that a busy machine
slows all of them alike, and the best round of each counts. The images are MNIST's.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.peers import PEERS
from benchmarks.report import commit_of, draw, print_table, summary
from lava_desire import DesireConfig, DesireNetwork, load_dataset
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment

LAYERS = (784, 1600, 800, 10)
HERE = Path(__file__).parent
NUM_IMAGES = 10_240
UNTRAINED = 2_560  # samples of a run from the first on, of which 92 % have desire; of 10,240 79 %
PRETRAIN = 12800


def cases(trained: Path, against: Path | None, only: str = "") -> list[dict[str, Any]]:
    """List the competitors that a pattern is found in: name, kind, option, batch size and so on."""
    table: list[tuple[str, str, str, int, Path | None, int]] = [
        ("ours, untrained, B = 64", "engine", "run", 64, None, UNTRAINED),
        ("ours, in training, B = 64", "engine", "run", 64, trained, NUM_IMAGES),
        ("ours in single steps, untrained, B = 64", "engine", "float32", 64, None, 640),
        ("ours in single steps, in training, B = 64", "engine", "float32", 64, trained, 640),
        ("ours, untrained, B = 1", "engine", "run", 1, None, UNTRAINED),
        ("ours, in training, B = 1", "engine", "run", 1, trained, NUM_IMAGES),
        ("ours near the threshold, in training, B = 64", "engine", "near", 64, trained, 640),
        ("ours, bfloat16x2, B = 64", "engine", "bfloat16x2", 64, None, 128),
        ("ours, torch operations, B = 64", "engine", "torch:float32", 64, None, 64),
        ("ours, untrained, B = 256", "engine", "run", 256, None, UNTRAINED),
        ("matrix product", "ceiling", "", 64, None, 128),
    ]
    for kind, peer in PEERS.items():
        if not peer.python.exists():
            print(f"{peer.name} is left out: {peer.python} is not there", file=sys.stderr)
            continue
        for option, way in {"": "", **peer.other_ways}.items():
            table += [
                (f"{peer.name}{way}, B = {batch_size}", kind, option, batch_size, None, samples)
                for batch_size, samples in ((64, 128), (1, 16))
            ]
    names = ("name", "kind", "option", "batch_size", "weights", "samples")
    listed = [dict(zip(names, row, strict=True)) for row in table]
    if against is not None:
        listed += [
            {**case, "name": f"before: {case['name']}", "path": str(against)}
            for case in listed
            if case["kind"] == "engine"
        ]
    return [case for case in listed if re.search(only, case["name"])]


class Competitor:
    """A worker process that does a round when asked."""

    def __init__(self, case: dict[str, Any], data: Path, threads: int) -> None:
        self.case, self.rounds = case, []  # type: ignore[var-annotated]
        kind = case["kind"]
        python = str(PEERS[kind].python) if kind in PEERS else sys.executable
        what = {
            **{name: case[name] for name in ("kind", "option", "batch_size")},
            "weights": case["weights"] and str(case["weights"]),
            "layers": case.get("layers", LAYERS),
            "threads": threads,
        }
        self._process = subprocess.Popen(
            [python, str(HERE / "worker.py"), str(data), json.dumps(what)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HERE,
            # The folder of this file holds names that are those of packages, as lava.py.
            env={
                "PYTHONPATH": case.get("path", str(HERE.parent)),
                "PYTHONSAFEPATH": "1",
                "PATH": "/usr/bin:/bin",
            },
        )

    def warm_up(self) -> None:
        """Wait until it is there, and let it compile and allocate."""
        if self._answer() != "ready\n":
            raise RuntimeError(f"{self.case['name']} did not start: see its error above")
        self.round(self.case["samples"])
        self.rounds.clear()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def round(self, samples: int) -> None:
        """Train on so many samples and note what it took."""
        self.begin(samples)
        self.end()

    def begin(self, samples: int) -> None:
        """Let it train on so many samples."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{samples}\n")
        self._process.stdin.flush()

    def end(self) -> None:
        """Wait for it, and note what it took."""
        answer = self._answer()
        if not answer:
            raise RuntimeError(f"{self.case['name']} died: see its error above")
        self.rounds.append(json.loads(answer))

    def result(self) -> dict[str, Any]:
        """Return the best round, a sample, and the peak memory of the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        return {
            "case": self.case["name"],
            "batch_size": self.case["batch_size"],
            "ms_per_sample": 1e3 * min(r["seconds"] / r["samples"] for r in self.rounds),
            "processor_ms_per_sample": 1e3
            * min(r["processor_seconds"] / r["samples"] for r in self.rounds),
            "peak_mebibytes": self.rounds[-1]["peak_mebibytes"],
        }


def measure(
    listed: list[dict[str, Any]], data: Path, threads: int, rounds: int
) -> list[dict[str, Any]]:
    """Let all cases take turns, and return what each of them took."""
    competitors = []
    for competitor in [Competitor(case, data, threads) for case in listed]:
        try:
            competitor.warm_up()
        except RuntimeError as error:
            if "path" not in competitor.case:
                raise
            print(f"left out, as that checkout may not know it: {error}", file=sys.stderr)
        else:
            competitors.append(competitor)
    for _ in range(rounds):
        for competitor in competitors:
            competitor.round(competitor.case["samples"])
    return [competitor.result() for competitor in competitors]


def prepare(
    folder: Path, data_dir: str | None, weights: Path | None
) -> tuple[Path, Path, dict[str, Any]]:
    """Write images and the weights of a network in training; count what its samples ask for."""
    images, labels = load_dataset("mnist", data_dir).train
    data, trained = folder / "data.npz", folder / "trained.npz"
    images, labels = images.reshape(len(images), -1), labels.astype(np.int64)
    network = DesireNetwork(DesireConfig(LAYERS))
    work = {"untrained": synaptic_operations(network, images[:64], labels[:64])}
    if weights is not None:
        with np.load(weights, allow_pickle=False) as file:
            network = DesireNetwork(network.config, weights=[file[name] for name in file.files])
    else:
        for at in range(NUM_IMAGES, NUM_IMAGES + PRETRAIN, 64):
            network.train_step(images[at : at + 64], labels[at : at + 64], 5e-5)
    work["in training"] = synaptic_operations(network, images[:64], labels[:64])
    np.savez(trained, *network.numpy_weights())
    np.savez(data, images=images[:NUM_IMAGES], labels=labels[:NUM_IMAGES])
    return data, trained, work


def synaptic_operations(
    network: DesireNetwork, images: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    """Count the additions a sample asks for: one a spike and synapse, forward and update."""
    seen = network.samples_seen
    result = network.train_step(images, labels, 0.0)
    network.samples_seen = seen
    forward = update = 0.0
    for layer, synapse in enumerate(network.config.synapses, start=1):
        before, behind = (counts.double() for counts in result.counts[layer - 1 : layer + 1])
        desires = result.desires[layer - 1] != 0
        masks = result.activity.masks or []
        if layer < len(masks):
            desires = desires & masks[layer]
        arrived = synapse.forward(torch.ones(synapse.weight_shape, dtype=torch.float64), before)
        forward += float(arrived.sum())
        update += float((arrived * (desires & (behind > 0))).sum())
    return {
        "forward": forward / len(images),
        "update": update / len(images),
        "active_share": result.num_active / len(images),
    }


def main() -> None:
    """Measure, print, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="folder with MNIST's files; else they are downloaded")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--against", type=Path, help="another checkout, measured in the same run")
    parser.add_argument("--weights", type=Path, help="of a network in training, .npz")
    parser.add_argument("--only", default="", help="pattern of cases to time, which prints them")
    parser.add_argument(
        "--output", type=Path, default=HERE / "results", help="folder; with --only, a .json file"
    )
    options = parser.parse_args()
    if options.only and options.output.suffix not in ("", ".json"):
        parser.error(f"--output is {options.output}: expected a .json file with --only")
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        data, trained, work = prepare(Path(name), options.data_dir, options.weights)
        listed = cases(trained, options.against and options.against.resolve(), options.only)
        results = measure(listed, data, options.threads, options.rounds)
    report = {
        "command": "make bench",
        "commit": commit(),
        "against": options.against and commit_of(options.against),
        "network": "-".join(map(str, LAYERS)),
        "data": "MNIST; in training = "
        + (f"{options.weights}" if options.weights else f"after {PRETRAIN} samples at 5e-5"),
        "threads": options.threads,
        "rounds": options.rounds,
        "environment": environment(),
        "peers": {peer.name: peer.how for peer in PEERS.values()},
        "results": results,
    }
    if options.only:
        report |= {"command": "python -m benchmarks.engine", "only": options.only}
        print(json.dumps(results, indent=2))
        if options.output.suffix == ".json":
            options.output.write_text(json.dumps(report, indent=2) + "\n")
        return
    report["summary"] = summary(results, work, LAYERS)
    print_table(report)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "engine.json").write_text(json.dumps(report, indent=2) + "\n")
    draw(results, report["environment"]["processor"], options.output / "engine.png")
    print(options.output / "engine.json", options.output / "engine.png", sep="\n")


if __name__ == "__main__":
    main()
