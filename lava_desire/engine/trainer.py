"""Training over epochs: schedule, evaluation, checkpoints, resume."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_desire import rule
from lava_desire.checkpoint import (
    Checkpoint,
    CheckpointError,
    read_checkpoint,
    write_atomically,
    write_checkpoint,
)
from lava_desire.config import DesireConfig
from lava_desire.engine.checkpoint import network_checkpoint
from lava_desire.engine.inputs import as_images, as_labels
from lava_desire.engine.interrupt import Interrupted, InterruptFlag
from lava_desire.engine.network import DesireNetwork
from lava_desire.randomness import epoch_order

CHECKPOINT = "checkpoint.safetensors"
BEST = "best.safetensors"
CONFIG = "config.json"
METRICS_CSV = "metrics.csv"
METRICS_JSON = "metrics.json"
_EVALUATION_BATCH = 256


@dataclass(frozen=True)
class Metrics:
    """How well a network classifies a data set.

    Parameters
    ----------
    num_samples, num_correct, num_undecided : int
        Samples; those whose predicted class is their label; those without a predicted class,
        which count as wrong.
    confusion : ndarray
        (K, K + 1) int64: samples by label (row) and prediction (column), the last column undecided.
    loss : float
        Squared output error summed over the classes, mean over the samples (Eq. 5 and 6).
    """

    num_samples: int
    num_correct: int
    num_undecided: int
    confusion: np.ndarray[Any, np.dtype[np.int64]]
    loss: float

    @property
    def accuracy(self) -> float:
        """Share of samples classified correctly, in [0, 1]."""
        return self.num_correct / self.num_samples


@dataclass(frozen=True)
class EpochRecord:
    """One line of the metrics: an epoch, counted from 1, and what came of it.

    Accuracies and `active_share`, the share of samples that desired a change, are in [0, 1];
    `train_accuracy` is counted during training, under dropout and with changing weights.
    """

    epoch: int
    learning_rate: float
    train_accuracy: float
    test_accuracy: float
    test_loss: float
    undecided_share: float
    active_share: float
    samples_per_second: float
    seconds: float


@dataclass
class History:
    """The epochs of a training run, oldest first."""

    records: list[EpochRecord] = field(default_factory=list)

    @property
    def best(self) -> EpochRecord | None:
        """The first epoch with the highest test accuracy; None before the first epoch."""
        return max(self.records, key=lambda record: record.test_accuracy, default=None)

    @property
    def last(self) -> EpochRecord | None:
        """The latest epoch; None before the first one."""
        return self.records[-1] if self.records else None


@dataclass
class Progress:
    """Where training is, for whoever shows it. Counts are of the present epoch."""

    epoch: int
    num_epochs: int
    samples_done: int
    num_samples: int
    num_correct: int
    num_active: int
    seconds: float
    records: list[EpochRecord]


@torch.inference_mode()
def evaluate(
    network: DesireNetwork, data: tuple[Any, Any], batch_size: int = _EVALUATION_BATCH
) -> Metrics:
    """Classify a data set without dropout.

    Parameters
    ----------
    network : DesireNetwork
        The network.
    data : tuple
        ``(images, labels)``: (S, N_0) uint8 or float in [0, 1], and (S,) integers.
    batch_size : int
        Samples a forward pass; it does not change the result.

    Returns
    -------
    Metrics

    Raises
    ------
    ValueError
        If the data do not fit the network, or are empty.
    """
    images, labels = _checked(network, data, "data")
    num_classes = network.config.layer_sizes[-1]
    confusion = torch.zeros(num_classes, num_classes + 1, dtype=torch.int64, device=network.device)
    loss = 0.0
    for chunk, target in zip(
        torch.split(images, batch_size), torch.split(labels, batch_size), strict=True
    ):
        activity = network.forward_checked(chunk)
        column = torch.where(activity.prediction < 0, num_classes, activity.prediction)
        cells = torch.bincount(target * (num_classes + 1) + column, minlength=confusion.numel())
        confusion += cells.view_as(confusion)
        rate = rule.firing_rate(
            activity.counts[-1], network.config.num_steps, network.config.error_margin
        )
        loss += float(rule.local_loss(rule.output_error(rate, target)).sum())
    table = confusion.cpu().numpy()
    return Metrics(
        num_samples=len(labels),
        num_correct=int(np.trace(table)),
        num_undecided=int(table[:, -1].sum()),
        confusion=table,
        loss=loss / len(labels),
    )


def fit(
    network: DesireNetwork,
    train: tuple[Any, Any],
    test: tuple[Any, Any],
    *,
    folder: str | Path | None = None,
    resume: bool = False,
    checkpoint_seconds: float = 60.0,
    on_progress: Callable[[Progress], None] | None = None,
) -> History:
    """Train a network as its config says, evaluating after every epoch.

    Parameters
    ----------
    network : DesireNetwork
        The network; its weights change.
    train, test : tuple
        ``(images, labels)``: (S, N_0) uint8 or float in [0, 1], and (S,) integers.
    folder : path, optional
        Where config, metrics and checkpoints are kept; made if it is not there. Nothing is kept
        without one.
    resume : bool
        Go on from the checkpoint in `folder`. The result is that of an unbroken run, to the bit.
    checkpoint_seconds : float
        Longest time between two checkpoints; there is one after every epoch as well.
    on_progress : callable, optional
        Called with a :class:`Progress` after every minibatch and every epoch.

    Returns
    -------
    History

    Raises
    ------
    Interrupted
        On SIGINT or SIGTERM, after the running minibatch and a checkpoint.
    CheckpointError
        If the checkpoint does not fit the network or the data.
    FileExistsError
        If `folder` already holds a run and `resume` is not asked for.
    ValueError
        If the data do not fit the network.
    OSError
        If the folder cannot be written.
    """
    run = _Run(network, train, test, Path(folder) if folder is not None else None)
    if resume:
        run.resume()
    else:
        run.begin()
    with InterruptFlag() as interrupt:
        run.go(interrupt, checkpoint_seconds, on_progress or (lambda progress: None))
    return run.history


class _Run:
    """One call of :func:`fit`: the network, its data and where in them it is."""

    def __init__(
        self,
        network: DesireNetwork,
        train: tuple[Any, Any],
        test: tuple[Any, Any],
        folder: Path | None,
    ) -> None:
        self.network = network
        self.train = _checked(network, train, "train")
        self.test = _checked(network, test, "test")
        self.folder = folder
        self.history = History()
        self._fingerprint = _fingerprint(*self.train, *self.test) if folder else ""
        self._start_epoch(0)

    def _start_epoch(self, epoch: int) -> None:
        self.epoch, self.samples_done, self.num_correct, self.num_active = epoch, 0, 0, 0
        self.seconds = 0.0

    def begin(self) -> None:
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / CHECKPOINT).exists():
            raise FileExistsError(
                f"{self.folder} already holds a run: resume it, or choose another folder"
            )
        write_atomically(self.folder / CONFIG, self.network.config.to_json().encode())
        self.save()

    def resume(self) -> None:
        if self.folder is None:
            raise ValueError("resume is True without a folder: expected the folder of a run")
        path = self.folder / CHECKPOINT
        if not path.exists():
            raise CheckpointError(f"{self.folder} holds no {CHECKPOINT} to resume from")
        checkpoint = read_checkpoint(path)
        self._check_fits(checkpoint, path)
        for weights, stored in zip(self.network.weights, checkpoint.weights, strict=True):
            weights.copy_(torch.from_numpy(stored))
        self.network.samples_seen = checkpoint.samples_seen
        state = checkpoint.state
        self.history.records = [EpochRecord(**record) for record in state["records"]]
        for name in ("epoch", "samples_done", "num_correct", "num_active", "seconds"):
            setattr(self, name, state[name])

    def _check_fits(self, checkpoint: Checkpoint, path: Path) -> None:
        mine = self.network.config.to_dict()
        theirs = checkpoint.config.to_dict()
        for name in mine:
            # More epochs may be asked for; all else would make it another run.
            if name != "epochs" and mine[name] != theirs[name]:
                raise CheckpointError(
                    f"{path} was trained with {name} = {theirs[name]}: expected {mine[name]}"
                )
        if not checkpoint.state:
            raise CheckpointError(f"{path} holds a network but no training state to resume")
        for name, expected in (
            ("precision", self.network.precision),
            ("data", self._fingerprint),
        ):
            if checkpoint.state[name] != expected:
                raise CheckpointError(
                    f"{path} was trained with {name} {checkpoint.state[name]}: expected {expected}"
                )

    def save(self) -> None:
        if self.folder is None:
            return
        state = {
            "epoch": self.epoch,
            "samples_done": self.samples_done,
            "num_correct": self.num_correct,
            "num_active": self.num_active,
            "seconds": self.seconds,
            "records": [asdict(record) for record in self.history.records],
            "precision": self.network.precision,
            "data": self._fingerprint,
        }
        write_checkpoint(network_checkpoint(self.network, state), self.folder / CHECKPOINT)

    def go(
        self,
        interrupt: InterruptFlag,
        checkpoint_seconds: float,
        on_progress: Callable[[Progress], None],
    ) -> None:
        saved = time.monotonic()
        while self.epoch < self.network.config.epochs:
            started = time.monotonic() - self.seconds
            for _ in self._minibatches():
                self.seconds = time.monotonic() - started
                on_progress(self._progress())
                due = time.monotonic() - saved > checkpoint_seconds
                if interrupt.is_set or due:
                    self.save()
                    saved = time.monotonic()
                if interrupt.is_set:
                    raise Interrupted(self.folder)
            self._finish_epoch()
            saved = time.monotonic()
            on_progress(self._progress())

    def _minibatches(self) -> Iterator[None]:
        """Learn from the rest of the epoch, minibatch by minibatch."""
        images, labels = self.train
        config = self.network.config
        order = torch.from_numpy(epoch_order(config.seed, self.epoch, len(labels)))
        order = order.to(labels.device)
        learning_rate = config.learning_rate_at(self.epoch)
        while self.samples_done < len(labels):
            chosen = order[self.samples_done : self.samples_done + config.batch_size]
            result = self.network.train_step_checked(images[chosen], labels[chosen], learning_rate)
            self.samples_done += len(chosen)
            self.num_correct += result.num_correct
            self.num_active += result.num_active
            yield

    def _finish_epoch(self) -> None:
        metrics = evaluate(self.network, self.test)
        num_samples = len(self.train[1])
        best_before = self.history.best
        record = EpochRecord(
            epoch=self.epoch + 1,
            learning_rate=self.network.config.learning_rate_at(self.epoch),
            train_accuracy=self.num_correct / num_samples,
            test_accuracy=metrics.accuracy,
            test_loss=metrics.loss,
            undecided_share=metrics.num_undecided / metrics.num_samples,
            active_share=self.num_active / num_samples,
            samples_per_second=num_samples / max(self.seconds, 1e-9),
            seconds=self.seconds,
        )
        self.history.records.append(record)
        self._start_epoch(self.epoch + 1)
        if self.folder is None:
            return
        # The best weights go first: a kill between the two files repeats the epoch and writes
        # the same again, while the other order could lose them.
        if best_before is None or record.test_accuracy > best_before.test_accuracy:
            write_checkpoint(network_checkpoint(self.network), self.folder / BEST)
        write_metrics(self.history, self.folder)
        self.save()

    def _progress(self) -> Progress:
        return Progress(
            self.epoch,
            self.network.config.epochs,
            self.samples_done,
            len(self.train[1]),
            self.num_correct,
            self.num_active,
            self.seconds,
            self.history.records,
        )


def write_metrics(history: History, folder: Path) -> None:
    """Write the epochs as ``metrics.csv`` and ``metrics.json``, each atomically."""
    names = list(EpochRecord.__dataclass_fields__)
    rows = [asdict(record) for record in history.records]
    lines = [",".join(names), *(",".join(str(row[name]) for name in names) for row in rows)]
    write_atomically(folder / METRICS_CSV, ("\n".join(lines) + "\n").encode())
    best, last = history.best, history.last
    summary = {
        "best": asdict(best) if best else None,
        "last": asdict(last) if last else None,
        "epochs": rows,
    }
    write_atomically(folder / METRICS_JSON, (json.dumps(summary, indent=2) + "\n").encode())


def _checked(network: DesireNetwork, data: tuple[Any, Any], name: str) -> tuple[Tensor, Tensor]:
    try:
        images, labels = data
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} is a {type(data).__name__}: expected a pair (images, labels)"
        ) from None
    config: DesireConfig = network.config
    try:
        images = as_images(images, config.layer_sizes[0], network.device)
        labels = as_labels(labels, len(images), config.layer_sizes[-1], network.device)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if len(labels) == 0:
        raise ValueError(f"{name} holds no samples: expected at least one")
    return images, labels


def _fingerprint(*tensors: Tensor) -> str:
    """Return a short digest of the data, so that a run is not resumed on other data."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
