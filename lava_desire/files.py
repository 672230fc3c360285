"""The one door for files: what is read and written here goes through it.

*Reading.* Only regular files are read: a pipe would be waited for, a device read without end. A
link is followed where a user names it, and not where a run folder, which may come from anywhere,
has one in place of a file of its own.

*Writing.* A process may be killed between any two instructions, and a disk may fill up in any
write: what was there before is then still there. A file keeps its permissions. A link is replaced
by the file, and what it points to is left alone; a pipe, a device or a folder is refused.

*Folders.* A run folder is written by one process at a time.
"""

from __future__ import annotations

import errno
import io
import os
import re
import secrets
import shutil
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

LOCK = "run.lock"
"""The file that says which process writes a folder; it is there while one does, or after a kill."""

MAX_TEXT_BYTES = 1 << 20
"""Largest text file that is read: a configuration, a run's notes."""

_PARTIAL = re.compile(r"\.lava-desire\.\d+-[0-9a-f]{8}\.partial")
_NOT_LOCKABLE = {errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS}
# Not all systems have them; a pipe is opened without waiting for who writes it.
_SAFELY = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


class NotRegularError(OSError):
    """A pipe, a device, a folder or a link is where a regular file is expected."""


def open_regular(path: str | Path, *, follow: bool = True) -> BinaryIO:
    """Open a regular file, or with `follow` a link to one, to read its bytes.

    Raises NotRegularError if it is a pipe or a device, or a link that is not to be followed;
    another OSError if it cannot be opened.
    """
    # Asked before it is opened, as opening alone does something with some devices; and after.
    check_regular(path, follow=follow)
    handle = os.open(path, os.O_RDONLY | _SAFELY | (0 if follow else _NO_LINK))
    try:
        _check_regular(path, os.fstat(handle).st_mode)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def check_regular(path: str | Path, *, follow: bool = True) -> None:
    """Raise the errors of :func:`open_regular` without reading."""
    _check_regular(path, os.stat(path, follow_symlinks=follow).st_mode)


def _check_regular(path: str | Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "a pipe or a device"
        raise NotRegularError(f"{path} is {kind}: expected a regular file")


def read_file(path: str | Path, most: int = MAX_TEXT_BYTES, *, follow: bool = True) -> bytes:
    """Read a regular file of at most so many bytes.

    Raises ValueError if it has more, and the errors of :func:`open_regular`.
    """
    with open_regular(path, follow=follow) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{path} has more than {most} bytes: expected a smaller file")
    return content


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write a file so that at any moment either the old or the new one is there, whole.

    Raises the errors of :func:`replacing`; the old file is then untouched.
    """
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_figure(figure: Any, path: str | Path, dpi: int) -> None:
    """Write a matplotlib figure, in the format of the file's suffix, or as ``.png`` without one.

    Raises ValueError if the suffix is of no format that matplotlib writes, and the errors of
    :func:`replacing`; the old file is then untouched.
    """
    path = Path(path)
    path = path if path.suffix else path.with_name(f"{path.name}.png")
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix[1:].lower(), dpi=dpi)
    write_atomically(path, drawn.getvalue())


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield the path of an empty file beside `path`, which takes its place when all went well.

    Raises NotRegularError if `path` is a pipe, a device, or a link to one; OSError if the file
    cannot be written; it names `path`, where the old file is then untouched.
    """
    path = Path(path)
    with _in_place_of(path) as partial:
        mode = check_writable(path)
        # No more open than the old one while it is written, and writable if that was not.
        first = 0o666 if mode is None else 0o600
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY, first))
        yield partial
        _flush(partial)
        if mode is not None:
            os.chmod(partial, mode)


def keep_as(path: str | Path, other: str | Path) -> None:
    """Give a file a second name, under which it stays when the first is given to another.

    Nothing is done where `path` is no regular file.

    Raises the errors of :func:`replacing`.
    """
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return
    except FileNotFoundError:
        return
    other = Path(other)
    check_writable(other)
    with _in_place_of(other) as partial:
        try:
            os.link(path, partial)
            return
        except OSError:  # a file system without hard links
            pass
        with open_regular(path, follow=False) as source, partial.open("xb") as copy:
            shutil.copyfileobj(source, copy)
            mode = stat.S_IMODE(os.fstat(source.fileno()).st_mode)
        _flush(partial)
        os.chmod(partial, mode)


