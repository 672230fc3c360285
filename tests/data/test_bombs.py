"""Files of a few bytes that unfold to hundreds of megabytes are refused before memory is taken."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from lava_desire.checkpoint import FORMAT
from lava_desire.data import DataError, load_npz, read_idx

ALLOWED_MIB = 64
# Reads each file in a process of its own, and tells what was said and how its memory grew.
PROBE = """
import json, resource, sys
from lava_desire.data import load_npz, read_idx
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
kind, path = sys.argv[1:]
read = {"idx": read_idx, "npz": load_npz}.get(kind)
if kind == "nir":
    from lava_desire.deploy import from_nir as read
if kind == "checkpoint":
    from lava_desire.checkpoint import read_checkpoint as read
before = peak()
try:
    read(path)
    said = "nothing"
except ValueError as error:
    said = str(error)
print(json.dumps([said, peak() - before]))
"""


def npy_header(shape, descr="|u1"):
    header = io.BytesIO()
    fields = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, fields)
    return header.getvalue()


def zip_bomb(path):
    """Write 256 MiB of zeros, packed into a megabyte, as the images of a data set."""
    piece, size = bytes(1 << 20), 1 << 28
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("images.npy", "w", force_zip64=True) as stream:
            stream.write(npy_header((size >> 10, 1 << 10)))
            for _ in range(size // len(piece)):
                stream.write(piece)
        archive.writestr("labels.npy", npy_header((size >> 10,)) + bytes(size >> 10))


def gzip_bomb(path):
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(b"\0\0\x08\x03" + struct.pack(">3I", 1 << 8, 1 << 10, 1 << 10))
        for _ in range(1 << 8):
            stream.write(bytes(1 << 20))


def idx_of_a_terabyte(path):
    path.write_bytes(b"\0\0\x08\x03" + struct.pack(">3I", 1 << 20, 1 << 10, 1 << 10) + bytes(99))


def idx_of_a_promised_gigabyte(path):
    path.write_bytes(b"\0\0\x08\x03" + struct.pack(">3I", 1 << 10, 1 << 10, 1 << 10) + bytes(99))


def huge_dataset(path):
    nir = pytest.importorskip("nir")
    h5py = pytest.importorskip("h5py")
    one = np.ones(3)
    nir.write(path, nir.NIRGraph.from_list(nir.LIF(one, one, one, one, v_reset=one)))
    with h5py.File(path, "r+") as file:
        file["node"].create_dataset("more", shape=(1 << 27,), chunks=(1 << 20,), dtype="f4")


def checkpoint_of_promises(path):
    header = {"__metadata__": {"format": FORMAT}}
    header["weights.1"] = {"dtype": "F32", "shape": [1 << 20, 1 << 18]}
    header["weights.1"]["data_offsets"] = [0, 1 << 40]
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(64))


@pytest.mark.parametrize(
    ("kind", "write", "message"),
    [
        ("npz", zip_bomb, "more than 100 times as many: expected images; np.savez"),
        ("idx", gzip_bomb, "states the shape (256, 1024, 1024): expected at most"),
        ("idx", idx_of_a_terabyte, "expected at most 1073741824 bytes"),
        ("idx", idx_of_a_promised_gigabyte, "holds 99 bytes of data"),
        ("nir", huge_dataset, "unpacks '/node/more' from 0 to 536870912 bytes"),
        ("checkpoint", checkpoint_of_promises, "is no checkpoint, or is truncated"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_it_is_refused_and_no_memory_is_taken(tmp_path, kind, write, message):
    path = tmp_path / "file"
    write(path)
    assert path.stat().st_size < 8 << 20
    finished = subprocess.run(
        [sys.executable, "-c", PROBE, kind, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )
    said, growth_mib = json.loads(finished.stdout)
    assert message in said
    assert growth_mib < ALLOWED_MIB


def test_images_that_compress_well_are_no_bomb(tmp_path):
    images, labels = np.zeros((60_000, 784), np.uint8), np.arange(60_000) % 2
    images[::7, ::50] = 200
    np.savez_compressed(tmp_path / "mine.npz", images=images, labels=labels)
    assert len(load_npz(tmp_path / "mine.npz").train_labels) == 48_000


@pytest.mark.parametrize(
    "name", ["../../escaped.npy", "/tmp/escaped.npy", "images.npy/../../escaped.npy"]
)
def test_a_members_path_is_not_followed(tmp_path, name):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "mine.npz", "w") as archive:
        archive.writestr(name, b"escaped")
        archive.writestr("images.npy", npy_header((10, 2)) + bytes(20))
        archive.writestr("labels.npy", npy_header((10,)) + bytes(5) + b"\1" * 5)
    assert load_npz(folder / "mine.npz").num_inputs == 2
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["mine.npz"]


@pytest.mark.parametrize("number", [33, 64, 255])
def test_more_dimensions_than_an_array_has_are_refused(tmp_path, number):
    content = bytes([0, 0, 8, number]) + struct.pack(f">{number}I", *[1] * number) + b"!"
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DataError, match=f"states {number} dimensions: expected 1 to 32"):
        read_idx(tmp_path / "file")


def test_an_array_without_values_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(bytes([0, 0, 8, 2]) + struct.pack(">2I", 0, 2**32 - 1))
    with pytest.raises(DataError, match="expected at least one value"):
        read_idx(tmp_path / "file")


@pytest.mark.parametrize("shape", ["(1,) * 40", "(0, 10)", "()"])
def test_a_shape_that_no_images_have_is_refused(tmp_path, shape):
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {eval(shape)!r}, }}\n".encode()
    member = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + bytes(10)
    with zipfile.ZipFile(tmp_path / "mine.npz", "w") as archive:
        for name in ("images", "labels"):
            archive.writestr(f"{name}.npy", member)
    with pytest.raises(DataError, match="images have shape"):
        load_npz(tmp_path / "mine.npz")


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
def test_a_stream_that_cannot_be_unpacked_is_refused(tmp_path, packing):
    path = tmp_path / "mine.npz"
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name in ("images", "labels"):
            archive.writestr(f"{name}.npy", npy_header((999,)) + os.urandom(999))
    content = bytearray(path.read_bytes())
    start = content.index(b"images.npy") + 60
    content[start : start + 80] = b"\xff" * 80
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        load_npz(path)
