"""Tables, a row a sample and a column a pixel: CSV and Parquet, read by pyarrow."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from lava_desire._text import printable
from lava_desire.data.checks import DataError, DataWarning, check_names
from lava_desire.data.dataset import Dataset
from lava_desire.files import NotRegularError, open_regular

SUFFIXES = (".csv", ".parquet")
"""Endings of the files that :func:`load_table` reads."""

FEATURES = "feature_names"
"""Under this name :func:`inputs_of` returns what the inputs are called."""

_LABELS = ("label", "labels", "class", "target")
# What libraries write beside the values: the number of a row is no pixel.
_ROW_NUMBERS = ("", "index", "id", "unnamed: 0", "__index_level_0__")
_BELOW = " below the names"
_NOT_UTF_8 = "not in UTF-8: convert the file, as from Latin-1 by iconv -f latin1 -t utf-8 OLD > NEW"
_COUNTED = 10  # rows whose numbers are no chance
_SHOWN = 300
_LISTED = 20  # columns in an error
_MAX_BYTES = 1 << 33
_MAX_COLUMNS = 1 << 20
_MAX_RATIO, _RATIO_COUNTS_ABOVE = 100, 1 << 26


def load_table(path: str | Path, label_column: str | None = None) -> Dataset:
    """Load a data set from a CSV or Parquet file.

    One column, `label_column`, or the one called ``label``, ``labels``, ``class`` or ``target``,
    holds the labels: integers or texts. All others are the inputs, in their order: integers from 0
    to 255, or floats in [0, 1]. A CSV file has the names of its columns in the first line. A fifth
    of each class becomes the test set, the same every time.

    Parameters
    ----------
    path : path
        The file, ``.csv`` or ``.parquet``.
    label_column : str, optional
        The name of the column that holds the labels. No other may then be called as labels are.

    Returns
    -------
    Dataset
        Named for the file.

    Raises
    ------
    DataError
        If the file is damaged, no column is called `label_column`, without one no or several
        columns may be the labels, a column holds something else, or nothing, or two have one name.
    ImportError
        If pyarrow is not installed; the message has the command.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    arrays = read_table(path, partial(_labelled, label_column=label_column))
    try:
        data = Dataset.from_arrays(arrays, path.stem)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return replace(data, feature_names=arrays[FEATURES])


