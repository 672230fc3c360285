"""One process that fuzzes one reader, guided by coverage, and says every second how far it is.

``python -m soak.worker TARGET SEED CASES FOLDER``; each line that it prints is a JSON object. The
file that is being read is in the folder, so that it is there to look at if the process dies.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from soak.targets import Target, targets

SECONDS_A_CASE = 20
MEMORY_A_CASE = 1 << 30
"""Address space that a process may take beyond what it has before the first case."""

_TRACED = 0.05
_MAX_CORPUS = 400


class TooSlowError(Exception):
    """A case took longer than any file is worth."""


class Coverage:
    """Which lines followed on which, in the files that matter.

    Parameters
    ----------
    sources : tuple of str
        Ends of the files' names.
    """

    def __init__(self, sources: tuple[str, ...]) -> None:
        self._sources = sources
        self._known: dict[str, bool] = {}
        self._seen: set[tuple[str, int, int]] = set()
        self._last = 0
        self.found_new = False

    def __len__(self) -> int:
        """Return how many pairs of lines have been seen."""
        return len(self._seen)

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Take part in a traced call, where its file matters."""
        name = frame.f_code.co_filename
        if name not in self._known:
            self._known[name] = name.endswith(self._sources)
        return self._line if self._known[name] else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        pair = (frame.f_code.co_filename, self._last, frame.f_lineno)
        self._last = frame.f_lineno
        if pair not in self._seen:
            self._seen.add(pair)
            self.found_new = True
        return self._line


class Fuzzer:
    """Spoils files and has them read, keeping those that lead the reader to new places.

    Parameters
    ----------
    target : Target
        The reader.
    seed : int
        What all chance comes from.
    folder : Path
        Where the files are written.
    """

    def __init__(self, target: Target, seed: int, folder: Path) -> None:
        self.target = target
        self.random = Random(seed)
        self.corpus = target.seeds()
        self.coverage = Coverage(target.sources)
        self.path = folder / f"case{target.suffix}"
        self.counts = {"cases": 0, "loads": 0, "refusals": 0}
        self.failures: dict[str, bytes] = {}
        self.longest_seconds = 0.0

    def run(self, cases: int, tell: Callable[[dict[str, Any]], None] | None = None) -> None:
        """Run so many cases, each broken off when it takes too long, telling about every second."""
        previous = signal.signal(signal.SIGALRM, _too_slow)
        told = time.monotonic()
        try:
            for _ in range(cases):
                self.case()
                if tell is not None and time.monotonic() - told > 1:
                    tell(self.report())
                    told = time.monotonic()
        finally:
            signal.signal(signal.SIGALRM, previous)

    def case(self) -> None:
        """Run one case."""
        random = self.random
        data = self.target.spoil(random, random.choice(self.corpus), self.corpus)
        self.path.write_bytes(data)
        traced = random.random() < _TRACED
        started = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, SECONDS_A_CASE)
        if traced:
            sys.settrace(self.coverage.trace)
        try:
            self.target.read(self.path)
            self.counts["loads"] += 1
        except self.target.refusals as error:
            self.counts["refusals"] += 1
            if not str(error).strip():
                self._failed(error, data)
        except Exception as error:
            self._failed(error, data)
        finally:
            sys.settrace(None)
            signal.setitimer(signal.ITIMER_REAL, 0)
        self.counts["cases"] += 1
        self.longest_seconds = max(self.longest_seconds, time.monotonic() - started)
        if self.coverage.found_new:
            self.coverage.found_new = False
            if len(self.corpus) < _MAX_CORPUS:
                self.corpus.append(data)

    def _failed(self, error: Exception, data: bytes) -> None:
        """Keep one file of each kind of failure."""
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "lava_desire/" in frame.filename] or frames
        place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
        kind = f"{type(error).__name__} at {place}: {str(error)[:200]}"
        self.failures.setdefault(kind.split(": ")[0], data)
        print(json.dumps({"failure": kind}), flush=True)

    def report(self) -> dict[str, Any]:
        """Return what has been seen so far."""
        return {
            **self.counts,
            "failures": len(self.failures),
            "corpus": len(self.corpus),
            "pairs_of_lines": len(self.coverage),
            "longest_seconds": round(self.longest_seconds, 3),
            "peak_growth_mib": (_peak_kib() - _START) // 1024,
        }


_START = 0


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlowError(f"longer than {SECONDS_A_CASE} s")


def _limit_memory() -> None:
    """Let no case take a gigabyte: the allocation fails, and so does the case."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_A_CASE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    """Fuzz, and print where it stands about once a second."""
    global _START
    name, seed, cases, place = sys.argv[1:5]
    folder = Path(place)
    warnings.simplefilter("ignore")
    target = targets()[name]
    fuzzer = Fuzzer(target, int(seed), folder)
    for data in fuzzer.corpus:  # all that is imported at the first use, and a look at the seeds
        fuzzer.path.write_bytes(data)
        try:
            target.read(fuzzer.path)
        except target.refusals as error:
            if "holds a network but no training" not in str(error):
                raise
    _limit_memory()
    _START = _peak_kib()
    fuzzer.run(int(cases), lambda report: print(json.dumps(report), flush=True))
    for number, data in enumerate(fuzzer.failures.values()):
        (folder / f"failure-{number}{target.suffix}").write_bytes(data)
    print(json.dumps({**fuzzer.report(), "done": True}), flush=True)


if __name__ == "__main__":
    main()
