"""Data sets: images and labels for training, and others for testing."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lava_desire._text import listed
from lava_desire.data.checks import (
    DataError,
    DataWarning,
    as_floats,
    check_images,
    check_labels,
    check_names,
    label_column,
    number_classes,
    order_of,
    times,
)
from lava_desire.data.spike_trains import SpikeSource, SpikeTrains

Array = npt.NDArray[Any]

FAMILIES = (
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("x_train", "y_train", "x_test", "y_test"),
    ("images", "labels"),
    ("data", "target"),
    ("train_spikes", "train_labels", "test_spikes", "test_labels"),
    ("spikes", "labels"),
)
"""The names under which arrays are found: our own, those of keras, those of scikit-learn, and of
spike trains."""

NUM_STEPS = "num_steps"
"""The name under which the time steps of packed spike trains are found."""

CLASS_NAMES = ("class_names", "target_names")
"""The names under which the classes' names are found."""


@dataclass(frozen=True)
class Dataset:
    """Labelled images, or spike trains, split into training and test.

    Parameters
    ----------
    name : str
        What it is called in messages and figures.
    train_images, test_images : array
        (S, N_0), (S, h, w), (S, 1, h, w), (S, h, w, 1) or, of several channels, (S, C, h, w);
        uint8, or float brightness in [0, 1]. They are kept as (S, N_0) uint8 or float32. Without
        test images there is no test set. Spike trains are :class:`~lava_desire.data.SpikeTrains`,
        or a :class:`~lava_desire.data.SpikeSource`, which is read while it is learned.
    train_labels, test_labels : array
        (S,) or (S, 1) integers or texts, or one-hot, (S, K) of 0 and 1; kept as (S,) int64.
    num_classes : int, optional
        Number of classes; labels are then integers in [0, `num_classes`). When it is not given,
        integers that count from 0 without a gap are taken as they are, and others, as texts, name
        the classes, which are numbered in their order.
    image_shape : tuple of int, optional
        (height, width), or (channels, height, width), whose product is N_0, where the inputs are an
        image; that of the images where they have one.
    class_names : sequence of str, optional
        A name a class, of which texts are some; None where classes are called by their numbers.
    feature_names : sequence of str, optional
        A name an input, N_0 of them, each another: those of a table's columns. None where inputs
        have none.

    Raises
    ------
    DataError
        If shapes, dtypes or values are not those above; the message names the field.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.zeros((4, 28, 28), np.uint8)
    >>> data = Dataset("pets", images, ["cat", "dog", "cat", "dog"])
    >>> data.train_images.shape, data.train_labels, data.class_names, data.has_test
    ((4, 784), array([0, 1, 0, 1]), ('cat', 'dog'), False)
    """

    name: str
    train_images: Array
    train_labels: Array
    test_images: Array = None  # type: ignore[assignment] # empty when not given
    test_labels: Array = None  # type: ignore[assignment]
    num_classes: int = None  # type: ignore[assignment] # counted when not given
    image_shape: tuple[int, ...] | None = None
    class_names: tuple[str, ...] | None = None
    feature_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        known = self._known_shape()
        train_images, shape = _samples(self.train_images, "train_images", known)
        if not len(train_images) and not isinstance(train_images, np.ndarray):
            raise DataError("train_images hold no sample: expected one at least")
        if 0 in (len(train_images), *train_images.shape):
            raise DataError(
                f"train_images have shape {train_images.shape}: expected (S, N), one row a sample, "
                "none empty"
            )
        if known and np.prod(known) != _num_inputs(train_images):
            raise DataError(
                f"image_shape is {self.image_shape}: expected height x width = "
                f"{_num_inputs(train_images)}, or channels x height x width"
            )
        if known and shape not in (None, known):
            raise DataError(f"image_shape is {self.image_shape}: train_images are {shape}")
        shape = known or shape
        test_images, test_labels = self._test_part(_num_inputs(train_images), shape)
        features = None if self.feature_names is None else tuple(map(str, self.feature_names))
        num_inputs = _num_inputs(train_images)
        if features is not None and not len(set(features)) == len(features) == num_inputs:
            raise DataError(
                f"{len(features)} feature_names, {len(set(features))} of them different: expected "
                f"{num_inputs}, one an input"
            )
        labels = self._numbered(self.train_labels, test_labels, len(train_images), len(test_images))
        train_labels, test_labels, num_classes, names = labels
        for name, value in (
            ("train_images", train_images),
            ("train_labels", train_labels),
            ("test_images", test_images),
            ("test_labels", test_labels),
            ("num_classes", num_classes),
            ("image_shape", shape),
            ("class_names", None if names == _numbers(num_classes) else names),
            ("feature_names", features),
        ):
            object.__setattr__(self, name, value)

    def _known_shape(self) -> tuple[int, ...] | None:
        """Return the image shape that is given, of one channel (h, w), or None."""
        if self.image_shape is None:
            return None
        shape = tuple(int(size) for size in self.image_shape)
        if len(shape) not in (2, 3):
            raise DataError(
                f"image_shape is {self.image_shape}: expected (height, width), or (channels, "
                "height, width)"
            )
        return shape[1:] if len(shape) == 3 and shape[0] == 1 else shape

    def _test_part(self, num_inputs: int, train_shape: tuple[int, ...] | None) -> tuple[Array, Any]:
        """Return test images as rows, and test labels; empty ones where there are none."""
        if (self.test_images is None) != (self.test_labels is None):
            there = "test_images" if self.test_labels is None else "test_labels"
            raise DataError(
                f"{there} are given alone: expected test_images and test_labels, or none"
            )
        if self.test_images is None or not len(self.test_images):
            return np.zeros((0, num_inputs), np.uint8), np.zeros(0, np.int64)
        images, shape = _samples(self.test_images, "test_images", train_shape)
        if _are_spikes(images) != _are_spikes(self.train_images):
            raise DataError(
                "images and spike trains are given: expected one kind to train and to test with"
            )
        if shape and train_shape and shape != train_shape:
            raise DataError(
                f"test_images are {times(shape)}: expected {times(train_shape)}, as train_images; "
                "turned images are .transpose(0, 2, 1)"
            )
        if _num_inputs(images) != num_inputs:
            raise DataError(
                f"test_images have {_num_inputs(images)} inputs a sample: expected {num_inputs}, "
                "as train_images"
            )
        return images, self.test_labels

    def _numbered(
        self, train: Any, test: Any, num_train: int, num_test: int
    ) -> tuple[Array, Array, int, tuple[str, ...]]:
        """Return labels as numbers, how many classes there are, and their names."""
        names = None if self.class_names is None else check_names(self.class_names)
        train, columns = label_column(train, "train_labels", num_train)
        test, test_columns = label_column(test, "test_labels", num_test)
        train, test = np.asarray(train), np.asarray(test)
        if num_test and columns != test_columns:
            kinds = (
                "one class a sample" if count is None else f"one-hot of {count} classes"
                for count in (columns, test_columns)
            )
            raise DataError(
                "train_labels are {} and test_labels {}: expected both alike".format(*kinds)
            )
        count = columns if self.num_classes is None else self.num_classes
        if names is not None and count not in (None, len(names)):
            raise DataError(f"{len(names)} class names for {count} classes: expected one each")
        found: tuple[str, ...] = ()
        if train.dtype.kind == "U" or (count is None and names is None):
            train, test, found = number_classes(train, test, f"labels of {self.name}")
            if names is not None:
                train, test = (_renumbered(part, found, names) for part in (train, test))
            elif count not in (None, len(found)):
                raise DataError(
                    f"labels name {len(found)} classes and num_classes is {count}: expected as "
                    "many, or class_names"
                )
            names = names or found
        count = count or len(names or ())
        parts = [
            check_labels(part, f"{which}_labels", len(part), count)
            for which, part in (("train", train), ("test", test))
        ]
        if found and num_test:
            _warn_of_unseen(parts[0], parts[1], names or found)
        return parts[0], parts[1], count, names or _numbers(count)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], name: str = "data") -> Dataset:
        """Make a data set of arrays by name, as keras, scikit-learn and ``.npz`` files have them.

        Parameters
        ----------
        arrays : mapping
            Images and labels under one of these families of names, in capitals or not:
            ``train_images``, ``train_labels``, ``test_images``, ``test_labels``; ``x_train``,
            ``y_train``, ``x_test``, ``y_test``; ``images``, ``labels``; ``data``, ``target``. The
            test set of the first two may be missing; of the others a fifth of each class becomes
            the test set, the same every time. In place of images ``train_spikes``, ``test_spikes``
            or ``spikes``, (T, S, N) or (T, S, C, H, W) bool, or packed, (S, ⌈T/8⌉, N) or
            (S, ⌈T/8⌉, C, H, W) uint8 beside ``num_steps``. ``class_names`` or
            ``target_names`` name the classes: label i is the i-th of them, and texts are found
            among them. A single target name, as that of a column, and all else is left alone.
        name : str
            What it is called.

        Returns
        -------
        Dataset

        Raises
        ------
        DataError
            If the names are of no family, of several, or twice; if there are not as many
            `class_names` as classes; and as :class:`Dataset`.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> digits = load_digits()
        >>> data = Dataset.from_arrays({"data": digits.data / 16, "target": digits.target})
        >>> len(data.train_labels), len(data.test_labels), data.num_classes
        (1438, 359, 10)
        """
        keys = find_family(arrays)
        arrays = {**arrays, **{key: _packed(arrays, key) for key in keys[::2] if _is_trains(key)}}
        pairs = list(zip(keys[::2], keys[1::2], strict=True))
        for one, two in pairs:
            _check_order(arrays, one, two)
        fields: dict[str, Any] = dict(zip(FAMILIES[0], (arrays[key] for key in keys), strict=False))
        fields["class_names"] = names = _names_in(arrays)
        if names is not None:
            given = [label_column(arrays[two], two, len(arrays[one])) for one, two in pairs]
            _check_count(names, [np.asarray(part) for part, _ in given], given[0][1], keys[1])
        if keys[0].lower() in ("images", "data", "spikes"):
            images, shape = _samples(arrays[keys[0]], keys[0])
            labels, columns = label_column(arrays[keys[1]], keys[1], len(images))
            labels = np.asarray(labels)
            number_classes(labels, labels[:0], keys[1])  # refuses what is no class
            train, test = fixed_split(labels)
            if not len(test):
                raise DataError(
                    f"{keys[1]} name no class of 3 samples or more, of which a fifth would become "
                    "the test set: expected more, or train_images and train_labels"
                )
            _warn_of_untested(labels, labels[test], keys[1])
            halves = (images[train], labels[train], images[test], labels[test])
            fields |= dict(zip(FAMILIES[0], halves, strict=True))
            fields |= {"num_classes": columns, "image_shape": shape}
        return cls(name, **fields)

    @classmethod
    def from_sources(
        cls, train: SpikeSource, test: SpikeSource | None = None, name: str = "events"
    ) -> Dataset:
        """Make a data set of spike trains that are read while they are learned.

        Parameters
        ----------
        train, test : SpikeSource
            Their samples; without `test` there is no test set. Classes are told by their names.
        name : str
            What it is called.

        Returns
        -------
        Dataset

        Raises
        ------
        DataError
            As :class:`Dataset`, and if a class of `test` is none of `train`.
        """
        fields: dict[str, Any] = {"class_names": train.class_names}
        for part, source in (("train", train), ("test", test)):
            if source is not None:
                names, labels = source.class_names, source.labels
                fields[f"{part}_images"] = source
                fields[f"{part}_labels"] = labels if names is None else np.array(names)[labels]
        return cls(name, **fields)

    @property
    def num_inputs(self) -> int:
        """Inputs a sample, N_0."""
        return _num_inputs(self.train_images)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape (C, h, w) of a sample, as a network's `input_shape`; () where it is not known."""
        shape = getattr(self.train_images, "shape", ()) if self.has_spikes else self.image_shape
        if shape is None or len(shape) not in (2, 3):
            return ()
        return tuple(shape) if len(shape) == 3 else (1, *shape)

    @property
    def has_spikes(self) -> bool:
        """Whether the samples are spike trains, and no images."""
        return _are_spikes(self.train_images)

    @property
    def num_steps(self) -> int | None:
        """Time steps T of the spike trains; None of images."""
        if not self.has_spikes:
            return None
        images: Any = self.train_images
        first = images if isinstance(images, SpikeTrains) else images.spikes(np.arange(1))
        return int(first.num_steps)

    @property
    def has_test(self) -> bool:
        """Whether there are test samples."""
        return len(self.test_labels) > 0

    @property
    def train(self) -> tuple[Array, Array]:
        """Training images, (S, N_0) uint8 or float32, or spike trains, and labels, (S,) int64."""
        return self.train_images, self.train_labels

    @property
    def test(self) -> tuple[Array, Array]:
        """Test images, (S, N_0) uint8 or float32, or spike trains, and labels, (S,) int64.

        An error without any.
        """
        if not self.has_test:
            raise DataError(
                f"{self.name} has no test set: expected test_images and test_labels; to train "
                "without one, give fit the data set itself, or train alone"
            )
        return self.test_images, self.test_labels

    def without_test(self) -> Dataset:
        """Return it without its test set, as what chooses among networks shall see it."""
        nothing: Any = None
        return replace(self, test_images=nothing, test_labels=nothing)

    def as_test(self) -> Dataset:
        """Return it with all samples as its test set, those to train with first.

        Returns
        -------
        Dataset

        Raises
        ------
        DataError
            If the samples are spike trains that are read from disk.
        """
        if not self.has_test:
            return replace(self, test_images=self.train_images, test_labels=self.train_labels)
        images: Any = self.train_images, self.test_images
        joined: Any
        if not self.has_spikes:
            joined = np.concatenate(images)
        elif all(isinstance(part, SpikeTrains) for part in images):
            planes = np.concatenate([part.planes for part in images])
            joined = SpikeTrains(planes, images[0].num_steps, images[0].shape)
        else:
            raise DataError(f"{self.name} is read from disk: expected arrays, to take all of it")
        labels = np.concatenate((self.train_labels, self.test_labels))
        return replace(self, test_images=joined, test_labels=labels)

    @property
    def names(self) -> tuple[str, ...]:
        """What the classes are called: `class_names`, or their numbers."""
        return self.class_names or _numbers(self.num_classes)

    def with_classes(self, names: Sequence[str]) -> Dataset:
        """Give the classes the numbers of another data set, by their names.

        Parameters
        ----------
        names : sequence of str
            The classes in the order of their numbers.

        Returns
        -------
        Dataset
            With labels that are numbers of `names`.

        Raises
        ------
        DataError
            If a class of these samples is none of them.
        """
        names = check_names(names)
        if names == self.names:
            return self
        labels = [
            _renumbered(part, self.names, names) for part in (self.train[1], self.test_labels)
        ]
        return replace(
            self,
            train_labels=labels[0],
            test_labels=labels[1],
            num_classes=len(names),
            class_names=names,
        )

    def in_floats(self) -> Dataset:
        """Return a table with numbers in [0, 1], whose whole ones were taken for bytes.

        Returns
        -------
        Dataset
            Itself, where it is no table.

        Raises
        ------
        DataError
            If a whole number is larger than 1.
        """
        if not self.feature_names:
            return self
        parts = {name: getattr(self, name) for name in ("train_images", "test_images")}
        return replace(self, **{name: as_floats(part, self.name) for name, part in parts.items()})

    def with_features(self, names: Sequence[str]) -> Dataset:
        """Give the inputs the order of another data set, by their names.

        Parameters
        ----------
        names : sequence of str
            The inputs in the order in which they are learned.

        Returns
        -------
        Dataset
            Itself, where its inputs have no names.

        Raises
        ------
        DataError
            If an input of the one is none of the other; the message names it.
        """
        order = self.feature_names and order_of(self.feature_names, names, self.name)
        if not order:
            return self
        return replace(
            self,
            train_images=self.train_images[:, order],
            test_images=self.test_images[:, order],
            feature_names=tuple(names),
        )