def read_table(path: Path, read: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """Return what `read` makes of a file's table; raises the errors of :func:`load_table`."""
    pyarrow = import_pyarrow()
    try:
        with open_regular(path) as file:
            return read(_read(file, path))
    except NotRegularError as error:
        raise DataError(str(error)) from None
    except (pyarrow.ArrowException, OverflowError, UnicodeError) as error:
        if isinstance(error, UnicodeError):
            raise DataError(f"{path}: the names of its columns are {_NOT_UTF_8}") from None
        raise _damaged(path, error) from None
    except OSError as error:
        # pyarrow's own errors of reading have no number, those of the disk do.
        if error.errno is not None:
            raise
        raise _damaged(path, error) from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _damaged(path: Path, error: Exception) -> DataError:
    kind = path.suffix[1:].lower()
    # What a comma in a number makes of a file whose columns are separated by something else.
    hint = "; columns are separated by ','" if "Expected 1 columns" in str(error) else ""
    reason = f"{printable(error, _SHOWN)}{hint}"
    return DataError(f"{path} is no {kind} file, or a damaged one: {reason}")


def import_pyarrow() -> Any:
    """Return pyarrow with its readers and writers; ImportError has the command that installs it."""
    try:
        import pyarrow
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        raise ImportError(
            'pyarrow is not installed; run: pip install "lava_desire[tables]"', name="pyarrow"
        ) from None
    return pyarrow


def _read(file: BinaryIO, path: Path) -> Any:
    from pyarrow import csv, parquet

    size = os.fstat(file.fileno()).st_size
    if size > _MAX_BYTES:
        raise DataError(f"it has {size} bytes: expected at most {_MAX_BYTES}")
    # One thread: Lava forks its processes, and a fork has none of the others.
    if path.suffix.lower() == ".csv":
        return csv.read_csv(file, read_options=csv.ReadOptions(use_threads=False))
    # A text that a file holds once for many rows is kept once.
    schema = parquet.read_schema(file)
    texts = [field.name for field in schema if str(field.type).endswith("string")]
    found = parquet.ParquetFile(file, read_dictionary=texts)
    shape = (found.metadata.num_rows, found.metadata.num_columns)
    _check_columns(found.schema_arrow.names)
    stated = sum(
        found.metadata.row_group(group).total_byte_size
        for group in range(found.metadata.num_row_groups)
    )
    # What rows become in memory, where a value takes a byte at least.
    needed = max(stated, shape[0] * shape[1])
    if needed > min(_MAX_BYTES, max(_RATIO_COUNTS_ABOVE, _MAX_RATIO * size)):
        raise DataError(
            f"a file of {size} bytes states {shape[0]} rows of {shape[1]} columns: expected at "
            f"most {_MAX_RATIO} times as many bytes as the file has"
        )
    return found.read(use_threads=False)


def _check_columns(names: list[str]) -> None:
    if len(names) > _MAX_COLUMNS:
        raise DataError(f"the table has {len(names)} columns: expected at most {_MAX_COLUMNS}")
    if len(set(names)) < len(names):
        twice = next(name for name in sorted(names) if names.count(name) > 1)
        raise DataError(f"two columns are called {_shown(twice)}: expected a name for each")


def _labelled(table: Any, label_column: str | None) -> dict[str, Any]:
    """Return the columns as images and labels."""
    names = table.column_names
    _check_columns(names)
    labels = [name for name in names if _is_label(name, label_column)]
    if len(labels) != 1:
        shown = labels or names
        some = [*map(_shown, shown[:_LISTED]), "...", *map(_shown, shown[-1:])]
        found = ", ".join(some if len(shown) > _LISTED else map(_shown, shown))
        if label_column is not None:
            raise DataError(
                f"no column is called {_shown(label_column)}, as the labels are said to be: there "
                f"are {found}"
            )
        hint = ""
        if len(names) == 1 and (other := next((each for each in ";\t|" if each in names[0]), "")):
            hint = f"; columns are separated by ',', and here {other!r} seems to do so"
        raise DataError(
            f"{len(labels) or 'none'} of the columns {found} may be the labels: expected one "
            f"called {', '.join(_LABELS[:-1])} or {_LABELS[-1]}, in the first line of a CSV file, "
            f"or a name for it, label_column or --label-column{hint}"
        )
    inputs = inputs_of(table, label_column)
    return {**inputs, "labels": _values(table.column(labels[0]), labels[0], texts=True)}


def inputs_of(table: Any, label_column: str | None = None) -> dict[str, Any]:
    """Return the columns that hold no labels as images, and their names."""
    _check_columns(table.column_names)
    names = [name for name in table.column_names if not _is_label(name, label_column)]
    if others := [name for name in names if _is_label(name)]:
        raise DataError(
            f"the column {_shown(others[0])} is called as labels are, which are in "
            f"{_shown(str(label_column))}: leave it out, or give it another name if it is an input"
        )
    lower = {name: name.strip().lower() for name in names}
    numbers = [name for name in names if lower[name] in _ROW_NUMBERS or lower[name][-3:] == "_id"]
    if numbers:
        raise DataError(
            f"the column {_shown(numbers[0])} holds the number of a row, or of a thing, which is "
            "no input: leave it out, as pandas does with index=False"
        )
    if not names or not table.num_rows:
        raise DataError(
            f"the table has {table.num_rows} rows and {len(names)} inputs: expected some"
        )
    columns = [_values(table.column(name), name, texts=False) for name in names]
    for column, name in zip(columns, names, strict=True):
        if len(column) >= _COUNTED and (np.diff(column) == 1).all() and column[0] % 1 == 0:
            warnings.warn(
                f"the column {_shown(name)} goes up by one from row to row, from {column[0]:.0f}: "
                "the number of a row is no input; leave it out if it is that",
                DataWarning,
                stacklevel=2,
            )
    return {"images": _joined(columns, names), FEATURES: names}


def _is_label(name: str, label_column: str | None = None) -> bool:
    if label_column is not None:
        return name == label_column
    return name.strip().lower() in _LABELS


def _values(column: Any, name: str, texts: bool) -> npt.NDArray[Any]:
    """Return a column as an array of numbers, or of texts where that is allowed."""
    from pyarrow import types

    if column.null_count:
        first = column.is_null().index(True).as_py() + 1
        raise DataError(
            f"the column {_shown(name)} has {column.null_count} rows without a value, the first of "
            f"them row {first}{_BELOW}: fill them, or leave those rows out"
        )
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if types.is_binary(kind):
        raise DataError(f"the column {_shown(name)} holds texts that are {_NOT_UTF_8}")
    if texts and (types.is_string(kind) or types.is_large_string(kind)):
        return _texts(column)
    if types.is_dictionary(column.type):
        column = column.cast(kind)
    if not types.is_integer(kind) and (texts or not types.is_floating(kind)):
        wanted = "integers or texts" if texts else "integers from 0 to 255, or floats in [0, 1]"
        hint = "; whole numbers are written without a point, as 1" if texts else ""
        raise DataError(f"the column {_shown(name)} holds {kind}: expected {wanted}{hint}")
    array: npt.NDArray[Any] = column.to_numpy()
    return array


def _texts(column: Any) -> npt.NDArray[Any]:
    """Return a column of texts, each of which is looked at once before it is repeated."""
    parts = column.dictionary_encode().unify_dictionaries().chunks
    given = parts[0].dictionary.to_pylist()
    stripped = [name.strip() for name in given]
    for name in given:
        if name != name.strip() and stripped.count(name.strip()) > 1:
            raise DataError(
                f"a class is called {_shown(name)}, and another the same without the spaces at its "
                "ends: expected one of them"
            )
    names = np.array(check_names(stripped))
    numbers = np.concatenate([part.indices.to_numpy() for part in parts])
    if numbers.min() < 0 or numbers.max() >= len(names):
        raise DataError("a column of texts refers to one that it does not hold: it is damaged")
    labels: npt.NDArray[Any] = names[numbers]
    return labels


def _joined(columns: list[npt.NDArray[Any]], names: list[str]) -> npt.NDArray[Any]:
    """Return the inputs as (S, N) uint8 where all are integers, else float."""
    floats = any(column.dtype.kind == "f" for column in columns)
    images = np.empty((len(columns[0]), len(columns)), np.float64 if floats else np.uint8)
    for place, (column, name) in enumerate(zip(columns, names, strict=True)):
        inside = (column >= 0) & (column <= (1 if floats else 255))  # NaN is outside
        if not inside.all():
            row = int(np.argmin(inside))
            raise DataError(
                f"the column {_shown(name)} reaches from {column.min()} to {column.max()}, with "
                f"{column[row]} in row {row + 1}{_BELOW}: expected integers from 0 to 255, or "
                "floats in [0, 1], in all columns; scale each column to [0, 1], as "
                "docs/your_data.md shows"
            )
        images[:, place] = column
    return images


def _shown(name: str) -> str:
    return ascii(name)[:60]
