"""One recording of an event camera, or of any other source of spikes with times."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lava_desire.data.checks import DataError, refuse_masked
from lava_desire.files import replacing

Array = npt.NDArray[Any]
Sensor = tuple[int, int, int]
"""(channels, height, width): two channels keep the polarities apart, one puts them together."""

FIELDS = (("t", "timestamp", "ts"), ("x",), ("y",), ("p", "polarity", "on"))
"""The names under which the columns of events are found; ours come first."""

LATEST = 2**61  # so that no difference of two times leaves int64
_MOST_INPUTS = 2**31 - 1
_DTYPES = {"t": np.int64, "x": np.int32, "y": np.int32, "p": np.uint8}


class Events:
    """One recording: events in the order of their times.

    Parameters
    ----------
    t : array
        (E,) integers: times in µs, ascending, or NumPy's `timedelta64`; kept as int64.
    x, y : array
        (E,) integers: column and row of the sensor, from 0; kept as int32. Without `y` there is
        one row, as of a cochlea's channels.
    p : array, optional
        (E,) bool, or integers 0 (darker) and 1 (brighter); kept as uint8. 0 when not given.
    sensor : tuple of int, optional
        (channels, height, width) of the sensor. Without it nothing is known of its size.
    sort : bool
        Whether events may come in any order; those of one time keep theirs.
    signed_polarity : bool
        Whether `p` is −1 (darker) and 1, as some readers have it, and becomes 0 and 1.

    Raises
    ------
    DataError
        If columns are of unequal length or no integers, a time is not finite or before the one
        in front of it, an event lies outside the sensor, or a polarity is none; the message says
        which event.

    Examples
    --------
    >>> events = Events([0, 40, 900], x=[3, 3, 7], y=[0, 1, 1], p=[1, 0, 1], sensor=(2, 4, 8))
    >>> len(events), events.duration
    (3, 900)
    >>> Events([0, 40, 900], x=[3, 3, 8], y=[0, 1, 1], sensor=(2, 4, 8))
    Traceback (most recent call last):
        ...
    lava_desire.data.checks.DataError: x holds 8 at [2]: expected 0 to 7, as the sensor is 8 wide
    """

    __slots__ = ("p", "sensor", "t", "x", "y")

    def __init__(
        self,
        t: Any,
        x: Any,
        y: Any = None,
        p: Any = None,
        *,
        sensor: Sensor | None = None,
        sort: bool = False,
        signed_polarity: bool = False,
    ) -> None:
        self.sensor = None if sensor is None else check_sensor(sensor)
        t = _column(t, "t")
        given = {"t": t, "x": x, "y": y, "p": p}
        columns = {
            name: np.zeros(len(t), np.int8) if value is None else _column(value, name)
            for name, value in given.items()
        }
        for name, column in columns.items():
            if len(column) != len(t):
                raise DataError(f"{name} has {len(column)} values: expected {len(t)}, as t")
        if signed_polarity:
            columns["p"] = _unsigned(columns["p"])
        if sort:
            order = np.argsort(columns["t"], kind="stable")
            columns = {name: column[order] for name, column in columns.items()}
        self._check(columns)
        self.t, self.x, self.y, self.p = (
            columns[name].astype(dtype, copy=False) for name, dtype in _DTYPES.items()
        )

    def _check(self, columns: dict[str, Array]) -> None:
        t = columns["t"]
        height, width = (2**31, 2**31) if self.sensor is None else self.sensor[1:]
        for name, end, why in (
            ("x", width, f", as the sensor is {width} wide"),
            ("y", height, f", as the sensor is {height} high"),
            ("p", 2, "; polarities −1 and 1 are taken with signed_polarity=True"),
        ):
            column = columns[name]
            if len(column) and not (column.min() >= 0 and column.max() < end):
                place = int(np.argmax((column < 0) | (column >= end)))
                raise DataError(
                    f"{name} holds {column[place]} at [{place}]: expected 0 to {end - 1}{why}"
                )
        if not len(t):
            return
        if not (t.min() >= -LATEST and t.max() <= LATEST):
            raise DataError(f"t reaches from {t.min()} to {t.max()}: expected at most 2**61 µs")
        back = np.flatnonzero(t[1:] < t[:-1])
        if len(back):
            place = int(back[0]) + 1
            raise DataError(
                f"t goes back from {t[place - 1]} to {t[place]} at [{place}]: expected ascending "
                "times; sort=True sorts events"
            )

    @classmethod
    def from_array(cls, array: Any, **options: Any) -> Events:
        """Take a structured array, as the readers of the field return it.

        Parameters
        ----------
        array : array
            (E,) structured: fields of any integer dtype called `t` (or `timestamp`, `ts`), `x`, `y`
            and `p` (or `polarity`, `on`); other fields are left alone, and y and p may be missing.
        **options
            `sensor`, `sort` and `signed_polarity`, as above.

        Returns
        -------
        Events

        Raises
        ------
        DataError
            If there is no such field, and as above.
        """
        array = np.asarray(array)
        names = array.dtype.names or ()
        found = [next((name for name in each if name in names), None) for each in FIELDS]
        if found[0] is None or found[1] is None:
            raise DataError(
                f"events are {array.dtype}: expected a structured array with the fields t, x, y, p"
            )
        return cls(*(None if name is None else array[name] for name in found), **options)

    def __len__(self) -> int:
        return len(self.t)

    def __getitem__(self, part: slice) -> Events:
        """Return some of the events, as a view."""
        found = object.__new__(Events)
        found.t, found.x, found.y, found.p = (each[part] for each in self._columns())
        found.sensor = self.sensor
        return found

    def __repr__(self) -> str:
        return f"Events({len(self)} in {self.duration} µs, sensor={self.sensor})"

    def _columns(self) -> tuple[Array, ...]:
        return self.t, self.x, self.y, self.p

    @property
    def duration(self) -> int:
        """Time from the first event to the last, µs; 0 where there are none."""
        return int(self.t[-1] - self.t[0]) if len(self) else 0

    def between(self, start: int, stop: int) -> Events:
        """Return the events with start <= t < stop, as a view.

        Parameters
        ----------
        start, stop : int
            Times, µs.

        Returns
        -------
        Events
        """
        first, last = np.searchsorted(self.t, (start, stop))
        return self[first:last]

    @staticmethod
    def joined(parts: Iterable[Events], sensor: Sensor | None = None) -> Events:
        """Put recordings that follow each other into one.

        Parameters
        ----------
        parts : iterable of Events
            In the order of their times.
        sensor : tuple of int, optional
            (channels, height, width); that of the first part when not given.

        Returns
        -------
        Events

        Raises
        ------
        DataError
            As for the events of all parts.
        """
        parts = list(parts)
        if sensor is None and parts:
            sensor = parts[0].sensor
        columns = [
            np.concatenate([np.zeros(0, dtype), *(getattr(part, name) for part in parts)])
            for name, dtype in _DTYPES.items()
        ]
        return Events(*columns, sensor=sensor)

    def on(self, sensor: Sensor) -> Events:
        """Return the same events on another sensor.

        Parameters
        ----------
        sensor : tuple of int
            (channels, height, width).

        Returns
        -------
        Events

        Raises
        ------
        DataError
            If it is no sensor, or an event lies outside.
        """
        return Events(*self._columns(), sensor=sensor)

    def save(self, path: str | Path) -> None:
        """Write an ``.npz`` file of t, x, y, p and the sensor, which :func:`read_events` reads.

        Parameters
        ----------
        path : path
            The file; one that is there is replaced once the new one is whole.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        arrays = dict(zip(_DTYPES, self._columns(), strict=True))
        if self.sensor is not None:
            arrays["sensor"] = np.array(self.sensor)
        with replacing(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **arrays)


