"""Recordings in files, whatever their format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lava_desire.data.checks import DataError
from lava_desire.data.events.formats import format_of
from lava_desire.data.events.recording import Events
from lava_desire.files import NotRegularError


def iterate_events(path: str | Path, number: int = 0) -> Iterator[Events]:
    """Read a recording part by part, in memory that does not grow with its length.

    Parameters
    ----------
    path : path
        A file of a format in ``lava_desire/data/events/formats``, told by its suffix.
    number : int
        Which recording, where the file holds several.

    Returns
    -------
    iterator of Events
        Parts of the recording, in the order of their times.

    Raises
    ------
    DataError
        If it is of no known format, or damaged; the message names the file.
    ImportError
        If the package that reads it is not installed; the message has the command.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    chunks = format_of(path).chunks
    try:
        yield from chunks(path, number)
    except DataError as error:
        raise error_of(path, error) from None
    except NotRegularError as error:
        raise DataError(str(error)) from None


def read_events(path: str | Path, number: int = 0) -> Events:
    """Read a whole recording.

    Parameters
    ----------
    path, number
        As of :func:`iterate_events`.

    Returns
    -------
    Events

    Raises
    ------
    DataError, ImportError, OSError
        As :func:`iterate_events`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Events([0, 40, 900], x=[3, 3, 7], sensor=(1, 1, 8)).save(f"{folder}/mine.npz")
    ...     read_events(f"{folder}/mine.npz")
    Events(3 in 900 µs, sensor=(1, 1, 8))
    """
    path = Path(path)
    parts = list(iterate_events(path, number))
    try:
        return Events.joined(parts)
    except DataError as error:  # parts that go back in time
        raise error_of(path, error) from None


def error_of(path: Path, error: DataError) -> DataError:
    """Return an error with its file's name, once; what Events take is not taken with a file."""
    if str(path) in str(error):
        return error
    hint = ""
    if "=True" in str(error):
        hint = ", of arrays and not of a file: make Events of its arrays, and save them as .npz"
    return DataError(f"{path}: {error}{hint}")
