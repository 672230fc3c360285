"""Run the faults and the fuzzing, print counts, and fail if anything was lost.

``python -m soak`` is a full run, ``--short`` what the tests do, ``--only NAME ...`` a part. What is
done is written as it goes; ``--resume`` leaves out the parts that the file has.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.files import write_atomically
from soak import kills, machines
from soak.fuzz import CASES, fuzz
from soak.targets import targets

RESULT = Path(__file__).parent / "results" / "soak.json"
SHORT_CASES = 400

_Fault = Callable[[int, Path, Random], dict[str, Any]]
FAULTS: dict[str, tuple[_Fault, int, int]] = {
    "kill training": (kills.kill_training, 60, 4),
    "kill saving": (kills.kill_saving, 100, 4),
    "kill downloading": (kills.kill_downloading, 60, 4),
    "fill the disk": (machines.fill_disk, 20, 2),
    "damage checkpoints": (machines.damage, 5_000, 100),
    "two runs, one folder": (machines.crowd, 15, 1),
    "SIGTERM": (machines.terminate, 30, 3),
    "read-only folders": (machines.read_only, 6, 2),
    "out of memory": (machines.out_of_memory, 10, 1),
    "clock set back": (machines.turn_clock_back, 10, 1),
}
"""Each fault, how often a full run brings it about, and how often a short one."""


def main() -> None:
    """Run what is asked for, and exit with 1 if something was lost or failed."""
    options = _options()
    os.environ.pop("LAVA_DESIRE_DATA", None)  # what is downloaded comes from our own mirror
    parts: dict[str, Any] = {}
    if options.resume and options.output.exists():
        parts = json.loads(options.output.read_text())["parts"]
    for name in options.only or [*FAULTS, *CASES]:
        if name in parts:
            continue
        started = time.monotonic()
        try:
            found = _run(name, options)
        except KeyboardInterrupt:
            sys.exit("interrupted; --resume goes on after the last part that was done")
        found |= {"seconds": round(time.monotonic() - started, 1), "commit": commit()}
        parts[name] = found
        print(_line(name, found), flush=True)
        _write(options, parts)
    _write(options, parts)
    totals = _totals(parts)
    print(", ".join(f"{value} {name}" for name, value in totals.items()))
    sys.exit(1 if totals["losses"] or totals["failures"] else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--short", action="store_true", help="as often as the tests do")
    parser.add_argument("--only", nargs="+", choices=[*FAULTS, *CASES], help="these parts")
    parser.add_argument("--resume", action="store_true", help="leave out what is done")
    parser.add_argument("--seed", type=int, default=0, help="what all chance comes from")
    parser.add_argument("--output", type=Path, default=RESULT, help="where counts are written")
    return parser.parse_args()


def _run(name: str, options: argparse.Namespace) -> dict[str, Any]:
    if name in CASES:
        if name not in targets():
            return {"cases": 0, "skipped": "its packages are not installed"}
        return fuzz(name, SHORT_CASES if options.short else CASES[name], options.seed)
    function, many, few = FAULTS[name]
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        found = function(few if options.short else many, Path(folder), Random(options.seed))
    for loss in found["losses"]:
        print(f"{name}: {loss}")
    return {**found, "losses": len(found["losses"]), "lost": found["losses"][:20]}


def _line(name: str, found: dict[str, Any]) -> str:
    told = {what: value for what, value in found.items() if what not in ("lost", "commit")}
    shown = ", ".join(f"{value} {what.replace('_', ' ')}" for what, value in told.items())
    return f"{name:22} {shown}"


def _totals(parts: dict[str, Any]) -> dict[str, int]:
    names = ("cases", "faults", "losses", "refusals", "loads", "failures", "deaths")
    return {name: sum(part.get(name, 0) for part in parts.values()) for name in names}


def _write(options: argparse.Namespace, parts: dict[str, Any]) -> None:
    options.output.parent.mkdir(parents=True, exist_ok=True)
    short = " --short" if options.short else ""
    report = {
        "command": f"python -m soak{short} --seed {options.seed}",
        "commit": commit(),
        "environment": environment(),
        "totals": _totals(parts),
        "parts": parts,
    }
    write_atomically(options.output, (json.dumps(report, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
