"""The command line's help as a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from typer.main import get_command

from lava_desire.cli import app as command_line


def _options(command: Any) -> Iterator[tuple[str, str]]:
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or parameter.name == "help":
            continue
        names = [*parameter.opts, *parameter.secondary_opts]
        if parameter.param_type_name == "argument":
            names = [parameter.name.upper()]
        yield ", ".join(names), (getattr(parameter, "help", None) or "").strip()


def _as_code(text: str) -> str:
    # Two dashes in a sentence would become one.
    return re.sub(r"(?<![\w`-])--[a-z][a-z-]*", r"`\g<0>`", text)


class Commands(Directive):
    """One section a command: what it does, and its options."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        return [
            self._section(name, command.load())
            for name, command in get_command(command_line).commands.items()
            if not command.hidden
        ]

    def _section(self, name: str, command: Any) -> nodes.Node:
        section = nodes.section(ids=[f"lava-desire-{name}"])
        section += nodes.title("", f"lava-desire {name}")
        lines = [*_as_code(command.help or "").replace("\b", "").splitlines(), ""]
        rows = [f"| `{names}` | {_as_code(meaning)} |" for names, meaning in _options(command)]
        if rows:
            lines += ["| option | |", "| :-- | :-- |", *rows]
        self.state.nested_parse(StringList(lines, source=name), 0, section)
        return section


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
