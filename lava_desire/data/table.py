"""Tables, a row a sample and a column a pixel: CSV and Parquet, read by pyarrow."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from lava_desire._text import printable
from lava_desire.data.checks import DataError, check_names
from lava_desire.data.dataset import Dataset
from lava_desire.files import NotRegularError, open_regular

SUFFIXES = (".csv", ".parquet")
"""Endings of the files that :func:`load_table` reads."""

FEATURES = "feature_names"
"""Under this name :func:`inputs_of` returns what the inputs are called."""

_LABELS = ("label", "labels", "class", "target")
# What libraries write beside the values: the number of a row is no pixel.
_ROW_NUMBERS = ("", "index", "id", "unnamed: 0", "__index_level_0__")
_SHOWN = 300
_MAX_BYTES = 1 << 33
_MAX_COLUMNS = 1 << 20
_MAX_RATIO, _RATIO_COUNTS_ABOVE = 100, 1 << 26


def load_table(path: str | Path) -> Dataset:
    """Load a data set from a CSV or Parquet file.

    One column, called ``label``, ``labels``, ``class`` or ``target``, holds the labels: integers or
    texts. All others are the inputs, in their order: integers from 0 to 255, or floats in [0, 1].
    A CSV file has the names of its columns in the first line. A fifth of each class becomes the
    test set, the same every time.

    Parameters
    ----------
    path : path
        The file, ``.csv`` or ``.parquet``.

    Returns
    -------
    Dataset
        Named for the file.

    Raises
    ------
    DataError
        If the file is damaged, no or several columns may be the labels, a column holds something
        else, or nothing, or two have one name.
    ImportError
        If pyarrow is not installed; the message has the command.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    arrays = read_table(path, _labelled)
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
    return DataError(f"{path} is no {kind} file, or a damaged one: {printable(error, _SHOWN)}")


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


def _labelled(table: Any) -> dict[str, Any]:
    """Return the columns as images and labels."""
    names = table.column_names
    _check_columns(names)
    labels = [name for name in names if _is_label(name)]
    if len(labels) != 1:
        listed = ", ".join(map(_shown, names[:8])) + (", ..." if len(names) > 8 else "")
        raise DataError(
            f"{len(labels) or 'none'} of the columns {listed} may be the labels: expected one "
            f"called {', '.join(_LABELS[:-1])} or {_LABELS[-1]}, in the first line of a CSV file"
        )
    return {**inputs_of(table), "labels": _values(table.column(labels[0]), labels[0], texts=True)}


def inputs_of(table: Any) -> dict[str, Any]:
    """Return the columns that hold no labels as images, and their names."""
    names = table.column_names
    _check_columns(names)
    numbers = [name for name in names if name.strip().lower() in _ROW_NUMBERS]
    if numbers:
        raise DataError(
            f"the column {_shown(numbers[0])} holds the number of a row, which is no input: leave "
            "it out, as pandas does with index=False"
        )
    inputs = [name for name in names if not _is_label(name)]
    if not inputs or not table.num_rows:
        raise DataError(
            f"the table has {table.num_rows} rows and {len(inputs)} inputs: expected some"
        )
    columns = [_values(table.column(name), name, texts=False) for name in inputs]
    return {"images": _joined(columns, inputs), FEATURES: inputs}


def _is_label(name: str) -> bool:
    return name.strip().lower() in _LABELS


def _values(column: Any, name: str, texts: bool) -> npt.NDArray[Any]:
    """Return a column as an array of numbers, or of texts where that is allowed."""
    from pyarrow import types

    if column.null_count:
        raise DataError(f"the column {_shown(name)} has {column.null_count} rows without a value")
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if texts and (types.is_string(kind) or types.is_large_string(kind)):
        return _texts(column)
    if types.is_dictionary(column.type):
        column = column.cast(kind)
    if not (types.is_integer(kind) or types.is_floating(kind)):
        wanted = "integers or texts" if texts else "integers from 0 to 255, or floats in [0, 1]"
        raise DataError(f"the column {_shown(name)} holds {kind}: expected {wanted}")
    array: npt.NDArray[Any] = column.to_numpy()
    return array


def _texts(column: Any) -> npt.NDArray[Any]:
    """Return a column of texts, each of which is looked at once before it is repeated."""
    parts = column.dictionary_encode().unify_dictionaries().chunks
    names = np.array(check_names([name.strip() for name in parts[0].dictionary.to_pylist()]))
    numbers = np.concatenate([part.indices.to_numpy() for part in parts])
    if numbers.min() < 0 or numbers.max() >= len(names):
        raise DataError("a column of texts counts on texts that it does not hold")
    labels: npt.NDArray[Any] = names[numbers]
    return labels


def _joined(columns: list[npt.NDArray[Any]], names: list[str]) -> npt.NDArray[Any]:
    """Return the inputs as (S, N) uint8 where all are integers, else float."""
    if any(column.dtype.kind == "f" for column in columns):
        return np.stack(columns, axis=1, dtype=np.float64)
    images = np.empty((len(columns[0]), len(columns)), np.uint8)
    for place, (column, name) in enumerate(zip(columns, names, strict=True)):
        if column.min() < 0 or column.max() > 255:
            raise DataError(
                f"the column {_shown(name)} reaches from {column.min()} to {column.max()}: "
                "expected integers from 0 to 255, or floats in [0, 1]"
            )
        images[:, place] = column
    return images


def _shown(name: str) -> str:
    return ascii(name)[:60]
