"""Time one sample at a time: runs of training, steps, and classification, beside another checkout.

``python -m benchmarks.online --data-dir DIR --against ../other`` prints a table and writes
``benchmarks/results/online.json``, or what ``--output`` says; ``--only`` times some of it. As in
``benchmarks.engine`` every competitor is a process of its own; they take turns, and the best round
of each counts.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

LAYERS = (784, 1600, 800, 10)
RATE = 1e-5
HERE = Path(__file__).parent
BEST = "training run of mnist-best, B = 1"
NEAR = "training run near the threshold, B = 1"
INTEGERS = "training run in integers, B = 1"
WAYS = {
    "training run, B = 1": 640,
    BEST: 320,
    NEAR: 320,
    INTEGERS: 320,
    "train_step, B = 1": 128,
    "predict, one at a time": 128,
    "evaluate, one at a time": 128,
    "evaluate": 2560,
}
"""What is timed, and samples a round."""


def build(way: str, weights: list[np.ndarray] | None) -> Callable[[Any, Any], list[float]]:
    """Return what takes images and labels, and returns the seconds of each of its calls."""
    from lava_desire import DesireConfig, DesireNetwork, evaluate, fit

    config = DesireConfig.preset("mnist-best" if way == BEST else "mnist")
    config = config.replace(batch_size=1, epochs=1, learning_rate=RATE)
    if way == NEAR:
        config = config.replace(eligibility_width=1.0)
    chosen = {"arithmetic": "fixed_point"} if way == INTEGERS else {"kernels": "compiled"}
    network = DesireNetwork(config, weights=weights, **chosen)

    def run(images: Any, labels: Any) -> list[float]:
        learner = DesireNetwork(config, weights=network.numpy_weights(), **chosen)
        return [fit(learner, (images, labels)).last.seconds]

    def timed(call: Callable[[], Any]) -> float:
        started = time.perf_counter()
        call()
        return time.perf_counter() - started

    if way.startswith("training run"):
        return run
    if way == "evaluate":
        return lambda images, labels: [timed(lambda: evaluate(network, (images, labels)))]
    calls = {
        "train_step, B = 1": lambda image, label: network.train_step(image, label, RATE),
        "predict, one at a time": lambda image, label: network.predict(image),
        "evaluate, one at a time": lambda image, label: evaluate(network, (image, label)),
    }
    call = calls[way]
    return lambda images, labels: [
        timed(partial(call, images[at : at + 1], labels[at : at + 1])) for at in range(len(labels))
    ]


def serve(case: dict[str, Any]) -> None:
    """Be a competitor: a round for every line that is read, a line of JSON for its answer."""
    import torch

    torch.set_num_threads(case["threads"])
    with np.load(case["data"], allow_pickle=False) as file:
        images, labels = file["images"], file["labels"]
    weights = None
    if case["weights"]:
        with np.load(case["weights"], allow_pickle=False) as file:
            weights = [file[name] for name in file.files]
    work, at, size = build(case["way"], weights), 0, WAYS[case["way"]]
    for _ in sys.stdin:
        part = slice(at, at + size)
        at = (at + size) % (len(labels) - size + 1)
        worked = time.process_time()
        seconds = work(images[part], labels[part])
        answer = {"seconds": seconds, "processor": time.process_time() - worked}
        print(json.dumps(answer), flush=True)


class Competitor:
    """A process that serves one way of one checkout."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        self.rounds: list[dict[str, Any]] = []
        environment = {**os.environ, "PYTHONPATH": case["path"], "PYTHONSAFEPATH": "1"}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "online.py"), "--serve", json.dumps(case)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def warm_up(self) -> bool:
        """Let it compile; tell whether it can do what is timed."""
        try:
            self.round()
        except (ValueError, BrokenPipeError):  # it has ended, and said why
            return False
        self.rounds.clear()
        return True

    def round(self) -> None:
        """Let it do its samples once more."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self.rounds.append(json.loads(self._process.stdout.readline()))

    def result(self) -> dict[str, Any]:
        """Return the best round's milliseconds a sample, and those of single calls over all."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        samples = WAYS[self.case["way"]]
        calls = np.concatenate([each["seconds"] for each in self.rounds])
        found = {
            **{name: self.case[name] for name in ("checkout", "way", "state")},
            "ms_a_sample": 1e3 * min(sum(each["seconds"]) for each in self.rounds) / samples,
            "processor_ms_a_sample": 1e3 * min(each["processor"] for each in self.rounds) / samples,
        }
        if len(calls) > len(self.rounds):
            found["median_ms"] = 1e3 * float(np.median(calls))
            found["percentile_99_ms"] = 1e3 * float(np.percentile(calls, 99))
        return found


