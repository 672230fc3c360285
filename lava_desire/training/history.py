"""The history of a training run: a record an epoch, in memory and as files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lava_desire.files import write_atomically

METRICS_CSV = "metrics.csv"
METRICS_JSON = "metrics.json"
LEARNING_CURVE = "learning_curve.png"
RUN = "run.json"


def seed_folder(folder: str | Path, seed: int) -> Path:
    """Return the folder of the run of a seed, in that of all."""
    return Path(folder) / f"seed-{seed}"


def seed_folders(folder: str | Path) -> list[Path]:
    """Return the folders of the runs of all seeds that are there, in that of all."""
    return sorted(Path(folder).glob("seed-*"))


@dataclass(frozen=True)
class EpochRecord:
    """One line of the metrics: an epoch, counted from 1, and what came of it.

    Parameters
    ----------
    epoch : int
        From 1.
    learning_rate : float
        η in this epoch.
    train_accuracy : float
        In [0, 1], counted during training, under dropout and with changing weights.
    test_accuracy : float or None
        In [0, 1], without dropout, after the epoch; None without a test set, and where there is
        one to validate with.
    test_loss : float or None
        Mean of Eq. 6 over the test samples; None where `test_accuracy` is.
    undecided_share : float or None
        Share of these samples, or of those to validate with, whose prediction was a tie; None
        without either.
    active_share : float
        Share of the training samples that desired a change.
    samples_per_second, seconds : float
        Of training, without the evaluation.
    average_accuracy : float or None
        :attr:`accuracy` of the moving average of the weights; None where none is kept.
    validation_accuracy, validation_loss : float or None
        As `test_accuracy` and `test_loss`, of the samples to validate with; None without them.
    rates : list of float or None
        Mean firing rate of the neurons of each layer, 1 to L, in spikes a time step, over the first
        64 training samples after the epoch, without dropout; None in runs that are older.
    """

    epoch: int
    learning_rate: float
    train_accuracy: float
    test_accuracy: float | None
    test_loss: float | None
    undecided_share: float | None
    active_share: float
    samples_per_second: float
    seconds: float
    average_accuracy: float | None = None
    validation_accuracy: float | None = None
    validation_loss: float | None = None
    rates: list[float] | None = None

    @property
    def accuracy(self) -> float | None:
        """What chooses the best epoch: `validation_accuracy`, or else `test_accuracy`."""
        validated = self.validation_accuracy
        return self.test_accuracy if validated is None else validated


@dataclass(frozen=True)
class TestRecord:
    """The test set, read once, at the end of a run whose epoch was chosen without it.

    Parameters
    ----------
    epoch : int
        Whose weights were chosen, from 1: by validation, or as the last.
    weights : str
        The file in the run's folder that holds them: those of the epoch, or their average. A run
        without a folder has no such file; the network then holds the last epoch's weights.
    accuracy, loss, undecided_share : float
        See :class:`EpochRecord`.
    num_samples : int
        Of the test set.
    """

    __test__ = False  # pytest shall not take it for a test

    epoch: int
    weights: str
    accuracy: float
    loss: float
    undecided_share: float
    num_samples: int


@dataclass
class History:
    """The epochs of a training run, oldest first.

    Parameters
    ----------
    records : list of EpochRecord
        One an epoch.
    test : TestRecord or None
        What the weights reach on the test set that validation chose, or the last ones where that
        is asked for; None in other runs, without a test set, and before the run has ended.
    stopped : str or None
        Why a callback ended the run before its last epoch.
    """

    records: list[EpochRecord] = field(default_factory=list)
    test: TestRecord | None = None
    stopped: str | None = None

    @property
    def best(self) -> EpochRecord | None:
        """The first epoch with the highest accuracy, in validation or else on the test set.

        None without an epoch or either set.
        """
        return _highest(self.records, "accuracy")

    @property
    def best_average(self) -> EpochRecord | None:
        """The first epoch with the highest accuracy of averaged weights; None if none are kept."""
        return _highest(self.records, "average_accuracy")

    @property
    def average_is_best(self) -> bool:
        """Whether averaged weights did better than any epoch's own."""
        best, average = self.best, self.best_average
        if best is None or average is None:
            return False
        return (average.average_accuracy or 0) > (best.accuracy or 0)

    @property
    def chosen(self) -> EpochRecord | None:
        """The epoch of :attr:`best_accuracy`; None without one."""
        return self.best_average if self.average_is_best else self.best

    @property
    def best_accuracy(self) -> float | None:
        """The highest accuracy, of averaged weights where they did better; None without one."""
        chosen = self.chosen
        if chosen is None:
            return None
        return chosen.average_accuracy if self.average_is_best else chosen.accuracy

    @property
    def weights_file(self) -> str | None:
        """The file in the run's folder that holds the weights that the run is for.

        Those that have met the test set, or else those of :attr:`best_accuracy`; None without one.
        """
        from lava_desire.checkpoint import BEST, BEST_AVERAGE  # which imports NumPy

        if self.test is not None:
            return self.test.weights
        if self.chosen is None:
            return None
        return BEST_AVERAGE if self.average_is_best else BEST

    @property
    def last(self) -> EpochRecord | None:
        """The latest epoch; None before the first one."""
        return self.records[-1] if self.records else None


def _highest(records: list[EpochRecord], name: str) -> EpochRecord | None:
    """Return the first of the records with the highest number of that name, of those with one."""
    found = [record for record in records if getattr(record, name) is not None]
    return max(found, key=lambda record: float(getattr(record, name)), default=None)


@dataclass
class Progress:
    """Where training is, for whoever shows it. Counts are of the present epoch.

    Parameters
    ----------
    epoch, num_epochs : int
        The present epoch, from 1, of so many.
    samples_done, num_samples : int
        Samples of the epoch seen so far, of so many.
    num_correct, num_active : int
        Those predicted right, and those that desired a change.
    seconds : float
        Since the epoch began.
    records : list of EpochRecord
        The epochs before.
    """

    epoch: int
    num_epochs: int
    samples_done: int
    num_samples: int
    num_correct: int
    num_active: int
    seconds: float
    records: list[EpochRecord]


def as_csv(records: Sequence[EpochRecord]) -> str:
    """Return epochs as CSV, a line each; what there is not is empty, rates are in one cell."""
    names = list(EpochRecord.__dataclass_fields__)
    lines = [",".join(names)]
    for record in records:
        values = [getattr(record, name) for name in names]
        lines.append(",".join(_cell(value) for value in values))
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def write_metrics(history: History, folder: Path) -> None:
    """Write the epochs as ``metrics.csv`` and ``metrics.json``, each atomically."""
    rows = [asdict(record) for record in history.records]
    write_atomically(folder / METRICS_CSV, as_csv(history.records).encode())
    best, last = history.best, history.last
    summary = {
        "best": asdict(best) if best else None,
        "last": asdict(last) if last else None,
        "test": asdict(history.test) if history.test else None,
        "stopped": history.stopped,
        "epochs": rows,
    }
    write_atomically(folder / METRICS_JSON, (json.dumps(summary, indent=2) + "\n").encode())
