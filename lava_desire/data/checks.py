"""Checks of images and labels, for NumPy and torch alike; every entry point uses them.

The engine, the data sets and the Lava processes all ask here, so that what one takes the others
take, and refuse in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import permutations
from math import ceil, prod
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from lava_desire._text import listed

Array = Any
"""A NumPy array or a torch tensor."""

MAX_CLASSES = 1_000_000

# Of fewer pixels nothing is concluded about their scale.
_EVIDENCE = 16
_DARK = 0.25
_CHUNK = 256
_GREY = "@ [0.299, 0.587, 0.114]).round().astype(np.uint8)"
_MAX_NAME = 100
_WHOLE = re.compile(r"[+-]?[0-9]+")


class DataError(ValueError):
    """Data that cannot be used: missing, damaged, or out of range."""


class DataWarning(UserWarning):
    """Data that can be used, and are probably not what was meant."""


def check_images(
    given: Any,
    name: str = "images",
    num_inputs: int | None = None,
    input_shape: tuple[int, ...] = (),
) -> tuple[Array, tuple[int, ...] | None]:
    """Return images as rows, (S, N) uint8 or float32, and their shape, None where it is not known.

    `given` is (S, N), (S, h, w), (S, 1, h, w) or (S, h, w, 1), uint8 or float in [0, 1]; rows are
    N = h · w pixels, row by row of the image, and the shape is (h, w). Errors call them `name`.

    A network with an `input_shape` (C, H, W) takes (S, C, H, W) or rows; of one channel also
    (S, H, W) and (S, H, W, 1), and the shape is (H, W). Images of several channels, (S, C, h, w),
    are otherwise taken where no `num_inputs` are expected, as by a data set; their shape is
    (C, h, w), and rows are channel by channel.

    Raises DataError if they are of another shape or dtype, or a value is NaN or outside [0, 1].
    """
    images = _as_array(given, name)
    shape = tuple(int(size) for size in images.shape)
    if shape == (0,) and num_inputs is not None:
        shape = (0, num_inputs)  # an empty list: no images, of any size
    if len(input_shape) == 3:
        image_shape = _planes(shape, input_shape, name, images)
    else:
        image_shape = _image_shape(shape, name, several=num_inputs is None)
    width = prod(shape[1:])
    if num_inputs is not None and (len(shape) == 1 or width != num_inputs):
        hint = "; one image alone is images[None]" if shape == (num_inputs,) else ""
        raise DataError(
            f"{name} have shape {shape}: expected (B, {num_inputs}), one row a sample, or "
            f"(B, height, width) of as many pixels{hint}"
        )
    if len(shape) == 1:
        raise DataError(f"{name} have shape {shape}: expected (S, N), one row a sample")
    return _brightness(images, name).reshape(shape[0], width), image_shape


def check_planes(
    shape: tuple[int, ...] | None, input_shape: tuple[int, ...], name: str = "images"
) -> None:
    """Refuse samples that a network would take for others, their planes having another shape.

    `shape`, (h, w) or (C, h, w), is that of samples which are kept as rows; None, and any other,
    is not known. A network without `input_shape` takes one channel. Raises DataError that calls
    them `name`.
    """
    if shape is None or len(shape) not in (2, 3):
        return
    planes = shape if len(shape) == 3 else (1, *shape)
    if len(input_shape) == 3 and planes != input_shape:
        raise DataError(
            f"{name} are planes of {times(planes)}: expected {times(input_shape)}, the network's "
            "input_shape"
        )
    if not input_shape and planes[0] > 1:
        raise _of_channels(("S", *planes), name, first=True)


def refuse_other_shape(
    shape: tuple[int, ...] | None,
    known: tuple[int, ...] | None,
    what: str = "images are",
    whose: str = "those learned",
) -> None:
    """Refuse samples of another shape than others, where both are known.

    Raises DataError, which begins with `what`, and says `whose` shape is expected.
    """
    if shape is None or known is None or shape == known:
        return
    is_turned = len(shape) == 2 and shape == known[::-1]
    hint = "; turned images are .transpose(0, 2, 1)" if is_turned else ""
    raise DataError(f"{what} {times(shape)}: expected {times(known)}, as {whose}{hint}")


def times(shape: Sequence[int]) -> str:
    """Return a shape as messages show it: ``1 x 28 x 28``."""
    return " x ".join(map(str, shape))


def _planes(
    shape: tuple[int, ...], wanted: tuple[int, ...], name: str, images: Array
) -> tuple[int, ...] | None:
    """Return what :func:`check_images` does, of images for a network of these planes."""
    one, known = wanted[0] == 1, (wanted[1:] if wanted[0] == 1 else wanted)
    if shape[1:] == (prod(wanted),):
        return None
    if shape[1:] in (wanted, known) or (one and shape[1:] == (*known, 1)):
        return known
    code, hint = name if name.isidentifier() else "images", ""
    if shape in (wanted, known, (prod(wanted),)):
        hint = f"; one image alone is {code}[None]"
    elif len(shape) in (3, 4):
        orders = permutations(range(1, len(shape)))
        fitting = (
            axes for axes in orders if tuple(shape[axis] for axis in axes) in (wanted, known)
        )
        if (order := next(fitting, None)) is not None:
            method = "transpose" if isinstance(images, np.ndarray) else "permute"
            hint = f"; with its axes in that order it is {code}.{method}{(0, *order)}"
        elif one and 3 in shape[1::2]:
            hint = f"; RGB images become one channel by {_grey(code, shape[1] == 3)}"
    also = f"{_sizes('B', *known)}, " if one else ""
    raise DataError(
        f"{name} have shape {shape}: expected {also}{_sizes('B', *wanted)} or "
        f"{_sizes('B', prod(wanted))}, channel by channel and row by row{hint}"
    )


def _image_shape(shape: tuple[int, ...], name: str, several: bool) -> tuple[int, ...] | None:
    if len(shape) == 3:
        return shape[1], shape[2]
    if len(shape) == 4 and 1 in (shape[1], shape[3]):
        return (shape[2], shape[3]) if shape[1] == 1 else (shape[1], shape[2])
    if len(shape) == 4:
        first = shape[1] in (2, 3, 4) and shape[3] not in (3, 4)
        if first and several:
            return shape[1:]
        raise _of_channels(shape, name, first, several)
    if not 1 <= len(shape) <= 2:
        raise DataError(
            f"{name} have shape {shape}: expected (S, N), one row a sample, or (S, height, width)"
        )
    return None


def _of_channels(
    shape: tuple[Any, ...], name: str, first: bool, several: bool = False
) -> DataError:
    """Return the refusal of several channels where one is expected, or they are to be `first`.

    Rows of pixels, (H, W, C), would be taken for planes by a network that has some: none are
    advised where `several` channels are taken, and the network is not known.
    """
    code = name if name.isidentifier() else "images"
    planes = "" if first else f"np.moveaxis({code}, -1, 1) for "
    planes += "a network that knows its planes, whose input_shape is (channels, height, width)"
    grey = f"as of RGB images {_grey(code, first)}"
    expected = (
        f"the channels first, {planes}; or one channel, {grey}"
        if several
        else f"one, {grey}, or {code}.reshape(len({code}), -1), which gives every channel inputs "
        f"of its own; or {planes}"
    )
    return DataError(
        f"{name} have shape {_sizes(*shape)}, {shape[1 if first else 3]} channels a pixel: "
        f"expected {expected}"
    )


def _sizes(*sizes: Any) -> str:
    """Return a shape as messages show it: ``(B, 784)``."""
    return f"({', '.join(map(str, sizes))})"


def _grey(name: str, first: bool) -> str:
    """Return how RGB images become grey."""
    return f"(np.moveaxis({name}, 1, -1) {_GREY}" if first else f"({name} {_GREY}"


def _brightness(images: Array, name: str) -> Array:
    """Return images as uint8 or float32, or refuse them."""
    xp = array_namespace(images)
    if images.dtype == xp.uint8:
        return images
    if 0 in images.shape:
        return xp.astype(images, xp.float32)
    if not xp.isdtype(images.dtype, "real floating"):
        hint = ""
        if xp.isdtype(images.dtype, "integral"):
            hint = "; whole numbers from 0 to 255 become bytes, uint8, of the same values"
        elif xp.isdtype(images.dtype, "bool"):
            hint = "; as float32, true is white; spike trains are SpikeTrains.pack(...)"
        raise DataError(f"{name} are {images.dtype}: expected uint8, or float in [0, 1]{hint}")
    with np.errstate(over="ignore"):
        levels = xp.astype(images, xp.float32, copy=False)
    inside = (levels >= 0) & (levels <= 1)  # written so that NaN is outside
    if not bool(inside.all()):
        place = [int(axis[0]) for axis in xp.nonzero(~inside)]
        value = images[tuple(place)].item()
        raise DataError(
            f"{name} hold the brightness {value!r} at {place}: expected values in [0, 1]"
            f"{_cure_of_scale(float(images.min()), float(images.max()))}"
        )
    return levels


def _cure_of_scale(least: float, largest: float) -> str:
    """Return how floats come to be in [0, 1], where that can be told."""
    if least < 0:
        return "; images normalised to a mean and a deviation are no brightness: leave that out"
    if 1 < largest <= 255:
        scale = 255 if largest > 16 else largest
        return f"; divide them by the largest value of their scale, as {scale:g}"
    return ""


def check_labels(given: Any, name: str, num_samples: int, num_classes: int) -> Array:
    """Return labels as class numbers, (S,) int64.

    `given` is (S,) or (S, 1) integers in [0, K), or one-hot, (S, K) of 0 and 1; errors call them
    `name`. Raises DataError if they are of another shape or dtype, texts, or outside [0, K).
    """
    labels, columns = label_column(given, name, num_samples)
    xp = array_namespace(labels)
    if isinstance(labels, np.ndarray) and labels.dtype.kind == "U":
        raise DataError(
            f"{name} are texts, as {str(labels[0])!r}: expected integers in [0, {num_classes}); put"
            " images and labels into a lava_desire.data.Dataset, which numbers the classes and "
            "keeps their names"
        )
    if columns is not None and columns != num_classes:
        raise DataError(
            f"{name} are one-hot of {columns} classes: expected {num_classes} columns, or integers"
        )
    outside = (labels < 0) | (labels >= num_classes)
    if bool(outside.any()):
        (place,) = (int(axis[0]) for axis in xp.nonzero(outside))
        hint = ""
        if int(labels.min()) == 1 and int(labels.max()) == num_classes:
            hint = (
                "; of labels that count from 1 subtract 1, or put them into a "
                "lava_desire.data.Dataset without num_classes, which names the classes"
            )
        raise DataError(
            f"{name} hold {labels[place].item()} at [{place}]: expected classes in "
            f"[0, {num_classes}){hint}"
        )
    return xp.astype(labels, xp.int64, copy=False)


def label_column(given: Any, name: str, num_samples: int) -> tuple[Array, int | None]:
    """Return labels one a sample, and of how many columns they were one-hot, else None.

    `given` is (S,) or (S, 1) integers or texts, or one-hot, (S, K) of 0 and 1; what comes back is
    (S,) integers, or NumPy texts. Errors call them `name`. Raises DataError if they are of another
    shape, or neither integers nor texts.
    """
    labels = _as_array(given, name, texts=True)
    shape = tuple(int(size) for size in labels.shape)
    if shape == (num_samples, 1):
        labels = labels.reshape(num_samples)
    elif len(shape) == 2 and shape[0] == num_samples and not _is_text(labels):
        return _from_one_hot(labels, name), shape[1]
    if tuple(labels.shape) != (num_samples,):
        raise DataError(f"{name} have shape {shape}: expected ({num_samples},), one an image")
    if _is_text(labels):
        return labels, None
    xp = array_namespace(labels)
    if num_samples == 0:
        return xp.astype(labels, xp.int64), None
    if not xp.isdtype(labels.dtype, "integral"):
        if xp.isdtype(labels.dtype, "real floating") and bool(xp.isnan(labels).any()):
            (place,) = (int(axis[0]) for axis in xp.nonzero(xp.isnan(labels)))
            raise _missing(name, "nan", place)
        raise DataError(
            f"{name} are {labels.dtype}: expected integers, whole numbers being .astype(int)"
        )
    return labels, None


def _from_one_hot(labels: Array, name: str) -> Array:
    xp = array_namespace(labels)
    ones = labels == 1
    right = ((labels == 0) | ones).all(1) & (xp.astype(ones, xp.int64).sum(1) == 1)
    if not bool(right.all()):
        (row,) = (int(axis[0]) for axis in xp.nonzero(~right))
        raise DataError(
            f"{name} have shape {tuple(labels.shape)}, and row {row} is not one-hot, a 1 among 0: "
            "expected one class an image"
        )
    return xp.argmax(xp.astype(ones, xp.int64), axis=1)


def number_classes(
    train: Array, test: Array, name: str = "labels"
) -> tuple[Array, Array, tuple[str, ...]]:
    """Return labels as numbers of classes, (S,) int64, and the classes' names.

    `train` and `test` are (S,) integers or texts, both of one kind; errors call them `name`. Names
    that are integers, and texts that all are whole numbers, are in order of their value, other
    texts in order of their characters. Raises DataError if integers and texts are mixed, an integer
    is no class, or a text no name.
    """
    if len(test) and _is_text(train) != _is_text(test):
        raise DataError(
            f"{name} are integers in one part and texts in the other: expected one kind"
        )
    together = np.concatenate([train, test]) if len(test) else train
    if not _is_text(train):
        for value in (together.min(), together.max()):
            if not 0 <= value < MAX_CLASSES:
                which = "negative" if value < 0 else "largest"
                raise DataError(
                    f"{name}: the {which} label is {value}: expected 0 to {MAX_CLASSES - 1}, or "
                    "texts"
                )
    names, numbers = np.unique(together, return_inverse=True)
    found = check_names([str(each) for each in names])
    order = list(range(len(found)))
    if all(_WHOLE.fullmatch(each) for each in found):
        order.sort(key=lambda number: int(found[number]))
    numbers = np.argsort(order)[numbers.reshape(-1)].astype(np.int64)
    ordered = tuple(found[number] for number in order)
    return numbers[: len(train)], numbers[len(train) :], ordered


def order_of(found: Sequence[str], wanted: Sequence[str], name: str) -> list[int] | None:
    """Return where the inputs `wanted` stand among those `found`, None where in that order.

    Raises DataError, which calls the samples `name`, if they are not the same names.
    """
    if tuple(found) == tuple(wanted):
        return None
    faults = [
        f"{what} {listed(wrong, 8)}"
        for what, wrong in (
            ("lacks", [each for each in wanted if each not in set(found)]),
            ("has besides", [each for each in found if each not in set(wanted)]),
        )
        if wrong
    ]
    if faults:
        raise DataError(
            f"{name} {' and '.join(faults)}: expected the columns that were learned, in any order: "
            f"{listed(wanted, 8)}"
        )
    places = {each: place for place, each in enumerate(found)}
    return [places[each] for each in wanted]


def as_floats(images: Array, name: str) -> Array:
    """Return bytes of 0 and 1 as float32: what a table holds where all its floats are whole.

    Floats are returned as they are. Raises DataError, which calls the samples `name`, if a byte is
    larger.
    """
    if images.dtype != np.uint8:
        return images
    if images.size and images.max() > 1:
        raise DataError(
            f"{name} holds whole numbers up to {images.max()}: expected numbers in [0, 1], as "
            "those that were learned"
        )
    return images.astype(np.float32)


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return class names, or refuse them.

    Raises DataError if one is no text of 1 to 100 printable characters, or stands twice.
    """
    found = tuple(names)
    for name in found:
        good = isinstance(name, str) and name.isprintable() and 0 < len(name) <= _MAX_NAME
        if not good:
            raise DataError(
                f"a class is called {ascii(name)[:_MAX_NAME]}: expected 1 to {_MAX_NAME} printable "
                "characters"
            )
    if len(set(found)) < len(found):
        twice = next(name for name in found if found.count(name) > 1)
        raise DataError(f"two classes are called {twice!r}: expected a name for each")
    return found


