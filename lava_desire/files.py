"""Files that survive: each is whole at any moment, a folder is written by one process at a time.

A process may be killed between any two instructions, and a disk may fill up in any write. What was
there before is then still there.
"""

from __future__ import annotations

import errno
import importlib
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

LOCK = "run.lock"
"""The file that says which process writes a folder; it is there while one does, or after a kill."""

_PARTIAL = ".partial"
_NOT_LOCKABLE = {errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS}


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write a file so that at any moment either the old or the new one is there, whole.

    Raises
    ------
    OSError
        If the folder cannot be written, or is full; the old file is then untouched.
    """
    with replacing(path) as partial, partial.open("xb") as file:
        file.write(content)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield the path of a new file beside `path`, which takes its place when all went well.

    Raises
    ------
    OSError
        If the file cannot be written; it names `path`, where the old file is then untouched.
    """
    path = Path(path)
    partial = path.parent / f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{_PARTIAL}"
    try:
        yield partial
        _flush(partial)
        os.replace(partial, path)
        # Where both were names of the same file already, the first is still there.
        partial.unlink(missing_ok=True)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            reason = f"{os.strerror(error.errno)}; what was there before is untouched"
            raise OSError(error.errno, reason, str(path)) from error
        raise
    with suppress(OSError):  # the new file is there; not every file system can do this
        _flush(path.parent)


def _flush(path: Path) -> None:
    """Have the disk keep what was written, also through a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_partial(folder: str | Path) -> None:
    """Remove what killed processes had begun to write; nobody else may be writing the folder."""
    for path in Path(folder).glob(f".*{_PARTIAL}"):
        path.unlink(missing_ok=True)


class FolderInUseError(OSError):
    """Another process, or another run of this one, writes the folder."""


class FolderLock:
    """While entered, no other process or thread can enter the lock of the same folder.

    The operating system releases it when the process ends, however it ends. A folder on a file
    system that knows no locks is taken without one.

    Parameters
    ----------
    folder : path
        The folder, which is there.

    Raises
    ------
    FolderInUseError
        When entered, if the folder is being written; the message names the process.
    OSError
        When entered, if the folder cannot be written.
    """

    _guard = threading.Lock()
    _held: set[Path] = set()  # noqa: RUF012 - of the process, which the system's lock is too

    def __init__(self, folder: str | Path) -> None:
        self._path = Path(folder).resolve() / LOCK
        self._handle = -1

    def __enter__(self) -> FolderLock:
        with self._guard:
            if self._path in self._held:
                raise self._in_use(f"process {os.getpid()}, this one,")
            self._handle = self._take()
            self._held.add(self._path)
        return self

    def __exit__(self, *exception: object) -> None:
        with self._guard:
            self._held.discard(self._path)
            with suppress(OSError):
                # While the lock is held, so that nobody else's file is removed.
                self._path.unlink(missing_ok=True)
            os.close(self._handle)

    def _take(self) -> int:
        while True:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                _lock(handle)
                if self._is_still(handle):
                    with suppress(OSError):  # a full disk takes no name, but the lock holds
                        os.ftruncate(handle, 0)
                        os.pwrite(handle, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
                    return handle
            except BlockingIOError:
                owner = _owner(os.pread(handle, 200, 0))
                os.close(handle)
                raise self._in_use(owner) from None
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)

    def _is_still(self, handle: int) -> bool:
        """Say whether the file that was opened is there: its owner removes it at the end."""
        mine = os.fstat(handle)
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)

    def _in_use(self, owner: str) -> FolderInUseError:
        return FolderInUseError(
            f"{self._path.parent} is being written by {owner}: wait for it, stop it, or choose "
            "another folder"
        )


def _lock(handle: int) -> None:
    """Lock a file for this process, in a way that children it forks do not inherit.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    """
    try:
        fcntl: Any = importlib.import_module("fcntl")
    except ModuleNotFoundError:
        return
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            raise BlockingIOError(error.errno, error.strerror) from None
        if error.errno not in _NOT_LOCKABLE:
            raise


def _owner(content: bytes) -> str:
    process, _, host = content.decode("utf-8", "replace").strip().partition(" ")
    if not process.isdecimal():
        return "another process"
    return f"process {process}" + ("" if host == socket.gethostname() else f" on {host}")
