"""Recordings in files as packed spike trains: read and binned, or kept in a file of their own."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lava_desire.data.checks import DataError
from lava_desire.data.events.bins import Counts, Late, bin_events, check_binning
from lava_desire.data.events.folders import Member
from lava_desire.data.events.formats import format_of
from lava_desire.data.events.reading import iterate_events
from lava_desire.data.events.recording import Events, Sensor, check_sensor
from lava_desire.data.spike_trains import SpikeTrains
from lava_desire.files import check_regular, replacing

Array = npt.NDArray[Any]

_VERSION = 1


@dataclass(frozen=True)
class Binning:
    """How recordings become spike trains: the arguments of :func:`bin_events`.

    Parameters
    ----------
    num_steps : int
        T.
    sensor : tuple of int
        (channels, height, width).
    duration, start : int, optional
        µs.
    late, counts : str
        What becomes of late events, and of several of an input in a step.

    Raises
    ------
    DataError
        If a value is none of those that :func:`bin_events` takes.
    """

    num_steps: int
    sensor: Sensor
    duration: int | None = None
    start: int | None = None
    late: Late = "refuse"
    counts: Counts = "refuse"

    def __post_init__(self) -> None:
        check_binning(self.num_steps, self.duration, self.late, self.counts, self.start)
        object.__setattr__(self, "sensor", check_sensor(self.sensor))

    def planes(self, recordings: Iterable[Events]) -> Array:
        """Return packed spike trains of recordings, (S, ⌈T/8⌉, N) uint8."""
        packed = [
            SpikeTrains.pack(bin_events(events, **asdict(self))[:, None]).planes
            for events in recordings
        ]
        size = (-(-self.num_steps // 8), int(np.prod(self.sensor)))
        return np.concatenate([np.zeros((0, *size), np.uint8), *packed])


class StoredRecordings:
    """Recordings in files, read and binned when they are asked for."""

    def __init__(self, path: Path, members: list[Member], binning: Binning) -> None:
        self._path, self._members, self._binning = path, members, binning

    def __getitem__(self, samples: Array) -> SpikeTrains:
        planes = np.concatenate(
            [self._planes(number) for number in samples.tolist()] or [self._none]
        )
        return SpikeTrains(planes, self._binning.num_steps, self._binning.sensor)

    @property
    def _none(self) -> Array:
        return self._binning.planes([])

    def _planes(self, number: int) -> Array:
        path, part = self._members[number]
        try:
            return self._binning.planes([self._read(path, part)])
        except DataError as error:
            raise error if str(path) in str(error) else DataError(f"{path}: {error}") from None

    def _read(self, path: Path, part: int) -> Events:
        """Read a recording, and no more of it than is wanted."""
        binning, found = self._binning, []
        for chunk in iterate_events(path, part):
            found.append(chunk)
            if binning.late == "drop" and binning.duration is not None and len(chunk):
                first = found[0].t[0] if binning.start is None else binning.start
                if chunk.t[-1] >= first + binning.duration:
                    break
        return Events.joined(found)

    def cached(self, folder: Path) -> SpikeTrains:
        """Return all spikes in a file, which is written where it is not there."""
        which = _digest([str(self._path.resolve()), asdict(self._binning), _VERSION])
        now = [(*_state(path, self._path), part) for path, part in self._members]
        stem = re.sub(r"[^\w.-]", "_", self._path.resolve().stem)
        kept = folder / f"{stem}-{which}-{_digest(now)}.npy"
        shape = (len(self._members), *self._none.shape[1:])
        with suppress(FileNotFoundError, ValueError, EOFError):
            return self._mapped(kept, shape)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as partial, partial.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_2_0(file, header)  # type: ignore[no-untyped-call]
            for number in range(len(self._members)):
                file.write(self._planes(number).tobytes())
        for old in folder.glob(f"{stem}-{which}-*.npy"):
            if old != kept:
                with suppress(OSError):  # where another run has it open
                    old.unlink()
        return self._mapped(kept, shape)

    def _mapped(self, kept: Path, shape: tuple[int, ...]) -> SpikeTrains:
        check_regular(kept)
        planes = np.load(kept, mmap_mode="r", allow_pickle=False)
        if planes.shape != shape:
            raise ValueError("it is another file")
        return SpikeTrains(planes, self._binning.num_steps, self._binning.sensor)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, default=int).encode()).hexdigest()[:16]


def _state(path: Path, root: Path) -> tuple[Any, ...]:
    """Return what changes when a file or the table beside it does, wherever one looks from."""
    files = [path, format_of(path).table_of(path)]
    states = [each.stat() for each in files if each is not None]
    name = os.path.relpath(path, root)
    return name, [(each.st_size, each.st_mtime_ns) for each in states]
