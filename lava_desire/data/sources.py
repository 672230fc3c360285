"""Where the named data sets come from: scikit-learn, a folder, or a checked download."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from lava_desire.data.checks import DataError
from lava_desire.data.dataset import Dataset
from lava_desire.data.folder import load_folder
from lava_desire.data.idx import read_idx
from lava_desire.data.names import check_dataset
from lava_desire.data.npz import load_npz
from lava_desire.data.pictures import holds_pictures, load_pictures
from lava_desire.data.table import SUFFIXES, load_table

DATA_DIR_VARIABLE = "LAVA_DESIRE_DATA"
"""The environment variable that names the folder of the IDX files."""

_ABANDONED_SECONDS = 24 * 3600

_TRAIN_IMAGES, _TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
_TEST_IMAGES, _TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"

# SHA-256 of the shape and bytes that the header and the contents make up: of the plain IDX file.
_SHA256 = {
    "mnist": {
        _TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        _TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        _TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        _TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion-mnist": {
        _TRAIN_IMAGES: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        _TRAIN_LABELS: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        _TEST_IMAGES: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        _TEST_LABELS: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}

_TORCHVISION = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}

# Published MD5 sums of the compressed files at these addresses.
_MIRRORS = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "fashion-mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
}
_ARCHIVE_MD5 = {
    "mnist": {
        _TRAIN_IMAGES: "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        _TRAIN_LABELS: "d53e105ee54ea40749a09fcbcd1e9432",
        _TEST_IMAGES: "9fb629c4189551a2d022fa330f9573f3",
        _TEST_LABELS: "ec29112dd5afa0611ce80d1b7f02629c",
    },
    "fashion-mnist": {
        _TRAIN_IMAGES: "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        _TRAIN_LABELS: "25c81989df183df01b3e8a0aad5dffbe",
        _TEST_IMAGES: "bef4ecab320f06d8554ea6380940ec79",
        _TEST_LABELS: "bb300cfdad3c16e7a12a480ee83cd310",
    },
}


def load_data(path: str | Path, label_column: str | None = None) -> Dataset:
    """Load a data set of one's own: what ``lava-desire train --data`` takes.

    Parameters
    ----------
    path : path
        A folder of IDX files (:func:`load_folder`) or of pictures, a folder a class
        (:func:`load_pictures`), a ``.csv`` or ``.parquet`` file (:func:`load_table`), or an
        ``.npz`` file, whatever its name (:func:`load_npz`).
    label_column : str, optional
        The column of a table that holds the labels.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If it is none of these, or damaged, or does not hold images and labels, or a `label_column`
        is given for what is no table.
    ImportError
        If it is a table, and pyarrow is not installed.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    if is_table(path):
        return load_table(path, label_column)
    if label_column is not None:
        raise DataError(f"label_column is {label_column!r}, and {path} is no .csv or .parquet file")
    if holds_pictures(path):
        return load_pictures(path)
    return load_folder(path) if is_folder(path) else load_npz(path)


def is_table(path: Path) -> bool:
    """Say whether it is a file with columns, by its name."""
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def is_folder(path: Path) -> bool:
    """Say whether it is a folder, or files in one begin as the path does: a data set there."""
    if path.exists() or not path.parent.is_dir():
        return path.is_dir()
    return any(each.name.startswith(f"{path.name}-train-") for each in path.parent.iterdir())


def load_dataset(name: str, data_dir: str | Path | None = None) -> Dataset:
    """Load a data set by name.

    Parameters
    ----------
    name : {"digits", "mnist", "fashion-mnist"}
        ``digits`` are the 1797 images of 8 x 8 pixels that ship with scikit-learn, a fixed fifth
        of each class kept for testing; brightness is the pixel's value / 16.
    data_dir : path, optional
        Folder with the four IDX files, plain or compressed, or with a folder of the data set's
        name that holds them, or the one in which torchvision keeps them. Without one the
        environment variable ``LAVA_DESIRE_DATA`` is asked, and without that the files are
        downloaded once into the user's cache.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If the name is unknown, a file is missing or damaged, or a download fails.

    Examples
    --------
    >>> digits = load_dataset("digits")
    >>> digits.train_images.shape, digits.test_images.shape
    ((1438, 64), (359, 64))
    """
    check_dataset(name, DataError)
    if name == "digits":
        return _load_digits()
    folder = data_dir if data_dir is not None else os.environ.get(DATA_DIR_VARIABLE)
    found = find_files(name, folder) if folder else {}
    images, labels, test_images, test_labels = (
        _read_checked(
            found.get(file) or _download(name, file),
            _SHA256[name][file],
            3 if "images" in file else 1,
        )
        for file in (_TRAIN_IMAGES, _TRAIN_LABELS, _TEST_IMAGES, _TEST_LABELS)
    )
    return Dataset(name, images, labels, test_images, test_labels, num_classes=10)


def _load_digits() -> Dataset:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return Dataset.from_arrays({"images": digits.images / 16, "labels": digits.target}, "digits")


def find_files(name: str, folder: str | Path) -> dict[str, Path]:
    """Return where the four files of a data set lie in a folder; see :func:`load_dataset`.

    Raises DataError if one is missing.
    """
    return {file: _find(Path(folder), name, file) for file in _SHA256[name]}


def _find(folder: Path, name: str, file: str) -> Path:
    """Find one of the four files, plain or compressed, in the folder or in one of its name."""
    of_torchvision = folder / _TORCHVISION[name] / "raw"
    for place in (folder / name, folder, of_torchvision, folder / "raw"):
        for spelled in (file, file.replace("-idx", ".idx")):
            for path in (place / spelled, place / f"{spelled}.gz"):
                if path.is_file():
                    return path
    raise DataError(
        f"{file} of {name} is neither in {folder} nor in {folder / name}, plain or as .gz: put it "
        f"there, name another folder with --data-dir or {DATA_DIR_VARIABLE}, or name none to "
        "download it"
    )


def _read_checked(path: Path, sha256: str, num_dimensions: int) -> np.ndarray[Any, Any]:
    try:
        array = read_idx(path, num_dimensions)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    digest = hashlib.sha256(header + array.tobytes()).hexdigest()
    if digest != sha256:
        raise DataError(f"{path} has contents of SHA-256 {digest}: expected {sha256}")
    return array


def _remove_abandoned(folder: Path) -> None:
    """Remove what downloads that were killed have left, once it is old enough to be nobody's."""
    for path in folder.glob("tmp*"):
        if path.is_file() and time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
            path.unlink(missing_ok=True)


def _download(name: str, file: str) -> Path:
    """Return the file in the user's cache, fetched first if it is not there."""
    import pooch
    import requests

    folder = pooch.os_cache("lava_desire") / name
    try:
        _remove_abandoned(folder)
        path = pooch.retrieve(
            f"{_MIRRORS[name]}{file}.gz",
            known_hash=f"md5:{_ARCHIVE_MD5[name][file]}",
            fname=f"{file}.gz",
            path=folder,
            progressbar=True,
        )
    except (requests.RequestException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{file} of {name} could not be downloaded to {folder}: {reason}; name a folder that "
            f"holds it with --data-dir or {DATA_DIR_VARIABLE}"
        ) from None
    return Path(path)
