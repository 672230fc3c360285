"""What a Lava network raises in the parent when it cannot go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

HAS_ENDED = "this network has ended: build its processes anew to run it again"

IS_RUNNING = "the network is running: call pause(), or wait() for the end of its run, before {what}"

_SHOWN = 10
"""Number of waiting processes that a message names; the error holds them all."""


@dataclass(frozen=True)
class Failure:
    """How a child process failed.

    `process` says what ran there; `reason` what was raised, how the child was killed, or what it
    waited for; `error` is what was raised, where that could be sent; `traceback` the child's own,
    or nothing.
    """

    process: str
    reason: str
    error: Exception | None = None
    traceback: str = ""


class ProcessError(RuntimeError):
    """A process of a Lava network failed, and the network was ended.

    Attributes
    ----------
    failures : list of Failure
        What failed: process, reason, the exception where there was one, its traceback.
    """

    def __init__(self, failures: list[Failure]) -> None:
        self.failures = failures
        super().__init__("; ".join(f"{each.process}: {each.reason}" for each in failures))


@dataclass(frozen=True)
class Waiting:
    """A process that waits on a port.

    `step` is Lava's time step in which it waits, counted from 1 over all runs; 0 before the first,
    and in processes that count none. It waits for a message where it `receives`, else for room in a
    full channel; the partner is at the other end, and `partner_step` the last that it has finished,
    None before.
    """

    process: str
    port: str
    step: int
    partner: str
    partner_port: str
    receives: bool
    partner_step: int | None

    @property
    def reason(self) -> str:
        """The sentence without its subject."""
        if self.receives:
            what = f"for a message from {self.partner_port} of {self.partner}"
            without = "without sending it"
        else:
            what = f"for room for a message to {self.partner_port} of {self.partner}"
            without = "without receiving one"
        finished = (
            ""
            if self.partner_step is None
            else f", which finished step {self.partner_step} {without}"
        )
        return f"waits in step {self.step} on {self.port} {what}{finished}"


class HangError(ProcessError):
    """A Lava network could not go on, or did not, and was ended.

    Parameters
    ----------
    seconds : float
        How long it had not gone on.

    Attributes
    ----------
    waiting : list of Waiting
        The processes that wait on one of their ports.
    computing : list of str
        The processes that wait on none. Without any, the network was in a deadlock.
    idle : list of str
        The processes that have finished their step.
    failures : list of Failure
        Those that wait and those that compute, as failures.
    """

    def __init__(
        self, seconds: float, waiting: list[Waiting], computing: list[str], idle: list[str]
    ) -> None:
        # Lava keeps processes in sets: by name, the same hang says the same.
        waiting, computing, idle = (
            sorted(waiting, key=lambda each: each.process),
            sorted(computing),
            sorted(idle),
        )
        self.waiting, self.computing, self.idle = waiting, computing, idle
        doing = f"has neither sent nor received for {seconds:g} s"
        failures = [Failure(each, doing) for each in computing]
        failures += [Failure(each.process, each.reason) for each in waiting]
        if not failures:
            failures = [Failure("Lava's runtime service", "waits, and so does every process")]
        super().__init__(failures)
        first = (
            f"the network has not gone on for {seconds:g} s"
            if computing
            else "a deadlock, every process waits for another"
            if seconds == 0
            else f"a deadlock, for {seconds:g} s every process has waited for another"
        )
        lines = [f"{each.process} {each.reason}" for each in failures[:_SHOWN]]
        if len(failures) > _SHOWN:
            lines.append(f"and {len(failures) - _SHOWN} more, see the error's failures")
        if idle:
            more = f" and {len(idle) - _SHOWN} more" if len(idle) > _SHOWN else ""
            lines.append(f"at the end of their step: {', '.join(idle[:_SHOWN])}{more}")
        self.args = ("\n  ".join([f"{first}:", *lines]),)


def tell(error: BaseException) -> str:
    """Return an error's class and text, even where its ``__str__`` fails."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return f"{type(error).__name__}, whose text cannot be had"


def describe(process: Any) -> str:
    """Return what a process is called in messages: its class, layer and name."""
    layer = process.proc_params.get("layer")
    place = f" of layer {layer}" if layer is not None else ""
    return f"{type(process).__name__}{place} ({process.name})"
