"""Reads docstrings as the style asks for them, and says what is missing: test_docstrings.py.

ruff's `D` rules see to form. What they do not see is content: that each parameter is there, that an
array has shape and dtype, that what a function raises is named.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import re
import textwrap
import warnings
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from numpydoc.docscrape import NumpyDocString

_ARRAY = re.compile(r"\b(nd)?arrays?\b|\bTensors?\b|\bArray\b|NDArray")
_SHAPE = re.compile(r"\([^()]*,[^()]*\)|any shape|of the shape|weight_shape", re.IGNORECASE)
_DTYPE = re.compile(
    r"\b(bool|u?int(8|16|32|64)?|float(32|64)?|integers?|floats?|dtype|mantissas|0 or 1)\b|\{−1"
)


def entries(text: str, *sections: str) -> dict[str, tuple[str, str]]:
    """Return type and description of each name in these sections of a docstring."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a process has sections Ports and Vars
        parsed = NumpyDocString(text)
    return {
        name.strip().lstrip("*"): (entry.type or entry.name, " ".join(entry.desc))
        for section in sections
        for entry in parsed[section]
        for name in (entry.name or entry.type).split(",")
    }


def public_names(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield what a module offers: ``__all__``, or what it defines itself."""
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    for name in names:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            yield f"{module.__name__}.{name}", value


def faults(name: str, value: Any) -> list[str]:
    """Return what the docstrings of a function, or of a class and its members, lack."""
    if not inspect.isclass(value):
        return [f"{name}: {fault}" for fault in _function_faults(value, value)]
    found = [f"{name}: {fault}" for fault in _class_faults(value)]
    for member, raw in vars(value).items():
        if member.startswith("_"):
            continue
        if isinstance(raw, property | functools.cached_property):
            getter = raw.fget if isinstance(raw, property) else raw.func
            found += [f"{name}.{member}: {fault}" for fault in _property_faults(getter)]
        elif isinstance(raw, classmethod | staticmethod) or inspect.isfunction(raw):
            function = _documented(value, member, getattr(raw, "__func__", raw))
            found += [f"{name}.{member}: {fault}" for fault in _function_faults(function, value)]
    return found


def _documented(cls: type, member: str, function: Any) -> Any:
    """Return the method of a base class to which a docstring sends its readers, or the method."""
    if not (function.__doc__ or "").startswith("See :class:"):
        return function
    bases = [vars(base).get(member) for base in cls.__mro__[1:]]
    return next((getattr(base, "__func__", base) for base in bases if base), function)


def _class_faults(cls: type) -> list[str]:
    text = inspect.getdoc(cls) if "__doc__" in vars(cls) else None
    if not text:
        return ["has no docstring"]
    told = entries(text, "Parameters", "Attributes")
    wanted: list[str] = []
    makers = [vars(cls).get("__init__"), vars(cls).get("__post_init__")]
    if dataclasses.is_dataclass(cls):
        wanted = [field.name for field in dataclasses.fields(cls) if field.name[0] != "_"]
        makers = makers[1:]
    elif getattr(cls, "_is_protocol", False):
        makers = []  # typing's, which refuse to make one
    elif inspect.isfunction(makers[0]):
        wanted = _parameters(makers[0])
    found = [f"parameter {name} is missing" for name in wanted if name not in told]
    found += _array_faults(told)
    for maker in makers:
        if inspect.isfunction(maker):
            found += _raises_faults(maker, cls, text)
    return found


def _property_faults(getter: Any) -> list[str]:
    text = inspect.getdoc(getter)
    if not text:
        return ["has no docstring"]
    return _shape_faults("it", str(getter.__annotations__.get("return", "")), text)


def _function_faults(function: Any, owner: Any) -> list[str]:
    function = inspect.unwrap(function)
    text = inspect.getdoc(function)
    if not text:
        return ["has no docstring"]
    told = entries(text, "Parameters")
    wanted = _parameters(function)
    found = [f"parameter {name} is missing" for name in wanted if name not in told]
    found += _array_faults(told)
    returned = str(inspect.signature(function).return_annotation)
    if returned not in ("None", "NoReturn"):
        # A question without parameters may answer in its one line.
        if answers := entries(text, "Returns"):
            found += _array_faults(answers)
        elif wanted or not re.match(r"Returns? ", text):
            found.append("Returns is missing")
        else:
            found += _shape_faults("it", returned, text)
    return found + _raises_faults(function, owner, text)


def _parameters(function: Any) -> list[str]:
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind in named and name not in ("self", "cls")
    ]


def _array_faults(told: dict[str, tuple[str, str]]) -> list[str]:
    return [
        fault
        for name, (kind, description) in told.items()
        for fault in _shape_faults(name, kind, description)
    ]


def _shape_faults(name: str, kind: str, description: str) -> list[str]:
    if not _ARRAY.search(kind):
        return []
    found = [] if _SHAPE.search(description) else [f"{name} is an array without a shape"]
    return found + ([] if _DTYPE.search(description) else [f"{name} is an array without a dtype"])


def _raises_faults(function: Any, owner: Any, text: str) -> list[str]:
    told = set(entries(text, "Raises"))
    raised = _raised_by(function, owner, set())
    return [f"raises {name} and does not say so" for name in sorted(raised - told)]


def _raised_by(function: Any, owner: Any, seen: set[Any]) -> set[str]:
    """Return exceptions that a function raises, itself or through private helpers beside it."""
    if function in seen:
        return set()
    seen.add(function)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    caught = _caught(tree)
    module = import_module(function.__module__)
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found.add(ast.unparse(node.exc.func).rpartition(".")[2])
        helper: Any = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            helper = vars(module).get(node.func.id) if node.func.id.startswith("_") else None
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            itself = isinstance(node.func.value, ast.Name) and node.func.value.id in ("self", "cls")
            if itself and node.func.attr.startswith("_") and inspect.isclass(owner):
                helper = inspect.getattr_static(owner, node.func.attr, None)
        helper = getattr(helper, "__func__", helper)
        if inspect.isfunction(helper):
            found |= _raised_by(helper, owner, seen)
    return {name for name in found if name not in caught and name[:1].isupper()}


def _caught(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            names |= {ast.unparse(kind) for kind in kinds}
    # One that is caught and raised anew is told as what it was raised as.
    again = {
        ast.unparse(node.exc.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
    }
    return names - again
