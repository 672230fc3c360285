"""What may be added to the paper's rule, one file an option; a file in this folder is enough."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from lava_desire.model.option import Option


def found() -> list[type[Option]]:
    """Import every file of this folder, and return the options that they define."""
    modules = [import_module(f"{__name__}.{file.name}") for file in pkgutil.iter_modules(__path__)]
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Option)
        and value.__module__ == module.__name__
    ]
