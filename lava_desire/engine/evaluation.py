"""How well a network classifies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_desire import rule
from lava_desire.config import DesireConfig
from lava_desire.engine.inputs import as_images, as_labels
from lava_desire.engine.network import DesireNetwork

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

    Examples
    --------
    >>> from lava_desire import DesireConfig, DesireNetwork, evaluate, load_dataset
    >>> network = DesireNetwork(DesireConfig((64, 10)))
    >>> evaluate(network, load_dataset("digits").test).confusion.shape  # last column: undecided
    (10, 11)
    """
    images, labels = checked_data(network, data, "data")
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


def checked_data(network: DesireNetwork, data: tuple[Any, Any], name: str) -> tuple[Tensor, Tensor]:
    """Return images and labels as tensors that fit the network; `name` is how errors call them.

    Raises
    ------
    ValueError
        If they do not fit, or are empty.
    """
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
