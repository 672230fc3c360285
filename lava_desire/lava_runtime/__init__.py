"""Lava, carried: imports on every supported Python, and a runtime whose runs end and say why.

Imports Lava, NumPy and greenlet only and knows nothing of desire: any Lava program may use it.
Names load on first use, since :mod:`lava_desire.lava_runtime.compat` must run before Lava is
imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lava_desire._lazy import lazily

if TYPE_CHECKING:
    from lava_desire.lava_runtime.compat import import_lava
    from lava_desire.lava_runtime.errors import HangError, ProcessError
    from lava_desire.lava_runtime.modes import install, stepping, uninstall

__all__ = ["HangError", "ProcessError", "import_lava", "install", "stepping", "uninstall"]

_load, __dir__ = lazily(__name__)


def __getattr__(name: str) -> Any:
    if name in __all__ and name != "import_lava":
        _load("import_lava")()
    return _load(name)
