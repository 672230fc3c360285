"""Chips as data, one file each: a file with a ``CHIP`` in this folder is a new one."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from lava_desire.deploy.chips.base import Chip


def find_chips() -> dict[str, Chip]:
    """Return all chips by their names, in alphabetical order.

    Returns
    -------
    dict of str to Chip
        What is known of each.
    """
    names = sorted(each.name for each in iter_modules(__path__) if each.name != "base")
    found = [import_module(f"{__name__}.{name}").CHIP for name in names]
    return {chip.name: chip for chip in found}


def find_chip(chip: str | Chip) -> Chip:
    """Return a chip by its name.

    Parameters
    ----------
    chip : str or Chip
        The name of its file, as ``"loihi1"``; a chip is returned as it is.

    Returns
    -------
    Chip
        What is known of it.

    Raises
    ------
    ValueError
        If there is none of that name; the message lists them.
    """
    if isinstance(chip, Chip):
        return chip
    chips = find_chips()
    if not isinstance(chip, str) or chip not in chips:
        raise ValueError(f"chip is {chip!r}: expected one of {', '.join(chips)}")
    return chips[chip]
