"""Weights and training state on disk: safetensors, written atomically, checked when read.

The engine and the Lava processes read and write the same files; none of this needs torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as dump_arrays

from lava_desire.config import DesireConfig

FORMAT = "lava-desire/1"
_HEADER_LENGTH_BYTES = 8


class CheckpointError(ValueError):
    """A file is no checkpoint, is damaged, or belongs to another network."""


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
    """

    config: DesireConfig
    weights: list[np.ndarray[Any, Any]]
    samples_seen: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    average: list[np.ndarray[Any, np.dtype[np.float32]]] = field(default_factory=list)
    formats: list[dict[str, int]] = field(default_factory=list)

    @property
    def arithmetic(self) -> str:
        """What the network computes in: ``"fixed_point"`` or ``"floating_point"``."""
        return "fixed_point" if self.formats else "floating_point"


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write a file so that at any moment either the old or the new one is there, whole.

    Parameters
    ----------
    path : path
        Where the file goes.
    content : bytes
        All of it.

    Raises
    ------
    OSError
        If the folder cannot be written; the old file is then untouched.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_checkpoint(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write a checkpoint atomically.

    Parameters
    ----------
    checkpoint : Checkpoint
        What is written.
    path : path
        Where the file goes.

    Raises
    ------
    OSError
        If the file cannot be written; an older one at `path` is then still whole.
    """
    arrays = {f"weights.{layer}": array for layer, array in enumerate(checkpoint.weights, start=1)}
    for layer, array in enumerate(checkpoint.average, start=1):
        arrays[f"average.{layer}"] = array
    metadata = {
        "format": FORMAT,
        "config": checkpoint.config.to_json(),
        "samples_seen": str(checkpoint.samples_seen),
        "state": json.dumps(checkpoint.state),
    }
    if checkpoint.formats:
        metadata["formats"] = json.dumps(checkpoint.formats)
    metadata["sha256"] = _digest(arrays, metadata)
    write_atomically(path, dump_arrays(arrays, metadata))


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint and check that it is whole.

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
        If the file is not one of ours, is truncated, or a bit of it has changed.
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
    content = Path(path).read_bytes()
    try:
        arrays = load_arrays(content)
        length = int.from_bytes(content[:_HEADER_LENGTH_BYTES], "little")
        header = json.loads(content[_HEADER_LENGTH_BYTES : _HEADER_LENGTH_BYTES + length])
        metadata = header.get("__metadata__", {})
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} is no checkpoint, or is truncated ({len(content)} bytes): {error}"
        ) from None
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has the format {metadata.get('format')!r}: expected {FORMAT!r}"
        )
    if metadata.pop("sha256", None) != _digest(arrays, metadata):
        raise CheckpointError(f"{path} is damaged: its contents do not match their checksum")
    config = DesireConfig.from_json(metadata["config"])
    return Checkpoint(
        config,
        _layers_of(arrays, "weights", config, path),
        int(metadata["samples_seen"]),
        json.loads(metadata["state"]),
        _layers_of(arrays, "average", config, path) if "average.1" in arrays else [],
        json.loads(metadata.get("formats", "[]")),
    )


def _layers_of(
    arrays: dict[str, np.ndarray[Any, Any]], name: str, config: DesireConfig, path: str | Path
) -> list[np.ndarray[Any, Any]]:
    """Return the L arrays of that name, whose shapes must be those of the config."""
    found = []
    for layer in range(1, config.num_layers + 1):
        array = arrays.get(f"{name}.{layer}")
        expected = (config.layer_sizes[layer], config.layer_sizes[layer - 1])
        if array is None or array.shape != expected:
            shape = None if array is None else array.shape
            raise CheckpointError(
                f"{path} holds {name}.{layer} of shape {shape}: expected {expected}"
            )
        found.append(array)
    return found


def _digest(arrays: dict[str, np.ndarray[Any, Any]], metadata: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
