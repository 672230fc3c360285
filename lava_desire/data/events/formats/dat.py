"""Prophesee DAT files, read by faery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lava_desire.data.checks import DataError
from lava_desire.data.events.formats.base import CHUNK, Format, by_faery
from lava_desire.data.events.recording import Events
from lava_desire.files import open_regular

_BYTES = 8


def _chunks(path: Path, number: int) -> Iterator[Events]:
    _refuse_unsorted(path)
    return by_faery(path, "dat")


def _refuse_unsorted(path: Path) -> None:
    """Look at the times themselves: of one that goes back faery makes the last, without a word."""
    with open_regular(path) as file:
        begin = 0
        while file.readline(1 << 16).startswith(b"%"):
            begin = file.tell()
        if not begin:
            return  # no DAT file, as faery will say
        file.seek(begin + 2)  # kind and size of events
        last = np.zeros(0, np.uint32)
        while content := file.read(_BYTES * CHUNK):
            words = np.frombuffer(content[: len(content) // _BYTES * _BYTES], "<u4")
            t = np.concatenate([last, words[::2]])
            back = np.flatnonzero(t[1:] < t[:-1])
            if len(back):
                raise DataError(
                    f"its times go back from {t[back[0]]} to {t[back[0] + 1]} µs: expected "
                    "ascending times"
                )
            last = t[-1:]


FORMAT = Format("Prophesee DAT", (".dat",), _chunks)
