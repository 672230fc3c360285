"""Commands that are carried out side by side, each a process with its share of the processors."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from lava_desire.training.interrupt import InterruptFlag

_POLL_SECONDS = 0.5


def side_by_side(
    commands: Sequence[Sequence[str]], jobs: int, tick: Callable[[], None] = lambda: None
) -> tuple[int, bool]:
    """Carry out commands of ``lava-desire``, `jobs` at a time, and call `tick` now and then.

    Returns an exit status, 0 where all have ended well, and whether an interrupt has ended them.
    After that or a failure no other one is begun; all save, and are gone, before this returns.
    """
    cores = str(max(1, (os.cpu_count() or 1) // jobs))
    environment = {**os.environ, "OMP_NUM_THREADS": cores, "MKL_NUM_THREADS": cores}
    waiting = [[sys.executable, "-m", "lava_desire", *command] for command in commands]
    workers: list[subprocess.Popen[bytes]] = []
    try:
        with InterruptFlag() as interrupt:
            while not interrupt.is_set:
                running = sum(worker.poll() is None for worker in workers)
                if any(worker.returncode for worker in workers):
                    waiting.clear()
                while waiting and running < jobs:
                    workers.append(subprocess.Popen(waiting.pop(0), env=environment))
                    running += 1
                if not running:
                    break
                time.sleep(_POLL_SECONDS)
                tick()
    finally:
        for worker in workers:
            worker.terminate()
        statuses = [worker.wait() for worker in workers]
    tick()
    if interrupt.is_set:
        return 128 + interrupt.signal, True
    return next((status % 256 for status in statuses if status), 0), False
