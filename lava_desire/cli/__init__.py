"""The command line: ``lava-desire train | eval | export | map | energy | info | demo | …``."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Sequence
from typing import Any, TextIO

import typer

from lava_desire.cli import commands, torchrun
from lava_desire.cli.energy import energy
from lava_desire.cli.export import export
from lava_desire.cli.installation import install_lava
from lava_desire.cli.map import map_
from lava_desire.cli.neurobench import neurobench
from lava_desire.cli.printing import complain
from lava_desire.cli.reproduce import reproduce
from lava_desire.errors import (
    DamagedCheckpointWarning,
    DeviceMemoryError,
    is_out_of_memory,
)

__all__ = ["main"]

# Some versions of typer bring a click of their own: this is the one whose errors it raises.
_USAGE_ERROR: Any = typer.BadParameter.__bases__[0]

BAD_INPUT = 2

app = typer.Typer(
    name="lava-desire",
    help="Train and use multi-layer spiking networks that learn by desire backpropagation.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("train")(torchrun.shared(commands.train))
app.command("eval")(torchrun.alone(commands.eval_))
app.command("reproduce")(torchrun.alone(reproduce))
app.command("export")(torchrun.alone(export))
app.command("map")(torchrun.alone(map_))
app.command("energy")(torchrun.alone(energy))
app.command("neurobench")(torchrun.alone(neurobench))
app.command("info")(commands.info)
app.command("demo")(torchrun.alone(commands.demo))
app.command("install-lava")(install_lava)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    0 is done; 2 bad input, or a machine that has not enough disk or memory (one line says what);
    130 stopped by Ctrl-C and 143 by SIGTERM, both after saving.

    Parameters
    ----------
    arguments : sequence of str, optional
        What stands after the program's name; from the command line when not given.

    Raises
    ------
    SystemExit
        Always, with the status above.
    """
    arguments = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default", DamagedCheckpointWarning)
            warnings.showwarning = _show_warning
            status = app(args=_gather_layers(arguments), standalone_mode=False)
    except _USAGE_ERROR as error:
        status = BAD_INPUT if torchrun.is_silent() else _refuse(error.format_message())
    except BrokenPipeError:
        # Whoever read the output has gone; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except (ValueError, OSError, ImportError, DeviceMemoryError) as error:
        status = _refuse(str(error))
    except (MemoryError, RuntimeError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if not is_out_of_memory(error):
            raise
        status = _refuse(f"out of memory: lower --batch-size, --num-steps or --layers ({error})")
    raise SystemExit(status if isinstance(status, int) else 0)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as one line: where in the source it arose is nothing to a user."""
    complain("warning", message)


def _refuse(message: str) -> int:
    complain("error", message)
    return BAD_INPUT


def _gather_layers(arguments: Sequence[str]) -> list[str]:
    """Write ``--layers 200 100`` as ``--layers=200 100``: an option takes one value here.

    Raises typer.BadParameter if it is given twice, of which only the last would count.
    """
    rest = list(arguments)
    gathered: list[str] = []
    while rest:
        argument = rest.pop(0)
        if argument == "--layers":
            sizes = []
            while rest and not re.match(r"-(?!\d)", rest[0]):
                sizes.append(rest.pop(0))
            argument = f"--layers={' '.join(sizes)}"
        is_layers = argument.startswith("--layers=")
        if is_layers and any(each.startswith("--layers=") for each in gathered):
            raise typer.BadParameter(
                "--layers is given twice: expected all of them at once, as in --layers 200 100"
            )
        gathered.append(argument)
    return gathered
