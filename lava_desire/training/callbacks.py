"""What a user adds to a training run: :class:`Callback` and the ready ones.

Callbacks look at a run and may end it after an epoch; they draw no random numbers and change no
weights, so that a run with them has the bits of one without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lava_desire.checkpoint import write_checkpoint
from lava_desire.files import check_writable
from lava_desire.model.fields import checked_integer, number

if TYPE_CHECKING:
    from lava_desire.training.history import EpochRecord, Progress
    from lava_desire.training.loop import TrainingRun

EPOCHS = "epochs"
"""The folder, in that of a run, where :class:`EpochCheckpoint` writes."""


class Callback:
    """Called by :func:`~lava_desire.engine.fit` while it trains; every method may be left out.

    Of several ranks the first alone calls them. What one raises ends the run, on every rank, with
    that error; the checkpoint before is whole, and the run can be resumed.
    """

    def on_begin(self, run: TrainingRun) -> None:
        """Look at a run before its first epoch, and after it was resumed.

        Parameters
        ----------
        run : TrainingRun
            Its `network`, `history`, `folder`, which may be None, `epoch`, how many are done,
            `metrics`, the :class:`~lava_desire.engine.Metrics` of the last one or None, and
            ``stop(reason)``.
        """

    def on_progress(self, run: TrainingRun, progress: Progress) -> None:
        """Look at a run after a minibatch, or, in Lava, 16 samples; this is where time is lost.

        Parameters
        ----------
        run : TrainingRun
            See :meth:`Callback.on_begin`.
        progress : Progress
            Where it is.
        """

    def on_epoch_end(self, run: TrainingRun, record: EpochRecord) -> None:
        """Look at a run after an epoch, when its record and its checkpoint are written.

        Parameters
        ----------
        run : TrainingRun
            As in :meth:`on_begin`.
        record : EpochRecord
            The epoch's, the last of ``run.history.records``.
        """

    def on_end(self, run: TrainingRun) -> None:
        """Look at a run that has ended as planned or was stopped early, the test set read.

        Parameters
        ----------
        run : TrainingRun
            See :meth:`Callback.on_begin`.
        """


class EarlyStopping(Callback):
    """Ends a run when a number has not become better for some epochs.

    It is told from the records alone, so that a run that is resumed stops where an unbroken one
    does, and one that was stopped stays so.

    Parameters
    ----------
    patience : int
        Epochs without a better one, at least 1, after which the run ends.
    min_delta : float
        By how much more than the best so far a number has to be, at least 0.
    of : str
        The field of :class:`~lava_desire.engine.EpochRecord` that is watched: ``"accuracy"``, in
        validation or else on the test set, or another; of one that ends in ``loss`` less is better.

    Raises
    ------
    ValueError
        If a value is out of its range; when the run begins, if its records have no such number.

    Examples
    --------
    >>> from lava_desire import DesireConfig, DesireNetwork, fit, load_dataset
    >>> from lava_desire.training.callbacks import EarlyStopping
    >>> network = DesireNetwork(DesireConfig((64, 40, 10), learning_rate=0.1, epochs=50))
    >>> history = fit(
    ...     network, load_dataset("digits"), validation=0.1, callbacks=[EarlyStopping(2)]
    ... )
    >>> len(history.records) < 50, history.stopped
    (True, 'accuracy has not become better for 2 epochs')
    """

    def __init__(self, patience: int, min_delta: float = 0.0, of: str = "accuracy") -> None:
        self.patience = checked_integer("patience", patience, 1)
        self.min_delta = float(number("min_delta", min_delta, "at least 0"))
        self.of = of
        if not self.min_delta >= 0:
            raise ValueError(f"min_delta is {min_delta}: expected at least 0")
        if of not in _NUMBERS:
            raise ValueError(f"of is {of!r}: expected one of {', '.join(_NUMBERS)}")

    def on_begin(self, run: TrainingRun) -> None:
        """See :class:`Callback`; stop a run that had stopped.

        Raises ValueError if the run's records will have no such number.
        """
        tested = run.watched is not None
        validated = run.validation is not None
        there = {
            "accuracy": tested,
            "undecided_share": tested,
            "average_accuracy": tested and run.average is not None,
            **dict.fromkeys(("test_accuracy", "test_loss"), tested and not validated),
            **dict.fromkeys(("validation_accuracy", "validation_loss"), validated),
        }
        if not there.get(self.of, True):
            raise ValueError(
                f"EarlyStopping watches {self.of}, which this run does not measure: expected "
                "a validation or a test set that gives it"
            )
        self._look(run)

    def on_epoch_end(self, run: TrainingRun, record: EpochRecord) -> None:
        """See :class:`Callback`: stop the run if this was one epoch too many."""
        self._look(run)

    def _look(self, run: TrainingRun) -> None:
        sign = -1.0 if self.of.endswith("loss") else 1.0
        best, waited = -float("inf"), 0
        for record in run.history.records:
            value = getattr(record, self.of)
            if value is not None and sign * value > best + self.min_delta:
                best, waited = sign * value, 0
            else:
                waited += 1
        if waited >= self.patience:
            run.stop(f"{self.of} has not become better for {self.patience} epochs")


class EpochCheckpoint(Callback):
    """Keeps the weights of every so many epochs, each in a file of its own.

    Parameters
    ----------
    every : int
        Epochs, at least 1.
    folder : path, optional
        Where ``epoch-0010.safetensors`` and so on go, which
        :meth:`~lava_desire.engine.DesireNetwork.load` reads; ``epochs`` in the folder of the run
        when not given.

    Raises
    ------
    ValueError
        If `every` is less than 1; when the run begins, if neither it nor this has a folder.
    OSError
        When the run begins, if the folder cannot be written.
    """

    def __init__(self, every: int = 1, folder: str | Path | None = None) -> None:
        self.every = checked_integer("every", every, 1)
        self.folder = None if folder is None else Path(folder)

    def on_begin(self, run: TrainingRun) -> None:
        """See :class:`Callback`: make the folder.

        Raises ValueError if neither this nor the run has one, OSError if it cannot be written.
        """
        if self.folder is None and run.folder is None:
            raise ValueError("EpochCheckpoint has no folder, nor has the run: expected one of them")
        self._into = self.folder or Path(run.folder or "") / EPOCHS
        self._into.mkdir(parents=True, exist_ok=True)
        check_writable(self._into / _file_of(0))

    def on_epoch_end(self, run: TrainingRun, record: EpochRecord) -> None:
        """See :class:`Callback`: write the weights, if it is their turn.

        Raises OSError if they cannot be written; the run's own checkpoint is whole.
        """
        if record.epoch % self.every == 0:
            write_checkpoint(run.network.checkpoint(), self._into / _file_of(record.epoch))


class _Function(Callback):
    """Calls a function with the record of every epoch."""

    def __init__(self, function: Callable[[EpochRecord], Any]) -> None:
        self._function = function

    def on_epoch_end(self, run: TrainingRun, record: EpochRecord) -> None:
        self._function(record)


def as_callbacks(given: Iterable[Callback | Callable[[EpochRecord], Any]]) -> list[Callback]:
    """Return callbacks, of which some may be functions of an epoch's record.

    Raises ValueError if one is neither.
    """
    found: list[Callback] = []
    if not isinstance(given, Iterable | Callback) and not callable(given):
        given = [given]
    for each in [given] if isinstance(given, Callback) or callable(given) else given:
        if isinstance(each, type) or not (isinstance(each, Callback) or callable(each)):
            raise ValueError(
                f"callbacks holds {each!r}: expected instances of lava_desire.engine.Callback, or "
                "functions of an epoch's record"
            )
        found.append(each if isinstance(each, Callback) else _Function(each))
    return found


def _file_of(epoch: int) -> str:
    return f"epoch-{epoch:04d}.safetensors"


_NUMBERS = (
    *("accuracy", "train_accuracy", "test_accuracy", "test_loss", "undecided_share"),
    *("active_share", "average_accuracy", "validation_accuracy", "validation_loss"),
)
