"""Names of a package that load on first use."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazily(
    package: str, homes: dict[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package whose names stand in other modules.

    `homes` holds, for each module below `lava_desire`, the names that it has, with spaces between.
    Of `lava_desire` itself these modules are names as well.
    """
    modules = {name: module for module, names in homes.items() for name in names.split()}

    def load(name: str) -> Any:
        if name in homes and package == __package__:
            return import_module(f"{package}.{name}")
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"lava_desire.{modules[name]}"), name)

    return load, lambda: sorted(sys.modules[package].__all__)
