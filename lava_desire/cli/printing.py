"""All output of the command line: texts from files cannot control the terminal.

Paths, names of data sets and of classes, and what errors quote may come from a file that a stranger
made; rich would take ``[b]`` in them for markup as well.
"""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, TextIO

from lava_desire._text import MESSAGE, printable

if TYPE_CHECKING:
    from rich.console import Console


def say(text: str, file: TextIO | None = None) -> None:
    """Print lines, each harmless and not too long, to the standard output or another."""
    for line in text.split("\n"):
        print(printable(line, MESSAGE), file=file or sys.stdout, flush=file is not None)


def complain(kind: str, message: object) -> None:
    """Print an error or a warning as one line."""
    say(f"lava-desire: {kind}: {' '.join(str(message).split())}", sys.stderr)


def tell(console: Console, text: str) -> None:
    """Print lines as :func:`say` does, to a console that may be quiet."""
    for line in text.split("\n"):
        console.print(printable(line, MESSAGE), highlight=False, soft_wrap=True)


def make_console(quiet: bool = False) -> Console:
    """Return where people read; nothing that is printed there is markup."""
    from rich.console import Console

    return Console(quiet=quiet, width=terminal_width(), markup=False, emoji=False)


def terminal_width() -> int:
    """Return the width of the terminal, or 100 where the output goes to a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 100
