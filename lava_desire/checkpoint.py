"""Weights and training state on disk: safetensors, written atomically, checked when read.

The engine and the Lava processes read and write the same files; none of this needs torch.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as dump_arrays

from lava_desire._text import MESSAGE, printable
from lava_desire.config import DesireConfig
from lava_desire.data.checks import check_names
from lava_desire.files import NotRegularError, keep_as, open_regular, replacing
from lava_desire.model.fields import MOST_SAMPLES, SHOWN
from lava_desire.strict_json import parse_json

FORMAT = "lava-desire/1"
MAX_BYTES = 1 << 34
"""Largest checkpoint that is read."""

_HEADER_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 100_000_000  # of safetensors
_MAX_BYTES_A_WEIGHT = 8  # with its moving average, both float32
_MAX_BYTES_A_RATE = 8


class CheckpointError(ValueError):
    """A file is no checkpoint, is damaged, or belongs to another network.

    Parameters
    ----------
    message : str
        What is wrong; texts out of the file are made harmless, and short.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message, MESSAGE))


@dataclass
class Checkpoint:
    """All that is needed to use a network, or to go on training it.

    Parameters
    ----------
    config : DesireConfig
        The network's configuration.
    weights : list of ndarray
        L arrays (N_ℓ, N_{ℓ−1}): float32, or the int8 mantissas of a network in fixed point.
    samples_seen : int
        Position of the random streams of dropout.
    state : dict
        What the trainer needs to go on, JSON types; empty for a network that is only saved.
    average : list of ndarray
        L arrays (N_ℓ, N_{ℓ−1}) float32, the moving average of the weights; empty where none is
        kept.
    formats : list of dict
        How the weights of a network in fixed point are written; empty in floating point.
    input_rates : list of ndarray
        L arrays (N_{ℓ−1},) float64, mean firing rates of each layer's inputs; empty where they are
        not followed.
    rated_samples : list of int
        Samples that each of the L layers had followed for them.
    class_names : list of str
        What the N_L classes are called; empty where they are called by their numbers.
    """

    config: DesireConfig
    weights: list[np.ndarray[Any, Any]]
    samples_seen: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    average: list[np.ndarray[Any, np.dtype[np.float32]]] = field(default_factory=list)
    formats: list[dict[str, int]] = field(default_factory=list)
    input_rates: list[np.ndarray[Any, np.dtype[np.float64]]] = field(default_factory=list)
    rated_samples: list[int] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)

    @property
    def arithmetic(self) -> str:
        """What the network computes in: ``"fixed_point"`` or ``"floating_point"``."""
        return "fixed_point" if self.formats else "floating_point"


def write_checkpoint(
    checkpoint: Checkpoint, path: str | Path, *, previous: str | Path | None = None
) -> None:
    """Write a checkpoint atomically.

    Parameters
    ----------
    checkpoint : Checkpoint
        What to write.
    path : path
        Where.
    previous : path, optional
        Where the file that is now at `path` is kept, in place of the one before it.

    Raises
    ------
    ValueError
        If a weight is NaN or infinite, or there is not one class name a class; nothing is written.
    OSError
        If the file cannot be written; an older one at `path` is then still whole.
    """
    content = _packed(checkpoint, path)
    with replacing(path) as partial:
        partial.write_bytes(content)
        if previous is not None:
            keep_as(path, previous)


