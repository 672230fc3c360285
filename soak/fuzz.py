"""Fuzzing of every reader: worker processes, looked after and started anew when they die."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

CASES = {
    "config": 310_000,
    "run": 150_000,
    "idx": 250_000,
    "npz": 80_000,
    "checkpoint": 190_000,
    "nir": 30_000,
    "hdf5": 1_000,
}
"""Cases of a full run, a million and a few, more where a case is cheap.

A case of ``hdf5`` starts a process.
"""

SECONDS_OF_SILENCE = 300
_FINDINGS = Path(__file__).parent / "findings"


def fuzz(
    name: str, cases: int, seed: int = 0, tell: Callable[[str], None] = print
) -> dict[str, Any]:
    """Fuzz one reader.

    Parameters
    ----------
    name : str
        One of :func:`soak.targets.targets`.
    cases : int
        How many files are read.
    seed : int
        What all chance comes from.
    tell : callable
        Takes a line about what was found.

    Returns
    -------
    dict
        Counts of cases, loads, refusals, failures and deaths of the process; what failed is in
        ``soak/findings``.
    """
    total: dict[str, Any] = {"cases": 0, "loads": 0, "refusals": 0, "failures": 0, "deaths": 0}
    kinds: set[str] = set()
    while total["cases"] < cases and total["deaths"] <= 5:
        with tempfile.TemporaryDirectory(dir=_memory_folder()) as place:
            folder = Path(place)
            command = [sys.executable, "-m", "soak.worker", name, str(seed)]
            last, errors = _watch([*command, str(cases - total["cases"]), place], kinds)
            if last.pop("done", False):
                _keep(folder.glob("failure-*"), f"{name}-{seed}")
            else:
                total["deaths"] += 1
                tell(f"{name}: the process died after {last.get('cases', 0)} cases: {errors}")
                _keep(folder.glob("case*"), f"{name}-{seed}-death")
        for count in ("cases", "loads", "refusals"):
            total[count] += last.pop(count, 0)
        for largest, value in last.items():
            total[largest] = max(total.get(largest, 0), value)
        seed += 1_000
    for kind in sorted(kinds):
        tell(f"{name}: {kind}")
    total["failures"] = len({kind.split(": ")[0] for kind in kinds})
    return total


def _memory_folder() -> str | None:
    """Return a folder in memory, where there is one: a million files need not see a disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _watch(command: list[str], kinds: set[str]) -> tuple[dict[str, Any], str]:
    """Run a worker to its end, or until it says nothing for long; return its last report."""
    last: dict[str, Any] = {}
    with tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            assert process.stdout is not None
            timer = _kill_later(process)
            try:
                for line in process.stdout:
                    timer.cancel()
                    timer = _kill_later(process)
                    said = json.loads(line)
                    if "failure" in said:
                        kinds.add(said["failure"])
                    else:
                        last = said
            finally:
                timer.cancel()
                process.kill()
        errors.seek(0)
        said_last = errors.read().strip().splitlines()[-1:]
    return last, f"status {process.returncode} {' '.join(said_last)}"


def _kill_later(process: subprocess.Popen[str]) -> threading.Timer:
    timer = threading.Timer(SECONDS_OF_SILENCE, process.kill)
    timer.daemon = True
    timer.start()
    return timer


def _keep(paths: Any, name: str) -> None:
    for path in paths:
        _FINDINGS.mkdir(exist_ok=True)
        shutil.copy(path, _FINDINGS / f"{name}-{path.name}")
