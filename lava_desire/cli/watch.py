"""``lava-desire watch``: how a run goes, from the files of its folder alone. No torch, no lock."""

from __future__ import annotations

import json
import os
import time
import warnings
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from lava_desire._text import printable
from lava_desire.cli.display import best_of, duration
from lava_desire.cli.fields import option, places
from lava_desire.cli.printing import make_console, say, tell, terminal_width
from lava_desire.errors import DamagedCheckpointWarning
from lava_desire.files import LOCK, writer_of
from lava_desire.model.fields import MOST_SAMPLES, FloatRange, floats
from lava_desire.training.history import METRICS_JSON, EpochRecord, History

RUNNING, SILENT, DONE, STOPPED, ENDED = "running", "silent", "done", "stopped", "ended"
WAITING = "waiting"
_SILENT_SECONDS = 300.0  # five times the longest between two checkpoints, unless asked otherwise
_EPOCHS_TIMED = 5
_INTERVALS = floats(FloatRange("{name} >= 0.1", lambda value: value >= 0.1))  # seconds
_ROWS, _MOST_COLUMNS = 8, 60


@dataclass
class View:
    """A run at a moment. `state` is one of the words above."""

    folder: str
    state: str
    reason: str = ""
    writer: str | None = None
    epoch: int = 0  # that are done
    num_epochs: int = 0
    samples_done: int = 0  # of the present epoch, when the last checkpoint was written
    num_samples: int | None = None
    is_whole: bool = False  # whether all epochs are done, and the test set read where it is to be
    written_seconds_ago: float | None = None
    seconds_left: float | None = None
    history: History = field(default_factory=History)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        found = {name: value for name, value in vars(self).items() if name != "history"}
        best, last = self.history.best, self.history.last
        found |= {"best": best and asdict(best), "last": last and asdict(last)}
        return {**found, "test": asdict(self.history.test) if self.history.test else None}


def watch(
    run: Annotated[str, typer.Argument(help="The folder of a run.", autocompletion=places)],
    once: Annotated[bool, option("Say where it is now, and end.", True, "--once")] = False,
    every: Annotated[
        float, option("Seconds between two looks at the files.", "2", allowed=_INTERVALS)
    ] = 2.0,
    json_: Annotated[
        bool, option("Print JSON, an object whenever the files change.", True, "--json")
    ] = False,
) -> None:
    """Show how a run goes, from its files alone: in another terminal, or on another machine.

    It ends when the run has, with 1 if that is unfinished and nobody is at it. Whether the process
    is there is known on its own machine; on others a run that writes nothing for five minutes
    is called silent. Nothing is locked or written.
    """
    folder = Path(run)
    if not folder.is_dir():
        raise FileNotFoundError(f"No such folder: {run}; expected the folder of a run")
    with suppress(KeyboardInterrupt):
        view = look(folder)
        if once and view.state == WAITING:
            raise ValueError(f"{run} holds no run: expected the folder of one")
        if once and json_:
            print(json.dumps(view.to_dict()))
        elif once:
            say(described(view, terminal_width()))
        else:
            view = _follow(folder, view, every, json_)
        raise typer.Exit(1 if view.state == ENDED and not once else 0)
    raise typer.Exit(130)


def _follow(folder: Path, view: View, every: float, as_json: bool) -> View:
    """Show a run until it has ended."""
    from rich.live import Live
    from rich.text import Text

    console = make_console(quiet=as_json)
    is_live = console.is_terminal and not as_json
    shown, seen = None, _stamp(folder)
    with Live(console=console, auto_refresh=False) if is_live else nullcontext() as live:
        while True:
            said = (view.state, view.epoch, view.samples_done)
            if live is not None:
                live.update(Text(described(view, console.width)), refresh=True)
            elif said != shown and as_json:
                print(json.dumps(view.to_dict()), flush=True)
            elif said != shown:
                tell(console, "; ".join(_headline(view)))
            shown = said
            if view.state in (DONE, STOPPED, ENDED):
                return view
            pause(every)
            stamp = _stamp(folder)
            view = look(folder, None if stamp != seen else view)
            seen = stamp


def pause(seconds: float) -> None:
    """Wait until the files are looked at again."""
    time.sleep(seconds)


def look(folder: Path, before: View | None = None) -> View:
    """Return where a run is; with the view `before`, of a folder whose files are the same.

    Raises ValueError if the folder holds several runs, or one that is damaged.
    """
    from lava_desire.analysis.runs import find_runs
    from lava_desire.training.run_folder import holds_run

    writer, is_there = writer_of(folder) or (None, False)
    if before is not None and before.state != WAITING:
        view = replace(before, writer=writer, reason="")
    elif not holds_run(folder):
        with suppress(ValueError):  # none below either: one may begin
            several = ", ".join(str(each) for each in find_runs([str(folder)])[:3])
            if several != str(folder):
                raise FileNotFoundError(
                    f"{folder} holds runs, and is none: expected one of them, as {several}"
                )
        return View(str(folder), WAITING, "no run has begun here yet", writer)
    else:
        view = _read(folder)
        view.writer = writer
    view.written_seconds_ago = _age(folder)
    mean = _epoch_seconds(view.history.records)
    if writer is None or is_there is False:
        lost = f"{writer} is gone" if writer else "nobody is training it"
        again = f"resume with: lava-desire train --resume {folder}"
        view.state, view.reason = ENDED, f"{lost}; {again}"
        if view.is_whole:
            view.state, view.reason = DONE, ""
        elif view.history.stopped is not None:
            view.state, view.reason = STOPPED, view.history.stopped
    elif is_there is None and view.written_seconds_ago > _SILENT_SECONDS:
        view.state, view.reason = SILENT, f"{writer} has written nothing for long"
    else:
        view.state = RUNNING
    view.seconds_left = None
    if view.state == RUNNING and mean is not None:
        begun = min(view.samples_done / view.num_samples if view.num_samples else 0.0, 1.0)
        left = (view.num_epochs - view.epoch - begun) * mean - view.written_seconds_ago
        view.seconds_left = max(left, 0.0)
    return view


