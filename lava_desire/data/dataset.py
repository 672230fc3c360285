"""What a data set is: images and labels to learn from, and others to test with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class DataError(ValueError):
    """Data that cannot be used: missing, damaged, or out of range."""


@dataclass(frozen=True)
class Dataset:
    """Labelled images, split into training and test.

    Parameters
    ----------
    name : str
        What it is called in messages and figures.
    train_images, test_images : ndarray
        (S, N_0) uint8, or float brightness in [0, 1], which is kept as float32.
    train_labels, test_labels : ndarray
        (S,) integers in [0, `num_classes`), kept as int64.
    num_classes : int
        Number of classes.
    image_shape : tuple of int, optional
        (height, width) with height · width = N_0, where the inputs are an image.

    Raises
    ------
    DataError
        If shapes, dtypes or values are not those above; the message names the field.
    """

    name: str
    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array
    num_classes: int
    image_shape: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            images = _checked_images(getattr(self, f"{part}_images"), f"{part}_images")
            labels = _checked_labels(
                getattr(self, f"{part}_labels"), f"{part}_labels", len(images), self.num_classes
            )
            object.__setattr__(self, f"{part}_images", images)
            object.__setattr__(self, f"{part}_labels", labels)
        if self.test_images.shape[1] != self.num_inputs:
            raise DataError(
                f"test_images have {self.test_images.shape[1]} inputs a sample: expected "
                f"{self.num_inputs}, as train_images"
            )
        if self.image_shape is not None and np.prod(self.image_shape) != self.num_inputs:
            raise DataError(
                f"image_shape is {self.image_shape}: expected height x width = {self.num_inputs}"
            )

    @property
    def num_inputs(self) -> int:
        """Inputs a sample, N_0."""
        return int(self.train_images.shape[1])

    @property
    def train(self) -> tuple[Array, Array]:
        """Training images, (S, N_0) uint8 or float32, and labels, (S,) int64."""
        return self.train_images, self.train_labels

    @property
    def test(self) -> tuple[Array, Array]:
        """Test images, (S, N_0) uint8 or float32, and labels, (S,) int64."""
        return self.test_images, self.test_labels


def _checked_images(given: Any, name: str) -> Array:
    images: Array = np.asarray(given)
    if images.ndim != 2 or 0 in images.shape:
        raise DataError(
            f"{name} have shape {images.shape}: expected (S, N), one row a sample, none empty"
        )
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise DataError(f"{name} are {images.dtype}: expected uint8, or float in [0, 1]")
    outside = ~((images >= 0) & (images <= 1))  # written so that NaN is outside
    if outside.any():
        row, column = np.argwhere(outside)[0]
        raise DataError(
            f"{name}[{row}, {column}] is {images[row, column]}: expected a brightness in [0, 1]"
        )
    return images.astype(np.float32, copy=False)


def _checked_labels(given: Any, name: str, num_samples: int, num_classes: int) -> Array:
    labels: Array = np.asarray(given)
    if labels.shape != (num_samples,):
        raise DataError(
            f"{name} have shape {labels.shape}: expected ({num_samples},), one an image"
        )
    if labels.dtype.kind not in "iu":
        raise DataError(f"{name} are {labels.dtype}: expected integers")
    outside = (labels < 0) | (labels >= num_classes)
    if outside.any():
        index = int(np.argmax(outside))
        raise DataError(
            f"{name}[{index}] is {labels[index]}: expected a class in [0, {num_classes})"
        )
    return labels.astype(np.int64, copy=False)


def fixed_split(labels: Array, test_share: float = 0.2) -> tuple[Array, Array]:
    """Split samples into training and test, the same way every time, class by class.

    Parameters
    ----------
    labels : ndarray
        (S,) integers.
    test_share : float
        Share of each class that goes to the test set, in (0, 1).

    Returns
    -------
    train, test : ndarray
        Sorted indices, int64.
    """
    generator = np.random.Generator(np.random.Philox(key=2023))
    test = []
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        test.append(members[: round(test_share * len(members))])
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[np.concatenate(test)] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
