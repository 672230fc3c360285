"""Interrupts that stop a long computation between two steps."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Training was stopped by a signal, after its state had been saved.

    Parameters
    ----------
    folder : Path or None
        The run folder that holds the checkpoint; None if the run kept none.
    number : int
        Of the signal.

    Attributes
    ----------
    folder : Path or None
        The run folder that holds the checkpoint; None if the run kept none.
    signal : int
        Number of the signal.
    """

    def __init__(self, folder: Path | None, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.folder = folder
        self.signal = int(number)

    def __str__(self) -> str:
        if self.folder is None:
            return "no folder was given: nothing is saved"
        return f"saved; resume with fit(..., folder={str(self.folder)!r}, resume=True)"


class InterruptFlag:
    """While entered, the first SIGINT or SIGTERM sets a flag; a second SIGINT acts as usual.

    A signal that the process was told to ignore, as ``nohup`` and shells do, stays ignored. Outside
    the main thread, where Python allows no signal handlers, it does nothing. `is_set` says whether
    a signal has come, `signal` is the number of the first one.
    """

    def __init__(self) -> None:
        self.is_set = False
        self.signal: int = signal.SIGINT
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> InterruptFlag:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is signal.SIG_IGN:
                    continue
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.is_set and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self.is_set:
            self.signal = number
        self.is_set = True

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
