"""The folder of a training run: its files, and from which of them to resume."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

from lava_desire._text import printable
from lava_desire.backends.registry import FIXED_POINT, PRECISIONS
from lava_desire.checkpoint import (
    BEST,
    BEST_AVERAGE,
    CHECKPOINT,
    PREVIOUS,
    Checkpoint,
    CheckpointError,
    read_checkpoint,
)
from lava_desire.errors import DamagedCheckpointWarning
from lava_desire.files import check_regular, read_file
from lava_desire.model.fields import MOST_SAMPLES
from lava_desire.model.state import COUNTERS, is_for_training
from lava_desire.strict_json import parse_json
from lava_desire.training.history import (
    LEARNING_CURVE,
    METRICS_CSV,
    METRICS_JSON,
    RUN,
    EpochRecord,
    History,
    TestRecord,
)

CONFIG = "config.json"
FILES = (
    *(METRICS_CSV, METRICS_JSON, LEARNING_CURVE),
    *(BEST, BEST_AVERAGE, PREVIOUS, CHECKPOINT, CONFIG, RUN),
)
"""What a run leaves, what it can best do without first."""

POSITION = ("epoch", "samples_done", "num_correct", "num_active", "seconds")
"""Where a run is, in the state of its checkpoint."""

_LARGEST = 1e300
_MOST_METRICS = 1 << 26  # bytes of a run's epochs
_TEST_NUMBERS = [each.name for each in dataclasses.fields(TestRecord) if each.name != "weights"]


def holds_run(folder: Path) -> bool:
    """Say whether there is a checkpoint in the folder."""
    return (folder / CHECKPOINT).exists() or (folder / PREVIOUS).exists()


def read_latest(folder: str | Path) -> tuple[Checkpoint, Path]:
    """Read the latest checkpoint of a run that is whole.

    Going on from the one before it costs the time between the two, and ends in the same weights.
    Returns the checkpoint and where it was read. Warns with DamagedCheckpointWarning if the latest
    is damaged, gone or cannot be read, and the one before it is taken. Raises CheckpointError, with
    the file, if there is no checkpoint, or none that is whole; OSError or MemoryError if it cannot
    be read, and there is no older one.
    """
    latest, previous = Path(folder) / CHECKPOINT, Path(folder) / PREVIOUS
    if not latest.exists() and not previous.exists():
        raise CheckpointError(f"{folder} holds no {CHECKPOINT} to resume from")
    try:
        return _read(latest), latest
    except (CheckpointError, OSError, MemoryError) as error:
        problem = _problem(error, latest)
        if not previous.exists():
            if not isinstance(error, (CheckpointError, FileNotFoundError)):
                raise
            raise CheckpointError(f"{problem}; no older checkpoint is beside it") from None
    try:
        checkpoint = _read(previous)
    except (CheckpointError, OSError, MemoryError) as error:
        reason = _problem(error, previous)
        raise CheckpointError(f"{problem}; the older checkpoint is no better: {reason}") from None
    warnings.warn(
        f"{problem}: going on from {previous}, which is older and whole",
        DamagedCheckpointWarning,
        stacklevel=1,  # one place, so that who asks twice is told once
    )
    return checkpoint, previous


def _read(path: Path) -> Checkpoint:
    """Read a checkpoint of a folder that may come from anywhere: a link would lead out of it."""
    check_regular(path, follow=False)
    return read_checkpoint(path)


def _problem(error: Exception, path: Path) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path} is not there"
    if isinstance(error, MemoryError):
        return f"{path} takes more memory than there is"
    return str(error)


def checked_state(checkpoint: Checkpoint, path: Path, num_samples: int) -> dict[str, Any]:
    """Return a run's state with its records built, or refuse it.

    The state has `records` as a list of :class:`EpochRecord`. Raises CheckpointError, with the
    path, if the checkpoint holds none, or one that no run of so many training samples can be in.
    """
    state = dict(checkpoint.state)
    if not state:
        raise CheckpointError(f"{path} holds a network but no training state to resume")
    limits = {"epoch": 1 << 32, "samples_done": num_samples}
    limits |= dict.fromkeys(("num_correct", "num_active"), num_samples)
    limits |= {
        name: MOST_SAMPLES
        for name, counter in COUNTERS.items()
        if is_for_training(name) and checkpoint.holds(counter.of)
    }
    for name, largest in limits.items():
        value = state.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
            raise CheckpointError(
                f"{path} says {name} = {value!r}: expected an integer in [0, {largest}]"
            )
    seconds = state.get("seconds")
    if not _is_number(seconds) or seconds < 0:  # type: ignore[operator]
        raise CheckpointError(f"{path} says seconds = {seconds!r}: expected a number >= 0")
    state["records"] = read_records(checkpoint, path)
    state["test"] = read_test(state.get("test"), path)
    if state["epoch"] != len(state["records"]):
        raise CheckpointError(
            f"{path} says epoch = {state['epoch']}: expected {len(state['records'])}, one a record"
        )
    return state


def read_test(stored: Any, path: Path) -> TestRecord | None:
    """Return what the test set came to, of a run that has read it; refuse what is no record."""
    if stored is None:
        return None
    try:
        record = TestRecord(**stored)
    except TypeError:
        record = None
    found = [] if record is None else [getattr(record, name) for name in _TEST_NUMBERS]
    if (
        record is None
        or record.weights not in (BEST, BEST_AVERAGE, CHECKPOINT)
        or not all(map(_is_number, found))
    ):
        raise CheckpointError(f"{path} says test = {stored!r}: expected what a test set came to")
    return record


def read_records(checkpoint: Checkpoint, path: Path) -> list[EpochRecord]:
    """Return the epochs that a run has behind it.

    Raises CheckpointError if the checkpoint is no run's, or its records are not those of epochs.
    """
    stored = checkpoint.state.get("records")
    if not isinstance(stored, list):
        raise CheckpointError(f"{path} holds a network but no training")
    return _checked_records(stored, path)


def read_precision(checkpoint: Checkpoint, path: Path) -> str:
    """Return the precision that a run computes in.

    Raises CheckpointError, with the path, if the checkpoint names none.
    """
    stored = checkpoint.state.get("precision")
    if stored not in (*PRECISIONS, FIXED_POINT):
        raise CheckpointError(
            f"{path} says precision = {stored!r}: expected one of "
            f"{', '.join((*PRECISIONS, FIXED_POINT))}"
        )
    return str(stored)


def read_history(folder: str | Path) -> History:
    """Return the epochs of the run in a folder from its ``metrics.json``, without its weights.

    Raises CheckpointError if the file is damaged, OSError if it cannot be read; FileNotFoundError
    where no epoch was finished.
    """
    path = Path(folder) / METRICS_JSON
    try:
        stored = parse_json(read_file(path, _MOST_METRICS, follow=False))
        records, test = _checked_records(list(stored["epochs"]), path), stored.get("test")
        stopped = stored.get("stopped")
        return History(
            records, read_test(test, path), None if stopped is None else printable(stopped)
        )
    except CheckpointError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None


def _checked_records(stored: list[Any], path: Path) -> list[EpochRecord]:
    # Fields of later versions may miss; those of the test set are empty without one.
    optional = {
        field.name: (field.default is not dataclasses.MISSING, "None" in str(field.type))
        for field in dataclasses.fields(EpochRecord)
    }
    for number, record in enumerate(stored, start=1):
        good = (
            isinstance(record, dict)
            and all(
                _is_measured(record[name]) or (may_be_none and record[name] is None)
                if name in record
                else may_miss
                for name, (may_miss, may_be_none) in optional.items()
            )
            and not record.keys() - optional.keys()
            and record["epoch"] == number
        )
        if not good:
            raise CheckpointError(f"{path}: record {number} is {record!r}: expected an epoch's")
    return [EpochRecord(**record) for record in stored]


def _is_measured(value: Any) -> bool:
    """Say whether a value is a number, or several, as rates of layers are."""
    return all(map(_is_number, value)) if isinstance(value, list) else _is_number(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < _LARGEST  # not so NaN, infinity, and integers that no float can hold
