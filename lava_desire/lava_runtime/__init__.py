"""Lava, carried: imports on every supported Python, and a runtime whose runs end and say why.

Imports Lava, NumPy and greenlet only and knows nothing of desire: any Lava program may use it.
Names load on first use, since :mod:`lava_desire.lava_runtime.compat` must run before Lava is
imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lava_desire.lava_runtime.compat import import_lava
    from lava_desire.lava_runtime.errors import HangError, ProcessError
    from lava_desire.lava_runtime.modes import install, stepping, uninstall

__all__ = ["HangError", "ProcessError", "import_lava", "install", "stepping", "uninstall"]

_HOMES = {
    "HangError": "errors",
    "ProcessError": "errors",
    "import_lava": "compat",
    "install": "modes",
    "stepping": "modes",
    "uninstall": "modes",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    compat = import_module("lava_desire.lava_runtime.compat")
    if name != "import_lava":
        compat.import_lava()
    return getattr(import_module(f"lava_desire.lava_runtime.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
