"""``lava-desire map``: how a network lies on the cores of a chip."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lava_desire.cli.fields import option, places
from lava_desire.cli.printing import say
from lava_desire.cli.run import FIGURES, check_choice, check_output, trained_file, untrained
from lava_desire.config import PRESETS
from lava_desire.data.names import DATASETS
from lava_desire.deploy.chips import find_chips
from lava_desire.model.fields import integers

if TYPE_CHECKING:
    from lava_desire.checkpoint import Checkpoint
    from lava_desire.config import DesireConfig

CHIPS = find_chips()
_SIZES = "64-200-100-10 or 1x28x28-16c5s2-32c5s2-10"


def map_(
    network: Annotated[
        str | None,
        typer.Argument(
            help=f"A checkpoint, a run folder (its best), or layers, as {_SIZES}; or none, and "
            "--layers, --dataset, --preset or --config as of train.",
            show_default=False,
            autocompletion=places,
        ),
    ] = None,
    layers: Annotated[
        str | None, option("As of train: --layers 200 100, or 16c5s2 32c5s2 10.", "preset's")
    ] = None,
    dataset: Annotated[
        str | None,
        option("As of train: inputs and classes are its.", "preset's", values=DATASETS),
    ] = None,
    preset: Annotated[
        str | None,
        option(
            "As of train; without --dataset its own inputs and classes, where train takes digits.",
            "the dataset's, or digits",
            values=list(PRESETS),
        ),
    ] = None,
    config: Annotated[
        str | None,
        option(
            "As of train: a .json, .yaml or .toml file, or run folder; without --dataset its own "
            "inputs and classes, where train takes digits."
        ),
    ] = None,
    chip: Annotated[str, option(f"One of {', '.join(CHIPS)}.", values=list(CHIPS))] = "loihi1",
    weight_bits: Annotated[
        int | None,
        option("Bits of a weight, 1 to 32.", "those of integers, else 8", allowed=integers(1, 32)),
    ] = None,
    reset: Annotated[str | None, option("Of layers: subtract or zero.", "subtract")] = None,
    learning: Annotated[
        bool, option("Also what learning takes: tags, Wᵀ.", True, "--learning")
    ] = False,
    json_: Annotated[
        str | None, option("Write all numbers into this .json file.", True, "--json")
    ] = None,
    figure: Annotated[
        str | None, option("Draw the cores into this .png, .pdf or .svg file.")
    ] = None,
    quiet: Annotated[bool, option("Print nothing but errors.", True, "--quiet")] = False,
) -> None:
    """Count the cores of a chip that a network takes, and say what limits; no chip is needed.

    Of a trained network, or before training of its layers: lava-desire map 784-1600-800-10, or as
    train takes them: lava-desire map --dataset mnist --layers 1600 800. Ends with 1 where the
    network does not fit.
    """
    check_choice("--chip", chip, tuple(CHIPS))
    as_trained = {"layers": layers, "dataset": dataset, "preset": preset, "config": config}
    given, trained = _read(network, reset, {k: v for k, v in as_trained.items() if v is not None})
    paths = {
        name: check_output(f"--{name}", output, suffixes, trained)
        for name, output, suffixes in (("json", json_, (".json",)), ("figure", figure, FIGURES))
        if output is not None
    }

    from lava_desire.deploy.core_map import map_network

    try:
        found = map_network(given, chip, weight_bits, learning=learning)
    except ValueError as error:
        said = str(error).replace("learning is True", "--learning is given")
        raise ValueError(said) from error
    if "json" in paths:
        from lava_desire.files import write_atomically

        write_atomically(paths["json"], (json.dumps(found.to_dict(), indent=1) + "\n").encode())
    if "figure" in paths:
        from lava_desire.analysis import plot_core_map

        plot_core_map(found, paths["figure"])
    if not quiet:
        say(found.report)
    if not found.fits:
        raise typer.Exit(1)


def _read(
    network: str | None, reset: str | None, as_trained: dict[str, str]
) -> tuple[DesireConfig | Checkpoint, Path]:
    """Return what is mapped, and the file that it is from; of layers a name that is none."""
    from lava_desire.config import DesireConfig

    fields: dict[str, Any] = {} if reset is None else {"reset": reset}
    if network is None:
        if not as_trained:
            raise ValueError(
                f"nothing is given to map: expected a checkpoint, a run folder, or layers, as "
                f"{_SIZES}; or --layers, --dataset, --preset or --config, as of train"
            )
        check_choice("--preset", as_trained.get("preset"), tuple(PRESETS))
        check_choice("--dataset", as_trained.get("dataset"), DATASETS)
        file = as_trained.pop("config", None)
        made = untrained(fields, file=file, **as_trained)
        return made, Path(file or made.shape_text)
    if as_trained:
        raise ValueError(
            f"{network!r} and --{next(iter(as_trained))} are given: expected one of them"
        )
    if Path(network).exists() or not re.fullmatch(r"\d+(x\d+x\d+)?(-\w+)+", network):
        if reset is not None:
            raise ValueError("--reset is given with a trained network: expected it with layers")
        if not Path(network).exists():
            raise ValueError(
                f"No such file: {network}; expected a checkpoint, a run folder, or layers, as "
                "784-200-10"
            )
        from lava_desire.checkpoint import read_checkpoint

        path = trained_file(network)
        return read_checkpoint(path), path
    first, *rest = network.split("-")
    shape = tuple(map(int, first.split("x")))
    try:
        if all(map(str.isdecimal, (first, *rest))):
            return DesireConfig((*shape, *map(int, rest)), **fields), Path(network)
        return DesireConfig(layers=rest, input_shape=shape, **fields), Path(network)
    except ValueError as error:
        raise ValueError(f"the layers are {network}, and {error}") from error
