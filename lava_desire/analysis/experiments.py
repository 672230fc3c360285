"""Runs the experiments of ``lava-desire reproduce`` and reports their results."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lava_desire.analysis.catalogue import EXPERIMENTS as EXPERIMENTS
from lava_desire.analysis.catalogue import Experiment
from lava_desire.config import DesireConfig
from lava_desire.data import Dataset
from lava_desire.engine import History
from lava_desire.files import write_atomically
from lava_desire.training.run_folder import holds_run, read_latest, read_records

RESULT = "result.json"
_SEED_FOLDER = "seed-"


def seed_folder(folder: str | Path, seed: int) -> Path:
    """Return where the run of a seed is kept within an experiment's folder."""
    return Path(folder) / f"{_SEED_FOLDER}{seed}"


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
    experiment: Experiment, folder: str | Path, notes: dict[str, Any], quick: bool
) -> dict[str, Any]:
    """Gather the runs of all seeds in a folder into ``result.json``, beside the paper's number.

    `notes` (command, commit, environment: JSON types) are written into it, and whether it was a
    `quick` trial. Returns what was written. Raises ValueError if no seed has finished an epoch;
    OSError if a file cannot be read or written.
    """
    runs = []
    for path in sorted(Path(folder).glob(f"{_SEED_FOLDER}*")):
        if holds_run(path):
            history, config = read_history(path)
            if history.records:
                runs.append(summary(history, config))
    if not runs:
        raise ValueError(f"{folder} holds no run with an epoch: nothing to report")
    report = {
        "experiment": asdict(experiment),
        "quick": quick,
        "runs": runs,
        "over_seeds": {
            name: spread([run[name]["test_accuracy"] for run in runs]) for name in ("best", "last")
        },
        "best_minus_paper": max(run["best"]["test_accuracy"] for run in runs)
        - experiment.paper_accuracy,
        **notes,
    }
    text = json.dumps(report, indent=2) + "\n"
    write_atomically(Path(folder) / RESULT, text.encode())
    return report


def read_history(folder: str | Path) -> tuple[History, DesireConfig]:
    """Return the epochs and the configuration of the run in a folder.

    Raises CheckpointError if the folder's checkpoint is no run's, or damaged; OSError if it cannot
    be read.
    """
    checkpoint, path = read_latest(folder)
    return History(read_records(checkpoint, path)), checkpoint.config


def summary(history: History, config: DesireConfig) -> dict[str, Any]:
    """Return what ``result.json`` says of a run that has a test set, as JSON types."""
    best, last, average = history.best, history.last, history.best_average
    assert best is not None and last is not None  # noqa: PT018 - the caller has looked
    return {
        "seed": config.seed,
        "epochs_done": last.epoch,
        "finished": last.epoch >= config.epochs,
        "best": {"epoch": best.epoch, "test_accuracy": best.test_accuracy},
        "last": {"epoch": last.epoch, "test_accuracy": last.test_accuracy},
        "best_average": average
        and {"epoch": average.epoch, "test_accuracy": average.average_accuracy},
        "last_average": last.average_accuracy,
        "last_training_accuracy": last.train_accuracy,
        "training_seconds": sum(record.seconds for record in history.records),
        "config": config.to_dict(),
    }


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return number, mean and sample standard deviation; the deviation of one value is None."""
    return {
        "seeds": len(values),
        "mean": statistics.fmean(values),
        "deviation": statistics.stdev(values) if len(values) > 1 else None,
    }
