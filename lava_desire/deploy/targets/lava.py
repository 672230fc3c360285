"""Lava: a script that runs the network on stock processes, without this library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lava_desire.deploy.targets import base


def refuse(network: Any, options: base.Options) -> None:
    """Refuse reset by subtraction, which no neuron of Lava does."""
    from lava_desire.deploy.lava_script import refuse_subtraction

    refuse_subtraction(network)


def write(network: Any, path: Path, options: base.Options) -> str:
    """Write the script, and its weights beside it."""
    from lava_desire.deploy.lava_script import processes_of, write_lava_script

    script, weights = write_lava_script(network, path)
    return (
        f"{script} runs {network.config.shape_text} on stock Lava processes "
        f"({processes_of(network.config)}), with the weights of {weights}: python {script} "
        "images.npz"
    )


TARGET = base.Target(
    name="lava",
    summary="a script for stock Lava processes, whose neurons reset to zero.",
    suffix=".py",
    write=write,
    refuse=refuse,
    beside=".npz",
    synapses=("dense", "conv2d"),
    filters_currents=True,
)
