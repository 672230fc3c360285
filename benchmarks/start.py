"""How long commands take to answer, a fresh installation to train, and what memory training takes.

``python -m benchmarks.start [--against CHECKOUT]`` prints and writes ``results/start.json``. They
are run in turns with those of another checkout; the best of the rounds counts, in processor time,
children included, and on the clock. A fresh installation is an empty NUMBA_CACHE_DIR. Processes
that still compile when a run has ended are waited for, and not counted. Python keeps bytecode
beside the sources, as it is there where the package is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lava_desire._provenance import commit
from lava_desire.cli import COMMANDS
from lava_desire.cli.machine import environment

HERE = Path(__file__).parent
ANSWERED = (
    *("--help", "info", "eval none", "train --decay 2"),
    *("train --dataset mnist --data-dir docs", "watch docs/none", "compare none"),
    *(f"{name} --help" for name in COMMANDS),
)
FRESH = """
import sys, threading, time


def watch():
    while not hasattr(sys.modules.get("lava_desire.network"), "DesireNetwork"):
        time.sleep(0.005)
    network = sys.modules["lava_desire.network"].DesireNetwork
    learn = network.train_step_checked

    def learn_and_say(*arguments, **options):
        network.train_step_checked = learn
        result = learn(*arguments, **options)
        print("first step", flush=True)
        return result

    network.train_step_checked = learn_and_say


threading.Thread(target=watch, daemon=True).start()
from lava_desire.cli import main
main(["train", "--epochs", "1", "--output", sys.argv[1]])
"""
WAIT = """
import time
from lava_desire.backends.numba.ahead import listed
while any(kernel.is_missing() for kernel in listed(["dense"])):
    time.sleep(0.2)
"""
COMPILE = """
from lava_desire.backends.numba import ahead
groups = "dense", "single", "planes", "near"
ahead.start(*groups)
for group in groups:
    ahead.finish(group)
"""
MEMORY = """
import json
from pathlib import Path


def mebibytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024, 1)


found = {"interpreter": mebibytes("VmRSS")}
import numpy as np
found["numpy"] = mebibytes("VmRSS")
import torch
found["torch"] = mebibytes("VmRSS")
import lava_desire.backends.numba.jit  # as all kernels import numba
from numba.core.registry import cpu_target
cpu_target.target_context.refresh()  # as loading any compiled function does
found["numba"] = mebibytes("VmRSS")
from lava_desire import DesireConfig, DesireNetwork, fit
network = DesireNetwork(
    DesireConfig((784, 1600, 800, 10), batch_size=1, epochs=1, learning_rate=1e-5)
)
found["network"] = mebibytes("VmRSS")
draw = np.random.default_rng(0)
images = draw.integers(0, 256, (1480, 784), np.uint8)
images[draw.random(images.shape, np.float32) > 0.2] = 0
labels = np.arange(len(images)) % 10
train, test = (images[:200], labels[:200]), (images[200:], labels[200:])
fit(network, train)
found["peak of training"] = mebibytes("VmHWM")
fit(network, train, test)
found["peak with a test set"] = mebibytes("VmHWM")
for name in ("peak of training", "peak with a test set"):
    found[name + ", beyond torch"] = round(found[name] - found["torch"], 1)
print(json.dumps(found))
"""


def timed(arguments: list[str], root: str, **variables: str) -> dict[str, Any]:
    """Run Python in a checkout; return seconds, lines with when they came, and output."""
    variables = {**os.environ, "PYTHONPATH": root, "PYTHONUNBUFFERED": "1", **variables}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=root,  # which Python puts before PYTHONPATH
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines = [(time.perf_counter() - begun, line.strip()) for line in process.stdout]
    process.wait()
    clock, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"processor": spent, "clock": clock, "lines": lines}


def fresh_start(root: str) -> dict[str, float]:
    """Train digits for an epoch with no kernel compiled; return seconds until what is printed."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        cache = f"{folder}/cache"
        found = timed(["-c", FRESH, f"{folder}/run"], root, NUMBA_CACHE_DIR=cache)
        timed(["-c", WAIT], root, NUMBA_CACHE_DIR=cache)
    epoch = next(when for when, line in found["lines"] if line.startswith("1/1"))
    begun = next(when for when, line in found["lines"] if line.startswith("digits:"))
    first = found["lines"][0][0]
    step = next(when for when, line in found["lines"] if line == "first step")
    shown = {"first line": first, "training begins": begun, "first step": step}
    shown["first epoch"] = epoch
    return {**shown, "processor": found["processor"]}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", help="another checkout")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--fresh-rounds", type=int, default=2)
    options = parser.parse_args()
    roots = {"ours": str(HERE.parent), **({"before": options.against} if options.against else {})}
    results: dict[str, Any] = {name: {"answers": {}} for name in roots}
    for command in ANSWERED:
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in roots}
        for _ in range(options.rounds):
            for name, root in roots.items():
                rounds[name].append(timed(["-m", "lava_desire", *command.split()], root))
        for name, runs in rounds.items():
            best = {
                kind: round(min(run[kind] for run in runs), 3) for kind in ("processor", "clock")
            }
            results[name]["answers"][command] = best
            print(f"{name:8}{command:40}{best}")
    fresh: dict[str, list[dict[str, float]]] = {name: [] for name in roots}
    for _ in range(options.fresh_rounds):
        for name, root in roots.items():
            fresh[name].append(fresh_start(root))
    for name, runs in fresh.items() if options.fresh_rounds else ():
        best_run = {what: round(min(run[what] for run in runs), 2) for what in runs[0]}
        results[name]["fresh installation"] = best_run
        print(f"{name:8}fresh installation {best_run}")
    for name, root in roots.items():
        timed(["-c", COMPILE], root)
        memory = json.loads(timed(["-c", MEMORY], root)["lines"][-1][1])
        results[name]["mebibytes, B = 1"] = memory
        print(f"{name:8}memory {memory}")
    against = " --against CHECKOUT" if options.against else ""
    rounds_of = f" --rounds {options.rounds} --fresh-rounds {options.fresh_rounds}"
    record = {
        "command": f"python -m benchmarks.start{against}{rounds_of}",
        "commit": commit(),
        "environment": environment(),
        "load of the last 1, 5 and 15 minutes": os.getloadavg(),
        "seconds": results,
    }
    (HERE / "results" / "start.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
