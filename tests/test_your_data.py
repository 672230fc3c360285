"""The examples of "Your own data" run as they stand there, one after the other."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "your_data.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
COMMANDS = [
    shlex.split(line, comments=True)
    for line in PAGE.splitlines()
    if line.startswith("lava-desire train --data mine.")
]


@pytest.mark.filterwarnings("error::lava_desire.data.DataWarning")
def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in EXAMPLES:
        if "mine.csv" in code:
            pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        exec(compile(code, "your_data.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "('cat', 'dog', 'eel', 'fox') ('cat', 'dog', 'eel', 'fox')" in printed
    assert "160 40 ('cat', 'dog', 'eel', 'fox')\n4\n" in printed

    from lava_desire.cli import main

    assert len(COMMANDS) == 2
    for command in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main([*command[1:], "--epochs", "1", "--quiet"])
        assert ended.value.code == 0
