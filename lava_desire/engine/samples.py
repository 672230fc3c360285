"""What ``fit`` and ``evaluate`` take as data: pairs, data sets, and torch's own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
)
from torch.utils.data import Dataset as TorchDataset

from lava_desire.data import DataError, Dataset, DataWarning
from lava_desire.data.checks import check_images
from lava_desire.engine.network import DesireNetwork

Pair = tuple[Any, Any]
"""``(images, labels)``, not yet checked."""

_DRAWN_AT_ONCE = 256


def training_pairs(
    network: DesireNetwork, train: Any, test: Any
) -> tuple[Pair, Pair | None, tuple[str, ...] | None]:
    """Return what is learned, and what is tested with: the arguments of ``fit`` as pairs.

    Parameters
    ----------
    network : DesireNetwork
        What learns.
    train, test : object
        See :func:`~lava_desire.engine.fit`.

    Returns
    -------
    train, test : tuple
        ``(images, labels)``; None without a test set.
    class_names : tuple of str or None
        What the classes are called: as the network does, or else `train`.

    Raises
    ------
    ValueError
        If an argument is none of those, or the two do not fit each other.
    """
    train, names = _as_dataset(train), network.class_names
    if isinstance(train, Dataset):
        train = numbered_as(network, train, names)
        names = names or train.class_names
        if test is None and train.has_test:
            test = train.test
        elif test is not None and train.has_test:
            raise ValueError(
                f"test is given beside {train.name}, which has a test set: expected one"
            )
        learned = train.train
        shape = train.image_shape
    else:
        learned = _as_pair(train, "train", network.config.batch_size)
        shape = None
    tested = None if test is None else tested_pair(network, test, "test", names)
    _check_shapes(shape, learned, tested)
    return learned, tested, names


def tested_pair(
    network: DesireNetwork, data: Any, name: str, class_names: tuple[str, ...] | None
) -> Pair:
    """Return what is tested with: the argument of ``evaluate`` as a pair.

    Parameters
    ----------
    network : DesireNetwork
        What classifies.
    data : object
        See :func:`~lava_desire.engine.evaluate`.
    name : str
        What errors call it.
    class_names : tuple of str or None
        The network's classes: see :func:`numbered_as`.

    Returns
    -------
    tuple
        ``(images, labels)``.

    Raises
    ------
    ValueError
        If it is none of those, or has no test set, or a class that the network does not have.
    """
    data = _as_dataset(data)
    if isinstance(data, Dataset):
        return numbered_as(network, data, class_names).test
    return _as_pair(data, name)


def numbered_as(
    network: DesireNetwork, data: Dataset, class_names: tuple[str, ...] | None
) -> Dataset:
    """Give the classes of a data set the numbers of a network, by their names.

    Parameters
    ----------
    network : DesireNetwork
        What learns or classifies.
    data : Dataset
        The samples.
    class_names : tuple of str or None
        What the network's classes are called. Without names its numbers are those of a data set of
        as many classes.

    Returns
    -------
    Dataset

    Raises
    ------
    ValueError
        If one of the classes is none of the network's.
    """
    num_classes = network.config.layer_sizes[-1]
    if class_names is None and data.num_classes == num_classes:
        return data
    return data.with_classes(class_names or tuple(map(str, range(num_classes))))


def _as_dataset(data: Any) -> Any:
    """Return arrays by name, as keras and scikit-learn have them, as a data set."""
    return Dataset.from_arrays(data) if isinstance(data, Mapping) else data


def _as_pair(data: Any, name: str, batch_size: int | None = None) -> Pair:
    if isinstance(data, TensorDataset):
        data = data.tensors
    elif isinstance(data, TorchDataset | DataLoader):
        data = _drawn(data, name, batch_size)
    try:
        images, labels = data
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} is a {type(data).__name__}: expected a pair (images, labels), a "
            "lava_desire.data.Dataset, or a Dataset or DataLoader of torch"
        ) from None
    return images, labels


def _drawn(data: Any, name: str, batch_size: int | None) -> Pair:
    """Draw all samples of a data set of torch into two tensors, in their order."""
    loader = data
    if isinstance(data, DataLoader):
        _warn_of_batches(data, name, batch_size)
        sampler = data.sampler
        if not isinstance(data.dataset, IterableDataset):
            in_order = isinstance(sampler, SequentialSampler) or (
                isinstance(sampler, RandomSampler)
                and not sampler.replacement
                and sampler.num_samples == len(data.dataset)  # type: ignore[arg-type]
            )
            if not in_order or data.batch_size is None:
                raise DataError(
                    f"{name} is a DataLoader with a {type(sampler).__name__} of its own: expected "
                    "one that visits each sample once; for some of them give "
                    "torch.utils.data.Subset(dataset, indices)"
                )
            loader = DataLoader(
                data.dataset,
                _DRAWN_AT_ONCE,
                num_workers=data.num_workers,
                collate_fn=data.collate_fn,
                worker_init_fn=data.worker_init_fn,
            )
    else:
        loader = DataLoader(data, _DRAWN_AT_ONCE)
    images, labels = [], []
    try:
        for batch in loader:
            drawn_images, drawn_labels = batch
            images.append(torch.as_tensor(drawn_images))
            labels.append(torch.as_tensor(drawn_labels))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name} does not give pairs (image, label) of tensors and integers: {error}; images "
            "of PIL become tensors by a transform, as torchvision.transforms.ToTensor()"
        ) from None
    if not images:
        raise DataError(f"{name} holds no samples: expected at least one")
    return torch.cat(images), torch.cat(labels)


def _warn_of_batches(loader: DataLoader[Any], name: str, batch_size: int | None) -> None:
    """Say that a loader's batches are not those that are learned, where they are others."""
    if batch_size is not None and loader.batch_size not in (None, batch_size):
        warnings.warn(
            f"{name} is a DataLoader of batches of {loader.batch_size}: its samples are drawn "
            f"once, and learned in batches of {batch_size}, the network's batch_size, in an order "
            "of its seed",
            DataWarning,
            stacklevel=2,
        )


def _check_shapes(shape: tuple[int, int] | None, train: Pair, test: Pair | None) -> None:
    """Refuse images that are higher where they are tested than where they are learned."""
    if test is None:
        return
    shape = shape or _image_shape(train[0])
    other = _image_shape(test[0])
    if shape is not None and other is not None and shape != other:
        raise DataError(
            f"test images are {other[0]} x {other[1]}: expected {shape[0]} x {shape[1]}, as those "
            "to train with; turned images are .transpose(0, 2, 1)"
        )


def _image_shape(images: Any) -> tuple[int, int] | None:
    return None if getattr(images, "ndim", 2) == 2 else check_images(images)[1]
