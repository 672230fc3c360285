"""Callbacks that write what a run does where people look: CSV, JSON lines, TensorBoard."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lava_desire.files import check_writable, write_atomically
from lava_desire.training.callbacks import Callback
from lava_desire.training.history import as_csv

if TYPE_CHECKING:
    from lava_desire.network import DesireNetwork
    from lava_desire.training.history import EpochRecord
    from lava_desire.training.loop import TrainingRun

TENSORBOARD = "tensorboard"
"""The folder, in that of a run, where :class:`TensorBoardLogger` writes."""

_MOST_NEURONS = 64  # whose weights are drawn


class _FileLogger(Callback):
    """Writes all records of a run into a file, anew after every epoch."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def _text(self, records: list[EpochRecord]) -> str:
        raise NotImplementedError

    def on_begin(self, run: TrainingRun) -> None:
        """See :class:`Callback`: write what there is of a run that is resumed.

        Raises OSError if the file cannot be written.
        """
        check_writable(self.path)
        self._write(run)

    def on_epoch_end(self, run: TrainingRun, record: EpochRecord) -> None:
        """See :class:`Callback`: write the records with that of the epoch.

        Raises OSError if they cannot be written; the run's own checkpoint is whole.
        """
        self._write(run)

    def _write(self, run: TrainingRun) -> None:
        write_atomically(self.path, self._text(run.history.records).encode())


class CSVLogger(_FileLogger):
    """Keeps the epochs of a run in a CSV file, a column a field of the record.

    The folder of a run has them as ``metrics.csv`` already; this is for runs without one.

    Parameters
    ----------
    path : path
        The file, which is replaced; the folder is there.
    """

    def _text(self, records: list[EpochRecord]) -> str:
        return as_csv(records)


class JSONLinesLogger(_FileLogger):
    """Keeps the epochs of a run in a file of JSON objects, one a line.

    Parameters
    ----------
    path : path
        The file, which is replaced; the folder is there.
    """

    def _text(self, records: list[EpochRecord]) -> str:
        return "".join(json.dumps(asdict(record)) + "\n" for record in records)


class TensorBoardLogger(Callback):
    """Writes scalars, histograms and images for TensorBoard.

    After every epoch: accuracies, loss, the shares of undecided samples and of those with desire,
    learning rate, and the mean firing rate of each layer as scalars; the weights of each layer as a
    histogram; the confusion matrix, a row a class, shares of it, the last column undecided, and the
    weights of the first 64 neurons or channels of layer 1, 0 being grey, as images. A run that is
    resumed goes on in the same curves. ``tensorboard --logdir FOLDER`` shows them.

    Parameters
    ----------
    folder : path, optional
        Where events are written; ``tensorboard`` in the folder of the run when not given.

    Raises
    ------
    ValueError
        When a run begins, if neither it nor this has a folder.
    ImportError
        If the package ``tensorboard`` is not installed.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(
                'TensorBoardLogger needs tensorboard: pip install "lava_desire[tensorboard]"'
            ) from error
        self.folder = None if folder is None else Path(folder)
        self._open: Any = SummaryWriter

    def on_begin(self, run: TrainingRun) -> None:
        """See :class:`Callback`: open the file of events.

        Epochs that a resumed run does again are taken back. Raises ValueError without a folder.
        """
        if self.folder is None and run.folder is None:
            raise ValueError(
                "TensorBoardLogger has no folder, nor has the run: expected one of them"
            )
        folder = self.folder or Path(run.folder or "") / TENSORBOARD
        self._writer = self._open(str(folder), purge_step=run.epoch + 1 if run.epoch else None)

    def on_epoch_end(self, run: TrainingRun, record: EpochRecord) -> None:
        """See :class:`Callback`: write the epoch."""
        writer, epoch = self._writer, record.epoch
        for tag, value in _scalars(record).items():
            if value is not None:
                writer.add_scalar(tag, value, epoch)
        for layer, weights in enumerate(run.network.float_weights(), start=1):
            writer.add_histogram(f"weights/layer {layer}", weights, epoch)
        picture = weights_picture(run.network)
        writer.add_image("weights of layer 1", picture, epoch, dataformats="HW")
        if run.metrics is not None:
            counts = run.metrics.confusion
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            enlarged = np.kron(shares, np.ones((8, 8)))
            writer.add_image("confusion", enlarged, epoch, dataformats="HW")
        writer.flush()

    def on_end(self, run: TrainingRun) -> None:
        """See :class:`Callback`: write what the test set came to, if it was read."""
        if run.history.test is not None:
            self._writer.add_scalar("accuracy/test", run.history.test.accuracy, run.epoch)
        self._writer.close()


def _scalars(record: EpochRecord) -> dict[str, float | None]:
    rates = {f"rate/layer {layer}": rate for layer, rate in enumerate(record.rates or (), start=1)}
    return {
        "accuracy/training": record.train_accuracy,
        "accuracy/validation": record.validation_accuracy,
        "accuracy/test": record.test_accuracy,
        "accuracy/average": record.average_accuracy,
        "loss/validation": record.validation_loss,
        "loss/test": record.test_loss,
        "share/undecided": record.undecided_share,
        "share/with desire": record.active_share,
        "learning rate": record.learning_rate,
        **rates,
    }


def weights_picture(network: DesireNetwork) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the weights of the first neurons, or channels, of layer 1 side by side.

    Channels of an image are averaged, those that filters make left out. Returns (height, width)
    float32 in [0, 1]: 0.5 is a weight of 0, 0 and 1 the largest magnitude.
    """
    weights = network.float_weights()[0][:_MOST_NEURONS]
    count, size = len(weights), network.config.num_pixels
    side = math.isqrt(size)
    known = (network.config.input_shape, network.image_shape or (), (side, side))
    shape = next((each for each in known if len(each) > 1 and math.prod(each) == size), ())
    if weights.ndim == 4:
        tiles = weights[:, : network.config.image_planes[0]].mean(axis=1)
    elif shape and not network.feature_names:
        tiles = weights[:, :size].reshape(count, -1, *shape[-2:]).mean(axis=1)
    else:
        tiles = weights[:, None]
    height, width = tiles.shape[1] + 1, tiles.shape[2] + 1
    columns = math.ceil(math.sqrt(count)) if tiles.shape[1] > 1 else 1
    rows = math.ceil(count / columns)
    picture = np.full((rows * height + 1, columns * width + 1), 0.5, np.float32)
    scale = 2 * float(np.abs(tiles).max()) or 1.0
    for index, tile in enumerate(tiles):
        top, left = 1 + index // columns * height, 1 + index % columns * width
        picture[top : top + height - 1, left : left + width - 1] = 0.5 + tile / scale
    return picture
