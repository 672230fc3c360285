"""What is mended in Lava 0.10.0, module by module, each with its reason.

Lava was made for Python 3.10 and NumPy 1; nothing of it is changed but what stands here.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from lava_desire.lava_runtime.discovery import find_models
from lava_desire.lava_runtime.mending import Mend

_VAR_MODEL = "lava.magma.compiler.var_model"


@contextmanager
def start_method_may_be_set() -> Iterator[None]:
    """Ignore that a module sets the start method of multiprocessing where it is set already."""
    ask = multiprocessing.set_start_method
    if multiprocessing.get_start_method(allow_none=True) is not None:
        multiprocessing.set_start_method = lambda *_, **__: None
    try:
        yield
    finally:
        multiprocessing.set_start_method = ask


@contextmanager
def unhashable_defaults_allowed(module_name: str) -> Iterator[None]:
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


def _give_decorator_back(module: ModuleType) -> None:
    # The module keeps the name it imported.
    vars(module)["dataclass"] = dataclasses.dataclass


def _reshape(array: Any, shape: Any) -> Any:
    return np.reshape(array, shape)


def _reshape_by_position(module: ModuleType) -> None:
    def forward(self: Any) -> Any:
        """Return what gives incoming data the new shape."""
        return functools.partial(_reshape, shape=self.shape)

    def backward(self: Any) -> Any:
        """Return what gives incoming data the old shape."""
        return functools.partial(_reshape, shape=self.old_shape)

    port: Any = vars(module)["ReshapePort"]
    port.get_transform_func_fwd, port.get_transform_func_bwd = forward, backward


def _search_without_running(module: ModuleType) -> None:
    graphs: Any = vars(module)["ProcGroupDiGraphs"]
    graphs._find_proc_models = staticmethod(find_models)


MENDS = (
    Mend(
        _VAR_MODEL,
        "Three dataclasses have a field whose default is an instance of another dataclass, which "
        "has no hash; from Python 3.11 on dataclasses refuse such a default. Each object gets a "
        "copy of its own.",
        needed=sys.version_info >= (3, 11),
        around=lambda: unhashable_defaults_allowed(_VAR_MODEL),
        after=_give_decorator_back,
    ),
    Mend(
        "lava.magma.runtime.message_infrastructure.multiprocessing",
        "It sets the start method of multiprocessing, which is an error once anything has used "
        "multiprocessing. Where a method is set, it stays.",
        around=start_method_may_be_set,
    ),
    Mend(
        "lava.magma.core.process.ports.ports",
        "Ports that are reshaped or flattened call numpy.reshape(newshape=...), deprecated in "
        "NumPy 2.1 and gone in 2.5.",
        needed=np.lib.NumpyVersion(np.__version__) >= "2.1.0",
        after=_reshape_by_position,
    ),
    Mend(
        "lava.magma.compiler.compiler_graphs",
        "To find the models of a process it runs every file beside it, a script without a "
        "__main__ guard as well, which starts its network again, without end.",
        after=_search_without_running,
    ),
)
"""Every mend."""
