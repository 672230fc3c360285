"""Operating-system processes of a Lava network that say why they ended, and end with their parent.

Lava forks one for each of its processes and one for the service that keeps them in step. As
released, what a model raised stays in its own process; a child left alone waits forever; and Ctrl-C
in a terminal, which reaches every child, fills the screen with their tracebacks.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
from lava.magma.compiler.builders.py_builder import PyProcessBuilder
from lava.magma.compiler.channels.interfaces import ChannelType
from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.magma.runtime.message_infrastructure.multiprocessing import (
    MultiProcessing,
    SystemProcess,
)
from lava.magma.runtime.runtime_services import runtime_service

from lava_desire.lava_runtime.bulk import let_arrays_through
from lava_desire.lava_runtime.channels import (
    PATIENCE,
    DirectChannel,
    DirectSelector,
    report_waiting,
)
from lava_desire.lava_runtime.errors import Failure, tell
from lava_desire.lava_runtime.resources import ReservedSharedMemory
from lava_desire.lava_runtime.watch import Row, Watch

_SECONDS_TO_TERMINATE = 2.0
_NOT_YET = object()


class Actor(SystemProcess):
    """A child that sends what it raised to its parent.

    `label` says in messages what runs there; unless `is_process`, that is the service that keeps
    the processes of the network in step.
    """

    def __init__(self, label: str, is_process: bool, **options: Any) -> None:
        super().__init__(**options)
        self.label, self.is_process = label, is_process
        self._report: Any = _NOT_YET
        self._array: Any = None

    def run(self) -> None:
        """Run the target in the child, which may send arrays before, and report."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
        exit_with_parent()
        report = None
        try:
            multiprocessing.Process.run(self)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            sent = _sendable(error) if isinstance(error, Exception) else None
            report = (tell(error), sent, traceback.format_exc())
        self._cconn.send(report)

    def failure(self) -> Failure | None:
        """Return how the child failed, or None if it did not, or not yet."""
        if self._is_done:
            return None
        exit_code = self.exitcode  # asked first: what it sent before it ended is there by now
        if self._report is _NOT_YET and self._pconn.poll():
            self._receive()
        if self._report is None:
            return None
        if self._report is not _NOT_YET:
            return Failure(self.label, *self._report)
        if exit_code is None:
            return None
        if exit_code < 0:
            return Failure(self.label, f"killed by {signal.Signals(-exit_code).name}")
        return Failure(self.label, f"its operating-system process ended with exit code {exit_code}")

    def _receive(self) -> None:
        message = self._pconn.recv()
        if isinstance(message, np.ndarray):
            self._array = message
        else:
            self._report = message

    def send_values(self, values: Any, check: Callable[[], None]) -> None:
        """Send values to the child, which has been told that they come.

        `check`, called while the pipe is full, raises if a child has failed.
        """
        # A full pipe would block this thread, and the child that should empty it may be gone.
        sender = threading.Thread(target=self._pconn.send, args=(values,), daemon=True)
        sender.start()
        while sender.is_alive():
            sender.join(PATIENCE)
            if sender.is_alive():
                check()

    def receive_array(self, check: Callable[[], None]) -> Any:
        """Receive an array that the child has announced; see :meth:`send_values`."""
        while self._array is None:
            if self._pconn.poll(PATIENCE):
                self._receive()
            else:
                check()
        array, self._array = self._array, None
        return array


def _sendable(error: Exception) -> Exception | None:
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:  # an exception of the user's may do anything when it is pickled
        return None
    return copy if isinstance(copy, Exception) else None


def exit_with_parent() -> None:
    """End this child when its parent has gone, killed perhaps, instead of waiting forever."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="exit with parent", daemon=True).start()


class ResumableService(runtime_service.LoihiPyRuntimeService):
    """Lava's service, which after a pause never again said that a run of so many steps is done."""

    def _handle_pause(self) -> None:
        super()._handle_pause()
        self.pausing = False


class _BuilderInChild:
    """Builds what Lava would, with a selector without threads and Vars that are sent whole."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder
        self.pipe: Any = None
        self.row: Row | None = None

    def build(self) -> Any:
        runtime_service.CspSelector = DirectSelector
        built = self._builder.build()
        if self.row is not None:
            if hasattr(built, "time_step"):
                self.row.clock = built
            report_waiting(self.row)
        if isinstance(built, AbstractPyProcessModel):
            built._selector = DirectSelector()
            let_arrays_through(built, self.pipe)
        return built


class SupervisedProcessing(MultiProcessing):
    """Lava's message infrastructure with children that report.

    `label_of` returns what the child of a builder is called.
    """

    def __init__(self, label_of: Callable[[Any], str]) -> None:
        super().__init__()
        self._owner = os.getpid()
        self._label_of = label_of
        self.watch: Watch | None = None
        self._actor_of: dict[int, Actor] = {}

    def channel_class(self, channel_type: ChannelType) -> Any:
        """Return what channels between Python processes are made of."""
        if channel_type is ChannelType.PyPy:
            return DirectChannel
        return super().channel_class(channel_type)

    def start(self) -> None:
        """Start the process that owns the shared memory."""
        self._smm = ReservedSharedMemory()
        self._smm._manager.start(initializer=exit_with_parent)

    def build_actor(self, target_fn: Any, builder: Any, exception_q: Any = None) -> Actor:
        """Fork a child that builds and runs one process or service."""
        in_child = _BuilderInChild(builder)
        actor = Actor(
            self._label_of(builder),
            isinstance(builder, PyProcessBuilder),
            target=target_fn,
            kwargs={"builder": in_child, "exception_q": exception_q},
        )
        in_child.pipe = actor._cconn
        if self.watch is not None:
            in_child.row = self.watch.new_row(actor)
        if actor.is_process:
            self._actor_of[builder._model_id] = actor
        actor.start()
        self._actors.append(actor)
        return actor

    def actor_of(self, model_id: int) -> Actor:
        """Return the child that runs a process, by the number of its model."""
        return self._actor_of[model_id]

    def failures(self) -> list[Failure]:
        """Return what has failed so far."""
        failures = [actor.failure() for actor in self._actors]
        return [failure for failure in failures if failure is not None]

    def end(self, patience: float) -> None:
        """End every child and give the shared memory back, whatever state they are in.

        For `patience` seconds they may end by themselves.
        """
        if self._owner != os.getpid():  # a child's copy of the network is not its own
            return
        children = [actor for actor in self._actors if not actor._is_done]
        _join(children, patience)
        for stop in (Actor.terminate, Actor.kill):
            for child in children:
                if child.exitcode is None:
                    stop(child)
            _join(children, _SECONDS_TO_TERMINATE)
        self.stop()


def _join(children: list[Actor], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for child in children:
        multiprocessing.Process.join(child, max(0.0, deadline - time.monotonic()))
