"""The layers of a NIR graph, whoever wrote it: a chain is followed, anything else is named.

Exporters differ in what stands around the layers. They give Input and Output the shape of a batch,
put a Flatten first, a graph into a graph, or one number where others write one a neuron; none of
that changes what the network computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

MAX_LAYERS = 64
_MAX_DEPTH = 8


@dataclass(frozen=True)
class Layer:
    """A layer of a chain; nodes within a graph within the graph are called ``outer.inner``."""

    synapses: str  # the nodes' names
    neurons: str
    weight: Any  # (N, M), as the graph holds it
    tau: Any  # seconds, (N,) float64, as the two below
    r: Any
    v_threshold: Any
    metadata: dict[str, Any]  # of the synapses

    @property
    def size(self) -> int:
        """How many neurons it has."""
        return len(self.tau)

    @property
    def num_inputs(self) -> int:
        """How many values it takes."""
        return int(self.weight.shape[1])


def layers(nir: Any, graph: Any) -> list[Layer]:
    """Return the layers of a graph from Input to Output, at least one.

    Raises ValueError if it is no chain of Affine or Linear without bias and LIF that rests at 0;
    the message names the node, what it is and what is allowed.
    """
    nodes, edges = _unfolded(nir, graph)
    order = _order(nodes, edges)
    ends = [name for name in order if isinstance(nodes[name], (nir.Input, nir.Output))]
    inner = [name for name in order if name not in ends]
    flattened = bool(inner) and isinstance(nodes[inner[0]], nir.Flatten)
    while inner and isinstance(nodes[inner[0]], nir.Flatten):  # as images are here, row by row
        del inner[0]
    found = list(_pairs(nir, nodes, inner))
    for before, behind in pairwise(found):
        if behind.num_inputs != before.size:
            raise ValueError(
                f"node {behind.synapses!r} takes {behind.num_inputs} inputs: expected "
                f"{before.size}, one a neuron of {before.neurons!r}"
            )
    for name in ends:
        if name == order[0]:
            _check_shape(name, nodes[name], found[0].num_inputs, flattened=flattened)
        elif name == order[-1]:
            _check_shape(name, nodes[name], found[-1].size, flattened=False)
    return found


def _kind(node: Any) -> str:
    return "None, which its exporter did not know" if node is None else type(node).__name__


def _unfolded(
    nir: Any, graph: Any, prefix: str = "", depth: int = 0
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return all nodes and edges, those of graphs within the graph among them."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"the graph nests deeper than {_MAX_DEPTH} graphs at {prefix[:-1]!r}")
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    entries: dict[str, str] = {}
    exits: dict[str, str] = {}
    for name, node in graph.nodes.items():
        place = f"{prefix}{name}"
        if not isinstance(node, nir.NIRGraph):
            nodes[place] = node
            continue
        inner_nodes, inner_edges = _unfolded(nir, node, f"{place}.", depth + 1)
        for kind, gates in ((nir.Input, entries), (nir.Output, exits)):
            own = [inner for inner in node.nodes if isinstance(node.nodes[inner], kind)]
            if len(own) != 1:
                raise ValueError(
                    f"node {place!r} is a graph with {len(own)} nodes of type {kind.__name__}: "
                    "expected one"
                )
            gates[place] = f"{place}.{own[0]}"
        nodes.update(inner_nodes)
        edges += inner_edges
    known = {*nodes, *entries}
    for edge in graph.edges:
        if len(edge) != 2:
            raise ValueError(f"the edge {edge!r} has {len(edge)} ends: expected two")
        start, end = (f"{prefix}{name}" for name in edge)
        for name in (start, end):
            if name not in known:
                raise ValueError(
                    f"the edge {start!r} to {end!r} leads from or to {name!r}, a node that is none"
                )
        edges.append((exits.get(start, start), entries.get(end, end)))
    return nodes, edges


def _order(nodes: dict[str, Any], edges: list[tuple[str, str]]) -> list[str]:
    """Return the nodes' names along the chain."""
    following: dict[str, str] = {}
    reached: set[str] = set()
    for start, end in edges:
        if start in following or end in reached:
            raise ValueError(
                f"the graph branches, joins or is cyclic at {start!r} ({_kind(nodes[start])}) to "
                f"{end!r} ({_kind(nodes[end])}): expected a chain"
            )
        following[start] = end
        reached.add(end)
    heads = [name for name in nodes if name not in reached]
    if len(heads) != 1:
        told = ", ".join(f"{name!r} ({_kind(nodes[name])})" for name in heads[:4]) or "none"
        raise ValueError(
            f"the graph of {len(nodes)} nodes is no chain from Input to Output: {len(heads)} nodes "
            f"receive nothing ({told}), expected one"
        )
    order = [heads[0]]
    while order[-1] in following:
        order.append(following[order[-1]])
    if len(order) != len(nodes):
        raise ValueError(f"the graph has a cycle apart from {order[0]!r}: expected one chain")
    return order


