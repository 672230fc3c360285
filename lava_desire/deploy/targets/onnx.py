"""ONNX: a graph for onnxruntime and others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lava_desire.deploy.targets import base


def refuse(network: Any, options: base.Options) -> None:
    """Refuse other decisions than that of the most spikes, and shifts to the right."""
    from lava_desire.deploy.integer_network import is_floating, refuse_negative_exponents
    from lava_desire.model.option import DecisionPolicy, refuse_options

    where = " where a network is written as ONNX, whose graph leaves ties undecided"
    refuse_options(network.config, DecisionPolicy, where)
    if not is_floating(network):
        reason = "as ONNX shifts no negative integer to the right"
        refuse_negative_exponents(network, f"{reason}; export the network in floating point")


def write(network: Any, path: Path, options: base.Options) -> str:
    """Write the graph."""
    from lava_desire.deploy.onnx_file import write_onnx
    from lava_desire.deploy.optional import import_optional

    import_optional("onnx", 'pip install "lava_desire[onnx]"')
    write_onnx(network, path)
    config = network.config
    return (
        f"{path} holds {config.shape_text} as ONNX: spikes, (T, B, {config.num_inputs}) float32, "
        f"to output_spikes and class; make them with network.forward(images).spikes[0]"
    )


TARGET = base.Target(
    name="onnx",
    summary="a graph for onnxruntime, of dense layers, with either reset.",
    suffix=".onnx",
    write=write,
    refuse=refuse,
)