def check_scale(
    images: Array,
    spikes: Callable[[Array], bool],
    encoder: str,
    name: str = "images",
    *,
    whole: bool = False,
    equalized: bool = False,
) -> str | None:
    """Return a warning where images are on a scale of their own, as of bytes from 0 to 16.

    Of fewer than 16 pixels, and of black ones, nothing is concluded. Raises DataError if the
    brightest pixel is below a quarter of white, and no pixel can ever spike. Images are (S, N)
    uint8 or float32, as :func:`check_images` returns them; `spikes` says of such whether the
    `encoder`, as errors call it, makes a spike of any pixel. Some pixel must spike in a `whole`
    data set, and need not in a batch. Images that are `equalized` to one mean brightness have no
    scale.
    """
    if prod(images.shape) < _EVIDENCE:
        return None
    largest = images.max().item()
    white = 255 if isinstance(largest, int) else 1
    is_dark = not equalized and 0 < largest < _DARK * white
    if not is_dark and not whole:
        return None
    is_silent = not any(spikes(images[at : at + _CHUNK]) for at in range(0, len(images), _CHUNK))
    if not is_dark:
        silence = f"{encoder} make no spike of any pixel of {name}: no sample can be decided"
        return silence if is_silent else None
    if white == 255:
        found = f"the largest byte of {name} is {largest}, where white is 255"
        cure = f"if their scale ends at {largest}, give images / {largest}, float in [0, 1]"
        if largest == 1:
            cure = "if 1 is white, give images.astype(np.float32)"
    else:
        found = f"the largest brightness of {name} is {largest:.3g}, where white is 1"
        cure = "divide them by the largest value of their scale, and once only"
    if is_silent:
        raise DataError(f"{found}, and {encoder} make no spike of it: {cure}")
    return f"{found}: {cure}" if white == 255 else None