def _pairs(nir: Any, nodes: dict[str, Any], names: list[str]) -> Iterator[Layer]:
    """Yield the layers that nodes without Input, Output and the first Flatten make."""
    if not names or len(names) > 2 * MAX_LAYERS:
        raise ValueError(
            f"the graph has {len(names)} nodes between Input and Output: expected Affine or Linear "
            f"and LIF in turn, 1 to {MAX_LAYERS} times"
        )
    for place, name in enumerate(names):
        node = nodes[name]
        synapses = place % 2 == 0
        if not isinstance(node, (nir.Affine, nir.Linear) if synapses else nir.LIF):
            wanted = "Affine or Linear" if synapses else "LIF"
            behind = f" behind {names[place - 1]!r}" if place else ""
            delay = ", and the delay of one step left out" if isinstance(node, nir.Delay) else ""
            raise ValueError(f"node {name!r} is {_kind(node)}: expected {wanted}{behind}{delay}")
    if len(names) % 2:
        raise ValueError(
            f"node {names[-1]!r} ({_kind(nodes[names[-1]])}) is the last: expected LIF behind it"
        )
    for first, second in zip(names[::2], names[1::2], strict=True):
        yield _layer(first, nodes[first], second, nodes[second])


def _layer(first: str, affine: Any, second: str, neurons: Any) -> Layer:
    weight = _array(affine.weight)
    if weight.ndim != 2 or weight.dtype.kind not in "fiu" or not np.isfinite(weight).all():
        raise ValueError(
            f"weight of {first!r} is {weight.dtype} {weight.shape}: expected finite numbers, "
            "neurons by inputs"
        )
    bias = _array(getattr(affine, "bias", 0))
    if bias.dtype.kind not in "fiu":
        raise ValueError(f"bias of {first!r} is {bias.dtype}: expected zeros, or none")
    if bias.any():
        raise ValueError(
            f"{first!r} ({_kind(affine)}) has a bias: expected zero, neurons here have none"
        )
    parameters = {}
    for name in ("tau", "r", "v_leak", "v_threshold", "v_reset"):
        values = parameters[name] = _one_a_neuron(name, second, getattr(neurons, name), len(weight))
        if not np.isfinite(values).all():
            raise ValueError(f"{name} of {second!r} holds NaN or infinity: expected finite values")
        if name in ("tau", "v_threshold") and (values <= 0).any():
            raise ValueError(
                f"{name} of {second!r} holds {values[values <= 0][0]:g}: expected values above 0"
            )
        if name in ("v_leak", "v_reset") and values.any():
            raise ValueError(
                f"{name} of {second!r} holds {values[values != 0][0]}: expected 0, where neurons "
                "here rest"
            )
    metadata = affine.metadata if isinstance(affine.metadata, dict) else {}
    kept = {name: parameters[name] for name in ("tau", "r", "v_threshold")}
    return Layer(first, second, weight, metadata=metadata, **kept)


def _array(value: Any) -> Any:
    """Return a parameter as an array; Norse keeps tensors in its graphs."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value)


def _one_a_neuron(name: str, node: str, value: Any, size: int) -> Any:
    """Return a parameter as (N,) float64; one number holds for all neurons."""
    values = _array(value)
    long = [length for length in values.shape if length != 1]
    if values.dtype.kind not in "fiu" or long not in ([], [size]):
        raise ValueError(
            f"{name} of {node!r} is {values.dtype} {values.shape}: expected one number, or "
            f"({size},), one a neuron"
        )
    return np.broadcast_to(values.reshape(-1), (size,)).astype(np.float64)


def _check_shape(name: str, node: Any, size: int, *, flattened: bool) -> None:
    """Refuse an Input or Output of another size; the shape of a sample's batch may stand before."""
    types = node.input_type if hasattr(node, "input_type") else {}
    given = next(iter(types.values()), None) if isinstance(types, dict) else None
    shape = [] if given is None else [int(length) for length in np.ravel(given)]
    if not shape:  # not said, or that of a parameter that is one number
        return
    ends = [int(np.prod(shape[place:])) for place in range(len(shape))]
    long = [length for length in shape if length != 1]
    if size not in (ends if flattened else ends[-1:]) and long != [size]:
        raise ValueError(
            f"node {name!r} ({_kind(node)}) has the shape {tuple(shape)}: expected {size} values"
        )
