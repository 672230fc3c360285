"""NIR files that need not be trusted, node after node, so that what is wrong has a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lava_desire.deploy.hdf5_file import MAX_BYTES, MAX_SECONDS, read_hdf5
from lava_desire.deploy.optional import import_optional

_LIF_PARAMETERS = ("tau", "tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in")


def read_nir(
    path: str | Path,
    *,
    max_bytes: int = MAX_BYTES,
    max_seconds: float = MAX_SECONDS,
) -> Any:
    """Read a NIR file that need not be trusted.

    Unlike ``nir.read`` this takes files whose Input or Output states the shape of a batch, which
    some exporters write; nobody checks there that the nodes' shapes fit each other. Raises
    ValueError if it is no NIR file, is damaged, is larger, deeper or otherwise built than a graph
    needs, or if reading it takes longer than `max_seconds` or its arrays, unpacked, more than
    `max_bytes` together; what a node is to blame for names the node. Raises OSError if it cannot be
    opened, ImportError if ``nir`` or ``h5py`` is not installed.
    """
    nir = import_optional("nir")
    import_optional("h5py")
    tree = read_hdf5(path, "node", max_bytes=max_bytes, max_seconds=max_seconds)
    try:
        return graph_of(nir, tree)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def graph_of(nir: Any, tree: dict[str, Any]) -> Any:
    """Return the ``nir.NIRGraph`` that a tree of groups describes, or raise ValueError."""
    kind = _text(tree.get("type"))
    if kind != "NIRGraph":
        raise ValueError(f"the file holds a node of type {kind!r}: expected 'NIRGraph'")
    return _graph(nir, tree, "the graph")


def _text(value: Any) -> Any:
    """Return text as str; some write one in an array."""
    return str(value.item()) if isinstance(value, np.ndarray) and value.size == 1 else value


def _graph(nir: Any, tree: dict[str, Any], name: str) -> Any:
    nodes, edges = tree.get("nodes"), tree.get("edges")
    if not isinstance(nodes, dict) or edges is None:
        missing = "edges" if isinstance(nodes, dict) else "nodes"
        raise ValueError(f"{name} has no {missing}")
    edges = np.asarray(edges)
    if edges.size and (edges.dtype.kind != "U" or edges.ndim != 2 or edges.shape[1] != 2):
        raise ValueError(
            f"edges of {name} are {edges.dtype} {edges.shape}: expected pairs of names"
        )
    metadata = tree.get("metadata", {})
    return nir.NIRGraph(
        nodes={inner: _node(nir, inner, fields) for inner, fields in nodes.items()},
        edges=[(str(start), str(end)) for start, end in edges] if edges.size else [],
        metadata=metadata if isinstance(metadata, dict) else {},
        type_check=False,
    )


def _node(nir: Any, name: str, fields: Any) -> Any:
    kind = _text(fields.get("type")) if isinstance(fields, dict) else None
    if not isinstance(kind, str):
        raise ValueError(f"node {name!r} says no type")
    if kind == "NIRGraph":
        return _graph(nir, fields, f"node {name!r}")
    fields = {**fields, "type": kind}
    try:
        if kind in ("LIF", "CubaLIF"):
            given = {field: fields[field] for field in _LIF_PARAMETERS if field in fields}
            fields.update(zip(given, np.broadcast_arrays(*given.values()), strict=True))
        return nir.dict2NIRNode(fields)
    except Exception as error:  # each node has its own way to fail on fields of another kind
        raise ValueError(
            f"node {name!r} of type {kind!r} cannot be read by nir: {error!r}"
        ) from None
