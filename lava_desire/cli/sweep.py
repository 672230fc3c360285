"""``lava-desire sweep``: many runs over a grid or ranges, chosen among by validation, with Optuna.

A sweep is a folder: ``sweep.json`` says what is trained and varied, ``optuna.journal`` is Optuna's
own storage, and every trial has a folder with a run a seed. Whoever joins it, in another terminal
or on another machine that sees the folder, takes the next trial; a trial whose worker is gone is
resumed, to the bit.
"""

from __future__ import annotations

import csv
import io
import json
import os
import socket
import statistics
import sys
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lava_desire._text import percent
from lava_desire.cli.fields import (
    COMPUTING,
    SAMPLES,
    Json,
    Quiet,
    given_fields,
    option,
    with_fields,
    with_samples,
    with_settings,
)
from lava_desire.cli.plan import Plan, make_plan
from lava_desire.cli.printing import make_console, say, tell
from lava_desire.cli.run import (
    SWEEP,
    check_choice,
    check_computing,
    check_data,
    new_folder,
    train_run,
)
from lava_desire.cli.run_data import PATIENCE, VALIDATION
from lava_desire.cli.seeds import parse_seeds
from lava_desire.cli.space import Space
from lava_desire.cli.workers import side_by_side
from lava_desire.errors import NotFiniteError
from lava_desire.files import FolderInUseError, FolderLock, write_atomically
from lava_desire.model.fields import Part, integers
from lava_desire.training.history import seed_folder

if TYPE_CHECKING:
    from rich.console import Console

    from lava_desire.data import Dataset as Data

SAMPLERS = ("grid", "random", "tpe")
_NAME, _JOURNAL, _TABLE, _LOCK = "sweep", "optuna.journal", "trials.csv", "sweep.lock"
_TRIALS, _TEST = "num_trials", "test"  # what the study notes of itself
_SHOWN = 10


@with_fields(Part, default="preset's")
@with_samples(*SAMPLES)
@with_settings
def sweep(
    *,
    where: dict[str, Any],
    over: Annotated[
        list[str] | None,
        option("What to vary: FIELD=LOW..HIGH, FIELD=LOW..HIGH:log or FIELD=A,B,C; repeat it."),
    ] = None,
    trials: Annotated[
        int | None, option("How many.", "20, or all of a grid", allowed=integers(1))
    ] = None,
    sampler: Annotated[
        str | None, option("grid, random or tpe (learns from trials).", "grid of choices, else tpe")
    ] = None,
    seeds: Annotated[str | None, option("Of every trial; their mean counts.", "--seed")] = None,
    prune: Annotated[
        bool, option("Stop trials that lag behind the median of the others.", True, "--prune")
    ] = False,
    jobs: Annotated[int, option("Trials at a time, each a process.", allowed=integers(1))] = 1,
    resume: Annotated[
        str | None, option("Go on with the sweep in this folder, or join those who work on it.")
    ] = None,
    which: dict[str, Any],
    output: Annotated[str | None, option("Folder.", "runs/<dataset>-<time>")] = None,
    validation: Annotated[
        float | None,
        option("Share of the training samples that chooses.", "0.1", allowed=VALIDATION),
    ] = None,
    patience: Annotated[int | None, option("As of train.", "all epochs", allowed=PATIENCE)] = None,
    how: dict[str, Any],
    quiet: Quiet = False,
    json_: Json = False,
    **fields: Any,
) -> None:
    """Train over a grid or ranges of settings; samples held out for validation choose the best.

    The test set is read once, by the weights of the best trial. Ctrl-C saves, and --resume goes on.
    """
    _import_optuna()
    given = given_fields(fields)
    check_choice("--sampler", sampler, SAMPLERS)
    check_computing(*map(how.get, COMPUTING))
    if resume is not None:
        others = {**given, "over": over, "sampler": sampler, "seeds": seeds, "prune": prune or None}
        others |= {"output": output, "validation": validation, "patience": patience}
        others |= {**which, **how, **where}
        named = [
            f"--{name.replace('_', '-')}" for name, value in others.items() if value is not None
        ]
        if named:
            raise ValueError(
                f"--resume keeps the settings of the sweep, and {', '.join(named)} is "
                "given: expected --trials, --jobs, or nothing beside it"
            )
        work = Sweep.open(Path(resume))
    else:
        if "seed" in given and seeds is not None:
            raise ValueError(f"--seed {given['seed']} and --seeds {seeds} are given: expected one")
        space = Space.parse(over or [])
        if sampler == "grid" and space.grid is None:
            raise ValueError("--sampler is 'grid', and a range is given: expected choices alone")
        plan, samples = make_plan(
            where,
            given,
            **which,
            **how,
            validation=0.1 if validation is None else validation,
            patience=patience,
        )
        chosen = parse_seeds(seeds) if seeds else [plan.config.seed]
        check_data(plan.network(), samples, plan.validation, plan.backend)
        kind = sampler or ("tpe" if space.grid is None else "grid")
        folder = new_folder(output, samples.name, force=False)
        work = Sweep(folder, plan, space, chosen, kind, prune)
        work.begin(trials)
    console = make_console(quiet or json_)
    work.carry_out(console, trials if resume else None, jobs, joins=resume is not None)
    _report(work, console, json_)


