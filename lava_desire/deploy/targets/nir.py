"""NIR: a graph that other frameworks read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from lava_desire.deploy.targets import base


def refuse(network: Any, options: base.Options) -> None:
    """Refuse a network in integers, which NIR does not know."""
    base.refuse_integers(network, "export one in floating point")


def write(network: Any, path: Path, options: base.Options) -> str:
    """Write the graph."""
    from lava_desire.deploy.nir_export import to_nir
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
    if config.reset == "subtract":
        report += "; readers reset to zero until told to subtract, see docs/export.md"
    return report


TARGET = base.Target(
    name="nir",
    summary="a NIR graph for other frameworks, with either reset.",
    suffix=".nir",
    write=write,
    refuse=refuse,
)