def _read(folder: Path) -> View:
    """Read where a run was when its latest checkpoint was written."""
    from lava_desire.checkpoint import CheckpointError
    from lava_desire.training.run_folder import checked_state, read_history, read_latest

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedCheckpointWarning)
        checkpoint, path = read_latest(folder)
    state = checked_state(checkpoint, path, MOST_SAMPLES)
    data, num_epochs = checkpoint.card.get("data", {}), checkpoint.config.epochs
    num_samples = data.get("training_samples")
    records = state["records"]
    is_read = state["test"] is not None or any(each.test_accuracy is not None for each in records)
    test_is_due = "test_samples" in data and bool(records) and not is_read
    history = History(records, state["test"])
    with suppress(CheckpointError, OSError):  # written before the first epoch, or not yet
        history.stopped = read_history(folder).stopped
    return View(
        str(folder),
        RUNNING,
        epoch=state["epoch"],
        num_epochs=num_epochs,
        samples_done=state["samples_done"],
        num_samples=num_samples if isinstance(num_samples, int) else None,
        is_whole=state["epoch"] >= num_epochs and not test_is_due,
        history=history,
    )


def _stamp(folder: Path) -> list[tuple[int, int]]:
    """Return what changes when a file of the run is replaced, or its lock comes or goes."""
    from lava_desire.checkpoint import CHECKPOINT, PREVIOUS

    found = []
    for name in (CHECKPOINT, PREVIOUS, METRICS_JSON, LOCK):
        with suppress(OSError):
            status = os.stat(folder / name)
            found.append((status.st_mtime_ns, status.st_ino))
    return found


def _age(folder: Path) -> float:
    """Return the seconds since the run wrote something, by the clock of this machine."""
    from lava_desire.checkpoint import CHECKPOINT

    written = [0.0]
    for name in (CHECKPOINT, METRICS_JSON, LOCK):
        with suppress(OSError):
            written.append(os.stat(folder / name).st_mtime)
    return max(time.time() - max(written), 0.0)


def _epoch_seconds(records: list[EpochRecord]) -> float | None:
    timed = [record.seconds for record in records[-_EPOCHS_TIMED:]]
    return sum(timed) / len(timed) if timed else None


def _headline(view: View) -> list[str]:
    first = f"{view.folder}: {view.state}"
    if view.state in (RUNNING, SILENT) and view.writer:
        first += f" ({view.writer})"
    if view.reason:
        first += f", {view.reason}"
    if view.state == WAITING:
        return [first]
    where = f"{view.epoch} of {view.num_epochs} epochs done"
    if view.samples_done:
        where += f", {view.samples_done} of {view.num_samples or '?'} samples of the next"
    if view.seconds_left is not None:
        where += f", about {duration(view.seconds_left)} of training left"
    lines = [first, where]
    last, test = view.history.last, view.history.test
    if last is not None:
        said = [f"training {100 * last.train_accuracy:.2f} %"]
        if last.accuracy is not None:
            accuracy = f"{_column(last)} {100 * last.accuracy:.2f} %"
            said = [accuracy, best_of(view.history), *said]
        lines.append(f"{', '.join(said)}, {100 * last.active_share:.1f} % with desire")
    if test is not None:
        lines.append(f"test set, read once, {100 * test.accuracy:.2f} %")
    return lines


def _column(record: EpochRecord) -> str:
    return "test" if record.validation_accuracy is None else "validation"


def described(view: View, width: int) -> str:
    """Return a view as text, its curve as wide as there is room.

    Plain ASCII, which every terminal shows.
    """
    lines = _headline(view)
    last = view.history.last
    if last is not None and last.rates:
        rates = (f"layer {layer} {rate:.3f}" for layer, rate in enumerate(last.rates, start=1))
        lines.append(f"spikes a time step: {', '.join(rates)}")
    if view.written_seconds_ago is not None:
        lines.append(f"last written {duration(view.written_seconds_ago)} ago")
    if last is not None:
        lines += ["", *curve(view.history.records, min(width - 10, _MOST_COLUMNS))]
    return "\n".join(printable(line, max(width, 400)) for line in lines)


def curve(records: list[EpochRecord], width: int) -> list[str]:
    """Draw accuracies over epochs in characters: ``o`` what chooses the best, ``.`` training."""
    columns = max(min(width, len(records)), 1)
    chosen = [records[(index + 1) * len(records) // columns - 1] for index in range(columns)]
    marks = {".": [record.train_accuracy for record in chosen]}
    if records[-1].accuracy is not None:
        marks["o"] = [record.accuracy or 0.0 for record in chosen]
    low = min(min(values) for values in marks.values())
    high = max(max(values) for values in marks.values())
    rows = [[" "] * columns for _ in range(_ROWS)]
    for mark, values in marks.items():
        for column, value in enumerate(values):
            share = (value - low) / (high - low) if high > low else 1.0
            rows[round((1 - share) * (_ROWS - 1))][column] = mark
    ends = {0: f"{100 * high:6.2f} %", _ROWS - 1: f"{100 * low:6.2f} %"}
    drawn = [f"{ends.get(number, ''):8} |{''.join(row)}" for number, row in enumerate(rows)]
    legend = ", ".join([*([f"o {_column(records[-1])}"] if "o" in marks else []), ". training"])
    return [*drawn, f"{'':8} +{'-' * columns}", f"{'':8}  epochs 1 to {len(records)}; {legend}"]
