"""How well a network classifies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_desire import rule
from lava_desire.backends.inputs import Inputs, as_input, as_labels
from lava_desire.config import DesireConfig
from lava_desire.data.spike_trains import is_spikes
from lava_desire.errors import is_out_of_memory
from lava_desire.model.fields import number
from lava_desire.network import DesireNetwork
from lava_desire.training.samples import tested_pair

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


@torch.inference_mode()
def evaluate(network: DesireNetwork, data: Any, batch_size: int = EVALUATION_BATCH) -> Metrics:
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
        NaN or infinite, or if
        `batch_size` is no integer of at least 1.

    Examples
    --------
    >>> from lava_desire import DesireConfig, DesireNetwork, evaluate, load_dataset
    >>> network = DesireNetwork(DesireConfig((64, 10)))
    >>> evaluate(network, load_dataset("digits").test).confusion.shape  # last column: undecided
    (10, 11)
    """
    batch_size = int(number("batch_size", batch_size, "at least 1", integer=True))
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: expected batch_size >= 1")
    pair = tested_pair(network, data, "data", network.class_names)
    with network.threads():
        images, labels = checked_data(network, pair, "data")
        return evaluate_checked(network, images, labels, batch_size)


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


def chunks(labels: Tensor, size: int) -> list[slice]:
    """Return where samples of so many labels begin and end that are taken in parts of `size`."""
    return [slice(first, first + size) for first in range(0, len(labels), size)]


@torch.inference_mode()
def classify(network: DesireNetwork, images: Tensor, labels: Tensor) -> tuple[Any, float]:
    """Classify samples that passed :func:`checked_data`, in halves where memory is short.

    Parameters
    ----------
    network : DesireNetwork
        The network.
    images, labels : Tensor
        (B, N_0), or (B, ⌈T/8⌉, N_0) of packed spikes, and (B,).

    Returns
    -------
    confusion : ndarray
        See :class:`Metrics`.
    loss : float
        Squared output error, summed over classes and samples.
    """
    try:
        return _classify(network, images, labels)
    except Exception as error:
        if not is_out_of_memory(error) or len(labels) == 1:
            raise
    # Behind the exception, which keeps what it had allocated. Counts are those of any batch.
    half = len(labels) // 2
    first, second = (
        classify(network, images[part], labels[part]) for part in (slice(half), slice(half, None))
    )
    return first[0] + second[0], first[1] + second[1]


def _classify(network: DesireNetwork, images: Tensor, labels: Tensor) -> tuple[Any, float]:
    num_classes = network.config.num_classes
    activity = network.forward_checked(images)
    column = torch.where(activity.prediction < 0, num_classes, activity.prediction)
    cells = torch.bincount(
        labels * (num_classes + 1) + column, minlength=num_classes * (num_classes + 1)
    )
    rate = rule.firing_rate(
        activity.counts[-1], network.config.num_steps, network.config.error_margin
    )
    loss = float(rule.local_loss(rule.output_error(rate, labels)).sum())
    return cells.view(num_classes, num_classes + 1).cpu().numpy(), loss


def tally_up(parts: Sequence[tuple[Any, float]]) -> Metrics:
    """Add up what :func:`classify` found, in the order given: sums of losses depend on it."""
    table = np.sum([confusion for confusion, _ in parts], axis=0)
    num_samples = int(table.sum())
    loss = 0.0
    for _, part in parts:
        loss += part
    return Metrics(
        num_samples=num_samples,
        num_correct=int(np.trace(table)),
        num_undecided=int(table[:, -1].sum()),
        confusion=table,
        loss=loss / num_samples,
    )


def checked_data(network: DesireNetwork, data: tuple[Any, Any], name: str) -> tuple[Inputs, Tensor]:
    """Return images, or spike trains, and labels that fit the network; errors call them `name`.

    Warns
    -----
    DataWarning
        As :meth:`DesireNetwork.check_scale`.

    Raises
    ------
    ValueError
        If they do not fit, are empty, or no pixel can ever spike.
    """
    images, labels = data
    config: DesireConfig = network.config
    try:
        images = as_input(images, config, network.device)
        labels = as_labels(labels, len(images), config.num_classes, network.device)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if len(labels) == 0:
        raise ValueError(f"{name} holds no samples: expected at least one")
    kind = "spike trains" if is_spikes(data[0]) else "images"
    network.check_scale(images, f"{name} {kind}", whole=True)
    return images, labels
