"""Which recordings a folder holds, and of which classes they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lava_desire.data.checks import DataError, check_labels, number_classes
from lava_desire.data.events.formats import find_formats, format_of
from lava_desire.data.events.formats.base import Labels
from lava_desire.data.events.reading import error_of

Array = npt.NDArray[Any]
Member = tuple[Path, int]
"""A recording: its file, and which of the file's recordings it is."""


def find_parts(path: Path) -> dict[str, Path]:
    """Return the folders or files of a folder that are called train and test, or end so."""
    parts: dict[str, Path] = {}
    for each in sorted(path.iterdir()) if path.is_dir() else []:
        match = re.search(r"(?:^|[^a-z])(train|test)$", each.stem.lower())
        if match and (each.is_dir() or _is_known(each)):
            other = parts.setdefault(match[1], each)
            if other != each:
                raise DataError(
                    f"both {other} and {each} are there: expected one part to {match[1]}"
                )
    return parts


def _is_known(path: Path) -> bool:
    suffixes = {suffix for each in find_formats().values() for suffix in each.suffixes}
    return path.suffix.lower() in suffixes and not path.name.startswith(".")


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def find_members(
    path: Path, names: tuple[str, ...] | None
) -> tuple[list[Member], list[Any], tuple[str, ...] | None]:
    """Return the recordings of a folder or file, their labels, and the names of classes."""
    if not path.exists():
        raise DataError(f"{path} is not there: expected a folder of recordings, or a file of some")
    if path.is_dir():
        inside = [each for each in sorted(path.iterdir()) if not each.name.startswith(".")]
        folders = [each for each in inside if each.is_dir()]
        files = [each for each in inside if not each.is_dir() and _is_known(each)]
    else:
        folders, files = [], [path]
    members: list[Member] = []
    labels: list[Any] = []
    for folder in folders:
        found = [each for each in sorted(folder.rglob("*")) if _is_known(each)]
        for each in found:
            if each.parent != folder and not _is_hidden(each.relative_to(path)):
                raise DataError(
                    f"{each} lies in a folder of a folder: expected a folder a class in {path}, "
                    f"with its recordings in it, as {folder / each.name}"
                )
        found = [each for each in found if each.parent == folder]
        members += [(each, 0) for each in found]
        labels += [folder.name] * len(found)
    if members and files:
        raise DataError(
            f"{path} holds folders of recordings, as {labels[0]}, and recordings, as "
            f"{files[0].name}: expected a folder a class, or files that say their labels"
        )
    for file in files:
        own = _labels_of(file)
        if own is None:
            raise DataError(
                f"{file} does not say its label: expected a folder a class, {file.parent}/CLASS/"
                f"{file.name}"
            )
        members += [(file, part) for part in range(len(own[0]))]
        labels += own[0]
        if own[1] is not None:
            if names not in (None, own[1]):
                raise DataError(f"{file} names its classes otherwise than {', '.join(names or ())}")
            names = own[1]
    if not members:
        raise DataError(
            f"{path} holds no recordings: expected a folder a class, with files that end in "
            + ", ".join(sorted({end for each in find_formats().values() for end in each.suffixes}))
        )
    return members, labels, names


def find_recordings(path: Path) -> list[Member]:
    """Return all recordings of a folder, or of one within called test, or of a file.

    Whatever their classes, in the order of their names. Raises DataError if there are none.
    """
    parts = find_parts(path)
    place = parts["test"] if set(parts) == {"train", "test"} else path
    files = [place]
    if place.is_dir():
        found = [each for each in sorted(place.rglob("*")) if _is_known(each) and each.is_file()]
        files = [each for each in found if not _is_hidden(each.relative_to(place))]
    members = []
    for file in files:
        own = _labels_of(file)
        members += [(file, part) for part in range(1 if own is None else len(own[0]))]
    if not members:
        raise DataError(f"{path} holds no recordings: expected files of some")
    return members


def _labels_of(file: Path) -> Labels | None:
    try:
        return format_of(file).labels(file)
    except DataError as error:
        raise error_of(file, error) from None


def number_labels(
    found: list[Any], names: tuple[str, ...] | None
) -> tuple[Array, tuple[str, ...] | None, int]:
    """Return labels as numbers, (S,) int64, the classes' names or None, and how many there are."""
    labels = np.asarray(found)
    if names is not None and labels.dtype.kind != "U":
        return check_labels(labels, "labels", len(labels), len(names)), _named(names), len(names)
    numbers, _, own = number_classes(labels, labels[:0])
    if names is None:
        return numbers, _named(own), len(own)
    strange = [each for each in own if each not in names]
    if strange:
        raise DataError(f"there is a class {strange[0]!r}: expected {', '.join(names)}")
    return np.array([names.index(each) for each in own])[numbers], _named(names), len(names)


def _named(names: tuple[str, ...]) -> tuple[str, ...] | None:
    return None if names == class_numbers(len(names)) else names


def class_numbers(count: int) -> tuple[str, ...]:
    """Return the names of classes that are called by their numbers."""
    return tuple(map(str, range(count)))
