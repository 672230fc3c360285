"""Runs as their folders tell of them: what ``compare`` and ``report`` show. No torch."""

from __future__ import annotations

import glob
import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lava_desire._text import printable
from lava_desire.config import DesireConfig
from lava_desire.files import read_file
from lava_desire.model.parts import SAY_LAYERS
from lava_desire.strict_json import parse_json
from lava_desire.training.history import METRICS_JSON, RUN, EpochRecord, History
from lava_desire.training.run_folder import CONFIG, holds_run, read_history, read_latest
from lava_desire.training.run_folder import read_records as records_of

_SETTINGS = ("backend", "device", "precision", "kernels", "validation")
_MOST_TEXT = 60  # characters of a value from a file


@dataclass(frozen=True)
class StoredRun:
    """A run as the files of its folder tell of it.

    The config is None where no file says it, the history has no epochs where none says them.
    `settings` are data, backend, device, precision and kernels, `environment` versions and the
    machine, as far as they are noted; `problems` say what is missing or damaged.
    """

    folder: Path
    config: DesireConfig | None = None
    history: History = field(default_factory=History)
    settings: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def best(self) -> EpochRecord | None:
        """The epoch with the highest accuracy, in validation or else on the test set.

        Where averaged weights did better, that of the best average.
        """
        return self.history.chosen

    @property
    def accuracies(self) -> dict[str, float | None]:
        """``"best"``, ``"last"``, ``"test"`` (read once) and ``"training"``, in [0, 1]."""
        last, test = self.history.last, self.history.test
        return {
            "best": self.history.best_accuracy,
            "last": last.accuracy if last else None,
            "test": test.accuracy if test else None,
            "training": last.train_accuracy if last else None,
        }

    @property
    def chosen_by(self) -> str:
        """``"validation"``, ``"test"``, or ``""`` without either."""
        if self.best is None:
            return ""
        return "test" if self.best.validation_accuracy is None else "validation"

    @property
    def progress(self) -> str:
        """Epochs that are done, and of how many where it is unfinished."""
        done = len(self.history.records)
        asked = self.config.epochs if self.config is not None else done
        return str(done) if done >= asked else f"{done} of {asked}"

    @property
    def fields(self) -> dict[str, str]:
        """Every field of the configuration as text, the layers in short."""
        if self.config is None:
            return {}
        texts = {
            name: _text(value)
            for name, value in self.config.to_dict().items()
            if name not in (*SAY_LAYERS, "input_shape")
        }
        return {"layers": self.config.shape_text, **texts}

    @property
    def described(self) -> dict[str, str]:
        """What runs are told apart by: settings, fields, environment; not how many epochs."""
        described = {**self.settings, **self.fields, **self.environment}
        described.pop("epochs", None)  # beside those that are done
        return described


@dataclass(frozen=True)
class OverSeeds:
    """Runs that differ in nothing but the seed: their numbers in a list, and their seeds.

    `means` are the mean of each accuracy that all of them have, and its standard deviation (of
    n − 1), in [0, 1].
    """

    runs: tuple[int, ...]
    seeds: tuple[int, ...]
    means: dict[str, tuple[float, float]]


def over_seeds(runs: Sequence[StoredRun]) -> list[OverSeeds]:
    """Return the groups of two or more runs that differ in nothing but the seed.

    Runs of different length are of different groups; of a seed that is there twice, the first
    counts; runs whose files say no seed are in none.
    """
    groups: dict[Any, dict[str, int]] = {}
    for number, run in enumerate(runs):
        described = run.described
        seed = described.pop("seed", None)
        if seed is not None and run.history.records:
            key = (run.progress, *sorted(described.items()))
            groups.setdefault(key, {}).setdefault(seed, number)
    found = []
    for group in groups.values():
        if len(group) < 2:
            continue
        means = {}
        for name in ("best", "last", "test", "training"):
            values = [runs[number].accuracies[name] for number in group.values()]
            known = [value for value in values if value is not None]
            if len(known) == len(values):
                means[name] = statistics.fmean(known), statistics.stdev(known)
        found.append(OverSeeds(tuple(group.values()), tuple(map(int, group)), means))
    return found


