"""Configurations as files: JSON, YAML and TOML, read strictly, written with what each field is.

A file holds names and values, as :meth:`~lava_desire.DesireConfig.to_dict` returns them. What one
reader takes for a number and another for a text is refused or read as YAML 1.2 says.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lava_desire.files import read_file
from lava_desire.model.fields import NETWORK, RULE, SCHEDULE, SHOWN, declared
from lava_desire.model.options import found as options_found
from lava_desire.strict_json import parse_json

if TYPE_CHECKING:
    from lava_desire.config import DesireConfig

FORMS = {".json": "json", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}
"""The form of a file, by its suffix."""

_MOST_CHARACTERS = 1 << 16  # of YAML, whose reader is slow: a thousand layers take a third
_DEEPEST = 8
_CALLED = {  # what others call some fields
    **dict.fromkeys(("lr", "eta"), "learning_rate"),
    **dict.fromkeys(("timesteps", "tsteps"), "num_steps"),
    **dict.fromkeys(("hidden", "sizes"), "layer_sizes"),
    **{"beta": "decay", "batch": "batch_size", "dropout": "dropout_hidden"},
}
_PLAIN = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_REAL = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


def form_of(path: str | Path) -> str:
    """Return the form of a file: json, yaml or toml.

    Raises ValueError if its suffix is of none.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMS:
        raise ValueError(f"{path} ends in {suffix!r}: expected {', '.join(FORMS)}")
    return FORMS[suffix]


def read_fields(path: str | Path) -> tuple[dict[str, Any], str]:
    """Read a file of fields; return them, not yet checked, and the text.

    Without a suffix of :data:`FORMS` it is taken for JSON. Raises ValueError, naming the file and,
    where it is known, the line, if it holds none; OSError if it cannot be read; ImportError without
    the reader of its form.
    """
    text = read_file(path).decode()
    parse = {"json": parse_json, "yaml": _parse_yaml, "toml": _parse_toml}
    form = FORMS.get(Path(path).suffix.lower(), "json")
    try:
        fields = parse[form](text)
    except (ValueError, RecursionError) as error:  # ValueError: also an endless integer
        raise ValueError(f"config is not {form.upper()}: {error}") from None
    if not isinstance(fields, Mapping):
        raise ValueError(f"config is a {type(fields).__name__}: expected fields, as seed")
    return dict(fields), text


def line_of(message: str, text: str) -> str:
    """Return ``", line N"`` of the field that an error begins with, where the text has it."""
    named = re.match(r"(?:config has no field )?([\w-]+)", message)
    if named is None:
        return ""
    name = re.escape(named[1])
    # No comment before it on the line; in JSON and YAML a brace or a comma may be.
    found = re.search(rf"^(?:[^#\n]*[{{,])?[ \t]*([\"']?){name}\1[ \t]*[:=]", text, re.M)
    return f", line {text.count(chr(10), 0, found.end()) + 1}" if found else ""


def did_you_mean(name: str, known: list[str]) -> str:
    """Return ``" (did you mean …?)"``, or nothing where no known name is like it."""
    from difflib import get_close_matches  # takes longer to import than to be needed

    given = name[:SHOWN].replace("-", "_").lower()
    close = [_CALLED[given]] if given in _CALLED else get_close_matches(given, known, 1)
    return f" (did you mean {close[0]}?)" if close else ""


def plain(doc: str) -> str:
    """Return the documentation of a field without the marks of reStructuredText."""
    doc = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"\1", doc)
    return re.sub(r"`+([^`]*)`+", r"\1", doc)


def panels(config: DesireConfig) -> dict[str, list[dataclasses.Field[Any]]]:
    """Return the fields of the configuration by panel, those of the paper first."""
    found: dict[str, list[dataclasses.Field[Any]]] = {NETWORK: [], RULE: [], SCHEDULE: []}
    for field in dataclasses.fields(config):
        found.setdefault(declared(field).panel, []).append(field)
    return found


