"""``lava-desire config``: what fields are; files of them shown, written, converted and checked."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from lava_desire.cli.fields import Json, completing, option, places
from lava_desire.cli.printing import complain, say
from lava_desire.cli.run import check_choice, config_in, option_of
from lava_desire.config import PRESETS, DesireConfig
from lava_desire.config_files import as_text, did_you_mean, form_of, panels, plain
from lava_desire.model.fields import declared
from lava_desire.model.parts import SAY_LAYERS

ACTIONS = ("explain", "show", "write", "check")
FIELDS = {field.name: field for field in dataclasses.fields(DesireConfig)}


def _names(incomplete: str) -> list[str]:
    fields = [name for name in FIELDS if name.startswith(incomplete)]
    return fields + places(incomplete)


def config(
    action: Annotated[
        str,
        typer.Argument(help=", ".join(ACTIONS) + ".", autocompletion=completing(ACTIONS)),
    ],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="explain: fields. show: a file, a run folder or a checkpoint. write: the new "
            "file, .yaml, .toml or .json. check: files.",
            autocompletion=_names,
        ),
    ] = None,
    preset: Annotated[
        str | None, option("Show or write this preset.", "digits", values=list(PRESETS))
    ] = None,
    source: Annotated[
        str | None,
        option("Write what this file, run folder or checkpoint holds.", True, values=places),
    ] = None,
    form: Annotated[
        str | None,
        option("Show as yaml, toml or json.", "yaml", "--as", values=("yaml", "toml", "json")),
    ] = None,
    force: Annotated[bool, option("Replace a file that is there.", True, "--force")] = False,
    json_: Json = False,
) -> None:
    """Explain the fields of configurations; show, write, convert and check files of them."""
    check_choice("ACTION", action, ACTIONS)
    given = {"preset": preset, "source": source, "as": form, "force": force, "json": json_}
    taken = {"explain": ("json",), "show": ("preset", "as"), "write": ("preset", "source", "force")}
    for name, value in given.items():
        if value and name not in taken.get(action, ("json",)):
            raise ValueError(f"--{name} is given, of which {action} makes no use: leave it out")
    check_choice("--as", form, ("yaml", "toml", "json"))
    names = names or []
    if action == "explain":
        _explain(names, json_)
    elif action == "check":
        _check(names, json_)
    elif action == "show":
        place = _one(names, action, preset) if names else None
        say(as_text(_found(preset, place), form or "yaml").rstrip("\n"))
    else:
        _write(Path(_one(names, action, None)), _found(preset, source), force)


def _one(names: list[str], action: str, preset: str | None) -> str:
    if len(names) != 1 or preset is not None:
        beside = "" if preset is None else f" beside --preset {preset}"
        raise ValueError(f"{action} is given {' '.join(names) or 'no file'}{beside}: expected one")
    return names[0]


def _found(preset: str | None, place: str | None) -> DesireConfig:
    if preset is not None and place is not None:
        raise ValueError(f"both --preset {preset} and --source {place} are given: expected one")
    return DesireConfig.preset(preset or "digits") if place is None else config_in(Path(place))


def _write(path: Path, config: DesireConfig, force: bool) -> None:
    form_of(path)
    if path.exists() and not force:
        raise FileExistsError(f"{path} is there already: replace it with --force")
    config.to_file(path)
    say(f"{path}: {config.shape_text}; train with it: lava-desire train --config {path}")


def _check(names: list[str], as_json: bool) -> None:
    """Say of each file what it holds, or what is wrong; end with 2 if any is."""
    if not names:
        raise ValueError("check is given no file: expected some")
    wrong = False
    for name in names:
        problem, changed = None, {}
        try:
            config = config_in(Path(name))
            changed = {
                field: value
                for field, value in config.to_dict().items()
                if value != _plain_default(field) and field not in SAY_LAYERS
            }
        except (ValueError, OSError, ImportError) as error:
            problem, wrong = str(error), True
        if as_json:
            print(json.dumps({"file": name, "error": problem, "changed": changed}))
        elif problem is not None:
            complain("error", problem)
        else:
            said = ", ".join(f"{field} {value}" for field, value in changed.items())
            say(f"{name}: {config.shape_text}; {said or 'all fields have their defaults'}")
    if wrong:
        raise typer.Exit(2)


def _explain(names: list[str], as_json: bool) -> None:
    asked = [name.lstrip("-").replace("-", "_") for name in names]
    for name in asked:
        if name not in FIELDS:
            raise ValueError(
                f"config has no field {name}{did_you_mean(name, list(FIELDS))}: expected some of "
                f"{', '.join(FIELDS)}"
            )
    if as_json:
        for name in asked or FIELDS:
            print(json.dumps(_about(name)))
        return
    if not asked:
        for panel, fields in panels(PRESETS["digits"]).items():
            say(f"{panel}")
            for field in fields:
                help_ = declared(field).help or plain(declared(field).doc).partition(":")[0]
                say(f"  {field.name:24} {_shown(field.name):12} {help_}")
        say("More of one: lava-desire config explain FIELD")
    for name in asked:
        about = _about(name)
        say(f"{name}: {about['type']}, default {_shown(name)}")
        say(f"  {about['doc']}")
        say(f"  option of train: {about['option']}")
        if about["presets"]:
            said = ", ".join(f"{preset} {value}" for preset, value in about["presets"].items())
            say(f"  presets that set it: {said}")


def _about(name: str) -> dict[str, Any]:
    about, default = declared(FIELDS[name]), _plain_default(name)
    values = {preset: config.to_dict().get(name, default) for preset, config in PRESETS.items()}
    return {
        "name": name,
        "type": about.kind,
        "default": default,
        "doc": plain(about.doc),
        "panel": about.panel,
        "option": option_of(name) if about.help or name.startswith("layer") else None,
        "presets": {preset: value for preset, value in values.items() if value != default},
    }


def _plain_default(name: str) -> Any:
    default = FIELDS[name].default
    return list(default) if isinstance(default, tuple) else default


def _shown(name: str) -> str:
    default = _plain_default(name)
    return "none" if default == [] else str(default)
