"""Lets Lava 0.10.0, which declares Python 3.10 only, import on Python 3.11 and 3.12.

Its one obstacle there is the module ``lava.magma.compiler.var_model``: three dataclasses in it have
a field whose default is an instance of another dataclass, which has no hash, and from Python 3.11
on ``dataclasses`` refuses such a default. While that one module is imported, the decorator it finds
turns these defaults into factories; afterwards everything is as it was. On Python 3.10 no decorator
is touched.

On every Python, Lava cannot be imported once multiprocessing has been used, because it sets the
start method; where that is fork already, this is let pass.
"""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import multiprocessing
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
_FORKS = "lava.magma.runtime.message_infrastructure.multiprocessing"


def import_lava() -> None:
    """Import Lava, past its obstacles where there are any.

    Raises
    ------
    ImportError
        If Lava is not installed; the message holds the command that installs it. If the start
        method of multiprocessing has been set to another than fork.
    """
    try:
        with _start_method_may_be_set():
            importlib.import_module("lava.magma")
            if sys.version_info >= (3, 11) and _OBSTACLE not in sys.modules:
                with _unhashable_defaults_allowed(_OBSTACLE):
                    module = importlib.import_module(_OBSTACLE)
                # The module keeps the name it imported; hand it the real decorator.
                vars(module)["dataclass"] = dataclasses.dataclass
            importlib.import_module(_OBSTACLE)
            importlib.import_module(_FORKS)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "lava":
            raise
        raise ImportError(f"Lava is not installed; run: {INSTALL_COMMAND}") from None


@contextmanager
def _start_method_may_be_set() -> Iterator[None]:
    """Ignore that Lava sets the start method to fork where it is fork already.

    Any use of multiprocessing, a torch DataLoader with workers for one, sets it for good, and
    setting it again is an error.
    """
    method = multiprocessing.get_start_method(allow_none=True)
    if method is None or _FORKS in sys.modules:
        yield
        return
    if method != "fork":
        raise ImportError(
            f"Lava forks its processes, and multiprocessing is set to {method!r} in this program: "
            "call multiprocessing.set_start_method('fork', force=True) before the import"
        )
    ask = multiprocessing.set_start_method
    multiprocessing.set_start_method = lambda *_, **__: None
    try:
        yield
    finally:
        multiprocessing.set_start_method = ask


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
