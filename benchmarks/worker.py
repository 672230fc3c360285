"""One competitor of the benchmark, in a process of its own.

Reads what to be from its arguments, then does one round for every line it reads and answers with a
line of JSON. It runs in the environment of the library that it measures, so it imports nothing but
NumPy before it knows which that is.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

NUM_STEPS = 20
LEARNING_RATE = 1e-5
IMAGE = (1, 28, 28)

Step = Callable[[np.ndarray, np.ndarray], Any]


def engine(
    layers: tuple[Any, ...], weights: list[np.ndarray] | None, option: str, batch_size: int
) -> Step:
    """Build our network in a precision; ``torch:`` before it takes torch operations.

    ``predict`` classifies; ``run`` is a training run on a whole round; ``near`` learns within a
    threshold of the threshold. Layers that are texts, as ``16c5s2``, see images of 28 x 28, and
    count traces from their mean.
    """
    from lava_desire import DesireConfig, fit
    from lava_desire.engine import DesireNetwork

    if isinstance(layers[0], str):
        config = DesireConfig(layers=layers, input_shape=IMAGE, trace_baseline=1.0)
    else:
        config = DesireConfig(layers)
    if option == "run":
        config = config.replace(batch_size=batch_size, epochs=1, learning_rate=LEARNING_RATE)
        network = DesireNetwork(config, weights=weights, kernels="compiled")
        start = network.numpy_weights()
        wait_for_loops(network)
        return lambda images, labels: fit(
            DesireNetwork(config, weights=start, kernels="compiled"), (images, labels)
        )
    if option == "near":
        config = config.replace(eligibility_width=1.0)
    precision = "float32" if option in ("predict", "near") else option.removeprefix("torch:")
    kernels = "compiled" if precision == "float32" else "auto"  # which waits for no compiler
    if option.startswith("torch:"):
        kernels = "torch"
    network = DesireNetwork(config, weights=weights, precision=precision, kernels=kernels)
    if option == "predict":
        return lambda images, labels: network.predict(images)
    return lambda images, labels: network.train_step(images, labels, LEARNING_RATE)


def wait_for_loops(network: Any) -> None:
    """Wait until other processes have compiled the loop of a training run, where it has one."""
    try:
        from lava_desire.backends.numba import ahead
    except ImportError:  # of an older checkout
        return
    if not network.learns_in_turn:  # which lets them begin
        for group in ("single", "loop"):
            ahead.finish(group)


def ceiling(layers: tuple[Any, ...], weights: Any, option: str, batch_size: int) -> Step:
    """Multiply float32 matrices of the size of the first layer's currents for B = 64."""
    import torch

    left = torch.rand(NUM_STEPS * 64, layers[0])
    right = torch.rand(layers[0], layers[1])
    result = torch.empty(len(left), layers[1])
    return lambda images, labels: torch.mm(left, right, out=result)


def peak_mebibytes() -> float:
    """Return the peak memory of this process.

    Linux keeps it in two places, and what ``getrusage`` says includes the process that started
    this one, before it became another program.
    """
    try:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


OURS = {"engine": engine, "ceiling": ceiling}


def limit_threads(threads: int) -> None:
    """Let this process compute in so many threads: of torch, or where it is not there, of JAX."""
    try:
        import torch
    except ImportError:
        if hasattr(os, "sched_setaffinity"):
            processors = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, processors[:threads])  # JAX has a thread a processor
        return
    torch.set_num_threads(threads)
    torch.manual_seed(0)


def main() -> None:
    """Be the competitor that the arguments name: a file of data, and a JSON object."""
    with np.load(sys.argv[1], allow_pickle=False) as data:
        images, labels = data["images"], data["labels"]
    case = json.loads(sys.argv[2])
    limit_threads(case["threads"])
    weights = None
    if case["weights"] is not None:
        with np.load(case["weights"], allow_pickle=False) as file:
            weights = [file[name] for name in file.files]
    kind, layers, batch_size = case["kind"], tuple(case["layers"]), case["batch_size"]
    whole_rounds = case["option"] == "run"
    if kind in OURS:
        step = OURS[kind](layers, weights, case["option"], batch_size)
    else:
        peer = importlib.import_module(f"benchmarks.peers.{kind}")
        step = peer.build(layers, case["option"], batch_size)
        whole_rounds = getattr(peer, "WHOLE_ROUNDS", False)
    at = 0
    print("ready", flush=True)
    for line in sys.stdin:
        size = int(line) if whole_rounds else batch_size
        started, worked, done = time.perf_counter(), time.process_time(), 0
        while done < int(line):
            if at + size > len(labels):
                at = 0
            step(images[at : at + size], labels[at : at + size])
            at, done = at + size, done + size
        answer = {
            "samples": done,
            "seconds": time.perf_counter() - started,
            "processor_seconds": time.process_time() - worked,
            "peak_mebibytes": peak_mebibytes(),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
