"""What the engine raises and warns of. It imports no torch, so that a command line can be quick."""

from __future__ import annotations

import sys
from typing import Any

# torch's allocator of ordinary memory has no exception of its own.
_ALLOCATOR_SAYS = ("can't allocate memory", "not enough memory")


class DamagedCheckpointWarning(UserWarning):
    """The latest checkpoint cannot be used, and the one before it is taken."""


class DeviceMemoryError(MemoryError):
    """The device has no memory left for what was asked of it; the message says what to lower."""


class NotFiniteError(ValueError):
    """Weights, or the potentials that they lead to, are NaN or infinite."""


class RangeWarning(UserWarning):
    """Integers become larger than some chip holds, or a number is too small for their grid."""


class RankError(RuntimeError):
    """Another rank has failed, or can no longer be reached.

    Parameters
    ----------
    message : str
        What it said, or what was noticed.
    rank : int or None
        The rank that has said so; None where one went without a word.
    """

    def __init__(self, message: str, rank: int | None = None) -> None:
        super().__init__(message)
        self.rank = rank


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception means that memory ran out, whichever library raised it."""
    torch: Any = sys.modules.get("torch")  # an exception of torch's is raised where torch is
    kinds = (MemoryError,) if torch is None else (MemoryError, torch.OutOfMemoryError)
    if isinstance(error, kinds):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and any(words in said for words in _ALLOCATOR_SAYS)
