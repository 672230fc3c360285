"""How training is shown: a table and a live line for people, JSON lines for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from lava_desire._text import listed, percent
from lava_desire.cli.printing import tell
from lava_desire.cli.run_data import describe

if TYPE_CHECKING:
    from lava_desire.cli.run import Run
    from lava_desire.engine import EpochRecord, History, Progress

_HEADER = " epoch   training {:>10}   with desire   samples/s"
_REFRESH_SECONDS = 0.1


class Silence:
    """Shows nothing."""

    def __enter__(self) -> Silence:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    column = "test"  # what epochs are evaluated on
    _shown: int | None = None

    def update(self, progress: Progress) -> None:
        """Take note of progress."""

    def _new_records(self, progress: Progress) -> Sequence[EpochRecord]:
        """Return the epochs that have ended since the call before, of this run."""
        first, self._shown = self._shown, len(progress.records)
        return progress.records[self._shown if first is None else first :]


class JsonLines(Silence):
    """Prints one JSON object an epoch."""

    def update(self, progress: Progress) -> None:
        """Print the epoch that has ended, if one has."""
        for record in self._new_records(progress):
            print(json.dumps(asdict(record)), flush=True)


class LiveTable(Silence):
    """Prints a table row an epoch and keeps a line of the running epoch below it.

    With a `label` there is the line alone, which begins with it.
    """

    def __init__(self, console: Console, label: str = "") -> None:
        self._console = console
        self._label = label
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._drawn = 0.0
        self._started = time.monotonic()
        self._steps_before: float | None = None

    def __enter__(self) -> LiveTable:
        if not self._label:
            self._console.print(_HEADER.format(self.column), style="bold")
        self._live.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._live.__exit__(*exception)

    def update(self, progress: Progress) -> None:
        """Redraw the line, ten times a second at most, and print the epoch that has ended."""
        done = progress.epoch + progress.samples_done / progress.num_samples
        if self._steps_before is None:
            self._steps_before = done
        for record in () if self._label else self._new_records(progress):
            self._console.print(_row(record, progress.num_epochs), highlight=False)
        now = time.monotonic()
        if now - self._drawn < _REFRESH_SECONDS or not self._console.is_terminal:
            return
        self._drawn = now
        self._live.update(Text(self._line(progress, done, now)), refresh=True)

    def _line(self, progress: Progress, done: float, now: float) -> str:
        seen = max(progress.samples_done, 1)
        learned = done - (self._steps_before or 0)
        left = "?"
        if learned > 0:
            left = duration((progress.num_epochs - done) * (now - self._started) / learned)
        return (
            f"{self._label}{progress.epoch + 1:3d}/{progress.num_epochs:<3d} "
            f"{100 * progress.num_correct / seen:8.2f} %   "
            f"{progress.samples_done}/{progress.num_samples} samples   "
            f"{100 * progress.num_active / seen:5.1f} % with desire   "
            f"{progress.samples_done / max(progress.seconds, 1e-9):.0f} samples/s   {left} left"
        )


def choose_display(console: Console, quiet: bool, as_json: bool) -> Silence:
    """Return what shows training: JSON is for programs, and printed in quiet as well."""
    if as_json:
        return JsonLines()
    return Silence() if quiet else LiveTable(console)


def introduce(console: Console, run: Run, num_ranks: int = 1) -> None:
    """Say what is about to be trained, on which samples."""
    config, data = run.network.config, run.data
    held_out = round((run.validation or 0) * len(data.train_labels))
    tell(
        console,
        f"{describe(run.source, data)}: {len(data.train_labels) - held_out} training"
        + (f", {held_out} validation and " if held_out else " and ")
        + f"{len(data.test_labels) or 'no'} test samples; "
        + (f"classes {listed(data.class_names)}; " if data.class_names else "")
        + f"network {config.shape_text}, {config.num_steps} time steps, "
        f"batch {config.batch_size}, seed {config.seed}; "
        f"{run.network.precision} "
        + ("in Lava processes" if run.backend == "lava" else f"on {run.network.device}")
        + (f", {num_ranks} ranks" if num_ranks > 1 else "")
        + (", resumed" if run.resume else ""),
    )


def best_of(history: History, where: str = "") -> str:
    """Return the best accuracy of a run that has one, `where` it was reached, and by what."""
    chosen, weights = history.chosen, ", averaged weights" if history.average_is_best else ""
    assert chosen is not None
    return f"best {percent(history.best_accuracy)}{where} (epoch {chosen.epoch}{weights})"


def accuracies(history: History) -> str:
    """Return what a run of at least one epoch has come to."""
    best, last, test = history.chosen, history.last, history.test
    assert last is not None
    if best is None or last.accuracy is None:
        text = f"last {100 * last.train_accuracy:.2f} % in training"
        text += ", no test set" if test is None else ""
    else:
        where = "" if best.validation_accuracy is None else " in validation"
        text = f"{best_of(history, where)}, last {100 * last.accuracy:.2f} %"
    if history.stopped is not None:
        text += f"; stopped after epoch {last.epoch}, as {history.stopped}"
    if test is not None:
        text += (
            f"; on the test set, read once, {100 * test.accuracy:.2f} % by the weights of epoch "
            f"{test.epoch} ({test.weights})"
        )
    return text


def _row(record: EpochRecord, num_epochs: int) -> str:
    return (
        f"{record.epoch:3d}/{num_epochs:<3d} {100 * record.train_accuracy:8.2f} % "
        f"{percent(record.accuracy, 'no set'):>10}    {100 * record.active_share:7.1f} % "
        f"{record.samples_per_second:11.0f}"
    )


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
