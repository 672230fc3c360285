"""System limits that large networks meet: open files, shared memory, processes.

A network of hundreds of processes meets limits that are set for programs of one. What can be done
about them is done, and what cannot is said in an error that names the limit.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lava.magma.runtime.message_infrastructure.shared_memory_manager import SharedMemoryManager

_FILES_A_CHILD = 6
"""The ends of a pipe, of a queue, and of what tells parent and child that the other has ended."""

_FILES_A_CHANNEL = 1

_FILES_TO_SPARE = 64
"""For what the program and its models open besides."""

_LIMITS = {
    errno.EMFILE: "the files that a program may have open (`ulimit -n`)",
    errno.ENFILE: "the files that this machine may have open (`sysctl fs.file-max`)",
    errno.ENOSPC: "/dev/shm, which holds the channels (in a container, `--shm-size`)",
    errno.EAGAIN: "the processes that a user may run (`ulimit -u`; in a container, `--pids-limit`)",
    errno.ENOMEM: "memory",
}


class ReservedSharedMemory(SharedMemoryManager):
    """Lava's shared memory, which is there when it has been given out.

    As released, a segment in a full /dev/shm is given out all the same, and whoever first writes
    to it is killed; and each segment keeps two files open.
    """

    def create_shared_memory(self, size: int) -> Any:
        """Create a segment of so many bytes.

        Raises OSError if there is no room for it.
        """
        segment = super().create_shared_memory(size)
        # Mapped memory keeps a file of its own; this one is needed for nothing else.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(segment._fd, 0, segment.size)
        os.close(segment._fd)
        segment._fd = -1
        return segment


def allow_files(num_children: int, num_channels: int) -> None:
    """Raise this program's limit of open files as far as a network needs and the system lets.

    Its children and channels are counted. Raises OSError if that is not far enough.
    """
    if sys.platform == "win32":  # where nothing is forked
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _FILES_A_CHILD * num_children + _FILES_A_CHANNEL * num_channels + _num_open_files()
    wished = needed + _FILES_TO_SPARE
    if soft == resource.RLIM_INFINITY or wished <= soft:
        return
    if hard != resource.RLIM_INFINITY:
        wished = min(wished, hard)
    if soft < wished:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wished, hard))
    if wished < needed:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def _num_open_files() -> int:
    try:
        return len(os.listdir("/dev/fd"))
    except OSError:
        return 0


@contextmanager
def limits_named(num_children: int, num_channels: int) -> Iterator[None]:
    """Say for which limit an :class:`OSError` inside was raised, as one of that kind."""
    try:
        yield
    except OSError as error:
        limit = _LIMITS.get(error.errno or 0)
        if limit is None:
            raise
        raise OSError(
            error.errno,
            f"{os.strerror(error.errno or 0)}: a network of {num_children} operating-system "
            f"processes and {num_channels} channels needs more than is left of {limit}",
        ) from error
