"""Folders of PNG files, a folder a class: as torchvision's ``ImageFolder`` reads them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lava_desire._text import printable
from lava_desire.data.checks import DataError, DataWarning, times
from lava_desire.data.dataset import Dataset
from lava_desire.data.folder import holds_idx
from lava_desire.files import NotRegularError, open_regular

_SUFFIX = ".png"
_MAX_BYTES = 1 << 34
# What pictures unpack to, with much room: a file of a few bytes may claim to be of any size.
_MAX_RATIO, _RATIO_COUNTS_ABOVE = 100, 1 << 26
_GREY = "convert them, as Pillow's image.convert('L') does, or mogrify -colorspace Gray -depth 8"


def load_pictures(path: str | Path) -> Dataset:
    """Load a data set from a folder that holds a folder a class, with PNG files of one size.

    The folders' names are those of the classes. Where they lie in two folders ``train`` and
    ``test``, these are the parts; else a fifth of each class becomes the test set, the same every
    time. Pictures are grey, of 8 bits or fewer a pixel; others are refused, and so is what is no
    picture beside them, but for hidden files.

    Parameters
    ----------
    path : path
        The folder.

    Returns
    -------
    Dataset
        Named for the folder; images are uint8, in the order of classes and files by name.

    Warns
    -----
    DataWarning
        If there are other folders beside ``train`` and ``test``.

    Raises
    ------
    DataError
        If there are no pictures, a class has none, one is damaged, coloured, transparent or of
        another size than the first, or they take more memory than such files are worth.
    OSError
        If a file cannot be read.
    """
    path = Path(path)
    arrays: dict[str, Any] = {}
    shape: tuple[int, ...] | None = None
    for part, place in (_parts(path) or {"": path}).items():
        files, labels = _of_classes(place)
        images = read_pictures(files, shape)
        shape = images.shape[1:]
        arrays |= {f"{part}images": images, f"{part}labels": np.array(labels)}
    try:
        return Dataset.from_arrays(arrays, path.resolve().name)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def holds_pictures(path: Path) -> bool:
    """Say whether a folder is one of pictures, in folders or not, and of no IDX files."""
    if not path.is_dir() or holds_idx(path):
        return False
    levels = ("*", "*/*", "*/*/*")
    return any(each.suffix.lower() == _SUFFIX for level in levels for each in path.glob(level))


def find_pictures(path: Path) -> list[Path]:
    """Return all pictures of a folder, or of one within called test, in the order of their names.

    Raises DataError if there are none.
    """
    place = (_parts(path) or {"test_": path})["test_"]
    files = [each for each in sorted(place.rglob("*")) if each.suffix.lower() == _SUFFIX]
    files = [each for each in files if not _is_hidden(each, place)]
    if not files:
        raise DataError(f"{place} holds no pictures: expected files that end in {_SUFFIX}")
    return files


def read_pictures(
    files: Sequence[Path], shape: tuple[int, ...] | None = None
) -> npt.NDArray[np.uint8]:
    """Return pictures, (S, h, w) uint8, all of one size: of `shape` where that is given.

    Raises the errors of :func:`load_pictures`.
    """
    images: Any = None
    for number, file in enumerate(files):
        picture = _read(file, shape, files)
        if images is None:
            shape = picture.shape
            images = np.empty((len(files), *picture.shape), np.uint8)
        images[number] = picture
    return images  # type: ignore[no-any-return]


def _read(
    file: Path, shape: tuple[int, ...] | None, files: Sequence[Path]
) -> npt.NDArray[np.uint8]:
    """Return a picture, of which nothing is unpacked before its size is known to fit."""
    from PIL import Image, UnidentifiedImageError

    try:
        with open_regular(file) as opened, Image.open(opened, formats=["PNG"]) as picture:
            found = (picture.height, picture.width)
            if shape is None:
                _check_memory(found, files)
            elif found != shape:
                raise DataError(
                    f"{file} is {times(found)}: expected {times(shape)}, as "
                    f"{'those to train with' if file == files[0] else files[0]}; pictures are "
                    "brought to one size before"
                )
            clear = "transparency" in picture.info
            if picture.mode not in ("1", "L") or clear or getattr(picture, "is_animated", False):
                kind = f"{picture.mode}, transparent" if clear else picture.mode
                raise DataError(
                    f"{file} is a picture of the kind {kind}: expected one grey image of 8 bits; "
                    f"{_GREY}"
                )
            return np.asarray(picture.convert("L"))
    except NotRegularError as error:
        raise DataError(str(error)) from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, DataError) or getattr(error, "errno", None) is not None:
            raise
        # Pillow's own words of what it does not know name a Python object.
        said = "" if isinstance(error, UnidentifiedImageError) else f": {printable(error)}"
        raise DataError(f"{file} is no PNG file, or a damaged one{said}") from None


def _check_memory(shape: tuple[int, ...], files: Sequence[Path]) -> None:
    needed, there = len(files) * shape[0] * shape[1], sum(os.stat(each).st_size for each in files)
    most = min(_MAX_BYTES, max(_RATIO_COUNTS_ABOVE, _MAX_RATIO * there))
    if needed > most:
        raise DataError(
            f"{files[0]} is {times(shape)}, with which {len(files)} pictures of {there} bytes take "
            f"{needed}: expected at most {most}"
        )


def _parts(path: Path) -> dict[str, Path] | None:
    """Return the folders to train and to test with, None where there are not both."""
    folders = _folders(path)
    names = {each.name.lower(): each for each in folders}
    if not {"train", "test"} <= names.keys():
        return None
    others = [each.name for each in folders if each.name.lower() not in ("train", "test")]
    if others:
        warnings.warn(
            f"{path} holds {printable(', '.join(others))} beside train and test, not used here; a "
            "validation set is a share of the training set, --validation 0.1",
            DataWarning,
            stacklevel=4,
        )
    return {"train_": names["train"], "test_": names["test"]}


def _of_classes(path: Path) -> tuple[list[Path], list[str]]:
    """Return the pictures of a folder, class by class, and the class of each."""
    files: list[Path] = []
    labels: list[str] = []
    for folder in _folders(path):
        inside = [each for each in sorted(folder.iterdir()) if not each.name.startswith(".")]
        strange = [each for each in inside if each.suffix.lower() != _SUFFIX or each.is_dir()]
        if strange or not inside:
            found = strange[0] if strange else f"{folder}, which is empty,"
            alone = {each.name.lower() for each in _folders(path)} & {"train", "test"}
            hint = f"; beside {min(alone)} the other one of train and test" if alone else ""
            raise DataError(
                f"{found} is no picture: expected files {path}/CLASS/NAME{_SUFFIX}{hint}"
            )
        files += inside
        labels += [folder.name] * len(inside)
    if not files:
        raise DataError(f"{path} holds no folder: expected files {path}/CLASS/NAME{_SUFFIX}")
    return files, labels


def _folders(path: Path) -> list[Path]:
    return [
        each for each in sorted(path.iterdir()) if each.is_dir() and not each.name.startswith(".")
    ]


def _is_hidden(file: Path, place: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(place).parts)
