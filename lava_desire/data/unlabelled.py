"""Samples to classify, whose labels are not asked for: what ``lava-desire predict`` reads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from lava_desire.data.checks import DataError, as_floats, check_images, order_of
from lava_desire.data.dataset import find_inputs, samples_in
from lava_desire.data.folder import read_inputs
from lava_desire.data.npz import read_arrays
from lava_desire.data.pictures import find_pictures, holds_pictures, read_pictures
from lava_desire.data.sources import is_folder
from lava_desire.data.spike_trains import SpikeSource, SpikeTrains
from lava_desire.data.table import FEATURES, SUFFIXES, inputs_of, read_table


@dataclass(frozen=True)
class Samples:
    """Samples without labels.

    `inputs` are images, (S, N) uint8 or float32 of `image_shape` where that is known, or spike
    trains; messages call them `name`, and `files` has the file of each, where each is a recording
    in one of its own; `feature_names` those of a table's columns.
    """

    name: str
    inputs: Any
    image_shape: tuple[int, ...] | None = None
    files: tuple[str, ...] = ()
    feature_names: tuple[str, ...] | None = None

    @property
    def has_spikes(self) -> bool:
        """Whether they are spike trains, and no images."""
        return isinstance(self.inputs, SpikeTrains | SpikeSource)

    def in_floats(self) -> Samples:
        """Return a table with numbers in [0, 1], as a ``Dataset`` does."""
        inputs = as_floats(self.inputs, self.name) if self.feature_names else self.inputs
        return replace(self, inputs=inputs)

    def with_features(self, names: Sequence[str]) -> Samples:
        """Return them with inputs in the order of `names`, as a ``Dataset`` does."""
        order = self.feature_names and order_of(self.feature_names, names, self.name)
        if not order:
            return self
        return replace(self, inputs=self.inputs[:, order], feature_names=tuple(names))


def load_samples(path: str | Path, label_column: str | None = None) -> Samples:
    """Load samples to classify from a file or folder, as ``load_data`` takes it, without labels.

    Of what has samples to test with beside others it is these; labels are left alone, of a table
    the `label_column` if it has one. An ``.npz`` file holds one array of samples under a name of
    :meth:`~lava_desire.data.Dataset.from_arrays`.
    Raises DataError if it is no such file, table, folder of IDX files or of pictures, is damaged,
    or holds several arrays of samples; ImportError if it is a table, and pyarrow is not installed;
    OSError if it cannot be read.
    """
    path = Path(path)
    arrays: Any
    if holds_pictures(path):
        files = find_pictures(path)
        relative = tuple(os.path.relpath(file, path) for file in files)
        images = check_images(read_pictures(files), "images")
        return Samples(path.resolve().name, *images, files=relative)
    if is_folder(path):
        return Samples(path.resolve().name, *check_images(read_inputs(path), "images"))
    if path.suffix.lower() in SUFFIXES:
        arrays = read_table(path, partial(inputs_of, label_column=label_column))
    else:
        arrays = read_arrays(path, find_inputs)
    try:
        names = arrays.get(FEATURES) if path.suffix.lower() in SUFFIXES else None
        return Samples(path.stem, *samples_in(arrays), feature_names=names and tuple(names))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def load_recordings(path: str | Path, **binning: Any) -> Samples:
    """Load recordings of events to classify, which are read and binned when they are asked for.

    A file, or a folder with some, within folders of classes or not; binning and errors are those of
    :class:`~lava_desire.data.events.EventDataset`.
    """
    from lava_desire.data.events import EventDataset

    data = EventDataset(path, labels=False, cache=False, **binning)
    start = path if Path(path).is_dir() else Path(path).parent
    return Samples(
        data.name, data, files=tuple(os.path.relpath(file, start) for file in data.files)
    )