def _samples(
    given: Any, name: str, shape: tuple[int, ...] | None = None
) -> tuple[Any, tuple[int, ...] | None]:
    """Return spike trains as they are, and images as :func:`check_images` does.

    A `shape` of several channels, where it is known, says which axis is theirs.
    """
    if _are_spikes(given):
        return given, None
    return check_images(given, name, input_shape=shape if shape and len(shape) == 3 else ())


def _are_spikes(given: Any) -> bool:
    return isinstance(given, SpikeTrains | SpikeSource)


def _num_inputs(images: Any) -> int:
    """Return the inputs of a sample of images, (S, N_0), or of spike trains."""
    return int(np.prod(images.shape) if _are_spikes(images) else images.shape[1])


def _is_trains(name: str) -> bool:
    return name.lower().endswith("spikes")


def _packed(arrays: Mapping[str, Any], name: str) -> SpikeTrains:
    """Return the spike trains of an array, which may be packed."""
    given = arrays[name]
    if isinstance(given, SpikeTrains):
        return given
    if NUM_STEPS not in arrays:
        return SpikeTrains.pack(given, name)
    planes, num_steps = np.asarray(given), np.asarray(arrays[NUM_STEPS]).reshape(-1)
    if len(num_steps) != 1 or num_steps.dtype.kind not in "iu":
        raise DataError(f"{NUM_STEPS} is {num_steps}: expected the time steps T, an integer")
    shape = planes.shape[2:]
    planes = planes.reshape(*planes.shape[:2], -1) if shape else planes
    return SpikeTrains(planes, int(num_steps[0]), shape)


