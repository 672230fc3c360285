"""Lets Lava 0.10.0, which declares Python 3.10 only, import on Python 3.11 and 3.12.

Its one obstacle is the module ``lava.magma.compiler.var_model``: three dataclasses there have a
field whose default is an instance of another dataclass, which has no hash, and from Python 3.11 on
``dataclasses`` refuses such a default. While that one module is imported, the decorator it finds
turns these defaults into factories; afterwards everything is as it was. On Python 3.10 nothing is
touched.
"""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

LAVA_VERSION = "0.10.0"
"""The release of Lava that the processes are written for and tested with."""

INSTALL_COMMAND = (
    'pip install "numpy<2" scipy "networkx<=2.8.7" "asteval<0.10" scikit-learn && '
    f"pip install --no-deps --ignore-requires-python lava-nc=={LAVA_VERSION}"
)
"""What installs Lava on every supported Python."""

_OBSTACLE = "lava.magma.compiler.var_model"


def import_lava() -> None:
    """Import Lava, past its obstacle where there is one.

    Raises
    ------
    ImportError
        If Lava is not installed; the message holds the command that installs it.
    """
    try:
        importlib.import_module("lava.magma")
        if sys.version_info >= (3, 11) and _OBSTACLE not in sys.modules:
            with _unhashable_defaults_allowed(_OBSTACLE):
                module = importlib.import_module(_OBSTACLE)
            # The module keeps the name it imported; hand it the real decorator.
            vars(module)["dataclass"] = dataclasses.dataclass
        importlib.import_module(_OBSTACLE)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "lava":
            raise
        raise ImportError(f"Lava is not installed; run: {INSTALL_COMMAND}") from None


@contextmanager
def _unhashable_defaults_allowed(module_name: str) -> Iterator[None]:
    """Replace ``dataclasses.dataclass`` by one that is lenient with the classes of one module."""
    strict = dataclasses.dataclass
    dataclasses.dataclass = _lenient(strict, module_name)
    try:
        yield
    finally:
        dataclasses.dataclass = strict


def _lenient(strict: Callable[..., Any], module_name: str) -> Callable[..., Any]:
    def dataclass(cls: type | None = None, /, **options: Any) -> Any:
        if cls is None:
            return lambda decorated: dataclass(decorated, **options)
        if cls.__module__ == module_name:
            for name in inspect.get_annotations(cls):
                default = cls.__dict__.get(name)
                if dataclasses.is_dataclass(default) and type(default).__hash__ is None:
                    setattr(cls, name, dataclasses.field(default_factory=_copier(default)))
        return strict(cls, **options)

    return dataclass


def _copier(default: Any) -> Callable[[], Any]:
    return lambda: copy.copy(default)
