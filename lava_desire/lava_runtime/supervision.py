"""Ends a Lava run when one of its processes fails, and reports why.

As released, Lava 0.10 does not: when a model raises before it has sent, its neighbours wait for
the message, the service that keeps the processes in step waits for its neighbours, and ``run``,
``pause``, ``stop`` or ``Var.get`` wait for the service, forever. Where the others do not wait, the
run ends with "1 Exception(s) occurred. See output above", and there is no output. An interrupted
run leaves its children to be waited for at the interpreter's exit.

:class:`SupervisedRuntime` looks at its children whenever it has waited for a moment. The first
failure ends every child, frees the shared memory and raises :class:`ProcessError`, which names the
process. An interrupt and the interpreter's exit end the children too. Networks whose processes do
not fail run as before.
"""

from __future__ import annotations

import atexit
import os
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any

import numpy as np
from lava.magma.core.process.message_interface_enum import ActorType
from lava.magma.core.run_conditions import AbstractRunCondition
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND, MGMT_RESPONSE, enum_equal, enum_to_np
from lava.magma.runtime.runtime import Runtime
from lava.magma.runtime.runtime_services.runtime_service import (
    AsyncPyRuntimeService,
    LoihiPyRuntimeService,
)

from lava_desire.lava_runtime import watch
from lava_desire.lava_runtime.actors import ResumableService, SupervisedProcessing
from lava_desire.lava_runtime.bulk import BY_PIPE, goes_whole
from lava_desire.lava_runtime.channels import PATIENCE, PatientPort
from lava_desire.lava_runtime.compat import check_start_method
from lava_desire.lava_runtime.errors import (
    HAS_ENDED,
    IS_RUNNING,
    Failure,
    HangError,
    ProcessError,
    describe,
)
from lava_desire.lava_runtime.resources import allow_files, limits_named
from lava_desire.lava_runtime.variables import look_up
from lava_desire.lava_runtime.watch import Watch
from lava_desire.lava_runtime.wiring import check_condition, check_inputs

__all__ = ["Failure", "HangError", "ProcessError", "SupervisedRuntime"]

_SECONDS_TO_EXPLAIN = 5.0
"""How long a child has to say what went wrong after the service has reported an error."""

_SECONDS_TO_END = 10.0
"""How long a child has to end by itself when the network is stopped."""

_THAT_RELAY = (LoihiPyRuntimeService, AsyncPyRuntimeService)
"""Runtime services that pass on a command for a Var, and its answer."""

_ENDS_OF_A_RUN = (MGMT_RESPONSE.DONE, MGMT_RESPONSE.REQ_PAUSE, MGMT_RESPONSE.REQ_STOP)

_live: weakref.WeakSet[SupervisedRuntime] = weakref.WeakSet()


class _ChildError(Exception):
    """Holds the traceback of a child, to be shown as the cause of what it raised."""


