"""A Lava network in the operating-system process that runs it.

Nothing is forked: a model's traceback is its own, a debugger stops in it, a profiler sees it, and
what cannot be forked (threads, a GPU in use) can be used. What a fork would have kept apart is
copied: parameters, Vars, and the state of NumPy's global generator.
"""

from __future__ import annotations

import atexit
import copy
import functools
import math
import os
import sys
import threading
import time
import traceback
import weakref
from bdb import BdbQuit
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from contextvars import copy_context
from typing import Any

import numpy as np
from lava.magma.compiler.builders.channel_builder import ChannelBuilderMp
from lava.magma.compiler.channels.interfaces import ChannelType
from lava.magma.compiler.channels.watchdog import NoOPWatchdogManager
from lava.magma.core.model.py.model import (
    AbstractPyProcessModel,
    PyAsyncProcessModel,
    PyLoihiProcessModel,
)
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.run_conditions import AbstractRunCondition, RunContinuous
from lava.magma.runtime.mgmt_token_enums import enum_to_np
from lava.magma.runtime.runtime import Runtime
from lava.magma.runtime.runtime_services.runtime_service import (
    AsyncPyRuntimeService,
    LoihiPyRuntimeService,
)
from scipy.sparse import issparse

from lava_desire.lava_runtime import stock  # noqa: F401  # what it registers
from lava_desire.lava_runtime.bulk import goes_whole
from lava_desire.lava_runtime.driver import Driver, Ended, ModelState
from lava_desire.lava_runtime.errors import (
    HAS_ENDED,
    IS_RUNNING,
    Failure,
    ProcessError,
    describe,
    tell,
)
from lava_desire.lava_runtime.local import ExternalChannel, LocalInfrastructure, make_ports_direct
from lava_desire.lava_runtime.variables import look_up, read, write
from lava_desire.lava_runtime.wiring import check_condition, check_inputs

_WAIT_SECONDS = 0.1
"""How long the parent waits for the thread of a run at a stretch; Ctrl-C is seen in between."""

_LOOKING_SECONDS = 0.01

_SECONDS_AT_EXIT = 2.0

_LARGE = 250_000
"""Numbers in a model above which BLAS may have its threads."""

_THAT_PASS = (ProcessError, KeyboardInterrupt, BdbQuit, Ended)
"""What is raised as it is: it names its process, or is the program's own."""

_NO_PORTS = frozenset([np.ndarray, int, float, bool, str, type(None)])
"""What a model sets its attributes to, mostly."""

_live: weakref.WeakSet[OneProcessRuntime] = weakref.WeakSet()


_set_attribute = AbstractPyProcessModel.__setattr__


def _set_quickly(model: Any, name: str, value: Any) -> None:
    """Set an attribute of a model, as Lava does, which looks at each for being a port.

    That takes a tenth of a step of small layers.
    """
    if value.__class__ in _NO_PORTS:
        model.__dict__[name] = value
    else:
        _set_attribute(model, name, value)


AbstractPyProcessModel.__setattr__ = _set_quickly


@functools.cache
def _blas() -> tuple[Any, ...]:
    """Return what sets the numbers of threads of the BLAS libraries that are loaded."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return ()
    return tuple(ThreadpoolController().select(user_api="blas").lib_controllers)


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Keep products of small arrays on one thread; waking others takes longer than they do."""
    before = [(library, library.get_num_threads()) for library in _blas()]
    many = [(library, number) for library, number in before if number != 1]
    for library, _ in many:
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, number in many:
            library.set_num_threads(number)


def obstacle(executable: Any) -> str | None:
    """Return why a network cannot run in one process, or None if it can."""
    for process, builder in executable.proc_builders.items():
        model = builder.proc_model
        if not issubclass(model, (PyLoihiProcessModel, PyAsyncProcessModel)):
            return f"{model.__name__} of {describe(process)} is no Python model"
        for name in ("run", "start"):
            if getattr(model, name) is not getattr(AbstractPyProcessModel, name):
                return f"{model.__name__} of {describe(process)} has a {name}() of its own"
    for builder in executable.channel_builders or ():
        if not isinstance(builder, ChannelBuilderMp) or builder.channel_type != ChannelType.PyPy:
            return "a channel leads out of Python"
    for builder in (executable.runtime_service_builders or {}).values():
        if not issubclass(builder.rs_class, (LoihiPyRuntimeService, AsyncPyRuntimeService)):
            return f"{builder.rs_class.__name__} keeps its processes in step"
    return None


