"""Files are whole at any moment, and a folder has one writer."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from lava_desire.files import (
    LOCK,
    FolderInUseError,
    FolderLock,
    NotRegularError,
    keep_as,
    read_file,
    remove_partial,
    write_atomically,
    write_figure,
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


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"the folder .*nowhere is not there.*file"):
        write_atomically(tmp_path / "nowhere" / "file", b"new")


def test_a_name_that_the_file_has_already_leaves_nothing_behind(tmp_path):
    (tmp_path / "one").write_bytes(b"x")
    os.link(tmp_path / "one", tmp_path / "other")
    keep_as(tmp_path / "one", tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other"]


def test_a_new_file_has_the_permissions_of_any_other(tmp_path):
    write_atomically(tmp_path / "ours", b"")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_killed_writers_began_is_removed_and_nothing_else(tmp_path):
    others = [".hidden", ".other.77-ab12cd34.partial", ".partial", "file.partial"]
    for name in (".lava-desire.77-ab12cd34.partial", *others):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".lava-desire.77-00000000.partial").mkdir()
    remove_partial(tmp_path)
    (tmp_path / ".lava-desire.77-00000000.partial").rmdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == others


def test_what_is_begun_and_killed_is_what_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *paths: None)
    monkeypatch.setattr(Path, "unlink", lambda *path, missing_ok: None)
    write_atomically(tmp_path / "file", b"x")
    monkeypatch.undo()
    assert len(list(tmp_path.iterdir())) == 1
    remove_partial(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", [0o600, 0o444, 0o640])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path, mode):
    path, figure = tmp_path / "file", tmp_path / "figure.png"
    for each in (path, figure):
        each.write_bytes(b"old")
        each.chmod(mode)
    write_atomically(path, b"new")
    write_figure(Figure(), figure, dpi=10)
    keep_as(path, tmp_path / "kept")
    for each in (path, figure, tmp_path / "kept"):
        assert stat.S_IMODE(each.stat().st_mode) == mode
    assert path.read_bytes() == (tmp_path / "kept").read_bytes() == b"new"


def write_new(path):
    write_atomically(path, b"new")


def draw(path):
    write_figure(Figure(), path, dpi=10)


@pytest.mark.parametrize("write", [write_new, draw])
def test_what_a_link_points_to_is_left_alone(tmp_path, write):
    theirs, link, dangling = tmp_path / "theirs", tmp_path / "link.png", tmp_path / "gone.png"
    theirs.write_bytes(b"theirs")
    link.symlink_to(theirs)
    dangling.symlink_to(tmp_path / "nothing")
    for path in (link, dangling):
        write(path)
        assert path.is_file()
        assert not path.is_symlink()
    assert theirs.read_bytes() == b"theirs"
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("write", [write_new, draw, lambda path: keep_as(__file__, path)])
def test_pipes_devices_and_links_to_them_are_not_replaced(tmp_path, write):
    pipe, null = tmp_path / "pipe.png", tmp_path / "null.png"
    os.mkfifo(pipe)
    null.symlink_to(os.devnull)
    folder = tmp_path / "folder.png"
    folder.mkdir()
    for path in (pipe, null):
        with pytest.raises(NotRegularError, match=f"{path.name} is a pipe or a device: expected"):
            write(path)
    with pytest.raises(OSError, match="Is a directory"):
        write(folder)
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert sorted(tmp_path.iterdir()) == [folder, null, pipe]


def test_pipes_and_devices_are_not_read_and_links_only_where_asked(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", os.devnull):
        with pytest.raises(NotRegularError, match="is a pipe or a device: expected a regular"):
            read_file(path)
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "link") == b"12345"
    with pytest.raises(NotRegularError, match="is a symbolic link: expected a regular file"):
        read_file(tmp_path / "link", follow=False)
    with pytest.raises(ValueError, match="has more than 4 bytes: expected a smaller"):
        read_file(tmp_path / "file", 4)
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)


def test_a_figure_without_a_suffix_is_a_png(tmp_path):
    write_figure(Figure(), tmp_path / "figure", dpi=10)
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="not supported"):
        write_figure(Figure(), tmp_path / "figure.what", dpi=10)


@pytest.mark.parametrize("kind", ["link", "dangling link", "second name", "pipe", "folder"])
def test_a_lock_file_that_is_another_s_is_refused_and_left_alone(tmp_path, kind):
    theirs, folder = tmp_path / "theirs", tmp_path / "run"
    folder.mkdir()
    lock = folder / LOCK
    theirs.write_bytes(b"theirs")
    make = {
        "link": lambda: lock.symlink_to(theirs),
        "dangling link": lambda: lock.symlink_to(tmp_path / "new"),
        "second name": lambda: os.link(theirs, lock),
        "pipe": lambda: os.mkfifo(lock),
        "folder": lambda: lock.mkdir(),
    }
    make[kind]()
    with pytest.raises(OSError, match=r"run\.lock"), FolderLock(folder):
        pass
    assert theirs.read_bytes() == b"theirs"
    assert not (tmp_path / "new").exists()
    assert lock.lstat()


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


def test_a_child_that_a_killed_process_forked_holds_nobody_up(tmp_path):
    script = HOLDER.replace('print("in"', "pid = os.fork(); pid or time.sleep(60); print(pid")
    with subprocess.Popen(
        [sys.executable, "-c", "import os, time" + script, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        child = int(process.stdout.readline())
        process.kill()
        process.wait()
        with FolderLock(tmp_path):
            os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS])
def test_a_folder_whose_file_system_knows_no_locks_is_taken_without(tmp_path, monkeypatch, code):
    def flock(*arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", flock)
    with FolderLock(tmp_path):
        assert (tmp_path / LOCK).read_text().split()[0] == str(os.getpid())
    assert list(tmp_path.iterdir()) == []


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
