"""Compare the backends over configurations drawn at random, print progress, keep counts.

``python -m differential`` compares as many as asked for, ``--only engine`` leaves Lava out. It can
be interrupted at any time; ``--resume`` goes on with the next configuration.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from differential.accounts import BROKEN_LAVA_PAIRS, ENGINE_PAIRS, LAVA_PAIRS, Examination
from differential.ranks import compare_ranks
from differential.trace import DifferenceError
from lava_desire._provenance import commit
from lava_desire.cli.run import environment
from lava_desire.files import write_atomically

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "differential.json"
_SECONDS_BETWEEN_WRITES = 20.0


def main() -> None:
    """Compare what is asked for, and exit with 1 if two backends differ."""
    options = _options()
    report = _begin(options)
    written = time.monotonic()
    try:
        while report["configurations"] < options.configurations:
            started = time.monotonic()
            _examine(report, options)
            report["seconds"] = round(report["seconds"] + time.monotonic() - started, 1)
            if time.monotonic() - written > _SECONDS_BETWEEN_WRITES:
                _write(options.output, report)
                written = time.monotonic()
        if options.ranks and "two ranks" not in report:
            report["two ranks"] = compare_ranks(options.ranks)
    except KeyboardInterrupt:
        _write(options.output, report)
        sys.exit(f"interrupted after {report['configurations']}; --resume goes on")
    _write(options.output, report)
    print(f"{report['configurations']} configurations, {len(report['differences'])} differences")
    sys.exit(1 if report["differences"] else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m differential", description=__doc__)
    parser.add_argument("--configurations", type=int, default=1000, help="how many")
    parser.add_argument("--only", choices=["engine", "lava"], help="these pairs alone")
    parser.add_argument("--ranks", type=int, default=8, help="configurations on two ranks")
    parser.add_argument("--resume", action="store_true", help="go on with the next one")
    parser.add_argument("--output", type=Path, default=RESULT, help="where counts are kept")
    return parser.parse_args()


def _begin(options: argparse.Namespace) -> dict[str, Any]:
    if options.resume and options.output.exists():
        report: dict[str, Any] = json.loads(options.output.read_text())
        return report
    only = f" --only {options.only}" if options.only else ""
    return {
        "command": f"python -m differential --configurations {options.configurations}{only}",
        "commit": commit(),
        "environment": environment(),
        "configurations": 0,
        "seconds": 0.0,
        "drawn": {"plastic layers": {}, "time steps": {}, "samples a minibatch": {}},
        "pairs": {},
        "differences": [],
    }


def _pairs(options: argparse.Namespace) -> tuple[tuple[str, str], ...]:
    of_lava = LAVA_PAIRS + BROKEN_LAVA_PAIRS
    return {"engine": ENGINE_PAIRS, "lava": of_lava, None: ENGINE_PAIRS + of_lava}[options.only]


def _examine(report: dict[str, Any], options: argparse.Namespace) -> None:
    """Compare all pairs of the next configuration, and count what came."""
    number = report["configurations"]
    examination = Examination(number)
    told = Counter()
    for pair in _pairs(options):
        if not examination.applies(pair):
            continue
        name = " = ".join(pair)
        counts = report["pairs"].setdefault(
            name, {"same": 0, "values": 0, "refused": {}, "different": 0}
        )
        try:
            found = examination.compare(pair)
        except (DifferenceError, RuntimeError) as error:
            counts["different"] += 1
            report["differences"].append({"number": number, "pair": name, "what": str(error)})
            print(f"{number}: {name}: {error}", flush=True)
            continue
        if isinstance(found, int):
            told["same"] += 1
            counts["same"] += 1
            counts["values"] += found
        else:
            told["refused"] += 1
            counts["refused"][found] = counts["refused"].get(found, 0) + 1
    _count_drawn(report["drawn"], examination)
    report["configurations"] = number + 1
    config = examination.case.config
    sizes = "-".join(map(str, config.layer_sizes))
    print(
        f"{number + 1}/{options.configurations}  {sizes}, T = {config.num_steps}, "
        f"B = {config.batch_size}: {told['same']} pairs the same, {told['refused']} refused",
        flush=True,
    )


def _count_drawn(drawn: dict[str, dict[str, int]], examination: Examination) -> None:
    config = examination.case.config
    batch = min(config.batch_size, len(examination.case.train[1]))
    for name, value in (
        ("plastic layers", str(config.num_layers)),
        ("time steps", _span(config.num_steps, (1, 2, 30, 34, 62, 65))),
        ("samples a minibatch", _span(batch, (1, 2, 8, 32, 64, 140))),
    ):
        drawn[name][value] = drawn[name].get(value, 0) + 1


def _span(value: int, ends: tuple[int, ...]) -> str:
    """Return which span, up to which of the ends, a value is in."""
    index = next(place for place, end in enumerate(ends) if value <= end)
    first = ends[index - 1] + 1 if index else 1
    return str(value) if first == ends[index] else f"{first} to {ends[index]}"


def _write(path: Path, report: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(report, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
