"""Folders of PNG files, a folder a class."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from lava_desire.cli import app
from lava_desire.data import DataError, DataWarning, load_data
from lava_desire.data.unlabelled import load_samples

PICTURES = np.random.default_rng(6).integers(0, 256, (12, 4, 5), dtype=np.uint8)


def write(folder, pictures=PICTURES, names=("cat", "dog"), **options):
    for number, picture in enumerate(pictures):
        place = folder / names[number % len(names)]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(place / f"{number:02}.png", **options)
    return folder


def rows_of(images):
    return sorted(map(tuple, images.reshape(len(images), -1).tolist()))


def test_folders_are_classes(tmp_path):
    folder = write(tmp_path / "pets")
    (folder / "cat" / ".hidden").write_text("no picture")
    data = load_data(folder)
    assert (data.name, data.class_names, data.image_shape) == ("pets", ("cat", "dog"), (4, 5))
    both = np.concatenate([data.train_images, data.test_images])
    assert rows_of(both) == rows_of(PICTURES)
    labels = np.concatenate([data.train_labels, data.test_labels])
    assert rows_of(both[labels == 1]) == rows_of(PICTURES[1::2])
    assert len(data.test_labels) == 2
    samples = load_samples(folder)
    assert samples.files == tuple(
        os.path.join("cat" if n % 2 < 1 else "dog", f"{n:02}.png")
        for n in (*range(0, 12, 2), *range(1, 12, 2))
    )
    np.testing.assert_array_equal(samples.inputs[6], PICTURES[1].reshape(-1))
    write(tmp_path / "bits", PICTURES > 99, ("0", "1"))
    bits = load_data(tmp_path / "bits")
    assert (bits.class_names, set(np.unique(bits.train_images))) == (None, {0, 255})


def test_parts_that_are_there_are_taken(tmp_path):
    write(tmp_path / "pets" / "train")
    write(tmp_path / "pets" / "test", PICTURES[:4])
    data = load_data(tmp_path / "pets")
    assert (len(data.train_labels), data.test_labels.tolist()) == (12, [0, 0, 1, 1])
    assert rows_of(data.test_images) == rows_of(PICTURES[:4])
    assert len(load_samples(tmp_path / "pets").inputs) == 4
    write(tmp_path / "pets" / "val", PICTURES[:4])
    with pytest.warns(DataWarning, match="holds val beside train and test, not used here"):
        load_data(tmp_path / "pets")
    write(tmp_path / "pets" / "test", PICTURES.transpose(0, 2, 1)[:4])
    with (
        pytest.raises(DataError, match=r"00\.png is 5 x 4: expected 4 x 5, as those"),
        pytest.warns(),
    ):
        load_data(tmp_path / "pets")


def grey(picture):
    return Image.fromarray(picture)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (grey(PICTURES[0].T.copy()), r"11\.png is 5 x 4: expected 4 x 5, as .*00\.png"),
        (grey(PICTURES[0]).convert("RGB"), r"11\.png is a picture of the kind RGB: .*convert"),
        (grey(PICTURES[0]).convert("P"), "of the kind P: expected one grey image of 8 bits"),
        (grey(PICTURES[0].astype(np.uint16)), "of the kind I;16"),
        (b"\x89PNG\r\n\x1a\n", r"11\.png is no PNG file, or a damaged one"),
        (None, r"11\.txt is no picture: expected files .*CLASS/NAME\.png"),
    ],
    ids=["size", "colour", "palette", "16 bits", "damaged", "other"],
)
def test_the_first_file_that_is_none_of_them_is_named(tmp_path, picture, message):
    last = write(tmp_path) / "dog" / "11.png"
    if picture is None:
        last.rename(last.with_suffix(".txt"))
    elif isinstance(picture, bytes):
        last.write_bytes(picture)
    else:
        picture.save(last)
    with pytest.raises(DataError, match=message):
        load_data(tmp_path)


def test_transparent_cut_and_huge_pictures_and_empty_classes_are_refused(tmp_path):
    write(tmp_path / "clear", transparency=3)
    with pytest.raises(DataError, match="of the kind L, transparent"):
        load_data(tmp_path / "clear")
    place = write(tmp_path / "cut") / "cat" / "00.png"
    place.write_bytes(place.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"00\.png is no PNG file, or a damaged one"):
        load_data(tmp_path / "cut")
    write(tmp_path / "huge", np.zeros((1, 9000, 9000), np.uint8))
    with pytest.raises(DataError, match=r"is 9000 x 9000, with which 1 pictures of .* at most"):
        load_data(tmp_path / "huge")
    (write(tmp_path / "empty") / "eel").mkdir()
    with pytest.raises(DataError, match="eel, which is empty, is no picture"):
        load_data(tmp_path / "empty")


def test_a_run_learns_pictures_and_names_the_files_that_it_classifies(tmp_path):
    folder, run = write(tmp_path / "pets"), str(tmp_path / "run")
    write(tmp_path / "new" / "of", PICTURES[:3], ("cat",))
    write(tmp_path / "turned", PICTURES.transpose(0, 2, 1))
    options = ["--layers", "3", "--epochs", "0", "--kernels", "torch", "--output", run]
    found = str(tmp_path / "found.csv")
    for command in (
        ["train", "--data", str(folder), *options],
        ["predict", run, "--data", str(tmp_path / "new"), "--output", found],
    ):
        assert CliRunner().invoke(app, command).exit_code == 0
    rows = (tmp_path / "found.csv").read_text().splitlines()
    assert rows[1].startswith(f"0,{os.path.join('of', 'cat', '00.png')},")
    with pytest.raises(DataError, match="are 5 x 4: expected 4 x 5"):
        CliRunner().invoke(
            app, ["eval", run, "--data", str(tmp_path / "turned")], catch_exceptions=False
        )
