"""Options of the command line: those that commands share, and the fields of the configuration."""

from __future__ import annotations

import dataclasses
import functools
import glob
import inspect
import itertools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from lava_desire.backends.registry import KERNELS, PRECISIONS
from lava_desire.cli.run import AUTO, FIXED_POINT, option_of
from lava_desire.config import PARTS, PRESETS
from lava_desire.data.names import DATASETS
from lava_desire.model.fields import NETWORK, Check, Part, declared, integers

Values = Sequence[str] | Callable[[str], list[str]]


def offered_fields(kind: type[Part] = Part) -> dict[str, dataclasses.Field[Any]]:
    """Return the fields that the parts of a kind declare, those that the command line offers."""
    return {
        field.name: field
        for part in PARTS
        if issubclass(part, kind)
        for field in dataclasses.fields(part)
        if declared(field).help
    }


def allowed_of(field: str) -> Check:
    """Return what checks a field of the configuration, for an option that is one in other words."""
    return declared(offered_fields()[field]).check


def option(
    text: str,
    default: bool | str = True,
    *names: str,
    values: Values = (),
    allowed: Check | None = None,
    panel: str | None = None,
) -> Any:
    """Return what typer shows of an option: help, default, and its names if not the parameter's.

    A shell completes `values`, or what they return of the beginning of one. A number is checked by
    `allowed`, as a field of the configuration is, before the command begins.
    """
    return typer.Option(
        *names,
        help=text,
        show_default=default,
        rich_help_panel=panel,
        autocompletion=completing(values),
        callback=None if allowed is None else _checking(allowed),
    )


def _checking(allowed: Check) -> Callable[[Any, Any, Any], Any]:
    """Return what typer calls with the value of an option, None where it is not given."""

    def check(context: Any, param: Any, value: Any) -> Any:
        return None if value is None else allowed(param.opts[0], value, None)

    return check


def completing(values: Values) -> Callable[[str], list[str]] | None:
    """Return what typer asks for completions."""
    if callable(values):
        return values
    if not values:
        return None

    def complete(incomplete: str) -> list[str]:
        return [each for each in values if each.startswith(incomplete)]

    return complete


def places(incomplete: str) -> list[str]:
    """Return run folders and checkpoints that begin so, here or in a folder below; in ``runs``.

    Names that a shell might take for more than a name are left to the shell itself.
    """
    found = itertools.chain(
        *(glob.iglob(f"{glob.escape(incomplete)}{deeper}") for deeper in ("*", "*/*")),
        glob.iglob(f"runs/{glob.escape(incomplete)}*"),
    )
    return [
        path
        for path in itertools.islice(found, _MOST_LOOKED_AT)
        if _PLAIN_NAME.fullmatch(path)
        and (
            path.endswith(".safetensors")
            or any(os.path.exists(os.path.join(path, name)) for name in _RUN_FILES)
        )
    ]


_MOST_LOOKED_AT = 2000
_PLAIN_NAME = re.compile(r"[\w./+-]+")
_RUN_FILES = ("run.json", "checkpoint.safetensors")

_binning = functools.partial(option, panel="How --events become spikes")


SAMPLES: dict[str, tuple[type, Any]] = {
    "dataset": (
        str,
        option("digits, mnist or fashion-mnist.", "the run's, or digits", values=DATASETS),
    ),
    "data": (str, option("Your own: .npz, .csv, .parquet, a folder of IDX or PNG files.")),
    "label_column": (
        str,
        option("Column of --data, a table, with the labels.", "the run's, or by its name"),
    ),
    "data_dir": (str, option("Folder of the IDX files; else LAVA_DESIRE_DATA, else a download.")),
    "events": (
        str,
        option("Recordings of events: a folder, with a folder a class; or spike trains: .npz."),
    ),
    "bins": (
        int,
        _binning("Time steps of a recording.", "--num-steps", allowed=allowed_of("num_steps")),
    ),
    "sensor": (str, _binning("CHANNELS,HEIGHT,WIDTH, as 2,34,34.", "what the recordings say")),
    "duration": (
        int,
        _binning("Of a recording, µs.", "each recording's own", allowed=integers(1, 2**51 - 1)),
    ),
    "start": (
        int,
        _binning("Of the first bin, µs.", "the first event", allowed=integers(-(2**61), 2**61)),
    ),
    "late": (str, _binning("Events after the duration: refuse, drop or last (bin).", "refuse")),
    "counts": (
        str,
        _binning("Several events in a bin: refuse, or clip to one spike.", "refuse"),
    ),
}
"""Options that say where samples are, and how recordings become spikes: type, and typer's option.

They are the arguments of :meth:`~lava_desire.cli.run_data.Source.given`.
"""
BINNING = ("bins", "sensor", "duration", "start", "late", "counts")
STORED = ("dataset", "data", "label_column", "data_dir", "events")
"""Those of the samples of a network that is trained."""

