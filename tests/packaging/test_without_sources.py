"""The package loads where only its compiled files are, as a bundled application has them."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
from pathlib import Path

import lava_desire

SCRIPT = """
from importlib import import_module
for each in ("", ".analysis", ".data", ".deploy", ".engine", ".lava_runtime"):
    package = import_module("lava_desire" + each)
    for name in package.__all__:
        getattr(package, name)
    print(package.__file__, len(package.__all__))
"""


def test_every_name_loads_without_the_sources(tmp_path):
    copy = tmp_path / "lava_desire"
    shutil.copytree(
        Path(lava_desire.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__")
    )
    assert compileall.compile_dir(copy, quiet=1, legacy=True)
    for path in copy.rglob("*.py"):
        path.unlink()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.rsplit(" ", 1) for line in done.stdout.splitlines()]
    assert len(lines) == 6
    assert all(
        Path(file).parent.is_relative_to(copy) and file.endswith(".pyc") and int(names)
        for file, names in lines
    )
