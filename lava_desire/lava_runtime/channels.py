"""Lava's channels without a thread at each end.

A channel of Lava 0.10 is shared memory and two semaphores, one that counts messages and one that
counts those taken. As released, each end has a thread that waits for its semaphore and passes the
news on to the thread that computes; a message so costs two changes of thread in each process.
These ends wait for the semaphore themselves. Only an end that several are waited for at once starts
the thread, when it is first waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty
from threading import BoundedSemaphore, Thread
from typing import Any, ClassVar

import numpy as np
from lava.magma.compiler.channels.pypychannel import (
    CspRecvPort,
    CspRecvQueue,
    CspSelector,
    CspSendPort,
    PyPyChannel,
)

from lava_desire.lava_runtime.watch import Row

PATIENCE = 0.05
"""Seconds of waiting after which the parent looks at its children."""


class _Direct:
    """What both ends share: views of the memory, and a thread when an observer is set."""

    row: ClassVar[Row | None] = None
    """Where this operating-system process writes what it waits for, if anyone reads that."""

    number = 0
    thread: Thread | None
    _array: list[Any]
    _idx: int
    _observer: Callable[[], Any] | None = None

    @classmethod
    def like(cls, port: Any) -> Any:
        """Return an end of the same channel."""
        end = cls.__new__(cls)
        vars(end).update({k: value for k, value in vars(port).items() if k != "observer"})
        return end

    def start(self: Any) -> None:
        """Map the messages."""
        if self._dtype == 4:  # Lava's own number for int32
            self._dtype = np.int32
        starts = range(0, self._nbytes * self._size, self._nbytes) if self._nbytes else [0]
        self._array = [
            np.ndarray(self._shape, self._dtype, self._shm.buf[at : at + self._nbytes])
            for at in starts
        ]

    @property
    def observer(self) -> Callable[[], Any] | None:
        """What is called when the port has become ready."""
        return self._observer

    @observer.setter
    def observer(self: Any, observer: Callable[[], Any] | None) -> None:
        self._observer = observer
        if observer is not None and self.thread is None:
            self._start_thread()

    def _start_thread(self: Any) -> None:
        raise NotImplementedError

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Say that this end is waited for."""
        row = _Direct.row
        if row is None:
            yield
            return
        row.begin(self.number)
        try:
            yield
        finally:
            row.end()


class DirectSendPort(_Direct, CspSendPort):
    """The end that sends."""

    def start(self) -> None:
        """Map the messages; all of the channel is free."""
        super().start()
        self._room = self._size

    def _start_thread(self) -> None:
        self._semaphore = BoundedSemaphore(self._size)
        for _ in range(self._size - self._room):
            self._semaphore.acquire()
        arguments = (self._ack,)
        self.thread = Thread(target=self._ack_callback, args=arguments, daemon=True)
        self.thread.start()

    def probe(self) -> bool:
        """Return whether there is room for a message."""
        if self.thread is not None:
            return bool(super().probe())
        return self._room > 0 or not self._ack._semlock._is_zero()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for room for a message; return whether there is."""
        if self.thread is not None:
            with self._waiting():
                there_is = self._semaphore.acquire(timeout=timeout)
            if there_is:
                self._semaphore.release()
            return bool(there_is)
        if self._room == 0 and self._ack.acquire(False):
            self._room = 1
        elif self._room == 0:
            with self._waiting():
                self._room = int(self._ack.acquire(timeout=timeout))
        return self._room > 0

    def send(self, data: Any) -> None:
        """Send a message, when there is room for it."""
        if self.thread is not None or data.__class__ is not np.ndarray:
            self._send_as_lava_does(data)
            return
        if data.shape != self._shape:
            raise ValueError(
                f"a message of shape {data.shape} was sent by {self._name}: expected {self._shape}"
            )
        if self._room == 0:
            with self._io_watchdog:
                self.wait()
        self._room -= 1
        self._array[self._idx][...] = data
        self._idx = (self._idx + 1) % self._size
        self._req.release()

    def _send_as_lava_does(self, data: Any) -> None:
        if self.thread is None:
            self._start_thread()
        with self._waiting():
            super().send(data)


class DirectRecvPort(_Direct, CspRecvPort):
    """The end that receives."""

    def _start_thread(self) -> None:
        self._queue = CspRecvQueue(self._size)
        arguments = (self._req,)
        self.thread = Thread(target=self._req_callback, args=arguments, daemon=True)
        self.thread.start()

    def probe(self) -> bool:
        """Return whether there is a message."""
        if self.thread is not None:
            return bool(super().probe())
        return not self._req._semlock._is_zero()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a message, and leave it there; return whether there is one."""
        if self.thread is not None:
            try:
                with self._waiting():
                    self._queue.get(timeout=timeout, peek=True)
            except Empty:
                return False
            return True
        there_is = self._req.acquire(False) or self._acquire(timeout)
        if there_is:
            self._req.release()
        return there_is

    def _acquire(self, timeout: float | None = None) -> bool:
        row = _Direct.row
        if row is None:
            return bool(self._req.acquire(timeout=timeout))
        # As `_waiting` does; a step of a network comes by here a dozen times.
        row.begin(self.number)
        there_is = self._req.acquire(timeout=timeout)
        row.end()
        return bool(there_is)

    def peek(self) -> Any:
        """Return the next message, and leave it there."""
        self.wait()
        return self._array[self._idx].copy()

    def recv(self) -> Any:
        """Receive the next message."""
        if self.thread is not None:
            with self._waiting():
                return super().recv()
        if not self._req.acquire(False):
            with self._io_watchdog:
                self._acquire()
        message = self._array[self._idx].copy()
        self._idx = (self._idx + 1) % self._size
        self._ack.release()
        return message


class PatientPort:
    """A port of the parent that does not wait for a dead child.

    `check` raises if a child has failed, or if the network hangs.
    """

    def __init__(self, port: Any, check: Callable[[], None]) -> None:
        self._port = port
        self._check = check

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    def wait(self) -> bool:
        """Wait a moment for a message; return whether there is one."""
        if self._port.wait(PATIENCE):
            return True
        self._check()
        return False

    def recv(self) -> Any:
        """Receive a message."""
        while not self.wait():
            pass
        return self._port.recv()

    def send(self, data: Any) -> None:
        """Send a message, as soon as the channel has room."""
        while not self._port.wait(PATIENCE):
            self._check()
        self._port.send(data)


class DirectChannel(PyPyChannel):
    """A channel with such ends."""

    _src_port: Any
    _dst_port: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._src_port = DirectSendPort.like(self._src_port)
        self._dst_port = DirectRecvPort.like(self._dst_port)


class DirectSelector(CspSelector):
    """Waits without a thread where there is one port alone to wait for."""

    def select(self, *channel_actions: Any) -> Any:
        """Wait until a port is ready, and return what its action returns."""
        if len(channel_actions) == 1:
            port, action = channel_actions[0]
            if isinstance(port, DirectRecvPort):
                port.wait()
                return action()
        # Lava appends the port of commands last; a process that waits for one is idle.
        with channel_actions[-1][0]._waiting():
            return super().select(*channel_actions)


def report_waiting(row: Row) -> None:
    """Have every end in this operating-system process write in a row what it waits for."""
    _Direct.row = row
