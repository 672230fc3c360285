"""Detects deadlocks of a Lava network, and reports what each of its processes waits for.

Each child has a row in memory that it shares with the parent. Before it sleeps on a channel, it
writes there which end of which channel that is; when it wakes, it writes that it does not wait.
While the parent waits, it reads the rows every moment. Rows that stay the same, all of which say
that their child waits, for messages none of which is there, are a deadlock: whoever could send is
asleep. Where one child computes there is no such proof, however long it takes, and the network is
only given up after a time that the user chose.
"""

from __future__ import annotations

import mmap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lava.magma.compiler.builders.channel_builder import ChannelBuilderMp

from lava_desire.lava_runtime.errors import HangError, Waiting, describe

_ROW = 8
"""Numbers a row: a cache line, so that no child's writing disturbs another."""

_WAIT, _STEP = range(2)
"""What a row holds: what is waited for, and the time step."""

_ONCE = 1 << 24
"""A wait is the number of the end, plus so much for each time that the child has waited; or 0."""


@dataclass(frozen=True)
class Limits:
    """Seconds without progress after which a network is given up.

    `deadlock_seconds` is for when every process waits for another, `stall_seconds` also for when
    some process computes, or waits for something that is no port; None is never. Raises ValueError
    if a number is not positive.
    """

    deadlock_seconds: float | None = 5.0
    stall_seconds: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value!r}: expected a number above 0, or None")


limits = Limits()
"""Of the networks that are run from now on; :func:`~lava_desire.lava_runtime.install` sets them."""


@dataclass(frozen=True)
class End:
    """One end of a channel.

    It is `process`'s, at `port`; the other end is the partner's. Where it is no `is_data`, commands
    and answers go through it; `semaphore` is what is waited for.
    """

    process: str
    port: str
    partner: str
    partner_port: str
    receives: bool
    is_data: bool
    semaphore: Any


class _NoClock:
    time_step = 0


class Row:
    """Where a child writes what it waits for."""

    def __init__(self, numbers: memoryview) -> None:
        self._numbers: Any = numbers
        self._waits = 0
        self.clock: Any = _NoClock

    def begin(self, end: int) -> None:
        """Write that this child is about to wait at an end, given by its number."""
        # A step of a network comes by here some dozen times.
        numbers = self._numbers
        numbers[1] = self.clock.time_step
        self._waits = waits = self._waits + _ONCE
        numbers[0] = waits + end

    def end(self) -> None:
        """Write that this child waits no longer."""
        self._numbers[0] = 0


class Watch:
    """The rows of a network and what they mean; in the parent.

    `interval` is the least number of seconds between two looks.
    """

    def __init__(self, limits: Limits, num_rows: int, interval: float) -> None:
        self._limits, self._interval = limits, interval
        self._rows = memoryview(mmap.mmap(-1, 8 * _ROW * num_rows)).cast("q")
        self._children: list[Any] = []
        self._ends: list[End | None] = [None]
        self._seen = b""
        self._same = 0
        self._looked = time.monotonic()

    @classmethod
    def over(cls, executable: Any, ports: list[Any], limits: Limits, interval: float) -> Any:
        """Watch over a network whose channels have been built, and whose children have not.

        `ports` are the ends of its channels, in the order of the executable's builders of channels.
        Returns None where there is no limit.
        """
        if limits == Limits(None, None):
            return None
        children = [*(executable.proc_builders or ()), *(executable.runtime_service_builders or ())]
        watch = cls(limits, len(children), interval)
        builders = [*(executable.channel_builders or ()), *(executable.sync_channel_builders or ())]
        ends = zip(ports[::2], ports[1::2], strict=True)
        for builder, (source, destination) in zip(builders, ends, strict=True):
            sender = receiver = None
            if isinstance(builder, ChannelBuilderMp):
                sender = describe(builder.src_process), builder.src_port_initializer.name
                receiver = describe(builder.dst_process), builder.dst_port_initializer.name
            watch.add_channel(source, destination, sender, receiver)
        return watch

    def add_channel(self, source: Any, destination: Any, sender: Any, receiver: Any) -> None:
        """Give the two ends of a channel numbers, which children that are forked later inherit.

        `sender` and `receiver` are process and port at each; None for a channel of commands or
        answers.
        """
        (process, port), (partner, partner_port) = sender or ("", ""), receiver or ("", "")
        is_data = sender is not None
        source.number, destination.number = len(self._ends), len(self._ends) + 1
        self._ends += [
            End(process, port, partner, partner_port, False, is_data, source._ack),
            End(partner, partner_port, process, port, True, is_data, destination._req),
        ]

    def new_row(self, child: Any) -> Row:
        """Return a row for a child, which has a label and, later, a process id."""
        start = _ROW * len(self._children)
        self._children.append(child)
        return Row(self._rows[start : start + _ROW])

    def look(self) -> None:
        """Look at the rows.

        Raises HangError if nothing has changed for too long.
        """
        now = time.monotonic()
        if now - self._looked < self._interval / 2:
            return
        self._looked = now
        seen = bytes(self._rows)
        # Looks are counted, not seconds: a machine that was suspended has not been waited for.
        self._same = self._same + 1 if seen == self._seen else 0
        self._seen = seen
        seconds = self._same * self._interval
        deadlock, stall = self._limits.deadlock_seconds, self._limits.stall_seconds
        if deadlock is not None and seconds >= deadlock and self._all_wait():
            self._give_up(seconds)
        if stall is not None and seconds >= stall:
            self._give_up(seconds)

    def _end_of(self, number: int) -> End | None:
        return self._ends[self._rows[_ROW * number + _WAIT] % _ONCE]

    def _all_wait(self) -> bool:
        ends = [self._end_of(number) for number in range(len(self._children))]
        nothing_comes = all(end is not None and end.semaphore._semlock._is_zero() for end in ends)
        return nothing_comes and all(_sleeps(child.pid) for child in self._children)

    def _give_up(self, seconds: float) -> None:
        computing, idle = [], []
        waiting: list[tuple[End, int]] = []
        finished: dict[str, int] = {}
        for number, child in enumerate(self._children):
            end, step = self._end_of(number), self._rows[_ROW * number + _STEP]
            if end is None:
                computing.append(child.label)
            elif end.is_data:
                waiting.append((end, step))
            elif child.is_process:
                idle.append(child.label)
                finished[child.label] = step
        raise HangError(
            seconds,
            [
                Waiting(
                    process=end.process,
                    port=end.port,
                    step=step,
                    partner=end.partner,
                    partner_port=end.partner_port,
                    receives=end.receives,
                    partner_step=finished.get(end.partner),
                )
                for end, step in waiting
            ],
            computing,
            idle,
        )


def _sleeps(pid: int) -> bool:
    """Return whether a process sleeps, or True where the system does not tell.

    A child that has been woken but, on a crowded machine, has not run since still has a row that
    says it waits.
    """
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return True
    return state == "S"
