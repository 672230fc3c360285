"""AEDAT4 (iniVation's DV) files, read by faery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lava_desire.data.events.formats.base import Format, by_faery
from lava_desire.data.events.recording import Events


def _chunks(path: Path, number: int) -> Iterator[Events]:
    return by_faery(path, "aedat")


FORMAT = Format("AEDAT4 (iniVation's DV)", (".aedat4",), _chunks)
