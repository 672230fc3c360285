"""The command line: ``lava-desire train | eval | export | map | energy | info | demo | …``."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from lava_desire.cli.printing import complain, say
from lava_desire.errors import (
    DamagedCheckpointWarning,
    DeviceMemoryError,
    is_out_of_memory,
)

__all__ = ["main"]

# Some versions of typer bring a click of their own: this is the one whose errors it raises.
_USAGE_ERROR: Any = typer.BadParameter.__bases__[0]

BAD_INPUT = 2
_DONE = "what was done before is kept"
_COMPLETE = "_LAVA_DESIRE_COMPLETE"  # in the environment where a shell asks for completions


class Entry(NamedTuple):
    """The first paragraph of a command's help, and where it stands."""

    help: str
    module: str = ""  # of this package; "" where it has the command's name
    function: str = ""  # of the module; "" where it has the command's name
    under_torchrun: str = "alone"  # or "shared" by the ranks, or "" where each may do it
    quick: str = ""  # a function of flags alone, for which typer asks pydantic nothing
    flags: tuple[str, ...] = ()  # those, with which or without it is enough
    kept: str = "nothing was kept"  # by a command that a signal has ended, where it says no more


COMMANDS = {
    "train": Entry(
        "Train a network; Ctrl-C saves, and --resume goes on to the bit as if never stopped.",
        module="commands",
        under_torchrun="shared",
        kept="nothing was kept, and nothing of a run that was to go on has changed",
    ),
    "eval": Entry(
        "Classify the test images with a trained network.", module="commands", function="eval_"
    ),
    "predict": Entry("Classify samples, with labels or without, and write a row each into a file."),
    "report": Entry("Write runs as one HTML page that needs no network: what, how, how well."),
    "compare": Entry(
        "Print a table of runs, the most accurate first, with what differs between them."
    ),
    "watch": Entry(
        "Show how a run goes, from its files alone: in another terminal, or on another machine."
    ),
    "sweep": Entry(
        "Train over a grid or ranges of settings; samples held out for validation choose the best.",
        kept="trials that have ended are kept, and --resume goes on",
    ),
    "find-rate": Entry(
        "Try learning rates in short runs from the same weights, and print what each comes to."
    ),
    "reproduce": Entry(
        "Reproduce a result of the paper; the same command again goes on where it stopped.",
        kept="the same command goes on",
    ),
    "config": Entry(
        "Explain the fields of configurations; show, write, convert and check files of them."
    ),
    "import": Entry(
        "Make a checkpoint of a network that the authors of desire backpropagation have trained.",
        module="importing",
        function="import_",
    ),
    "export": Entry("Write a trained network for another backend, chip or framework."),
    "map": Entry(
        "Count the cores of a chip that a network takes, and say what limits; no chip is needed.",
        function="map_",
    ),
    "energy": Entry(
        "Count events of a sample and a training step, and derive energy and time on a chip."
    ),
    "neurobench": Entry("Print NeuroBench's metrics of a trained network on its test samples."),
    "info": Entry(
        "Say what this machine offers, or what a trained network is and was trained on.",
        under_torchrun="",
        quick="of_machine",
        flags=("--devices", "--json"),
    ),
    "demo": Entry(
        "Train on handwritten digits and draw what the network does with held-out ones.",
        module="commands",
        kept=_DONE,
    ),
    "completion": Entry(
        "Print what completes commands, options and their values in a shell, or install it there.",
        under_torchrun="",
    ),
    "install-lava": Entry(
        "Install Lava in the environment that this runs in, and replace no other package there.",
        module="installation",
        under_torchrun="",
        kept=_DONE,
    ),
}


class _Markdown:
    """Makes what rich shows of Markdown, whose parser takes a tenth of a help that has none."""

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        from rich.markdown import Markdown

        return Markdown(*arguments, **options)


class _QuickHelp:
    """Gives ``--help`` a default that typer need not ask pydantic about, which takes 0.1 s."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        name = "rich.markdown"
        if name not in sys.modules and "typer.rich_utils" not in sys.modules:
            sys.modules[name] = module = ModuleType(name)
            module.Markdown = _Markdown  # type: ignore[attr-defined]
            try:
                import_module("typer.rich_utils")
            finally:
                del sys.modules[name]
        super().format_help(ctx, formatter)  # type: ignore[misc]

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.default = False
        return option


class _Commands(_QuickHelp, TyperGroup):
    """All commands."""

    def invoke(self, ctx: Any) -> Any:
        """Carry out a command; say what is left of one that a signal has ended."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            from lava_desire.cli import torchrun

            if not torchrun.is_silent():
                say(f"interrupted; {COMMANDS[ctx.invoked_subcommand].kept}", sys.stderr)
            number = getattr(interrupt, "signal", signal.SIGINT)
            raise typer.Exit(128 + number) from interrupt


