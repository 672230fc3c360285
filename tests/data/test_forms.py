"""Images and labels as users have them: each form is taken, or refused with its cure."""

from __future__ import annotations

import io
import warnings
import zipfile

import numpy as np
import pytest

from lava_desire.data import DataError, Dataset, DataWarning, load_data, load_npz

PICTURES = np.random.default_rng(5).integers(0, 256, (40, 6, 8), dtype=np.uint8)
LABELS = np.arange(40) % 4
ROWS = PICTURES.reshape(40, 48)
NAMES = np.array(["ant", "bee", "cat", "dog"])


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        yield


@pytest.mark.parametrize(
    "images",
    [PICTURES, PICTURES[:, None], PICTURES[..., None], ROWS.reshape(40, 6, 8, 1)],
    ids=lambda images: str(images.shape),
)
def test_images_become_rows_and_keep_their_height(images):
    data = Dataset("mine", images, LABELS, images[:8], LABELS[:8])
    np.testing.assert_array_equal(data.train_images, ROWS)
    np.testing.assert_array_equal(data.test_images, ROWS[:8])
    assert data.image_shape == (6, 8)


@pytest.mark.parametrize(
    "labels",
    [LABELS[:, None], LABELS.tolist(), np.eye(4)[LABELS], np.eye(4, dtype=bool)[LABELS]],
    ids=["(S, 1)", "list", "one-hot", "one-hot of bool"],
)
def test_labels_become_numbers(labels):
    data = Dataset("mine", ROWS, labels)
    np.testing.assert_array_equal(data.train_labels, LABELS)
    assert (data.train_labels.dtype, data.num_classes, data.class_names) == (np.int64, 4, None)


@pytest.mark.parametrize(
    "texts", [NAMES, NAMES.astype(object), NAMES.astype("S")], ids=lambda texts: str(texts.dtype)
)
def test_texts_name_the_classes(texts):
    data = Dataset("mine", ROWS, texts[LABELS], ROWS[2:4], texts[[2, 0]])
    np.testing.assert_array_equal(data.train_labels, LABELS)
    np.testing.assert_array_equal(data.test_labels, [2, 0])
    assert data.class_names == data.names == ("ant", "bee", "cat", "dog")


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([1, 2, 3, 4], ("1", "2", "3", "4")),
        ([3, 7, 900, 10], ("3", "7", "10", "900")),
        ([0, 1, 3, 4], ("0", "1", "3", "4")),
    ],
)
def test_numbers_that_do_not_count_from_0_name_the_classes(values, names):
    given = np.array(values)[LABELS]
    data = Dataset("mine", ROWS, given)
    assert (data.num_classes, data.class_names) == (4, names)
    assert [names[label] for label in data.train_labels] == [str(value) for value in given]


def test_texts_that_are_whole_numbers_are_in_order_of_their_value():
    given = np.array(["10", "9", "11", "8"])[LABELS]
    data = Dataset("mine", ROWS, given)
    assert data.class_names == ("8", "9", "10", "11")
    assert [data.names[label] for label in data.train_labels] == given.tolist()
    assert Dataset("mine", ROWS, np.char.add(given, "a")).names == ("10a", "11a", "8a", "9a")
    # Eleven of them are what integers would be.
    data = Dataset("mine", ROWS, (np.arange(40) % 11).astype(str))
    assert (data.class_names, data.train_labels.tolist()) == (None, (np.arange(40) % 11).tolist())


def test_a_stated_number_of_classes_leaves_labels_as_they_are():
    data = Dataset("mine", ROWS, LABELS + 1, num_classes=10)
    assert (data.num_classes, data.class_names, data.train_labels[0]) == (10, None, 1)


def test_a_class_that_is_only_tested_is_warned_of():
    with pytest.warns(DataWarning, match="no training sample is of class dog, which test labels"):
        Dataset("mine", ROWS[:3], NAMES[:3], ROWS, NAMES[LABELS])


def test_classes_take_the_numbers_of_others_by_name():
    data = Dataset("mine", ROWS, NAMES[LABELS], ROWS[:1], NAMES[[3]])
    other = data.with_classes(("dog", "cat", "bee", "ant", "eel"))
    np.testing.assert_array_equal(other.train_labels, 3 - LABELS)
    assert (other.num_classes, other.test_labels.tolist()) == (5, [0])
    plain = Dataset("mine", ROWS, LABELS + 3).with_classes(tuple("0123456789"))
    np.testing.assert_array_equal(plain.train_labels, LABELS + 3)
    with pytest.raises(DataError, match="a label is 'ant': expected one of the classes cat, dog"):
        data.with_classes(("cat", "dog"))


def test_without_test_images_there_is_no_test_set():
    data = Dataset("mine", PICTURES, LABELS)
    assert not data.has_test
    with pytest.raises(DataError, match="mine has no test set: expected test_images"):
        _ = data.test


