from __future__ import annotations

import functools
import hashlib
import http.server
import shutil
import threading

import numpy as np
import pytest

from lava_desire.data import DataError, load_dataset, sources
from lava_desire.data.dataset import Dataset


def test_digits_are_split_the_same_way_for_ever():
    data = load_dataset("digits")
    assert (data.num_inputs, data.num_classes, data.image_shape) == (64, 10, (8, 8))
    assert (len(data.train_labels), len(data.test_labels)) == (1438, 359)
    digest = hashlib.sha256(data.test_images.tobytes() + data.test_labels.tobytes()).hexdigest()
    assert digest[:16] == "e40e2c1e43c985a8"
    assert np.bincount(data.test_labels).min() >= 35
    together = {image.tobytes() for image in data.test_images}
    assert not together & {image.tobytes() for image in data.train_images}


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_four_files_are_read_from_a_folder(shared_dir, monkeypatch, name):
    data = load_dataset(name, shared_dir / "data")
    assert data.train_images.shape == (60000, 784)
    assert data.test_images.shape == (10000, 784)
    assert data.train_images.dtype == np.uint8
    monkeypatch.setenv("LAVA_DESIRE_DATA", str(shared_dir / "data" / name))
    np.testing.assert_array_equal(load_dataset(name).test_labels, data.test_labels)


def test_one_wrong_pixel_is_noticed(shared_dir, tmp_path):
    from lava_desire.data import read_idx

    for path in (shared_dir / "data" / "mnist").glob("*.gz"):
        shutil.copy(path, tmp_path)
    path = tmp_path / "t10k-images-idx3-ubyte"
    images = read_idx(f"{path}.gz")
    images[17, 3, 5] ^= 1
    path.write_bytes(bytes([0, 0, 8, 3]) + np.array(images.shape, ">u4").tobytes() + bytes(images))
    with pytest.raises(DataError, match=r"t10k-images.* has contents of SHA-256"):
        load_dataset("mnist", tmp_path)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(DataError, match="'cifar': expected one of digits, mnist, fashion-mnist"):
        load_dataset("cifar")


def test_a_missing_file_is_named_with_the_ways_out(tmp_path):
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.*--data-dir or LAVA_DESIRE_DATA"):
        load_dataset("mnist", tmp_path)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Serve a folder as the mirror of MNIST, and use an empty cache."""
    monkeypatch.delenv("LAVA_DESIRE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "mirror"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    monkeypatch.setattr(handler.func, "log_message", lambda *arguments: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setitem(sources._MIRRORS, "mnist", address)
        yield folder
        server.shutdown()


def test_files_are_downloaded_once_and_checked(shared_dir, mirror, monkeypatch):
    for path in (shared_dir / "data" / "mnist").glob("*.gz"):
        shutil.copy(path, mirror)
        md5 = hashlib.md5(path.read_bytes()).hexdigest()
        monkeypatch.setitem(sources._ARCHIVE_MD5["mnist"], path.stem, md5)
    first = load_dataset("mnist")
    for path in mirror.iterdir():
        path.unlink()
    np.testing.assert_array_equal(load_dataset("mnist").test_labels, first.test_labels)


def test_a_download_of_something_else_is_refused_and_not_kept(mirror, tmp_path):
    (mirror / "train-images-idx3-ubyte.gz").write_bytes(b"an error page")
    for _ in range(2):
        with pytest.raises(DataError, match="could not be downloaded"):
            load_dataset("mnist")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_failed_download_is_one_line(mirror):
    with pytest.raises(DataError, match="could not be downloaded") as caught:
        load_dataset("mnist")
    assert "\n" not in str(caught.value)


def test_a_picture_of_another_size_is_refused():
    images, labels = np.zeros((2, 6), np.uint8), np.zeros(2, int)
    with pytest.raises(DataError, match="image_shape is"):
        Dataset("mine", images, labels, images, labels, 1, image_shape=(2, 2))
