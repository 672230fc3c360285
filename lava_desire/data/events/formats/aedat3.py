"""AEDAT 3.1 with a table of labels beside it: DVS Gesture (Amir et al., 2017)."""

from __future__ import annotations

import csv
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lava_desire.data.checks import DataError
from lava_desire.data.events.formats.base import Format, Labels
from lava_desire.data.events.recording import Events
from lava_desire.files import open_regular, read_file

GESTURES = (
    "hand clapping",
    "right hand wave",
    "left hand wave",
    "right arm clockwise",
    "right arm counterclockwise",
    "left arm clockwise",
    "left arm counterclockwise",
    "arm roll",
    "air drums",
    "air guitar",
    "other",
)
"""What classes 1 to 11 of the tables are."""

_COLUMNS = ("class", "startTime_usec", "endTime_usec")
_HEADER = struct.Struct("<hhiiiiii")
_POLARITY, _SIZE = 1, 8
_MOST_EVENTS = 1 << 24
_END = b"#!END-HEADER"


def _labels(path: Path) -> Labels | None:
    rows = _rows(path)
    return None if rows is None else ([gesture - 1 for gesture, _, _ in rows], GESTURES)


def _rows(path: Path) -> list[list[int]] | None:
    """Read class, first and last µs of each gesture, from NAME_labels.csv beside NAME.aedat."""
    table = FORMAT.table_of(path)
    if table is None:
        return None
    try:
        rows = csv.DictReader(read_file(table).decode("ascii").splitlines())
        found = [[int(row[name]) for name in _COLUMNS] for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{table} cannot be read ({error!r}): expected the columns {', '.join(_COLUMNS)}, "
            "integers"
        ) from None
    wrong = [gesture for gesture, _, _ in found if not 1 <= gesture <= len(GESTURES)]
    if wrong:
        raise DataError(f"{table} holds the class {wrong[0]}: expected 1 to {len(GESTURES)}")
    return found


def _chunks(path: Path, number: int) -> Iterator[Events]:
    rows = _rows(path)
    if rows is None:
        yield from _all_chunks(path)
        return
    _, first, last = rows[number]
    for chunk in _all_chunks(path):
        part = chunk.between(first, last + 1)
        if len(part):
            yield part
        if len(chunk) and chunk.t[-1] > last:
            return


def _all_chunks(path: Path) -> Iterator[Events]:
    """Read packets of valid polarity events: 15 bits of x, 15 of y, polarity, valid; then time."""
    with open_regular(path) as file:
        while not (line := file.readline(1 << 16)).startswith(_END):
            if not line.startswith(b"#"):
                raise DataError(f"its header has no line {_END.decode()}")
        while header := file.read(_HEADER.size):
            if len(header) < _HEADER.size:
                raise DataError("it ends within the header of a packet")
            kind, _, size, _, overflow, capacity, count, _ = _HEADER.unpack(header)
            if not 0 <= count <= capacity <= _MOST_EVENTS or not 0 < size <= _MOST_EVENTS:
                raise DataError(f"a packet states {count} of {capacity} events of {size} bytes")
            content = _read(file, size * count)
            if kind == _POLARITY and size == _SIZE:
                data, t = np.frombuffer(content, "<u4").reshape(-1, 2).T
                valid = (data & 1).astype(bool)
                data, t = data[valid], t[valid].astype(np.int64) + (overflow << 31)
                yield Events(t, data >> 17, (data >> 2) & 0x7FFF, (data >> 1) & 1)


def _read(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise DataError(f"it ends after {len(content)} of the {size} bytes of a packet")
    return content


FORMAT = Format(
    "DVS Gesture (AEDAT 3.1)", (".aedat",), _chunks, b"#!AER-DAT3.1", _labels, "_labels.csv"
)
