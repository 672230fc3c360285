"""What ``fit`` and ``evaluate`` take as data: pairs, data sets, and torch's own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
    default_collate,
)
from torch.utils.data import Dataset as TorchDataset

from lava_desire._text import listed
from lava_desire.backends.inputs import Inputs, StreamedTrains
from lava_desire.backends.wire import pack_spikes
from lava_desire.card import in_floats
from lava_desire.config import DesireConfig
from lava_desire.data import DataError, Dataset, DataWarning, SpikeSource, SpikeTrains
from lava_desire.data.checks import (
    check_images,
    check_planes,
    refuse_masked,
    refuse_other_shape,
    times,
)
from lava_desire.data.spike_trains import check_size, is_spikes
from lava_desire.model.option import refuse_augmentation_of, refuse_filters, refuse_planes
from lava_desire.network import DesireNetwork
from lava_desire.randomness import validation_split

Pair = tuple[Any, Any]
"""``(images, labels)``, not yet checked."""

_DRAWN_AT_ONCE = 256


def training_pairs(
    network: DesireNetwork, train: Any, **others: Any
) -> tuple[Pair, dict[str, Pair], tuple[str, ...] | None]:
    """Return what is learned, and what is held out: the arguments of ``fit`` as pairs.

    `others` are its `test` and `validation`, None where not given. Returns ``(images, labels)`` of
    `train`, those of the others that there are, with the test set of `train` among them, and what
    the classes are called: as the network does, or else `train`. Raises ValueError if an argument
    is none of those, or two do not fit each other.
    """
    train, names = as_dataset(train), network.class_names
    given = {name: data for name, data in others.items() if data is not None}
    held_out: dict[str, Pair] = {}
    if isinstance(train, Dataset):
        if network.samples_seen == 0 and train.num_classes == network.config.num_classes:
            # Only what has not learned yet takes names: the classes of others are numbers.
            names = names or train.class_names
        train = _as_learned(network, train, names)
        if train.has_test and "test" not in given:
            held_out["test"] = train.test
        elif train.has_test:
            raise ValueError(
                f"test is given beside {train.name}, which has a test set: expected one"
            )
        learned = train.train
        if train.feature_names:
            given = {
                name: _like(train, data) if isinstance(data, Dataset) else data
                for name, data in given.items()
            }
    else:
        learned = _as_pair(train, "train", network.config.batch_size)
    found = SampleKind.of(train, learned, network.config)
    held_out |= {name: tested_pair(network, data, name, names) for name, data in given.items()}
    found.check_options(network.config)
    spikes, shape = found.spikes, found.shape
    for name, pair in held_out.items():
        if spikes != _are_spikes(pair[0]):
            kinds = ("images", "spike trains") if spikes else ("spike trains", "images")
            raise DataError(
                f"{name} holds {kinds[0]}, and train {kinds[1]}: expected one kind to train and to "
                "test with; spike trains are bool, (T, S, N) or (T, S, C, H, W)"
            )
        data = given.get(name)
        if isinstance(data, Dataset) and not spikes:
            other = data.image_shape  # which its rows do not have
        else:
            other = _image_shape(pair[0], network.config, name)
        what = "spike trains have neurons of" if spikes else "images are"
        refuse_other_shape(other, shape, f"{name} {what}", "those to train with")
    return learned, held_out, names


def _like(train: Dataset, data: Dataset) -> Dataset:
    """Return a table with the columns, and on the scale, of that which is learned."""
    data = data.with_features(train.feature_names or ())
    return data.in_floats() if train.train_images.dtype.kind == "f" else data


def warn_of_one_class(labels: torch.Tensor) -> None:
    """Say that all samples are of one class, of several, as no network can then be wrong."""
    if len(labels) > 1 and bool((labels == labels[0]).all()):
        warnings.warn(
            f"all {len(labels)} training samples are of class {int(labels[0])}: a network learns "
            "to give that answer always",
            DataWarning,
            stacklevel=4,
        )


@dataclass(frozen=True)
class SampleKind:
    """What a configuration has to fit of the samples that are learned, beside their values.

    Parameters
    ----------
    spikes : bool
        Whether they are spike trains, and not images.
    shape : tuple of int or None
        (h, w) or (C, h, w) of images, (C, H, W) of spike trains; None of those in a row.
    columns : bool
        Whether their inputs are the columns of a table.
    num_steps : int
        T with which they are learned first: spike trains have no other.
    """

    spikes: bool
    shape: tuple[int, ...] | None
    columns: bool
    num_steps: int

    @classmethod
    def of(cls, train: Any, learned: Pair, config: DesireConfig) -> SampleKind:
        """Look at `train`, of :func:`as_dataset`, and its pair."""
        spikes, is_dataset = _are_spikes(learned[0]), isinstance(train, Dataset)
        if is_dataset and not spikes:
            shape = train.image_shape  # which its rows do not have
        else:
            shape = _image_shape(learned[0], config, "train")
        columns = is_dataset and bool(train.feature_names)
        return cls(spikes, shape, columns, config.num_steps)

    def check(self, config: DesireConfig) -> None:
        """Refuse another configuration with which they could not have been learned from the first.

        Raises ValueError naming what does not fit.
        """
        self.check_options(config)
        if self.spikes:
            refuse_filters(config, "train")
            size = config.num_steps, config.num_inputs
            shape = self.shape or (config.num_inputs,)
            check_size(self.num_steps, shape, size, "train", config.input_shape)
        else:
            check_planes(self.shape, config.input_shape, "train images")

    def check_options(self, config: DesireConfig) -> None:
        """Refuse options that are for other samples: ValueError names the field."""
        refuse_augmentation_of(config, spikes=self.spikes)
        if self.spikes and self.shape is None and len(config.input_shape) != 3:
            where = "neurons of spike trains are in a row; input_shape says which planes they are"
        elif self.columns:
            where = "inputs are columns of a table"
        elif self.shape is not None and self.shape[-2:] != config.image_planes[1:]:
            what, known = "planes of spikes" if self.spikes else "images", (1, *self.shape)[-3:]
            where = f"{what} are {times(self.shape)} and input_shape is not {known}"
        else:
            return
        refuse_planes(config, f" where {where}")


def split_off(
    checked: tuple[Inputs, torch.Tensor], share: Any, seed: int
) -> tuple[tuple[Inputs, torch.Tensor], tuple[Inputs, torch.Tensor]]:
    """Part samples, checked, into those to learn and those to validate with.

    The latter are `share`, in (0, 1), as :func:`~lava_desire.randomness.validation_split` draws
    them.
    """
    samples, labels = checked
    first, second = (
        torch.from_numpy(part).to(labels.device)
        for part in validation_split(labels.cpu().numpy(), share, seed)
    )
    return _taken(samples, labels, first), _taken(samples, labels, second)


def _taken(
    samples: Inputs, labels: torch.Tensor, chosen: torch.Tensor
) -> tuple[Inputs, torch.Tensor]:
    taken = labels[chosen]
    if isinstance(samples, StreamedTrains):
        return samples.subset(chosen, taken), taken
    return samples[chosen], taken


def tested_pair(
    network: DesireNetwork, data: Any, name: str, class_names: tuple[str, ...] | None
) -> Pair:
    """Return what is tested with: the argument of ``evaluate`` as a pair.

    Classes are numbered by :func:`numbered_as`. Raises ValueError, with `name`, if it is none of
    those, or has no test set, or a class that the network does not have.
    """
    is_source, data = isinstance(data, SpikeSource), as_dataset(data)
    if isinstance(data, Dataset):
        numbered = _as_learned(network, data, class_names)
        return numbered.train if is_source else numbered.test
    return _as_pair(data, name)


def _as_learned(
    network: DesireNetwork, data: Dataset, class_names: tuple[str, ...] | None
) -> Dataset:
    """Give a data set the columns and classes of a network; refuse images of another shape."""
    if network.feature_names:
        data = data.with_features(network.feature_names)
    if in_floats(network.card):
        data = data.in_floats()
    data = numbered_as(network, data, class_names)
    images = f"images of {data.name}"
    check_planes(data.image_shape, network.config.input_shape, images)
    if not data.has_spikes:
        refuse_other_shape(data.image_shape, network.image_shape, f"{images} are")
    return data


def numbered_as(
    network: DesireNetwork, data: Dataset, class_names: tuple[str, ...] | None
) -> Dataset:
    """Give the classes of a data set the numbers of a network, by their names.

    Classes without names are the integers 0 to K − 1. Raises ValueError if one of the classes is
    none of the network's.
    """
    num_classes = network.config.num_classes
    names = class_names or tuple(map(str, range(num_classes)))
    try:
        return data.with_classes(names)
    except DataError as error:
        if class_names is not None:
            raise
        raise DataError(
            f"{error}: {data.name} is of the classes {listed(data.names, 20)}, and a network "
            f"without names of classes has the integers 0 to {num_classes - 1}; give those as "
            "labels, or train a network of as many outputs with names"
        ) from None


def as_dataset(data: Any) -> Any:
    """Return arrays by name, as keras and scikit-learn have them, and sources, as a data set."""
    if isinstance(data, SpikeSource):
        return Dataset.from_sources(data)
    return Dataset.from_arrays(data) if isinstance(data, Mapping) else data


def _as_pair(data: Any, name: str, batch_size: int | None = None) -> Pair:
    if isinstance(data, TensorDataset):
        if len(data.tensors) != 2:
            raise DataError(
                f"{name} is a TensorDataset of {len(data.tensors)} tensors: expected two, images "
                "and labels"
            )
        data = data.tensors
        if is_spikes(data[0]):  # a sample first, as torch asks for
            data = data[0].transpose(0, 1), data[1]
    elif isinstance(data, TorchDataset | DataLoader):
        data = _drawn(data, name, batch_size)
    try:
        images, labels = data
    except (TypeError, ValueError, KeyError):
        columns = getattr(data, "column_names", None)
        of = f" of {', '.join(map(str, columns))}"[:200] if isinstance(columns, list) else ""
        raise ValueError(
            f"{name} is a {type(data).__name__}{of}: expected a pair (images, labels), a "
            "lava_desire.data.Dataset, or a Dataset or DataLoader of torch"
        ) from None
    return images, labels


def _drawn(data: Any, name: str, batch_size: int | None) -> Pair:
    """Draw all samples of a data set of torch into two tensors, in their order."""
    loader = data
    if isinstance(data, DataLoader):
        if data.batch_sampler is None:
            raise DataError(
                f"{name} is a DataLoader with batch_size=None, which gives no batches: expected a "
                "batch_size, or its data set alone"
            )
        _warn_of_batches(data, name, batch_size)
        sampler = data.sampler
        if not isinstance(data.dataset, IterableDataset):
            in_order = isinstance(sampler, SequentialSampler) or (
                isinstance(sampler, RandomSampler)
                and not sampler.replacement
                and sampler.num_samples == len(data.dataset)  # type: ignore[arg-type]
            )
            if data.batch_size is None:
                sampler = data.batch_sampler
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
                collate_fn=_collation(data),
                worker_init_fn=data.worker_init_fn,
            )
    else:
        loader = DataLoader(data, _DRAWN_AT_ONCE, collate_fn=list)
    images: list[torch.Tensor] = []
    labels: list[torch.Tensor] = []
    shape: tuple[int, ...] | None = None
    try:
        for batch in loader:
            if loader.collate_fn is list:
                batch = _collated(batch, name, sum(map(len, images)), shape)
            elif isinstance(batch, Mapping) or not isinstance(batch, list | tuple):
                raise _no_pair(f"a batch of {name}", batch)
            drawn_images, drawn_labels = batch
            drawn_images = torch.as_tensor(drawn_images)
            size = tuple(drawn_images.shape[1:])
            shape = shape or size
            if size != shape:
                raise DataError(
                    f"{name} has samples of shape {size} beside others of {shape}: expected all of "
                    "one size"
                )
            images.append(_packed(drawn_images))
            labels.append(torch.as_tensor(drawn_labels))
    except DataError:
        raise
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name} does not give pairs (image, label) of tensors and integers: {error}; images "
            "of PIL become tensors by a transform, as torchvision.transforms.ToTensor()"
        ) from None
    if not images:
        raise DataError(f"{name} holds no samples: expected at least one")
    joined: Any = torch.cat(images)
    if is_spikes(drawn_images) and shape:
        joined = SpikeTrains(joined.cpu().numpy(), shape[0], shape[1:])
    return joined, torch.cat(labels)


def _packed(samples: torch.Tensor) -> torch.Tensor:
    """Return samples, (B, T, ...) where they are spike trains, with those packed."""
    return pack_spikes(samples.flatten(2).transpose(0, 1)) if is_spikes(samples) else samples


def _collation(loader: DataLoader[Any]) -> Any:
    """Return what joins samples: our own with checks in place of torch's, if there is one process.

    Other processes give tensors on, of which single ones would take a file handle each.
    """
    is_default = loader.collate_fn is default_collate and loader.num_workers == 0
    return list if is_default else loader.collate_fn


def _collated(samples: list[Any], name: str, first: int, expected: tuple[int, ...] | None) -> Any:
    """Return samples as a batch, each looked at by its number.

    Raises DataError if one is no pair, its label a text, or its image masked or of another shape
    than the first.
    """
    for number, sample in enumerate(samples, start=first):
        which = f"sample {number} of {name}"
        if not isinstance(sample, list | tuple) or len(sample) != 2:
            raise _no_pair(which, sample)
        image, label = sample
        if isinstance(label, str):
            raise DataError(
                f"{which} has the label {label[:40]!r}, a text: expected an integer; a "
                "lava_desire.data.Dataset of images and labels numbers the classes and keeps their "
                "names"
            )
        refuse_masked(image, which)
        refuse_masked(label, which)
        shape = getattr(image, "shape", None)
        if shape is None:
            continue
        expected = expected or tuple(shape)
        if tuple(shape) != expected:
            raise DataError(
                f"{which} has an image of shape {tuple(shape)}: expected {expected}, as sample 0"
            )
    return default_collate(samples)


def _no_pair(which: str, given: Any) -> DataError:
    found = f"a {type(given).__name__}"
    if isinstance(given, Mapping):
        found = f"a {type(given).__name__} of {', '.join(map(str, given))}"[:200]
    elif isinstance(given, list | tuple):
        found = f"a {type(given).__name__} of {len(given)} parts"
    return DataError(
        f"{which} is {found}: expected a pair (image, label); a torch.utils.data.Dataset around it "
        "can give those two of its parts"
    )


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


def _image_shape(images: Any, config: DesireConfig, name: str) -> tuple[int, ...] | None:
    if _are_spikes(images):
        return _spikes_shape(images)
    if getattr(images, "ndim", 2) == 2:
        return None
    return check_images(images, f"{name} images", config.num_pixels, config.input_shape)[1]


def _spikes_shape(trains: Any) -> tuple[int, ...] | None:
    """Return the planes, (C, H, W), of the neurons of spike trains; None of those in a row."""
    is_packed = isinstance(trains, SpikeTrains | SpikeSource)
    shape = tuple(trains.shape if is_packed else trains.shape[2:])
    return {2: (1, *shape), 3: shape}.get(len(shape))


def _are_spikes(images: Any) -> bool:
    return isinstance(images, SpikeSource) or is_spikes(images)
