"""Run Lava networks for a long time, often, and against what goes wrong, and look for what is left.

``make soak-lava`` runs everything below, prints what it saw, writes
``benchmarks/results/lava_stress.json`` and fails if a child's memory, threads or open files grew,
if a process or a segment of shared memory is left, or if a failure was not named. Parts can be run
alone, ``python -m benchmarks.lava_stress long_run kills``, and take the places of theirs in the
file: each has the commit and the load that it was run with.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.lava import desire_network, images_for
from benchmarks.lava_faults import (
    SETTINGS,
    children_of,
    crowd,
    hang,
    interrupt_scripts,
    kill_children,
    left,
    segments_of,
    small_network,
)
from lava_desire import DesireConfig
from lava_desire._provenance import commit
from lava_desire.proc import HangError, install

from lava.magma.core.run_conditions import RunSteps  # isort: skip
from lava.proc.lif.process import LIF  # isort: skip

RESULT = Path(__file__).parent / "results" / "lava_stress.json"
SAMPLES = 10
ALLOWED_KIB = 1024
"""Growth of a child's memory between a tenth of the run and its end that counts as none."""


def digits_network() -> Any:
    """Compose the network that learns the digits."""
    config = DesireConfig.preset("digits")
    return desire_network(config, *images_for(config.layer_sizes[0]), learning=True)


def resources(pid: int) -> dict[str, int]:
    """Return what a process holds: memory in KiB, threads, open files."""
    proc = Path(f"/proc/{pid}")
    pages = int((proc / "statm").read_text().split()[1])
    return {
        "resident_kib": pages * os.sysconf("SC_PAGE_SIZE") // 1024,
        "threads": len(list((proc / "task").iterdir())),
        "files": len(list((proc / "fd").iterdir())),
    }


def soak(build: Callable[[], Any], steps: int, samples: int = SAMPLES) -> dict[str, Any]:
    """Run one network for so many steps in one run, and look at its children as it goes."""
    network = build()
    network.run(RunSteps(100), SETTINGS)
    try:
        pids, segments = children_of(network), segments_of(network)
        present = [segment.exists() for segment in segments]
        started = time.perf_counter()
        network.run(RunSteps(100))
        # So long a tenth of the run takes, about.
        pause = (time.perf_counter() - started) / 100 * steps / (samples + 1)
        started = time.perf_counter()
        network.run(RunSteps(steps, blocking=False))
        seen = []
        while len(seen) < samples:
            time.sleep(pause)
            seen.append([resources(pid) for pid in pids])
        network.wait()
        seconds = time.perf_counter() - started
        seen.append([resources(pid) for pid in pids])
        learned = int(network.num_samples.get()[0])
        still_present = [segment.exists() for segment in segments]
    finally:
        network.stop()
    growth = {
        name: max(last[name] - first[name] for first, last in zip(seen[1], seen[-1], strict=True))
        for name in seen[0][0]
    }
    return {
        "steps": steps,
        "samples_learned": learned,
        "steps_per_second": steps / seconds,
        "children": len(pids),
        "segments": len(segments),
        "segments_unchanged": present == still_present and all(present),
        "largest_growth_of_a_child": growth,
        "resident_kib_of_all_children": [sum(r["resident_kib"] for r in row) for row in seen],
        **left(pids, segments),
    }


