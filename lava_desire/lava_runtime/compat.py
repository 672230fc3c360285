"""Imports Lava 0.10.0, which declares Python 3.10 and NumPy 1 only, on later ones as well.

What is done to it for that stands in :mod:`lava_desire.lava_runtime.mends`.
"""

from __future__ import annotations

import importlib

from lava_desire.lava_runtime import mending

LAVA_VERSION = "0.10.0"
"""The release of Lava that the processes are written for and tested with."""

INSTALL_COMMAND = "lava-desire install-lava"
"""What installs Lava on every supported Python, beside the packages that are there."""

_NEEDS = ("asteval", "greenlet", "networkx", "scipy", "sklearn")


def import_lava() -> None:
    """Import Lava, past its obstacles where there are any.

    Raises ImportError if Lava, or a package that it needs, is not installed; the message holds the
    command that installs it.
    """
    mending.arm()
    try:
        importlib.import_module("lava.magma.compiler.compiler")
        importlib.import_module("lava.magma.runtime.runtime")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "lava":
            raise ImportError(f"Lava is not installed; run: {INSTALL_COMMAND}") from None
        if missing in _NEEDS:
            raise ImportError(
                f"Lava needs {missing}, which is not installed; run: {INSTALL_COMMAND}"
            ) from None
        raise


def check_start_method() -> None:
    """Refuse to fork the processes of a network where the program wants no forks.

    Raises RuntimeError if the start method of multiprocessing is another than fork.
    """
    import multiprocessing

    method = multiprocessing.get_start_method()
    if method != "fork":
        raise RuntimeError(
            f"Lava forks its processes, and multiprocessing is set to {method!r} in this program: "
            "call multiprocessing.set_start_method('fork', force=True) before the network runs"
        )
