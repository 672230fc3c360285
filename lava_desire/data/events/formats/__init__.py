"""Formats of event data, one file each: a file with a ``FORMAT`` in this folder is a new one."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from lava_desire.data.checks import DataError
from lava_desire.data.events.formats.base import Format


@cache
def find_formats() -> dict[str, Format]:
    """Return all formats by the names of their files, in alphabetical order."""
    names = sorted(each.name for each in iter_modules(__path__) if each.name != "base")
    return {name: import_module(f"{__name__}.{name}").FORMAT for name in names}


def format_of(path: Path) -> Format:
    """Return the format of a file; raises DataError if it is of none, OSError if it is not there.

    It is told by the file's suffix, and by its first bytes where several share one.
    """
    found = [each for each in find_formats().values() if each.takes(path)]
    if len(found) == 1:
        return found[0]
    known = sorted({suffix for each in find_formats().values() for suffix in each.suffixes})
    raise DataError(
        f"{path} is no file of events that is known: expected a name that ends in "
        f"{', '.join(known)}, and the contents of that format"
    )
