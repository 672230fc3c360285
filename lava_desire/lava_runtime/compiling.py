"""When the compiled steps of models are there to be used, and who compiles them.

To compile takes seconds, to load what numba's cache holds half a second: neither is done before
networks have run for about as long. What is not in the cache another process compiles meanwhile.
"""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

CHOICES = ("auto", "now", "never")
"""What :func:`~lava_desire.lava_runtime.install` and the environment variable take."""

VARIABLE = "LAVA_DESIRE_LAVA_COMPILED"
"""The environment variable that chooses where a program does not."""

_SECONDS_BEFORE = 1.0
"""How long networks run before kernels are loaded; numba takes about that to be imported."""

_INTERVAL = 0.2
"""Seconds between two looks at the process that compiles."""

_OWN = "lava_desire.lava_runtime.kernels"
_ROOT = Path(__file__).parents[2]
_CHILD = "from lava_desire.lava_runtime.compiling import compile_modules; compile_modules()"

_log = logging.getLogger(__name__)

_choice = "auto"
_seconds = 0.0
_loaded: dict[str, dict[str, Kernel]] = {}
_compilers: dict[str, _Compiler] = {}
_failed: set[str] = set()
"""Modules without which models go on."""


class Kernel(NamedTuple):
    """A compiled function of a table's address and a time step, and where it is."""

    call: Callable[[int, int], int]
    address: int
    code: Any
    """What is freed when nobody has it any more."""


def choose(wanted: str | None) -> None:
    """Choose when compiled steps are used: as given, else as the environment says, else "auto".

    Raises ValueError if there is no such choice.
    """
    global _choice
    source = "compiled"
    if wanted is None:
        wanted, source = os.environ.get(VARIABLE) or "auto", VARIABLE
    if wanted not in CHOICES:
        raise ValueError(f"{source} is {wanted!r}: expected one of {', '.join(CHOICES)}")
    _choice = wanted


def choice() -> str:
    """Return what was chosen for networks that are built now."""
    return _choice


def has_run(seconds: float) -> None:
    """Note how long networks have run that have compiled steps."""
    global _seconds
    _seconds += seconds


def kernels(modules: frozenset[str], chosen: str) -> dict[str, Kernel] | None:
    """Return the kernels of some modules by name; None while there are none.

    Each module has a dict ``KERNELS``; what numba's cache holds is loaded, and with the choice
    "now" what it does not hold is compiled. Where that fails, RuntimeError is raised with "now";
    else a warning is logged once, and there are none.
    """
    if chosen == "auto" and _seconds < _SECONDS_BEFORE:
        return None
    wanted = modules | {_OWN}
    # Of each, so that all begin.
    are_there = [_is_there(module, chosen == "now") for module in wanted]
    if not all(are_there):
        return None
    return {name: kernel for module in wanted for name, kernel in _loaded[module].items()}


def why_none(modules: frozenset[str], chosen: str) -> str:
    """Return why there are no kernels, where :func:`kernels` returned None."""
    failed = sorted(_failed & (modules | {_OWN}))
    if find_spec("numba") is None:
        return "numba is not installed"
    if failed:
        return f"the kernels of {failed[0]} could not be compiled: the log says why"
    if chosen == "auto" and _seconds < _SECONDS_BEFORE:
        return (
            f"kernels are loaded once networks have run for {_SECONDS_BEFORE:g} s; compiled='now' "
            "loads them at once"
        )
    return "another process still compiles the kernels; compiled='now' waits for them"


def _is_there(module: str, at_once: bool) -> bool:
    """Load a module's kernels, if that can be done now; return whether they are loaded."""
    if module in _loaded:
        return True
    if not at_once and module in _failed:
        return False
    try:
        if at_once or _can_be_loaded(module):
            _loaded[module] = _compiled(module)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        if at_once:
            raise RuntimeError(
                f"compiled='now' (or {VARIABLE}): the kernels of {module} could not be compiled, "
                f"which needs numba ({what}); 'auto' and 'never' go on without"
            ) from error
        _failed.add(module)
        _log.warning(
            "the kernels of %s could not be compiled and kept, and models go on without (%s); "
            "compiled='now' compiles them in this process, and says what is wrong",
            module,
            what,
        )
    return module in _loaded


def _can_be_loaded(module: str) -> bool:
    """Tell whether numba's cache holds a module's kernels; if not, another process compiles."""
    if find_spec("numba") is None:
        _failed.add(module)  # numba is optional, and not to be looked for in every step
        return False
    if module not in _compilers:
        if _is_cached(module):
            return True
        _compilers[module] = _Compiler(module)
    return _compilers[module].is_done()


class _Compiler:
    """Another process that compiles the kernels of a module, into numba's cache."""

    def __init__(self, module: str) -> None:
        paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self._module = module
        self._looked = time.monotonic()
        self._child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, module],
            env={**environment, "PYTHONSAFEPATH": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for who runs a network
        )

    def is_done(self) -> bool:
        """Tell whether it has left the kernels in the cache, looking once in a while.

        Raises RuntimeError if it has ended and has not.
        """
        now = time.monotonic()
        if now - self._looked < _INTERVAL:
            return False
        self._looked = now
        if self._child.poll() is None:
            return False
        if not _is_cached(self._module):
            raise RuntimeError(f"the process that compiles ended with {self._child.returncode}")
        return True


def compile_modules() -> None:
    """Compile the kernels of the modules named on the command line, into numba's cache."""
    for module in sys.argv[1:]:
        _compiled(module)


def _signature() -> Any:
    from numba import types
    from numba.core.typing import signature

    return signature(types.int64, types.CPointer(types.int64), types.int64)


def _is_cached(module: str) -> bool:
    """Tell whether numba's cache holds all kernels of a module."""
    from numba.core.caching import FunctionCache
    from numba.core.registry import cpu_target

    codegen = cpu_target.target_context.codegen()
    for function in import_module(module).KERNELS.values():
        try:
            cache = FunctionCache(function)
            # numba offers no other way to ask without loading it.
            name = cache._cache_file._load_index().get(cache._index_key(_signature(), codegen))
            if name is None or not os.path.exists(cache._cache_file._data_path(name)):
                return False
        except (AttributeError, RuntimeError):  # another numba; or no folder can be written
            return False
    return True


def _compiled(module: str) -> dict[str, Kernel]:
    """Return the kernels of a module by name, from the cache or compiled."""
    from numba import cfunc

    made = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)
    loaded = {}
    for name, function in import_module(module).KERNELS.items():
        try:
            kernel = cfunc(_signature(), cache=True)(function)
        except RuntimeError:  # no folder can be written
            kernel = cfunc(_signature())(function)
        loaded[name] = Kernel(made(kernel.address), kernel.address, kernel)
    return loaded
