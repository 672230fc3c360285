"""Reads untrusted HDF5 files in a separate process with limited memory and time.

Whatever a file does to the HDF5 library, it does to that process: here it is an error. It is no
sandbox: the process has the rights of the user.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from lava_desire._text import printable
from lava_desire.deploy.hdf5_child import OUT_OF_MEMORY, SPARE_BYTES
from lava_desire.files import open_regular

MAX_BYTES = 1 << 30
"""Largest size of all arrays of a file together, unpacked."""

MAX_SECONDS = 30.0
"""Longest time that a file is read for."""

_SHOWN = 1000  # characters of an error that may hold names of the file
_START_SECONDS = 60  # for Python and h5py to load, on a machine with much to do
_PROGRAM = "from lava_desire.deploy.hdf5_child import main; main()"
# Threads of a BLAS take address space, which is limited, and compute nothing here.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def read_hdf5(
    path: str | Path,
    group: str,
    *,
    max_bytes: int = MAX_BYTES,
    max_seconds: float = MAX_SECONDS,
) -> dict[str, Any]:
    """Read a group of an HDF5 file that need not be trusted.

    Another process reads it, with a limit on its memory where the system has such limits (Linux),
    and on its time; it ends with this function. Groups come as dicts, text as str or as arrays of
    str, numbers as arrays or NumPy scalars.

    Raises ValueError if the file is none, is damaged, larger or otherwise built than what is
    followed, if reading it exceeds a limit (bytes of all arrays together, unpacked; seconds) or
    ends the process, or if a limit is none; OSError if it cannot be opened, or is no regular file;
    RuntimeError if the process cannot be started.
    """
    path = Path(path)
    for name, value, most in (
        ("max_bytes", max_bytes, 1 << 50),
        ("max_seconds", max_seconds, 1_000_000),
    ):
        if not isinstance(value, (int, float)) or not 0 < value <= most:
            raise ValueError(f"{name} is {value!r}: expected a number above 0, at most {most}")
    _check_file(path, 2 * max(max_bytes, MAX_BYTES))
    arguments = [str(path), group, str(int(max_bytes)), str(float(max_seconds))]
    with _start(arguments) as process:
        expired = threading.Event()
        timer = threading.Timer(max_seconds + _START_SECONDS, _end, (process, expired))
        timer.daemon = True
        timer.start()
        try:
            tree = _receive(process)
            if tree is not None:
                return tree
            assert process.stderr is not None
            errors = process.stderr.read().decode(errors="replace").strip()
            status = process.wait()
        except _AnsweredError as answer:
            raise ValueError(f"{path} {printable(answer, _SHOWN)}") from None
        finally:
            timer.cancel()
            process.kill()
            process.wait()
    if expired.is_set() or status == -getattr(signal, "SIGALRM", 0):
        raise ValueError(
            f"{path} was not read within {max_seconds:g} s: it is damaged, or larger than that "
            "takes; max_seconds sets the limit"
        )
    if status == OUT_OF_MEMORY:
        raise ValueError(
            f"{path} takes more than {2 * max_bytes + SPARE_BYTES} bytes of memory to read: it is "
            "damaged, or larger than that; max_bytes sets the limit"
        )
    if not 0 <= status < 256:  # a signal, or what Windows says instead
        raise ValueError(f"{path} ended the process that read it ({_cause(status)}): it is damaged")
    raise RuntimeError(
        f"the process that reads HDF5 files ended with status {status}: "
        f"{errors.splitlines()[-1] if errors else sys.executable}"
    )


class _AnsweredError(Exception):
    """An error of the other process, to be printed after the path."""


def _check_file(path: Path, max_bytes: int) -> None:
    with open_regular(path) as file:  # what cannot be opened is told apart from damage
        size = os.fstat(file.fileno()).st_size
    if size > max_bytes:
        raise ValueError(f"{path} has {size} bytes: expected at most {max_bytes}")


def _start(arguments: list[str]) -> subprocess.Popen[bytes]:
    """Start a Python that looks for modules where this one does, and nowhere else."""
    program = f"import sys; sys.path[:] = {[str(place) for place in sys.path]!r}; {_PROGRAM}"
    try:
        return subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **_ONE_THREAD},
        )
    except OSError as error:
        raise RuntimeError(
            f"the process that reads HDF5 files cannot be started with {sys.executable!r}: {error}"
        ) from None


def _end(process: subprocess.Popen[bytes], expired: threading.Event) -> None:
    expired.set()
    process.kill()


def _cause(status: int) -> str:
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"status {status}"


def _receive(process: subprocess.Popen[bytes]) -> dict[str, Any] | None:
    """Return what the process hands on, or None if it ended before it had."""
    assert process.stdout is not None
    line = process.stdout.readline()
    while line and not line.startswith(b"{"):  # what a sitecustomize had to say
        line = process.stdout.readline()
    if not line.endswith(b"\n"):
        return None
    answer = json.loads(line)
    if "refused" in answer:
        raise _AnsweredError(answer["refused"])
    if "damaged" in answer:
        raise _AnsweredError(f"is no HDF5 file, or is damaged: {answer['damaged']}")
    try:
        tree: dict[str, Any] = built(answer, process.stdout)
    except EOFError:
        return None
    return tree


def built(item: dict[str, Any], stream: Any) -> Any:
    """Return the tree of :func:`lava_desire.deploy.hdf5_child.read`, arrays out of a stream."""
    if "group" in item:
        return {name: built(inner, stream) for name, inner in item["group"].items()}
    if "text" in item:
        return item["text"]
    shape = tuple(item["shape"])
    if "texts" in item:
        return np.array(item["texts"], dtype=str).reshape(shape)
    array = np.empty(shape, item["dtype"])
    if array.size and stream.readinto(array.reshape(-1).view(np.uint8)) < array.nbytes:
        raise EOFError
    return array if shape else array[()]
