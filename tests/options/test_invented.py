"""An option is one file: some that nobody has heard of work at every door."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def test_an_option_is_one_file():
    """Lava and torch are imported once, by a process that finds four more options: claims.py."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "drop_in", "-p", "no:cacheprovider"]
    command += ["--doctest-modules", "claims.py", "invented"]
    path = os.pathsep.join([str(HERE), str(ROOT), *filter(None, sys.path)])
    done = subprocess.run(
        command, cwd=HERE, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
