"""Runs the experiments of ``lava-desire reproduce`` and reports their results."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lava_desire.analysis.catalogue import EXPERIMENTS as EXPERIMENTS
from lava_desire.analysis.catalogue import PROTOCOLS, TEST, Experiment
from lava_desire.config import DesireConfig
from lava_desire.data import Dataset
from lava_desire.engine import DesireNetwork, History, evaluate
from lava_desire.files import read_file, write_atomically
from lava_desire.model.options.tie_break import TIE_BREAKS
from lava_desire.strict_json import parse_json
from lava_desire.training.history import RUN, seed_folders
from lava_desire.training.run_folder import (
    holds_run,
    read_latest,
    read_precision,
    read_records,
    read_test,
)

RESULT = "result.json"
CURVES = "learning_curves.png"
TIES = "tie_break.json"


def quick_data(data: Dataset, num_train: int = 2000, num_test: int = 1000) -> Dataset:
    """Return the first samples of a data set: for trying a command out, not for a result."""
    return Dataset(
        data.name,
        data.train_images[:num_train],
        data.train_labels[:num_train],
        data.test_images[:num_test],
        data.test_labels[:num_test],
        data.num_classes,
        data.image_shape,
    )


def write_report(
    experiment: Experiment,
    folder: str | Path,
    notes: dict[str, Any],
    quick: bool,
    protocol: str = TEST,
) -> dict[str, Any]:
    """Gather the runs of all seeds in a folder into ``result.json``, beside the paper's number.

    ``learning_curves.png`` shows them, where there are several.
    `notes` (command, commit, environment: JSON types) are written into it, whether it was a
    `quick` trial, and the `protocol` of the runs. What is given over seeds is their mean, their
    standard deviation, and the standard error that a share of so many samples has by chance.
    Returns what was written. Raises ValueError if no seed has finished an epoch; OSError if a file
    cannot be read or written.
    """
    runs: list[dict[str, Any]] = []
    histories = []
    samples: dict[str, int] = {}
    for path in seed_folders(folder):
        if holds_run(path):
            history, config = read_history(path)
            if history.records:
                beside = {"tie_break": _read(path / TIES), "begun_with": _begun_with(path)}
                runs.append({**summary(history, config), **beside})
                histories.append(history)
                samples = samples or _samples_of(path)
    if not runs:
        raise ValueError(f"{folder} holds no run with an epoch: nothing to report")
    over_seeds = _over_seeds(runs, samples)
    report = {
        "experiment": asdict(experiment),
        "protocol": protocol,
        "about_protocol": PROTOCOLS[protocol],
        "quick": quick,
        "samples": samples,
        "runs": runs,
        "over_seeds": over_seeds,
        **notes,
    }
    if protocol == TEST:
        best = max(run["best"]["test_accuracy"] for run in runs)
        report["best_minus_paper"] = best - experiment.paper_accuracy
    elif "test" in over_seeds:
        report["mean_minus_paper"] = over_seeds["test"]["mean"] - experiment.paper_accuracy
    text = json.dumps(report, indent=2) + "\n"
    write_atomically(Path(folder) / RESULT, text.encode())
    if len(runs) > 1:
        from lava_desire.analysis.figures import plot_seeds

        plot_seeds(histories, Path(folder) / CURVES)
    return report


def _over_seeds(runs: Sequence[dict[str, Any]], samples: dict[str, int]) -> dict[str, Any]:
    """Return the spread of what the runs have: ``best`` and ``last`` are of what is watched."""
    watched = "validation" if samples.get("validation") else "test"
    name = f"{watched}_accuracy"
    found = {
        kind: ([run[kind][name] for run in runs if run[kind]], samples.get(watched))
        for kind in ("best", "last")
    }
    tested = [run["test"]["accuracy"] for run in runs if run["test"]]
    found["test"] = tested, samples.get("test")
    ties = [run["tie_break"] for run in runs if run["tie_break"]]
    for rule in ties[0]["accuracy"] if ties else ():
        found[f"ties_{rule}"] = [tie["accuracy"][rule] for tie in ties], samples.get("test")
    return {kind: spread(*values) for kind, values in found.items() if values[0]}


def _samples_of(folder: Path) -> dict[str, int]:
    """Return how many samples a run learns, validates and tests with, as far as it tells."""
    data = read_latest(folder)[0].card.get("data", {})
    names = ("training", "validation", "test")
    return {name: data[key] for name in names if (key := f"{name}_samples") in data}


def write_ties(folder: str | Path, test: Any, device: str = "cpu") -> None:
    """Classify the test set with the chosen weights of a finished run by every rule for ties.

    They are those that have met it, or else the best on it, averaged ones where they did better,
    in the precision of the run. What it comes to goes into ``tie_break.json``, unless it is there.
    Raises CheckpointError if the run's checkpoint is damaged, OSError if a file cannot be read or
    written.
    """
    history, _ = read_history(folder)
    chosen, weights = history.test or history.chosen, history.weights_file
    if chosen is None or weights is None:
        return
    known = {"epoch": chosen.epoch, "weights": weights}
    found = _read(Path(folder) / TIES) or {}
    if known == {name: found.get(name) for name in known}:
        return
    precision = read_precision(*read_latest(folder))
    network = DesireNetwork.load(Path(folder) / weights, device, precision=precision)
    accuracy, undecided = {}, {}
    for rule in TIE_BREAKS:
        network.config = network.config.replace(tie_break=rule)
        metrics = evaluate(network, test)
        accuracy[rule], undecided[rule] = metrics.accuracy, metrics.num_undecided
    found = {**known, "accuracy": accuracy, "num_undecided": undecided}
    write_atomically(Path(folder) / TIES, (json.dumps(found, indent=2) + "\n").encode())


def _begun_with(folder: Path) -> dict[str, Any]:
    """Return the command, commit, machine and time that the run in a folder began with."""
    notes = _read(folder / RUN) or {}
    names = ("command", "commit", "environment", "begun")
    return {name: notes[name] for name in names if name in notes}


def _read(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file of a run, None where there is no such file."""
    if not path.exists():
        return None
    found = parse_json(read_file(path, follow=False))
    if not isinstance(found, dict):
        raise ValueError(f"{path} is damaged: expected an object")
    return found


