"""The backends' accounts of a case, which of them are compared, and what may be refused."""

from __future__ import annotations

import multiprocessing
import re
import signal
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from differential.by_engine import run_broken, run_engine
from differential.by_rule import run_integers, run_rule
from differential.draw import Case, draw
from differential.trace import DifferenceError, Trace, compare
from lava_desire.data import DataWarning

_LARGEST_COMPILED = 64
_INTEGERS: dict[str, Any] = {"arithmetic": "fixed_point"}
_NAMED = re.compile(r"(?:^|ValueError: )(\w+)(?: of layer \d+)? (?:is|are) ")


def _lava(case: Case, tag: str, *, forked: bool = False, broken_in: Path | None = None) -> Trace:
    # Only here: the engine does without Lava.
    from differential.by_lava import run_lava
    from lava_desire.proc import install

    install("processes" if forked else "one")
    try:
        return run_lava(case, tag, broken_in)
    finally:
        install()  # as the environment says


def _in_folder(run: Callable[..., Trace], *arguments: Any, **options: Any) -> Trace:
    with tempfile.TemporaryDirectory(prefix="differential-") as folder:
        return run(*arguments, Path(folder), **options)


ACCOUNTS: dict[str, Callable[[Case], Trace]] = {
    "torch operations": lambda case: run_engine(case, kernels="torch"),
    "compiled kernels": lambda case: run_engine(case, kernels="compiled"),
    "the rule on NumPy": run_rule,
    "the engine, resumed": lambda case: _in_folder(run_broken, case),
    "the engine in bfloat16x2": lambda case: run_engine(case, precision="bfloat16x2"),
    "the same, resumed": lambda case: _in_folder(run_broken, case, precision="bfloat16x2"),
    "the engine in integers": lambda case: run_engine(case.in_integers(), **_INTEGERS),
    "fixed on NumPy": lambda case: run_integers(case.in_integers()),
    "integers, resumed": lambda case: _in_folder(run_broken, case.in_integers(), **_INTEGERS),
    "the engine online": lambda case: run_engine(case.online()),
    "Lava floating_pt": lambda case: _lava(case.online(), "floating_pt"),
    "Lava torch": lambda case: _lava(case.online(), "torch"),
    "the engine online in integers": lambda case: run_engine(
        case.online().in_integers(), **_INTEGERS
    ),
    "Lava fixed_pt": lambda case: _lava(case.online().in_integers(), "fixed_pt"),
    "the engine in integers, all options": lambda case: run_engine(case.online(), **_INTEGERS),
    "Lava fixed_pt, all options": lambda case: _lava(case.online(), "fixed_pt"),
    "Lava floating_pt, forked": lambda case: _lava(case.online(), "floating_pt", forked=True),
    "Lava fixed_pt, forked": lambda case: _lava(
        case.online().in_integers(), "fixed_pt", forked=True
    ),
    "Lava floating_pt, resumed": lambda case: _in_folder(
        _lava_broken, case.online(), "floating_pt"
    ),
    "Lava torch, resumed": lambda case: _in_folder(_lava_broken, case.online(), "torch"),
    "Lava fixed_pt, resumed": lambda case: _in_folder(
        _lava_broken, case.online().in_integers(), "fixed_pt"
    ),
}
"""What gives an account of a case, by name."""


def _lava_broken(case: Case, tag: str, folder: Path) -> Trace:
    return _lava(case, tag, broken_in=folder)


ENGINE_PAIRS = (
    ("torch operations", "compiled kernels"),
    ("torch operations", "the rule on NumPy"),
    ("torch operations", "the engine, resumed"),
    ("the engine in bfloat16x2", "the same, resumed"),
    ("the engine in integers", "fixed on NumPy"),
    ("the engine in integers", "integers, resumed"),
)
LAVA_PAIRS = (
    ("the engine online", "Lava floating_pt"),
    ("the engine online", "Lava torch"),
    ("the engine online in integers", "Lava fixed_pt"),
    ("the engine in integers, all options", "Lava fixed_pt, all options"),
)
BROKEN_LAVA_PAIRS = (
    ("the engine online", "Lava floating_pt, resumed"),
    ("the engine online", "Lava torch, resumed"),
    ("the engine online in integers", "Lava fixed_pt, resumed"),
)
FORKED_LAVA_PAIRS = (
    ("the engine online", "Lava floating_pt, forked"),
    ("the engine online in integers", "Lava fixed_pt, forked"),
)
"""Which accounts are compared. Lava's networks run in one process, but for the last, of which there
are few; they are stored, and resumed, between two epochs."""

