"""A user's own arrays, from a NumPy ``.npz`` file."""

from __future__ import annotations

import errno
import lzma
import math
import struct
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from lava_desire.data.dataset import DataError, Dataset, fixed_split

_SPLIT = ("train_images", "train_labels", "test_images", "test_labels")
_WHOLE = ("images", "labels")
_MAX_BYTES = 1 << 34
_MAX_DIMENSIONS = 3
# What images compress to, with much room: a file of a few bytes that claims to hold gigabytes is
# made to fill memory. Arrays below the size are read whatever they are packed in.
_MAX_RATIO, _RATIO_COUNTS_ABOVE = 100, 1 << 26
# What zipfile and its decompressors raise for archives that are damaged or made to harm.
_DAMAGE = (
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
    ``images`` and ``labels``, a fifth of which then becomes the test set, the same every time.
    Images are (S, N) or (S, height, width), uint8 or float in [0, 1]; labels are integers that
    count the classes from 0. Nothing is unpickled, and other members of the archive are not read.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    Dataset
        Named for the file, with as many classes as the largest label in the file asks for.

    Raises
    ------
    DataError
        If the file is damaged, an array is missing, or one does not hold what it should, or takes
        more memory than such a file is worth.
    OSError
        If the file cannot be opened.
    """
    path = Path(path)
    try:
        arrays = _read_arrays(path)
    except _DAMAGE as error:
        raise DataError(f"{path} is no .npz file, or a damaged one: {error}") from None
    except OSError as error:
        # A place before the file's beginning, or a stream that cannot be unpacked: the file's
        # fault and not the disk's.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise DataError(f"{path} is no .npz file, or a damaged one: {error}") from None
    shapes = {name: array.shape for name, array in arrays.items() if name.endswith("images")}
    image_shape = None
    for name, shape in shapes.items():
        if len(shape) == 3:
            image_shape = (int(shape[1]), int(shape[2]))
            arrays[name] = arrays[name].reshape(shape[0], -1)
    labels = [array for name, array in arrays.items() if name.endswith("labels")]
    if any(array.dtype.kind not in "iu" or array.ndim != 1 for array in labels):
        raise DataError(f"{path}: labels must be integers of shape (S,)")
    num_classes = max((int(array.max()) + 1 for array in labels if array.size), default=0)
    if not 1 <= num_classes <= 1_000_000:
        raise DataError(f"{path}: the largest label is {num_classes - 1}: expected 0 to 999999")
    if set(_WHOLE) <= arrays.keys():
        images, whole = arrays["images"], arrays["labels"]
        if images.shape[:1] != whole.shape:
            raise DataError(
                f"{path}: images hold {images.shape[:1]} samples and labels {whole.shape}: "
                "expected as many"
            )
        train, test = fixed_split(whole)
        arrays = dict(
            zip(_SPLIT, (images[train], whole[train], images[test], whole[test]), strict=True)
        )
    try:
        return Dataset(path.stem, num_classes=num_classes, image_shape=image_shape, **arrays)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays that are asked for, and no others, once their headers have been checked."""
    with zipfile.ZipFile(path) as archive:
        names = {member.removesuffix(".npy") for member in archive.namelist()}
        for wanted in (_SPLIT, _WHOLE):
            if set(wanted) <= names:
                return {name: _read_array(archive, path, name) for name in wanted}
    raise DataError(
        f"{path} holds {', '.join(sorted(names)) or 'nothing'}: expected the arrays "
        f"{', '.join(_SPLIT)}, or {', '.join(_WHOLE)}"
    )


def _read_array(archive: zipfile.ZipFile, path: Path, name: str) -> npt.NDArray[Any]:
    with archive.open(f"{name}.npy") as stream:
        try:
            version = npy.read_magic(stream)  # type: ignore[no-untyped-call]
            read_header = (
                npy.read_array_header_1_0 if version == (1, 0) else (npy.read_array_header_2_0)
            )
            shape, fortran_order, dtype = read_header(stream)  # type: ignore[no-untyped-call]
        except (*_DAMAGE, ValueError, SyntaxError, TypeError, MemoryError, TokenError) as error:
            raise DataError(f"{path}: {name} has a damaged header: {error}") from None
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or dtype.kind not in "biuf" or min(shape, default=0) < 0:
            raise DataError(f"{path}: {name} is {dtype} {shape}: expected numbers")
        sound = all(type(size) is int and size > 0 for size in shape)  # true is an int as well
        if not sound or not 1 <= len(shape) <= _MAX_DIMENSIONS:
            raise DataError(
                f"{path}: {name} have shape {shape}: expected 1 to {_MAX_DIMENSIONS} "
                "dimensions, none empty"
            )
        # The archive's directory says how much there is, so that a header cannot ask for more.
        member = archive.getinfo(f"{name}.npy")
        available = member.file_size
        if size > min(available, _MAX_BYTES):
            raise DataError(
                f"{path}: {name} states {size} bytes and {available} are there: expected as many, "
                f"and at most {_MAX_BYTES}"
            )
        if size > max(_RATIO_COUNTS_ABOVE, _MAX_RATIO * member.compress_size):
            raise DataError(
                f"{path}: {name} unpacks from {member.compress_size} to {size} bytes, more than "
                f"{_MAX_RATIO} times as many: expected images; np.savez keeps them unpacked"
            )
        content = stream.read(size)
        if len(content) != size:
            raise DataError(f"{path}: {name} ends after {len(content)} of {size} bytes")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C").copy()
