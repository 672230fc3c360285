"""Spiking Heidelberg Digits and Speech Commands (Cramer et al., 2020): HDF5, read by h5py."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lava_desire.data.checks import DataError, DataWarning
from lava_desire.data.events.formats.base import Format, Labels, needed
from lava_desire.data.events.recording import Events
from lava_desire.files import check_regular

_UNITS = 700


def _labels(path: Path) -> Labels:
    with _opened(path) as file:
        found, num_recordings = np.asarray(file["labels"]), len(file["spikes"]["times"])
        if found.dtype.kind not in "iu" or found.shape != (num_recordings,):
            raise DataError(
                f"its labels are {found.dtype} {found.shape}: expected {num_recordings} integers, "
                "one a recording"
            )
        labels = found.tolist()
        if "extra" not in file or "keys" not in file["extra"]:
            return labels, None
        names = file["extra"]["keys"][()].tolist()
    try:
        return labels, tuple(name.decode("utf-8") for name in names)
    except UnicodeDecodeError as error:
        raise DataError(f"its names of classes, extra/keys, are no UTF-8: {error}") from None


def _chunks(path: Path, number: int) -> Iterator[Events]:
    """Read seconds as float64, as float16 has no room for µs; unit is x, of one row and channel."""
    with _opened(path) as file:
        seconds = np.asarray(file["spikes"]["times"][number], np.float64)
        units = np.asarray(file["spikes"]["units"][number], np.int64)
    if len(seconds) != len(units):
        raise DataError(
            f"recording {number} has {len(seconds)} times and {len(units)} units: expected as many"
        )
    finite = np.isfinite(seconds)
    if not finite.all():
        warnings.warn(
            f"{path}: recording {number} has {np.count_nonzero(~finite)} spikes without a finite "
            "time, which are left out",
            DataWarning,
            stacklevel=2,
        )
    t = np.rint(seconds[finite] * 1e6).astype(np.int64)
    yield Events(t, units[finite], sensor=(1, 1, _UNITS), sort=True)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    h5py = needed("h5py", path)
    check_regular(path)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (KeyError, IndexError, TypeError) as error:
        raise DataError(f"it holds no spikes/times, spikes/units and labels: {error}") from None
    except (OSError, RuntimeError) as error:
        if getattr(error, "errno", None) is not None:
            raise
        raise DataError(f"h5py cannot read it: {error}") from None


FORMAT = Format("SHD and SSC (HDF5)", (".h5", ".hdf5"), _chunks, b"\x89HDF\r\n", _labels)