# What costs much is compared in one case of so many.
_EVERY = {
    "Lava floating_pt, forked": 50,
    "Lava fixed_pt, forked": 50,
    "Lava floating_pt, resumed": 4,
    "Lava torch, resumed": 4,
    "Lava fixed_pt, resumed": 4,
    "the same, resumed": 4,
    "integers, resumed": 4,
    "fixed on NumPy": 2,
}


Outcome = tuple[str, "int | str", str]
"""Of a pair, by name: how many values are the same, or the field that both refuse; or what
differs."""


@dataclass(frozen=True)
class Refusal:
    """What came in place of an account: the name of the field that does not fit."""

    name: str
    message: str


@dataclass
class Examination:
    """The accounts of one case, each asked for once.

    Parameters
    ----------
    number : int
        Which case.
    """

    number: int
    case: Case = field(init=False)
    _accounts: dict[str, Trace | Refusal] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.case = draw(self.number)

    def applies(self, pair: tuple[str, str]) -> bool:
        """Say whether a pair has anything to compare in this case."""
        config = self.case.config
        if pair[1].endswith("all options"):
            return config != self.case.in_integers().config.replace(
                weight_average=config.weight_average
            )
        if pair in BROKEN_LAVA_PAIRS and config.epochs < 2:
            return False
        return self.number % _EVERY.get(pair[1], 1) == 0

    def compare(self, pair: tuple[str, str]) -> int | str:
        """Compare two accounts.

        Parameters
        ----------
        pair : tuple of str
            Names of :data:`ACCOUNTS`.

        Returns
        -------
        int or str
            How many values are the same, or the field that is refused.

        Raises
        ------
        DifferenceError
            If a value is another, or one refuses what the other does.
        """
        one, other = (self._account(name) for name in pair)
        if isinstance(one, dict) and isinstance(other, dict):
            return compare(one, other, pair)
        if isinstance(one, Refusal) and isinstance(other, Refusal) and one.name == other.name:
            return one.name
        # The one limit that only these have.
        too_long = self.case.config.num_steps > _LARGEST_COMPILED
        if pair[1] == "compiled kernels" and too_long and isinstance(other, Refusal):
            return "num_steps"
        told = [
            account.message if isinstance(account, Refusal) else "does it"
            for account in (one, other)
        ]
        raise DifferenceError(f"{pair[0]}: {told[0]}; {pair[1]}: {told[1]}")

    def _account(self, name: str) -> Trace | Refusal:
        if name not in self._accounts:
            try:
                self._accounts[name] = ACCOUNTS[name](self.case)
            except (ValueError, RuntimeError) as error:  # Lava's processes end with the latter
                message = str(error)
                found = _NAMED.search(message)
                if found is None:
                    raise
                self._accounts[name] = Refusal(found[1], message)
        return self._accounts[name]


def examine(number: int, pairs: Sequence[tuple[str, str]]) -> list[Outcome]:
    """Compare pairs of accounts of one configuration.

    Parameters
    ----------
    number : int
        Which.
    pairs : sequence of tuple of str
        Names of the accounts.

    Returns
    -------
    list of tuple
        An :data:`Outcome` of each pair that applies.
    """
    examination, found = Examination(number), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # images may be dark, and all neurons silent
        for pair in filter(examination.applies, pairs):
            outcome: int | str = 0
            difference = ""
            try:
                outcome = examination.compare(pair)
            except Exception as error:  # whatever it is, one of the two cannot do what it should
                difference = f"{type(error).__name__}: {error}"
            found.append((" = ".join(pair), outcome, difference))
    return found


def begin_work() -> None:
    """Make a process ready to examine: Lava forks, and Ctrl-C is for the one that waits."""
    multiprocessing.set_start_method("fork", force=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
