"""How well a network classifies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_desire import rule
from lava_desire.backends.inputs import Inputs, as_input, as_labels
from lava_desire.config import DesireConfig
from lava_desire.data.spike_trains import is_spikes
from lava_desire.errors import is_out_of_memory
from lava_desire.model.fields import checked_integer
from lava_desire.network import DesireNetwork
from lava_desire.training.choose import check_backend
from lava_desire.training.progress import bar_class
from lava_desire.training.samples import tested_pair
from lava_desire.training.scores import (
    ClassScores,
    MarginBin,
    calibration_error,
    reliability_of,
    scores_by_class,
)

EVALUATION_BATCH = 256
"""Samples a forward pass of an evaluation."""


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
    margins : ndarray or None
        (T + 1, 2) int64: samples by their margin (row), wrong and right. The margin of a sample is
        the highest of its K output counts less the second highest, in spikes. None in a run of
        Lava processes, which count no margins.
    class_names : tuple of str or None
        What the classes are called; None where by their numbers.
    """

    num_samples: int
    num_correct: int
    num_undecided: int
    confusion: np.ndarray[Any, np.dtype[np.int64]]
    loss: float
    margins: np.ndarray[Any, np.dtype[np.int64]] | None = None
    class_names: tuple[str, ...] | None = None

    @property
    def accuracy(self) -> float:
        """Share of samples classified correctly, in [0, 1]."""
        return self.num_correct / self.num_samples

    @cached_property
    def by_class(self) -> ClassScores:
        """Precision, recall and F1 of each class; ``by_class.macro`` has their means."""
        return scores_by_class(self.confusion)

    @cached_property
    def reliability(self) -> list[MarginBin]:
        """Accuracy by margin, least first: ties, then ten bins of equal width; [] without margins.

        ``margin / T`` is read as how sure the network is, of which
        :attr:`expected_calibration_error` says how far it is from the accuracy.
        """
        return [] if self.margins is None else reliability_of(self.margins)

    @property
    def expected_calibration_error(self) -> float | None:
        """Σ_b n_b / n · |accuracy_b − confidence_b| of the bins of :attr:`reliability`, in [0, 1].

        The confidence of a bin is its mean margin / T. None without margins.
        """
        return calibration_error(self.reliability) if self.reliability else None

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain JSON types, scores and calibration too."""
        names = ("num_samples", "num_correct", "num_undecided", "loss")
        found: dict[str, Any] = {"accuracy": self.accuracy}
        found |= {name: getattr(self, name) for name in names}
        found["confusion"] = self.confusion.tolist()
        scores = vars(self.by_class)
        found["by_class"] = {name: array.tolist() for name, array in scores.items()}
        found["macro"] = self.by_class.macro
        found["reliability"] = [asdict(each) for each in self.reliability]
        found["expected_calibration_error"] = self.expected_calibration_error
        return {**found, "classes": list(self.class_names)} if self.class_names else found


@torch.inference_mode()
def evaluate(
    network: DesireNetwork,
    data: Any,
    batch_size: int = EVALUATION_BATCH,
    *,
    backend: str = "torch",
    progress: bool = False,
) -> Metrics:
    """Classify a data set without dropout.

    Parameters
    ----------
    network : DesireNetwork
        The network.
    data : tuple, Dataset, mapping, torch Dataset or DataLoader, SpikeSource
        As :func:`~lava_desire.engine.fit` takes it; of a :class:`~lava_desire.data.Dataset` and of
        arrays by name the test set, its classes numbered by their names as the network's are;
        those of a network without names are the numbers 0 to K − 1.
    batch_size : int
        Samples a forward pass, at least 1; it does not change the result, and is halved as often as
        the device has too little memory for it.
    backend : {"torch", "lava"}
        Where samples are classified: in bulk, or by Lava processes, one at a time, in floating
        point or in integers as the network computes. The latter asks for Lava, and a network on the
        CPU with sums in ``float32`` or integers. Metrics are the same.
    progress : bool
        Show a bar, in a terminal as in a notebook, while Lava classifies.

    Returns
    -------
    Metrics

    Warns
    -----
    DataWarning
        If the images are bytes on another scale than 0 to 255.

    Raises
    ------
    ValueError
        If the data do not fit the network, are empty, or no pixel can ever spike, if weights are
        NaN or infinite, if `batch_size` is no integer of at least 1, or if the backend does not
        offer what the network asks for.
    ImportError
        If Lava is asked for and not installed.

    Examples
    --------
    >>> from lava_desire import DesireConfig, DesireNetwork, evaluate, load_dataset
    >>> network = DesireNetwork(DesireConfig((64, 10)))
    >>> evaluate(network, load_dataset("digits").test).confusion.shape  # last column: undecided
    (10, 11)
    """
    batch_size = checked_integer("batch_size", batch_size, 1)
    check_backend(backend)
    pair = tested_pair(network, data, "data", network.class_names)
    with network.threads():
        images, labels = checked_data(network, pair, "data")
        if backend == "lava":
            found = _evaluate_in_lava(network, images, labels, progress)
        else:
            found = evaluate_checked(network, images, labels, batch_size)
    return replace(found, class_names=network.class_names)


def _evaluate_in_lava(
    network: DesireNetwork, images: Inputs, labels: Tensor, progress: bool
) -> Metrics:
    network.check_finite()
    lava = import_module("lava_desire.proc.training")
    seen = lava.classified_checked(network, images, labels)
    seen = bar_class()(seen, total=len(labels), unit=" samples", disable=not progress)
    counts, prediction = (torch.from_numpy(np.stack(each)) for each in zip(*seen, strict=True))
    return tally_up(
        [
            tally(network.config, counts[part], prediction[part], labels[part])
            for part in chunks(labels, EVALUATION_BATCH)
        ]
    )


@torch.inference_mode()
def evaluate_checked(
    network: DesireNetwork, images: Inputs, labels: Tensor, batch_size: int = EVALUATION_BATCH
) -> Metrics:
    """Do what :func:`evaluate` does, with samples that passed :func:`checked_data` before."""
    with network.threads():
        network.check_finite()
        return tally_up(
            [classify(network, images[part], labels[part]) for part in chunks(labels, batch_size)]
        )


def chunks(samples: Inputs, size: int) -> list[slice]:
    """Return where samples, or labels of as many, begin and end that are taken in parts."""
    return [slice(first, first + size) for first in range(0, len(samples), size)]


@torch.inference_mode()
def decide(network: DesireNetwork, images: Tensor) -> tuple[Tensor, Tensor]:
    """Classify samples that passed :func:`checked_input`, in halves where memory is short.

    Samples are (B, N), or (B, ⌈T/8⌉, N_0) of packed spikes. Returns spikes of the output neurons,
    (B, K) int64, and a class a sample, (B,) int64, −1 where undecided.
    """
    try:
        activity = network.forward_checked(images)
        return activity.backend.counts(activity.trains[-1]), activity.prediction
    except Exception as error:
        if not is_out_of_memory(error) or len(images) == 1:
            raise
    # Behind the exception, which keeps what it had allocated. Counts are those of any batch.
    half = len(images) // 2
    first, second = (decide(network, images[part]) for part in (slice(half), slice(half, None)))
    return torch.cat([first[0], second[0]]), torch.cat([first[1], second[1]])


def margin_of(counts: Tensor) -> Tensor:
    """Return the highest count less the second highest, or 0 of K = 1, (B,) int64, of (B, K)."""
    highest = counts.topk(min(2, counts.shape[1]), dim=1).values
    return highest[:, 0] - (highest[:, 1] if highest.shape[1] == 2 else 0)


@torch.inference_mode()
def classify(network: DesireNetwork, images: Tensor, labels: Tensor) -> tuple[Any, Any, float]:
    """Classify samples that passed :func:`checked_data`, in halves where memory is short.

    They are (B, N), or (B, ⌈T/8⌉, N_0) of packed spikes, and labels (B,). Returns confusion and
    margins, see :class:`Metrics`, and the squared output error, summed over classes and samples.
    """
    return tally(network.config, *decide(network, images), labels)


def tally(
    config: DesireConfig, counts: Tensor, prediction: Tensor, labels: Tensor
) -> tuple[Any, Any, float]:
    """Return what :func:`classify` does, of what :func:`decide` returns."""
    num_classes, num_steps = config.num_classes, config.num_steps
    column = torch.where(prediction < 0, num_classes, prediction)
    confusion = _counted(labels * (num_classes + 1) + column, (num_classes, num_classes + 1))
    margins = _counted(2 * margin_of(counts) + (prediction == labels), (num_steps + 1, 2))
    rate = rule.firing_rate(counts, num_steps, config.error_margin)
    return confusion, margins, float(rule.local_loss(rule.output_error(rate, labels)).sum())


def _counted(cells: Tensor, shape: tuple[int, int]) -> Any:
    """Return how many samples are in each cell of a table."""
    return torch.bincount(cells, minlength=shape[0] * shape[1]).view(shape).cpu().numpy()


def tally_up(parts: Sequence[tuple[Any, Any, float]]) -> Metrics:
    """Add up what :func:`classify` found, in the order given: sums of losses depend on it."""
    table, margins = (np.sum([part[place] for part in parts], axis=0) for place in (0, 1))
    num_samples = int(table.sum())
    loss = 0.0
    for _, _, part in parts:
        loss += part
    return Metrics(
        num_samples=num_samples,
        num_correct=int(np.trace(table)),
        num_undecided=int(table[:, -1].sum()),
        confusion=table,
        loss=loss / num_samples,
        margins=margins,
    )


def checked_data(network: DesireNetwork, data: tuple[Any, Any], name: str) -> tuple[Inputs, Tensor]:
    """Return images, or spike trains, and labels that fit the network; errors call them `name`.

    Warns as :meth:`DesireNetwork.check_scale`. Raises ValueError if they do not fit, are empty, or
    no pixel can ever spike.
    """
    images = _fitting(network, data[0], name)
    try:
        labels = as_labels(data[1], len(images), network.config.num_classes, network.device)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return _of_scale(network, images, data[0], name), labels


def checked_input(network: DesireNetwork, samples: Any, name: str) -> Inputs:
    """Do what :func:`checked_data` does, without labels."""
    return _of_scale(network, _fitting(network, samples, name), samples, name)


def _fitting(network: DesireNetwork, samples: Any, name: str) -> Inputs:
    try:
        shape = network.image_shape
        return as_input(samples, network.config, network.device, image_shape=shape)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _of_scale(network: DesireNetwork, images: Inputs, samples: Any, name: str) -> Inputs:
    """Return samples that are there, and of a scale at which the encoder makes spikes of them."""
    if len(images) == 0:
        raise ValueError(f"{name} holds no samples: expected at least one")
    kind = "spike trains" if is_spikes(samples) else "images"
    network.check_scale(images, f"{name} {kind}", whole=True)
    return images