class _Supervised:
    """Ends a network if a model fails inside, or if the program is interrupted.

    No generator: what contextlib makes of one lets a model's StopIteration through.
    """

    def __init__(self, runtime: OneProcessRuntime) -> None:
        self._runtime = runtime

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        if error is None:
            return
        failed = self._runtime._driver.failed
        self._runtime._release()
        if failed is None or isinstance(error, _THAT_PASS):
            return
        raise ProcessError([_failure(failed.label, error)]) from error


class OneProcessRuntime(Runtime):
    """Lava's runtime without operating-system processes of its own."""

    _is_running: bool
    exception_q: list[Any]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._owner = os.getpid()
        self._ended = False
        self._driver = Driver()
        weakref.finalize(self, _end_run, self._driver).atexit = False  # _end_threads sees to that
        self._thread: threading.Thread | None = None
        self._outcome: list[Any] = []
        self._runner: int | None = None
        self._state_of: dict[int, ModelState] = {}
        self._is_stopped_aside = False
        self._logged: set[str | None] = set()

    @property
    def stepping(self) -> str:
        """How the last run has stepped, as :func:`lava_desire.lava_runtime.stepping` tells it."""
        return self._driver.stepping

    def _log_stepping(self) -> None:
        """Log how the network steps, once for each reason."""
        why = self._driver.why_by_methods()
        if why not in self._logged:
            self._logged.add(why)
            self.log.info("this network steps %s", self._driver.stepping)

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """Build the channels and the models.

        Raises ProcessError if a model could not be built.
        """
        _live.add(self)
        self._watchdog_manager = NoOPWatchdogManager()
        self._messaging_infrastructure = LocalInfrastructure(self._driver)
        self._build_channels()
        edges = self._data_edges()
        with self._supervised():
            check_inputs(self._executable)
            for process, builder in self._executable.proc_builders.items():
                process._runtime = self
                self._create_external_channels(process, builder)
                self._build_model(describe(process), builder)
            make_ports_direct([state.model for state in self._driver.states])
            self._driver.wire_vars()
            self._driver.arrange(
                (self._state_of[sender], self._state_of[receiver]) for sender, receiver in edges
            )
        self._is_small = all(
            sum(math.prod(var.shape) for var in builder.vars.values()) <= _LARGE
            for builder in self._executable.proc_builders.values()
        )
        self.exception_q = []
        self._is_initialized = True
        if not self._driver.has_program:
            self._log_stepping()

    def _data_edges(self) -> list[tuple[int, int]]:
        """Return which model sends to which, by their numbers; Vars are not sent."""
        builders = self._executable.proc_builders
        return [
            (builders[each.src_process]._model_id, builders[each.dst_process]._model_id)
            for each in self._executable.channel_builders or ()
            if each.src_port_initializer.name in builders[each.src_process].py_ports
        ]

    def _create_external_channels(self, process: Any, builder: Any) -> None:
        for name, initializer in builder.py_ports.items():
            port = getattr(process, name)
            if not port.external_pipe_flag:
                continue
            leads_in = isinstance(port, InPort)
            assert leads_in or isinstance(port, OutPort)
            channel = ExternalChannel(
                self._messaging_infrastructure,
                "src" if leads_in else name,
                name if leads_in else "dst",
                initializer.shape,
                initializer.d_type,
                port.external_pipe_buffer_size,
                leads_in=leads_in,
            )
            if leads_in:
                builder.set_csp_ports([channel.dst_port])
                port.external_pipe_csp_send_port = channel.src_port
            else:
                builder.set_csp_ports([channel.src_port])
                port.external_pipe_csp_recv_port = channel.dst_port

    def _build_model(self, label: str, builder: Any) -> None:
        generators = self._driver.generators
        parameters = builder.proc_params
        builder.proc_params = _copied(parameters)
        try:
            with generators.inside():
                model = builder.build()
                has_drawn = generators.has_drawn()
                state = self._driver.add(model, label)
                if has_drawn:
                    generators.take(state)
        except (KeyboardInterrupt, BdbQuit, SystemExit):
            raise
        except BaseException as error:
            raise ProcessError([_failure(label, error)]) from error
        finally:
            builder.proc_params = parameters
        for name, initializer in builder.vars.items():
            value = getattr(model, name)
            if value is initializer.value and (issparse(value) or isinstance(value, np.ndarray)):
                vars(model)[name] = value.copy()
        for port in model.py_ports:
            port.start()
        self._state_of[builder._model_id] = state

    # Runs

    def start(self, run_condition: AbstractRunCondition) -> None:
        """See :meth:`SupervisedRuntime.start`: on the caller's thread where the run is to block."""
        check_condition(run_condition)
        self._check_idle("it can run again")
        is_endless = isinstance(run_condition, RunContinuous)
        self.num_steps = sys.maxsize if is_endless else int(run_condition.num_steps)
        self._is_started = self._is_running = True
        self._driver.must_pause = self._driver.must_stop = False
        if run_condition.blocking:
            self._runner = threading.get_ident()
            try:
                with self._supervised():
                    with _one_blas_thread() if self._is_small else nullcontext():
                        outcome = self._driver.run(self.num_steps)
                    self._act_on(outcome)
            except Ended:
                raise RuntimeError(HAS_ENDED) from None
            finally:
                self._runner = None
            if self._ended and self._is_stopped_aside:
                raise RuntimeError(HAS_ENDED)
            return
        # The thread does not hold the network: one that is dropped ends after the present step.
        self._outcome = []
        self._thread = threading.Thread(
            target=copy_context().run,
            args=(_run_aside, self._driver, self.num_steps, self._outcome),
            name="Lava network",
            daemon=True,
        )
        self._thread.start()

    def _join(self) -> Any:
        """Wait for the thread of a run; return how it ended, or raise what it raised."""
        thread, self._thread = self._thread, None
        if thread is None:
            return "done"
        while thread.is_alive():
            thread.join(_WAIT_SECONDS)
        (outcome,), self._outcome = self._outcome, []
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _act_on(self, outcome: str) -> None:
        self._is_running = False
        self._log_stepping()
        if outcome == "pause":
            for state in self._driver.states:
                state.model._pause()
                state.replies.replies.clear()
        elif outcome == "stop":
            self.stop()

    def _runs_elsewhere(self) -> bool:
        """Wait for the end of a run that blocks another thread; return whether there was one."""
        runner = self._runner
        if runner in (None, threading.get_ident()):
            return False
        while self._runner == runner:
            time.sleep(_LOOKING_SECONDS)
        return True

    def wait(self) -> None:
        """Wait for the end of a run that was started without blocking."""
        with self._supervised():
            if not self._is_running or self._runs_elsewhere():
                return
            self._runner = threading.get_ident()
            try:
                self._act_on(self._join())
            except Ended:
                self._release()
                raise RuntimeError(HAS_ENDED) from None
            finally:
                self._runner = None
        if self._ended and self._is_stopped_aside:
            raise RuntimeError(HAS_ENDED)

    def pause(self) -> None:
        """Hold the run after the present time step."""
        with self._supervised():
            if self._is_running:
                self._driver.must_pause = True
                if not self._runs_elsewhere():
                    self._act_on(self._join())

    def stop(self) -> None:
        """End the network; once it has ended, do nothing."""
        if self._ended or self._owner != os.getpid():
            return
        with self._supervised():
            self._driver.must_stop = True
            if self._driver.is_running and self._runner == threading.get_ident():
                return  # a model asks for it: the run ends after this step
            if self._runner not in (None, threading.get_ident()):
                self._is_stopped_aside = True
                self._driver.poke()
                self._runs_elsewhere()
                return
            with suppress(Ended):
                self._join()
            self._is_running = False
            if self._is_started:
                for state in self._driver.states:
                    state.model._stop()
                self.join()
        self._release()

    # Vars

    def get_var(self, var_id: int, idx: Any = None) -> Any:
        """See :meth:`SupervisedRuntime.get_var`."""
        self._check_idle("a Var can be read")
        var, variable, model_class = look_up(self._executable, var_id)
        variable.check_index(idx)
        state = self._state_of[var.proc_id]
        with self._supervised():
            values = self._values(state, var_id, model_class)
        return variable.select(values, idx).copy()

    def _values(self, state: ModelState, var_id: int, model_class: Any) -> Any:
        model = state.model
        if goes_whole(model_class):
            self._by(state, getattr(model, "refresh_vars", None))
            return read(model, model.var_id_to_var_map[var_id])
        state.commands.queue.append(enum_to_np(var_id))
        self._by(state, model._get_var)
        _, *numbers = state.replies.replies
        state.replies.replies.clear()
        return np.array(numbers)

    def set_var(self, var_id: int, value: Any, idx: Any = None) -> None:
        """See :meth:`SupervisedRuntime.set_var`.

        Raises ProcessError if the model does not take the value, and the network ends.
        """
        self._check_idle("a Var can be set")
        var, variable, model_class = look_up(self._executable, var_id)
        values = variable.check_value(value, idx)
        state = self._state_of[var.proc_id]
        model = state.model
        with self._supervised():
            if goes_whole(model_class):
                self._by(state, getattr(model, "refresh_vars", None))
                write(model, model.var_id_to_var_map[var_id], values, idx)
                self._by(state, model.on_var_update)
                return
            if idx is not None:
                whole = variable.select(self._values(state, var_id, model_class), None)
                whole[idx] = values
                values = whole
            numbers = np.asarray(values).reshape(-1)
            words = (var_id, numbers.size, *numbers)
            state.commands.queue.extend(enum_to_np(word) for word in words)
            self._by(state, model._set_var)
            state.commands.queue.clear()
            state.replies.replies.clear()

    def _check_idle(self, what: str) -> None:
        """Refuse requests that need a network between two runs."""
        if self._thread is not None and not self._thread.is_alive():
            self.wait()  # a run without blocking, which is over
        if self._ended:
            raise RuntimeError(HAS_ENDED)
        if self._is_running:
            raise RuntimeError(IS_RUNNING.format(what=what))

    def _by(self, state: ModelState, act: Any) -> None:
        """Let a model do its work between runs, if there is any."""
        if act is None:
            return
        with self._driver.generators.inside():
            if state.random_state is not None:
                self._driver.generators.give(state)
            try:
                act()
            except BaseException:
                self._driver.failed = state
                raise
            if state.random_state is not None or self._driver.generators.has_drawn():
                self._driver.generators.take(state)

    # The end

    def _supervised(self) -> _Supervised:
        """End the network if a model fails inside, or if the program is interrupted."""
        return _Supervised(self)

    def _release(self) -> None:
        """End all threads and drop the models."""
        if self._ended or self._owner != os.getpid():
            return
        self._ended = self._driver.has_ended = True
        self._is_running = self._is_started = False
        self._driver.must_stop = True
        self._driver.poke()
        if self._thread is None:  # else a run that was left alone still has them
            self._driver.let_go()
        _live.discard(self)


