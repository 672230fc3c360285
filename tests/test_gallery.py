"""docs/gallery.md: its code runs, shows every plot, and makes the pictures that stand there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from lava_desire import analysis, sheet

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "gallery.md").read_text("utf-8")
CODE = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S))


def test_the_gallery_shows_every_plot_and_makes_its_pictures(monkeypatch):
    pytest.importorskip("lava.magma", reason="Lava is not installed")
    written, plots = [], {name for name in analysis.__all__ if name.startswith("plot_")}
    assert set(re.findall(r"analysis\.(plot_\w+)\(", CODE)) == plots
    monkeypatch.setattr(sheet, "write_figure", lambda figure, path, **_: written.append(path))
    monkeypatch.setattr(
        "matplotlib.figure.Figure.savefig", lambda _, path, **__: written.append(path)
    )
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(ROOT)
    # One epoch shows that it runs; nothing is drawn to its last pixel, which takes the time.
    exec(CODE.replace("epochs=10", "epochs=1"), {"__name__": "gallery"})
    shown = re.findall(r"^!\[[^\]]{20,}\]\(images/gallery/([\w.]+)\)", PAGE, re.M)
    assert written == shown
    assert sorted(shown) == sorted(os.listdir(ROOT / "docs" / "images" / "gallery"))
