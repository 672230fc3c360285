"""``lava-desire info``: without the configuration, so that it is answered at once."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from lava_desire.cli import machine
from lava_desire.cli.printing import say


def info(
    devices: Annotated[
        bool, typer.Option("--devices", help="Also ask torch, which takes seconds: threads, ranks.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False,
) -> None:
    """Say what this machine offers: devices, precision, versions, Lava."""
    facts = machine.facts(devices)
    if json_:
        print(json.dumps(facts))
        return
    for name, value in facts.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        say(f"{name:18} {shown or 'none'}")
