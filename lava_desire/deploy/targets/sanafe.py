"""sanafe: a Python script that runs the network's integers on SANA-FE's Loihi."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lava_desire.deploy.targets import base


def refuse(network: Any, options: base.ScaleOptions) -> None:
    """Refuse a network that is larger than the chip."""
    from lava_desire.deploy.chips import find_chip
    from lava_desire.deploy.placement import place

    place(network.config, find_chip("loihi1"))


def write(network: Any, path: Path, options: base.ScaleOptions) -> str:
    """Write the script, and its weights beside it; floating point is quantised first."""
    from lava_desire.deploy.integer_network import is_floating
    from lava_desire.deploy.quantization import quantize
    from lava_desire.deploy.sanafe_script import write_sanafe_script

    said = ""
    if is_floating(network):
        quantized = quantize(network, options.data, options.weight_bits)
        network, said = quantized.network, f"{quantized.report}\n"
    script, weights = write_sanafe_script(network, path)
    return (
        f"{said}{script} runs {network.config.shape_text} on SANA-FE's Loihi, with the weights of "
        f"{weights}: python {script} images.npz 100 report.json"
    )


TARGET = base.Target(
    name="sanafe",
    summary="a script for SANA-FE's Loihi, with either reset, which also simulates energy.",
    suffix=".py",
    write=write,
    refuse=refuse,
    options=base.ScaleOptions,
    beside=".npz",
    synapses=("dense", "conv2d"),
)