def check_writable(path: str | Path) -> int | None:
    """Return the permissions of the file that is to be replaced; None where there is none.

    Raises NotRegularError if a pipe, a device, or a link to one, is in its place; IsADirectoryError
    if a folder is.
    """
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISLNK(mode):
        _check_regular(path, mode)
        return stat.S_IMODE(mode) & 0o777
    # The link goes; but /dev/stdout and its like are the system's.
    with suppress(FileNotFoundError):
        _check_regular(path, os.stat(path).st_mode)
    if os.readlink(path).startswith("/proc/"):
        raise NotRegularError(f"{path} leads into /proc, as /dev/stdout: expected a regular file")
    return None


@contextmanager
def _in_place_of(path: Path) -> Iterator[Path]:
    """Yield a free name beside `path`; the file made there takes its place when all went well."""
    partial = path.parent / f".lava-desire.{os.getpid()}-{secrets.token_hex(4)}.partial"
    try:
        yield partial
        os.replace(partial, path)
        # Where both were names of the same file already, the first is still there.
        partial.unlink(missing_ok=True)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            reason = f"{os.strerror(error.errno)}; what was there before is untouched"
            if not path.parent.is_dir():
                reason = f"the folder {path.parent} is not there"
            raise OSError(error.errno, reason, str(path)) from error
        raise
    with suppress(OSError):  # the new file is there; not every file system can do this
        _flush(path.parent, os.O_RDONLY)


def _flush(path: Path, access: int = os.O_RDWR) -> None:
    """Flush a file or a folder to the disk; Windows asks that a file be open for writing."""
    handle = os.open(path, access)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_partial(folder: str | Path) -> None:
    """Remove partial files of killed processes; nobody may be writing the folder."""
    with os.scandir(folder) as entries:
        found = [
            entry.path
            for entry in entries
            if _PARTIAL.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
        ]
    for path in found:
        Path(path).unlink(missing_ok=True)


class FolderInUseError(OSError):
    """Another process, or another run of this one, writes the folder."""


class FolderLock:
    """A lock that one process or thread at a time holds for a folder.

    The operating system releases it when the process ends, however it ends. A folder on a file
    system that knows no locks is taken without one. When entered it raises FolderInUseError, with
    the process, if the folder is being written; OSError if it cannot be written, or the lock's file
    is a link, or no file.
    """

    def __init__(self, folder: str | Path) -> None:
        self._path = Path(folder).resolve() / LOCK

    def __enter__(self) -> FolderLock:
        from filelock import FileLock, Timeout  # takes longer to import than the rest of this file

        self._check_own()
        self._lock = FileLock(
            self._path, timeout=0.1, poll_interval=0.01, thread_local=False, fallback_to_soft=False
        )
        try:
            self._lock.acquire()
        except Timeout:
            owner = "another process"
            with suppress(PermissionError):  # Windows lets nobody else read what is locked
                owner = _owner(read_file(self._path, follow=False))
            raise FolderInUseError(
                f"{self._path.parent} is being written by {owner}: wait for it, stop it, or choose "
                "another folder"
            ) from None
        except OSError as error:
            if error.errno not in _NOT_LOCKABLE:
                raise
        with suppress(OSError):  # a full disk takes no name, but the lock holds
            self._path.write_text(f"{os.getpid()} {socket.gethostname()}\n", "utf-8")
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):
            # While the lock is held, so that nobody else's file is removed.
            self._path.unlink(missing_ok=True)
        self._lock.release()

    def _check_own(self) -> None:
        """Refuse a file that is not ours alone: whoever it is shared with would lose it."""
        try:
            status = self._path.lstat()
        except FileNotFoundError:
            return
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise NotRegularError(
                f"{self._path} is a link, a pipe, a device or a folder: expected a regular file of "
                "one name, or none; remove it"
            )


def _owner(content: bytes) -> str:
    process, _, host = content[:200].decode("utf-8", "replace").strip().partition(" ")
    if not process.isdecimal():
        return "another process"
    if host != socket.gethostname():
        return f"process {process} on {host}"
    return f"process {process}" + (", this one," if int(process) == os.getpid() else "")


def writer_of(folder: str | Path) -> tuple[str, bool | None] | None:
    """Return who writes a folder, and whether that process is there, as far as can be told.

    None where nobody does. None in place of the latter where it is another machine's, or the system
    is not asked. Nothing is locked; OSError if the folder cannot be read.
    """
    try:
        content = read_file(Path(folder) / LOCK, follow=False)
    except FileNotFoundError:
        return None
    except PermissionError:
        if os.name == "posix":
            raise
        return "another process", None  # Windows lets nobody else read what is locked
    process, _, host = content[:200].decode("utf-8", "replace").strip().partition(" ")
    is_here = process.isdecimal() and host == socket.gethostname() and os.name == "posix"
    return _owner(content), _is_there(int(process)) if is_here else None


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
