"""Prophesee EVT2 and EVT3 files, read by faery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lava_desire.data.checks import DataError
from lava_desire.data.events.formats.base import CHUNK, Format, by_faery
from lava_desire.data.events.recording import Events
from lava_desire.files import open_regular


def _chunks(path: Path, number: int) -> Iterator[Events]:
    """Refuse what faery makes of an EVT2 file whose times go back: it adds 2^34 µs, 4.8 hours."""
    _refuse_lost_times(path)
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


def _refuse_lost_times(path: Path) -> None:
    """Look at an EVT3 file's own words of time: where faery loses some, it says nothing.

    Of the upper 12 bits it takes a turn from 4095 to 0 alone, and of a time that goes back it makes
    the one in front.
    """
    with open_regular(path) as file:
        header, begin = b"", 0
        while (line := file.readline(1 << 16)).startswith(b"% "):
            header, begin = header + line, file.tell()
            if line.strip() == b"% end":
                break
        if b"% evt 3" not in header and b"format EVT3" not in header:
            return
        file.seek(begin)
        high, turns, last = 0, 0, 0
        while content := file.read(2 * CHUNK):
            words = np.frombuffer(content[: len(content) // 2 * 2], "<u2")
            words = words[np.isin(words >> 12, (_LOW_WORD, _HIGH_WORD))]
            is_high, value = words >> 12 == _HIGH_WORD, (words & 4095).astype(np.int64)
            highs = np.concatenate([[high], value[is_high]])
            steps = np.diff(highs)
            lost = np.flatnonzero((steps <= -_HALF) & (steps != -4095) | (steps >= 4094))
            if len(lost):
                raise DataError(
                    f"its upper words of time go from {highs[lost[0]]} to {highs[lost[0] + 1]}, in "
                    "which faery loses a turn of 2^24 µs: expected one from 4095 to 0, as cameras "
                    "write it; write EVT2"
                )
            turned = turns + np.concatenate([[0], np.cumsum(steps <= -_HALF)])
            t = ((turned << 12 | highs)[np.cumsum(is_high)] << 12 | value)[~is_high]
            t = np.concatenate([[last], t])
            back = np.flatnonzero(t[1:] <= t[:-1] - _LEAST)
            if len(back):
                raise DataError(
                    f"its times go back from {t[back[0]]} to {t[back[0] + 1]} µs: expected "
                    "ascending times, and an upper word wherever 12 bits of time begin again, "
                    "which expelliarmus does not write; write EVT2"
                )
            high, turns, last = int(highs[-1]), int(turned[-1]), int(t[-1])


_TURN = 1 << 34  # µs, after which times of EVT2 begin again
_LOW_WORD, _HIGH_WORD = 6, 8  # kinds of EVT3's words, each with 12 bits of the time
_HALF = 2048  # a fall of the upper word by as much is a turn, as the maker's own reader has it
_LEAST = 64  # µs: by less times go back in EVT2 as well, and become those in front of them

FORMAT = Format("Prophesee EVT2 and EVT3", (".raw",), _chunks)
