"""Names of a package that load on first use."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dis import get_instructions
from importlib import import_module
from typing import Any


def lazily(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package whose names stand in other modules.

    Where they stand is said by the imports below ``if TYPE_CHECKING``, for type checkers and
    here: they are read from the compiled code, which is there without its source as well. Of
    `lava_desire` itself these modules are names too.
    """
    spec: Any = sys.modules[package].__spec__
    modules: dict[str, str] = {}
    for each in get_instructions(spec.loader.get_code(package)):
        if each.opname == "IMPORT_NAME":
            module = each.argval
        elif each.opname == "IMPORT_FROM":
            modules[each.argval] = module

    def load(name: str) -> Any:
        if package == __package__ and f"{package}.{name}" in modules.values():
            return import_module(f"{package}.{name}")
        if name not in sys.modules[package].__all__:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(modules[name]), name)

    return load, lambda: sorted(sys.modules[package].__all__)
