from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lava_desire.data import DataError, read_idx

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_file_is_read_whatever_its_name(tmp_path, pack):
    (tmp_path / "file.dat").write_bytes(pack(idx(IMAGES)))
    np.testing.assert_array_equal(read_idx(tmp_path / "file.dat", 3), IMAGES)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_file_cut_anywhere_is_refused(tmp_path, pack):
    whole = pack(idx(IMAGES))
    for length in range(len(whole)):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(DataError, match="cut"):
            read_idx(tmp_path / "cut")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0\0\x0d\x01" + struct.pack(">I", 1) + b"1234", "magic number"),
        (b"\x89PNG\r\n", "magic number"),
        (b"\0\0\x08\0", "states 0 dimensions"),
        (idx(IMAGES[0]), "states 2 dimensions: expected 3"),
        (idx(IMAGES) + b"!", "holds more of data"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 2**31, 2**31, 2**31), "at most 1073741824 bytes"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 60000, 28, 28) + b"few", "holds 3 bytes of data"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(tmp_path, content, message):
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_idx(tmp_path / "bad", 3)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.integers(0, 40))
def test_any_bytes_are_read_or_refused(tmp_path, noise, position):
    whole = idx(IMAGES)
    (tmp_path / "noise").write_bytes(whole[:position] + noise)
    try:
        array = read_idx(tmp_path / "noise")
    except DataError:
        return
    assert array.dtype == np.uint8
