"""Event Stream files, read by faery; the file counts rows from the bottom, we from the top."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lava_desire.data.events.formats.base import Format, by_faery
from lava_desire.data.events.recording import Events


def _chunks(path: Path, number: int) -> Iterator[Events]:
    for events in by_faery(path, "es", t0=0):
        if events.sensor is not None:
            events.y = events.sensor[1] - 1 - events.y
        yield events


FORMAT = Format("Event Stream", (".es",), _chunks)
