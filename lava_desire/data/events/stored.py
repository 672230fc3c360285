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
from zlib import crc32

import numpy as np
import numpy.typing as npt

from lava_desire.data.checks import DataError
from lava_desire.data.events.bins import Counts, Late, bin_events, check_binning
from lava_desire.data.events.folders import Member
from lava_desire.data.events.formats import format_of
from lava_desire.data.events.reading import error_of, iterate_events
from lava_desire.data.events.recording import Events, Sensor, check_sensor, refuse_sensor
from lava_desire.data.spike_trains import SpikeTrains
from lava_desire.files import replacing

Array = npt.NDArray[Any]

_VERSION = 6
"""Of kept spikes: one more where recordings become others than before, or are refused."""


@dataclass(frozen=True)
class Binning:
    """How recordings become spike trains: the arguments of :func:`bin_events`.

    Fields are the arguments; raises DataError as it does.
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

    def __init__(self, path: Path, members: list[Member], binning: Binning, stated: bool) -> None:
        """With `stated` recordings that say they are of another sensor are refused."""
        self._path, self._members, self._binning, self._stated = path, members, binning, stated

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
            events = self._read(path, part)
            if self._stated:
                refuse_sensor(events.sensor, self._binning.sensor, str(path))
            return self._binning.planes([events])
        except DataError as error:
            raise error_of(path, error) from None

    def _read(self, path: Path, part: int) -> Events:
        """Read a recording, and no more than is wanted; EVT3 is first checked as a whole."""
        binning, found = self._binning, []
        for chunk in iterate_events(path, part):
            found.append(chunk)
            if binning.late == "drop" and binning.duration is not None and len(chunk):
                first = binning.start
                if first is None:
                    first = next(each.t[0] for each in found if len(each))
                if chunk.t[-1] >= first + binning.duration:
                    break
        return Events.joined(found)

    def cached(self, folder: Path) -> CachedSpikes:
        """Return all spikes in a file, which is written where it is not there."""
        now = _digest([(*_state(path, self._path), part) for path, part in self._members])
        stem = re.sub(r"[^\w.-]", "_", self._path.resolve().stem)
        shape = (len(self._members), *self._none.shape[1:])
        # One whose sensors were compared will do where they need not be.
        for stated in (True, self._stated):
            which = _digest([str(self._path.resolve()), asdict(self._binning), stated, _VERSION])
            kept = folder / f"{stem}-{which}-{now}.npy"
            if kept.exists() and not kept.is_file():
                raise DataError(f"{kept} is no file, where spikes are kept: delete it")
            with suppress(FileNotFoundError, ValueError, EOFError):
                return CachedSpikes(kept, shape, self._binning)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as partial, partial.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_2_0(file, header)  # type: ignore[no-untyped-call]
            sums = np.zeros(len(self._members), "<u4")
            for number in range(len(self._members)):
                planes = self._planes(number).tobytes()
                sums[number] = crc32(planes)
                file.write(planes)
            file.write(sums.tobytes())
        for old in folder.glob(f"{stem}-{which}-*.npy"):
            if old != kept:
                with suppress(OSError):  # where another run has it open
                    old.unlink()
        return CachedSpikes(kept, shape, self._binning)


class CachedSpikes:
    """Packed spikes in a file: an array (S, ⌈T/8⌉, N) uint8, and a CRC-32 a recording behind it.

    Sums are compared when a recording is read, as a file may be larger than memory. Raises
    ValueError if the file is another or cut off.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], binning: Binning) -> None:
        self._path = path
        planes = np.load(path, mmap_mode="r", allow_pickle=False)
        if planes.shape != shape or planes.dtype != np.uint8:
            raise ValueError("it is another file")
        with path.open("rb") as file:
            file.seek(planes.offset + planes.nbytes)
            sums = file.read(4 * len(planes) + 1)
        if len(sums) != 4 * len(planes):
            raise ValueError("it is cut off, or too long")
        self._sums = np.frombuffer(sums, "<u4")
        self._planes, self._binning = planes, binning

    def __getitem__(self, samples: Array) -> SpikeTrains:
        found = np.array(self._planes[samples])
        for number, planes in zip(samples.tolist(), found, strict=True):
            if crc32(planes) != self._sums[number]:
                raise DataError(
                    f"{self._path} is damaged at recording {number}: delete it, and it is made "
                    "anew from the recordings"
                )
        return SpikeTrains(found, self._binning.num_steps, self._binning.sensor)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, default=int).encode()).hexdigest()[:16]


def _state(path: Path, root: Path) -> tuple[Any, ...]:
    """Return what changes when a file or the table beside it does, wherever one looks from."""
    files = [path, format_of(path).table_of(path)]
    states = [each.stat() for each in files if each is not None]
    name = os.path.relpath(path, root)
    return name, [(each.st_size, each.st_mtime_ns) for each in states]
