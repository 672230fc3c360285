"""Run a Lava network for 100,000 steps and twenty networks in turn, and look for what grows.

``make soak-lava`` prints what it saw, writes ``benchmarks/results/lava_stress.json`` and fails if a
child's memory, threads or open files grew, or if a process or a segment of shared memory is left.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.lava import desire_network, images_for
from lava_desire import DesireConfig

from lava.magma.core.run_conditions import RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip

RESULT = Path(__file__).parent / "results" / "lava_stress.json"
STEPS = 100_000
NETWORKS = 20
SAMPLES = 10
ALLOWED_KIB = 1024
"""Growth of a child's memory between a tenth of the run and its end that counts as none."""


def build() -> Any:
    """Compose the network that learns the digits."""
    config = DesireConfig.preset("digits")
    return desire_network(config, *images_for(config.layer_sizes[0]), learning=True)


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


def resources(pid: int) -> dict[str, int]:
    """Return what a process holds: memory in KiB, threads, open files."""
    proc = Path(f"/proc/{pid}")
    pages = int((proc / "statm").read_text().split()[1])
    return {
        "resident_kib": pages * os.sysconf("SC_PAGE_SIZE") // 1024,
        "threads": len(list((proc / "task").iterdir())),
        "files": len(list((proc / "fd").iterdir())),
    }


def soak(steps: int, samples: int) -> dict[str, Any]:
    """Run one network for so many steps in one run, and look at its children as it goes."""
    network = build()
    settings = Loihi2SimCfg(select_tag="floating_pt")
    network.run(RunSteps(1), settings)
    try:
        pids, segments = children_of(network), segments_of(network)
        present = [segment.exists() for segment in segments]
        started = time.perf_counter()
        network.run(RunSteps(steps, blocking=False))
        seen = []
        while len(seen) < samples:
            time.sleep(steps / 2000 / samples)
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
        "left_processes": sum(Path(f"/proc/{pid}").exists() for pid in pids),
        "left_segments": sum(segment.exists() for segment in segments),
    }


def build_and_stop(count: int) -> dict[str, Any]:
    """Build, run and stop so many networks, one after the other."""
    pids, segments, parent = [], [], []
    for _ in range(count):
        network = build()
        network.run(RunSteps(50), Loihi2SimCfg(select_tag="floating_pt"))
        pids += children_of(network)
        segments += segments_of(network)
        network.stop()
        parent.append(resources(os.getpid()))
    return {
        "networks": count,
        "processes_started": len(pids),
        "segments_made": len(segments),
        "left_processes": len(multiprocessing.active_children())
        + sum(Path(f"/proc/{pid}").exists() for pid in pids),
        "left_segments": sum(segment.exists() for segment in segments),
        "growth_of_parent": {name: parent[-1][name] - parent[0][name] for name in parent[0]},
    }


def main() -> None:
    """Run both, print, write, and fail if something grew."""
    one, many = soak(STEPS, SAMPLES), build_and_stop(NETWORKS)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
    from lava_desire.cli.run import environment

    result = {
        "command": "make soak-lava",
        "commit": commit.stdout.strip(),
        "network": "64-200-100-10, learning",
        "environment": environment(),
        "one_run": one,
        "many_networks": many,
    }
    text = json.dumps(result, indent=2)
    print(text)
    RESULT.write_text(text + "\n")
    growth = one["largest_growth_of_a_child"]
    clean = (
        one["segments_unchanged"]
        and growth["resident_kib"] <= ALLOWED_KIB
        and growth["threads"] == growth["files"] == 0
        and many["growth_of_parent"]["threads"] == many["growth_of_parent"]["files"] == 0
        and not any(
            part[f"left_{what}"] for part in (one, many) for what in ("processes", "segments")
        )
    )
    sys.exit(0 if clean else "something grew or was left: see above")


if __name__ == "__main__":
    main()
