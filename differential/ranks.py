"""Two ranks end as one process does: ``ranks.py FOLDER NUMBER ...`` is one of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import warnings
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from differential.by_engine import run_engine
from differential.draw import Case, draw
from differential.trace import Trace, compare
from lava_desire.data import DataWarning

_ROOT = Path(__file__).parents[1]
_SECONDS = 600


def compare_ranks(how_many: int) -> dict[str, Any]:
    """Train some cases, whose minibatches have two samples or more, on one rank and on two.

    Parameters
    ----------
    how_many : int
        How many cases; every other one in integers.

    Returns
    -------
    dict
        How many are the same, and how many values that are.

    Raises
    ------
    DifferenceError
        If they are not.
    RuntimeError
        If a rank fails.
    """
    numbers = _numbers(how_many)
    num_values = 0
    with tempfile.TemporaryDirectory(prefix="differential-") as folder:
        _start(Path(folder), numbers)
        for number in numbers:
            alone = _run(number)
            for rank in (0, 1):
                with np.load(Path(folder) / f"{number}.{rank}.npz") as file:
                    found = dict(file)
                num_values += compare(alone, found, (f"{number} alone", f"rank {rank} of two"))
    return {"configurations": numbers, "values": num_values}


def _numbers(how_many: int) -> list[int]:
    """Return the first cases that two ranks can share."""
    shared = (number for number in count() if _fits(draw(number), number))
    return [next(shared) for _ in range(how_many)]


def _fits(case: Case, number: int) -> bool:
    config = case.config
    # Thresholds that integers refuse are compared elsewhere.
    return config.batch_size >= 2 and (number % 2 == 0 or 0.01 < config.threshold < 100)


def _run(number: int) -> Trace:
    case = draw(number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # as of images that are dark
        if number % 2:
            return run_engine(case.in_integers(), arithmetic="fixed_point")
        return run_engine(case)


def _start(folder: Path, numbers: list[int]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    shared |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", "differential.ranks", str(folder), *map(str, numbers)]
    ranks = [
        subprocess.Popen(command, env={**os.environ, **shared, "RANK": str(rank)})
        for rank in range(2)
    ]
    try:
        codes = [rank.wait(timeout=_SECONDS) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    if any(codes):
        raise RuntimeError(f"the two ranks ended with {codes}")


def main(folder: Path, numbers: list[int]) -> None:
    """Be one of two ranks."""
    from lava_desire.engine import open_process_group

    open_process_group(timedelta(seconds=_SECONDS))
    rank = os.environ["RANK"]
    for number in numbers:
        np.savez(folder / f"{number}.{rank}.npz", **_run(number))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(number) for number in sys.argv[2:]])
