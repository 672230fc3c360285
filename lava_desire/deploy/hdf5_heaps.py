"""The heaps of an HDF5 file, looked through before the HDF5 library walks them.

Texts of variable length lie in global heaps, "GCOL", whose objects follow on each other by the
sizes that they state. The library trusts those: over an object of size zero it stays for ever (seen
with HDF5 2.0.0, one byte of a file changed), and no signal or time limit of Python's reaches it.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAP = b"GCOL\x01\0\0\0"
_WORD = 8  # bytes of an offset and of a length, as the library writes them by default
_OBJECT_HEADER = 16


def check_heaps(path: Path, max_bytes: int) -> None:
    """Refuse an HDF5 file whose heaps cannot be walked.

    Parameters
    ----------
    path : Path
        The file.
    max_bytes : int
        Largest file that is looked through.

    Raises
    ------
    ValueError
        If the file is no HDF5 file as the library writes it, is larger, or has a heap whose objects
        do not lead to its end.
    OSError
        If it cannot be read.
    """
    size = path.stat().st_size
    if size > max_bytes:
        raise ValueError(f"it has {size} bytes: expected at most {max_bytes}")
    with path.open("rb") as file:
        start = file.read(16)
        if start[:8] != _SIGNATURE or len(start) < 16:
            raise ValueError("it does not begin as an HDF5 file does")
        # Where the sizes of words stand depends on the version of the first block.
        words = start[13:15] if start[8] < 2 else start[9:11]
        if tuple(words) != (_WORD, _WORD):
            raise ValueError(f"its offsets and lengths have {tuple(words)} bytes: expected 8")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            place = content.find(_HEAP)
            while place >= 0:
                _walk(content, place)
                place = content.find(_HEAP, place + 1)


def _walk(content: mmap.mmap, heap: int) -> None:
    """Go from object to object as the library does, and see whether that comes to an end."""
    if heap + _OBJECT_HEADER > len(content):
        raise ValueError(f"the heap at {heap} ends within its header")
    end = heap + struct.unpack_from("<Q", content, heap + 8)[0]
    if end > len(content):
        raise ValueError(f"the heap at {heap} ends behind the file")
    place = heap + _OBJECT_HEADER
    while place + _OBJECT_HEADER <= end:
        index, _, size = struct.unpack_from("<HHxxxxQ", content, place)
        # The free space, which has no index, counts its own header; objects fill whole words.
        step = size if index == 0 else _OBJECT_HEADER + -(-size // _WORD) * _WORD
        if step < _OBJECT_HEADER or place + step > end:
            raise ValueError(
                f"an object of the heap at {heap} states {size} bytes: expected those up to the "
                "next, within the heap"
            )
        place += step
