"""A number of threads that work together, for a while, whatever else the machine has to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch

from lava_desire.backends.numba.threads import _Load


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with patch.object(_Load, "is_high", return_value=False):
            yield
    finally:
        torch.set_num_threads(before)
