"""Finds the models of a process without running anybody's script.

Lava looks for them in the module of the process and in the files beside it, and to look into a file
it runs it, whether it has been imported or not. A script that lies beside a process and has no
``__main__`` guard so runs again, starts its network again, looks for models again, without end.

Here a file that is in memory already, the script that is being run included, is looked into as it
is there. Another is imported, once and under its own name, if its text may hold a model of the
process. A file that starts a network while it is imported for that is named in an error.
"""

from __future__ import annotations

import ast
import os
import pkgutil
import sys
import threading
import tokenize
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class UnguardedScriptError(RuntimeError):
    """A file that was imported to look for models runs a network itself."""


class _Importing(threading.local):
    """The files that are imported to look for models, in this thread."""

    def __init__(self) -> None:
        self.paths: list[str] = []


_importing = _Importing()


def find_models(proc: Any) -> list[type]:
    """Return the model classes of a process, those of its own module first.

    They are in its module and in the files beside it, and in those of every folder of its package,
    if that is spread over several. Raises UnguardedScriptError if a file that is imported to look
    into it runs a network, NoProcessModelFound if there is none.
    """
    from lava.magma.compiler.exceptions import NoProcessModelFound

    if _importing.paths:
        raise UnguardedScriptError(
            f"{_importing.paths[-1]} runs a network when it is imported, and it was imported to "
            "look for models, as each file beside that of a process is: put what it runs under "
            "if __name__ == '__main__':, or move it to another folder"
        )
    kind = type(proc)
    home = sys.modules[kind.__module__]
    models = _models_in(home, kind)
    files = _files_beside(home)
    loaded = _loaded(files)
    for path, name in files.items():
        for module in loaded.get(path) or _imported(path, name, home):
            models += [model for model in _models_in(module, kind) if model not in models]
    if not models:
        raise NoProcessModelFound(proc)
    return models


def _models_in(module: ModuleType, kind: type) -> list[type]:
    from lava.magma.core.model.model import AbstractProcessModel

    return [
        each
        for each in list(vars(module).values())
        if isinstance(each, type)
        and each.__module__ == module.__name__
        and issubclass(each, AbstractProcessModel)
        and getattr(each, "implements_process", None) is kind
    ]


def _files_beside(home: ModuleType) -> dict[str, str]:
    """Return paths and full names of the files of Python beside a module; none in a notebook."""
    file, package = getattr(home, "__file__", None), _package_of(home)
    if file is None:
        return {}
    folders = [os.path.dirname(file)]
    if package:
        folders += import_module(package).__path__
    return {
        path: f"{package}.{info.name}" if package else info.name
        for folder in dict.fromkeys(map(os.path.abspath, folders))
        for info in pkgutil.iter_modules([folder])
        if not info.ispkg and os.path.isfile(path := os.path.join(folder, info.name + ".py"))
    }


def _package_of(module: ModuleType) -> str:
    spec = getattr(module, "__spec__", None)
    return str(spec.parent or "") if spec is not None else ""


def _loaded(files: dict[str, str]) -> dict[str, list[ModuleType]]:
    """Return what is in memory of each of some files, under whatever name."""
    names = {os.path.basename(path) for path in files}
    ends = tuple(names)
    found: dict[str, list[ModuleType]] = {}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        # Ends first: thousands of modules may be in memory, and each process is asked for.
        if isinstance(file, str) and file.endswith(ends) and os.path.basename(file) in names:
            found.setdefault(os.path.abspath(file), []).append(module)
    return found


def _imported(path: str, name: str, home: ModuleType) -> list[ModuleType]:
    """Import a file, if that may be of use."""
    package = _package_of(home)
    root = (package or home.__name__).partition(".")[0]
    changed = (os.stat(path).st_mtime_ns, os.stat(os.path.dirname(path)).st_mtime_ns)
    if name in sys.modules or not _may_hold_models(path, root, bool(package), changed):
        return []
    _importing.paths.append(path)
    try:
        with _script_under_its_name():
            spec = find_spec(name)
            if spec is None or spec.origin is None or os.path.abspath(spec.origin) != path:
                return []
            return [import_module(name)]
    except UnguardedScriptError:
        raise
    except (Exception, SystemExit) as error:
        warnings.warn(
            f"{path}, looked into for models of a process beside it, could not be imported: "
            f"{type(error).__name__}: {error}",
            stacklevel=2,
        )
        return []
    finally:
        _importing.paths.pop()


@contextmanager
def _script_under_its_name() -> Iterator[None]:
    """Let a file import the script that is being run, without running it a second time."""
    script = sys.modules["__main__"]
    spec, file = getattr(script, "__spec__", None), getattr(script, "__file__", None)
    name = spec.name if spec else os.path.splitext(os.path.basename(file))[0] if file else None
    if name is None or name in sys.modules:
        yield
        return
    sys.modules[name] = script
    try:
        yield
    finally:
        del sys.modules[name]


@lru_cache(maxsize=4096)
def _may_hold_models(path: str, root: str, in_package: bool, changed: tuple[int, int]) -> bool:
    """Whether a file's text defines a class that may be a model of a process beside it.

    A model names its process (``@implements``) or is derived from another model of it; either has
    to be imported: from the same package, whose root is given, or from another file beside it. The
    answer holds until file or folder is `changed`.
    """
    try:
        with tokenize.open(path) as file:
            nodes = list(ast.walk(ast.parse(file.read(), path)))
    except (OSError, SyntaxError, ValueError):
        return False
    near = {root}
    if not in_package:
        near |= {info.name for info in pkgutil.iter_modules([os.path.dirname(path)])}
    names = {name for node in nodes for name in _names_imported(node, near)}
    decorators = {"implements"} | {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == "implements"
    }
    return bool(names) and any(
        any(name in ast.unparse(each) for each in node.decorator_list for name in decorators)
        or any("*" in names or _root(each) in names for each in node.bases)
        for node in nodes
        if isinstance(node, ast.ClassDef)
    )


def _names_imported(node: ast.AST, near: set[str]) -> list[str]:
    """Return the names that a statement imports from modules of which `near` are the roots."""
    if isinstance(node, ast.Import):
        given = [alias for alias in node.names if alias.name.partition(".")[0] in near]
        return [alias.asname or alias.name.partition(".")[0] for alias in given]
    if isinstance(node, ast.ImportFrom) and (
        node.level > 0 or (node.module or "").partition(".")[0] in near
    ):
        return [alias.asname or alias.name for alias in node.names]
    return []


def _root(base: ast.expr) -> str:
    return ast.unparse(base).partition(".")[0]
