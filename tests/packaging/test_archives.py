"""The same files give the same wheel and sdist; at length and with the demo: make check-dist."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from hatchling import build
build.build_sdist(sys.argv[1])
build.build_wheel(sys.argv[1])
"""


def files_of_the_project():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode or not listed.stdout:
        pytest.skip("this is no checkout")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def build(folder, names, umask, modified):
    for name in names:
        target = folder / "tree" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
        os.utime(target, (modified, modified))
        target.chmod((target.stat().st_mode | 0o666) & ~umask)
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)],
        cwd=folder / "tree",
        env={**os.environ, "PYTHONHASHSEED": str(umask)},
        check=True,
        capture_output=True,
        umask=umask,
    )
    return sorted([*folder.glob("*.whl"), *folder.glob("*.tar.gz")])


def test_two_builds_of_the_same_files_are_the_same_to_the_byte_and_complete(tmp_path):
    pytest.importorskip("hatchling")
    names = files_of_the_project()
    first = build(tmp_path / "one", names, 0o022, 1_600_000_000)
    second = build(tmp_path / "another" / "place", names, 0o077, 1_650_000_000)
    assert [path.name for path in first] == [path.name for path in second]
    assert len(first) == 2
    wheel, sdist = first
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    hook = {"lava_desire.pth"}
    assert inside == {name for name in names if name.startswith("lava_desire/")} | hook
    assert "lava_desire/py.typed" in inside
    with tarfile.open(sdist) as archive:
        packed = {each.name.partition("/")[2] for each in archive if each.isfile()}
    assert packed == {*names, "PKG-INFO"}


def test_an_editable_installation_mends_lava_too(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    build = pytest.importorskip("hatchling.build")
    wheel = tmp_path / build.build_editable(str(tmp_path))
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("lava_desire.pth") == (ROOT / "tools" / "lava_desire.pth").read_bytes()
        assert archive.read("_lava_desire.pth").decode().strip() == str(ROOT)
