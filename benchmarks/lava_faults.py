"""What goes wrong with Lava networks, done on purpose and again and again; see lava_stress.

``python -m benchmarks.lava_faults`` is the script that is interrupted: it prints what its network
holds, and runs it until it is ended.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lava import desire_network, images_for
from lava_desire import DesireConfig
from lava_desire.proc import HangError, ProcessError, install

from lava.magma.core.run_conditions import RunContinuous, RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip
from lava.proc.dense.process import Dense  # isort: skip
from lava.proc.io.sink import RingBuffer as Sink  # isort: skip
from lava.proc.io.source import RingBuffer as Source  # isort: skip
from lava.proc.lif.process import LIF  # isort: skip

SETTINGS = Loihi2SimCfg(select_tag="floating_pt")
SMALL = DesireConfig((16, 8, 4), num_steps=8, error_margin=1, learning_rate=1e-3)


def small_network() -> Any:
    """Compose a network of seven processes that learns."""
    images, labels = images_for(SMALL.layer_sizes[0])
    return desire_network(SMALL, images, labels % SMALL.layer_sizes[-1], learning=True)


def children_of(network: Any) -> list[int]:
    """Return the process ids of a running network: its processes, its service, its memory."""
    infrastructure = network._runtime._messaging_infrastructure
    return [
        *(actor.pid for actor in infrastructure.actors),
        infrastructure.smm._manager._process.pid,
    ]


def segments_of(network: Any) -> list[Path]:
    """Return where the shared memory of a running network is."""
    handles = network._runtime._messaging_infrastructure.smm._shared_memory_handles
    return [Path("/dev/shm") / handle.name.lstrip("/") for handle in handles]


def left(pids: list[int], segments: list[Path]) -> dict[str, int]:
    """Count the processes and segments that are still there, after up to ten seconds."""
    deadline = time.monotonic() + 10
    while True:
        counts = {
            "left_processes": sum(_is_running(pid) for pid in pids),
            "left_segments": sum(segment.exists() for segment in segments),
        }
        if not any(counts.values()) or time.monotonic() > deadline:
            return counts
        time.sleep(0.1)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def kill_children(count: int) -> dict[str, Any]:
    """Kill a child of so many running networks at a random moment, and count what was said."""
    draw, named = random.Random(0), 0
    pids: list[int] = []
    segments: list[Path] = []
    for _ in range(count):
        network = small_network()
        network.run(RunSteps(1), SETTINGS)
        pids += children_of(network)
        segments += segments_of(network)
        victim = draw.choice(network._runtime._messaging_infrastructure.actors)
        killer = threading.Timer(draw.uniform(0, 0.5), os.kill, (victim.pid, signal.SIGKILL))
        killer.start()
        try:
            network.run(RunSteps(10**8))
        except ProcessError as error:
            named += f"{victim.label}: killed by SIGKILL" in str(error)
        killer.join()
    return {"killed": count, "named": named, **left(pids, segments)}


def interrupt_scripts(count: int) -> dict[str, Any]:
    """Interrupt so many scripts, as Ctrl-C does, while they run, pause or read a Var."""
    draw = random.Random(1)
    pids: list[int] = []
    segments: list[Path] = []
    ended = 0
    for _ in range(count):
        script = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.lava_faults"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert script.stdout is not None
        held = script.stdout.readline().split()
        pids += [int(name) for name in held if name.isdigit()]
        segments += [Path("/dev/shm") / name.lstrip("/") for name in held if not name.isdigit()]
        time.sleep(draw.uniform(0, 1.0))
        os.killpg(script.pid, signal.SIGINT)
        try:
            # Ctrl-C is no error: what counts is that the script ends, and its children with it.
            script.wait(60)
            ended += 1
        except subprocess.TimeoutExpired:
            os.killpg(script.pid, signal.SIGKILL)
            script.wait()
    return {"interrupted": count, "ended": ended, **left(pids, segments)}


def hang(count: int) -> dict[str, Any]:
    """Run so many networks into a deadlock: a stock neuron that waits for its own spike."""
    named, seconds = 0, 0.0
    pids: list[int] = []
    segments: list[Path] = []
    for _ in range(count):
        neurons = LIF(shape=(3,))
        neurons.s_out.connect(neurons.a_in)
        neurons.create_runtime(SETTINGS)
        pids += children_of(neurons)
        segments += segments_of(neurons)
        started = time.monotonic()
        try:
            neurons.run(RunSteps(3))
        except HangError as error:
            seconds = max(seconds, time.monotonic() - started)
            named += f"LIF ({neurons.name}) waits in step 1 on a_in" in str(error)
    return {
        "deadlocks": count,
        "named": named,
        "longest_seconds_to_report": seconds,
        **left(pids, segments),
    }


def crowd(num_processes: int, steps: int) -> dict[str, Any]:
    """Run one network of so many processes, a chain of stock neurons and connections."""
    source = Source(data=np.ones((4, 1)))
    below: Any = source.s_out
    for number in range(num_processes - 2):
        process = LIF(shape=(4,), vth=0.5, du=1, dv=1) if number % 2 else Dense(weights=np.eye(4))
        below.connect(process.a_in if number % 2 else process.s_in)
        below = process.s_out if number % 2 else process.a_out
    sink = Sink(shape=(4,), buffer=steps)
    below.connect(sink.a_in)
    times = [time.monotonic()]
    sink.run(RunSteps(1), SETTINGS)
    times.append(time.monotonic())
    files = len(os.listdir("/proc/self/fd"))
    pids, segments = children_of(sink), segments_of(sink)
    sink.run(RunSteps(steps - 1))
    times.append(time.monotonic())
    arrived = int(sink.data.get().any(axis=0).sum())
    sink.stop()
    times.append(time.monotonic())
    start, run, stop = np.diff(times)
    return {
        "processes": num_processes,
        "children": len(pids),
        "segments": len(segments),
        "files_of_parent": files,
        "seconds_to_start": start,
        "steps": steps,
        "steps_per_second": (steps - 1) / run,
        "steps_with_spikes_at_the_end": arrived,
        "seconds_to_stop": stop,
        **left(pids, segments),
    }


def _be_interrupted() -> None:
    # A job in the background of a shell ignores interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    install("processes")
    network = small_network()
    network.create_runtime(SETTINGS)
    names = [segment.name for segment in segments_of(network)]
    print(*children_of(network), *names, flush=True)
    while True:
        network.run(RunSteps(100))
        network.num_samples.get()
        network.run(RunContinuous())
        network.pause()


if __name__ == "__main__":
    _be_interrupted()
