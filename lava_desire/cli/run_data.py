"""Where a run's samples come from, and how a run remembers them.

Commands that take a run or a checkpoint (``eval``, ``export``, ``train --resume``) take the data
that are given, or else the run's own, which ``run.json`` names and knows again by their content.
"""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lava_desire._text import printable
from lava_desire.data.names import DATASETS, check_dataset
from lava_desire.files import read_file
from lava_desire.model.fields import FloatRange, floats, integers
from lava_desire.strict_json import parse_json
from lava_desire.training.choose import CHOICES
from lava_desire.training.history import RUN

if TYPE_CHECKING:
    from lava_desire.data import Dataset
    from lava_desire.data.unlabelled import Samples

_SETTINGS = {"device": None, "precision": None, "kernels": "auto", "backend": "torch"}
_ARGUMENT = re.compile(
    r"\b(num_steps|sensor|duration|start|late|counts)(?:=\"?(\w+|\([^)]*\))\"?|(?= is ))"
)
VALIDATION = floats(FloatRange("0 < {name} < 1", lambda value: 0 < value < 1, smallest=0))
"""Checks a share of the training samples that choose the best epoch."""
PATIENCE = integers(1)
"""Checks for how many epochs without a better one a run goes on."""
_SAMPLES = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True)
class Source:
    """Where the samples come from: a named data set and its folder, or a user's file, or events.

    The first three are what ``--dataset``, ``--data-dir`` and ``--data`` say; `quick` takes only
    the first samples, as ``reproduce --quick`` does. `events` is what ``--events`` says, and
    `binning` how they become spikes: arguments of :func:`~lava_desire.data.events.load_events`.
    `label_column` is the column of a table that holds the labels, where its name does not say so.
    """

    dataset: str | None = None
    data_dir: str | None = None
    file: str | None = None
    quick: bool = False
    events: str | None = None
    binning: dict[str, Any] | None = None
    label_column: str | None = None

    def __post_init__(self) -> None:
        named = {"data": self.file, "dataset": self.dataset, "events": self.events}
        given = [f"--{name} {value}" for name, value in named.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"both {given[0]} and {given[1]} are given: expected one")

    def __str__(self) -> str:
        return self.file or self.events or self.dataset or "digits"

    @property
    def is_binned(self) -> bool:
        """Whether they are recordings, and no file of spike trains."""
        return self.events is not None and Path(self.events).suffix.lower() != ".npz"

    @classmethod
    def given(
        cls,
        dataset: str | None = None,
        data_dir: str | None = None,
        data: str | None = None,
        events: str | None = None,
        label_column: str | None = None,
        **binning: Any,
    ) -> Source:
        """Return what the options say, each of which has to be of use.

        Raises ValueError if a folder is given for samples that are not in one, how to bin for what
        is no recordings, or a column for what is no table.
        """
        if "sensor" in binning:
            binning["sensor"] = _parse_sensor(binning["sensor"])
        options: Any = {"binning": binning or None, "label_column": label_column}
        source = cls(dataset, data_dir, data, events=events, **options)
        if label_column is not None and not source.is_table:
            what = "without --data" if data is None else f"with {data}"
            raise ValueError(
                f"--label-column {label_column} is given {what}: expected a .csv or .parquet file"
            )
        if binning and not source.is_binned:
            what = "without --events" if events is None else f"with {events}"
            raise ValueError(f"--{next(iter(binning))} is given {what}: expected recordings to bin")
        if data_dir is not None:
            _check_folder_is_used(data_dir, source)
        return source

    @property
    def is_table(self) -> bool:
        """Whether they are a file with columns."""
        from lava_desire.data.sources import is_table

        return self.file is not None and is_table(Path(self.file))

    def labelled_as(self, other: Source) -> Source:
        """Return a table with the label column of another source, unless it says its own."""
        if self.label_column is not None or not self.is_table:
            return self
        return dataclasses.replace(self, label_column=other.label_column)

    @property
    def is_named(self) -> bool:
        """Whether it says which samples, and not only where a named data set is."""
        return any(each is not None for each in (self.file, self.dataset, self.events))

    def binned(self, num_steps: int) -> Source:
        """Return recordings of events with the number of bins, and others as they are."""
        if not self.is_binned:
            return self
        options = {name: value for name, value in (self.binning or {}).items() if name != "bins"}
        return dataclasses.replace(self, binning={**options, "num_steps": num_steps})

    @property
    def is_there(self) -> bool:
        """Whether the data set is known, and its files or folder exist, which may be damaged."""
        name, place = self.dataset or "digits", self.events or self.file
        if place or name not in DATASETS or name == "digits":
            return name in DATASETS and (not place or os.path.lexists(place))
        from lava_desire.data.checks import DataError
        from lava_desire.data.sources import DATA_DIR_VARIABLE, find_files

        folder = self.data_dir or os.environ.get(DATA_DIR_VARIABLE)
        try:
            return not folder or bool(find_files(name, folder))
        except (DataError, OSError):  # said where they are loaded
            return False

    def load(self) -> Dataset:
        """Load the samples; of recordings of events, what reads them.

        What is unknown, or not there, is refused before anything heavy is imported.
        """
        check_dataset(self.dataset or "digits")
        self.check_is_there()
        from lava_desire.data import load_data, load_dataset

        if self.events is not None:
            return self._load_events(self.events)
        if self.file is not None:
            return load_data(self.file, self.label_column)
        data = load_dataset(self.dataset or "digits", self.data_dir)
        if self.quick:
            from lava_desire.analysis.experiments import quick_data

            return quick_data(data)
        return data

    def check_is_there(self) -> None:
        """Refuse a file or a folder, of samples or of events, that is not there."""
        place = self.events or self.file
        # Files of a data set may be named by how they begin: see data.sources.is_folder.
        named_so = place and not self.is_binned and glob.glob(f"{glob.escape(place)}*")
        if place is not None and not named_so and not os.path.lexists(place):
            option, expected = "--data", "a .npz, .csv or .parquet file, or a folder"
            if self.events is not None:
                option, expected = "--events", "recordings of events"
            raise FileNotFoundError(f"{option} {place} is not there: expected {expected}")

    def _load_events(self, place: str) -> Dataset:
        from lava_desire.data import DataError, Dataset, load_npz

        if not self.is_binned:
            data = load_npz(place)
            if not data.has_spikes:
                raise DataError(f"--events {place} holds images: expected spikes, or --data")
            return data
        from lava_desire.data.events import load_events

        try:
            train, test = load_events(place, **(self.binning or {}))
        except DataError as error:
            raise DataError(_ARGUMENT.sub(_as_option, str(error))) from None
        return Dataset.from_sources(train, test, name=train.name)

    def absolute(self) -> Source:
        """Return it as it is found from any folder."""
        places = {
            name: os.path.abspath(place)
            for name in ("data_dir", "file", "events")
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
    validation: float | None  # share of the training samples
    features: list[str]  # of a table, in the order that is learned; empty where they have no names
    choose: str  # whose weights it is for, see fit
    patience: int | None  # epochs without a better one
    tensorboard: bool  # whether it writes events
    fields: dict[str, Any]  # all that the file holds

    def with_source(self, source: Source, data: Dataset) -> bytes:
        """Return the file with another place of the samples."""
        return notes_file({**self.fields, "source": asdict(source), "content": content_of(data)})


def notes_file(fields: Mapping[str, Any]) -> bytes:
    """Return what ``run.json`` holds."""
    return (json.dumps(fields, indent=2) + "\n").encode()


def _as_option(argument: re.Match[str]) -> str:
    """Return an argument of Python's, or its name, as the option that it is."""
    name = "bins" if argument[1] == "num_steps" else argument[1]
    return f"--{name}" + (f" {argument[2]}" if argument[2] else "")


def content_of(data: Dataset) -> str:
    """Return the SHA-256 of shape, dtype and values of all samples, whatever file they are in.

    Of recordings of events, which may be more than memory holds, it is that of 256.
    """
    from lava_desire.data.spike_trains import SpikeSource, SpikeTrains, spread

    digest = hashlib.sha256()
    for name in _SAMPLES:
        array = getattr(data, name)
        if isinstance(array, SpikeTrains | SpikeSource):
            trains = array if isinstance(array, SpikeTrains) else array.spikes(spread(len(array)))
            digest.update(f"{len(array)} of {trains.num_steps} steps, {trains.shape}".encode())
            array = trains.planes
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
    names = ("dataset", "data_dir", "file", "events", "label_column")
    texts = [*(getattr(source, name) for name in names), *others.values()]
    texts = [*settings.values(), *(text for text in texts if text is not None)]
    if not all(isinstance(text, str) for text in texts) or not isinstance(source.quick, bool):
        raise ValueError(f"{path} is damaged: expected texts as source and settings")
    share, patience = fields.get("validation"), fields.get("patience")
    check_choosing(path, share, patience)
    is_logged = fields.get("tensorboard", False)
    if not isinstance(is_logged, bool):
        raise ValueError(f"{path} is damaged: tensorboard is {is_logged!r}: expected true or false")
    features = fields.get("features", [])
    if not isinstance(features, list) or not all(isinstance(each, str) for each in features):
        raise ValueError(f"{path} is damaged: features are {features!r}: expected a list of texts")
    choose = fields.get("choose", "best")
    if choose not in CHOICES:
        raise ValueError(f"{path} is damaged: choose is {choose!r}: expected best or last")
    return Notes(
        source,
        others["content"],
        settings,
        others["job"],
        share,
        features,
        choose,
        patience,
        is_logged,
        fields,
    )


def check_choosing(path: Path, validation: object, patience: object) -> None:
    """Refuse a share to validate with, or a patience, that a file cannot hold, None where none is.

    Raises ValueError naming the file.
    """
    try:
        if validation is not None:
            VALIDATION("validation", validation, None)
        if patience is not None:
            PATIENCE("patience", patience, None)
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from None


def data_of(place: Path, given: Source, *, same: bool = False) -> tuple[Source, Dataset]:
    """Return the samples for a run or a checkpoint, and where they are, found from any folder.

    They are those `given`, or else the run's own; a folder alone says where the run's data set is
    now, and `same` that those given have to be the run's own. Raises ValueError if nobody says
    which samples, or they are others than the run was begun with; OSError, naming the option that
    would help, if they are not there.
    """
    folder, notes = _notes_of(place)
    if given.is_binned:
        source = _binned_as(notes, given, place)
    elif given.is_named:
        source = given if notes is None else given.labelled_as(notes.source)
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
            f"{source}, the data of {folder}, are not there: expected "
            f"{'--data' if source.events is None else '--events'} with where they are now"
        ) from error
    _check_shape(data.image_shape, notes, source, folder)
    data = data.with_features(notes.features) if notes is not None and notes.features else data
    is_own = same or not given.is_named
    if is_own and notes is not None and notes.content not in (None, content_of(data)):
        cure = "expected the same" if same else f"to take them all the same, give --data {source}"
        raise ValueError(f"{source} holds other samples than {folder} was begun with: {cure}")
    return source.absolute(), data


