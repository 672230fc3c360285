"""Reader of IDX, the format of MNIST: a magic number, the sizes, the bytes."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from lava_desire.data.dataset import DataError

_UNSIGNED_BYTE = 0x08
_MAX_BYTES = 1 << 30
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: str | Path, num_dimensions: int | None = None) -> npt.NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, plain or gzip-compressed.

    Parameters
    ----------
    path : path
        The file; compression is told from its first bytes, not from its name.
    num_dimensions : int, optional
        How many dimensions are expected: 3 for images, 1 for labels.

    Returns
    -------
    ndarray
        uint8, of the shape that the file states.

    Raises
    ------
    DataError
        If the magic number is wrong, or the file shorter, longer or larger than it may be.
    OSError
        If the file cannot be opened.
    """
    path = Path(path)
    with path.open("rb") as raw:
        compressed = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if compressed else raw
        try:
            return _read(stream, path, num_dimensions)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{path} is a damaged gzip file: {error}") from None


def _read(stream: BinaryIO, path: Path, num_dimensions: int | None) -> npt.NDArray[Any]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] != _UNSIGNED_BYTE:
        raise DataError(
            f"{path} starts with {magic.hex() or 'nothing'}: expected the magic number 000008nn of "
            "an IDX file of unsigned bytes"
        )
    found = magic[3]
    if found == 0 or (num_dimensions is not None and found != num_dimensions):
        expected = num_dimensions or "at least 1"
        raise DataError(f"{path} states {found} dimensions: expected {expected}")
    header = stream.read(4 * found)
    if len(header) < 4 * found:
        raise DataError(f"{path} ends within its header")
    shape = struct.unpack(f">{found}I", header)
    size = math.prod(shape)
    if size > _MAX_BYTES:
        raise DataError(f"{path} states the shape {shape}: expected at most {_MAX_BYTES} bytes")
    # One byte more than stated tells a file that is too long, without reading on.
    content = stream.read(size + 1)
    if len(content) != size:
        have = f"{len(content)} bytes" if len(content) < size else "more"
        raise DataError(f"{path} holds {have} of data: its shape {shape} needs {size}")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape).copy()
