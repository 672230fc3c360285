"""Installs Lava beside the packages that an environment has, none of which is replaced.

Lava declares Python 3.10 and NumPy 1. Told to install it, pip refuses on later Pythons, and where
it does not it puts an old NumPy in the place of a new one. So what Lava needs is installed first,
with the NumPy that is there, and then Lava by itself.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib import metadata

from lava_desire.lava_runtime.compat import LAVA_VERSION

NEEDS = ("asteval", "greenlet", "networkx", "scikit-learn", "scipy")
"""What Lava, and its runtime here, need beside NumPy, by the names that pip knows."""


def version_of(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def steps() -> list[list[str]]:
    """Return the commands that install Lava in the running environment; none if it is there.

    Each is one call of pip, with its arguments. Raises RuntimeError if the environment has no pip.
    """
    if not _pip_is_there():
        raise RuntimeError(f"this environment has no pip; run: {sys.executable} -m ensurepip")
    pip = [sys.executable, "-m", "pip", "install"]
    found = []
    missing = [package for package in NEEDS if version_of(package) is None]
    if missing:
        # Named as it is, NumPy stays, and pip looks for releases of the others that take it.
        numpy = version_of("numpy")
        found.append([*pip, *([f"numpy=={numpy}"] if numpy else []), *missing])
    if version_of("lava-nc") != LAVA_VERSION:
        found.append(
            [*pip, "--no-deps", "--ignore-requires-python", f"lava-nc=={LAVA_VERSION}"],
        )
    return found


def _pip_is_there() -> bool:
    return importlib.util.find_spec("pip") is not None
