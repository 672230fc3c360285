"""``lava-desire info``: of this machine, without the configuration, or of a trained network."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer

from lava_desire.cli import machine
from lava_desire.cli.printing import say

Devices = Annotated[
    bool, typer.Option("--devices", help="Also ask torch, which takes seconds: threads, ranks.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def _places(incomplete: str) -> list[str]:
    from lava_desire.cli.fields import places  # which imports the configuration

    return places(incomplete)


def of_machine(devices: Devices = False, json_: Json = False) -> None:
    """Say what this machine offers."""
    facts = machine.facts(devices)
    if json_:
        print(json.dumps(facts))
        return
    _show(facts)


def info(
    place: Annotated[
        str | None,
        typer.Argument(
            help="A checkpoint, or a run folder (its best); else this machine.",
            autocompletion=_places,
        ),
    ] = None,
    devices: Devices = False,
    card: Annotated[
        str | None,
        typer.Option(help="Write a model card, as Hugging Face's hub reads it: a .md file."),
    ] = None,
    json_: Json = False,
) -> None:
    """Say what this machine offers, or what a trained network is and was trained on."""
    if place is not None:
        if devices:
            raise ValueError(f"--devices is given beside {place}: expected one of the two")
        _info_of(place, card, json_)
        return
    if card is not None:
        raise ValueError(f"--card {card} is given: expected a checkpoint or a run folder beside it")
    of_machine(devices, json_)


def _info_of(place: str, card: str | None, as_json: bool) -> None:
    from lava_desire.cli.run import check_output, trained_file
    from lava_desire.cli.run_data import read_notes
    from lava_desire.files import write_atomically
    from lava_desire.training.history import RUN

    path = trained_file(place)
    written = None if card is None else check_output("--card", card, (".md",), path)

    from lava_desire import card as cards
    from lava_desire.checkpoint import read_checkpoint

    checkpoint, notes = read_checkpoint(path), path.parent / RUN
    run = read_notes(notes).fields if os.path.lexists(notes) else {}
    if written is not None:
        name = path.parent.resolve().name if run else path.stem
        write_atomically(written, cards.as_markdown(checkpoint, name, run).encode())
    if as_json:
        values: dict[str, Any] = {"checkpoint": str(path), "card": checkpoint.card}
        values |= {"config": checkpoint.config.to_dict(), "classes": checkpoint.class_names}
        print(json.dumps(values | {"arithmetic": checkpoint.arithmetic, "run": run}))
        return
    _show({"checkpoint": str(path), **cards.facts(checkpoint, run)})
    if not checkpoint.card:
        say("no card: not trained by fit, or before there were cards")


def _show(facts: dict[str, Any]) -> None:
    for name, value in facts.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        say(f"{name:18} {shown or 'none'}")