def read_history(folder: str | Path) -> tuple[History, DesireConfig]:
    """Return the epochs and the configuration of the run in a folder, and what it says of a test.

    Raises CheckpointError if the folder's checkpoint is no run's, or damaged; OSError if it cannot
    be read.
    """
    checkpoint, path = read_latest(folder)
    test = read_test(checkpoint.state.get("test"), path)
    return History(read_records(checkpoint, path), test), checkpoint.config


def summary(history: History, config: DesireConfig) -> dict[str, Any]:
    """Return what ``result.json`` says of a run of at least one epoch, as JSON types."""
    best, last, average = history.best, history.last, history.best_average
    assert last is not None  # the caller has looked
    watched = "test" if last.validation_accuracy is None else "validation"

    def told(epoch: int, accuracy: float | None) -> dict[str, Any]:
        return {"epoch": epoch, f"{watched}_accuracy": accuracy}

    return {
        "seed": config.seed,
        "epochs_done": last.epoch,
        "finished": last.epoch >= config.epochs,
        "best": best and told(best.epoch, best.accuracy),
        "last": best and told(last.epoch, last.accuracy),
        "best_average": average and told(average.epoch, average.average_accuracy),
        "last_average": last.average_accuracy,
        "test": history.test and asdict(history.test),
        "last_training_accuracy": last.train_accuracy,
        "training_seconds": sum(record.seconds for record in history.records),
        "config": config.to_dict(),
    }


def spread(values: Sequence[float], num_samples: int | None = None) -> dict[str, Any]:
    """Return number, mean and sample standard deviation; the deviation of one value is None.

    Of accuracies on `num_samples` samples their ``standard_error`` too, √(p(1 − p)/n) at the mean:
    what chance alone moves each of them.
    """
    mean = statistics.fmean(values)
    found: dict[str, Any] = {
        "seeds": len(values),
        "mean": mean,
        "deviation": statistics.stdev(values) if len(values) > 1 else None,
    }
    if num_samples:
        found["standard_error"] = math.sqrt(mean * (1 - mean) / num_samples)
    return found
