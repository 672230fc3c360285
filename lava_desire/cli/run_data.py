"""Where a run's samples come from, and how a run remembers them.

Commands that take a run or a checkpoint (``eval``, ``export``, ``train --resume``) take the data
that are given, or else the run's own, which ``run.json`` names and knows again by their content.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lava_desire._text import printable
from lava_desire.files import read_file
from lava_desire.strict_json import parse_json
from lava_desire.training.history import RUN

if TYPE_CHECKING:
    from lava_desire.data import Dataset

_SETTINGS = {"device": None, "precision": None, "kernels": "auto", "backend": "torch"}
_SAMPLES = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True)
class Source:
    """Where the samples come from: a named data set and its folder, or a user's file.

    The first three are what ``--dataset``, ``--data-dir`` and ``--data`` say; `quick` takes only
    the first samples, as ``reproduce --quick`` does.
    """

    dataset: str | None = None
    data_dir: str | None = None
    file: str | None = None
    quick: bool = False

    def __post_init__(self) -> None:
        if self.file is not None and self.dataset is not None:
            raise ValueError(
                f"both --data {self.file} and --dataset {self.dataset} are given: expected one"
            )

    def __str__(self) -> str:
        if self.file is not None:
            return self.file
        return self.dataset or "digits"

    @classmethod
    def given(cls, dataset: str | None, data_dir: str | None, file: str | None) -> Source:
        """Return what the options say, each of which has to be of use.

        Raises ValueError if a folder is given for samples that are not in one.
        """
        source = cls(dataset, data_dir, file)
        if data_dir is not None:
            _check_folder_is_used(data_dir, source)
        return source

    @property
    def is_named(self) -> bool:
        """Whether it says which samples, and not only where a named data set is."""
        return self.file is not None or self.dataset is not None

    def load(self) -> Dataset:
        """Load the samples."""
        from lava_desire.data import load_data, load_dataset

        if self.file is not None:
            return load_data(self.file)
        data = load_dataset(self.dataset or "digits", self.data_dir)
        if self.quick:
            from lava_desire.analysis.experiments import quick_data

            return quick_data(data)
        return data

    def absolute(self) -> Source:
        """Return it as it is found from any folder."""
        places = {
            name: os.path.abspath(place)
            for name in ("data_dir", "file")
            if (place := getattr(self, name)) is not None
        }
        return dataclasses.replace(self, **places)


@dataclass(frozen=True)
class Notes:
    """What a run notes about itself in ``run.json``."""

    source: Source
    content: str | None  # of its samples, see content_of; None in older runs
    settings: dict[str, str]  # device, precision, kernels and backend
    job: str | None  # the name of the torchrun that has begun it
    fields: dict[str, Any]  # all that the file holds

    def with_source(self, source: Source, data: Dataset) -> bytes:
        """Return the file with another place of the samples."""
        return notes_file({**self.fields, "source": asdict(source), "content": content_of(data)})


def notes_file(fields: Mapping[str, Any]) -> bytes:
    """Return what ``run.json`` holds."""
    return (json.dumps(fields, indent=2) + "\n").encode()


def content_of(data: Dataset) -> str:
    """Return the SHA-256 of shape, dtype and values of all samples, whatever file they are in."""
    digest = hashlib.sha256()
    for name in _SAMPLES:
        array = getattr(data, name)
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def read_notes(path: Path) -> Notes:
    """Read what a run notes about itself in the ``run.json`` of its folder.

    Raises ValueError if there are no notes, or they are damaged; OSError if they cannot be read, or
    are no regular file.
    """
    if not os.path.lexists(path):
        raise ValueError(f"{path.parent} holds no run to resume: {path.name} is missing")
    try:
        fields = parse_json(read_file(path, follow=False))
        source = Source(**fields["source"])
        given = {**_SETTINGS, **fields}
        settings = {name: given[name] for name in _SETTINGS}
        others = {name: fields.get(name) for name in ("content", "job")}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    texts = [source.dataset, source.data_dir, source.file, *others.values()]
    texts = [*settings.values(), *(text for text in texts if text is not None)]
    if not all(isinstance(text, str) for text in texts) or not isinstance(source.quick, bool):
        raise ValueError(f"{path} is damaged: expected texts as source and settings")
    return Notes(source, others["content"], settings, others["job"], fields)


def data_of(place: Path, given: Source, *, same: bool = False) -> tuple[Source, Dataset]:
    """Return the samples for a run or a checkpoint, and where they are, found from any folder.

    They are those `given`, or else the run's own; a folder alone says where the run's data set is
    now, and `same` that those given have to be the run's own. Raises ValueError if nobody says
    which samples, or they are others than the run was begun with; OSError, naming the option that
    would help, if they are not there.
    """
    folder = place if place.is_dir() else place.parent
    notes = read_notes(folder / RUN) if os.path.lexists(folder / RUN) else None
    if given.is_named:
        source = given
    elif notes is None:
        raise ValueError(
            f"{place} is in no folder of a run, whose {RUN} would tell its data: expected --data "
            "or --dataset"
        )
    else:
        source = notes.source
        if given.data_dir is not None:
            _check_folder_is_used(given.data_dir, source, f"the data of {folder}")
            source = dataclasses.replace(source, data_dir=given.data_dir)
    try:
        data = source.load()
    except FileNotFoundError as error:
        if given.is_named:
            raise
        raise FileNotFoundError(
            f"{source}, the data of {folder}, are not there: expected --data with where they are "
            "now"
        ) from error
    shape = notes.fields.get("image_shape") if notes is not None else None
    if isinstance(shape, list) and data.image_shape is not None:
        height, width = data.image_shape
        if shape != [height, width]:
            wanted = printable(" x ".join(map(str, shape)))
            raise ValueError(
                f"images of {source} are {height} x {width}: expected {wanted}, as those of "
                f"{folder}"
            )
    is_own = same or not given.is_named
    if is_own and notes is not None and notes.content not in (None, content_of(data)):
        cure = "expected the same" if same else f"to take them all the same, give --data {source}"
        raise ValueError(f"{source} holds other samples than {folder} was begun with: {cure}")
    return source.absolute(), data


def _check_folder_is_used(data_dir: str, source: Source, whose: str = "the data") -> None:
    """Refuse ``--data-dir`` beside samples that are not read from such a folder."""
    if source.file is not None:
        raise ValueError(
            f"--data-dir {data_dir} is given, and {whose} are a file, {source.file}: expected "
            "--data alone"
        )
    if source.dataset == "digits":
        raise ValueError(
            f"--data-dir {data_dir} is given, and {whose} are digits, which come with "
            "scikit-learn: expected --dataset mnist or fashion-mnist, or --data"
        )


def describe(source: Source, data: Dataset) -> str:
    """Return what a message calls samples: their name, and where they are if they are a user's."""
    return printable(data.name if source.file is None else f"{data.name} ({source.file})")
