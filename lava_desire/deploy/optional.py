"""Packages that only some exports need."""

from __future__ import annotations

import importlib
from typing import Any

INSTALL_COMMAND = 'pip install "lava_desire[export]"'
"""What installs them."""


def import_optional(name: str, install: str = INSTALL_COMMAND) -> Any:
    """Import a package of the ``export`` extra, or of another that `install` names.

    Raises ImportError if it is not installed; the message says what to run.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ImportError(f"{name} is not installed; run: {install}") from None
