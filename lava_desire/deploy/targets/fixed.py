"""Integers: a checkpoint with the word lengths of a chip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lava_desire.deploy.targets import base


def refuse(network: Any, options: base.ScaleOptions) -> None:
    """Refuse a network in integers."""
    base.refuse_integers(network, "copy its checkpoint")


def write(network: Any, path: Path, options: base.ScaleOptions) -> str:
    """Choose scales from data, and save the network in integers."""
    from lava_desire.deploy.quantization import quantize

    quantized = quantize(network, options.data, options.weight_bits)
    quantized.network.save(path)
    name = getattr(options.data, "name", None)
    scaled = f", scaled on {name}" if name else ""
    return f"{quantized.report}\n{path} holds {network.config.shape_text} in integers{scaled}"


TARGET = base.Target(
    name="fixed",
    summary="a checkpoint in integers, with either reset.",
    suffix=".safetensors",
    write=write,
    refuse=refuse,
    options=base.ScaleOptions,
    synapses=("dense", "conv2d"),
    filters_currents=True,
)
