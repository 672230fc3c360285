"""Reads a group of an HDF5 file in a separate process and returns plain arrays.

The HDF5 library is C code that trusts what a file says of itself. Where a damaged file keeps it for
ever (seen with HDF5 2.0.0), fills memory or ends the process, this process is what is lost.
:mod:`lava_desire.deploy.hdf5_file` starts it. It imports neither torch nor the engine, so that it
is there in a moment.

It answers with a line of JSON: what was wrong, or the tree of groups; the bytes of the arrays that
the tree names follow, one after another.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

OUT_OF_MEMORY = 71
"""The status with which the process ends when it may take no more memory."""

SPARE_BYTES = 1 << 28
"""Memory that the process may take beyond twice the largest size of the arrays."""

# What weights compress to, with room: a dataset of a few bytes that unpacks to more is made to fill
# memory. Those below the size are read whatever they are packed in.
_MAX_RATIO, _RATIO_COUNTS_ABOVE = 100, 1 << 24
_MAX_OBJECTS = 4_000
_MAX_TEXTS = 4_000
_MAX_TEXT_BYTES = 1 << 24
_MAX_EDGES = 1_000  # more than any chain that is taken could have
_MAX_DEPTH = 8
_MAX_NAME = 400
_NUMBERS = "biufc"


class RefusedError(Exception):
    """The file is built in a way that is not followed."""


def main() -> None:
    """Read what the command line names: path, group, largest size of all arrays, seconds."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    path, name, max_bytes, max_seconds = sys.argv[1:5]
    # What a library may print must not get into the answer.
    with os.fdopen(os.dup(1), "wb") as answer:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        import h5py
        import numpy  # noqa: F401 - part of what is there before memory is limited

        os.dup2(silence, 2)
        arrays: list[Any] = []
        try:
            _limit(int(max_bytes), float(max_seconds))
            with h5py.File(path, "r") as file:
                line = json.dumps(read(file, name, int(max_bytes), arrays))
        except RefusedError as refused:
            line, arrays = json.dumps({"refused": str(refused)}), []
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        except Exception as error:  # h5py documents none; whatever it is, the file brought it about
            line, arrays = json.dumps({"damaged": str(error) or type(error).__name__}), []
        answer.write(line.encode() + b"\n")
        for array in arrays:
            answer.write(array.data if array.size else b"")


def _limit(max_bytes: int, max_seconds: float) -> None:
    """Limit memory and time, as far as the system can, and keep the process from writing files."""
    if sys.platform == "win32":
        return
    import resource

    # Without a handler of Python's, which C code would never let run.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    signal.setitimer(signal.ITIMER_REAL, max_seconds)
    for limited in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        with suppress(OSError, ValueError):
            resource.setrlimit(limited, (0, 0))
    with suppress(OSError, ValueError):  # no /proc, or a limit that is not for this system
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + 2 * max_bytes + SPARE_BYTES
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def read(file: Any, name: str, max_bytes: int, arrays: list[Any]) -> dict[str, Any]:
    """Return the tree of a group, and append its arrays of numbers, contiguous, in its order.

    It is ``{"group": {name: item}}``; an item is such a dict, ``{"text": str}``, ``{"texts": list,
    "shape": list}`` or ``{"dtype": str, "shape": list}``. `max_bytes` is the largest size of all
    arrays together, unpacked. Raises RefusedError if the group is missing, larger or deeper than
    allowed, holds links, data of other files or anything but numbers and text.
    """
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise RefusedError(f"has no group {name!r}")
    if not isinstance(file[name], h5py.Group):
        raise RefusedError(f"has no group {name!r}, but a {type(file[name]).__name__}")
    looked_at = _Looked(max_bytes)
    tree = looked_at.through(file[name], f"/{name}", 0)
    return _read(tree, arrays, [0])