def least_bright(num_pixels: int) -> int:
    """Return the least byte that ends no scale of its own, if it is the largest of an image.

    :func:`check_scale` then has nothing to say of the image alone, as it has not of a black one.
    """
    return 0 if num_pixels < _EVIDENCE else ceil(_DARK * 255)


def refuse_masked(given: Any, name: str) -> None:
    """Refuse masked values, which an array without its mask would hold as if they were data.

    Raises DataError naming what to do with them.
    """
    parts = given if isinstance(given, list | tuple) else (given,)
    if any(np.ma.is_masked(part) for part in parts):  # type: ignore[no-untyped-call]
        raise DataError(
            f"{name} hold masked values: expected all to be there; leave those samples out, or "
            "say what they are with .filled(...)"
        )


def _missing(name: str, value: str, place: int) -> DataError:
    return DataError(
        f"{name} hold {value} at [{place}], no value: expected a label a sample; leave that "
        "sample out"
    )


def _is_text(labels: Array) -> bool:
    return isinstance(labels, np.ndarray) and labels.dtype.kind == "U"


def _as_array(given: Any, name: str, texts: bool = False) -> Array:
    """Return a NumPy array or a torch tensor as it is, and what else can become one as an array."""
    if type(given).__module__.partition(".")[0] == "torch":
        return given
    refuse_masked(given, name)
    try:
        array: Any = np.asarray(given)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{name} are no array: {error}") from None
    if array.dtype.kind == "U" and isinstance(given, list | tuple):
        array = np.asarray(given, object)  # where NumPy writes out numbers and NaN as texts
    if array.dtype.kind == "S" and texts:
        try:
            array = np.char.decode(array, "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{name} are no texts in UTF-8: {error}") from None
    if array.dtype.kind == "O" and texts and all(isinstance(each, str) for each in array.flat):
        array = array.astype("U")
    elif array.dtype.kind == "O" and texts and all(type(each) is int for each in array.flat):
        array = np.asarray(array.tolist())
    elif array.dtype.kind == "O" and texts:
        for place, each in enumerate(array.flat):
            # pandas' NA is equal to nothing, NaN not even to itself
            if (
                each is None
                or type(each).__name__ in ("NAType", "NaTType")
                or (isinstance(each, float) and each != each)
            ):
                raise _missing(name, str(each), place)
    if array.dtype.kind not in ("biufU" if texts else "biuf"):
        raise DataError(
            f"{name} are {array.dtype}: expected "
            f"{'integers, or texts' if texts else 'uint8, or float in [0, 1]'}"
        )
    return array
