"""``lava-desire completion``: commands, options and their values, completed by a shell."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer

from lava_desire.cli.fields import completing, option
from lava_desire.cli.printing import say
from lava_desire.cli.run import check_choice

SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")
_OF = {"prog_name": "lava-desire", "complete_var": "_LAVA_DESIRE_COMPLETE"}


def completion(
    shell: Annotated[
        str | None,
        typer.Argument(
            help=f"One of {', '.join(SHELLS)}; else the one that this runs in.",
            autocompletion=completing(SHELLS),
        ),
    ] = None,
    install: Annotated[
        bool, option("Write it where the shell reads it at its next start.", True, "--install")
    ] = False,
) -> None:
    """Print what completes commands, options and their values in a shell, or install it there.

    Presets, data sets, fields, run folders and checkpoints are completed, and files by the shell.
    """
    check_choice("SHELL", shell, SHELLS)
    of_typer: Any = import_module("typer.completion")
    if shell is None:
        import shellingham  # typer needs it

        try:
            shell = str(shellingham.detect_shell()[0])
        except shellingham.ShellDetectionFailure:
            raise ValueError(
                f"which shell this is cannot be told: expected one of {', '.join(SHELLS)}"
            ) from None
        check_choice("SHELL", shell, SHELLS)
    if install:
        _, path = of_typer.install(shell, **_OF)
        say(f"{path} is written: {shell} completes lava-desire from its next start on")
    else:
        print(of_typer.get_completion_script(shell=shell, **_OF))
