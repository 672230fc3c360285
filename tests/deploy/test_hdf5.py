"""HDF5 files are read by a process of its own: whatever happens to it is an error here.

What may happen is brought about by code of our own in its place, not by a file.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

from lava_desire.deploy import hdf5_file
from lava_desire.deploy.hdf5_child import unpacked_bytes
from lava_desire.deploy.hdf5_file import read_hdf5

h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install lava_desire[export]")

INSTEAD = """
import os, sys, time
from lava_desire.deploy import hdf5_child
def instead(*_):
    {}
hdf5_child.read = instead
hdf5_child.main()
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file["here/numbers"] = np.arange(6, dtype=">f4").reshape(2, 3)
        file["here/one"] = 7
        file["here/deeper/text"] = "nöde"
        file["here/deeper/texts"] = np.array([[b"a", b"bc"]])
        file["here/deeper/complex"] = np.array([1 + 2j, 3j])
        file["here/deeper/truth"] = np.array([True, False])
        file["here/nothing"] = np.zeros((0, 4), np.int8)
    return path


def test_a_group_is_read_as_it_is(path):
    tree = read_hdf5(path, "here")
    assert tree["numbers"].dtype == np.dtype(">f4")
    np.testing.assert_array_equal(tree["numbers"], [[0, 1, 2], [3, 4, 5]])
    assert tree["one"] == 7
    assert tree["nothing"].shape == (0, 4)
    assert tree["deeper"]["text"] == "nöde"
    np.testing.assert_array_equal(tree["deeper"]["texts"], [["a", "bc"]])
    np.testing.assert_array_equal(tree["deeper"]["complex"], [1 + 2j, 3j])
    np.testing.assert_array_equal(tree["deeper"]["truth"], [True, False])


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("time.sleep(100)", "was not read within 0.5 s: it is damaged, or larger"),
        ("raise MemoryError", r"takes more than 268437\d+ bytes of memory to read"),
        pytest.param(
            "bytearray(1 << 33)",
            r"takes more than 268437\d+ bytes of memory to read",
            marks=pytest.mark.skipif(
                not sys.platform.startswith("linux"), reason="memory is limited on Linux only"
            ),
        ),
        ("os.kill(os.getpid(), 9)", r"ended the process that read it \(SIGKILL\)"),
        ("os.abort()", r"ended the process that read it \(SIGABRT\)"),
        ("raise RuntimeError('no such thing')", "is no HDF5 file, or is damaged: no such thing"),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_an_end_of_the_process_is_an_error_that_says_why(path, monkeypatch, code, message):
    monkeypatch.setattr(hdf5_file, "_PROGRAM", INSTEAD.format(code))
    with pytest.raises(ValueError, match=message) as caught:
        read_hdf5(path, "here", max_bytes=1000, max_seconds=0.5 if "sleep" in code else 60)
    assert str(path) in str(caught.value)


def test_a_process_that_does_not_come_to_its_own_limit_is_ended_from_here(path, monkeypatch):
    monkeypatch.setattr(hdf5_file, "_START_SECONDS", 0.3)
    monkeypatch.setattr(hdf5_file, "_PROGRAM", "import time; time.sleep(100)")
    with pytest.raises(ValueError, match=r"was not read within 0\.1 s"):
        read_hdf5(path, "here", max_seconds=0.1)


def test_what_else_is_printed_is_passed_over(path, monkeypatch):
    monkeypatch.setattr(hdf5_file, "_PROGRAM", "print('hello', flush=True); " + hdf5_file._PROGRAM)
    assert read_hdf5(path, "here")["one"] == 7


def test_a_process_that_cannot_start_is_no_fault_of_the_file(path, monkeypatch):
    monkeypatch.setattr(hdf5_file, "_PROGRAM", "import no_such_module")
    with pytest.raises(RuntimeError, match=r"ended with status 1: .*no_such_module"):
        read_hdf5(path, "here")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(RuntimeError, match="cannot be started with '/nowhere/python'"):
        read_hdf5(path, "here")


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_an_interrupt_ends_the_process(path, monkeypatch, tmp_path):
    started = tmp_path / "pid"
    monkeypatch.setattr(
        hdf5_file,
        "_PROGRAM",
        f"import os, time; open({str(started)!r}, 'w').write(f'{{os.getpid()}}.'); time.sleep(100)",
    )

    def interrupt():
        while not (started.exists() and started.read_text().endswith(".")):
            time.sleep(0.02)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        read_hdf5(path, "here")
    thread.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()[:-1]), 0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is a pipe or a device: expected a regular file"):
        read_hdf5(tmp_path / "pipe", "here")


@pytest.mark.parametrize(
    "limit",
    [{"max_seconds": 0}, {"max_seconds": float("inf")}, {"max_bytes": -1}, {"max_bytes": "1 GB"}],
)
def test_a_limit_that_is_none_is_refused(path, limit):
    with pytest.raises(ValueError, match=r"max_\w+ is .*: expected a number above 0"):
        read_hdf5(path, "here", **limit)


@pytest.mark.parametrize(
    ("shape", "chunks", "values"),
    [
        ((10,), None, 10),
        ((10,), (4,), 12),
        ((3, 5), (2, 100), 400),
        ((0, 5), (2, 100), 0),
        ((), None, 1),
    ],
)
def test_chunks_count_whole(tmp_path, shape, chunks, values):
    with h5py.File(tmp_path / "file.h5", "w") as file:
        largest = None if chunks is None else (None,) * len(shape)
        dataset = file.create_dataset("data", shape, "f8", chunks=chunks, maxshape=largest)
        assert unpacked_bytes(dataset) == 8 * values
