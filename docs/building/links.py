"""Links that lead to the same place on the site and in the repository's own web view.

Markdown of the repository (README files, the guide, notebooks) names other files relative to
itself. Here such links are turned to the page that shows the file, or to the file as a download.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmark_notes.md",
    "results/README.md": "result_notes.md",
    "tutorials/README.md": "tutorials.md",
    "tutorials": "tutorials.md",
    "docs": "index.md",
}
"""Which page of the site shows a file of the repository; paths from the root, and from docs/."""

_TUTORIAL = re.compile(r"\[([^\[\]]*)\]\((\d\d)_\w+\.ipynb\)")
_LINK = re.compile(r"(\]\()([^)\s#\\]+)(#[^)\s]*)?(\))")


def rewrite(text: str, home: Path, page_folder: Path) -> str:
    """Return Markdown with its links turned from `home`, where it lies, to the site's pages.

    Parameters
    ----------
    text : str
        Markdown, or a notebook's JSON.
    home : Path
        Folder of the file in the repository.
    page_folder : Path
        Folder, inside docs/, of the page that shows it.
    """

    def turned(link: re.Match[str]) -> str:
        start, target, anchor, end = link.groups(default="")
        if "://" in target or target.startswith("mailto:"):
            return link.group(0)
        found = (home / target).resolve()
        if not found.exists() or not found.is_relative_to(ROOT):
            return link.group(0)  # a wrong link, which Sphinx reports
        name = found.relative_to(ROOT).as_posix()
        if name.startswith("tutorials/") and name not in PAGES:
            found = DOCS / name  # the copy below
        elif name in PAGES:
            found = DOCS / PAGES[name]
        return f"{start}{os.path.relpath(found, page_folder)}{anchor}{end}"

    def written(link: re.Match[str]) -> str:
        # A tutorial may lead to one that is still to come, not to one by a wrong name.
        return link.group(0 if any((ROOT / "tutorials").glob(f"{link[2]}_*")) else 1)

    return _LINK.sub(turned, _TUTORIAL.sub(written, text))


def _copy_tutorials(app: Any, config: Any) -> None:
    source, copy = ROOT / "tutorials", DOCS / "tutorials"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    if source.is_dir():
        leave = shutil.ignore_patterns(".*", "__pycache__", "*.py", "runs", "data")
        shutil.copytree(source, copy, ignore=leave, dirs_exist_ok=True)


def _turn_page(app: Any, docname: str, content: list[str]) -> None:
    if docname == "tutorials" and not any((DOCS / "tutorials").glob("[0-9]*")):
        content[0] = re.sub(r"```\{toctree\}.*?```", "(None yet.)", content[0], flags=re.DOTALL)
    page = Path(app.env.doc2path(docname))
    home = page.parent
    if home.is_relative_to(DOCS / "tutorials"):
        home = ROOT / home.relative_to(DOCS)
    content[0] = rewrite(content[0], home, page.parent)


def _turn_included(app: Any, path: Path, docname: str, content: list[str]) -> None:
    home = (Path(app.srcdir) / path).resolve().parent
    content[0] = rewrite(content[0], home, Path(app.env.doc2path(docname)).parent)


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("config-inited", _copy_tutorials)
    app.connect("source-read", _turn_page)
    app.connect("include-read", _turn_included)
    return {"parallel_read_safe": True}
