"""The layers of a NIR graph, whoever wrote it: a chain is followed, anything else is named.

Exporters differ in what stands around the layers. They give Input and Output the shape of a batch,
put a Flatten before a matrix, a graph into a graph, or one number where others write one a neuron;
none of that changes what the network computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from lava_desire.deploy.nir_synapses import Pool, array_of, connect
from lava_desire.model.synapses import Synapse

MAX_LAYERS = 64
_MAX_DEPTH = 8


@dataclass(frozen=True)
class Layer:
    """A layer of a chain; nodes within a graph within the graph are called ``outer.inner``."""

    synapses: str  # the nodes' names
    neurons: str
    synapse: Synapse  # connected
    weight: Any  # of its weight_shape, as the graph holds it
    parameters: dict[str, Any]  # of the neurons, (N,) or (1,) float64: tau in seconds, r, …
    metadata: dict[str, Any]  # of the synapses


def layers(nir: Any, graph: Any) -> list[Layer]:
    """Return the layers of a graph from Input to Output, at least one.

    Raises ValueError if it is no chain of Affine, Linear or Conv2d without bias and LIF that rests
    at 0; the message names the node, what it is and what is allowed.
    """
    nodes, edges = _unfolded(nir, graph)
    order = _order(nodes, edges)
    ends = [name for name in order if isinstance(nodes[name], (nir.Input, nir.Output))]
    inner = [name for name in order if name not in ends]
    said = _said_shape(order[0], nodes[order[0]]) if order[0] in ends else ()
    matrices = (nir.Affine, nir.Linear)
    head = next((name for name in inner if not isinstance(nodes[name], nir.Flatten)), None)
    takes_planes = head is not None and not isinstance(nodes[head], matrices)
    pairs = list(_pairs(nir, nodes, inner, said[-3:] if takes_planes and len(said) > 2 else ()))
    found = [_layer(nodes, *pair) for pair in pairs]
    if not 1 <= len(found) <= MAX_LAYERS:
        raise ValueError(
            f"the graph has {len(inner)} nodes between Input and Output: expected Affine or Linear "
            f"and LIF in turn, 1 to {MAX_LAYERS} times"
        )
    in_a_row = isinstance(nodes[inner[0]], matrices)
    for name in ends:
        if name == order[0]:
            _check_shape(name, nodes[name], found[0].synapse.num_pre, flattened=not in_a_row)
        elif name == order[-1]:
            last = found[-1].synapse
            _check_shape(name, nodes[name], last.num_post, flattened=len(last.post_shape) == 3)
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
                    f"the edge {start!r} to {end!r} leads from or to {name!r}, which is no node"
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


def _pairs(
    nir: Any, nodes: dict[str, Any], names: list[str], shape: tuple[int, ...]
) -> Iterator[tuple[str, Synapse, Any, str]]:
    """Yield a layer's synapses, their connection and weights, and its neurons.

    `names` are without Input and Output, `shape` is that of the planes that come in.
    """
    matrices, pools = (nir.Affine, nir.Linear), (nir.SumPool2d, nir.AvgPool2d)
    pending: tuple[str, Synapse, Any] | None = None  # synapses whose neurons come next
    before, pool, flattened = "", Pool(), False
    for name in names:
        node = nodes[name]
        if pending is not None:
            if not isinstance(node, (nir.LIF, nir.CubaLIF)):
                raise ValueError(f"node {name!r} is {_kind(node)}: expected LIF behind {before!r}")
            yield *pending, name
            shape = pending[1].post_shape
            if isinstance(nodes[before], nir.Conv2d) and len(shape) == 1:
                shape = (*shape, 1, 1)
            pending, pool, flattened = None, Pool(), False
        elif isinstance(node, nir.Flatten):  # planes are flat here anyway, row by row
            flattened = True
        elif isinstance(node, pools) and not flattened:
            pool, shape = pool.then(name, node, shape, mean=isinstance(node, nir.AvgPool2d))
        elif isinstance(node, matrices) or (isinstance(node, nir.Conv2d) and not flattened):
            pending = (name, *connect(nir, name, node, shape, pool, before))
        else:
            wanted = "Affine or Linear"
            if isinstance(node, nir.Delay):
                wanted += ", and the delay of one step left out"
            elif not flattened:
                wanted += ", or Conv2d"
            behind = f" behind {before!r}" if before else ""
            raise ValueError(f"node {name!r} is {_kind(node)}: expected {wanted}{behind}")
        before = name
    if pending is not None or pool != Pool():
        raise ValueError(
            f"node {before!r} ({_kind(nodes[before])}) is the last: expected LIF behind it"
        )


def _layer(nodes: dict[str, Any], first: str, synapse: Synapse, weight: Any, second: str) -> Layer:
    parameters, shape, node = {}, synapse.post_shape, nodes[second]
    positive = ("tau_mem", "tau_syn") if hasattr(node, "tau_syn") else ("tau",)
    gains = ("r", "w_in") if hasattr(node, "tau_syn") else ("r",)
    for name in (*positive, *gains, "v_leak", "v_threshold", "v_reset"):
        given = getattr(node, name)
        values = parameters[name] = _one_a_neuron(name, second, given, shape)
        if not np.isfinite(values).all():
            raise ValueError(f"{name} of {second!r} holds NaN or infinity: expected finite values")
        if name in (*positive, "v_threshold") and (values <= 0).any():
            raise ValueError(
                f"{name} of {second!r} holds {values[values <= 0][0]:g}: expected values above 0"
            )
        if name in ("v_leak", "v_reset") and values.any():
            raise ValueError(
                f"{name} of {second!r} holds {values[values != 0][0]}: expected 0, where neurons "
                "here rest"
            )
    metadata = nodes[first].metadata
    metadata = metadata if isinstance(metadata, dict) else {}
    return Layer(first, second, synapse, weight, parameters, metadata)


def _one_a_neuron(name: str, node: str, value: Any, shape: tuple[int, ...]) -> Any:
    """Return a parameter as (N,) float64, or (1,) where one number holds for all neurons."""
    values = array_of(value)
    long, planes = ([length for length in each if length != 1] for each in (values.shape, shape))
    if values.dtype.kind not in "fiu" or long not in ([], [prod(shape)], planes):
        raise ValueError(
            f"{name} of {node!r} is {values.dtype} {values.shape}: expected one number, or "
            f"{shape}, one a neuron"
        )
    return values.reshape(-1).astype(np.float64)


def _said_shape(name: str, node: Any) -> tuple[int, ...]:
    """Return the shape that an Input or Output states, () for none."""
    types = node.input_type if hasattr(node, "input_type") else {}
    given = next(iter(types.values()), None) if isinstance(types, dict) else None
    lengths = np.ravel(() if given is None else given)
    if lengths.dtype.kind not in "fiu" or not np.isfinite(lengths).all():
        raise ValueError(
            f"node {name!r} ({_kind(node)}) has the shape {given!r}: expected integers"
        )
    return tuple(map(int, lengths))


def _check_shape(name: str, node: Any, size: int, *, flattened: bool) -> None:
    """Refuse an Input or Output of another size; the shape of a sample's batch may stand before."""
    shape = _said_shape(name, node)
    if not shape:  # not said, or that of a parameter that is one number
        return
    ends = [int(np.prod(shape[place:])) for place in range(len(shape))]
    long = [length for length in shape if length != 1]
    if size not in (ends if flattened else ends[-1:]) and long != [size]:
        raise ValueError(
            f"node {name!r} ({_kind(node)}) has the shape {shape}: expected {size} values"
        )
