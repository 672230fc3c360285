"""The command line's help as a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
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


class Commands(Directive):
    """One section a command: what it does, and its options."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        return [
            self._section(name, command)
            for name, command in get_command(command_line).commands.items()
            if not command.hidden
        ]

    def _section(self, name: str, command: Any) -> nodes.Node:
        section = nodes.section(ids=[f"lava-desire-{name}"])
        section += nodes.title("", f"lava-desire {name}")
        for paragraph in (command.help or "").replace("\b", "").split("\n\n"):
            section += nodes.paragraph("", paragraph.strip())
        options = nodes.option_list()
        for names, meaning in _options(command):
            item = nodes.option_list_item()
            item += nodes.option_group("", nodes.option("", nodes.option_string(names, names)))
            item += nodes.description("", nodes.paragraph("", meaning))
            options += item
        if len(options):
            section += options
        return section


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
