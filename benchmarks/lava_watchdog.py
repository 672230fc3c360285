"""Time a step of a Lava network with and without the watchdog of its runtime, in one run.

``python -m benchmarks.lava_watchdog`` writes ``benchmarks/results/lava_watchdog.json``. Two
networks that learn and two stock chains are watched, as many are not, all are alive at once and
take turns. The fastest round of each kind counts, and beside it the processor time of all rounds,
which other programs on the machine disturb less.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.lava import desire_network, images_for, processor_seconds, stock_chain
from lava_desire import DesireConfig
from lava_desire._provenance import commit
from lava_desire.proc import install

from lava.magma.core.run_conditions import RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip

RESULT = Path(__file__).parent / "results" / "lava_watchdog.json"
ROUNDS = 40
WINDOWS = 10
COPIES = 2


def measure() -> dict[str, Any]:
    """Time them; return seconds and processor seconds a step of each kind."""
    config = DesireConfig.preset("digits")
    images, labels = images_for(config.layer_sizes[0])
    kinds = {
        "network, learning": lambda: desire_network(config, images, labels, learning=True),
        "stock chain": lambda: stock_chain(config, images / 255),
    }
    steps = WINDOWS * config.window_steps
    settings = Loihi2SimCfg(select_tag="floating_pt")
    running: list[tuple[tuple[str, bool], Any]] = []
    best: dict[tuple[str, bool], float] = {}
    used: dict[tuple[str, bool], float] = {}
    try:
        for copy in range(COPIES):
            for kind, build in kinds.items():
                # The order changes, so that neither is always the first to be started.
                for watched in (copy % 2 == 0, copy % 2 == 1):
                    install("processes", deadlock_seconds=5.0 if watched else None)
                    process = build()
                    process.run(RunSteps(config.window_steps), settings)
                    running.append(((kind, watched), process))
        for number in range(ROUNDS):
            for key, process in running if number % 2 else reversed(running):
                before, started = processor_seconds(process), time.perf_counter()
                process.run(RunSteps(steps), settings)
                seconds = (time.perf_counter() - started) / steps
                best[key] = min(best.get(key, seconds), seconds)
                spent = (processor_seconds(process) - before) / steps / ROUNDS / COPIES
                used[key] = used.get(key, 0.0) + spent
    finally:
        install()
        for _, process in running:
            process.stop()
    return {
        kind: {
            "steps_per_second_watched": 1 / best[kind, True],
            "steps_per_second_not_watched": 1 / best[kind, False],
            "time_ratio": best[kind, True] / best[kind, False],
            "processor_ms_per_step_watched": 1e3 * used[kind, True],
            "processor_ms_per_step_not_watched": 1e3 * used[kind, False],
            "processor_ratio": used[kind, True] / used[kind, False],
        }
        for kind in kinds
    }


def main() -> None:
    """Measure, print and write."""
    result = {
        "command": "python -m benchmarks.lava_watchdog",
        "commit": commit(),
        "load": os.getloadavg()[0],
        "network": "64-200-100-10",
        "rounds": ROUNDS,
        "windows_a_round": WINDOWS,
        "results": measure(),
    }
    # Only now: torch, which this imports, would be in the memory of every child.
    from lava_desire.cli.machine import environment

    result["environment"] = environment()
    text = json.dumps(result, indent=2)
    print(text)
    RESULT.write_text(text + "\n")


if __name__ == "__main__":
    main()