def samples_of(place: Path, given: Source) -> tuple[Source, Samples]:
    """Return samples for a run or a checkpoint to classify, and where they are.

    They are those in the file or the events `given`, whose labels are not asked for, or else those
    of :func:`data_of` to test with. Raises its errors.
    """
    from lava_desire.data import DataError
    from lava_desire.data.unlabelled import Samples, load_recordings, load_samples

    if given.file is None and given.events is None:
        source, data = data_of(place, given)
        return source, Samples(data.name, data.test[0], data.image_shape)
    given.check_is_there()
    folder, notes = _notes_of(place)
    if given.is_binned:
        given = _binned_as(notes, given, place)
        try:
            samples = load_recordings(str(given), **(given.binning or {}))
        except DataError as error:
            raise DataError(_ARGUMENT.sub(_as_option, str(error))) from None
    else:
        given = given if notes is None else given.labelled_as(notes.source)
        samples = load_samples(str(given), given.label_column)
        if given.events is not None and not samples.has_spikes:
            raise DataError(f"--events {given} holds images: expected spikes, or --data")
    _check_shape(samples.image_shape, notes, given, folder)
    if notes is not None and notes.features:
        samples = samples.with_features(notes.features)
    return given.absolute(), samples


def _notes_of(place: Path) -> tuple[Path, Notes | None]:
    """Return the folder of a run or a checkpoint, and the run's notes, None where it has none."""
    folder = place if place.is_dir() else place.parent
    return folder, read_notes(folder / RUN) if os.path.lexists(folder / RUN) else None


