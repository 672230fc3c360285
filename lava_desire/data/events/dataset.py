"""A data set of recordings, binned to spike trains; as large as a disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lava_desire.data.checks import DataError, check_names
from lava_desire.data.dataset import fixed_split
from lava_desire.data.events.bins import Counts, Late
from lava_desire.data.events.folders import (
    class_numbers,
    find_members,
    find_parts,
    find_recordings,
    number_labels,
)
from lava_desire.data.events.reading import iterate_events
from lava_desire.data.events.recording import Events, Sensor, check_events, refuse_sensor
from lava_desire.data.events.stored import Binning, CachedSpikes, StoredRecordings
from lava_desire.data.spike_trains import SpikeTrains, sample_numbers
from lava_desire.files import read_file

Array = npt.NDArray[Any]


class EventDataset:
    """Labelled recordings of events, binned to T steps when they are asked for.

    It is a :class:`~lava_desire.data.SpikeSource`: :func:`~lava_desire.engine.fit` and
    :func:`~lava_desire.engine.evaluate` take it as it is. Recordings are read one at a time, and no
    more than a batch of their spikes is held. The first time all are read, binned, and kept packed,
    a bit a step, in a file of ⌈T/8⌉ · N bytes a recording, of which later epochs, and later runs
    with the same arguments and files, read what they need.

    Parameters
    ----------
    source : path, or sequence of Events
        A folder with a folder a class, which holds files of one recording each; or a folder of
        files, or a file, that say their labels themselves, as SHD's and DVS Gesture's; or
        recordings in memory, whose spikes are kept there, packed. Files that end otherwise than the
        known formats are left alone.
    num_steps : int
        T, 1 to 4096.
    sensor : tuple of int, optional
        (channels, height, width); what the first recording says of itself when not given, and one
        that says another is refused then.
    labels : array, optional
        (S,) integers or texts: the classes of recordings in memory, and of them alone. False for
        files that are to be classified, wherever in a folder they are: all are then of class 0.
    duration, start, late, counts
        As of :func:`bin_events`: by number of steps without a `duration`, by time with one.
    class_names : sequence of str, optional
        The names of the classes in the order of their numbers, as a training set has them; those
        that are found, in their order, when not given.
    cache : path, optional
        The folder in which packed spikes are kept: ``lava_desire/events`` in the user's cache when
        not given. With False none are, and recordings are read and binned in each epoch.

    Raises
    ------
    DataError
        If there is no recording, one has no label, or cannot be read or binned; the message names
        its file.
    ImportError
        If the package that reads a file is not installed; the message has the command.
    OSError
        If a file cannot be read, or the cache not be written.

    Examples
    --------
    >>> from lava_desire.data.events import synthetic
    >>> recordings, labels = synthetic.temporal_order(100)
    >>> data = EventDataset(recordings, 20, labels=labels, start=0, duration=100_000, counts="clip")
    >>> len(data), data.shape, data.num_classes, data.spikes([0, 5]).unpack().shape
    (100, (1, 2, 10), 2, (20, 2, 20))
    """

    def __init__(
        self,
        source: str | Path | Sequence[Events],
        num_steps: int,
        sensor: Sensor | None = None,
        *,
        labels: Any = None,
        duration: int | None = None,
        start: int | None = None,
        late: Late = "refuse",
        counts: Counts = "refuse",
        class_names: Sequence[str] | None = None,
        cache: str | Path | Literal[False] | None = None,
    ) -> None:
        if cache is not None and cache is not False and not isinstance(cache, str | os.PathLike):
            raise DataError(f"cache is {cache!r}: expected a folder, False for none, or None")
        names = None if class_names is None else check_names(class_names)
        recordings: Any
        found: list[Any]
        path: Path | None = None
        if isinstance(source, str | os.PathLike):
            path = Path(source)
            if labels is False:
                recordings = find_recordings(path)
                found = [0] * len(recordings)
            elif labels is not None:
                raise DataError("labels are given with files: expected none, as these say them")
            else:
                recordings, found, names = find_members(path, names)
        else:
            if isinstance(source, Events):
                raise DataError("source is one recording: expected a list of them, or a path")
            recordings = list(source)
            for number, each in enumerate(recordings):
                check_events(each, f"recording {number}")
            if labels is None or len(labels) != len(recordings):
                count = "not given" if labels is None else len(labels)
                raise DataError(f"labels are {count}: expected {len(recordings)}, one a recording")
            found = np.asarray(labels).tolist()
        self.name = "events" if path is None else path.resolve().stem
        self.files = () if path is None else tuple(file for file, _ in recordings)
        if not recordings:
            raise DataError("there is no recording: expected one at least")
        self.labels, self.class_names, self.num_classes = number_labels(found, names)
        stated = sensor is None
        if sensor is None:
            sensor = recordings[0].sensor if path is None else _sensor_of(*recordings[0])
        if sensor is None:
            raise DataError(
                "recordings do not say their sensor: expected sensor=(2, height, width)"
            )
        self.binning = Binning(num_steps, sensor, duration, start, late, counts)
        self._members: Array = np.arange(len(recordings))
        self._kept: StoredRecordings | CachedSpikes | SpikeTrains
        if path is None:
            if stated:
                for number, each in enumerate(recordings):
                    refuse_sensor(each.sensor, self.shape, f"recording {number}")
            self._kept = SpikeTrains(self.binning.planes(recordings), num_steps, self.shape)
        else:
            self._kept = StoredRecordings(path, recordings, self.binning, stated)
            if cache is not False:
                self._kept = self._kept.cached(_folder(cache))

    @property
    def num_steps(self) -> int:
        """Time steps, T."""
        return self.binning.num_steps

    @property
    def shape(self) -> Sensor:
        """Of a recording's inputs: (channels, height, width)."""
        return self.binning.sensor

    def __repr__(self) -> str:
        return (
            f"EventDataset({len(self)} recordings of {self.num_classes} classes, "
            f"num_steps={self.num_steps}, shape={self.shape})"
        )

    def __len__(self) -> int:
        return len(self._members)

    def spikes(self, samples: Any) -> SpikeTrains:
        """Return the spikes of some recordings.

        Parameters
        ----------
        samples : array
            (R,) integers: their numbers, in any order; or a mask, (S,) bool.

        Returns
        -------
        SpikeTrains
            Theirs, in that order.

        Raises
        ------
        DataError
            If samples are none of those, or a recording that is not in the cache cannot be read or
            binned.
        """
        return self._kept[self._members[sample_numbers(samples, len(self))]]

    def subset(self, samples: Any) -> EventDataset:
        """Return some of the recordings as a data set of the same classes.

        Parameters
        ----------
        samples : array
            (R,) integers: their numbers, in any order; or a mask, (S,) bool.

        Returns
        -------
        EventDataset

        Raises
        ------
        DataError
            If samples are none of those.
        """
        part = copy(self)
        samples = sample_numbers(samples, len(self))
        part._members, part.labels = self._members[samples], self.labels[samples]
        part.files = tuple(self.files[number] for number in samples) if self.files else ()
        return part

    def _of_files(self, names: list[str]) -> EventDataset:
        return self.subset([n for n, file in enumerate(self.files) if file.name in names])

    def split(self) -> tuple[EventDataset, EventDataset]:
        """Return four fifths of each class to train with, and a fifth to test with.

        The parts are the same every time.

        Returns
        -------
        train, test : EventDataset

        Raises
        ------
        DataError
            If no class has three recordings or more.
        """
        train, test = fixed_split(self.labels)
        if not len(test):
            raise DataError(
                f"{self.name} has no class of 3 recordings or more, of which a fifth would become "
                "the test set: expected more"
            )
        return self.subset(train), self.subset(test)