class _Terminated(KeyboardInterrupt):
    """SIGTERM has come while nothing was trained, which saves first."""

    signal = signal.SIGTERM


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does; a rank of torchrun ends at once, as ever."""
    number, ranks = signal.SIGTERM, "WORLD_SIZE" in os.environ
    in_main = threading.current_thread() is threading.main_thread()
    if ranks or not in_main or signal.getsignal(number) is not signal.SIG_DFL:
        yield
        return

    def stop(*_: Any) -> None:
        raise _Terminated

    signal.signal(number, stop)
    try:
        yield
    finally:
        signal.signal(number, signal.SIG_DFL)


class _Plain:
    """Reads numbers, and what is plain at first sight; typer asks pydantic about each, and none.

    Importing pydantic takes as long as all else that a bad option needs. Of other values that are
    not plain typer says what it always does.
    """

    def __init__(self, option: Any) -> None:
        self._kind = option.type_descriptor.annotation
        self._ask = option.get_runtime_param

    def __call__(self) -> _Plain:
        """Stand for ``get_runtime_param``."""
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """See ``typer._coercion.RuntimeParam``."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        if self._kind == list[str] and isinstance(value, (list, tuple)):
            return [str(each) for each in value]
        if self._kind in (int, float) and isinstance(value, str):
            return self._number(value, param)
        return value if type(value) is self._kind else self._ask().coerce(value, param, ctx)

    def _number(self, text: str, param: Any) -> float:
        """Return a number as Python reads it: pydantic takes 3.0 for an integer.

        Raises ValueError, naming the option, the text and what is allowed.
        """
        try:
            number: float = self._kind(text)
            return number
        except ValueError:
            if param.callback is not None:  # refuses it, and says the range
                param.callback(None, param, text)
            expected = "an integer" if self._kind is int else "a number"
            raise ValueError(f"{param.opts[0]} is {text!r}: expected {expected}") from None


class _Command(_QuickHelp, TyperCommand):
    """A command with its options, and examples below them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for option in self.params:
            if hasattr(option, "get_runtime_param"):  # other versions of typer ask nobody
                option.get_runtime_param = _Plain(option)

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Return the context; of options that are refused all ranks know, and one speaks."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except ValueError as error:
            raise _USAGE_ERROR(str(error)) from error

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        from lava_desire.cli import manual

        super().format_help(ctx, formatter)
        print(manual.text(str(self.name)), end="")


class LazyCommand(TyperCommand):
    """Stands for a command whose module is imported when it runs, or when its own help is asked."""

    def load(self, quick: bool = False) -> Any:
        """Return the command itself, with its options, or what answers for it where it is quick."""
        entry, own = COMMANDS[str(self.name)], str(self.name).replace("-", "_")
        name = entry.quick if quick else entry.function or own
        function = getattr(import_module(f"lava_desire.cli.{entry.module or own}"), name)
        if entry.under_torchrun:
            from lava_desire.cli import torchrun

            function = getattr(torchrun, entry.under_torchrun)(function)
        only = typer.Typer(add_completion=False)
        only.command(self.name, cls=_Command)(function)
        return typer.main.get_command(only)

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Return the context of the command itself."""
        entry = COMMANDS[str(self.name)]
        completes = bool(extra.get("resilient_parsing"))
        quick = bool(entry.quick) and set(args) <= set(entry.flags) and not completes
        return self.load(quick).make_context(info_name, args, parent, **extra)


app = typer.Typer(
    name="lava-desire",
    cls=_Commands,
    help="Train and use multi-layer spiking networks that learn by desire backpropagation.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _say_versions(asked: bool) -> None:
    if asked:
        from lava_desire.cli.machine import version_lines

        say(version_lines())
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Say the versions of this and of what it stands on.",
            callback=_say_versions,
            is_eager=True,
        ),
    ] = False,
) -> None:
    pass


for _name, _entry in COMMANDS.items():
    app.command(_name, cls=LazyCommand, help=_entry.help)(lambda: None)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    0 is done; 1 a network that does not fit the chip of ``map``; 2 bad input, or a machine that has
    not enough disk or memory (one line says what); 130 stopped by Ctrl-C and 143 by SIGTERM: one
    line says what is kept. Always raises SystemExit with that status.
    """
    arguments = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a pipe on Windows, say, takes no Greek
    if _COMPLETE in os.environ:
        import_module("typer.completion").completion_init()
    try:
        with warnings.catch_warnings(), _stoppable():
            warnings.simplefilter("default", DamagedCheckpointWarning)
            warnings.showwarning = _show_warning
            status = app(args=_gather_layers(arguments), standalone_mode=False)
    except _USAGE_ERROR as error:
        from lava_desire.cli import torchrun

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


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
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