def _import_optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ImportError(
            'a sweep needs Optuna, which is not installed: pip install "lava_desire[sweep]"'
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@dataclass
class Sweep:
    """The folder of a sweep, and what is done there."""

    folder: Path
    plan: Plan
    space: Space
    seeds: list[int]
    sampler: str
    prune: bool

    @classmethod
    def open(cls, folder: Path) -> Sweep:
        """Read what :meth:`begin` has written.

        Raises FileNotFoundError if there is no sweep, ValueError if it is damaged.
        """
        path = folder / SWEEP
        if not os.path.lexists(path):
            raise FileNotFoundError(f"{folder} holds no sweep to resume: {SWEEP} is missing")
        plan, others = Plan.read(path, "over", "seeds", "sampler", "prune")
        try:
            space = Space.parse(others["over"])
            seeds = parse_seeds(",".join(map(str, others["seeds"])))
            check_choice("sampler", others["sampler"], SAMPLERS)
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is damaged: {error}") from None
        return cls(folder, plan, space, seeds, others["sampler"], bool(others["prune"]))

    def begin(self, num_trials: int | None) -> None:
        """Write what it is, and enqueue what is to be tried where that is a grid."""
        self.plan.write(
            self.folder / SWEEP,
            over=list(self.space.texts),
            seeds=self.seeds,
            sampler=self.sampler,
            prune=self.prune,
        )
        study = self.study()
        grid = list(self.space.grid or ()) if self.sampler == "grid" else []
        for values in grid[:num_trials]:
            study.enqueue_trial(values)
        study.set_user_attr(_TRIALS, num_trials or len(grid) or 20)

    def study(self, salt: int = 0) -> Any:
        """Open Optuna's study; samplers of several workers differ by their `salt`."""
        optuna = _import_optuna()
        storages = optuna.storages
        backend = storages.journal.JournalFileBackend(str(self.folder / _JOURNAL))
        seed = (self.plan.config.seed + salt) % 2**32
        if self.sampler == "tpe":
            sampler = optuna.samplers.TPESampler(seed=seed)
        else:
            sampler = optuna.samplers.RandomSampler(seed=seed)
        return optuna.create_study(
            study_name=_NAME,
            storage=storages.JournalStorage(backend),
            sampler=sampler,
            pruner=optuna.pruners.MedianPruner(n_warmup_steps=2) if self.prune else None,
            direction="maximize",
            load_if_exists=True,
        )

    def carry_out(self, console: Console, num_trials: int | None, jobs: int, joins: bool) -> None:
        """Do trials until there are none left, and read the test set once."""
        study = self.study()
        is_new = not any(trial.params for trial in study.get_trials(deepcopy=False))
        if num_trials is not None:
            study.set_user_attr(_TRIALS, num_trials)
        tell(
            console,
            f"{self.plan.source}: network {self.plan.config.shape_text}, "
            f"{study.user_attrs[_TRIALS]} trials ({self.sampler}) of "
            f"{', '.join(self.space.over)}; seeds {', '.join(map(str, self.seeds))}; "
            f"{100 * (self.plan.validation or 0):g} % of the training samples choose",
        )
        if jobs > 1:
            self._share(console, study, jobs)
        else:
            # Who joins a sweep draws other numbers than who began it.
            mine = zlib.crc32(f"{socket.gethostname()} {os.getpid()}".encode())
            self._work(console, self.study(salt=0 if is_new and not joins else mine))
        self._read_test()

    def _work(self, console: Console, study: Any) -> None:
        from lava_desire.cli.display import LiveTable, Silence

        data = self.plan.source.load()
        while (claimed := self._claim(study)) is not None:
            trial, number, values, lock = claimed
            show = console.is_terminal and not console.quiet
            display = LiveTable(console, f"trial {number}  ") if show else Silence()
            with lock:
                self._try(study, data, trial, number, values, display)
            tell(console, self._line(study, number))

    def _claim(self, study: Any) -> tuple[Any, int, dict[str, Any], ExitStack] | None:
        """Return a trial that nobody else works on, with its lock; None where none is left."""
        from filelock import FileLock

        state = _import_optuna().trial.TrialState
        with FileLock(self.folder / _LOCK):
            known = study.get_trials(deepcopy=False)
            for each in known:
                if each.state != state.RUNNING or (lock := self._lock(each.number)) is None:
                    continue
                # Its worker may have told, and let go of it, since the list was read.
                if study.get_trials(deepcopy=False)[each.number].state == state.RUNNING:
                    return None, each.number, dict(each.params), lock
                lock.close()
            waiting = any(each.state == state.WAITING for each in known)
            if not waiting and len(known) >= study.user_attrs[_TRIALS]:
                return None
            trial = study.ask()
            values = self.space.suggest(trial)
            lock = self._lock(trial.number)
            assert lock is not None  # nobody else knows its number
            return trial, trial.number, values, lock

    def _lock(self, number: int) -> ExitStack | None:
        """Return the lock of a trial, taken; None where another worker has it."""
        place, held = self.place(number), ExitStack()
        place.mkdir(exist_ok=True)
        try:
            held.enter_context(FolderLock(place))
        except FolderInUseError:
            return None
        return held

    def place(self, number: int) -> Path:
        """Return the folder of a trial."""
        return self.folder / f"trial-{number:04d}"

    def _try(
        self,
        study: Any,
        data: Data,
        trial: Any,
        number: int,
        values: Mapping[str, Any],
        display: Any,
    ) -> None:
        """Train once a seed and tell Optuna what validation says of it."""
        optuna = _import_optuna()
        from lava_desire.training.run_folder import holds_run

        reached: list[float] = []
        try:
            config = self.space.configure(self.plan.config, values, data)
            for seed in self.seeds:
                place = seed_folder(self.place(number), seed)
                place.mkdir(exist_ok=True)
                network = replace(self.plan, config=config).network(seed=seed)
                run = self.plan.run(data, network, place, resume=holds_run(place), reads_test=False)
                shown = _Pruning(display, trial) if self.prune and not reached else display
                history = train_run(run, shown, f"sweep --resume {self.folder}")
                reached.append(history.best_accuracy or 0.0)
        except optuna.TrialPruned:
            study.tell(number, state=optuna.trial.TrialState.PRUNED, skip_if_finished=True)
        except NotFiniteError:
            study.tell(number, 0.0)  # so that what samples keeps away from there
        except ValueError as error:
            study.set_user_attr(f"error of trial {number}", str(error))
            study.tell(number, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(number, statistics.fmean(reached))

    def _share(self, console: Console, study: Any, jobs: int) -> None:
        """Let as many processes work as are asked for, and tell of the trials that they end."""
        command = ["sweep", "--resume", str(self.folder), "--quiet"]
        told = {
            each.number for each in study.get_trials(deepcopy=False) if each.state.is_finished()
        }
        status, interrupted = side_by_side(
            [command] * jobs, jobs, lambda: self._tell_finished(console, study, told)
        )
        if interrupted:
            again = f"lava-desire sweep --resume {self.folder}"
            say(f"interrupted, saved; resume with: {again}", sys.stderr)
        if status:
            raise typer.Exit(status)

    def _tell_finished(self, console: Console, study: Any, told: set[int]) -> None:
        for each in study.get_trials(deepcopy=False):
            if each.state.is_finished() and each.number not in told:
                told.add(each.number)
                tell(console, self._line(study, each.number))

    def _line(self, study: Any, number: int) -> str:
        known = study.get_trials(deepcopy=False)
        done = [each for each in known if each.state.is_finished()]
        reached = [each.value for each in done if each.state.name == "COMPLETE"]
        asked = max(study.user_attrs[_TRIALS], len(known))
        text = f"trial {number}: {_outcome(study, known[number])}  {_settings(known[number])}"
        return f"{text}  ({len(done)} of {asked} done, best {percent(max(reached, default=None))})"

    def _read_test(self) -> None:
        """Read the test set by the weights of the best trial, once no trial is being worked on."""
        from filelock import FileLock

        from lava_desire.engine import DesireNetwork, History, evaluate
        from lava_desire.training.run_folder import read_latest, read_precision, read_records

        with FileLock(self.folder / _LOCK):
            study = self.study()
            trials = study.get_trials(deepcopy=False)
            write_atomically(self.folder / _TABLE, _table(study, trials).encode())
            complete = any(each.state.name == "COMPLETE" for each in trials)
            if not complete or not all(each.state.is_finished() for each in trials):
                return
            number = study.best_trial.number
            if (study.user_attrs.get(_TEST) or {}).get("trial") == number:
                return
            data = self.plan.source.load()
            if not data.has_test:
                return
            found = []
            for seed in self.seeds:
                run = seed_folder(self.place(number), seed)
                checkpoint, place = read_latest(run)
                weights = History(read_records(checkpoint, place)).weights_file
                assert weights is not None  # its trial has a value
                precision = read_precision(checkpoint, place)
                network = DesireNetwork.load(run / weights, self.plan.device, precision=precision)
                found.append(evaluate(network, data).accuracy)
            study.set_user_attr(_TEST, {"trial": number, "accuracies": found})


class _Pruning:
    """Shows a run as another display does, and ends it where Optuna's pruner says so."""

    def __init__(self, display: Any, trial: Any) -> None:
        self._display, self._trial, self._reported = display, trial, 0

    def __enter__(self) -> _Pruning:
        self._display.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._display.__exit__(*exception)

    def update(self, progress: Any) -> None:
        """Report the epoch that has ended; raise TrialPruned where it lags behind."""
        self._display.update(progress)
        # A trial that is resumed is no longer Optuna's to prune.
        if self._trial is None or len(progress.records) == self._reported:
            return
        self._reported = len(progress.records)
        self._trial.report(progress.records[-1].accuracy, self._reported)
        if self._trial.should_prune():
            raise _import_optuna().TrialPruned


def _outcome(study: Any, trial: Any) -> str:
    if trial.state.name == "FAIL":
        return f"refused: {study.user_attrs.get(f'error of trial {trial.number}')}"
    return percent(trial.value) if trial.state.name != "PRUNED" else "stopped, behind the others"


def _settings(trial: Any) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in trial.params.items()
    )


def _table(study: Any, trials: list[Any]) -> str:
    """Return all trials as CSV: number, state, accuracy in validation, and a column a field."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", "accuracy", *names])
    for trial in trials:
        values = [trial.params.get(name, "") for name in names]
        accuracy = "" if trial.value is None else trial.value
        writer.writerow([trial.number, trial.state.name.lower(), accuracy, *values])
    return text.getvalue()


def _report(work: Sweep, console: Console, as_json: bool) -> None:
    study = work.study()
    trials = study.get_trials(deepcopy=False)
    ranked = sorted(
        (trial for trial in trials if trial.state.name == "COMPLETE"),
        key=lambda trial: (-trial.value, trial.number),
    )
    test = study.user_attrs.get(_TEST)
    if as_json:
        rows = [
            {"trial": each.number, "accuracy": each.value, "settings": each.params}
            for each in ranked
        ]
        print(json.dumps({"folder": str(work.folder), "trials": rows, "test": test}))
    tell(console, "\n trial  in validation  settings")
    for trial in ranked[:_SHOWN]:
        tell(console, f"{trial.number:6d}  {percent(trial.value):>13}  {_settings(trial)}")
    if test is not None:
        found = test["accuracies"]
        tell(
            console,
            f"on the test set, read once, trial {test['trial']} reaches "
            f"{', '.join(percent(each) for each in found)}"
            + (f", on the mean {percent(statistics.fmean(found))}" if len(found) > 1 else ""),
        )
    tell(console, f"all trials are in {work.folder / _TABLE}, runs in {work.folder}")