def write_into(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint into a file of the caller's, as `files.replacing` gives one.

    Parameters
    ----------
    checkpoint : Checkpoint
        What to write.
    path : Path
        Where.

    Raises
    ------
    ValueError
        If a weight is NaN or infinite, or there is not one class name a class; nothing is written.
    OSError
        If the file cannot be written.
    """
    path.write_bytes(_packed(checkpoint, path))


def _packed(checkpoint: Checkpoint, path: str | Path) -> bytes:
    layers: dict[str, Sequence[np.ndarray[Any, Any]]] = {
        "weights": checkpoint.weights,
        "average": checkpoint.average,
        "input_rates": checkpoint.input_rates,
    }
    arrays = {
        f"{name}.{layer}": array
        for name, of_layers in layers.items()
        for layer, array in enumerate(of_layers, start=1)
    }
    _check_finite(arrays, path)
    metadata = {
        "format": FORMAT,
        "config": checkpoint.config.to_json(),
        "samples_seen": str(checkpoint.samples_seen),
        "state": json.dumps(checkpoint.state),
    }
    if checkpoint.formats:
        metadata["formats"] = json.dumps(checkpoint.formats)
    if checkpoint.input_rates:
        metadata["rated_samples"] = json.dumps(checkpoint.rated_samples)
    if checkpoint.class_names:
        num_classes = checkpoint.config.layer_sizes[-1]
        if len(check_names(checkpoint.class_names)) != num_classes:
            raise ValueError(
                f"class_names are {len(checkpoint.class_names)}, so {path} is not written: "
                f"expected {num_classes}, one a class"
            )
        metadata["class_names"] = json.dumps(checkpoint.class_names)
    metadata["sha256"] = _digest(arrays, metadata)
    return dump_arrays(arrays, metadata)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint and check that it is whole, and that all of it is as it should be.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    Checkpoint
        What was written.

    Raises
    ------
    CheckpointError
        If the file is not one of ours, is truncated, a bit of it has changed, or it holds what no
        network has.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from lava_desire import DesireConfig, DesireNetwork
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     DesireNetwork(DesireConfig((4, 2))).save(f"{folder}/net.safetensors")
    ...     checkpoint = read_checkpoint(f"{folder}/net.safetensors")
    >>> checkpoint.arithmetic, checkpoint.config.layer_sizes, checkpoint.weights[0].shape
    ('floating_point', (4, 2), (2, 4))
    """
    try:
        with open_regular(path) as file:
            metadata, size = _read_header(file, path)
            file.seek(0)
            content = file.read(size + 1)
    except NotRegularError as error:
        raise CheckpointError(str(error)) from None
    try:
        arrays = load_arrays(content)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise _no_checkpoint(path, len(content), error) from None
    if metadata.pop("sha256", None) != _digest(arrays, metadata):
        raise CheckpointError(f"{path} is damaged: its contents do not match their checksum")
    try:
        return _checked(arrays, metadata)
    except KeyError as error:
        raise CheckpointError(f"{path} lacks the field {error}") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: {error}") from None


def _read_header(file: BinaryIO, path: str | Path) -> tuple[dict[str, str], int]:
    """Return metadata and size before the rest takes memory: a file may be all holes."""
    size = os.fstat(file.fileno()).st_size
    if size > MAX_BYTES:
        raise CheckpointError(
            f"{path} has {size} bytes: expected at most {MAX_BYTES} in a checkpoint"
        )
    length = int.from_bytes(file.read(_HEADER_LENGTH_BYTES), "little")
    if not 0 < length <= min(size - _HEADER_LENGTH_BYTES, _MAX_HEADER_BYTES):
        raise _no_checkpoint(path, size, f"it states a header of {length} bytes")
    try:
        header = parse_json(file.read(length))
        metadata = dict(header.pop("__metadata__", None) or {})
        stated = max((int(array["data_offsets"][1]) for array in header.values()), default=0)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _no_checkpoint(path, size, error) from None
    if metadata.get("format") != FORMAT:
        given = printable(repr(metadata.get("format")))
        raise CheckpointError(f"{path} has the format {given}: expected {FORMAT!r}")
    if _HEADER_LENGTH_BYTES + length + stated != size:
        raise _no_checkpoint(path, size, f"its header states {stated} bytes of arrays")
    try:
        sizes = DesireConfig.from_json(metadata["config"]).layer_sizes
    except KeyError as error:
        raise CheckpointError(f"{path} lacks the field {error}") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: {error}") from None
    most = _MAX_BYTES_A_WEIGHT * sum(map(math.prod, zip(sizes[1:], sizes[:-1], strict=True)))
    most += _MAX_BYTES_A_RATE * sum(sizes[:-1])
    if stated > most:
        raise CheckpointError(
            f"{path} holds {stated} bytes of arrays: expected at most {most} of the layers {sizes}"
        )
    return metadata, size


def _no_checkpoint(path: str | Path, size: int, reason: object) -> CheckpointError:
    return CheckpointError(f"{path} is no checkpoint, or is truncated ({size} bytes): {reason}")


def _checked(arrays: dict[str, np.ndarray[Any, Any]], metadata: dict[str, str]) -> Checkpoint:
    """Build the checkpoint, or raise ValueError: a checksum proves no good intentions."""
    config = DesireConfig.from_json(metadata["config"])
    samples_seen = int(metadata["samples_seen"])
    if not 0 <= samples_seen <= MOST_SAMPLES:
        raise ValueError(f"samples_seen is {samples_seen}: expected 0 <= samples_seen <= 2**53")
    state = parse_json(metadata["state"])
    if not isinstance(state, dict):
        raise ValueError(f"state is a {type(state).__name__}: expected an object of fields")
    formats = parse_json(metadata.get("formats", "[]"))
    if not isinstance(formats, list) or any(not isinstance(layer, dict) for layer in formats):
        raise ValueError("formats are no list of objects")
    if len(formats) not in (0, config.num_layers):
        raise ValueError(f"{len(formats)} formats: expected one a layer, {config.num_layers}")
    sizes = config.layer_sizes
    shapes: list[tuple[int, ...]] = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = _layers_of(arrays, "weights", shapes, "int8" if formats else "float32")
    average = _layers_of(arrays, "average", shapes, "float32") if "average.1" in arrays else []
    rates, rated_samples = [], []
    if "input_rates.1" in arrays:
        rates = _layers_of(arrays, "input_rates", [(size,) for size in sizes[:-1]], "float64")
        rated_samples = _checked_numbers(metadata["rated_samples"], config.num_layers)
        for layer, rate in enumerate(rates, start=1):
            if not ((rate >= 0) & (rate <= 1)).all():
                raise ValueError(f"input_rates.{layer} leaves [0, 1]: expected spikes a time step")
    names = _checked_class_names(metadata.get("class_names"), sizes[-1])
    return Checkpoint(
        config, weights, samples_seen, state, average, formats, rates, rated_samples, names
    )


def _checked_class_names(text: str | None, num_classes: int) -> list[str]:
    if text is None:
        return []
    names = parse_json(text)
    if not isinstance(names, list) or len(names) != num_classes:
        raise ValueError(f"class_names is {text[:SHOWN]}: expected {num_classes} texts")
    return list(check_names(names))


def _checked_numbers(text: str, num_layers: int) -> list[int]:
    numbers = parse_json(text)
    if not isinstance(numbers, list) or len(numbers) != num_layers:
        raise ValueError(f"rated_samples is {text[:SHOWN]}: expected {num_layers} integers")
    for number in numbers:
        if type(number) is not int or not 0 <= number <= MOST_SAMPLES:
            raise ValueError(f"rated_samples is {text[:SHOWN]}: expected integers in [0, 2**53]")
    return numbers


def _layers_of(
    arrays: dict[str, np.ndarray[Any, Any]], name: str, shapes: list[tuple[int, ...]], dtype: str
) -> list[np.ndarray[Any, Any]]:
    """Return the arrays of that name, layer 1 first, which must be of the expected shapes."""
    found = []
    for layer, expected in enumerate(shapes, start=1):
        array = arrays.get(f"{name}.{layer}")
        if array is None or array.shape != expected or array.dtype != dtype:
            given = "nothing" if array is None else f"{array.dtype} {array.shape}"
            raise ValueError(f"{name}.{layer} is {given}: expected {dtype} {expected}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name}.{layer} holds NaN or infinity: expected finite numbers")
        found.append(array)
    return found


def _check_finite(arrays: dict[str, np.ndarray[Any, Any]], path: str | Path) -> None:
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(
                f"{name} holds NaN or infinity, so {path} is not written: expected finite "
                "weights, as a smaller learning_rate keeps them"
            )


def _digest(arrays: dict[str, np.ndarray[Any, Any]], metadata: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
