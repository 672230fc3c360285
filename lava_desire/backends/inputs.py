"""Checks the arguments of the engine and converts them to tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_desire.backends.wire import pack_spikes
from lava_desire.config import DesireConfig
from lava_desire.data import SpikeSource, SpikeTrains
from lava_desire.data.checks import check_images, check_labels, refuse_masked, refuse_other_shape
from lava_desire.data.spike_trains import (
    SpikeSubset,
    check_size,
    check_spikes,
    is_spikes,
    read_samples,
    spread,
)
from lava_desire.model.checks import check_array, check_layers
from lava_desire.model.option import refuse_filters
from lava_desire.model.synapses import Synapse


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the torch device of that name.

    Raises ValueError if the name is none, or no such device is in this machine.
    """
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(f"device is {device!r}: expected cpu, cuda or cuda:N") from None
    if resolved.type not in ("cpu", "cuda"):
        raise ValueError(f"device is {device!r}: expected cpu, cuda or cuda:N")
    if resolved.type == "cuda":
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (resolved.index or 0) >= found:
            raise ValueError(
                f"device is {device!r}: this machine offers torch {found} CUDA devices; use cpu"
            )
    return resolved


class StreamedTrains:
    """Spike trains that are read where they are asked for, and checked then.

    Samples are brought to `device`; errors call them `name`.
    """

    def __init__(
        self,
        source: SpikeSource | SpikeTrains,
        config: DesireConfig,
        device: torch.device,
        name: str,
    ) -> None:
        self.source, self._config, self._device, self._name = source, config, device, name
        if len(source):
            self[:1]  # refused early

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, samples: Tensor | slice) -> Tensor:
        """Return samples as :func:`as_input` does, by a slice or (R,) int64."""
        if isinstance(samples, slice):
            numbers = np.arange(len(self))[samples]
        else:
            numbers = samples.cpu().numpy()
        found = read_samples(self.source, numbers, self._name)
        planes = as_input(found, self._config, self._device, self._name)
        assert isinstance(planes, Tensor)
        return planes

    def subset(self, samples: Tensor, labels: Tensor) -> StreamedTrains:
        """Return some of the samples, by (R,) int64 numbers, with their labels, (R,) int64."""
        part = SpikeSubset(self.source, samples.cpu().numpy(), labels.cpu().numpy())
        return StreamedTrains(part, self._config, self._device, self._name)

    def spread(self) -> Tensor:
        """Return some samples from first to last, by which to know the data again."""
        return self[torch.from_numpy(spread(len(self)))]


Inputs = Tensor | StreamedTrains
"""Checked samples: images, (S, N), packed spikes, (S, ⌈T/8⌉, N_0) uint8, or streamed ones."""


def as_input(
    given: Any,
    config: DesireConfig,
    device: torch.device,
    name: str = "inputs",
    image_shape: tuple[int, ...] | None = None,
) -> Inputs:
    """Return images or spike trains as a network takes them.

    Images become (B, N) uint8 or float32; spike trains, (T, B, N_0) or (T, B, C, H, W) bool, or
    packed, become (B, ⌈T/8⌉, N_0) uint8, in the layout of :mod:`~lava_desire.backends.wire`. Those
    that are read from disk stay there. Raises ValueError if they are none of these, of other time
    steps or neurons than the config's, or the config filters images and spike trains are given, or
    images are of another shape than a known `image_shape`.
    """
    if _is_plain(given, np.uint8, 2) and given.shape[1] == config.num_pixels:
        return _as_tensor(name, given, device)  # rows of bytes, as a single image often comes
    # Whether something is a protocol is a slow question, which arrays need not be asked.
    if not isinstance(given, np.ndarray | Tensor) and (
        isinstance(given, SpikeSource) or (isinstance(given, SpikeTrains) and given.is_mapped)
    ):
        return StreamedTrains(given, config, device, name)
    if not is_spikes(given):
        size, inputs = tuple(getattr(given, "shape", ())), config.num_inputs
        counts = len(size) == 3 and size[::2] == (config.num_steps, inputs) and size[1] != 1
        if counts or len(size) == 5:
            check_spikes(given, name)
        return as_images(given, config, device, image_shape=image_shape)
    refuse_filters(config, name)
    if isinstance(given, SpikeTrains):
        num_steps, shape = given.num_steps, given.shape
        planes = _as_tensor(name, given.planes, device)
    else:
        check_spikes(given, name)
        num_steps, shape = len(given), tuple(given.shape[2:])
        planes = pack_spikes(_as_tensor(name, given, device).flatten(2))
    expected = config.num_steps, config.num_inputs
    check_size(num_steps, shape, expected, name, config.input_shape)
    return planes


