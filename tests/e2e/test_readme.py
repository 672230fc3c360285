"""What the README shows runs as it stands there, but for fewer epochs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(
    r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```", README.read_text("utf-8"), re.M | re.S
)


@pytest.mark.parametrize(("title", "code"), BLOCKS, ids=[title for title, _ in BLOCKS])
def test_a_block_of_python_runs_in_a_fresh_process(title, code, tmp_path):
    if "lava.magma" in code:
        pytest.importorskip("lava.magma", reason="Lava is not installed")
    code = re.sub(r"epochs=\d+", "epochs=1", code)
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=250
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout


def test_every_section_with_python_is_run():
    assert [title for title, _ in BLOCKS] == ["In Python", "In Lava", "In integers"]


def test_every_file_that_it_names_is_there():
    linked = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", README.read_text("utf-8"))
    missing = [name for name in linked if "://" not in name and not (README.parent / name).exists()]
    assert missing == []
