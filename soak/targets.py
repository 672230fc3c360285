"""What is fuzzed: each reader, files to begin with, a way to spoil them, and what may happen."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from lava_desire import DesireConfig
from lava_desire.checkpoint import Checkpoint, CheckpointError, read_checkpoint, write_checkpoint
from lava_desire.config import PRESETS
from lava_desire.data import DataError, load_npz, read_idx
from lava_desire.randomness import initial_weights
from lava_desire.training.history import EpochRecord
from soak.archives import forged_checkpoint, forged_idx, npz_archive
from soak.mutate import mutate_bytes, mutate_json_text

SMALL = DesireConfig((4, 3, 2), num_steps=6, error_margin=1, batch_size=4, epochs=3)
NUM_SAMPLES = 20


class WrongLoadError(Exception):
    """A reader took a file and gave back what the file does not hold."""


@dataclass(frozen=True)
class Target:
    """A reader to be fuzzed.

    Parameters
    ----------
    seeds : callable
        Returns the valid files that all others are made of.
    spoil : callable
        Takes a random generator, a file and others of its kind; returns a spoiled one.
    read : callable
        Reads a file and raises :class:`WrongLoadError` if what came out cannot be in it.
    refusals : tuple
        The exceptions that the reader documents: a message, and nothing read.
    sources : tuple of str
        The files whose coverage guides the search, by their ends.
    """

    seeds: Callable[[], list[bytes]]
    spoil: Callable[[Random, bytes, Sequence[bytes]], bytes]
    read: Callable[[Path], None]
    refusals: tuple[type[Exception], ...]
    sources: tuple[str, ...]
    suffix: str = field(default=".bin")


def _expect(good: bool, what: str) -> None:
    if not good:
        raise WrongLoadError(what)


def _idx(array: np.ndarray[Any, Any]) -> bytes:
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


def idx_seeds() -> list[bytes]:
    """Return images and labels, plain and compressed."""
    images, labels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4), np.arange(5, dtype=np.uint8)
    plain = [_idx(images), _idx(labels), _idx(images.reshape(6, 4))]
    return plain + [gzip.compress(content, mtime=0) for content in plain]


def spoil_idx(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Spoil what is inside of a compressed file, or the file."""
    if data[:2] != b"\x1f\x8b" or random.random() < 0.3:
        return forged_idx(random, data, others)
    try:
        inside = gzip.decompress(data)
    except Exception:
        return mutate_bytes(random, data, others)
    return gzip.compress(forged_idx(random, inside, others), 1, mtime=0)


def read_an_idx(path: Path) -> None:
    """Read, and compare with the file's last bytes."""
    array = read_idx(path)
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    _expect(array.dtype == np.uint8 and array.size > 0, f"{array.dtype} {array.shape}")
    _expect(_idx(array) == content, f"an array of shape {array.shape} that the file does not hold")


def npz_arrays() -> list[dict[str, np.ndarray[Any, Any]]]:
    """Return small data sets as arrays, split and whole."""
    images = np.linspace(0, 1, 4 * NUM_SAMPLES, dtype=np.float32).reshape(NUM_SAMPLES, 4)
    pictures = np.arange(NUM_SAMPLES * 6, dtype=np.uint8).reshape(NUM_SAMPLES, 2, 3)
    labels = np.arange(NUM_SAMPLES) % 2
    split = {"train_images": images, "train_labels": labels}
    split |= {"test_images": images[:6], "test_labels": labels[:6]}
    return [split, {"images": pictures, "labels": labels.astype(np.uint8)}]


def npz_seeds() -> list[bytes]:
    """Return the same as files, plain and compressed."""
    files = []
    for arrays in npz_arrays():
        for save in (np.savez, np.savez_compressed):
            stream = io.BytesIO()
            save(stream, **arrays)
            files.append(stream.getvalue())
    return files


_ARRAYS = npz_arrays()


