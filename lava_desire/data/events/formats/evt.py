"""Prophesee EVT2 and EVT3 files, read by faery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lava_desire.data.events.formats.base import Format, by_faery
from lava_desire.data.events.recording import Events


def _chunks(path: Path, number: int) -> Iterator[Events]:
    return by_faery(path, "evt")


FORMAT = Format("Prophesee EVT2 and EVT3", (".raw",), _chunks)
