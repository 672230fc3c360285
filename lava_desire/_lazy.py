"""Names of a package that load on first use."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazily(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package whose names stand in other modules.

    Where they stand is said by the imports below ``if TYPE_CHECKING`` in its source, for type
    checkers and here. Of `lava_desire` itself these modules are names as well.
    """
    spec: Any = sys.modules[package].__spec__
    tree = ast.parse(spec.loader.get_source(package))
    imports = [each for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)]
    modules = {name.name: str(each.module) for each in imports for name in each.names}

    def load(name: str) -> Any:
        if package == __package__ and f"{package}.{name}" in modules.values():
            return import_module(f"{package}.{name}")
        if name not in sys.modules[package].__all__:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(modules[name]), name)

    return load, lambda: sorted(sys.modules[package].__all__)
