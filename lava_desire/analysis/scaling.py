"""Time of forward pass, backward pass and update, and memory, against hidden neurons: Fig. 9."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lava_desire.analysis.style import SERIES, grid, plots
from lava_desire.analysis.training import Samples
from lava_desire.config import DesireConfig
from lava_desire.engine import DesireNetwork
from lava_desire.sheet import Sheet

PHASES = ("forward", "backward", "update")
_MEGABYTE = 2**20


@dataclass(frozen=True)
class Scaling:
    """Cost of training a network of one hidden layer, by its size.

    `milliseconds` maps a phase of :data:`PHASES` to ms of processor time a sample, of all threads
    together, least of the rounds, one number a size of `hidden`: unlike the time on the clock it is
    not what others on the machine make of it. `megabytes` is the peak memory above what the process
    had before.
    """

    hidden: list[int]
    milliseconds: dict[str, list[float]]
    megabytes: list[float]
    batch_size: int
    threads: int
    network: str


def logarithmic_sizes(smallest: int, largest: int, count: int) -> list[int]:
    """Return sizes in even logarithmic steps, both ends included."""
    return [round(size) for size in np.geomspace(smallest, largest, count)]


def measure_scaling(
    base: DesireConfig, data: Samples, hidden: Sequence[int], rounds: int = 5
) -> Scaling:
    """Time training steps of N_0 – N – N_L networks, each in a process of its own.

    The first minibatch of `data` is learned again and again, at a rate of 0, so that every round
    does the same work; one round warms up, and the fastest of the others counts. Raises ValueError
    if there are fewer samples than a minibatch has, or no size, or no round.
    """
    batch_size = base.batch_size
    images, labels = (np.asarray(array)[:batch_size] for array in data)
    if len(labels) < batch_size or not hidden or rounds < 1:
        raise ValueError(
            f"{len(labels)} samples, {len(hidden)} sizes and {rounds} rounds: expected at least "
            f"{batch_size} samples, a size and a round"
        )
    milliseconds: dict[str, list[float]] = {phase: [] for phase in PHASES}
    megabytes = []
    for size in hidden:
        config = base.resized(hidden=(size,), learning_rate_scale=())
        work = (config, images, labels, rounds, torch.get_num_threads())
        # A fresh process: the peak of memory is a process's, and is never forgotten.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, memory = pool.apply(_measure_size, work)
        for phase, value in zip(PHASES, seconds, strict=True):
            milliseconds[phase].append(1e3 * value / batch_size)
        megabytes.append(memory / _MEGABYTE)
    network = f"{base.num_inputs}-N-{base.num_classes}"
    return Scaling(
        list(hidden), milliseconds, megabytes, batch_size, torch.get_num_threads(), network
    )


def _measure_size(
    config: DesireConfig,
    images: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    rounds: int,
    threads: int,
) -> tuple[list[float], float]:
    """Return seconds a minibatch of each phase, and bytes."""
    torch.set_num_threads(threads)
    # Compile, and import what is imported late, before memory is looked at.
    small = DesireNetwork(config.resized(hidden=(1,)))
    _time_phases(small, images, labels)
    before = _peak_memory()
    network = DesireNetwork(config)
    times = [_time_phases(network, images, labels) for _ in range(rounds + 1)][1:]
    return [min(phase) for phase in zip(*times, strict=True)], _peak_memory() - before


def _time_phases(
    network: DesireNetwork, images: npt.NDArray[Any], labels: npt.NDArray[Any]
) -> list[float]:
    masks = [np.ones(size, bool) for size in network.config.neurons[:-1]]
    forward, activity = _timed(lambda: network.forward(images, masks))
    backward, desires = _timed(lambda: network.desires(activity, labels))
    layers = list(enumerate(desires, start=1))
    update, _ = _timed(
        lambda: [network.update_layer(layer, activity, each, 0.0) for layer, each in layers]
    )
    return [forward, backward, update]


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def _peak_memory() -> int:
    """Return the peak of this process's memory in bytes."""
    if sys.platform == "win32":
        raise OSError("the peak memory of a process can be read on Linux and macOS only")
    import resource

    try:
        # Unlike what getrusage says, this does not count the process that started this one.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@plots
def plot_scaling(sheet: Sheet, measured: Scaling, title: str) -> None:
    """Draw time a sample and memory against hidden neurons, in logarithmic scales (Fig. 9)."""
    ((left, right),) = sheet.several(1, 2, (11, 4.6))
    largest = measured.hidden[-1]
    for phase, style in zip(PHASES, SERIES, strict=False):
        times = measured.milliseconds[phase]
        left.plot(measured.hidden, times, markersize=4, label=phase, **style)
        left.annotate(
            f"{times[-1]:.3g}",
            (largest, times[-1]),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    left.set_ylabel("processor time a sample (ms)")
    left.margins(x=0.12)
    left.set_title(
        f"time, {measured.network}, batch {measured.batch_size}, {measured.threads} thread"
        + ("s" if measured.threads > 1 else ""),
        fontsize=10,
    )
    right.plot(measured.hidden, measured.megabytes, markersize=4, label="measured", **SERIES[0])
    right.set_ylabel("peak memory of network and training step (MiB)")
    right.set_title("memory", fontsize=10)
    for axes, last in (
        (left, measured.milliseconds["forward"][-1]),
        (right, measured.megabytes[-1]),
    ):
        line = [last * size / largest for size in measured.hidden]
        axes.plot(measured.hidden, line, color="0.6", linewidth=1, label="proportional to N")
        axes.set(xscale="log", yscale="log", xlabel="hidden neurons N")
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3, which="both", linewidth=0.5)
        grid(axes)
    sheet.title(title or "Cost of training against hidden neurons")