def _binned_as(notes: Notes | None, given: Source, place: Path) -> Source:
    """Return recordings of events with the bins of the run that they are for."""
    if notes is None or notes.source.binning is None:
        raise ValueError(
            f"--events {given} is given, and nothing says how {place} bins events: expected "
            "the folder of a run of events, or spike trains in an .npz file"
        )
    return dataclasses.replace(given, binning=notes.source.binning)


def _check_shape(
    found: tuple[int, ...] | None, notes: Notes | None, source: Source, folder: Path
) -> None:
    """Refuse images of another shape than those of the run."""
    shape = notes.fields.get("image_shape") if notes is not None else None
    if isinstance(shape, list):
        from lava_desire.data.checks import refuse_other_shape

        known: tuple[Any, ...] = tuple(
            each if type(each) is int else printable(each) for each in shape
        )
        refuse_other_shape(found, known, f"images of {source} are", f"those of {folder}")


def _check_folder_is_used(data_dir: str, source: Source, whose: str = "the data") -> None:
    """Refuse ``--data-dir`` beside samples that are not read from such a folder."""
    if source.file is not None or source.events is not None:
        alone = "--data" if source.events is None else "--events"
        raise ValueError(
            f"--data-dir {data_dir} is given, and {whose} are a file, {source}: expected "
            f"{alone} alone"
        )
    if source.dataset == "digits":
        raise ValueError(
            f"--data-dir {data_dir} is given, and {whose} are digits, which come with "
            "scikit-learn: expected --dataset mnist or fashion-mnist, or --data"
        )


def describe(source: Source, data: Dataset | Samples) -> str:
    """Return what a message calls samples: their name, and where they are if they are a user's."""
    own = source.file or source.events
    return printable(data.name if own is None else f"{data.name} ({own})")


def _parse_sensor(text: str) -> list[int]:
    """Read the size of an event camera: ``"2,34,34"`` becomes ``[2, 34, 34]``."""
    found = re.fullmatch(r"\s*(\d+)[,x ]+(\d+)[,x ]+(\d+)\s*", text)
    if found is None:
        raise ValueError(f"--sensor is {text!r}: expected CHANNELS,HEIGHT,WIDTH, as 2,34,34")
    return [int(size) for size in found.groups()]
