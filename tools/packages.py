"""Which packages the project stands on; for the tools beside this file."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
LAVA = "lava-nc"
"""Not declared, because its own declaration keeps it from being installed on most Pythons."""


def declared(extra: str | None = None) -> list[str]:
    """Return the names that pyproject.toml requires, or that one of its extras does."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    entries = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return [canonicalize_name(Requirement(entry).name) for entry in entries]


def closure(names: list[str]) -> set[str]:
    """Return these packages and all that they require in turn, as far as they are installed."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        if name in found:
            continue
        found.add(name)
        for entry in map(Requirement, requires):
            if entry.marker is None or entry.marker.evaluate({"extra": ""}):
                pending.append(canonicalize_name(entry.name))
    return found


def installed() -> dict[str, str]:
    """Return all packages of this environment but the project itself, and their versions."""
    return {
        canonicalize_name(each.name): each.version
        for each in importlib.metadata.distributions()
        if canonicalize_name(each.name) != "lava-desire"
    }
