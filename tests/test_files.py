"""Files are whole at any moment, and a folder has one writer."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lava_desire.files import (
    LOCK,
    FolderInUseError,
    FolderLock,
    remove_partial,
    replacing,
    write_atomically,
)

HOLDER = """
import sys
from lava_desire.files import FolderLock
with FolderLock(sys.argv[1]):
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Return a process that holds the lock of the folder, until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "in\n"
        yield process
        process.kill()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, call, code):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(*arguments, **options):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match=r"what was there before is untouched.*file") as caught:
        write_atomically(path, b"new")
    assert caught.value.errno == code
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {"file": b"old"}


def test_a_name_that_the_file_has_already_leaves_nothing_behind(tmp_path):
    (tmp_path / "one").write_bytes(b"x")
    os.link(tmp_path / "one", tmp_path / "other")
    with replacing(tmp_path / "other") as partial:
        os.link(tmp_path / "one", partial)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other"]


def test_a_new_file_has_the_permissions_of_any_other(tmp_path):
    write_atomically(tmp_path / "ours", b"")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_killed_writers_began_is_removed_and_nothing_else(tmp_path):
    for name in (".checkpoint.safetensors.77-ab12.partial", ".hidden", "file.partial"):
        (tmp_path / name).write_bytes(b"x")
    remove_partial(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "file.partial"]


def test_a_second_writer_is_told_who_the_first_is(tmp_path, holder):
    with (
        pytest.raises(FolderInUseError, match=f"being written by process {holder.pid}: wait"),
        FolderLock(tmp_path),
    ):
        pass


def test_the_lock_of_a_killed_process_holds_nobody_up(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / LOCK).exists()
    with FolderLock(tmp_path):
        assert (tmp_path / LOCK).read_text().split()[0] == str(os.getpid())
    assert not (tmp_path / LOCK).exists()


def test_a_lock_file_of_anyone_is_no_lock(tmp_path):
    for content in (b"", b"1 init", b"\xff\xfe" * 500):
        (tmp_path / LOCK).write_bytes(content)
        with FolderLock(tmp_path):
            pass


def test_threads_of_one_process_keep_each_other_out(tmp_path):
    refused = []

    def enter():
        try:
            with FolderLock(tmp_path):
                pass
        except FolderInUseError as error:
            refused.append(str(error))

    with FolderLock(tmp_path):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    assert f"process {os.getpid()}, this one," in refused[0]
    enter()
    assert len(refused) == 1


def test_a_folder_that_cannot_be_written_is_named():
    with pytest.raises(OSError, match="/proc"), FolderLock(Path("/proc")):
        pass
