"""Folders of IDX files, as those who publish data sets, and torchvision, lay them out."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from lava_desire.data import DataError, load_data, load_dataset

PICTURES = np.random.default_rng(6).integers(0, 256, (12, 4, 5), dtype=np.uint8)
LABELS = (np.arange(12) % 3).astype(np.uint8)


def write(path, array):
    content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + bytes(array)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def four(folder, form, test="t10k", pictures=PICTURES, labels=LABELS):
    for part in ("train", test):
        write(folder / form.format(f"{part}-images", 3), pictures)
        write(folder / form.format(f"{part}-labels", 1), labels)


@pytest.mark.parametrize(
    ("place", "form"),
    [
        (".", "{}-idx{}-ubyte"),
        (".", "{}-idx{}-ubyte.gz"),
        (".", "{}.idx{}-ubyte"),
        ("raw", "{}-idx{}-ubyte"),
        ("KMNIST/raw", "{}-idx{}-ubyte"),
    ],
)
def test_the_four_files_are_found(tmp_path, place, form):
    four(tmp_path / "mine" / place, form)
    data = load_data(tmp_path / "mine")
    np.testing.assert_array_equal(data.train_images, PICTURES.reshape(12, 20))
    np.testing.assert_array_equal(data.test_labels, LABELS)
    assert (data.num_classes, data.image_shape) == (3, (4, 5))
    assert data.name == ("KMNIST" if "KMNIST" in place else "mine")


def test_emnist_is_turned_upright_and_its_letters_are_named(tmp_path):
    form = "emnist-letters-{}-idx{}-ubyte"
    four(tmp_path, form, "test", PICTURES.transpose(0, 2, 1).copy(), LABELS + 1)
    data = load_data(tmp_path)
    np.testing.assert_array_equal(data.train_images, PICTURES.reshape(12, 20))
    assert (data.name, data.image_shape) == ("emnist-letters", (4, 5))
    assert data.class_names == ("1", "2", "3")
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 65 97\n2 66 98\n3 67 99\n")
    assert load_data(tmp_path).class_names == ("A", "B", "C")
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 65 97\n")
    with pytest.raises(DataError, match="does not name the labels beside it"):
        load_data(tmp_path)


def test_of_several_data_sets_one_is_named(tmp_path):
    for split in ("letters", "digits"):
        four(tmp_path, f"emnist-{split}-{{}}-idx{{}}-ubyte", "test")
    with pytest.raises(DataError, match=r"holds 2 data sets: .*emnist-digits, .*emnist-letters$"):
        load_data(tmp_path)
    assert load_data(tmp_path / "emnist-digits").name == "emnist-digits"


def test_without_test_files_there_is_no_test_set(tmp_path):
    four(tmp_path, "{}-idx{}-ubyte", "train")
    assert not load_data(tmp_path).has_test


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match="holds no IDX files: expected train-images-idx3-ubyte"):
        load_data(tmp_path)
    write(tmp_path / "train-images-idx3-ubyte", PICTURES)
    with pytest.raises(DataError, match="lacks the labels of the train set"):
        load_data(tmp_path)
    four(tmp_path, "{}-idx{}-ubyte")
    four(tmp_path, "{}.idx{}-ubyte")
    with pytest.raises(DataError, match=r"both .*-idx\d-ubyte and .*\.idx\d-ubyte are there"):
        load_data(tmp_path)


@pytest.mark.parametrize("place", ["FashionMNIST/raw", "raw"])
def test_a_data_set_that_torchvision_keeps_is_found_by_name(tmp_path, shared_dir, place):
    source = shared_dir / "data" / "fashion-mnist"
    (tmp_path / place).mkdir(parents=True)
    for path in source.glob("*.gz"):
        (tmp_path / place / path.name.replace("-idx", ".idx")).symlink_to(path)
    assert len(load_dataset("fashion-mnist", tmp_path).train_labels) == 60_000