def _check_order(arrays: Mapping[str, Any], spikes: str, labels: str) -> None:
    """Refuse spike trains of another number than their labels: samples may stand where time does.

    `spikes` and `labels` are names of arrays. Raises DataError with both shapes.
    """
    trains, shape = arrays[spikes], np.shape(arrays[labels])
    if isinstance(trains, SpikeTrains) and shape and shape[0] != len(trains):
        found = (trains.num_steps, len(trains), *trains.shape)
        raise DataError(
            f"{spikes} have shape {found}, and {labels} {shape}: expected (time steps, samples, "
            f"neurons), time first, and {len(trains)} labels"
        )


def find_family(names: Any) -> tuple[str, ...]:
    """Return two or four of `names`: of images and labels, and of those to test with.

    Raises DataError if they are of no family, of several, or one is there in capitals and without.
    """
    given = [name for name in names if isinstance(name, str)]
    lower: dict[str, str] = {}
    known = {name for family in FAMILIES for name in family}
    for name in given:
        if name.lower() in known and lower.setdefault(name.lower(), name) != name:
            raise DataError(f"both {lower[name.lower()]} and {name} are there: expected one")
    found = [family for family in FAMILIES if set(family[:2]) <= lower.keys()]
    if len(found) > 1:
        both = " and ".join(", ".join(family[:2]) for family in found)
        raise DataError(f"holds {both}: expected one of them, as they may contradict")
    if not found:
        listed = ", ".join(sorted(ascii(name)[1:-1][:40] for name in given)[:20]) or "nothing"
        raise DataError(
            f"holds {listed}: expected the arrays {', '.join(FAMILIES[0])}, or "
            f"{', '.join(FAMILIES[2])}, or those of keras (x_train, y_train, x_test, y_test), or "
            "of scikit-learn (data, target)"
        )
    (family,) = found
    there = [name for name in family[2:] if name in lower]
    if len(there) == 1:
        raise DataError(f"holds {lower[there[0]]} alone: expected {', '.join(family[2:])}, or none")
    return tuple(lower[name] for name in (*family[:2], *there))


