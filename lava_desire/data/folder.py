"""Folders of IDX files: those of MNIST and of data sets in the same layout."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lava_desire.data.checks import DataError
from lava_desire.data.dataset import Dataset
from lava_desire.data.idx import read_idx

# train-images-idx3-ubyte, t10k-labels.idx1-ubyte, emnist-letters-test-images-idx3-ubyte.gz
_FILE = re.compile(
    r"(?P<prefix>.*?)(?P<part>train|t10k|test)-(?P<kind>images|labels)[-.]idx[13]-ubyte(?P<gz>\.gz)?"
)
_DIMENSIONS = {"images": 3, "labels": 1}
_MAX_FILES = 10_000
_MAX_MAPPING_BYTES = 1 << 16

Files = dict[tuple[str, str], Path]
"""The files of a data set, by part (train, test) and kind (images, labels)."""


def load_folder(path: str | Path) -> Dataset:
    """Load a data set from a folder of IDX files, plain or compressed.

    The files are called as MNIST's are, with a dash or a dot: ``train-images-idx3-ubyte``,
    ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte``, ``t10k-labels-idx1-ubyte``; instead of
    ``t10k`` there may be ``test``, and all may begin alike, as in
    ``emnist-letters-train-images-idx3-ubyte``.
    They lie in the folder itself or, as torchvision keeps them, in ``raw`` or ``NAME/raw`` within.
    Without test files there is no test set.

    EMNIST's images are stored with rows and columns exchanged: those of files that begin with
    ``emnist`` are turned upright. Its mapping, ``emnist-letters-mapping.txt``, names the classes
    where it is beside the images; else they are called by their numbers.

    Parameters
    ----------
    path : path
        The folder; where it holds several data sets, with the prefix of one of them:
        ``raw/emnist-letters``.

    Returns
    -------
    Dataset
        Named for the prefix, or for the folder.

    Raises
    ------
    DataError
        If no such files are there, or they are of several data sets, damaged, or do not fit.
    OSError
        If one cannot be read.
    """
    return _load(*_find_one(Path(path)))


def read_inputs(path: Path) -> npt.NDArray[Any]:
    """Return images to classify, (S, h, w) uint8: those to test with, or else those there are.

    Raises the errors of :func:`load_folder`; labels need not be there.
    """
    place, prefix, files = _find_one(path)
    file = files.get(("test", "images")) or files.get(("train", "images"))
    if file is None:
        raise DataError(f"{place} holds labels alone: expected images")
    images = read_idx(file, _DIMENSIONS["images"])
    return images.transpose(0, 2, 1) if _is_turned(prefix) else images


def holds_idx(folder: Path) -> bool:
    """Say whether a folder has IDX files where :func:`load_folder` looks for them."""
    return bool(_find(folder)[1])


def _is_turned(prefix: str) -> bool:
    """Whether rows and columns are exchanged: EMNIST's are."""
    return prefix.startswith("emnist")


def _find_one(path: Path) -> tuple[Path, str, Files]:
    """Return the files of the one data set of a folder, their prefix, and where they are."""
    folder, wanted = (path, None) if path.is_dir() else (path.parent, path.name)
    place, found = _find(folder)
    if wanted is not None:
        found = {prefix: files for prefix, files in found.items() if prefix == f"{wanted}-"}
    if len(found) != 1:
        listed = ", ".join(f"{place / prefix}".rstrip("-") for prefix in sorted(found))
        raise DataError(
            f"{place} holds {len(found)} data sets: expected the name of one, as {listed}"
            if found
            else f"{path} holds no IDX files: expected train-images-idx3-ubyte, "
            "train-labels-idx1-ubyte and the same of t10k or test, plain or as .gz; or a folder a "
            "class, with .png files"
        )
    ((prefix, files),) = found.items()
    return place, prefix.rstrip("-"), files


def _find(folder: Path) -> tuple[Path, dict[str, Files]]:
    """Return the files of each prefix, and where they are."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder")
    inner = [place / "raw" for place in (folder, *sorted(folder.iterdir())[:_MAX_FILES])]
    places = [place for place in (folder, *inner) if place.is_dir()]
    holding = [(place, files) for place in places if (files := _files_in(place))]
    if len(holding) > 1:
        listed = ", ".join(str(place) for place, _ in holding)
        raise DataError(f"{folder} holds IDX files in several places: expected one of {listed}")
    return holding[0] if holding else (folder, {})


def _files_in(place: Path) -> dict[str, Files]:
    found: dict[str, Files] = {}
    for file in sorted(place.iterdir())[:_MAX_FILES]:  # plain before .gz
        match = _FILE.fullmatch(file.name)
        if match is None or not file.is_file():
            continue
        part = "train" if match["part"] == "train" else "test"
        files = found.setdefault(match["prefix"], {})
        other = files.setdefault((part, match["kind"]), file)
        if other is not file and other.name != file.name.removesuffix(".gz"):
            raise DataError(f"both {other} and {file} are there: expected one")
    return found


def _load(place: Path, prefix: str, files: Files) -> Dataset:
    for part in ("train", "test"):
        kinds = [kind for kind in _DIMENSIONS if (part, kind) in files]
        if len(kinds) == 1 or (part == "train" and not kinds):
            missing = "labels" if kinds == ["images"] else "images"
            raise DataError(f"{place} lacks the {missing} of the {part} set beside its other files")
    arrays: dict[str, Any] = {
        f"{part}_{kind}": read_idx(file, _DIMENSIONS[kind]) for (part, kind), file in files.items()
    }
    if _is_turned(prefix):
        for part in ("train_images", "test_images"):
            if part in arrays:
                arrays[part] = arrays[part].transpose(0, 2, 1)
        arrays |= _named(place / f"{prefix}-mapping.txt", arrays)
    name = prefix or (place.parent if place.name == "raw" else place).resolve().name
    try:
        return Dataset.from_arrays(arrays, name)
    except DataError as error:
        raise DataError(f"{place}: {error}") from None


def _named(mapping: Path, arrays: dict[str, Any]) -> dict[str, Any]:
    """Return labels as the characters that EMNIST's mapping gives them, where it does."""
    if not mapping.is_file() or mapping.stat().st_size > _MAX_MAPPING_BYTES:
        return {}
    try:
        rows = [list(map(int, line.split())) for line in mapping.read_text("ascii").splitlines()]
        characters = {row[0]: chr(row[1]) for row in rows if row}
        return {
            name: np.array([characters[label] for label in labels.tolist()])
            for name, labels in arrays.items()
            if name.endswith("labels")
        }
    except (ValueError, IndexError, KeyError, OverflowError) as error:
        raise DataError(f"{mapping} does not name the labels beside it: {error}") from None
