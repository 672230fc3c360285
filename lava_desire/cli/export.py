"""``lava-desire export``: a trained network for another backend."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from lava_desire.cli.fields import STORED, Trained, option, with_options
from lava_desire.cli.printing import say
from lava_desire.cli.run import check_choice, check_output, option_of, trained_file
from lava_desire.cli.run_data import Source, data_of, describe
from lava_desire.deploy.targets import find_targets
from lava_desire.deploy.targets.base import Target
from lava_desire.model.fields import integers

TARGETS = find_targets()
_FILES = "; ".join(
    f"{to}: {target.suffix}" + (f", and a {target.beside} beside" if target.beside else "")
    for to, target in TARGETS.items()
)


def _options_of(target: Target) -> dict[str, tuple[Any, str, Any]]:
    """Return type, help and default of a target's options on the command line."""
    types = get_type_hints(target.options)
    found: dict[str, tuple[Any, str, Any]] = {}
    for field in dataclasses.fields(target.options):
        text = field.metadata["help"]
        if field.name == target.samples:
            found["data"] = str, f"a file or folder {text}.", None
            found["label_column"] = str, "the column of a table with the labels.", "the run's"
            found["dataset"] = str, "the same, by name.", "the run's"
            found["data_dir"] = str, "folder of the IDX files.", None
        else:
            found[field.name] = types[field.name], text, field.default
    return found


OPTIONS = {to: _options_of(target) for to, target in TARGETS.items()}
_NAMES = tuple(dict.fromkeys(name for options in OPTIONS.values() for name in options))


def _option(name: str) -> tuple[Any, Any]:
    """Return type and option as typer reads it, with the help of all targets that have it."""
    having = {to: options[name] for to, options in OPTIONS.items() if name in options}
    defaults = dict.fromkeys(str(default) for _, _, default in having.values() if default)
    text = " ".join(f"{to}: {text}" for to, (_, text, _) in having.items())
    (kind,) = {kind for kind, _, _ in having.values()}  # one type, whichever target has it
    fields = (each for to in having for each in dataclasses.fields(TARGETS[to].options))
    first, *others = [each.metadata["allowed"] for each in fields if each.name == name] or [None]
    is_one_range = isinstance(first, range) and all(each == first for each in others)
    allowed = integers(first[0], first[-1]) if is_one_range else None
    return kind, option(text, ", ".join(defaults) or False, option_of(name), allowed=allowed)


def _of_all_targets(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of all targets, in place of ``**options``, and their summaries."""
    summaries = [f"--to {to}: {target.summary}" for to, target in TARGETS.items()]
    command.__doc__ = "\n".join([inspect.getdoc(command) or "", "\n\b", *summaries])
    return with_options(command, {name: _option(name) for name in _NAMES})


@_of_all_targets
def export(
    run: Trained,
    to: Annotated[str, option(f"One of {', '.join(TARGETS)}.", values=list(TARGETS))],
    output: Annotated[str, option(f"{_FILES}.")],
    quiet: Annotated[bool, option("Print nothing but errors.", True, "--quiet")] = False,
    **options: Any,
) -> None:
    """Write a trained network for another backend, chip or framework.

    Train with --reset zero for those whose neurons reset to zero.
    """
    check_choice("--to", to, tuple(TARGETS))
    target = TARGETS[to]
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in OPTIONS[to]:
            others = " or ".join(each for each in TARGETS if name in OPTIONS[each])
            raise ValueError(f"{option_of(name)} is given with --to {to}: it is for {others}")
    where = {name: given.pop(name) for name in STORED if name in given}
    with _words_of_the_command():
        chosen = target.options(**given)
    checkpoint = trained_file(run)
    path = check_output("--output", output, (target.suffix,), checkpoint)
    source = Source.given(**where)

    from lava_desire.deploy import export as write
    from lava_desire.engine import DesireNetwork

    network = DesireNetwork.load(checkpoint)
    with _words_of_the_command():
        target.check(network, chosen)
        if target.samples is not None and target.needs_samples(network):
            source, samples = data_of(Path(run), source)
            named = dataclasses.replace(samples, name=describe(source, samples))
            given[target.samples] = named
        report = write(network, path, to, **given)
    if not quiet:
        say(report)


@contextmanager
def _words_of_the_command() -> Iterator[None]:
    """Let errors say ``--reset zero`` for ``reset='zero'``, and ``--to`` for an argument's name."""
    try:
        yield
    except ValueError as error:
        names = "|".join(("to", "reset", *_NAMES))
        said = re.sub(
            rf"\b({names})='?(\w+)'?",
            lambda found: option_of(found[1]) + f" {found[2]}".removesuffix(" True"),
            str(error),
        )
        said = re.sub(rf"^({'|'.join(_NAMES)})(?= is )", lambda found: option_of(found[1]), said)
        raise ValueError(said) from error
