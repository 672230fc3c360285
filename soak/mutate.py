"""Ways to spoil a file: bytes, JSON, and the numbers in between that readers trust.

Everything draws from the ``random.Random`` that is given, so that a seed repeats a case.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from random import Random
from typing import Any

_WIDTHS = (1, 2, 4, 8)
_ODD_INTEGERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31, 2**32 - 1, 2**40, 2**63)
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    65_536,
    2**31,
    2**53 + 1,
    2**63,
    2**64,
    10**30,
    10**400,
    0.0,
    -0.0,
    0.5,
    1.0,
    -1e-9,
    1e-320,
    1e300,
    1e39,
    float("nan"),
    float("inf"),
    -float("inf"),
    "",
    "x",
    "zero",
    "subtract",
    "../../etc/passwd",
    "\x00",
    "\ud800",
    "9" * 5_000,
    [],
    [1],
    [2, 1],
    [[1]],
    [1] * 2_000,
    {},
    {"a": 1},
    {"layer_sizes": [2, 1]},
)
"""What a field may hold that nobody meant it to."""


def mutate_bytes(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Spoil a file in one to four places; `others` are files of its kind to take pieces from."""
    spoiled = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        random.choice(_EDITS)(random, spoiled, others)
    return bytes(spoiled)


def _place(random: Random, data: bytearray) -> int:
    """Choose a place; every other time in the beginning, where headers are."""
    end = len(data) if random.random() < 0.5 else min(len(data), 64)
    return random.randrange(end) if end else 0


def _flip(random: Random, data: bytearray, others: Sequence[bytes]) -> None:
    if data:
        data[_place(random, data)] ^= 1 << random.randrange(8)


def _set(random: Random, data: bytearray, others: Sequence[bytes]) -> None:
    if data:
        data[_place(random, data)] = random.choice((0, 1, 0x20, 0x30, 0x7F, 0x80, 0xFF))


def _number(random: Random, data: bytearray, others: Sequence[bytes]) -> None:
    """Write a number that lengths and counts break at, in either order of bytes."""
    width, place = random.choice(_WIDTHS), _place(random, data)
    value = random.choice(_ODD_INTEGERS) + random.choice((-1, 0, 0, 1))
    word = (value % 2 ** (8 * width)).to_bytes(width, random.choice(("big", "little")))
    data[place : place + width] = word


def _cut(random: Random, data: bytearray, others: Sequence[bytes]) -> None:
    del data[_place(random, data) :]


def _take_out(random: Random, data: bytearray, others: Sequence[bytes]) -> None:
    place = _place(random, data)
    del data[place : place + random.randrange(1, 64)]


def _put_in(random: Random, data: bytearray, others: Sequence[bytes]) -> None:
    place = _place(random, data)
    data[place:place] = random.randbytes(random.randrange(1, 32))


def _repeat(random: Random, data: bytearray, others: Sequence[bytes]) -> None:
    place = _place(random, data)
    data[place:place] = data[place : place + random.randrange(1, 128)]


def _splice(random: Random, data: bytearray, others: Sequence[bytes]) -> None:
    """Go on with another file from somewhere."""
    other = random.choice(others)
    del data[_place(random, data) :]
    data += other[random.randrange(len(other) + 1) :]


def _append(random: Random, data: bytearray, others: Sequence[bytes]) -> None:
    data += random.choice((b"\0", b"\n", b"PK\x05\x06", random.randbytes(16)))


_EDITS = (_flip, _flip, _set, _number, _number, _cut, _take_out, _put_in, _repeat, _splice, _append)


def mutate_json(random: Random, value: Any) -> Any:
    """Return a copy of a JSON value with one to three places changed."""
    changed = copy.deepcopy(value)
    for _ in range(random.choice((1, 1, 2, 3))):
        changed = _changed_somewhere(random, changed)
    return changed


def _changed_somewhere(random: Random, value: Any) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.95:
        name = random.choice(list(value))
        what = random.random()
        if what < 0.1:
            del value[name]
        elif what < 0.2:
            value[random.choice(("", "x", name + "s", "__class__", "config"))] = value.pop(name)
        else:
            value[name] = _changed_somewhere(random, value[name])
        return value
    if isinstance(value, list) and value and random.random() < 0.7:
        place, what = random.randrange(len(value)), random.random()
        if what < 0.2:
            del value[place]
        elif what < 0.4:
            value.insert(place, copy.deepcopy(value[place]))
        else:
            value[place] = _changed_somewhere(random, value[place])
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and random.random() < 0.3:
        return random.choice((value + 1, value - 1, -value, value * 2, value // 2, str(value)))
    return copy.deepcopy(random.choice(ODD_VALUES))


def mutate_json_text(random: Random, text: bytes, others: Sequence[bytes]) -> bytes:
    """Spoil a JSON file: its values three times out of four, else its letters."""
    if random.random() < 0.25:
        return mutate_bytes(random, text, others)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return mutate_bytes(random, text, others)
    if random.random() < 0.01:
        return b'{"layer_sizes":' + b"[" * random.choice((10, 2_000))
    try:
        return json.dumps(mutate_json(random, value)).encode()
    except ValueError:  # an endless integer is not written out
        return mutate_bytes(random, text, others)
