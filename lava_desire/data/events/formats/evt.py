"""Prophesee EVT2 and EVT3 files, read by faery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

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

    Of the upper 12 bits it takes a rise by less than 4094 and a turn from 4095 to 0, and passes
    over all else; of a time that goes back it makes the one in front.
    """
    with open_regular(path) as file:
        begin = _begin_of_words(file)
        if begin is None:
            return
        file.seek(begin)
        high, turns, last, num_highs, early = 0, 0, 0, 0, False
        while content := file.read(2 * CHUNK):
            words = np.frombuffer(content[: len(content) // 2 * 2], "<u2")
            if not num_highs:
                first = next(iter(np.flatnonzero(words >> 12 == _HIGH_WORD)), len(words))
                early |= bool(np.isin(words[:first] >> 12, _EVENTS).any())
                if first < len(words):
                    _refuse_beginning(int(words[first] & 4095), early)
                    if not early:
                        words, last = words[first:], 0
            words = words[np.isin(words >> 12, (_LOW_WORD, _HIGH_WORD))]
            is_high, value = words >> 12 == _HIGH_WORD, (words & 4095).astype(np.int64)
            highs = np.concatenate([[high], value[is_high]])
            steps = np.diff(highs)
            lost = np.flatnonzero((steps < 0) & (steps != -4095) | (steps >= _LOST_RISE))
            if len(lost):
                cure = "sort its events" if -_HALF < steps[lost[0]] < 0 else "write EVT2"
                raise DataError(
                    f"its upper words of time go from {highs[lost[0]]} to {highs[lost[0] + 1]}, "
                    "which faery passes over: expected ascending ones, and 0 after 4095, as "
                    f"cameras write them; {cure}"
                )
            turned = turns + np.concatenate([[0], np.cumsum(steps < 0)])
            t = ((turned << 12 | highs)[np.cumsum(is_high)] << 12 | value)[~is_high]
            t = np.concatenate([[last], t])
            back = np.flatnonzero(t[1:] <= t[:-1] - _LEAST)
            if len(back):
                cure = "; sort its events"
                if num_highs + np.cumsum(is_high)[~is_high][back[0]] < 2:
                    cure = (
                        ", and an upper word wherever 12 bits of time begin again, which "
                        "expelliarmus does not write; write EVT2"
                    )
                raise DataError(
                    f"its times go back from {t[back[0]]} to {t[back[0] + 1]} µs: expected "
                    f"ascending times{cure}"
                )
            high, turns, last = int(highs[-1]), int(turned[-1]), int(t[-1])
            num_highs += len(highs) - 1


def _begin_of_words(file: IO[bytes]) -> int | None:
    """Return where the words of an EVT3 file begin, as faery finds it, or None of another file."""
    version, begin = "", 0
    while (line := file.readline(1 << 16)).startswith(b"%"):
        try:
            parts = line.decode("utf-8")[1:].replace(";", " ").split()
        except UnicodeDecodeError:  # words, of which the first begins with this byte
            break
        begin = file.tell()
        if len(parts) > 1 and parts[0] in ("evt", "format", "Version"):
            version = parts[1].lower()
    return begin if version in ("3", "3.0", "evt3", "evt3.0") else None


def _refuse_beginning(high: int, early: bool) -> None:
    """Refuse a first upper word that faery passes over, or that comes behind events."""
    if high >= _LOST_RISE:
        raise DataError(
            f"it begins with an upper word of time of {high}, which faery passes over: expected "
            f"one below {_LOST_RISE}; write EVT2"
        )
    if early and high:
        raise DataError(
            f"it has events in front of its first upper word of time, {high}, and faery takes 0 "
            "for them: expected that word first; write EVT2"
        )


_TURN = 1 << 34  # µs, after which times of EVT2 begin again
_LOW_WORD, _HIGH_WORD = 6, 8  # kinds of EVT3's words, each with 12 bits of the time
_EVENTS = (2, 4, 5)  # kinds of one event, of 12 and of 8
_HALF = 2048  # a fall of the upper word by as much is a turn, as the maker's own reader has it
_LOST_RISE = 4094  # of the upper word, from which on faery passes over it
_LEAST = 64  # µs: by less times go back in EVT2 as well, and become those in front of them

FORMAT = Format("Prophesee EVT2 and EVT3", (".raw",), _chunks)
