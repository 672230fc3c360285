"""A JSON reader that refuses duplicate names, of which Python's own keeps the last."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Read JSON, and refuse an object that holds a name twice.

    Returns what :func:`json.loads` does. Raises ValueError if it is no JSON, or a name, which the
    message has, stands twice in one object.

    Examples
    --------
    >>> parse_json('{"seed": 1, "epochs": 2}')
    {'seed': 1, 'epochs': 2}
    >>> parse_json('{"seed": 1, "seed": 2}')
    Traceback (most recent call last):
        ...
    ValueError: 'seed' stands twice in one object: expected each name once
    """
    return json.loads(text, object_pairs_hook=_each_name_once)


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:100]!r} stands twice in one object: expected each name once")
        found[name] = value
    return found