def check_events(events: Any, name: str) -> None:
    """Refuse what is no :class:`Events` with a DataError that says how it becomes one."""
    if not isinstance(events, Events):
        raise DataError(
            f"{name} is of {type(events).__name__}: expected Events, as Events.from_array makes of "
            "a structured array"
        )


def check_sensor(sensor: Any) -> Sensor:
    """Return (channels, height, width) as integers, or refuse them with a DataError."""
    try:
        channels, height, width = (_size(size) for size in sensor)
    except (TypeError, ValueError):
        raise DataError(
            f"sensor is {sensor!r}: expected (channels, height, width), as (2, 34, 34)"
        ) from None
    if channels not in (1, 2) or min(height, width) < 1 or channels * height * width > _MOST_INPUTS:
        raise DataError(
            f"sensor is {(channels, height, width)}: expected (channels, height, width) of 1 or 2 "
            f"channels and at most {_MOST_INPUTS} inputs; two channels keep polarities apart"
        )
    return channels, height, width


def _size(given: Any) -> int:
    """Return a size as an integer, also of a whole float, as a file from elsewhere may hold it."""
    if isinstance(given, bool | np.bool_):
        raise TypeError("a truth value is no size")
    if isinstance(given, float | np.floating) and given.is_integer():
        return int(given)
    return index(given)


def refuse_sensor(found: Sensor | None, expected: Sensor, name: str) -> None:
    """Refuse a recording that says it is of another sensor, with a DataError that names it."""
    if found not in (None, expected):
        raise DataError(
            f"{name} is of a sensor {found}: expected {expected}, as the first recording; "
            "sensor=(channels, height, width) puts all on one"
        )


def _column(given: Any, name: str) -> Array:
    """Return a column of integers, or say what is wrong with it."""
    refuse_masked(given, name)
    column: Array = np.asarray(given)
    if column.ndim != 1:
        raise DataError(f"{name} has shape {column.shape}: expected (E,), one value an event")
    if not len(column):
        return column.astype(np.int64)
    if column.dtype.kind in "mf":
        wrong = np.flatnonzero(~np.isfinite(column))
        if len(wrong):
            raise DataError(
                f"{name} holds {column[wrong[0]]} at [{wrong[0]}], and {len(wrong)} such in all: "
                "expected finite values; leave those events out"
            )
    if column.dtype.kind == "m":
        return column.astype("timedelta64[us]").astype(np.int64)
    if column.dtype.kind not in "biu":
        hint = "; seconds become that by np.rint(t * 1e6).astype(np.int64)" if name == "t" else ""
        unit = " of µs" if name == "t" else ""
        raise DataError(f"{name} is {column.dtype}: expected integers{unit}{hint}")
    return column.astype(np.uint8) if column.dtype.kind == "b" else column


def _unsigned(p: Array) -> Array:
    """Return polarities −1 and 1 as 0 and 1."""
    wrong = np.flatnonzero((p != 1) & (p.astype(np.int64) != -1))
    if len(wrong):
        raise DataError(f"p holds {p[wrong[0]]} at [{wrong[0]}]: expected −1 or 1, as it is signed")
    signed: Array = (p == 1).astype(np.uint8)
    return signed
