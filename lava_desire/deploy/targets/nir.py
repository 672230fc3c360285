"""NIR: a graph that other frameworks read."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lava_desire.deploy.targets import base

if TYPE_CHECKING:
    from lava_desire.engine import DesireNetwork

DEFAULT_DT = 1e-4
"""Seconds a time step: what SpikingJelly and snnTorch assume; Norse is told."""


def refuse(network: Any, options: base.Options) -> None:
    """Refuse a network in integers, which NIR does not know."""
    base.refuse_integers(network, "export one in floating point")


def write(network: Any, path: Path, options: base.Options) -> str:
    """Write the graph."""
    from lava_desire.deploy.optional import import_optional
    from lava_desire.files import write_atomically

    graph = to_nir(network)
    packed = io.BytesIO()
    import_optional("nir").write(packed, graph)
    write_atomically(path, packed.getvalue())
    config = network.config
    steps = config.num_steps - config.num_layers + 1
    report = (
        f"{path} holds {config.shape_text} with dt = {graph.metadata['dt']} s; without the delay "
        f"between layers {steps} steps give the spike counts of {config.num_steps} here"
    )
    kernels = (each.weight.shape[2:] for each in graph.nodes.values() if hasattr(each, "groups"))
    if any(height != width for height, width in kernels):
        report += "; use nir.read(..., type_check=False), as nir 1.0.8 takes kernels for square"
    if config.reset == "subtract":
        report += "; readers reset to zero until told to subtract, see docs/export.md"
    return report


TARGET = base.Target(
    name="nir",
    summary="a NIR graph for other frameworks, with either reset.",
    suffix=".nir",
    write=write,
    refuse=refuse,
    synapses=("dense", "conv2d"),
)


def to_nir(network: DesireNetwork, *, dt: float = DEFAULT_DT) -> Any:
    """Return a trained network as a NIR graph: Input, then Affine and LIF a layer, then Output.

    From the first convolution on it is Conv2d and LIF. A dense layer behind planes has kernels as
    large as they are, since readers do not agree whether a Flatten counts the axis of samples;
    outputs are then (B, N_L, 1, 1).

    The rate encoder is not part of the graph: feed it spikes. The delay of one step between
    layers is not a node, since no reader takes one: without it the output layer fires L − 1 steps
    earlier, so T − (L − 1) steps of the graph give the spike counts of T steps here.

    Parameters
    ----------
    network : DesireNetwork
        What to export.
    dt : float
        Seconds a time step, above 0; a reader must be told the same.

    Returns
    -------
    nir.NIRGraph
        Nodes ``input``, ``affine_1`` or ``conv_1``, ``lif_1``, …, ``output``; metadata ``dt``,
        ``num_steps``, ``reset``, ``comparison``, ``delay`` and the configuration. ``nir.write``
        puts it on disk.

    Raises
    ------
    ValueError
        If the network is in fixed point, dt is not above 0, or a scaled weight exceeds float32.
    ImportError
        If ``nir`` is not installed; the message says what to run.
    """
    from lava_desire.deploy.integer_network import is_floating
    from lava_desire.deploy.nir_export import graph_of
    from lava_desire.deploy.optional import import_optional

    import_optional("nir")
    if not is_floating(network):
        given = getattr(network, "arithmetic", f"a {type(network).__name__}")
        raise ValueError(f"network is {given}: expected a DesireNetwork in floating point")
    TARGET.check(network)
    if not isinstance(dt, (int, float)) or not 0 < dt < math.inf:
        raise ValueError(f"dt is {dt!r}: expected seconds, above 0")
    return graph_of(network, dt)