NETWORKS: dict[str, tuple[type, Any]] = {
    "preset": (str, option("Start from this preset.", "the dataset's", values=list(PRESETS))),
    "config": (str, option("Start from this .json, .yaml or .toml file, or run folder.")),
    "layers": (
        str,
        option(
            "Sizes of the hidden layers: --layers 200 100. With convolutions all layers, the last "
            "with a neuron a class: --layers 16c5s2 32c5s2 10.",
            "preset's",
            panel=NETWORK,
        ),
    ),
}
"""Options that say which network is trained: type, and typer's option."""
COMPUTING: dict[str, tuple[type, Any]] = {
    "device": (str, option("cpu, cuda or cuda:N.", "cpu", values=("cpu", "cuda"))),
    "precision": (
        str,
        option(
            f"{', '.join((AUTO, *PRECISIONS))} or {FIXED_POINT}.",
            AUTO,
            values=(AUTO, *PRECISIONS, FIXED_POINT),
        ),
    ),
    "kernels": (str, option(f"{', '.join(KERNELS)}.", AUTO, values=KERNELS)),
}
"""Options that say how it computes, those of :func:`~lava_desire.cli.run.check_computing`."""

# typer reads these at run time.
Trained = Annotated[
    str, typer.Argument(help="A checkpoint, or a run folder (its best).", autocompletion=places)
]
Device = Annotated[str | None, COMPUTING["device"][1]]
Quiet = Annotated[bool, option("Print nothing but errors, and JSON.", True, "--quiet")]
Json = Annotated[bool, option("Print JSON, one object a line.", True, "--json")]


def with_samples(*names: str, **others: Any) -> Callable[[Callable[..., None]], Any]:
    """Give a command options of :data:`SAMPLES`, in place of its parameter `where`: what is given.

    `others` are typer's options that stand for those of their names.
    """
    chosen = {name: (SAMPLES[name][0], others.get(name, SAMPLES[name][1])) for name in names}
    return _with("where", chosen)


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command :data:`NETWORKS` in place of its `which`, :data:`COMPUTING` of its `how`.

    It is called with what is given of either: arguments of
    :func:`~lava_desire.cli.plan.make_plan`.
    """
    return _with("which", NETWORKS)(_with("how", COMPUTING)(command))


def _with(
    parameter: str, offered: Mapping[str, tuple[type, Any]]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command options in place of one parameter, a dict of them."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        parameters = list(signature.parameters.values())
        place = list(signature.parameters).index(parameter)
        parameters[place : place + 1] = _parameters(offered, parameters[place])

        @functools.wraps(command)
        def called(**options: Any) -> None:
            found = {name: options.pop(name) for name in offered}
            given = {name: value for name, value in found.items() if value is not None}
            command(**{parameter: given}, **options)

        called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return called

    return decorate


def _parameters(
    offered: Mapping[str, tuple[Any, Any]], beside: inspect.Parameter
) -> list[inspect.Parameter]:
    """Return parameters of a command that typer makes options of, None where not given.

    They are of the kind, by keyword or not, of the one that they stand for or before.
    """
    return [
        inspect.Parameter(name, beside.kind, default=None, annotation=Annotated[kind | None, each])
        for name, (kind, each) in offered.items()
    ]


def with_fields(kind: type[Part], default: str) -> Callable[[Callable[..., None]], Any]:
    """Give a command an option for every field of the parts of a kind, in place of ``**fields``.

    The last parameters of the command are `quiet`, `json_` and ``**fields``; `default` is what help
    says of the default.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        offered: dict[str, tuple[Any, Any]] = {}
        for name, field in offered_fields(kind).items():
            if name in inspect.signature(command).parameters:  # its own, of that name
                continue
            about = declared(field)
            offered[name] = (
                about.type,
                option(
                    about.help,
                    default,
                    values=re.findall(r'"(\w+)"', about.kind),
                    allowed=None if about.type is str else about.check,
                    panel=about.panel if kind is Part else None,
                ),
            )
        return with_options(command, offered)

    return decorate


def with_options(
    command: Callable[..., None], offered: Mapping[str, tuple[Any, Any]]
) -> Callable[..., None]:
    """Give a command options, each a type and typer's option, before `quiet` for its ``**…``."""
    signature = inspect.signature(command, eval_str=True)
    own = list(signature.parameters.values())[:-1]
    place = list(signature.parameters).index("quiet")
    own[place:place] = _parameters(offered, own[place])
    command.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
    return command


def given_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that a command of :func:`with_fields` was given, their texts parsed.

    Raises ValueError, naming the option, if a text cannot be parsed.
    """
    offered = offered_fields()
    return {
        name: parse(value) if (parse := declared(offered[name]).parse) else value
        for name, value in fields.items()
        if value is not None
    }


def check_fields(fields: Mapping[str, Any]) -> None:
    """Refuse fields out of their ranges that do not depend on a network, before one is loaded.

    Raises ValueError naming the option, the value and what is allowed.
    """
    offered = offered_fields()
    for name, value in fields.items():
        declared(offered[name]).check(option_of(name), value, None)
