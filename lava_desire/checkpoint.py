"""Weights and training state on disk: safetensors, written atomically, checked when read.

The engine and the Lava processes read and write the same files; none of this needs torch.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as dump_arrays

from lava_desire import card as cards
from lava_desire._text import MESSAGE, printable
from lava_desire.config import DesireConfig
from lava_desire.data.checks import check_names
from lava_desire.files import NotRegularError, keep_as, open_regular, replacing
from lava_desire.model.fields import SHOWN
from lava_desire.model.state import COUNTERS, NetworkState, is_for_training
from lava_desire.strict_json import parse_json

FORMAT = "lava-desire/1"
CHECKPOINT = "checkpoint.safetensors"
PREVIOUS = "checkpoint.previous.safetensors"
BEST = "best.safetensors"
BEST_AVERAGE = "best_average.safetensors"
"""The checkpoints in the folder of a run."""

MAX_BYTES = 1 << 34
"""Largest checkpoint that is read."""

_HEADER_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 100_000_000  # of safetensors


class CheckpointError(ValueError):
    """A file is no checkpoint, is damaged, or belongs to another network.

    Parameters
    ----------
    message : str
        What is wrong; texts out of the file are made harmless, and short.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message, MESSAGE))


@dataclass(init=False)
class Checkpoint(NetworkState):
    """All that is needed to use a network, or to go on training it: its state, and what it is of.

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
    minibatches_averaged : int
        Minibatches that the average is over; a run's stands in `state`.
    card : dict
        What the network was trained on, and how well it does: `lava_desire/card.py`. JSON types;
        empty where nothing is known.
    **named
        Further arrays and counters of :class:`~lava_desire.model.state.NetworkState`.
    """

    config: DesireConfig = None  # type: ignore[assignment]  # given to every instance
    state: dict[str, Any] = field(default_factory=dict)
    formats: list[dict[str, int]] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)
    card: dict[str, Any] = field(default_factory=dict)

    def __init__(
        self,
        config: DesireConfig,
        weights: Sequence[Any],
        samples_seen: int = 0,
        state: dict[str, Any] | None = None,
        average: Sequence[Any] = (),
        formats: Sequence[dict[str, int]] = (),
        input_rates: Sequence[Any] = (),
        rated_samples: Sequence[int] = (),
        class_names: Sequence[str] = (),
        card: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> None:
        super().__init__(
            list(weights),
            samples_seen=samples_seen,
            average=list(average),
            input_rates=list(input_rates),
            rated_samples=list(rated_samples),
            **named,
        )
        self.config, self.state = config, dict(state or {})
        self.formats, self.class_names = list(formats), list(class_names)
        self.card = dict(card or {})
        for name in COUNTERS:  # a run's counters stand in the trainer's state
            if is_for_training(name) and name in self.state:
                setattr(self, name, self.state[name])

    @property
    def arithmetic(self) -> str:
        """What the network computes in: ``"fixed_point"`` or ``"floating_point"``."""
        return "fixed_point" if self.formats else "floating_point"

    def to_bytes(self, path: str | Path = "the checkpoint") -> bytes:
        """Return the content of a file.

        Parameters
        ----------
        path : path
            What errors call it.

        Returns
        -------
        bytes
            What :meth:`from_bytes` reads.

        Raises
        ------
        ValueError
            If a weight is NaN or infinite, there is not one class name a class, or the card holds
            what JSON does not.
        """
        arrays = dict(self.named_arrays())
        _check_finite(arrays, path)
        counters = {name: getattr(self, name) for name in self.names() if name in COUNTERS}
        trained = {name: number for name, number in counters.items() if is_for_training(name)}
        metadata = {
            "format": FORMAT,
            "config": self.config.to_json(),
            "state": json.dumps({**self.state, **trained}),
        }
        metadata |= {
            name: json.dumps(number) for name, number in counters.items() if name not in trained
        }
        if self.formats:
            metadata["formats"] = json.dumps(self.formats)
        if self.class_names:
            num_classes = self.config.num_classes
            if len(check_names(self.class_names)) != num_classes:
                raise ValueError(
                    f"class_names are {len(self.class_names)}, so {path} is not written: "
                    f"expected {num_classes}, one a class"
                )
            metadata["class_names"] = json.dumps(self.class_names)
        if self.card:
            metadata["card"] = cards.to_json(self.card)
        metadata["sha256"] = _digest(arrays, metadata)
        return dump_arrays(arrays, metadata)

    @classmethod
    def from_bytes(cls, content: bytes, path: str | Path = "the checkpoint") -> Checkpoint:
        """Read the content of a file, and check that it is whole.

        Parameters
        ----------
        content : bytes
            What :meth:`to_bytes` returned.
        path : path
            What errors call it.

        Returns
        -------
        Checkpoint
            What was written.

        Raises
        ------
        CheckpointError
            As of :func:`read_checkpoint`.
        """
        metadata = _read_header(io.BytesIO(content), len(content), path)
        try:
            arrays = load_arrays(content)
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise _no_checkpoint(path, len(content), error) from None
        if metadata.pop("sha256", None) != _digest(arrays, metadata):
            raise CheckpointError(f"{path} is damaged: its contents do not match their checksum")
        with _named(path):
            return _checked(arrays, metadata)


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
    content = checkpoint.to_bytes(path)
    with replacing(path) as partial:
        partial.write_bytes(content)
        if previous is not None:
            keep_as(path, previous)


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
    >>> checkpoint.arithmetic, checkpoint.config.shape_text, checkpoint.weights[0].shape
    ('floating_point', '4-2', (2, 4))
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            _read_header(file, size, path)
            file.seek(0)
            content = file.read(size + 1)
    except NotRegularError as error:
        raise CheckpointError(str(error)) from None
    return Checkpoint.from_bytes(content, path)


def offer_others(error: CheckpointError, path: Path) -> CheckpointError:
    """Return the error with what lies beside the file and is whole.

    Parameters
    ----------
    error : CheckpointError
        Of reading the file.
    path : Path
        The file. Only names of a run's checkpoints are looked for beside it.

    Returns
    -------
    CheckpointError
        The same, where nothing is.
    """
    whole = []
    for name in (CHECKPOINT, PREVIOUS, BEST, BEST_AVERAGE):
        beside = path.parent / name
        if name != path.name and beside.is_file():
            try:
                read_checkpoint(beside)
            except (CheckpointError, OSError, MemoryError):
                continue
            whole.append(str(beside))
    return CheckpointError(f"{error}; whole beside it: {', '.join(whole)}") if whole else error


def _read_header(file: BinaryIO, size: int, path: str | Path) -> dict[str, str]:
    """Return the metadata, and refuse a size before the rest takes memory: files may be holes."""
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
    with _named(path):
        config = DesireConfig.from_json(metadata["config"])
    most = NetworkState.largest_size(config)
    if stated > most:
        raise CheckpointError(
            f"{path} holds {stated} bytes of arrays: expected at most {most} of the layers "
            f"{config.neurons}"
        )
    return metadata


@contextmanager
def _named(path: str | Path) -> Iterator[None]:
    """Say in which file a field is missing or wrong."""
    try:
        yield
    except KeyError as error:
        raise CheckpointError(f"{path} lacks the field {error}") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: {error}") from None


def _no_checkpoint(path: str | Path, size: int, reason: object) -> CheckpointError:
    return CheckpointError(f"{path} is no checkpoint, or is truncated ({size} bytes): {reason}")


def _checked(arrays: dict[str, np.ndarray[Any, Any]], metadata: dict[str, str]) -> Checkpoint:
    """Build the checkpoint, or raise ValueError: a checksum proves no good intentions."""
    config = DesireConfig.from_json(metadata["config"])
    counters = {name: _parsed(name, metadata[name]) for name in COUNTERS if name in metadata}
    state = parse_json(metadata["state"])
    if not isinstance(state, dict):
        raise ValueError(f"state is a {type(state).__name__}: expected an object of fields")
    formats = parse_json(metadata.get("formats", "[]"))
    if not isinstance(formats, list) or any(not isinstance(layer, dict) for layer in formats):
        raise ValueError("formats are no list of objects")
    if len(formats) not in (0, config.num_layers):
        raise ValueError(f"{len(formats)} formats: expected one a layer, {config.num_layers}")
    found = NetworkState.checked(config, arrays, counters, in_integers=bool(formats))
    names = _checked_class_names(metadata.get("class_names"), config.num_classes)
    card = cards.from_json(metadata["card"]) if "card" in metadata else {}
    return Checkpoint(
        config, state=state, formats=formats, class_names=names, card=card, **vars(found)
    )


def _parsed(name: str, text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        raise ValueError(f"{name} is {text[:SHOWN]!r}: {error}") from None


def _checked_class_names(text: str | None, num_classes: int) -> list[str]:
    if text is None:
        return []
    names = parse_json(text)
    if not isinstance(names, list) or len(names) != num_classes:
        raise ValueError(f"class_names is {text[:SHOWN]}: expected {num_classes} texts")
    return list(check_names(names))


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
