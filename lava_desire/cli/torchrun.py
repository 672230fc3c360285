"""The command line under ``torchrun``: several processes, one output.

Each process is a *rank*. Rank 0 owns the run folder and speaks; an error of any rank reaches all of
them and is printed once. torchrun starts the same command again after a failure: a run that was
begun by the same torchrun is then resumed instead of refused.
"""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import typer

from lava_desire.cli.printing import complain
from lava_desire.cli.run import new_folder
from lava_desire.cli.run_data import read_notes
from lava_desire.errors import RankError
from lava_desire.training.history import RUN

FAILED = 2
_UNNAMED = "none"  # torchrun's name for a job that was given none

_Result = TypeVar("_Result")
_team: Team | None = None


@dataclass(frozen=True)
class Launch:
    """What torchrun tells a process in its environment."""

    rank: int  # of this process
    size: int  # number of all
    local_rank: int  # the same on this machine
    local_size: int
    restarts: int  # how often this machine's torchrun has restarted its processes
    max_restarts: int
    job: str  # stays when processes are restarted, and is another for another torchrun
    is_named: bool  # whether the user has named the job, as --rdzv-id does

    @classmethod
    def from_environment(cls) -> Launch | None:
        """Return what torchrun says; None where the process was not started by it.

        Raises ValueError if a variable is no integer.
        """
        if not {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys():
            return None
        size = _integer("WORLD_SIZE", 1)
        job = os.environ.get("TORCHELASTIC_RUN_ID", _UNNAMED)
        is_named = job != _UNNAMED
        return cls(
            _integer("RANK", 0),
            size,
            _integer("LOCAL_RANK", 0),
            _integer("LOCAL_WORLD_SIZE", size),
            _integer("TORCHELASTIC_RESTART_COUNT", 0),
            _integer("TORCHELASTIC_MAX_RESTARTS", 0),
            # Our parent is the torchrun that starts us, again and again.
            job if is_named else f"{socket.gethostname()}:{os.getppid()}",
            is_named,
        )

    def place(self, device: str) -> str:
        """Return this rank's own device for the one that all were given.

        Raises ValueError if there is not one for each rank of this machine.
        """
        size = self.local_size
        if not device.startswith("cuda") or size == 1:
            return device
        if device != "cuda":
            raise ValueError(
                f"--device is {device} for {size} ranks on one machine: expected cuda, of which "
                "each rank takes one, or cpu"
            )
        import torch

        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if size > found:
            raise ValueError(
                f"--device cuda is asked for by {size} ranks on {socket.gethostname()}, which "
                f"offers torch {found} CUDA devices: expected one a rank; use a smaller "
                "--nproc-per-node, or cpu"
            )
        return f"cuda:{self.local_rank}"

    def check_backend(self, backend: str | None) -> None:
        """Refuse a backend that cannot be shared.

        Raises ValueError if it is Lava's, and there are several ranks.
        """
        if backend == "lava" and self.size > 1:
            raise ValueError(
                f"--backend lava learns one sample at a time on one machine, and there are "
                f"{self.size} ranks: expected --backend torch, or no torchrun"
            )

    def has_begun(self, folder: Path, restarts: int, force: bool) -> bool:
        """Tell whether the run in a folder was begun by this torchrun, and should be resumed.

        The count of restarts alone does not tell: it stays 0 on a machine whose ranks are restarted
        because another machine has left or come. Nor does a name, which may be given twice.
        """
        try:
            job = read_notes(folder / RUN).job
        except (OSError, ValueError):
            return False
        if job != self.job:
            return False
        return restarts > 0 or (self.is_named and not force)


class Team:
    """The ranks of one command, as one of them sees them."""

    def __init__(self, launch: Launch) -> None:
        import torch

        from lava_desire.training.ranks import Ranks

        self.launch = launch
        self._nothing = torch.empty(0, dtype=torch.uint8)
        self.ranks = Ranks(torch.device("cpu"))

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, the one that writes and speaks."""
        return self.ranks.is_first

    def in_turn(self, load: Callable[[], _Result]) -> _Result:
        """Load something on one rank of a machine, then on the others: it is downloaded once."""
        result = load() if self.launch.local_rank == 0 else None
        self.ranks.meet(self._nothing)
        if result is None:
            result = load()
        return result

    def open_folder(self, output: str | None, name: str, force: bool) -> tuple[Path, bool]:
        """Let rank 0 open the folder of a run, new or begun by this very torchrun.

        Returns the folder, and whether the run in it is resumed. Raises ValueError if torchrun may
        restart the command, which then could not find its folder; and the errors of
        :func:`~lava_desire.cli.run.new_folder`.
        """
        if output is None and self.launch.max_restarts > 0:
            raise ValueError(
                "--output is not given, and torchrun may restart the command: expected a folder, "
                "for it to go on where it was"
            )
        from lava_desire.training.run_folder import holds_run

        _, counts = self.ranks.meet(self._nothing, self.launch.restarts)
        restarts = max(count for (count,) in counts)
        folder, resume = Path(output or "."), False
        if self.is_first:
            begun_here = self.launch.has_begun(folder, restarts, force)
            resume = begun_here and holds_run(folder)
            folder = folder if resume else new_folder(output, name, force)
        _, answers = self.ranks.meet(self._nothing, resume)
        return folder, bool(answers[0][0])


def join(backend: str | None) -> Team | None:
    """Become a rank, where torchrun has started the process; return None where it has not.

    Raises ValueError if what torchrun says cannot be, or the backend cannot be shared.
    """
    global _team
    launch = Launch.from_environment()
    if launch is None:
        return None
    import torch

    from lava_desire.training.ranks import open_process_group

    if torch.cuda.is_available():
        torch.cuda.set_device(launch.local_rank % torch.cuda.device_count())
    open_process_group()
    _team = Team(launch)
    launch.check_backend(backend)
    return _team


def shared(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command end as one, whichever rank fails: all know why, and one line says it."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except RankError as error:
            _report(error)
            raise typer.Exit(FAILED) from error
        except (ValueError, OSError, ImportError, MemoryError) as error:
            told = _team is not None and _team.ranks.fail(error)
            if told and _team is not None and not _team.is_first:
                raise typer.Exit(FAILED) from error
            raise
        finally:
            _leave()

    return run


def alone(command: Callable[..., None]) -> Callable[..., None]:
    """Refuse a command that several ranks would all do, and write, at once."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        launch = Launch.from_environment()
        if launch is not None and launch.size > 1:
            if launch.rank == 0:
                raise ValueError(
                    f"torchrun has started {launch.size} ranks, and only train is shared among "
                    "them: expected train, or no torchrun"
                )
            raise typer.Exit(FAILED)
        command(*arguments, **options)

    return run


def is_silent() -> bool:
    """Tell whether another rank says what this one would, as of options that all were given."""
    return os.environ.get("RANK", "0") != "0" and "WORLD_SIZE" in os.environ


def _report(error: RankError) -> None:
    """Print what another rank has said, once; of one that is gone, every rank speaks."""
    if error.rank is None:
        message = str(error)
    elif _team is not None and _team.is_first:
        message = f"rank {error.rank}: {error}"
    else:
        return
    complain("error", message)


def _leave() -> None:
    global _team
    if _team is not None:
        from torch.distributed import destroy_process_group

        destroy_process_group()
    _team = None


def _integer(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r} in the environment: expected an integer") from None
