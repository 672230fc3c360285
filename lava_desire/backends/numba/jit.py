"""Compiling with numba, also where nothing that is compiled can be kept."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numba


def njit(**options: Any) -> Callable[..., Any]:
    """Return :func:`numba.njit` with options; without its cache where no folder can be written.

    numba keeps what it compiles in ``NUMBA_CACHE_DIR``, beside the sources, or in the user's own
    cache folder, whichever can be written first, and raises RuntimeError where none can.
    """

    def compile_lazily(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:
            warnings.warn(
                "neither the package nor the user's cache folder can be written: kernels are "
                "compiled anew in every process, for some 15 s; expected NUMBA_CACHE_DIR to be a "
                "folder that can",
                RuntimeWarning,
                stacklevel=1,
            )
            return numba.njit(**options)(function)

    return compile_lazily