def load_events(
    path: str | Path, num_steps: int, sensor: Sensor | None = None, **options: Any
) -> tuple[EventDataset, EventDataset]:
    """Load recordings to train with and others to test with.

    Parameters
    ----------
    path : path
        A folder. The two parts are folders within called ``train`` and ``test``, or files whose
        names end so before their suffix, in capitals or not; or files that are listed in
        ``trials_to_train.txt`` and ``trials_to_test.txt``, as DVS Gesture's; else a fifth of each
        class is the test set, the same every time.
    num_steps, sensor, **options
        As of :class:`EventDataset`.

    Returns
    -------
    train, test : EventDataset
        Of the same classes and sensor.

    Raises
    ------
    DataError, ImportError, OSError
        As :class:`EventDataset`.
    """
    path = Path(path)
    parts = find_parts(path)
    if set(parts) != {"train", "test"}:
        data = EventDataset(path, num_steps, sensor, **options)
        lists = [path / f"trials_to_{part}.txt" for part in ("train", "test")]
        if not all(each.is_file() for each in lists):
            return data.split()
        names = [read_file(each).decode("utf-8", "replace").split() for each in lists]
        return data._of_files(names[0]), data._of_files(names[1])
    train = EventDataset(parts["train"], num_steps, sensor, **options)
    options.setdefault("class_names", train.class_names or class_numbers(train.num_classes))
    test = EventDataset(parts["test"], num_steps, sensor, **options)
    if sensor is None:
        refuse_sensor(test.shape, train.shape, str(parts["test"]))
    return train, test


def _sensor_of(path: Path, part: int) -> Sensor | None:
    return next((chunk.sensor for chunk in iterate_events(path, part)), None)


def _folder(cache: str | Path | None) -> Path:
    if cache is None:
        import pooch

        return Path(pooch.os_cache("lava_desire")) / "events"
    return Path(cache)
