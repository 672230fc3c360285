"""The commands that pages name are read as they stand, and those of results make what is there."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
import typer.main

from lava_desire import DesireConfig
from lava_desire.analysis.catalogue import EXPERIMENTS, PROTOCOLS, TEST
from lava_desire.cli import _gather_layers, app
from lava_desire.cli.fields import given_fields
from lava_desire.cli.reproduce import _NAMES
from lava_desire.strict_json import parse_json

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
PAGES = [ROOT / "README.md", RESULTS / "README.md"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
KEPT = sorted(path.parts[-3:-1] for path in RESULTS.glob("*/seed-*/config.json"))
MADE_BY = dict(re.findall(r"`([\w/.-]+)/`[:,] `(lava-desire [^`]+)`", PAGES[1].read_text("utf-8")))


def commands_of(text):
    """Return the commands of a page: in blocks, and in quotes, broken over lines too."""
    lines = "".join(block for kind, block in BLOCK.findall(text) if kind in ("", "sh")).splitlines()
    lines += re.findall(r"`(lava-desire [^`]+)`", BLOCK.sub("", text))
    return [line for line in lines if line.startswith("lava-desire ")]


def parsed(line):
    """Return the name of a command and its parameters."""
    _, name, *arguments = shlex.split(line, comments=True)
    command = typer.main.get_command(app).commands[name].load()
    return name, command.make_context(name, _gather_layers(arguments)).params


@pytest.mark.parametrize("page", PAGES, ids=["readme", "results"])
def test_every_command_is_read(page):
    found = [parsed(line) for line in commands_of(page.read_text("utf-8"))]
    assert len(found) > 10
    for given in (given for name, given in found if name == "reproduce"):
        assert given["experiment"] in _NAMES
        assert given["protocol"] in (None, *PROTOCOLS)


@pytest.mark.parametrize(("folder", "seed"), KEPT)
def test_a_run_that_is_kept_is_made_by_the_command_beside_it(folder, seed):
    assert folder in MADE_BY, "expected `FOLDER/`: `lava-desire ...` in results/README.md"
    name, given = parsed(MADE_BY[folder])
    number = int(seed.removeprefix("seed-"))
    seeds = given["seed"] if name == "reproduce" else given["seeds"] or given["seed"]
    assert str(number) in str(seeds or 0).split(",")
    recipe = EXPERIMENTS[given["experiment"]] if name == "reproduce" else None
    preset = given["preset"] or (recipe.preset if recipe else given["dataset"])
    changes = dict(recipe.changes) if recipe else {}
    names = {each.name for each in fields(DesireConfig)}
    changes |= given_fields({name: value for name, value in given.items() if name in names})
    config = DesireConfig.preset(preset).replace(**{**changes, "seed": number})
    kept = DesireConfig.from_file(RESULTS / folder / seed / "config.json")
    assert config.replace(epochs=kept.epochs) == kept  # one was to be longer, and stopped
    if recipe:
        result = parse_json((RESULTS / folder / "result.json").read_bytes())
        protocol = given["protocol"] or recipe.protocol
        assert result.get("protocol", TEST) == protocol
        plain = given["experiment"] + ("" if protocol == TEST else f"-{protocol}")
        assert (given["output"] or f"results/{plain}") == f"results/{folder}"
