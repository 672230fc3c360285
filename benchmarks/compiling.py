"""How long kernels take to compile where the cache is empty, and the list of what is called.

python -m benchmarks.compiling [--record] [floats] [integers]

With ``--record`` the list that :mod:`lava_desire.backends.numba.ahead` compiles from is written: do
so after a change of a kernel's parameters. Types are what numba has seen in small training runs, in
floating point and in integers; each of the two lists all that it calls, in a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from typing import Any

import numba
import numpy as np
import torch
from numba import types
from numba.core import event

_DENSE: dict[str, Any] = {"layer_sizes": (6, 5, 4, 3), "batch_size": 4}
_PLANES: dict[str, Any] = {"layers": ("2c3s1", "3"), "input_shape": (1, 6, 6), "batch_size": 4}
RUNS: dict[str, dict[str, dict[str, Any]]] = {
    "floats": {
        "dense": _DENSE,
        "single": {**_DENSE, "batch_size": 1},
        "planes": _PLANES,
        "near": {**_DENSE, "eligibility_width": 0.5},
        "loop": _DENSE,
        "near_loop": {**_DENSE, "eligibility_width": 0.5},
    },
    "integers": {  # whose threshold is low, so that what is learned from spikes is called
        "integers": {**_DENSE, "threshold": 0.2},
        "integer_single": {**_DENSE, "threshold": 0.2, "batch_size": 1},
        "integer_planes": {**_PLANES, "layers": ("2c3s1", "2c2s1", "3"), "threshold": 0.2},
    },
}
"""Groups of kernels and the network whose training calls them, by arithmetic."""


class Noted(event.Listener):  # type: ignore[misc]
    """Takes note of every function that is compiled because Python calls it."""

    def __init__(self) -> None:
        self.found: list[tuple[Any, tuple[Any, ...], float]] = []
        self._begun: list[float] = []

    def on_start(self, event: Any) -> None:
        """See numba."""
        self._begun.append(time.process_time())

    def on_end(self, event: Any) -> None:
        """See numba."""
        seconds = time.process_time() - self._begun.pop()
        if not self._begun:
            self.found.append((event.data["dispatcher"], event.data["args"], seconds))


def text_of(kind: Any) -> str:
    """Return a type as numba reads it."""
    if isinstance(kind, types.Array):
        if not kind.mutable:
            raise ValueError(f"{kind} has no text that numba reads")
        axes = [":"] * kind.ndim
        if kind.layout in "CF":
            axes[0 if kind.layout == "F" else -1] = "::1"
        return f"{text_of(kind.dtype)}[{','.join(axes)}]"
    if isinstance(kind, types.UniTuple):
        return f"UniTuple({text_of(kind.dtype)}, {kind.count})"
    if isinstance(kind, types.Tuple):
        return f"Tuple(({', '.join(map(text_of, kind.types))}))"
    return "boolean" if kind == types.boolean else str(kind)


def find_none() -> None:
    """Let this process find nothing in numba's cache."""
    numba.config.CACHE_DIR = tempfile.mkdtemp()


def record(arithmetic: str) -> str:
    """Return the list, a line a kernel: group, milliseconds, name, types.

    What this process has compiled before, or finds in the cache, is not in it.
    """
    from lava_desire import DesireConfig, DesireNetwork, evaluate, fit
    from lava_desire.backends.numba import ahead
    from lava_desire.backends.registry import FIXED_POINT
    from lava_desire.model.synapses import layers_of

    ahead.start = lambda *groups, **options: None
    ahead.is_done = lambda asked: asked == group or not asked.endswith("loop")
    in_integers = arithmetic == "integers"
    chosen = {"arithmetic": FIXED_POINT} if in_integers else {"kernels": "compiled"}
    torch.set_num_threads(2)  # so that one waits for the other
    lines: list[str] = []
    known = set()
    for group, settings in RUNS[arithmetic].items():  # whose loops over minibatches come last
        listener = Noted()
        event.register("numba:compile", listener)
        if "layers" in settings:
            settings = {**settings, "layers": layers_of(settings["layers"])}
        config = DesireConfig(**settings, num_steps=5, epochs=1, learning_rate=0.1)
        images = np.random.default_rng(0).integers(0, 256, (24, config.neurons[0]), np.uint8)
        labels = np.arange(24) % 3
        network = DesireNetwork(config, **chosen)
        fit(network, (images, labels), (images, labels))
        evaluate(network, (images, labels))
        network.forward(images[:2])
        if group == "single":
            network.predict(images[:1])
        event.unregister("numba:compile", listener)
        for dispatcher, kinds, seconds in listener.found:
            function = dispatcher.py_func
            module = function.__module__.partition("lava_desire.backends.")[2]
            line = f"{module}.{function.__name__} {', '.join(map(text_of, kinds))}"
            if line not in known:
                known.add(line)
                lines.append(f"{group} {1000 * seconds:.0f} {line}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the list, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the package's list")
    parser.add_argument("arithmetics", nargs="*", metavar="floats | integers", default=list(RUNS))
    asked = parser.parse_args()
    if unknown := set(asked.arithmetics) - set(RUNS):
        parser.error(f"{', '.join(unknown)}: expected {' or '.join(RUNS)}")
    from lava_desire.backends.numba import ahead

    spawned = multiprocessing.get_context("spawn")
    with spawned.Pool(1, initializer=find_none, maxtasksperchild=1) as pool:
        lines = "".join(pool.map(record, asked.arithmetics, chunksize=1)).splitlines()
    sys.stdout.write("\n".join([*lines, ""]))
    if asked.record:
        groups = {group for arithmetic in asked.arithmetics for group in RUNS[arithmetic]}
        kept = [
            each for each in ahead.LIST.read_text().splitlines() if each.split()[0] not in groups
        ]
        order = [group for found in RUNS.values() for group in found]
        lines = sorted([*kept, *lines], key=lambda line: order.index(line.split()[0]))
        ahead.LIST.write_text("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
