"""What a backend did, value by value under a name, and how two such accounts are compared."""

from __future__ import annotations

from typing import Any

import numpy as np

Trace = dict[str, Any]
"""Arrays under names such as ``minibatch 3: weights 1``, in the order in which they came about."""


class DifferenceError(AssertionError):
    """Two backends that should compute the same do not."""


def note(trace: Trace, name: str, value: Any) -> None:
    """Keep a copy of a value under a name, as float64, which Lava sends all numbers as.

    It has room for every float32, and for all integers that come here.
    """
    trace[name] = np.array(value, dtype=np.float64)


def compare(expected: Trace, found: Trace, names: tuple[str, str]) -> int:
    """Compare all values that both accounts have, to the bit, −0 being 0.

    Parameters
    ----------
    expected, found : dict
        The accounts.
    names : tuple of str
        What to call them.

    Returns
    -------
    int
        How many values were compared.

    Raises
    ------
    DifferenceError
        If one is another, at the first such; or if the accounts have nothing in common.
    """
    common = [name for name in expected if name in found]
    if not common:
        raise DifferenceError(f"{names[0]} and {names[1]} have nothing in common")
    num_values = 0
    for name in common:
        one, other = expected[name], found[name]
        if one.shape != other.shape:
            raise DifferenceError(
                f"{name}: shape {one.shape} of {names[0]}, {other.shape} of {names[1]}"
            )
        same = (one == other) | ((one != one) & (other != other))
        if not same.all():
            place = tuple(int(index) for index in np.argwhere(~same)[0])
            raise DifferenceError(
                f"{name}{list(place)}: {float(one[place])!r} of {names[0]}, "
                f"{float(other[place])!r} of {names[1]}; {np.count_nonzero(~same)} of {same.size} "
                "differ"
            )
        num_values += one.size
    return num_values
