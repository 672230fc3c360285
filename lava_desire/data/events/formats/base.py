"""What a format declares: files of recordings, how they are told, and how they are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from lava_desire.data.checks import DataError
from lava_desire.data.events.recording import Events, Sensor
from lava_desire.files import check_regular, open_regular

CHUNK = 1 << 16
"""Events that are read at a time, about."""

Labels = tuple[Sequence[int], tuple[str, ...] | None]
"""A class a recording, and what the classes are called where that is known."""


@dataclass(frozen=True)
class Format:
    """A kind of file that holds recordings of events.

    `suffixes` are in small letters; `magic` is what its files begin with, where others may have the
    suffix too. ``chunks(path, number)`` yields the :class:`Events` of one of the file's recordings,
    in the order of their times, about 65536 at a time. ``labels(path)`` returns the class of each
    recording that a file holds, and the classes' names or None; or None where it holds one
    recording whose class it does not know, as all files do where this is not given. A `table` of
    labels may lie beside: a file of the name, less its suffix, and this.
    """

    summary: str
    suffixes: tuple[str, ...]
    chunks: Callable[[Path, int], Iterator[Events]]
    magic: bytes = b""
    labels: Callable[[Path], Labels | None] = lambda path: None
    table: str = ""

    def table_of(self, path: Path) -> Path | None:
        """Return the table beside a file, where there is one."""
        table = path.with_name(f"{path.stem}{self.table}")
        return table if self.table and table.is_file() else None

    def takes(self, path: Path) -> bool:
        """Say whether a file is of this kind, by its name, and its first bytes where needed."""
        if path.suffix.lower() not in self.suffixes:
            return False
        if not self.magic:
            return True
        with open_regular(path) as file:
            return file.read(len(self.magic)) == self.magic


def needed(package: str, path: Path) -> Any:
    """Import a package that reads files, or say how to install it (ImportError)."""
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(
            f"{path} is read with {package}, which cannot be imported ({error}): "
            'pip install "lava_desire[events]"'
        ) from None


def whole_records(path: Path, size: int, header: int = 0) -> int:
    """Return how many records of `size` bytes a file holds; raises DataError for none or a part."""
    check_regular(path)
    length = os.stat(path).st_size - header
    if length % size or not length:
        raise DataError(
            f"it has {length} bytes of events: expected a multiple of {size} above 0; it is "
            "damaged, or of another format"
        )
    return length // size


_UNSTATED = (65535, 65535)


def by_faery(path: Path, module: str, **options: Any) -> Generator[Events, None, None]:
    """Read a file with faery's decoder of this name, and say its errors with the file's name."""
    faery = needed("faery", path)
    check_regular(path)
    if module in ("dat", "evt"):
        options = {"dimensions_fallback": _UNSTATED, "version_fallback": None}
    try:
        with getattr(faery, module).Decoder(path, **options) as decoder:
            yield from _packets(decoder)
    except (DataError, OSError):
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise DataError(f"faery cannot read it: {error}") from None


def _sensor(size: Any) -> Sensor | None:
    return None if size in (None, _UNSTATED) else (2, int(size[1]), int(size[0]))


def _packets(decoder: Any) -> Iterator[Events]:
    size = getattr(decoder, "dimensions", None)
    first, sensor, empty = None, _sensor(size), True
    for packet in decoder:
        if isinstance(packet, tuple):  # AEDAT4: of the first track of events alone
            track, packet = packet
            first = track.id if first is None and track.data_type == "events" else first
            if track.id != first:
                continue
            sensor = _sensor(track.dimensions)
        elif isinstance(packet, dict):  # EVT: beside triggers
            packet = packet.get("events")
        if packet is None or not len(packet):
            continue
        p = packet["payload"] > 0 if "payload" in packet.dtype.names else packet["on"]
        empty = False
        yield Events(packet["t"], packet["x"], packet["y"], p, sensor=sensor)
    if empty:
        yield Events([], [], sensor=sensor)
