"""Compare the backends over configurations drawn at random, print progress, keep counts.

``python -m differential`` compares as many as asked for, ``--only engine`` leaves Lava out. It can
be interrupted at any time; ``--resume`` goes on with the next configuration.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from differential.accounts import (
    BROKEN_LAVA_PAIRS,
    ENGINE_PAIRS,
    FORKED_LAVA_PAIRS,
    LAVA_PAIRS,
    Outcome,
    begin_work,
    examine,
)
from differential.draw import Case, draw
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
    try:
        _compare_all(report, options)
        if options.ranks and "two ranks" not in report:
            _compare_ranks(report, options.ranks)
    except KeyboardInterrupt:
        _write(options.output, report)
        sys.exit(f"interrupted after {report['configurations']}; --resume goes on")
    _write(options.output, report)
    print(f"{report['configurations']} configurations, {len(report['differences'])} differences")
    sys.exit(1 if report["differences"] else 0)


def _compare_all(report: dict[str, Any], options: argparse.Namespace) -> None:
    """Examine the configurations that are left, and count in their order."""
    left = range(report["configurations"], options.configurations)
    before, started = report["seconds"], time.monotonic()
    written = started
    for number, outcomes in zip(left, _examine_all(left, options), strict=True):
        _count(report, number, outcomes, options.configurations)
        now = time.monotonic()
        report["seconds"] = round(before + now - started, 1)
        if now - written > _SECONDS_BETWEEN_WRITES:
            _write(options.output, report)
            written = now


def _examine_all(numbers: range, options: argparse.Namespace) -> Iterator[list[Outcome]]:
    work = partial(examine, pairs=_pairs(options.only))
    if options.jobs == 1:
        yield from map(work, numbers)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(options.jobs, context, begin_work)
    try:
        yield from pool.map(work, numbers)
    finally:
        pool.shutdown(cancel_futures=True)


def _compare_ranks(report: dict[str, Any], how_many: int) -> None:
    try:
        report["two ranks"] = compare_ranks(how_many)
    except (DifferenceError, RuntimeError) as error:
        report["differences"].append({"pair": "one process = two ranks", "what": str(error)})
        print(error, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m differential", description=__doc__)
    parser.add_argument("--configurations", type=int, default=1000, help="how many")
    parser.add_argument("--only", choices=["engine", "lava"], help="these pairs alone")
    parser.add_argument("--ranks", type=int, default=40, help="configurations on two ranks")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time")
    parser.add_argument("--resume", action="store_true", help="go on with the next one")
    parser.add_argument("--output", type=Path, default=RESULT, help="where counts are kept")
    return parser.parse_args()


def _begin(options: argparse.Namespace) -> dict[str, Any]:
    if options.resume and options.output.exists():
        report: dict[str, Any] = json.loads(options.output.read_text())
        if commit() != report["commit"].split()[-1]:
            report["commit"] += f", from configuration {report['configurations']} on {commit()}"
        return report
    only = f" --only {options.only}" if options.only else ""
    return {
        "command": f"python -m differential --configurations {options.configurations}{only}",
        "commit": str(commit()),
        "environment": environment(),
        "configurations": 0,
        "seconds": 0.0,
        "drawn": {"plastic layers": {}, "time steps": {}, "samples a minibatch": {}},
        "pairs": {},
        "differences": [],
    }


def _pairs(only: str | None) -> tuple[tuple[str, str], ...]:
    of_lava = LAVA_PAIRS + BROKEN_LAVA_PAIRS + FORKED_LAVA_PAIRS
    return {"engine": ENGINE_PAIRS, "lava": of_lava, None: ENGINE_PAIRS + of_lava}[only]


def _count(report: dict[str, Any], number: int, outcomes: list[Outcome], wanted: int) -> None:
    """Add what came of a configuration to the counts, and print a line."""
    told: Counter[str] = Counter()
    for name, outcome, difference in outcomes:
        counts = report["pairs"].setdefault(
            name, {"same": 0, "values": 0, "refused": {}, "different": 0}
        )
        if difference:
            told["different"] += 1
            counts["different"] += 1
            report["differences"].append({"number": number, "pair": name, "what": difference})
            print(f"{number}: {name}: {difference}", flush=True)
        elif isinstance(outcome, int):
            told["the same"] += 1
            counts["same"] += 1
            counts["values"] += outcome
        else:
            told["refused"] += 1
            counts["refused"][outcome] = counts["refused"].get(outcome, 0) + 1
    case = draw(number)
    _count_drawn(report["drawn"], case)
    report["configurations"] = number + 1
    pairs = ", ".join(f"{count} {what}" for what, count in told.items())
    print(
        f"{number + 1}/{wanted}  {case.config.shape_text}, T = {case.config.num_steps}, "
        f"B = {case.config.batch_size}: {pairs}",
        flush=True,
    )


def _count_drawn(drawn: dict[str, dict[str, int]], case: Case) -> None:
    config = case.config
    batch = min(config.batch_size, len(case.train[1]))
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
