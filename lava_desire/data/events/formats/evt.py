"""Prophesee EVT2 and EVT3 files, read by faery."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple

import numpy as np

from lava_desire.data.checks import DataError, DataWarning
from lava_desire.data.events.formats.base import CHUNK, Format, by_faery
from lava_desire.data.events.recording import Events
from lava_desire.files import open_regular


def _chunks(path: Path, number: int) -> Iterator[Events]:
    """Leave out events without a time, and refuse what faery makes of EVT2 whose times go back.

    To the latter it adds 2^34 µs, 4.8 hours. To vectors of EVT3 it gives the column and polarity of
    a single event in front of them. What comes before the first upper word of time faery takes for
    the first 64 µs, or 4 ms; the maker's own decoder (OpenEB) leaves it out.
    """
    front = _check_times(path)
    if front is not None and front.num_untimed:
        is_one = front.num_untimed == 1
        what = "1 event comes" if is_one else f"{front.num_untimed} events come"
        warnings.warn(
            f"{path}: {what} before its first upper word of time, so that nothing says when "
            f"{'it was, and is' if is_one else 'they were, and are'} left out",
            DataWarning,
            stacklevel=2,
        )
    last = None
    with ExitStack() as stack:
        read = path
        # Before an upper word of 0 untimed events look like others, and move those behind them.
        if front is not None and front.has_times and front.begin == 0:
            read = _cut(path, front, Path(stack.enter_context(TemporaryDirectory())))
        if front is not None and front.version == _EVT3 and _loses_columns(read, front.words):
            read = _with_columns(read, front.words, Path(stack.enter_context(TemporaryDirectory())))
        parts = by_faery(read, "evt")
        stack.callback(parts.close)
        for events in parts:
            if front is not None and front.num_untimed:
                events = events[int(np.searchsorted(events.t, front.begin)) :]
            if len(events):
                t = events.t if last is None else np.concatenate([last, events.t])
                jumps = np.flatnonzero(np.diff(t) > _TURN // 2)
                if len(jumps):
                    place = int(jumps[0])
                    raise DataError(
                        f"its times go from {t[place]} to {t[place + 1] % _TURN} µs, or are silent "
                        "for hours: expected ascending times, without a pause of 2.4 hours"
                    )
                last = events.t[-1:]
            yield events


def _check_times(path: Path) -> _Front | None:
    """Return what comes before the first upper word of time, or None where the version is unknown.

    Raises DataError for times of EVT3 that faery loses, and where there is no upper word at all.
    """
    with open_regular(path) as file:
        found = _begin_of_words(file)
        if found is None:
            return None
        front = _front(file, *found)
        if front.version == _EVT3:
            high = front.begin >> front.version.low_bits
            if high >= _LOST_RISE:
                raise DataError(
                    f"it begins with an upper word of time of {high}, which faery passes over: "
                    f"expected one below {_LOST_RISE}; write EVT2"
                )
            file.seek(front.words + front.size)
            _refuse_lost_times(file)
        return front


def _cut(path: Path, front: _Front, folder: Path) -> Path:
    """Copy a file without events and times in front of its first upper word, which is 0."""
    version = front.version
    with open_regular(path) as file, open(folder / path.name, "wb") as copy:
        copy.write(file.read(front.words))
        copy.write(np.array(_HIGH_WORD << version.kind_shift, version.dtype).tobytes())
        for at in range(0, front.size, 4 * CHUNK):
            words = np.frombuffer(file.read(min(4 * CHUNK, front.size - at)), version.dtype)
            kinds = words >> version.kind_shift
            # A vector also moves the column of the next: it stays, without its events.
            is_vector = np.isin(kinds, list(version.vectors))
            words = np.where(is_vector, kinds << version.kind_shift, words)
            copy.write(words[is_vector | np.isin(kinds, version.places)].tobytes())
        shutil.copyfileobj(file, copy)
    return folder / path.name


def _loses_columns(path: Path, begin: int) -> bool:
    """Tell whether an EVT3 file has vectors behind single events, whose column faery gives them."""
    return any(len(found) > len(words) for words, found in _columned(path, begin))


def _with_columns(path: Path, begin: int, folder: Path) -> Path:
    """Copy an EVT3 file, with the column of vectors said anew behind single events."""
    with open_regular(path) as file, open(folder / path.name, "wb") as copy:
        copy.write(file.read(begin))
        for _, words in _columned(path, begin):
            copy.write(words.tobytes())
    return folder / path.name


def _columned(path: Path, begin: int) -> Iterator[tuple[Any, Any]]:
    """Yield the words of an EVT3 file in parts, (W,) uint16, as they are and with such columns.

    A vector begins where the last one, or the last word of a column, has left off; single events
    between them change neither this nor the vectors' polarity.
    """
    column, polarity, is_moved = 0, 0, False
    with open_regular(path) as file:
        file.seek(begin)
        while content := file.read(2 * CHUNK):
            words = np.frombuffer(content[: len(content) // 2 * 2], "<u2")
            if not len(words):
                return
            kinds, places = words >> 12, np.arange(len(words))
            sizes = 12 * (kinds == 4).astype(np.int64) + 8 * (kinds == 5)
            ends = np.cumsum(sizes)
            base = np.maximum.accumulate(np.where(kinds == 3, places, -1))
            said = np.where(base < 0, column, (words[base] & 2047) - ends[base])
            polarities = np.where(base < 0, polarity, words[base] & 2048)
            last = np.maximum.accumulate(np.where(np.isin(kinds, (2, 3)) | (sizes > 0), places, -1))
            moved = np.where(last < 0, is_moved, kinds[last] == 2)
            lost = np.flatnonzero((sizes > 0) & np.concatenate([[is_moved], moved[:-1]]))
            columns = (said + ends - sizes)[lost] & 2047
            yield words, np.insert(words, lost, 3 << 12 | polarities[lost] | columns)
            column, polarity = int(said[-1] + ends[-1]), int(polarities[-1])
            is_moved = bool(moved[-1])


class _Version(NamedTuple):
    """How words are made: their type, the first bits of their kind, and bits of the lower time."""

    names: tuple[str, ...]
    dtype: str
    kind_shift: int
    low_bits: int
    single: tuple[int, ...]
    """Kinds of words that hold an event."""
    vectors: dict[int, int]
    """Kinds of words that hold an event for each bit that is set, and which bits."""
    times: tuple[int, ...]
    """Kinds of others that hold a lower time."""
    places: tuple[int, ...]
    """Kinds of words that say where the next events are."""


_EVT2 = _Version(("2", "2.0", "evt2", "evt2.0"), "<u4", 28, 6, (0, 1), {}, (10,), ())
_EVT3 = _Version(
    ("3", "3.0", "evt3", "evt3.0"), "<u2", 12, 12, (2,), {4: 0xFFF, 5: 0xFF}, (6,), (0, 3)
)


class _Front(NamedTuple):
    """What comes before the first upper word of time.

    `words` is where words begin, in bytes, `size` how many bytes are in front, `begin` the upper
    word's time, µs, and `has_times` whether events or times are in front.
    """

    version: _Version
    words: int
    size: int
    begin: int
    num_untimed: int
    has_times: bool


def _front(file: IO[bytes], version: _Version, begin: int) -> _Front:
    """Return what comes before the first upper word. Raises DataError if it is all the events."""
    file.seek(begin)
    size, place, num_untimed, has_times = np.dtype(version.dtype).itemsize, 0, 0, False
    while content := file.read(size * CHUNK):
        words = np.frombuffer(content[: len(content) // size * size], version.dtype)
        kinds = words >> version.kind_shift
        first = int(next(iter(np.flatnonzero(kinds == _HIGH_WORD)), len(words)))
        ahead, of = words[:first], kinds[:first]
        num_untimed += int(np.isin(of, version.single).sum())
        for kind, bits in version.vectors.items():
            found = ahead[of == kind] & np.array(bits, version.dtype)
            num_untimed += int(np.unpackbits(found.view(np.uint8)).sum())
        has_times |= num_untimed > 0 or bool(np.isin(of, version.times).any())
        place += size * first
        if first < len(words):
            high = int(words[first]) & ((1 << version.kind_shift) - 1)
            time = high << version.low_bits
            return _Front(version, begin, place, time, num_untimed, has_times)
    if num_untimed:
        raise DataError(
            f"it has no upper word of time, so that nothing says when its events were "
            f"({num_untimed}): expected one before them, as cameras write it"
        )
    return _Front(version, begin, 0, 0, 0, False)


def _refuse_lost_times(file: IO[bytes]) -> None:
    """Look at an EVT3 file's own words of time: where faery loses some, it says nothing.

    Of the upper 12 bits it takes a rise by less than 4094 and a turn from 4095 to 0, and passes
    over all else; of a time that goes back it makes the one in front.
    """
    high, turns, last, num_highs = 0, 0, 0, 0
    while content := file.read(2 * CHUNK):
        words = np.frombuffer(content[: len(content) // 2 * 2], "<u2")
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


def _begin_of_words(file: IO[bytes]) -> tuple[_Version, int] | None:
    """Return a file's version, and where its words begin, as faery finds them, or None."""
    named, begin = "", 0
    while (line := file.readline(1 << 16)).startswith(b"%"):
        try:
            parts = line.decode("utf-8")[1:].replace(";", " ").split()
        except UnicodeDecodeError:  # words, of which the first begins with this byte
            break
        begin = file.tell()
        if len(parts) > 1 and parts[0] in ("evt", "format", "Version"):
            named = parts[1].lower()
    return next(((each, begin) for each in (_EVT2, _EVT3) if named in each.names), None)


_TURN = 1 << 34  # µs, after which times of EVT2 begin again
_LOW_WORD, _HIGH_WORD = 6, 8  # kinds of EVT3's words, each with 12 bits of the time; EVT2 has 8 too
_HALF = 2048  # a fall of the upper word by as much is a turn, as the maker's own reader has it
_LOST_RISE = 4094  # of the upper word, from which on faery passes over it
_LEAST = 64  # µs: by less times go back in EVT2 as well, and become those in front of them

FORMAT = Format("Prophesee EVT2 and EVT3", (".raw",), _chunks)
