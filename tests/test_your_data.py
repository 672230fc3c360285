"""The examples of "Your own data" run as they stand there, one after the other."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "your_data.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
COMMANDS = [
    shlex.split(line, comments=True)
    for line in PAGE.splitlines()
    if line.startswith(("lava-desire train --data mine.", "lava-desire predict"))
]


def write_idx(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for name, array in (("images-idx3", images), ("labels-idx1", labels.astype(np.uint8))):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        (folder / f"train-{name}-ubyte").write_bytes(header + array.tobytes())


@pytest.mark.filterwarnings("error::lava_desire.data.DataWarning")
def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    pictures = np.random.default_rng(0).integers(0, 256, (20, 6, 8), dtype=np.uint8)
    write_idx(tmp_path / "data" / "KMNIST", pictures, np.arange(20) % 4)
    np.savez(tmp_path / "new.npz", images=pictures)
    for code in EXAMPLES:
        if "mine.csv" in code:
            pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        exec(compile(code, "your_data.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "('cat', 'dog', 'eel', 'fox') ('cat', 'dog', 'eel', 'fox')" in printed
    assert "160 40 ('cat', 'dog', 'eel', 'fox')\n4\n" in printed

    from lava_desire.cli import main

    assert [command[1] for command in COMMANDS] == ["train", "train", "predict"]
    for command in COMMANDS:
        options = ["--epochs", "1", "--quiet"] if command[1] == "train" else []
        with pytest.raises(SystemExit) as ended:
            main([*command[1:], *options])
        assert ended.value.code == 0
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 21