def as_text(config: DesireConfig, form: str) -> str:
    """Return a configuration as JSON, or as YAML or TOML with a comment a field.

    In these options that are off, and not in the JSON, stand as comments.
    """
    if form == "json":
        return config.to_json() + "\n"
    values, sign = config.to_dict(), " = " if form == "toml" else ": "
    options = [option for option in options_found() if option.is_quiet]
    quiet = {field.name for option in options for field in dataclasses.fields(option)}
    lines = ["# A configuration of lava_desire. Fields that are left out have their defaults."]
    for panel, fields in panels(config).items():
        said = [field for field in fields if field.name in values or field.name in quiet]
        lines += ["", f"# ---- {panel} ----"] if said else []
        for field in said:
            about = plain(declared(field).doc)
            if field.default not in ((), dataclasses.MISSING):
                about += f" Default: {_value(field.default)}."
            lines += ["", *textwrap.wrap(about, 98, initial_indent="# ", subsequent_indent="# ")]
            off = "" if field.name in values else "# "
            value = values.get(field.name, field.default)
            lines.append(f"{off}{field.name}{sign}{_value(value)}")
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    """Return a value as YAML, TOML and JSON alike read it: 1e-05 is a text in YAML 1.1."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"^(-?\d+)e", r"\1.0e", text) if isinstance(value, float) else text


def _parse_toml(text: str) -> Any:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError:
            raise _missing("TOML", "tomli") from None
    return tomllib.loads(text)


def _parse_yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise _missing("YAML", "PyYAML") from None
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"it has {len(text)} characters: expected at most {_MOST_CHARACTERS}")
    refused = {
        yaml.AnchorToken: "an anchor, &",
        yaml.AliasToken: "an alias, *",
        yaml.TagToken: "a tag, !",
        yaml.DirectiveToken: "a directive, %",
    }
    starts = (
        *(yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken),
        *(yaml.BlockSequenceStartToken, yaml.BlockMappingStartToken),
    )
    ends = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)
    depth = 0
    try:
        for token in yaml.scan(text, Loader=yaml.BaseLoader):
            line = token.start_mark.line + 1
            if type(token) in refused:
                raise ValueError(f"line {line} has {refused[type(token)]}: expected values alone")
            depth += isinstance(token, starts) - isinstance(token, ends)
            if depth > _DEEPEST:
                raise ValueError(f"line {line} is nested more than {_DEEPEST} levels deep")
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark
        place = f"line {where.line + 1}, column {where.column + 1}: " if where else ""
        raise ValueError(f"{place}{error.problem or error}") from None
    except yaml.YAMLError as error:  # a character that is none
        raise ValueError(str(error)) from None
    return _of_yaml(node)


def _of_yaml(node: Any) -> Any:
    """Return what a node holds, by the core schema of YAML 1.2, each name once in a mapping.

    So `no` is a text, 1e-4 a number; 010, which YAML 1.1 takes for 8 and 1.2 for 10, remains a text
    that no field takes, as do 0x10, 1_000 and 1:30.
    """
    if node is None:
        return {}
    line = node.start_mark.line + 1
    if node.tag == f"{_PLAIN}seq":
        return [_of_yaml(each) for each in node.value]
    if node.tag == f"{_PLAIN}map":
        found: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag != f"{_PLAIN}str":
                raise ValueError(f"line {line} has a name that is no text")
            name = key.value
            if name in found:
                raise ValueError(
                    f"line {key.start_mark.line + 1}: {name[:100]!r} stands twice: expected each "
                    "name once"
                )
            found[name] = _of_yaml(value)
        return found
    text = node.value
    if node.style is None:  # not in quotes
        if _INTEGER.fullmatch(text):
            return int(text)
        if _REAL.fullmatch(text):
            return float(text)
        return _WORDS.get(text.lower(), text)
    return text


def _missing(form: str, package: str) -> ImportError:
    return ImportError(
        f'{form} needs {package}, which is not installed; run: pip install "lava_desire[config]"',
        name=package.lower(),
    )