class _Looked:
    """A tree looked through before a byte of its data is read."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._seen: set[Any] = set()
        self._bytes = self._texts = 0

    def through(self, group: Any, place: str, depth: int) -> dict[str, Any]:
        """Return names and datasets, groups within groups."""
        import h5py

        if depth > _MAX_DEPTH:
            raise RefusedError(f"nests deeper than {_MAX_DEPTH} groups at {place!r}")
        found: dict[str, Any] = {}
        for name in group:
            if len(name) > _MAX_NAME:
                raise RefusedError(f"has a name of {len(name)} characters in {place!r}")
            inner = f"{place}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise RefusedError(f"holds a link at {inner!r}: expected data")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in self._seen:
                raise RefusedError(f"holds {inner!r} twice, or within itself")
            self._seen.add(address)
            if len(self._seen) > _MAX_OBJECTS:
                raise RefusedError(f"holds more than {_MAX_OBJECTS} objects")
            if isinstance(item, h5py.Group):
                found[name] = self.through(item, inner, depth + 1)
            elif isinstance(item, h5py.Dataset):
                self._check(item, name, inner)
                found[name] = item
            else:
                raise RefusedError(f"holds a {type(item).__name__} at {inner!r}: expected data")
        return found

    def _check(self, dataset: Any, name: str, place: str) -> None:
        import h5py

        if dataset.is_virtual or dataset.external:
            raise RefusedError(f"keeps {place!r} in another file: expected data")
        if dataset.shape is None:
            raise RefusedError(f"holds nothing at {place!r}: expected numbers or text")
        text = h5py.check_string_dtype(dataset.dtype)
        if text is None and dataset.dtype.kind not in _NUMBERS:
            raise RefusedError(f"holds {dataset.dtype} at {place!r}: expected numbers or text")
        if text is not None:
            self._texts += prod(dataset.shape)
            if self._texts > _MAX_TEXTS:
                raise RefusedError(f"holds more than {_MAX_TEXTS} texts at {place!r}")
        if name == "edges" and prod(dataset.shape) > 2 * _MAX_EDGES:
            raise RefusedError(f"holds more than {_MAX_EDGES} edges at {place!r}")
        size, packed = unpacked_bytes(dataset), dataset.id.get_storage_size()
        self._bytes += size
        if self._bytes > self._max_bytes:
            raise RefusedError(
                f"unpacks to more than {self._max_bytes} bytes at {place!r}: expected less; "
                "max_bytes sets the limit"
            )
        if size > max(_RATIO_COUNTS_ABOVE, _MAX_RATIO * packed):
            raise RefusedError(
                f"unpacks {place!r} from {packed} to {size} bytes: expected at most {_MAX_RATIO} "
                "times as many"
            )


def unpacked_bytes(dataset: Any) -> int:
    """Return the bytes that a dataset takes in memory; chunks are unpacked whole.

    Texts of variable length count as their addresses here, and as themselves when they are read.
    """
    shape, chunks = dataset.shape, dataset.chunks
    values = prod(shape)
    if chunks is not None and values:
        values = prod(-(-size // chunk) * chunk for size, chunk in zip(shape, chunks, strict=True))
    return int(values * dataset.dtype.itemsize)


def _read(item: Any, arrays: list[Any], text_bytes: list[int]) -> dict[str, Any]:
    import h5py
    import numpy as np

    if isinstance(item, dict):
        return {"group": {name: _read(inner, arrays, text_bytes) for name, inner in item.items()}}
    shape = list(item.shape)
    if h5py.check_string_dtype(item.dtype) is None:
        array = np.ascontiguousarray(item[()])
        arrays.append(array)
        return {"dtype": array.dtype.str, "shape": shape}
    texts = []
    for index in np.ndindex(*shape):  # one after another: many may be one and the same long text
        text = bytes(item[index])
        text_bytes[0] += len(text)
        if text_bytes[0] > _MAX_TEXT_BYTES:
            raise RefusedError(f"holds more than {_MAX_TEXT_BYTES} bytes of text at {item.name!r}")
        try:
            texts.append(text.decode())
        except UnicodeDecodeError:
            raise RefusedError(f"holds text at {item.name!r} that is not UTF-8") from None
    return {"texts": texts, "shape": shape} if shape else {"text": texts[0]}
