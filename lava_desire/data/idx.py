"""Reader of IDX, the format of MNIST."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from lava_desire.data.checks import DataError
from lava_desire.files import open_regular

_UNSIGNED_BYTE = 0x08
_MAX_BYTES = 1 << 30
_MAX_DIMENSIONS = 32  # as many as a NumPy array has
_GZIP_MAGIC = b"\x1f\x8b"
# What images compress to, with much room: a few bytes that unfold to a gigabyte are made to harm.
_MAX_RATIO, _RATIO_COUNTS_ABOVE = 100, 1 << 26
_CHUNK = 1 << 20


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
        If the magic number is wrong, or the file shorter, longer or larger than it may be. No more
        memory is taken than the file can fill, and never more than 1 GiB.
    OSError
        If the file cannot be opened.
    """
    path = Path(path)
    with open_regular(path) as raw:
        compressed = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if compressed else raw
        most = _MAX_BYTES
        if compressed:
            packed = os.fstat(raw.fileno()).st_size
            most = min(most, max(_RATIO_COUNTS_ABOVE, _MAX_RATIO * packed))
        try:
            return _read(stream, path, num_dimensions, most)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{path} is a damaged gzip file: {error}") from None


def _read(stream: BinaryIO, path: Path, num_dimensions: int | None, most: int) -> npt.NDArray[Any]:
    """Read an array of at most `most` bytes."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] != _UNSIGNED_BYTE:
        raise DataError(
            f"{path} starts with {magic.hex() or 'nothing'}: expected the magic number 000008nn of "
            "an IDX file of unsigned bytes"
        )
    found = magic[3]
    wrong = not 1 <= found <= _MAX_DIMENSIONS
    if wrong or (num_dimensions is not None and found != num_dimensions):
        expected = num_dimensions or f"1 to {_MAX_DIMENSIONS}"
        raise DataError(f"{path} states {found} dimensions: expected {expected}")
    header = stream.read(4 * found)
    if len(header) < 4 * found:
        raise DataError(f"{path} ends within its header")
    shape = struct.unpack(f">{found}I", header)
    size = math.prod(shape)
    if size > most:
        raise DataError(f"{path} states the shape {shape}: expected at most {most} bytes")
    if 0 in shape:
        raise DataError(f"{path} states the shape {shape}: expected at least one value")
    content = _read_up_to(stream, size + 1)
    if len(content) != size:
        have = f"{len(content)} bytes" if len(content) < size else "more"
        raise DataError(f"{path} holds {have} of data: its shape {shape} needs {size}")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _read_up_to(stream: BinaryIO, size: int) -> bytearray:
    """Read piece by piece: memory is taken for what is there, not for what a header promises.

    One byte more than it states tells a file that is too long, without reading on.
    """
    content = bytearray()
    while len(content) < size:
        piece = stream.read(min(_CHUNK, size - len(content)))
        if not piece:
            break
        content += piece
    return content
