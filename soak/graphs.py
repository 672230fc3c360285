"""NIR graphs, spoiled: the bytes of the file, and what stands in it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import h5py
import nir
import numpy as np

from lava_desire import DesireConfig, DesireNetwork
from lava_desire.deploy import from_nir, to_nir
from lava_desire.deploy.hdf5_child import RefusedError
from lava_desire.deploy.hdf5_child import read as read_group
from lava_desire.deploy.hdf5_file import MAX_BYTES, built
from lava_desire.deploy.nir_file import graph_of
from soak.mutate import ODD_VALUES, mutate_bytes, mutate_json_text
from soak.targets import SMALL, Target, WrongLoadError

_ARRAYS: tuple[Any, ...] = (
    np.float32(1),
    np.zeros(3, np.float32),
    np.full(3, np.nan),
    np.full(3, np.inf, np.float32),
    np.ones((3, 4)),
    np.full((3, 4), 1e38, np.float32),
    np.ones((2, 3), np.float16),
    np.ones(3, np.int64),
    np.ones(3, complex),
    np.zeros((0, 4), np.float32),
    np.array([b"input", b"output"]),
    np.bytes_(b"LIF"),
    np.bytes_(b"\xff\xfe"),
    np.bytes_(b"NIRGraph"),
    np.bytes_(b"CubaLIF"),
    np.bytes_(b"Conv2d"),
    h5py.Empty("f4"),
)
_NAMES = ("node", "nodes", "edges", "type", "weight", "tau", "lif_1", "x", "metadata", "version")


def seeds() -> list[bytes]:
    """Return a graph of ours, one whose weights are rounded, and one of others; also of planes."""
    one = np.ones(3)
    maps = np.ones((2, 3, 3))
    others = nir.NIRGraph.from_list(
        nir.Linear(np.ones((3, 4), np.float32)),
        nir.LIF(one * 4e-4, one, one * 0, one, v_reset=one * 0),
    )
    size, none = np.array([2, 2]), np.array([0, 0])
    pooled = nir.NIRGraph.from_list(
        nir.Input(np.array([1, 6, 6])),
        nir.SumPool2d(size, size, none),
        nir.Conv2d((3, 3), np.ones((2, 1, 3, 3), np.float32), 1, 1, 1, 1, np.zeros(2)),
        nir.LIF(maps * 4e-4, maps, maps * 0, maps, v_reset=maps * 0),
        nir.Flatten({"input": np.array([2, 3, 3])}, start_dim=0),
        nir.Linear(np.ones((3, 18), np.float32)),
        nir.LIF(one * 4e-4, one, one * 0, one, v_reset=one * 0),
    )
    planes = DesireConfig(layers=("2c3s2p1", "3"), input_shape=(1, 5, 5), decay=0.7)
    configs = SMALL, SMALL.replace(decay=0.7), planes
    graphs = [to_nir(DesireNetwork(config)) for config in configs]
    files = []
    for graph in (*graphs, others, pooled):
        stream = io.BytesIO()
        nir.write(stream, graph)
        files.append(stream.getvalue())
    return files


_SEEDS = seeds()


def spoil(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Write a wrong graph in a sound HDF5 file."""
    stream = io.BytesIO(random.choice(_SEEDS))
    with h5py.File(stream, "r+") as file:
        for _ in range(random.choice((1, 1, 2, 3))):
            try:
                _edit(random, file)
            except (ValueError, TypeError, KeyError, OSError, RuntimeError):
                continue
    return stream.getvalue()


def _edit(random: Random, file: Any) -> None:
    names: list[str] = []
    file.visit(names.append)
    if not names:  # an edit before this one has removed all
        return
    name = random.choice(names)
    group = file[name].parent
    last = name.rsplit("/", 1)[-1]
    what = random.randrange(8)
    if what == 0:
        del file[name]
    elif what == 1:
        file.move(name, f"{group.name}/{random.choice(_NAMES)}")
    elif what == 2:
        group[random.choice(_NAMES)] = file[random.choice(names)]
    elif what == 3:
        path = random.choice(("nothing.h5", "../x"))
        group[random.choice(_NAMES)] = h5py.ExternalLink(path, "/")
    elif what == 4:
        shape = random.choice(((1 << 40,), (1 << 20, 1 << 20), (1 << 27,)))
        group.create_dataset(random.choice(_NAMES), shape=shape, chunks=(1,) * len(shape))
    elif what == 5 and last.endswith("config"):
        text = file[name][()]
        del file[name]
        group[last] = mutate_json_text(random, text, [text])
    elif isinstance(file[name], h5py.Dataset):
        del file[name]
        group[last] = random.choice((random.choice(_ARRAYS), _odd(random)))


def _odd(random: Random) -> Any:
    value = random.choice(ODD_VALUES)
    return value if isinstance(value, (int, float, str)) else 0


def read(path: Path) -> None:
    """Import what is a sound HDF5 file, all in this process, and look at the network."""
    arrays: list[Any] = []
    with h5py.File(path) as file:
        tree = read_group(file, "node", MAX_BYTES, arrays)
    stream = io.BytesIO(b"".join(array.tobytes() for array in arrays))
    _import(graph_of(nir, built(tree, stream)))


def read_by_another(path: Path) -> None:
    """Import as users do: the file may be anything, and another process reads it."""
    _import(path, max_seconds=5)


def _import(source: Any, **limits: Any) -> None:
    try:
        network = from_nir(source, **limits)
    except ValueError as error:
        if "does not say" not in str(error):
            raise
        network = from_nir(source, dt=1e-4, num_steps=5, **limits)
    if not all(bool(weights.isfinite().all()) for weights in network.weights):
        raise WrongLoadError("weights that are not finite")


def nir_targets() -> dict[str, Target]:
    """Return the import of NIR graphs: wrong graphs, and files whose bytes are spoiled."""
    names = ("nir_import", "nir_chain", "nir_synapses", "nir_file", "hdf5_child", "hdf5_file")
    target = partial(
        Target, seeds, sources=tuple(f"deploy/{name}.py" for name in names), suffix=".nir"
    )
    return {
        "nir": target(spoil, read, (ValueError, RefusedError)),
        "hdf5": target(mutate_bytes, read_by_another, (ValueError,)),
    }
