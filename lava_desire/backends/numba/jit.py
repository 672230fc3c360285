"""Compiling with numba, also where nothing that is compiled can be kept, in little memory."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import numba

_ASKS = "numba.np.arraymath"


class _LaterBlas(MetaPathFinder):
    """Lets numba load its functions without ``scipy.linalg``, some 15 MiB.

    One of numba's modules imports it only to learn whether it is there, which it is where SciPy is.
    Functions that multiply matrices ask again when they are compiled, and import it then. One that
    comes from numba's cache does not: SciPy is imported when it is called, and that numba 0.68.1
    refuses a SciPy whose BLAS takes integers of another width than its own is not known to it.
    """

    def find_spec(self, name: str, *_: Any) -> None:
        """Answer for numba, once, when the module that asks is about to be loaded."""
        linalg: Any = sys.modules.get("numba.np.linalg")
        ensure_blas = getattr(linalg, "ensure_blas", None)
        if name != _ASKS or sys.modules.get("scipy") is None or ensure_blas is None:
            return
        if ensure_blas.__module__ == __name__:  # asked by who has only looked for the module
            return

        def is_there() -> None:
            linalg.ensure_blas = ensure_blas
            if self in sys.meta_path:
                sys.meta_path.remove(self)

        linalg.ensure_blas = is_there


if _ASKS not in sys.modules:
    sys.meta_path.insert(0, _LaterBlas())


def sources() -> list[Path]:
    """Return the files that kernels, what they call, and their constants stand in."""
    package = Path(__file__).parents[2]
    folders = (package / name for name in ("backends", "model"))
    return sorted(file for folder in folders for file in folder.rglob("*.py"))


def _stamp() -> list[tuple[int, int]]:
    """Return when the sources were written, and their sizes."""
    return [(about.st_mtime_ns, about.st_size) for about in map(Path.stat, sources())]


STAMP = _stamp()


def njit(**options: Any) -> Callable[..., Any]:
    """Return :func:`numba.njit` with options; without its cache where no folder can be written.

    numba keeps what it compiles in ``NUMBA_CACHE_DIR``, beside the sources, or in the user's own
    cache folder, whichever can be written first, and raises RuntimeError where none can. It
    compiles a function anew when the function's own file has changed; ours is so also when a file
    has that holds what it calls, which the cache would go on to hold as it was.
    """

    def compile_lazily(function: Callable[..., Any]) -> Any:
        try:
            compiled = numba.njit(cache=True, **options)(function)
        except RuntimeError:
            warnings.warn(
                "neither the package nor the user's cache folder can be written: kernels are "
                "compiled anew in every process, for some 15 s; expected NUMBA_CACHE_DIR to be a "
                "folder that can",
                RuntimeWarning,
                stacklevel=1,
            )
            return numba.njit(**options)(function)
        # numba offers no other way; and there is no cache where NUMBA_DISABLE_JIT is set
        file = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
        if file is not None:
            file._source_stamp = file._source_stamp, STAMP
        return compiled

    return compile_lazily
