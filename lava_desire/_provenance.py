"""Provenance of results: the commit of the source, and versions. It imports no torch."""

from __future__ import annotations

import platform
import subprocess
import sys
from functools import cache
from pathlib import Path


def commit() -> str | None:
    """Return the commit of the source, with ``+`` where files have changed; None if there is none.

    Only a checkout of this package is asked: one that it is merely installed beneath is another's.
    """
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    git = ["git", "-C", str(root)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
        status = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no", "--", "lava_desire"],
            capture_output=True,
            text=True,
        )
    except OSError:
        return None
    if head.returncode:
        return None
    return head.stdout.strip() + ("+" if status.stdout.strip() else "")


@cache
def versions() -> dict[str, str | None]:
    """Return the versions that a network is trained with; no torch is imported for them."""
    own = sys.modules["lava_desire"].__version__  # not imported: it knows of Lava
    return {
        "lava_desire": own,
        "python": platform.python_version(),
        **{name: version_of(name) for name in ("torch", "numpy")},
    }


def version_of(package: str) -> str | None:
    """Return the version of a package that is installed, or None."""
    import importlib.metadata  # which takes longer than most commands need for their answer

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
