"""The named data sets, known without NumPy: a command line refuses another name at once."""

from __future__ import annotations

DATASETS = ("digits", "mnist", "fashion-mnist")
"""The names that :func:`~lava_desire.data.load_dataset` knows."""


def check_dataset(name: str, error: type[ValueError] = ValueError) -> None:
    """Raise a ValueError of some kind, with the names that are known, if `name` is none of them."""
    if name not in DATASETS:
        raise error(f"dataset is {name!r}: expected one of {', '.join(DATASETS)}")
