"""``lava-desire import``: networks that others have trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lava_desire.cli.fields import Quiet, option
from lava_desire.cli.printing import say
from lava_desire.cli.run import check_output, config_in
from lava_desire.config import PRESETS, DesireConfig


def import_(
    file: Annotated[str, typer.Argument(help="What the authors' script has saved: a .pt file.")],
    output: Annotated[str, option("The checkpoint: a .safetensors file.")],
    preset: Annotated[
        str | None,
        option("What is not in the file, from this preset.", "its layers'", values=list(PRESETS)),
    ] = None,
    config: Annotated[
        str | None, option("The same, from this configuration, run folder or checkpoint.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Make a checkpoint of a network that the authors of desire backpropagation have trained."""
    if preset is not None and config is not None:
        raise ValueError(f"both --preset {preset} and --config {config} are given: expected one")
    path = check_output("--output", output, (".safetensors",), Path(file))
    base = None if preset is None else DesireConfig.preset(preset)
    base = base if config is None else config_in(Path(config))
    if not Path(file).exists():
        raise FileNotFoundError(f"No such file: {file}; expected a .pt of the authors' script")

    from lava_desire.checkpoint import read_checkpoint
    from lava_desire.deploy.authors import from_authors

    network = from_authors(file, base)
    network.save(path)
    if quiet:
        return
    for layer, weights in enumerate(read_checkpoint(path).weights, start=1):
        say(
            f"layer {layer}: {' x '.join(map(str, weights.shape))} weights, from "
            f"{weights.min():.4g} to {weights.max():.4g}, mean {weights.mean():.4g}"
        )
    say(f"{path} holds {network.config.shape_text}; lava-desire eval {path} --dataset NAME")