COLOUR = np.zeros((40, 6, 8, 3), np.uint8)
MULTIPLE = np.eye(4, dtype=int)[LABELS]
MULTIPLE[5, :2] = 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (  # and no rows, which a network of planes would take for planes
            {"train_images": COLOUR},
            r"first, np.moveaxis\(train_images, -1, 1\) for a network that knows(?!.*reshape)",
        ),
        (
            {"train_images": COLOUR},
            r"; or one channel, as of RGB images \(train_images @ \[0.299, ",
        ),
        ({"train_images": PICTURES[None, None, None]}, "expected .S, N., one row a sample"),
        ({"train_images": PICTURES.astype(int)}, "int64: expected uint8.*become bytes"),
        ({"train_images": PICTURES > 9}, "bool: expected uint8.*as float32, true is white"),
        ({"train_images": PICTURES.astype(float)}, "the largest value of their scale, as 255"),
        ({"train_images": PICTURES % 17 / 1.0}, "the largest value of their scale, as 16"),
        ({"train_images": PICTURES / 255 - 0.5}, "normalised to a mean and a deviation"),
        ({"test_images": PICTURES.transpose(0, 2, 1)}, "test_images are 8 x 6: expected 6 x 8, as"),
        ({"test_images": None}, "test_labels are given alone"),
        ({"train_labels": LABELS / 1.0}, r"float64: expected integers, .*\.astype\(int\)"),
        ({"train_labels": LABELS - 1}, "the negative label is -1: expected 0 to 999999, or texts"),
        ({"train_labels": MULTIPLE}, "row 5 is not one-hot"),
        ({"train_labels": NAMES[LABELS]}, "integers in one part and texts in the other"),
        (
            {"class_names": ("a", "b")},
            r"train_labels hold 2 at \[2\]: expected classes in \[0, 2\)",
        ),
        (
            {"num_classes": 4, "train_labels": LABELS + 1},
            r"in \[0, 4\); .*from 1 subtract 1, or put",
        ),
        ({"train_images": np.ma.masked_less(PICTURES, 9)}, r"images hold masked .*\.filled\("),
        ({"test_images": list(np.ma.masked_less(PICTURES, 9))}, r"images hold masked .*\.filled"),
        ({"train_labels": np.ma.masked_equal(LABELS, 3)}, r"train_labels hold masked .*\.filled\("),
        ({"test_labels": np.where(LABELS == 2, np.nan, LABELS)}, r"hold nan at \[2\], no value"),
        ({"train_labels": [None, *LABELS[1:]]}, r"train_labels hold None at \[0\], no value"),
        ({"train_labels": ["a", np.nan, *NAMES[LABELS[2:]]]}, r"hold nan at \[1\], no value"),
        ({"train_labels": ["a", 1, *NAMES[LABELS[2:]]]}, "are object: expected integers, or texts"),
        ({"train_images": PICTURES * 1j}, "train_images are complex128: expected uint8"),
        ({"train_labels": LABELS * 1j}, "train_labels are complex128: expected integers"),
        ({"train_images": np.zeros((40, 48), "u1, u1")}, "train_images are .*: expected uint8"),
        ({"class_names": tuple("aabc")}, "two classes are called 'a'"),
        ({"class_names": ("a", "b", "c", "\x1b[2J")}, r"a class is called '\\x1b\[2J'"),
        ({"image_shape": (8, 6)}, r"image_shape is \(8, 6\): train_images are \(6, 8\)"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_cure(fields, message):
    good = {"train_images": PICTURES, "train_labels": LABELS}
    good |= {"test_images": PICTURES, "test_labels": LABELS}
    with pytest.raises(DataError, match=message):
        Dataset("mine", **{**good, **fields})


FAMILIES = {
    "own": {"train_images": 1, "train_labels": 1, "test_images": 1, "test_labels": 1},
    "keras": {"x_train": 1, "y_train": 1, "x_test": 1, "y_test": 1},
    "in capitals": {"X_train": 1, "y_train": 1, "X_test": 1, "y_test": 1},
    "train only": {"x_train": 1, "y_train": 1},
    "whole": {"images": 1, "labels": 1},
    "scikit-learn": {"data": 1, "target": 1},
}


def arrays_of(names):
    return {name: LABELS if name[0] in "yt" and "image" not in name else PICTURES for name in names}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_names_of_others_are_known(tmp_path, family):
    arrays = arrays_of(FAMILIES[family])
    if family == "own":
        arrays |= {"train_labels": LABELS, "test_labels": LABELS}
    if family == "whole":
        arrays |= {"labels": LABELS}
    np.savez(tmp_path / "mine.npz", **arrays)
    data = load_npz(tmp_path / "mine.npz")
    again = Dataset.from_arrays(arrays, "mine")
    np.testing.assert_array_equal(data.train_images, again.train_images)
    assert data.names == again.names == ("0", "1", "2", "3")
    assert data.image_shape == (6, 8)
    num_test = {"train only": 0, "whole": 8, "scikit-learn": 8}.get(family, 40)
    assert len(data.test_labels) == num_test


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"images": PICTURES, "labels": LABELS, "x_train": PICTURES, "y_train": LABELS},
            "contradict",
        ),
        ({"X_train": PICTURES, "x_train": PICTURES, "y_train": LABELS}, "both X_train and x_train"),
        ({"x_train": PICTURES, "y_train": LABELS, "x_test": PICTURES}, "holds x_test alone"),
        ({"pixels": PICTURES}, "holds pixels: expected the arrays train_images"),
        ({"images": PICTURES[:4], "labels": LABELS[:4]}, "name no class of 3 samples or more"),
    ],
)
def test_names_that_leave_a_doubt_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load_npz(tmp_path / "mine.npz")
    with pytest.raises(DataError, match=message):
        Dataset.from_arrays(arrays)


