"""Xylo: a script for SynSense's simulator, with the arrays that their chip is configured by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lava_desire.deploy.targets import base


@dataclass(frozen=True)
class Options(base.Options):
    """What scales are chosen with."""

    data: Any = base.samples("to choose scales with")


def refuse(network: Any, options: Options) -> None:
    """Refuse what does not fit: 16 inputs, 1000 hidden neurons, 8 outputs, decays 1 − 2^−k."""
    from lava_desire.deploy.xylo_quantization import refuse_for_xylo

    refuse_for_xylo(network)


def write(network: Any, path: Path, options: Options) -> str:
    """Choose scales from data, and write the script and the arrays; tell what differs.

    A network that has neurons of Xylo needs no data; without any, images are drawn to compare.
    """
    from lava_desire.deploy.script import check_script
    from lava_desire.deploy.xylo_quantization import repeat_on_xylo, to_xylo
    from lava_desire.deploy.xylo_script import write_xylo_script

    check_script(network, path)
    if options.data is None:
        found, report = repeat_on_xylo(network)
    else:
        chosen = to_xylo(network, options.data)
        found, report = chosen.network, str(chosen.report)
    script, arrays = write_xylo_script(network, found, path)
    return (
        f"{report}\n{script} runs {network.config.shape_text} on xylosim, with {arrays}, "
        f"which holds what rockpool's config_from_specification takes: python {script} images.npz"
    )


TARGET = base.Target(
    name="xylo",
    summary="a script for Xylo's simulator: 16 inputs, 1000 hidden neurons, 8 outputs at most.",
    suffix=".py",
    write=write,
    refuse=refuse,
    options=Options,
    beside=".npz",
    filters_currents=True,
)
