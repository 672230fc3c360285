"""Measurements as JSON files, from which figures can be drawn again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from lava_desire.files import read_file, write_atomically
from lava_desire.strict_json import parse_json

_Measurement = TypeVar("_Measurement")
_DIGITS = 5
_MAX_BYTES = 1 << 30


def save_measurement(measurement: Any, path: str | Path, **notes: Any) -> None:
    """Write a dataclass of numbers, lists and arrays as JSON; arrays are kept to five digits.

    `notes`, how it was measured, are JSON types and kept beside it. Raises OSError if the file
    cannot be written.
    """
    fields = {
        field.name: _plain(getattr(measurement, field.name))
        for field in dataclasses.fields(measurement)
    }
    text = json.dumps({"notes": notes, "measurement": fields}) + "\n"
    write_atomically(path, text.encode())


def load_measurement(kind: type[_Measurement], path: str | Path) -> _Measurement:
    """Read what :func:`save_measurement` wrote; lists come back as lists, not as arrays.

    Raises ValueError if the file holds no measurement of that kind; OSError if it cannot be read.
    """
    try:
        return kind(**parse_json(read_file(path, _MAX_BYTES))["measurement"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no {kind.__name__}: {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    return value
