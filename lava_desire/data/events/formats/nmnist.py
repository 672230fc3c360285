"""N-MNIST and N-Caltech101 (Orchard et al., 2015): five bytes an event."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lava_desire.data.events.formats.base import CHUNK, Format, whole_records
from lava_desire.data.events.recording import Events
from lava_desire.files import open_regular

_BYTES = 5
_OVERFLOW_ROW, _OVERFLOW_TIME = 240, 1 << 13


def _chunks(path: Path, number: int) -> Iterator[Events]:
    """Read x, y, then a bit of polarity and 23 of time; y = 240 is no event but adds 2^13 µs."""
    whole_records(path, _BYTES)
    passed = 0
    with open_regular(path) as file:
        while content := file.read(_BYTES * CHUNK):
            x, y, high, middle, low = np.frombuffer(content, np.uint8).reshape(-1, _BYTES).T
            t = (high & 0x7F).astype(np.int64) << 16 | middle.astype(np.int64) << 8 | low
            overflows = y == _OVERFLOW_ROW
            since = passed + np.cumsum(overflows)
            passed = int(since[-1])
            kept = ~overflows
            t += since * _OVERFLOW_TIME
            yield Events(t[kept], x[kept], y[kept], high[kept] >> 7)


FORMAT = Format("N-MNIST, N-Caltech101", (".bin",), _chunks)
