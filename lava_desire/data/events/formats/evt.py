"""Prophesee EVT2 and EVT3 files, read by faery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lava_desire.data.checks import DataError
from lava_desire.data.events.formats.base import Format, by_faery
from lava_desire.data.events.recording import Events


def _chunks(path: Path, number: int) -> Iterator[Events]:
    """Refuse what faery makes of an EVT2 file whose times go back: it adds 2^34 µs, 4.8 hours."""
    last = None
    for events in by_faery(path, "evt"):
        if len(events):
            t = events.t if last is None else np.concatenate([last, events.t])
            jumps = np.flatnonzero(np.diff(t) > _TURN // 2)
            if len(jumps):
                place = int(jumps[0])
                raise DataError(
                    f"its times go from {t[place]} to {t[place + 1] % _TURN} µs, or are silent for "
                    "hours: expected ascending times, without a pause of 2.4 hours"
                )
            last = events.t[-1:]
        yield events


_TURN = 1 << 34  # µs, after which times of EVT2 begin again

FORMAT = Format("Prophesee EVT2 and EVT3", (".raw",), _chunks)