def test_texts_and_class_names_are_read_from_a_file(tmp_path):
    np.savez(tmp_path / "a.npz", images=PICTURES, labels=NAMES[LABELS])
    assert load_npz(tmp_path / "a.npz").class_names == ("ant", "bee", "cat", "dog")
    np.savez(tmp_path / "b.npz", images=PICTURES, labels=LABELS, class_names=NAMES[::-1])
    assert load_npz(tmp_path / "b.npz").class_names == ("dog", "cat", "bee", "ant")


def test_names_are_in_the_order_of_their_user():
    names = ("dog", "ant", "eel", "cat", "bee")
    arrays = {"x_train": PICTURES, "y_train": NAMES[LABELS], "class_names": names}
    data = Dataset.from_arrays(arrays)
    assert (data.class_names, data.num_classes) == (names, 5)
    assert [names[label] for label in data.train_labels] == NAMES[LABELS].tolist()
    with pytest.raises(DataError, match="a label is 'bee': expected one of the classes dog, ant"):
        Dataset.from_arrays({**arrays, "class_names": names[:4]})


@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], np.eye(4, dtype=int)[LABELS]])
@pytest.mark.parametrize("count", [1, 3, 5])
def test_names_that_are_not_as_many_as_classes_are_refused(tmp_path, labels, count):
    names = np.array(list("abcde")[:count])
    np.savez(tmp_path / "a.npz", images=PICTURES, labels=labels, class_names=names)
    with pytest.raises(DataError, match=f"class_names are {count} and labels count to 3, 4 cla"):
        load_npz(tmp_path / "a.npz")
    with pytest.raises(DataError, match="class_names are 4 and y_train count to 4, 5 classes"):
        Dataset.from_arrays({"x_train": ROWS, "y_train": LABELS + 1, "class_names": NAMES})


def test_the_name_of_a_column_names_no_class():
    arrays = {"data": ROWS, "target": LABELS, "target_names": ["class"]}
    assert Dataset.from_arrays(arrays).names == ("0", "1", "2", "3")


def test_a_bunch_of_scikit_learn_is_taken():
    from sklearn.datasets import load_digits

    bunch = load_digits()
    with pytest.raises(DataError, match=r"data hold the brightness 5.0 .*of their scale, as 16"):
        Dataset.from_arrays(bunch)
    bunch.data /= 16
    data = Dataset.from_arrays(bunch, "digits")
    assert (len(data.train_labels), data.num_classes, data.class_names) == (1438, 10, None)


def member(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["labels.npy", "labels"])
def test_an_array_that_is_there_twice_is_refused(tmp_path, second):
    with zipfile.ZipFile(tmp_path / "mine.npz", "w") as archive:
        archive.writestr("images.npy", member(PICTURES))
        archive.writestr("labels.npy", member(LABELS))
        archive.writestr(second, member(3 - LABELS))
    with pytest.raises(DataError, match="holds 'labels' twice: expected each array once"):
        load_npz(tmp_path / "mine.npz")


CASES = {
    "labels__S_1_": (32, 8, None),
    "labels_1__4": (32, 8, ("1", "2", "3", "4")),
    "keras_keys": (40, 40, None),
    "channels_first": (32, 8, None),
}


@pytest.mark.parametrize("case", CASES)
def test_files_that_users_met_are_read(shared_dir, case):
    data = load_data(shared_dir / "cases" / f"{case}.npz")
    num_train, num_test, names = CASES[case]
    assert (len(data.train_labels), len(data.test_labels)) == (num_train, num_test)
    assert (data.num_classes, data.class_names, data.image_shape) == (4, names, (6, 8))


def test_turned_test_images_are_refused(shared_dir):
    with pytest.raises(DataError, match="test_images are 8 x 6: expected 6 x 8"):
        load_data(shared_dir / "cases" / "test_transposed.npz")
