"""MathJax from a package on this machine: pages show formulas without a network."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

from sphinx.util.fileutil import copy_asset

# One script holds TeX and its output; the fonts lie where it looks for them.
_SCRIPT, _FONTS = "tex-chtml.js", "output/chtml/fonts/woff-v2"


def _copy(app: Any, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    files = importlib.metadata.files("sphinx-mathjax-offline") or []
    script = next(Path(str(f.locate())) for f in files if f.match(f"static/mathjax/{_SCRIPT}"))
    target = Path(app.outdir) / "_static/mathjax"
    copy_asset(script, target)
    copy_asset(script.parent / _FONTS, target / _FONTS)


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.config.mathjax_path = f"mathjax/{_SCRIPT}"
    # Without the menu nothing else is asked for. MyST adds which elements hold formulas.
    app.config.mathjax3_config = {"options": {"enableMenu": False}}
    app.connect("build-finished", _copy)
    return {"parallel_read_safe": True}