def spoil_npz(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Spoil the archive, or write one with wrong members."""
    if random.random() < 0.4:
        return mutate_bytes(random, data, others)
    return npz_archive(random, random.choice(_ARRAYS))


def read_an_npz(path: Path) -> None:
    """Read, and look whether all is a data set."""
    data = load_npz(path)
    for images, labels in (data.train, data.test):
        _expect(images.dtype in (np.uint8, np.float32), f"images are {images.dtype}")
        _expect(images.dtype == np.uint8 or bool(((images >= 0) & (images <= 1)).all()), "range")
        _expect(len(images) == len(labels) > 0, f"{len(images)} images, {len(labels)} labels")
        _expect(0 <= labels.min() <= labels.max() < data.num_classes, "classes")
    _expect(not (path.parent.parent / "escaped.npy").exists(), "a member left the archive")


def _state(**changes: Any) -> dict[str, Any]:
    record = EpochRecord(1, 1e-5, 0.5, 0.6, 0.1, 0.0, 0.9, 100.0, 1.0)
    state = {"epoch": 1, "samples_done": 8, "num_correct": 3, "num_active": 7, "seconds": 1.5}
    return {**state, "records": [asdict(record)], "precision": "float32", "data": "0", **changes}


def checkpoint_seeds() -> list[bytes]:
    """Return a network, runs, without and with rates and an average, and a network of integers."""
    weights = initial_weights(SMALL)
    averaged, based = SMALL.replace(weight_average=0.5), SMALL.replace(trace_baseline=1.0)
    integers = [(array * 20).astype(np.int8) for array in weights]
    rates = [np.full(size, 0.25) for size in SMALL.layer_sizes[:-1]]
    formats = [{"weight_exp": 0, "threshold": 100, "weight_bits": 8}] * 2
    checkpoints = [
        Checkpoint(SMALL, weights),
        Checkpoint(SMALL, weights, 28, _state()),
        Checkpoint(based, weights, 28, _state(), input_rates=rates, rated_samples=[28, 28]),
        Checkpoint(averaged, weights, 28, _state(minibatches_averaged=7), weights),
        Checkpoint(SMALL, integers, 28, _state(precision="fixed_point"), formats=formats),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        files = []
        for checkpoint in checkpoints:
            write_checkpoint(checkpoint, path)
            files.append(path.read_bytes())
    return files


_CHECKPOINTS = checkpoint_seeds()


def spoil_checkpoint(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Damage a checkpoint, or forge one whose checksum is right."""
    if random.random() < 0.4:
        return mutate_bytes(random, data, others)
    return forged_checkpoint(random, random.choice(_CHECKPOINTS))


def read_a_checkpoint(path: Path) -> None:
    """Read as a network and as a run, and look at what came out."""
    from lava_desire.engine import DesireNetwork
    from lava_desire.training.run_folder import checked_state

    try:
        checkpoint = read_checkpoint(path)
    except ValueError as error:
        _expect(isinstance(error, CheckpointError), f"another error than promised: {error!r}")
        raise
    for array in (*checkpoint.weights, *checkpoint.average):
        _expect(bool(np.isfinite(array).all()), "weights that are not finite")
    network = DesireNetwork.load(path)
    shapes = [tuple(weights.shape) for weights in network.weights]
    sizes = checkpoint.config.layer_sizes
    _expect(shapes == list(zip(sizes[1:], sizes[:-1], strict=True)), f"shapes {shapes}")
    state = checked_state(checkpoint, path, NUM_SAMPLES)
    _expect(0 <= state["samples_done"] <= NUM_SAMPLES, "a sample beyond the last")
    # Damage that the checksum did not see would have changed what a seed says.
    again = path.with_suffix(".again")
    write_checkpoint(checkpoint, again)
    _expect(len(read_checkpoint(again).weights) == len(checkpoint.weights), "not the same again")


def config_seeds() -> list[bytes]:
    """Return the presets, and one with every field of its own."""
    own = SMALL.replace(learning_rate_scale=(1.0, 0.5), image_shift=1, weight_average=0.9)
    return [config.to_json().encode() for config in (*PRESETS.values(), SMALL, own)]


def read_a_config(path: Path) -> None:
    """Read, and write and read again."""
    config = DesireConfig.from_json(path.read_text(encoding="utf-8"))
    _expect(DesireConfig.from_json(config.to_json()) == config, "not the same when read again")
    _expect(np.float32(config.threshold) > 0, "a threshold of zero")
    _expect(np.isfinite(config.learning_rate_at(3)), "a learning rate that is not finite")


def run_seeds() -> list[bytes]:
    """Return the notes that a run keeps."""
    source = {"dataset": None, "data_dir": None, "file": "mine.npz"}
    notes = {"source": source, "device": "cpu", "precision": "float32", "backend": "torch"}
    return [
        json.dumps(notes).encode(),
        json.dumps({**notes, "environment": {"numpy": "1"}}).encode(),
    ]


def read_a_run(path: Path) -> None:
    """Read a run's notes."""
    from lava_desire.cli.run_data import read_notes

    notes = read_notes(path).settings
    _expect(all(isinstance(text, str) for text in notes.values()), "a setting that is no text")


def targets() -> dict[str, Target]:
    """Return the readers by name; those of exchange formats only where their packages are."""
    found = {
        "config": Target(
            config_seeds, mutate_json_text, read_a_config, (ValueError,), ("config.py",)
        ),
        "idx": Target(idx_seeds, spoil_idx, read_an_idx, (DataError,), ("data/idx.py",)),
        "npz": Target(
            npz_seeds,
            spoil_npz,
            read_an_npz,
            (DataError,),
            ("data/npz.py", "data/dataset.py", "zipfile.py", "lib/format.py"),
            ".npz",
        ),
        "checkpoint": Target(
            checkpoint_seeds,
            spoil_checkpoint,
            read_a_checkpoint,
            (CheckpointError, ValueError),
            ("checkpoint.py", "config.py", "run_folder.py", "fixed/format.py"),
        ),
        "run": Target(run_seeds, mutate_json_text, read_a_run, (ValueError,), ("cli/run_data.py",)),
    }
    try:
        from soak.graphs import nir_targets
    except ImportError:
        return found
    return {**found, **nir_targets()}