def find_runs(places: Sequence[str]) -> list[Path]:
    """Return the folders of the runs that are named, or are in the folders that are.

    Places are folders of runs, folders with runs somewhere below, and patterns such as
    ``runs/seed-*``. Each run comes once, in the order given, those of one folder sorted. Raises
    FileNotFoundError if there is nothing of a name, ValueError if there is no run in a folder.
    """
    found: dict[Path, None] = {}
    for place in places:
        named = [place] if os.path.lexists(place) else sorted(glob.glob(place))
        if not named:
            raise FileNotFoundError(f"No such folder: {place}; expected a run, or a folder of runs")
        runs = [run for each in named for run in _runs_in(Path(each))]
        if not runs:
            raise ValueError(f"{place} holds no run: expected one, or a folder of runs")
        found.update(dict.fromkeys(runs))
    return list(found)


def _runs_in(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        return
    if holds_run(place) or any(os.path.lexists(place / name) for name in (METRICS_JSON, RUN)):
        yield place
        return
    for below in sorted(each for each in place.iterdir() if not each.is_symlink()):
        yield from _runs_in(below)


def read_run(folder: str | Path) -> StoredRun:
    """Read what the files of a run's folder tell, and note what is missing or damaged."""
    folder, problems = Path(folder), []

    def tried(read: Callable[[], Any]) -> Any:
        try:
            return read()
        except FileNotFoundError as error:
            problems.append(f"{Path(error.filename or folder).name} is missing")
        except (OSError, ValueError, MemoryError) as error:
            problems.append(printable(str(error)))
        return None

    notes = tried(lambda: _notes(folder / RUN)) or {}
    config = tried(lambda: _config(folder / CONFIG))
    history = tried(lambda: read_history(folder))
    if config is None or history is None:
        latest = tried(lambda: read_latest(folder))
        if latest is not None:
            checkpoint, path = latest
            config = config or checkpoint.config
            history = history or tried(lambda: History(records_of(checkpoint, path)))
    if history is not None and not history.records:
        problems.append("no epoch is finished")
    return StoredRun(
        folder,
        config,
        history or History(),
        _settings(notes),
        _texts(notes.get("environment")),
        tuple(dict.fromkeys(problems)),
    )


def ranked(runs: Sequence[StoredRun]) -> list[int]:
    """Return the numbers of the runs, the most accurate first: in the best epoch, then the last."""

    def rank(number: int) -> list[float]:
        found = runs[number].accuracies
        return [-(found[name] or 0.0) for name in ("best", "last", "training")]

    return sorted(range(len(runs)), key=rank)


def short_names(folders: Sequence[Path]) -> list[str]:
    """Return what tells runs apart: their paths without what all of them begin with."""
    paths = [Path(os.path.abspath(folder)) for folder in folders]
    if len(paths) == 1:
        return [printable(paths[0].name)]
    common = os.path.commonpath([path.parent for path in paths])
    return [printable(path.relative_to(common).as_posix()) for path in paths]


def differences(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the names whose values are not the same in all rows; a missing one is a value."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if len({row.get(name) for row in rows}) > 1]


def _notes(path: Path) -> dict[str, Any]:
    found = parse_json(read_file(path, follow=False))
    if not isinstance(found, dict):
        raise ValueError(f"{path} is damaged: expected an object")
    return found


def _config(path: Path) -> DesireConfig:
    try:
        return DesireConfig.from_json(read_file(path, follow=False).decode())
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from None


def _settings(notes: Mapping[str, Any]) -> dict[str, str]:
    source = notes.get("source")
    found = {}
    if isinstance(source, dict):
        for name in ("file", "events", "dataset"):
            if isinstance(source.get(name), str):
                found["data"] = source[name]
    found |= {name: notes[name] for name in _SETTINGS if notes.get(name) is not None}
    return _texts(found)


def _texts(values: Any) -> dict[str, str]:
    if not isinstance(values, dict):
        return {}
    return {printable(name, _MOST_TEXT): _text(value) for name, value in values.items()}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) or "none"
    return printable(value, _MOST_TEXT)
