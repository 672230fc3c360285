"""NIR: a graph that other frameworks read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lava_desire.deploy.nir_dialects import DEFAULT, DIALECTS, MEASURED_BITS
from lava_desire.deploy.targets import base
from lava_desire.model.option import CurrentFilter, refuse_options

if TYPE_CHECKING:
    from lava_desire.engine import DesireNetwork


@dataclass(frozen=True)
class Options(base.Options):
    """Who is to read it."""

    dialect: str = base.option(
        DEFAULT, f"who is to read it, {', '.join(DIALECTS)}.", allowed=DIALECTS
    )


def refuse(network: Any, options: Options) -> None:
    """Refuse a network in integers, which NIR does not know, and what a dialect's reader cannot."""
    base.refuse_integers(
        network, "export one in floating point, or this one with to='onnx', which computes integers"
    )
    dialect, config = DIALECTS[options.dialect], network.config
    named = f"dialect is {options.dialect!r}"
    if not dialect.planes and any(each.name == "conv2d" for each in config.synapses):
        raise ValueError(f"{named}, and {dialect.reader} takes no convolutions: export another")
    if not dialect.currents:
        refuse_options(config, CurrentFilter, f" for dialect {options.dialect!r}")
    if dialect.exponential and config.decay == 0:
        raise ValueError(f"{named}, whose decay exp(−1/τ) is above 0, and decay is 0: raise it")


def write(network: Any, path: Path, options: Options) -> str:
    """Write the graph."""
    from lava_desire.deploy.nir_export import packed
    from lava_desire.files import write_atomically

    graph = to_nir(network, dialect=options.dialect)
    write_atomically(path, packed(graph))
    config, dialect = network.config, DIALECTS[options.dialect]
    steps = config.num_steps - config.num_layers + 1
    dt = f"{graph.metadata['dt']} s" if dialect.dt < 1 else "1, tau in time steps"
    report = (
        f"{path} holds {config.shape_text} with dt = {dt}; without the delay between layers "
        f"{steps} steps give the spike counts of {config.num_steps} here"
    )
    kernels = (each.weight.shape[2:] for each in graph.nodes.values() if hasattr(each, "groups"))
    if any(height != width for height, width in kernels):
        report += "; use nir.read(..., type_check=False), as nir 1.0.8 takes kernels for square"
    if config.reset in dialect.patch:
        report += f"; {dialect.patch[config.reset]}"
    if config.reset in dialect.differing:
        report += (
            f"; even so it is not exact: {dialect.differing[config.reset]:,} of {MEASURED_BITS:,} "
            f"output bits of a digits network, dense, differ in {dialect.reader}"
        )
    return report


TARGET = base.Target(
    name="nir",
    summary="a NIR graph for other frameworks, of floating point, with either reset.",
    suffix=".nir",
    write=write,
    refuse=refuse,
    options=Options,
    synapses=("dense", "conv2d"),
    filters_currents=True,
)


def to_nir(network: DesireNetwork, *, dt: float | None = None, dialect: str = DEFAULT) -> Any:
    """Return a trained network as a NIR graph: Input, then Linear and LIF a layer, then Output.

    τ = dt / (1 − β), R = 1 and W_nir = W / (1 − β), unless the dialect's reader takes another form
    for that; with a `synapse_decay` α CubaLIF, with R = τ/dt, W as it is,
    τ_syn = dt / (1 − α) and w_in = 1 / (1 − α).
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
    dt : float, optional
        Seconds a time step, above 0; a reader must be told the same. 1e-4 by default, which
        SpikingJelly and snnTorch assume, and 1 for readers that count τ in steps.
    dialect : str
        Who is to read it, a name of ``lava_desire.deploy.nir_dialects.DIALECTS``; what the reader
        still needs is what ``lava-desire export`` prints.

    Returns
    -------
    nir.NIRGraph
        Nodes ``input``, ``linear_1`` or ``conv_1``, ``lif_1``, …, ``output``; metadata ``dt``,
        ``num_steps``, ``reset``, ``comparison``, ``delay``, ``dialect`` and the configuration.
        ``nir.write`` puts it on disk; for readers with nir 1.0.4 use :func:`export`, which leaves
        out the ``v_reset`` that they do not know.

    Raises
    ------
    ValueError
        If the network is in fixed point, dt is not above 0, a scaled weight exceeds float32, or
        there is no such dialect, or its reader cannot hold the network.
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
    options = Options(dialect)
    TARGET.check(network, options)
    if dt is None:
        dt = DIALECTS[dialect].dt
    if not isinstance(dt, (int, float)) or not 0 < dt < math.inf:
        raise ValueError(f"dt is {dt!r}: expected seconds, above 0")
    return graph_of(network, dialect, dt)