def as_images(
    images: Any,
    config: DesireConfig,
    device: torch.device,
    name: str = "images",
    image_shape: tuple[int, ...] | None = None,
) -> Tensor:
    """Return images for a network as a (B, N) uint8 or float32 tensor on `device`.

    Raises ValueError as :func:`~lava_desire.data.checks.check_images`, which calls them `name`.
    """
    rows, shape = check_images(images, name, config.num_pixels, config.input_shape)
    refuse_other_shape(shape, image_shape, f"{name} are")
    return _as_tensor(name, rows, device)


def as_labels(
    labels: Any, batch_size: int, num_classes: int, device: torch.device, name: str = "labels"
) -> Tensor:
    """Return labels as a (B,) int64 tensor on `device`.

    Raises ValueError as :func:`~lava_desire.data.checks.check_labels`, which calls them `name`.
    """
    if not (_is_plain(labels, np.int64, 1) and labels.shape == (batch_size,) == (1,)) or not (
        0 <= labels[0] < num_classes
    ):
        labels = check_labels(labels, name, batch_size, num_classes)
    return _as_tensor(name, labels, device)


def as_masks(
    masks: Sequence[Any], batch_size: int, neurons: Sequence[int], device: torch.device
) -> list[Tensor]:
    """Return dropout masks as L tensors (B, N_ℓ) bool, input to last hidden layer.

    Raises ValueError if their number, a shape or a dtype is another.
    """
    num_masks = len(neurons) - 1
    if len(masks) != num_masks:
        raise ValueError(
            f"dropout_masks holds {len(masks)} masks: expected {num_masks}, of the input and of "
            "each hidden layer"
        )
    tensors = []
    for layer, (mask, size) in enumerate(zip(masks, neurons, strict=False)):
        tensor = _as_tensor(f"dropout_masks[{layer}]", mask, device)
        if tensor.dtype != torch.bool:
            raise ValueError(f"dropout_masks[{layer}] is {tensor.dtype}: expected bool")
        if tensor.shape not in ((size,), (batch_size, size)):
            raise ValueError(
                f"dropout_masks[{layer}] has shape {tuple(tensor.shape)}: expected "
                f"({batch_size}, {size}) or ({size},)"
            )
        tensors.append(tensor.expand(batch_size, size))
    return tensors


def as_weights(
    weights: Sequence[Any], synapses: Sequence[Synapse], device: torch.device
) -> Iterator[Tensor]:
    """Give copies of the weights of each layer's synapses as float32 tensors on `device`.

    One at a time, so that few are there at once. Raises ValueError if their number, a shape or a
    dtype is another, or a value is not finite.
    """
    check_layers("weights", weights, len(synapses))
    for index, (given, synapse) in enumerate(zip(weights, synapses, strict=True)):
        name = f"weights[{index}]"
        tensor = _as_tensor(name, given, device).detach()
        yield check_array(name, tensor, synapse.weight_shape, "float").contiguous()


def _is_plain(given: Any, dtype: type, num_dimensions: int) -> bool:
    """Say whether something is a NumPy array, and no masked one, that needs no further look."""
    return type(given) is np.ndarray and given.dtype == dtype and given.ndim == num_dimensions


def _as_tensor(name: str, value: Any, device: torch.device) -> Tensor:
    refuse_masked(value, name)
    if isinstance(value, np.ndarray):
        # torch takes neither read-only arrays nor negative strides; others are not copied.
        value = np.require(value, requirements=["C", "W"])
    try:
        return torch.as_tensor(value, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} cannot become a tensor: {error}") from None