def find_inputs(names: Any) -> tuple[str]:
    """Return the one of `names` that holds samples to classify: those to test with, or else all.

    Raises DataError if there are none, or those of several families.
    """
    lower = {name.lower(): name for name in reversed([*names]) if isinstance(name, str)}
    found = []
    for family in FAMILIES:
        there = [lower[name] for name in (*family[2:3], family[0]) if name in lower]
        found += there[:1]
    if len(found) == 1:
        return (found[0],)
    listed = ", ".join(sorted(ascii(name)[1:-1][:40] for name in found or lower.values())[:20])
    wanted = ", ".join(dict.fromkeys(family[0] for family in FAMILIES))
    raise DataError(f"holds {listed or 'nothing'}: expected one array of samples, as {wanted}")


def samples_in(arrays: Mapping[str, Any]) -> tuple[Any, tuple[int, ...] | None]:
    """Return the samples of arrays by name: images as rows and their shape, or spike trains."""
    (key,) = find_inputs(arrays)
    return _samples(_packed(arrays, key) if _is_trains(key) else arrays[key], key)


def _names_in(arrays: Mapping[str, Any]) -> tuple[str, ...] | None:
    for key in CLASS_NAMES:
        if key not in arrays or arrays[key] is None:
            continue
        given = np.asarray(arrays[key]).reshape(-1)
        if key == "target_names" and len(given) == 1:
            continue  # scikit-learn's name of the column
        if given.dtype.kind == "S":
            given = np.char.decode(given, "utf-8", "backslashreplace")
        return check_names([str(each) for each in given])
    return None