def _run_aside(driver: Driver, num_steps: int, outcome: list[Any]) -> None:
    try:
        outcome.append(driver.run(num_steps))
    except BaseException as error:  # handed to who waits for the run
        outcome.append(error)


def _end_run(driver: Driver) -> None:
    driver.must_stop = True
    driver.poke()


def _failure(label: str, error: BaseException) -> Failure:
    if isinstance(error, SystemExit):
        return Failure(label, f"left the program with exit code {error.code}")
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    reason = tell(error)
    return Failure(label, reason, error if isinstance(error, Exception) else None, text)


def _copied(parameters: Any) -> Any:
    """Copy a model's parameters, as a fork would; what cannot be copied is shared."""
    try:
        return copy.deepcopy(parameters)
    except Exception:  # an object of the user's may do anything when it is copied
        pass
    shared = copy.copy(parameters)
    shared._parameters = dict(parameters._parameters)
    for name, value in parameters._parameters.items():
        try:
            shared._parameters[name] = copy.deepcopy(value)
        except Exception:
            continue
    return shared


@atexit.register
def _end_threads() -> None:
    for runtime in list(_live):
        runtime._driver.must_stop = True
        runtime._driver.poke()
        if runtime._thread is not None:
            runtime._thread.join(_SECONDS_AT_EXIT)
