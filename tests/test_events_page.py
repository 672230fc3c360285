"""The examples of "Events" run as they stand there, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "events.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)


@pytest.mark.filterwarnings("error::lava_desire.data.DataWarning")
def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in EXAMPLES:
        exec(compile(code.replace("epochs=10", "epochs=2"), "events.md", "exec"), names)
    printed = capsys.readouterr().out
    for said in (
        "µs, sensor=(2, 14, 14))\n",
        "[1 0]\n(4, 2, 1, 3)\n[ True  True False False]\n3\n",
        "(20, 2, 392)\n",
        "(2, 16, 16) 4\n(1, 2, 10) 2\n",
    ):
        assert said in printed
    assert float(printed.split()[-1]) > 0.6  # of the order of two groups, after two epochs