def _check_count(
    names: tuple[str, ...], labels: Sequence[Array], columns: int | None, name: str
) -> None:
    """Refuse names of more or fewer classes than integers count; texts are found by name."""
    if any(part.dtype.kind == "U" for part in labels):
        return
    count = columns or max(int(part.max(initial=-1)) for part in labels) + 1
    if count != len(names):
        raise DataError(
            f"class_names are {len(names)} and {name} count to {count - 1}, {count} classes: "
            "expected a name for each, label i being the i-th of them; labels that count from 1 "
            "are to be one less, and data with some of the classes have texts as labels"
        )


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def _renumbered(labels: Array, mine: Sequence[str], theirs: Sequence[str]) -> Array:
    """Return numbers of the names `mine` as numbers of `theirs`."""
    place = {name: number for number, name in enumerate(theirs)}
    used = np.unique(labels).tolist()
    for number in used:
        if mine[number] not in place:
            raise DataError(
                f"a label is {mine[number]!r}: expected one of the classes {listed(theirs, 20)}"
            )
    table = np.array([place.get(name, -1) for name in mine], np.int64)
    return table[labels]


def _warn_of_unseen(train: Array, test: Array, names: Sequence[str]) -> None:
    unseen = [names[number] for number in np.setdiff1d(test, train).tolist()]
    if unseen:
        warnings.warn(
            f"no training sample is of {'class' if len(unseen) == 1 else 'the classes'} "
            f"{listed(unseen, 10)}, which test labels name: it cannot be learned",
            DataWarning,
            stacklevel=2,
        )


def _warn_of_untested(labels: Array, tested: Array, name: str) -> None:
    """Say which classes have too few samples for a fifth of them to be one."""
    untested = np.setdiff1d(labels, tested)
    if len(untested):
        warnings.warn(
            f"{name}: of the classes {listed(list(map(str, untested)), 10)} there are too few "
            "samples for a test set, which a fifth of each class becomes: it says nothing of them",
            DataWarning,
            stacklevel=3,
        )


def fixed_split(labels: Array, test_share: float = 0.2) -> tuple[Array, Array]:
    """Split samples into training and test, the same way every time, class by class.

    `labels` are (S,) integers or texts; `test_share`, in (0, 1), of each class goes to the test
    set. Returns sorted indices, int64, of both.
    """
    generator = np.random.Generator(np.random.Philox(key=2023))
    test = []
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        test.append(members[: round(test_share * len(members))])
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[np.concatenate(test)] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