def soak_in_one(build: Callable[[], Any], steps: int, samples: int = SAMPLES) -> dict[str, Any]:
    """Run one network in this process for so many steps, and look at this process as it goes."""
    install("one")
    network = build()
    network.run(RunSteps(1000), SETTINGS)
    seen = [resources(os.getpid())]
    started = time.perf_counter()
    for _ in range(samples):
        network.run(RunSteps(steps // samples))
        seen.append(resources(os.getpid()))
    seconds = time.perf_counter() - started
    learned = int(network.num_samples.get()[0])
    network.stop()
    install("processes")
    return {
        "steps": steps,
        "samples_learned": learned,
        "steps_per_second": steps / seconds,
        "largest_growth_of_a_child": {name: seen[-1][name] - seen[1][name] for name in seen[0]},
        "resident_kib": [each["resident_kib"] for each in seen],
        "left_processes": len(multiprocessing.active_children()),
    }


def build_and_stop_in_one(count: int) -> dict[str, Any]:
    """Build, run and stop so many networks in this process, one after the other."""
    install("one")
    seen = []
    for _ in range(count):
        network = digits_network()
        network.run(RunSteps(50), SETTINGS)
        network.stop()
        seen.append(resources(os.getpid()))
    install("processes")
    return {
        "networks": count,
        "left_processes": len(multiprocessing.active_children()),
        "growth_of_parent": {name: seen[-1][name] - seen[0][name] for name in seen[0]},
    }


def hang_in_one(count: int) -> dict[str, Any]:
    """Run so many networks in this process into a deadlock."""
    install("one")
    named, seconds = 0, 0.0
    for _ in range(count):
        neurons = LIF(shape=(3,))
        neurons.s_out.connect(neurons.a_in)
        neurons.create_runtime(SETTINGS)
        started = time.monotonic()
        try:
            neurons.run(RunSteps(3))
        except HangError as error:
            seconds = max(seconds, time.monotonic() - started)
            named += f"LIF ({neurons.name}) waits in step 1 on a_in" in str(error)
    install("processes")
    return {"deadlocks": count, "named": named, "longest_seconds_to_report": seconds}


def build_and_stop(count: int) -> dict[str, Any]:
    """Build, run and stop so many networks, one after the other."""
    pids, segments, parent = [], [], []
    for _ in range(count):
        network = digits_network()
        network.run(RunSteps(50), SETTINGS)
        pids += children_of(network)
        segments += segments_of(network)
        network.stop()
        parent.append(resources(os.getpid()))
    found = left(pids, segments)
    return {
        "networks": count,
        "processes_started": len(pids),
        "segments_made": len(segments),
        "left_processes": len(multiprocessing.active_children()) + found["left_processes"],
        "left_segments": found["left_segments"],
        "growth_of_parent": {name: parent[-1][name] - parent[0][name] for name in parent[0]},
    }


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "one_run": lambda: soak(digits_network, 100_000),
    "long_run": lambda: soak(small_network, 1_000_000),
    "many_networks": lambda: build_and_stop(100),
    "kills": lambda: kill_children(100),
    "interrupts": lambda: interrupt_scripts(50),
    "deadlocks": lambda: hang(20),
    "crowd": lambda: crowd(200, 1000),
    "one_process_long_run": lambda: soak_in_one(small_network, 1_000_000),
    "one_process_digits": lambda: soak_in_one(digits_network, 100_000),
    "one_process_many_networks": lambda: build_and_stop_in_one(100),
    "one_process_deadlocks": lambda: hang_in_one(20),
}
"""What can be run, and at what length."""

NETWORKS = {
    "one_run, many_networks, one_process_digits, one_process_many_networks": (
        "64-200-100-10, learning"
    ),
    "long_run, kills, interrupts, one_process_long_run": "16-8-4, learning",
    "deadlocks, one_process_deadlocks": "stock LIFs that wait for each other",
    "crowd": "a chain of stock RingBuffer, Dense and LIF",
}


def complaints(name: str, seen: dict[str, Any]) -> list[str]:
    """Return what a part should not have seen."""
    found = [
        f"{name}: {key} is {seen[key]}" for key in seen if key.startswith("left_") and seen[key]
    ]
    grown = seen.get("largest_growth_of_a_child") or seen.get("growth_of_parent") or {}
    for what in ("threads", "files"):
        if grown.get(what, 0) > 0:
            found.append(f"{name}: {what} grew by {grown[what]}")
    if "segments_unchanged" in seen:
        if not seen["segments_unchanged"]:
            found.append(f"{name}: the segments changed")
        if grown["resident_kib"] > ALLOWED_KIB:
            found.append(f"{name}: a child grew by {grown['resident_kib']} KiB")
    for asked, done in (("killed", "named"), ("deadlocks", "named"), ("interrupted", "ended")):
        if asked in seen and seen[asked] != seen[done]:
            found.append(f"{name}: {asked} {seen[asked]}, {done} only {seen[done]}")
    if name == "crowd":
        # Each stock connection passes on what it received a step earlier.
        expected = seen["steps"] - (seen["processes"] - 1) // 2
        if seen["steps_with_spikes_at_the_end"] != expected:
            found.append(f"{name}: spikes arrived in other than {expected} steps")
    return found


def main(names: list[str]) -> None:
    """Run, print, write where all parts were run, and fail if something is not as it should be."""
    wrong = []
    parts = {}
    install("processes")
    for name in names or PARTS:
        print(name, flush=True)
        load, started = os.getloadavg()[0], time.perf_counter()
        seen = PARTS[name]()
        print(json.dumps(seen, indent=2), flush=True)
        seconds = time.perf_counter() - started
        parts[name] = {"commit": commit(), "load": load, "seconds": seconds, **seen}
        wrong += complaints(name, seen)
    # Only now: torch, which this imports, would be in the memory of every child.
    from lava_desire.cli.machine import environment

    earlier = json.loads(RESULT.read_text())["parts"] if RESULT.exists() else {}
    result = {
        "command": "make soak-lava",
        "networks": NETWORKS,
        "environment": environment(),
        "parts": {name: parts.get(name, earlier.get(name)) for name in PARTS},
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(RESULT)
    sys.exit("; ".join(wrong) or 0)


if __name__ == "__main__":
    main(sys.argv[1:])
