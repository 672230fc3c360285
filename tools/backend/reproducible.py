"""setuptools as build backend, with archives that hold nothing of the moment or the machine.

Wheels, that of an editable installation too, hold ``lava_desire.pth`` beside the package: Python
runs it when it starts, and it has Lava mended whoever imports it first.

The same commit gives the same bytes, wheel and sdist, in any folder, at any time, by any user; so
whoever doubts a release can build it again and compare. Every time stamp in them is that of
SOURCE_DATE_EPOCH, or else of the last commit, or else, in an unpacked sdist, of its own files.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from setuptools import build_meta

get_requires_for_build_editable = build_meta.get_requires_for_build_editable
get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist
get_requires_for_build_wheel = build_meta.get_requires_for_build_wheel
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable
prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel


# Python runs it at each start: it must cost next to nothing where Lava is not used, and never fail,
# least of all where the package is half removed.
_HOOK = """
class LavaDesireHook:
    def find_spec(name, path=None, target=None):
        if name == "lava":
            try:
                from lava_desire.lava_runtime.mending import arm
                arm()
            except Exception:
                pass
sys.meta_path.insert(0, LavaDesireHook)
"""
HOOK = f"import sys; exec({_HOOK!r})\n"
"""The text of ``lava_desire.pth``: one line, for Python runs each by itself."""


def build_wheel(
    wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None
) -> str:
    """Build a wheel; pip and build call this."""
    with _fixed_surroundings():
        name = str(build_meta.build_wheel(wheel_directory, config_settings, metadata_directory))
        _finish_wheel(Path(wheel_directory) / name)
        return name


def build_editable(
    wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel of an editable installation; pip calls this."""
    name = str(build_meta.build_editable(wheel_directory, config_settings, metadata_directory))
    _finish_wheel(Path(wheel_directory) / name)
    return name


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    """Build an sdist; pip and build call this."""
    with _fixed_surroundings() as epoch:
        name = str(build_meta.build_sdist(sdist_directory, config_settings))
        _pack_anew(Path(sdist_directory) / name, epoch)
        return name


@contextmanager
def _fixed_surroundings() -> Iterator[int]:
    epoch = _epoch()
    os.environ["SOURCE_DATE_EPOCH"] = str(epoch)
    before = os.umask(0o022)
    try:
        yield epoch
    finally:
        os.umask(before)


def _epoch() -> int:
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    # An unpacked sdist may lie inside a checkout of something else.
    if Path("PKG-INFO").exists():
        return int(Path("PKG-INFO").stat().st_mtime)
    last = subprocess.run(["git", "log", "-1", "--format=%ct"], capture_output=True, text=True)
    return int(last.stdout) if last.returncode == 0 else 315532800  # 1980, a zip's first year


def _finish_wheel(path: Path) -> None:
    """Write a wheel again, with the hook, and permissions that every file of Python may have."""
    hook = HOOK.encode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(hook).digest()).rstrip(b"=").decode()
    with zipfile.ZipFile(path) as wheel:
        files = [(each, wheel.read(each)) for each in wheel.infolist()]
    added = zipfile.ZipInfo("lava_desire.pth", files[0][0].date_time)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as anew:
        for file, content in [(added, hook), *files]:
            if file.filename.endswith(".dist-info/RECORD"):
                content += f"{added.filename},sha256={digest},{len(hook)}\n".encode()
            file.external_attr = 0o100644 << 16
            anew.writestr(file, content, zipfile.ZIP_DEFLATED)


def _pack_anew(path: Path, epoch: int) -> None:
    """Write a tar archive again: sorted, owned by nobody, of one time."""
    with tarfile.open(path) as archive:
        members = sorted(archive.getmembers(), key=lambda member: member.name)
        contents = {each.name: archive.extractfile(each) for each in members if each.isfile()}
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as anew:
            for member in members:
                executable = member.isdir() or member.mode & 0o100
                member.mode = 0o755 if executable else 0o644
                member.mtime, member.uid, member.gid = epoch, 0, 0
                member.uname = member.gname = ""
                member.pax_headers = {}
                anew.addfile(member, contents.get(member.name))
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=9, fileobj=file, mtime=epoch) as zipped,
    ):
        zipped.write(packed.getvalue())
