"""Code in pages: a function without its docstring, and names that are checked to exist."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes

ROOT = Path(__file__).parents[2]


def find(path: Path, name: str) -> ast.AST:
    """Return the definition of a dotted name in a Python file.

    Raises
    ------
    ValueError
        If it is not there.
    """
    scope: Any = ast.parse(path.read_text("utf-8"))
    for part in name.split("."):
        inner = [node for node in scope.body if getattr(node, "name", None) == part]
        if not inner:
            raise ValueError(f"{path.relative_to(ROOT)} defines no {name}")
        scope = inner[-1]
    return scope


def body_of(path: Path, name: str) -> str:
    """Return the source of a function without its docstring."""
    function: Any = find(path, name)
    lines = path.read_text("utf-8").splitlines()
    docstring = function.body[0]
    signature = lines[function.lineno - 1 : docstring.lineno - 1]
    code = lines[docstring.end_lineno : function.end_lineno]
    indent = " " * function.col_offset
    return "\n".join(line.removeprefix(indent) for line in [*signature, *code])


class Code(Directive):
    """Functions, without docstrings: `path name`, one a line."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return one block of code."""
        blocks = []
        for line in self.content:
            path, name = line.split()
            self.state.document.settings.env.note_dependency(str(ROOT / path))
            blocks.append(body_of(ROOT / path, name))
        code = "\n\n\n".join(blocks)
        return [nodes.literal_block(code, code, language="python", classes=["code-of"])]


def _place(
    role: str, rawtext: str, text: str, lineno: int, inliner: Any, *_: Any
) -> tuple[list[nodes.Node], list[Any]]:
    # `lava_desire/backends/numba/scan.py: scan_layer`, linked to the file
    path, _, name = (part.strip() for part in text.partition(":"))
    try:
        if name:
            find(ROOT / path, name)
        elif not (ROOT / path).exists():
            raise ValueError(f"there is no {path}")
    except (OSError, ValueError) as error:
        message = inliner.reporter.warning(str(error), line=lineno)
        return [inliner.problematic(rawtext, rawtext, message)], [message]
    shown = f"{Path(path).relative_to('lava_desire')}" + (f": {name}" if name else "")
    link = addnodes.download_reference(
        reftarget=f"/../{path}", refdoc=inliner.document.settings.env.docname
    )
    link += nodes.literal(shown, shown)
    return [link], []


def _as_written(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    # |x| is an absolute value in our docstrings, and to reStructuredText a substitution.
    lines[:] = [line.replace("|", "\\|") if "``" not in line else line for line in lines]


def _ports(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    # `s_in : (N,) bool, presynaptic spikes.` is all description, not a type.
    told: list[str] = []
    section = ""
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if below.startswith("---"):
            section = line
        head, colon, rest = line.partition(" : ")
        if section in ("Ports", "Vars") and colon and not head.startswith(" "):
            told += [head, f"    {rest}"]
        else:
            told.append(line)
    lines[:] = told


def _signature(
    app: Any, what: str, name: str, obj: Any, options: Any, arguments: str | None, returned: Any
) -> tuple[str, Any] | None:
    # A __new__ that passes everything on, or Lava's metaclass, hides what a class takes.
    if what == "class" and arguments and re.search(r"\*(_|args)\b", arguments):
        taken = inspect.signature(obj.__init__)
        without = [p.replace(annotation=p.empty) for p in list(taken.parameters.values())[1:]]
        return str(inspect.Signature(without)), returned
    return None


def _home(app: Any, module: str, name: str) -> str | None:
    """Return the module of the source of a class's attribute, where its value is a class.

    Sphinx would take the module of that class, and link it as if it were described here.
    """
    owner, *inner = name.split(".")
    value = found = getattr(import_module(module), owner, None)
    for part in inner:
        value = getattr(value, part, None)
    is_inner = inner and isinstance(found, type) and isinstance(value, type)
    return found.__module__ if is_inner else None


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_directive("code-of", Code)
    app.add_role("place", _place)
    app.connect("autodoc-process-docstring", _ports, priority=400)
    app.connect("autodoc-process-docstring", _as_written, priority=800)
    app.connect("autodoc-process-signature", _signature)
    app.connect("viewcode-follow-imported", _home)
    return {"parallel_read_safe": True}
