"""Time training beside other work: busy processes, and other runs of ours.

``make bench-beside`` writes ``benchmarks/results/beside.json``. What is timed are runs of ``fit``,
each with a network of its own, or with ``--steps`` calls of ``train_step``. What a sample costs is
its processor time in one thread on the machine as it is found, which should be quiet. Its fair
share of the clock beside busy processes is that time by the part of the clock that those got
meanwhile, so that other load falls on both alike; of several runs of ours, what one with one thread
took on the clock just before, times their number by that of processors: as if they shared nothing
but these, no cache and no memory.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.engine import HERE, Competitor, prepare
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment

TIMES = ("milliseconds", "processor_milliseconds", "fair_milliseconds")  # a sample
SAMPLES = {64: 2560, 1: 1280}  # of a round, by batch size


def burn(used: Any) -> None:
    """Compute for ever, and tell how much processor time it was."""
    while True:
        for _ in range(10_000):
            pass
        used.value = time.process_time()


class Busy:
    """Processes that compute for ever, while they are let."""

    def __init__(self, count: int) -> None:
        self._used = [multiprocessing.Value("d") for _ in range(count)]
        self._processes = [
            multiprocessing.Process(target=burn, args=(each,), daemon=True) for each in self._used
        ]
        for process in self._processes:
            process.start()
        while not all(each.value for each in self._used):
            time.sleep(0.01)
        self._send(signal.SIGSTOP)

    def _send(self, number: int) -> None:
        for process in self._processes:
            os.kill(process.pid or 0, number)

    def beside(self, work: Callable[[], Any]) -> tuple[Any, float]:
        """Let them compute while `work` does; return its result and their part of the clock."""
        self._send(signal.SIGCONT)
        began, before = time.perf_counter(), sum(each.value for each in self._used)
        result = work()
        used = sum(each.value for each in self._used) - before
        share = used / len(self._used) / (time.perf_counter() - began)
        self._send(signal.SIGSTOP)
        return result, share

    def end(self) -> None:
        """Let them end."""
        for process in self._processes:
            process.kill()
            process.join()


def together(runs: list[Competitor]) -> dict[str, float]:
    """Let runs train at the same time; return milliseconds a sample, a mean over them."""
    samples = SAMPLES[runs[0].case["batch_size"]]
    for run in runs:
        run.begin(samples)
    for run in runs:
        run.end()
    return {
        name: 1e3 * statistics.mean(run.rounds[-1][seconds] for run in runs) / samples
        for name, seconds in zip(TIMES, ("seconds", "processor_seconds"), strict=False)
    }


def measure(data: Path, case: dict[str, Any], options: Any) -> Iterator[dict[str, Any]]:
    """Measure steps alone, beside busy processes and beside each other, in rounds that take turns.

    Yields what it was in each round: case, milliseconds a sample and the fair share of them.
    """
    sides = {"": {}, "before: ": {"path": str(options.against)}} if options.against else {"": {}}
    busy = Busy(options.busy)
    for batch_size in SAMPLES:
        runs = {}
        for side, path in sides.items():
            threads = [1] + options.runs * [options.processors]
            this = {**case, **path, "batch_size": batch_size, "samples": SAMPLES[batch_size]}
            runs[side] = [Competitor(this, data, count) for count in threads]
            for run in runs[side]:
                run.warm_up()
        for _ in range(options.rounds):
            for side, (single, *several) in runs.items():
                one = together([single])
                cost = one["processor_milliseconds"]
                taken = {"alone": (together(several[:1]), cost)}
                for name, run in (("", several[0]), (", one thread", single)):
                    found, share = busy.beside(lambda run=run: together([run]))
                    taken[f"beside {options.busy} busy processes{name}"] = found, cost / share
                for count in range(2, options.runs + 1, 2):
                    fair = one["milliseconds"] * max(1, count / options.processors)
                    taken[f"{count} runs at once"] = together(several[:count]), fair
                for name, (found, fair) in taken.items():
                    case_name = f"{side}B = {batch_size}, {name}"
                    yield {"case": case_name, **found, "fair_milliseconds": fair}
        for run in (run for side in runs.values() for run in side):
            run.result()
    busy.end()


def summary(rounds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return medians over the rounds of each case."""

    def medians(case: str) -> dict[str, Any]:
        mine = [each for each in rounds if each["case"] == case]
        times = {name: [each[name] for each in mine] for name in TIMES}
        times["times_the_fair_share"] = [
            each["milliseconds"] / each["fair_milliseconds"] for each in mine
        ]
        return {"case": case, **{name: statistics.median(all_) for name, all_ in times.items()}}

    return [medians(case) for case in dict.fromkeys(each["case"] for each in rounds)]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="folder with MNIST's files; else they are downloaded")
    parser.add_argument("--busy", type=int, default=8, help="busy processes")
    parser.add_argument("--runs", type=int, default=4, help="runs of ours at once, at most")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", action="store_true", help="time single steps, not runs")
    parser.add_argument("--against", type=Path, help="another checkout, measured in turns")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "beside.json")
    options = parser.parse_args()
    options.processors = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        data, trained, _ = prepare(Path(name), options.data_dir, None)
        option = "float32" if options.steps else "run"
        case = {"name": "ours", "kind": "engine", "option": option, "weights": trained}
        found = summary(list(measure(data, case, options)))
    for row in found:
        print(
            f"{row['case']:55} {row['milliseconds']:8.3f} ms a sample, "
            f"{row['times_the_fair_share']:5.2f} times the fair share"
        )
    report = {
        "command": "python -m benchmarks.beside",
        "commit": commit(),
        "processors": options.processors,
        "load_before": load,
        "timed": "single steps" if options.steps else "training runs",
        "rounds": options.rounds,
        "environment": environment(),
        "results": found,
    }
    options.output.write_text(json.dumps(report, indent=2) + "\n")
    print(options.output)


if __name__ == "__main__":
    main()
