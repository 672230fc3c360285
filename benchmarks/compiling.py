"""How long kernels take to compile where the cache is empty, and the list of what is called.

python -m benchmarks.compiling [--record]

With ``--record`` the list that :mod:`lava_desire.backends.numba.ahead` compiles from is written: do
so after a change of a kernel's parameters. Types are what numba has seen in small training runs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from typing import Any

import numba
import numpy as np
import torch
from numba import types
from numba.core import event

RUNS: dict[str, dict[str, Any]] = {
    "dense": {"layer_sizes": (6, 5, 4, 3), "batch_size": 4},
    "single": {"layer_sizes": (6, 5, 4, 3), "batch_size": 1},
    "planes": {"layers": ("2c3s1", "3"), "input_shape": (1, 6, 6), "batch_size": 4},
    "near": {"layer_sizes": (6, 5, 4, 3), "batch_size": 4, "eligibility_width": 0.5},
}


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
        if not kind.mutable or kind.layout == "F":
            raise ValueError(f"{kind} has no text that numba reads")
        axes = [":"] * (kind.ndim - 1) + ["::1" if kind.layout == "C" else ":"]
        return f"{text_of(kind.dtype)}[{','.join(axes)}]"
    if isinstance(kind, types.UniTuple):
        return f"UniTuple({text_of(kind.dtype)}, {kind.count})"
    return "boolean" if kind == types.boolean else str(kind)


def record() -> str:
    """Return the list, a line a kernel: group, milliseconds, name, types."""
    from lava_desire import DesireConfig, DesireNetwork, evaluate, fit
    from lava_desire.model.synapses import layers_of

    torch.set_num_threads(2)  # so that one waits for the other
    lines: list[str] = []
    known = set()
    for group, settings in RUNS.items():
        listener = Noted()
        event.register("numba:compile", listener)
        if "layers" in settings:
            settings = {**settings, "layers": layers_of(settings["layers"])}
        config = DesireConfig(**settings, num_steps=5, epochs=1, learning_rate=0.1)
        images = np.random.default_rng(0).integers(0, 256, (24, config.neurons[0]), np.uint8)
        labels = np.arange(24) % 3
        network = DesireNetwork(config, kernels="compiled")
        fit(network, (images, labels), (images, labels))
        evaluate(network, (images, labels))
        network.forward(images[:2])
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
    asked = parser.parse_args()
    numba.config.CACHE_DIR = tempfile.mkdtemp()
    from lava_desire.backends.numba import ahead

    ahead.start = lambda *groups, **options: None
    text = record()
    if asked.record:
        ahead.LIST.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