class SupervisedRuntime(Runtime):
    """Lava's runtime, with a look at the children wherever it waits."""

    _is_running: bool
    exception_q: list[Any]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._owner = os.getpid()
        self._ended = False
        self._drop: Any = None
        self._limits = watch.limits

    @property
    def stepping(self) -> str:
        """How it steps, as :func:`lava_desire.lava_runtime.stepping` tells it."""
        return "by methods, because it is forked: compiled steps are of networks in one process"

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """Build the channels and fork the children.

        Raises ProcessError if one of them could not be built, OSError if a limit of the system,
        which it names, is too low for the network.
        """
        _live.add(self)
        made = self._executable
        children = len(made.proc_builders or ()) + len(made.runtime_service_builders or ())
        channels = len(made.channel_builders or ()) + len(made.sync_channel_builders or ())
        with self._supervised(), limits_named(children, channels):
            check_inputs(made)
            allow_files(children, channels)
            super().initialize(node_cfg_idx)

    def start(self, run_condition: AbstractRunCondition) -> None:
        """Run.

        Raises ProcessError if a process failed; RuntimeError if the network runs at this moment, or
        has ended; ValueError if the condition is none, or its number of steps not whole, or below
        0.
        """
        check_condition(run_condition)
        self._check_idle("it can run again")
        with self._supervised():
            super().start(run_condition)

    def wait(self) -> None:
        """Wait for the end of a run that was started without blocking."""
        with self._supervised():
            super().wait()

    def pause(self) -> None:
        """Hold the run after the present time step."""
        if not self._is_running:
            return
        with self._supervised():
            self._command(MGMT_COMMAND.PAUSE, MGMT_RESPONSE.PAUSED)
            self._is_running = False

    def stop(self) -> None:
        """End the network; once it has ended, do nothing."""
        was_dropped = self._drop is not None and not self._drop.alive
        if self._ended or self._owner != os.getpid() or was_dropped:
            return
        with self._supervised():
            if self._is_started:
                self._command(MGMT_COMMAND.STOP, MGMT_RESPONSE.TERMINATED)
                self.join()
        self._release(kill=not self._is_started)

    def set_var(self, var_id: int, value: Any, idx: Any = None) -> None:
        """Set a Var, or the elements of it that an index selects; whatever is refused, it goes on.

        `value` has the elements, or the whole Var, of which those at `idx` are taken; or is a
        number for one. Raises IndexError if there are no such elements; ValueError if the value is
        of another shape, or the Var cannot hold it; RuntimeError if the network runs at this
        moment, or has ended.
        """
        self._check_idle("a Var can be set")
        model, variable, model_class = look_up(self._executable, var_id)
        values = variable.check_value(value, idx)
        with self._supervised():
            if not self._goes_by_pipe(model, model_class):
                if idx is not None:
                    whole = np.array(super().get_var(var_id))
                    whole[idx] = values
                    values = whole
                super().set_var(var_id, values)
                return
            self._request(MGMT_COMMAND.SET_DATA, model, var_id)
            self.runtime_to_service[model.runtime_srv_id].send(enum_to_np(BY_PIPE))
            actor = self._messaging_infrastructure.actor_of(model.proc_id)
            actor.send_values((values, idx), self._check)
            answer = self.service_to_runtime[model.runtime_srv_id].recv()
            if not enum_equal(answer, MGMT_RESPONSE.SET_COMPLETE):
                self._explain()

    def get_var(self, var_id: int, idx: Any = None) -> Any:
        """Get a Var, or the elements of it that an index selects.

        The index is as NumPy takes it, the result float64, whatever the Var is, as Lava gives it.
        Raises IndexError if there are no such elements, RuntimeError if the network runs at this
        moment, or has ended.
        """
        self._check_idle("a Var can be read")
        model, variable, model_class = look_up(self._executable, var_id)
        variable.check_index(idx)
        with self._supervised():
            if not self._goes_by_pipe(model, model_class):
                values = super().get_var(var_id)
            else:
                self._request(MGMT_COMMAND.GET_DATA, model, var_id)
                answer = self.service_to_runtime[model.runtime_srv_id].recv()
                if not enum_equal(answer, enum_to_np(BY_PIPE)):
                    self._explain()
                actor = self._messaging_infrastructure.actor_of(model.proc_id)
                values = actor.receive_array(self._check)
            self._check()
        return variable.select(values, idx)

    def _check_idle(self, what: str) -> None:
        """Refuse requests that need a network between two runs."""
        if self._ended:
            raise RuntimeError(HAS_ENDED)
        if self._is_running:
            with self._supervised():
                if all(port.probe() for port in self.service_to_runtime):
                    self._get_resp_for_run()  # a run without blocking, which is over
        if self._ended:
            raise RuntimeError(HAS_ENDED)
        if self._is_running:
            raise RuntimeError(IS_RUNNING.format(what=what))

    def _goes_by_pipe(self, model: Any, model_class: Any) -> bool:
        if not isinstance(self._messaging_infrastructure, SupervisedProcessing):
            return False
        builders = list(self._executable.runtime_service_builders.values())
        relays = issubclass(builders[model.runtime_srv_id].rs_class, _THAT_RELAY)
        return self._is_started and relays and goes_whole(model_class)

    def _request(self, command: Any, model: Any, var_id: int) -> None:
        port = self.runtime_to_service[model.runtime_srv_id]
        for word in (command, enum_to_np(model.proc_id), enum_to_np(var_id)):
            port.send(word)

    def _build_message_infrastructure(self) -> None:
        if self._messaging_infrastructure_type is not ActorType.MultiProcessing:
            super()._build_message_infrastructure()
            return
        check_start_method()
        names = {id(builder): describe(p) for p, builder in self._executable.proc_builders.items()}
        self._messaging_infrastructure = SupervisedProcessing(
            lambda builder: names.get(id(builder), "Lava's runtime service")
        )
        self._messaging_infrastructure.start()
        self._drop = weakref.finalize(self, _end_dropped, self._messaging_infrastructure)
        self._drop.atexit = False  # _release_all sees to that

    def _build_processes(self) -> None:
        infrastructure = self._messaging_infrastructure
        if isinstance(infrastructure, SupervisedProcessing):
            infrastructure.watch = Watch.over(
                self._executable, self._open_ports, self._limits, PATIENCE
            )
        super()._build_processes()

    def _build_runtime_services(self) -> None:
        for builder in (self._executable.runtime_service_builders or {}).values():
            if builder.rs_class is LoihiPyRuntimeService:
                builder.rs_class = ResumableService
        super()._build_runtime_services()

    def _start_ports(self) -> None:
        super()._start_ports()
        for ports in (self.runtime_to_service, self.service_to_runtime):
            ports[:] = [PatientPort(port, self._check) for port in ports]
        # Lava would now wait for word from each child, from one that was killed as well.
        for queue in self.exception_q:
            self._await_built(queue)
        self.exception_q = []

    def _await_built(self, queue: Any) -> None:
        while True:
            try:
                error = queue.get(timeout=PATIENCE)
            except Empty:
                self._check()
                continue
            except Exception as unreadable:  # its report can be read
                error = unreadable
            if error is not None:
                self._explain()
            return

    def _get_resp_for_run(self) -> None:
        waiting = list(self.service_to_runtime) if self._is_running else []
        while waiting:
            ready = [port for port in waiting if port.probe() or port.wait()]
            for port in ready:
                response = port.recv()
                if enum_equal(response, MGMT_RESPONSE.REQ_PAUSE):
                    self.pause()
                    return
                if enum_equal(response, MGMT_RESPONSE.REQ_STOP):
                    self.stop()
                    return
                if not enum_equal(response, MGMT_RESPONSE.DONE):
                    self._explain()
                waiting.remove(port)
        self._is_running = False

    def _command(self, command: Any, expected: Any) -> None:
        for port in self.runtime_to_service:
            port.send(command)
        for port in self.service_to_runtime:
            response = port.recv()
            # The run may have ended just before, or a model may have asked for that.
            while any(enum_equal(response, each) for each in _ENDS_OF_A_RUN):
                response = port.recv()
            if not enum_equal(response, expected):
                self._explain()

    def _check(self) -> None:
        if self._ended:  # by another thread, while this one waits
            raise RuntimeError(HAS_ENDED)
        infrastructure = self._messaging_infrastructure
        if isinstance(infrastructure, SupervisedProcessing):
            failures = infrastructure.failures()
            if failures:
                raise ProcessError(failures)
            if infrastructure.watch is not None:
                infrastructure.watch.look()

    def _explain(self) -> None:
        """Raise what a child reports, after an error was signalled."""
        deadline = time.monotonic() + _SECONDS_TO_EXPLAIN
        while time.monotonic() < deadline:
            self._check()
            time.sleep(PATIENCE)
        raise ProcessError([Failure("Lava's runtime service", "reported an error without a cause")])

    @contextmanager
    def _supervised(self) -> Iterator[None]:
        """End the network if a child fails inside, or if the parent is interrupted."""
        try:
            yield
        except ProcessError as error:
            self._release(kill=True)
            cause = error.failures[0].error
            if cause is not None:
                cause.__cause__ = _ChildError("\n" + error.failures[0].traceback)
            raise error from cause
        except Exception as error:
            if not self._is_initialized:
                self._release(kill=True)
                raise
            try:
                self._check()
            except ProcessError as failure:
                self._release(kill=True)
                raise failure from error
            raise
        except BaseException:  # KeyboardInterrupt above all
            self._release(kill=True)
            raise

    def _release(self, *, kill: bool) -> None:
        """End all children and free the shared memory."""
        if self._ended or self._owner != os.getpid():
            return
        self._ended = True
        self._is_running = self._is_started = False
        if self._drop is not None:
            self._drop.detach()
        self._end_children(0.0 if kill else _SECONDS_TO_END)
        if self._watchdog_manager is not None:
            self._watchdog_manager.stop()
        _live.discard(self)

    def _end_children(self, patience: float) -> None:
        infrastructure = self._messaging_infrastructure
        if isinstance(infrastructure, SupervisedProcessing):
            infrastructure.end(patience)
        elif infrastructure is not None:
            infrastructure.stop()
        # The watchdog's monitors would wait for the children that they watched.
        for name in ("_lm", "_sm") if patience == 0 else ():
            monitor = getattr(self._watchdog_manager, name, None)
            if monitor is not None:
                monitor.kill()


def _end_dropped(infrastructure: SupervisedProcessing) -> None:
    """End the children of a network that was dropped without ``stop()``."""
    infrastructure.end(0.0)


@atexit.register
def _release_all() -> None:
    # multiprocessing would wait at exit for children that wait for a command.
    for runtime in list(_live):
        if runtime._owner == os.getpid():
            runtime._end_children(0.0)
