"""Networks of the engine as checkpoints; the file format is :mod:`lava_desire.checkpoint`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lava_desire.checkpoint import (
    Checkpoint,
    CheckpointError,
    read_checkpoint,
    write_checkpoint,
)
from lava_desire.model.integers import formats_from_dicts
from lava_desire.training.run_folder import offer_others

if TYPE_CHECKING:
    from lava_desire.network import DesireNetwork


def network_checkpoint(network: DesireNetwork, state: dict[str, Any] | None = None) -> Checkpoint:
    """Take a snapshot of a network, and of a trainer's state."""
    rates = network.input_rates
    return Checkpoint(
        network.config,
        network.numpy_weights(),
        network.samples_seen,
        state or {},
        formats=network.format_fields(),
        input_rates=rates.to_arrays() if rates else [],
        rated_samples=rates.num_samples.tolist() if rates else [],
        class_names=list(network.class_names or ()),
    )


def restore_streams(network: DesireNetwork, checkpoint: Checkpoint) -> None:
    """Let a network that has the checkpoint's weights go on in its random streams and rates."""
    network.samples_seen = checkpoint.samples_seen
    if network.input_rates is not None and checkpoint.input_rates:
        network.input_rates.restore(checkpoint.input_rates, checkpoint.rated_samples)


def save_network(network: DesireNetwork, path: str | Path) -> None:
    """Write a network; see :meth:`DesireNetwork.save`."""
    write_checkpoint(network_checkpoint(network), path)


def load_network(
    path: str | Path, device: str | torch.device = "cpu", *, precision: str = "float32"
) -> DesireNetwork:
    """Read a network; see :meth:`DesireNetwork.load`."""
    from lava_desire.network import DesireNetwork

    try:
        checkpoint = read_checkpoint(path)
    except CheckpointError as error:
        raise offer_others(error, Path(path)) from None
    formats = formats_from_dicts(checkpoint.formats) if checkpoint.formats else None
    network = DesireNetwork(
        checkpoint.config,
        device,
        checkpoint.weights,
        precision=precision,
        arithmetic=checkpoint.arithmetic,
        formats=formats,
    )
    network.class_names = tuple(checkpoint.class_names) or None
    restore_streams(network, checkpoint)
    return network
