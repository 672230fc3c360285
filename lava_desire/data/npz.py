"""A user's own arrays, from a NumPy ``.npz`` file."""

from __future__ import annotations

import errno
import lzma
import math
import struct
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from lava_desire.data.checks import DataError, DataWarning
from lava_desire.data.dataset import CLASS_NAMES, NUM_STEPS, Dataset, find_family
from lava_desire.files import NotRegularError, open_regular

_MAX_BYTES = 1 << 34
_MAX_DIMENSIONS = 5
# What images compress to, with much room: a file of a few bytes that claims to hold gigabytes is
# made to fill memory. Arrays below the size are read whatever they are packed in.
_MAX_RATIO, _RATIO_COUNTS_ABOVE = 100, 1 << 26
# What zipfile and its decompressors raise for archives that are damaged or made to harm.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    LookupError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    UnicodeError,
)


def load_npz(path: str | Path) -> Dataset:
    """Load a data set from an ``.npz`` file.

    The file holds ``train_images``, ``train_labels``, ``test_images`` and ``test_labels``, or
    ``images`` and ``labels``, a fifth of which then becomes the test set, the same every time; or
    the same under the names that keras or scikit-learn give them, or spike trains: see
    :meth:`Dataset.from_arrays`.
    Nothing is unpickled, and other members of the archive are not read, of which a
    :class:`DataWarning` tells.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    Dataset
        Named for the file.

    Raises
    ------
    DataError
        If the file is damaged, an array is missing or there twice, or one does not hold what it
        should, or takes more memory than such a file is worth.
    OSError
        If the file cannot be opened.
    """
    path = Path(path)
    unused: list[str] = []

    def find(members: Any) -> tuple[str, ...]:
        wanted = find_family(members)
        unused.extend(name for name in members if name not in (*wanted, *CLASS_NAMES, NUM_STEPS))
        return wanted

    arrays = read_arrays(path, find)
    if unused:
        _warn_of_unused(path, unused)
    try:
        return Dataset.from_arrays(arrays, path.stem)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _warn_of_unused(path: Path, names: list[str]) -> None:
    listed = ", ".join(ascii(name)[1:-1][:40] for name in names[:8])
    hint = ""
    if any("val" in name.lower() for name in names):
        hint = (
            "; a validation set is a share of the training set, --validation 0.1, or in Python "
            "fit(..., validation=(images, labels))"
        )
    warnings.warn(f"{path} holds {listed}, not used here{hint}", DataWarning, stacklevel=3)


def read_arrays(path: Path, find: Callable[[Any], tuple[str, ...]]) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of a file that `find` chooses by their names, and what belongs to them.

    Raises the errors of :func:`load_npz`.
    """
    try:
        return _read_arrays(path, find)
    except DAMAGE as error:
        raise DataError(f"{path} is no .npz file, or a damaged one: {error}") from None
    except NotRegularError as error:
        raise DataError(str(error)) from None
    except OSError as error:
        # A place before the file's beginning, or a stream that cannot be unpacked: the file's
        # fault and not the disk's.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise DataError(f"{path} is no .npz file, or a damaged one: {error}") from None


def _read_arrays(path: Path, find: Callable[[Any], tuple[str, ...]]) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays that are asked for, and no others, once their headers have been checked."""
    with open_regular(path) as file, zipfile.ZipFile(file) as archive:
        members = [member.removesuffix(".npy") for member in archive.namelist()]
        twice = [name for name, number in Counter(members).items() if number > 1]
        if twice:
            raise DataError(f"{path} holds {ascii(twice[0])[:100]} twice: expected each array once")
        try:
            wanted = find(members)
        except DataError as error:
            raise DataError(f"{path} {error}") from None
        wanted += tuple(name for name in (*CLASS_NAMES, NUM_STEPS) if name in members)
        return {name: _read_array(archive, path, name) for name in wanted}


def open_array(
    archive: zipfile.ZipFile, path: Path, name: str, *, least: int = 1
) -> tuple[IO[bytes], tuple[int, ...], bool, np.dtype[Any]]:
    """Return an array's bytes as a stream, its shape, whether it is in Fortran's order, its dtype.

    All sizes are at least `least`. Raises DataError for what is no array of numbers or texts, or
    states another size than is there.
    """
    stream = archive.open(f"{name}.npy")
    try:
        version = npy.read_magic(stream)  # type: ignore[no-untyped-call]
        read_header = (
            npy.read_array_header_1_0 if version == (1, 0) else (npy.read_array_header_2_0)
        )
        shape, fortran_order, dtype = read_header(stream)  # type: ignore[no-untyped-call]
    except (*DAMAGE, ValueError, SyntaxError, TypeError, MemoryError, TokenError) as error:
        raise DataError(f"{path}: {name} has a damaged header: {error}") from None
    size = math.prod(shape) * dtype.itemsize
    is_texts = dtype.kind in "US" and dtype.itemsize > 0 and "image" not in name.lower()
    if dtype.hasobject or not (dtype.kind in "biuf" or is_texts) or min(shape, default=0) < 0:
        raise DataError(f"{path}: {name} is {dtype} {shape}: expected numbers")
    sound = all(type(size) is int and size >= least for size in shape)  # true is an int as well
    if not sound or not (name != NUM_STEPS) <= len(shape) <= _MAX_DIMENSIONS:
        raise DataError(
            f"{path}: {name} have shape {shape}: expected 1 to {_MAX_DIMENSIONS} "
            "dimensions, none empty"
        )
    # The archive's directory says how much there is, so that a header cannot ask for more.
    available = archive.getinfo(f"{name}.npy").file_size
    if size > min(available, _MAX_BYTES):
        raise DataError(
            f"{path}: {name} states {size} bytes and {available} are there: expected as many, "
            f"and at most {_MAX_BYTES}"
        )
    return stream, shape, fortran_order, dtype


def _read_array(archive: zipfile.ZipFile, path: Path, name: str) -> npt.NDArray[Any]:
    stream, shape, fortran_order, dtype = open_array(archive, path, name)
    size, packed = math.prod(shape) * dtype.itemsize, archive.getinfo(f"{name}.npy").compress_size
    if size > max(_RATIO_COUNTS_ABOVE, _MAX_RATIO * packed):
        raise DataError(
            f"{path}: {name} unpacks from {packed} to {size} bytes, more than "
            f"{_MAX_RATIO} times as many: expected images; np.savez keeps them unpacked"
        )
    with stream:
        content = stream.read(size)
    if len(content) != size:
        raise DataError(f"{path}: {name} ends after {len(content)} of {size} bytes")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C").copy()
