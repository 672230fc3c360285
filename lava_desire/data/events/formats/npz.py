"""NumPy's ``.npz`` with the arrays t, x, y, p: what :meth:`Events.save` writes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from lava_desire.data.checks import DataError
from lava_desire.data.events.formats.base import CHUNK, Format
from lava_desire.data.events.recording import Events, check_sensor
from lava_desire.data.npz import DAMAGE, open_array
from lava_desire.files import open_regular


def _chunks(path: Path, number: int) -> Iterator[Events]:
    """Read the arrays side by side, piece by piece: packed or not, memory does not grow."""
    try:
        with ExitStack() as stack:
            archive = stack.enter_context(zipfile.ZipFile(stack.enter_context(open_regular(path))))
            yield from _read(archive, path, stack)
    except DAMAGE as error:
        raise DataError(f"it is no .npz file, or a damaged one: {error}") from None


def _read(archive: zipfile.ZipFile, path: Path, stack: ExitStack) -> Iterator[Events]:
    there = [name.removesuffix(".npy") for name in archive.namelist()]
    if "t" not in there or "x" not in there or len(set(there)) < len(there):
        raise DataError(
            f"it holds {', '.join(map(ascii, there[:10])) or 'nothing'}: expected the arrays t and "
            "x, and y, p and sensor where there are, each once"
        )
    sensor = None
    if "sensor" in there:
        stream, shape, _, dtype = open_array(archive, path, "sensor")
        sensor = check_sensor(np.frombuffer(stream.read(3 * dtype.itemsize), dtype).tolist())
    columns = {}
    for name in ("t", "x", "y", "p"):
        if name in there:
            stream, shape, _, dtype = open_array(archive, path, name, least=0)
            columns[name] = stack.enter_context(stream), dtype
            if len(shape) != 1:
                raise DataError(f"{name} has shape {shape}: expected (E,), one value an event")
    found = False
    while True:
        pieces = {
            name: np.frombuffer(stream.read(CHUNK * dtype.itemsize), dtype)
            for name, (stream, dtype) in columns.items()
        }
        if found and not any(map(len, pieces.values())):
            return
        found = True
        yield Events(pieces["t"], pieces["x"], pieces.get("y"), pieces.get("p"), sensor=sensor)


FORMAT = Format("NumPy arrays t, x, y, p", (".npz",), _chunks)