def floor(weights: Path | None, data: Path) -> dict[str, float]:
    """Return bytes of weights that a sample asks for, and how fast one core reads as many.

    Forward, the rows of inputs that spike are read once; an update of a sample with desire changes
    numbers among those alone, and reads for the first layer's desires the second's same rows.
    """
    import torch

    from lava_desire import DesireConfig, DesireNetwork
    from lava_desire.backends.numba.simd import largest_magnitude

    given = None
    if weights is not None:
        with np.load(weights, allow_pickle=False) as file:
            given = [file[name] for name in file.files]
    network = DesireNetwork(DesireConfig(LAYERS), weights=given)
    with np.load(data, allow_pickle=False) as file:
        images, labels = file["images"][:64], file["labels"][:64]
    result = network.train_step(images, labels, 0.0)
    rows = [float((counts > 0).double().sum(1).mean()) for counts in result.counts[:-1]]
    touched = 4 * sum(rows[k] * LAYERS[k + 1] for k in range(len(rows)))
    bits = torch.cat([each.flatten() for each in network.weights]).numpy().view(np.int32)
    seconds = []
    for _ in range(40):
        started = time.perf_counter()
        largest_magnitude(bits)
        seconds.append(time.perf_counter() - started)
    rate = bits.nbytes / min(seconds[1:])
    return {"bytes": touched, "bytes_a_second": rate, "ms_a_sample": 1e3 * touched / rate}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="folder with MNIST's files; else they are downloaded")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--against", type=Path, help="another checkout, measured in the same run")
    parser.add_argument("--weights", type=Path, help="of a network in training, .npz")
    parser.add_argument("--only", default="", help="pattern of the ways and states to time")
    parser.add_argument("--output", default="online.json", help="name of the file of results")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(json.loads(options.serve))
        return
    from benchmarks.engine import PRETRAIN, prepare
    from benchmarks.report import commit_of  # here, as competitors serve from other checkouts
    from lava_desire._provenance import commit
    from lava_desire.cli.machine import environment

    checkouts = {"ours": HERE.parent}
    if options.against:
        checkouts["before"] = options.against.resolve()
    with tempfile.TemporaryDirectory() as name:
        data, trained, _ = prepare(Path(name), options.data_dir, options.weights)
        states = {"in training": trained, "untrained": None}
        competitors = [
            Competitor(
                {
                    "checkout": checkout,
                    "path": str(path),
                    "way": way,
                    "state": state,
                    "weights": weights and str(weights),
                    "data": str(data),
                    "threads": options.threads,
                }
            )
            for way in WAYS
            for state, weights in states.items()
            for checkout, path in checkouts.items()
            if re.search(options.only, f"{way}, {state}")
        ]
        for competitor in [*competitors]:
            if not competitor.warm_up():
                what = "{way}, {state}, {checkout}".format(**competitor.case)
                if competitor.case["checkout"] == "ours":
                    raise RuntimeError(f"{what} did not start: see its error above")
                print(f"left out, as that checkout may not know it: {what}", file=sys.stderr)
                competitors.remove(competitor)
        for _ in range(options.rounds):
            for competitor in competitors:
                competitor.round()
        results = [competitor.result() for competitor in competitors]
        floors = {state: floor(weights, data) for state, weights in states.items()}
    print(f"{'milliseconds: best round; all calls':48}{'clock':>9} processor    median      99th")
    for each in results:
        columns = [
            f"{each[name]:9.3f}" if name in each else " " * 9
            for name in ("ms_a_sample", "processor_ms_a_sample", "median_ms", "percentile_99_ms")
        ]
        label = f"{each['way']}, {each['state']}, {each['checkout']}"
        print(f"{label:48}" + " ".join(columns))
    for state, found in floors.items():
        print(
            f"floor, {state}: {found['bytes'] / 1e6:.2f} MB at {found['bytes_a_second'] / 1e9:.1f} "
            f"GB/s, {found['ms_a_sample']:.3f} ms"
        )
    report = {
        "command": "python -m benchmarks.online",
        "only": options.only,
        "commit": commit(),
        "against": options.against and commit_of(options.against),
        "network": "-".join(map(str, LAYERS)),
        "data": "MNIST; in training = "
        + (options.weights.name if options.weights else f"after {PRETRAIN} samples at 5e-5"),
        "threads": options.threads,
        "rounds": options.rounds,
        "samples_a_round": WAYS,
        "environment": environment(),
        "results": results,
        "floor": floors,
    }
    path = HERE / "results" / options.output
    path.write_text(json.dumps(report, indent=2) + "\n")
    print(path)


if __name__ == "__main__":
    main()
