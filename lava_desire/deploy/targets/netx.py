"""netx: a file from which lava-dl builds Lava processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lava_desire.deploy.targets import base


@dataclass(frozen=True)
class Options(base.Options):
    """What becomes of a network that resets by subtraction."""

    convert_reset: bool = base.option(False, "write reset by subtraction as reset to zero.")


def refuse(network: Any, options: Options) -> None:
    """Refuse reset by subtraction, unless it is to be converted."""
    if network.config.reset != "zero" and not options.convert_reset:
        raise ValueError(
            "reset is 'subtract', and netx builds neurons that reset to zero: train with "
            "reset='zero', or export with convert_reset=True, and measure the accuracy then"
        )


def write(network: Any, path: Path, options: Options) -> str:
    """Write the network in 8-bit integers."""
    from lava_desire.deploy.netx_file import to_netx

    integers = to_netx(network, path, convert_reset=options.convert_reset)
    report = (
        f"{path} holds {network.config.shape_text} in 8-bit integers; "
        f"read it with netx.hdf5.Network(..., reset_interval={integers.config.window_steps})"
    )
    if network.config.reset == "subtract":
        report += "; it now resets to zero and spikes less: measure its accuracy"
    return report


TARGET = base.Target(
    name="netx",
    summary="a file for lava-dl, whose neurons reset to zero.",
    suffix=".net",
    write=write,
    refuse=refuse,
    options=Options,
)
