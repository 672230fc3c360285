from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lava_desire.data import DataError, DataWarning, load_npz

IMAGES = np.linspace(0, 1, 80, dtype=np.float32).reshape(20, 4)
LABELS = np.arange(20) % 2
GOOD = {
    "train_images": IMAGES,
    "train_labels": LABELS,
    "test_images": IMAGES[:6],
    "test_labels": LABELS[:6],
}


def saved(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_four_arrays_are_a_data_set(tmp_path):
    data = load_npz(saved(tmp_path / "mine.npz", **GOOD))
    assert (data.name, data.num_inputs, data.num_classes, data.image_shape) == ("mine", 4, 2, None)
    np.testing.assert_array_equal(data.train_images, IMAGES)
    np.testing.assert_array_equal(data.test_labels, LABELS[:6])


def test_two_arrays_are_split_the_same_way_every_time(tmp_path):
    path = saved(tmp_path / "mine.npz", images=IMAGES, labels=LABELS)
    data, again = load_npz(path), load_npz(path)
    assert (len(data.train_labels), len(data.test_labels)) == (16, 4)
    assert (np.bincount(data.test_labels) == 2).all()
    np.testing.assert_array_equal(data.test_images, again.test_images)


def test_pictures_are_flattened_and_keep_their_shape(tmp_path):
    pictures = np.arange(20 * 6, dtype=np.uint8).reshape(20, 2, 3)
    data = load_npz(saved(tmp_path / "mine.npz", images=pictures, labels=LABELS))
    assert data.image_shape == (2, 3)
    assert data.train_images.shape == (16, 6)


def broken(name, value):
    return {**GOOD, name: value}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": IMAGES}, "holds x: expected the arrays train_images"),
        (
            broken("train_images", np.where(IMAGES == 1, np.nan, IMAGES)),
            r"brightness nan at \[19, 3\]",
        ),
        (
            broken("test_images", IMAGES[:6] - 0.5),
            r"test_images hold the brightness -0.5 at \[0, 0\]",
        ),
        (broken("train_images", IMAGES.astype(int)), "train_images are int64"),
        (broken("train_images", IMAGES[0]), "train_images have shape"),
        (broken("test_images", np.zeros((6, 5), np.uint8)), "test_images have 5 inputs"),
        (broken("train_labels", LABELS[:-1]), r"train_labels have shape \(19,\)"),
        (broken("train_labels", LABELS - 1), "the negative label is -1"),
        (broken("train_labels", LABELS / 2), "train_labels are float64: expected integers"),
        (broken("train_labels", LABELS + 10**9), "the largest label is 1000000001"),
        (broken("train_labels", LABELS.astype(object)), "expected numbers|damaged header"),
        ({"images": IMAGES, "labels": LABELS[:3]}, r"labels have shape \(3,\): expected \(20,\)"),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message):
        load_npz(saved(tmp_path / "mine.npz", **arrays))


def test_a_header_that_asks_for_more_than_there_is_is_refused_before_memory_is_taken(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (10**12, 784)}
    )
    with zipfile.ZipFile(tmp_path / "mine.npz", "w") as archive:
        for name in GOOD:
            archive.writestr(f"{name}.npy", header.getvalue())
    with pytest.raises(DataError, match="states 784000000000000 bytes and"):
        load_npz(tmp_path / "mine.npz")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2000), st.binary(min_size=1, max_size=20), st.booleans())
def test_a_damaged_file_is_read_or_refused(tmp_path, position, noise, cut):
    path = saved(tmp_path / "mine.npz", **GOOD)
    whole = path.read_bytes()
    position %= len(whole)
    tail = b"" if cut else whole[position + len(noise) :]
    path.write_bytes(whole[:position] + noise + tail)
    try:
        data = load_npz(path)
    except DataError:
        return
    assert data.num_inputs > 0


def test_arrays_that_are_not_used_are_named(tmp_path):
    more = {"x_val": IMAGES, "y_val": LABELS}
    with pytest.warns(DataWarning, match=r"x_val, y_val, not used here; a validation set is a sh"):
        load_npz(saved(tmp_path / "mine.npz", **GOOD, **more))
    with pytest.warns(DataWarning, match="mine.npz holds foo, not used here$"):
        load_npz(saved(tmp_path / "mine.npz", **GOOD, foo=LABELS))


def test_a_class_that_is_not_tested_is_named(tmp_path):
    labels = np.array(["many"] * 19 + ["one"])
    with pytest.warns(DataWarning, match="of the classes one there are too few samples for a te"):
        data = load_npz(saved(tmp_path / "mine.npz", images=IMAGES, labels=labels))
    assert data.num_classes == 2
