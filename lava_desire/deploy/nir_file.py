"""NIR files, looked through before they are read: a file from elsewhere may be made to harm.

HDF5 can hold a few bytes that unfold to terabytes, links to other files, and groups that contain
themselves; ``nir.read`` follows all of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lava_desire.deploy.hdf5_heaps import check_heaps
from lava_desire.deploy.optional import import_optional

MAX_BYTES = 1 << 30
"""Largest size of all arrays of a file together, unpacked."""

# What weights compress to, with room: a dataset of a few bytes that unpacks to more is made to fill
# memory. Those below the size are read whatever they are packed in.
_MAX_RATIO, _RATIO_COUNTS_ABOVE = 100, 1 << 24
_MAX_OBJECTS = 4_000
_MAX_EDGES = 1_000  # reading compares every edge with every other
_MAX_DEPTH = 8


def read_nir(path: str | Path, *, max_bytes: int = MAX_BYTES) -> Any:
    """Read a NIR file that need not be trusted.

    Parameters
    ----------
    path : str or Path
        The file.
    max_bytes : int
        Largest size of all its arrays together, unpacked.

    Returns
    -------
    nir.NIRGraph
        What the file holds.

    Raises
    ------
    ValueError
        If it is no NIR file, is damaged, or is larger, deeper or otherwise built than a graph
        needs.
    OSError
        If it cannot be opened.
    ImportError
        If ``nir`` is not installed.
    """
    nir, h5py = import_optional("nir"), import_optional("h5py")
    path = Path(path)
    with path.open("rb"):
        pass  # a missing file is told apart from one that is not HDF5
    try:
        check_heaps(path, 2 * max(max_bytes, MAX_BYTES))
        with h5py.File(path, "r") as file:
            _look_through(h5py, file, path, max_bytes)
        return nir.read(path)
    except _RefusedError as refused:
        raise ValueError(str(refused)) from None
    except (AssertionError, ArithmeticError, LookupError, MemoryError, OSError) as error:
        raise ValueError(f"{path} is no NIR file, or is damaged: {error!r}") from None
    except (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no NIR file, or is damaged: {error}") from None


class _RefusedError(Exception):
    """The file is built in a way that is not followed."""


def _look_through(h5py: Any, file: Any, path: Path, max_bytes: int) -> None:
    if "node" not in file:
        raise _RefusedError(f"{path} is no NIR file: it has no group 'node'")
    waiting = [(file, "", 0)]
    seen: set[Any] = set()
    total = 0
    while waiting:
        group, place, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            raise _RefusedError(f"{path} nests deeper than {_MAX_DEPTH} groups at {place!r}")
        for name in group:
            inner = f"{place}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise _RefusedError(f"{path} holds a link at {inner!r}: expected data")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                raise _RefusedError(f"{path} holds {inner!r} twice, or within itself")
            seen.add(address)
            if len(seen) > _MAX_OBJECTS:
                raise _RefusedError(f"{path} holds more than {_MAX_OBJECTS} objects")
            if isinstance(item, h5py.Group):
                waiting.append((item, inner, depth + 1))
            elif isinstance(item, h5py.Dataset):
                if item.is_virtual or item.external:
                    raise _RefusedError(f"{path} keeps {inner!r} in another file: expected data")
                if name == "edges" and int(item.size or 0) > 2 * _MAX_EDGES:
                    raise _RefusedError(f"{path} holds more than {_MAX_EDGES} edges at {inner!r}")
                size = int(item.size or 0) * item.dtype.itemsize
                total += size
                if total > max_bytes:
                    raise _RefusedError(
                        f"{path} unpacks to more than {max_bytes} bytes at {inner!r}: expected "
                        "less; max_bytes sets the limit"
                    )
                packed = item.id.get_storage_size()
                if size > max(_RATIO_COUNTS_ABOVE, _MAX_RATIO * packed):
                    raise _RefusedError(
                        f"{path} unpacks {inner!r} from {packed} to {size} bytes: expected at most "
                        f"{_MAX_RATIO} times as many"
                    )
