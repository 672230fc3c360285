"""A Lava network in the operating-system process that runs it.

Nothing is forked: a model's traceback is its own, a debugger stops in it, a profiler sees it, and
what cannot be forked (threads, a GPU in use) can be used. What a fork would have kept apart is
copied: parameters, Vars, and the state of NumPy's global generator.
"""

from __future__ import annotations

import atexit
import copy
import os
import sys
import threading
import traceback
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from lava.magma.compiler.builders.channel_builder import ChannelBuilderMp
from lava.magma.compiler.channels.interfaces import ChannelType
from lava.magma.compiler.channels.watchdog import NoOPWatchdogManager
from lava.magma.compiler.var_model import LoihiSynapseVarModel
from lava.magma.core.model.py.model import (
    AbstractPyProcessModel,
    PyAsyncProcessModel,
    PyLoihiProcessModel,
)
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.run_conditions import AbstractRunCondition, RunContinuous, RunSteps
from lava.magma.runtime.mgmt_token_enums import enum_to_np
from lava.magma.runtime.runtime import Runtime
from lava.magma.runtime.runtime_services.runtime_service import (
    AsyncPyRuntimeService,
    LoihiPyRuntimeService,
)
from lava.utils.sparse import find
from scipy.sparse import csr_matrix, issparse

from lava_desire.lava_runtime.driver import Driver, Ended
from lava_desire.lava_runtime.errors import Failure, ProcessError, describe
from lava_desire.lava_runtime.local import ExternalChannel, LocalInfrastructure, make_ports_direct

_HAS_ENDED = "this network has ended: build its processes anew to run it again"

_WAIT_SECONDS = 0.1
"""How long the parent waits for the thread of a run at a stretch; Ctrl-C is seen in between."""

_SECONDS_AT_EXIT = 2.0

_live: weakref.WeakSet[OneProcessRuntime] = weakref.WeakSet()


def obstacle(executable: Any) -> str | None:
    """Return why a network cannot run in one process, or None if it can.

    Parameters
    ----------
    executable : lava Executable
        The network, compiled.
    """
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


class OneProcessRuntime(Runtime):
    """Lava's runtime without operating-system processes of its own."""

    _is_running: bool
    exception_q: list[Any]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._owner = os.getpid()
        self._ended = False
        self._driver = Driver()
        self._thread: threading.Thread | None = None
        self._outcome: Any = None
        self._models: dict[int, Any] = {}

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """Build the channels and the models.

        Raises
        ------
        ProcessError
            If a model could not be built.
        """
        _live.add(self)
        self._watchdog_manager = NoOPWatchdogManager()
        self._messaging_infrastructure = LocalInfrastructure(self._driver)
        self._build_channels()
        edges = self._data_edges()
        with self._supervised():
            for process, builder in self._executable.proc_builders.items():
                process._runtime = self
                self._create_external_channels(process, builder)
                self._build_model(describe(process), builder)
            self._driver.wire_vars()
            self._driver.arrange(
                (self._models[sender], self._models[receiver]) for sender, receiver in edges
            )
        self.exception_q = []
        self._is_initialized = True

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
        except Exception as error:
            raise ProcessError([_failure(label, error)]) from error
        finally:
            builder.proc_params = parameters
        for name, initializer in builder.vars.items():
            value = getattr(model, name)
            if value is initializer.value and (issparse(value) or isinstance(value, np.ndarray)):
                vars(model)[name] = value.copy()
        for port in model.py_ports:
            port.start()
        make_ports_direct(model)
        self._models[builder._model_id] = model

    # Runs

    def start(self, run_condition: AbstractRunCondition) -> None:
        """Run, on the caller's thread where the run is to block, or on one of its own.

        Raises
        ------
        ProcessError
            If a process failed.
        RuntimeError
            If the network has ended.
        ValueError
            If the condition is none that Lava knows.
        """
        if self._ended:
            raise RuntimeError(_HAS_ENDED)
        if isinstance(run_condition, RunSteps):
            self.num_steps = run_condition.num_steps
        elif isinstance(run_condition, RunContinuous):
            self.num_steps = sys.maxsize
        else:
            raise ValueError(f"Wrong type of run_condition : {run_condition.__class__}")
        if self._thread is not None:
            self.wait()
        self._is_started = self._is_running = True
        self._driver.must_pause = self._driver.must_stop = False
        if run_condition.blocking:
            with self._supervised():
                self._act_on(self._driver.run(self.num_steps))
            return
        self._thread = threading.Thread(target=self._run_aside, name="Lava network", daemon=True)
        self._thread.start()

    def _run_aside(self) -> None:
        try:
            self._outcome = self._driver.run(self.num_steps)
        except BaseException as error:  # handed to who waits for the run
            self._outcome = error

    def _join(self) -> Any:
        """Wait for the thread of a run; return how it ended, or raise what it raised."""
        thread, self._thread = self._thread, None
        if thread is None:
            return "done"
        while thread.is_alive():
            thread.join(_WAIT_SECONDS)
        outcome, self._outcome = self._outcome, None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _act_on(self, outcome: str) -> None:
        self._is_running = False
        if outcome == "pause":
            for state in self._driver.states:
                state.model._pause()
                state.replies.replies.clear()
        elif outcome == "stop":
            self.stop()

    def wait(self) -> None:
        """Wait for the end of a run that was started without blocking."""
        with self._supervised():
            if self._is_running:
                self._act_on(self._join())

    def pause(self) -> None:
        """Hold the run after the present time step."""
        with self._supervised():
            if self._is_running:
                self._driver.must_pause = True
                self._act_on(self._join())

    def stop(self) -> None:
        """End the network; once it has ended, do nothing."""
        if self._ended or self._owner != os.getpid():
            return
        with self._supervised():
            self._driver.must_stop = True
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
        """Get a Var, as float64 whatever it is in the model, as Lava does.

        Raises
        ------
        AssertionError
            If no model has it.
        RuntimeError
            If the network has not started, or has ended.
        """
        if self._is_running:
            self.log.info("WARNING: Cannot Get a Var when the execution is going on")
            return None
        var = self._var(var_id)
        with self._supervised():
            value = self._read(var)
        if var.dtype is not csr_matrix:
            order = "F" if isinstance(var, LoihiSynapseVarModel) else "C"
            value = value.reshape(var.shape, order=order)
        return value[idx] if idx else value

    def set_var(self, var_id: int, value: Any, idx: Any = None) -> None:
        """Set a Var.

        Raises
        ------
        AssertionError
            If no model has it.
        ProcessError
            If the model does not take the value.
        RuntimeError
            If the network has not started, or has ended.
        ValueError
            If the value has another shape; the network goes on.
        """
        if self._is_running:
            self.log.info("WARNING: Cannot Set a Var when the execution is going on")
            return
        var = self._var(var_id)
        services = list(self._executable.runtime_service_builders.values())
        if issubclass(services[var.runtime_srv_id].rs_class, AsyncPyRuntimeService):
            raise RuntimeError("Set is not supported in AsyncPyRuntimeService")
        is_of_numbers = issubclass(var.dtype, (np.ndarray, np.number, int, float))
        if idx is None and is_of_numbers and np.shape(value) != tuple(var.shape):
            raise ValueError(
                f"{var.name} of {self._state_of(var).label} was set to an array of shape "
                f"{np.shape(value)}: expected {tuple(var.shape)}"
            )
        value = np.asarray(value)
        if idx:
            value = value[idx]
        with self._supervised():
            self._write(var, value.reshape(-1))

    def _var(self, var_id: int) -> Any:
        """Return Lava's model of a Var, once the network can be asked."""
        if self._ended:
            raise RuntimeError(_HAS_ENDED)
        var = self._executable.node_configs[0].var_models.get(var_id)
        if var is None:
            self.stop()
            raise AssertionError(f"no model has the Var with id {var_id}")
        if not self._is_started:
            raise RuntimeError("Runtime has not started")
        return var

    def _state_of(self, var: Any) -> Any:
        model = self._models[var.proc_id]
        return next(state for state in self._driver.states if state.model is model)

    def _read(self, var: Any) -> Any:
        state = self._state_of(var)
        model = state.model
        refresh = getattr(model, "refresh_vars", None)
        if refresh is None and type(model)._get_var is not AbstractPyProcessModel._get_var:
            state.commands.queue.append(enum_to_np(var.var_id))
            self._by(state, model._get_var)
            _, *numbers = state.replies.replies
            state.replies.replies.clear()
            return np.array(numbers)
        if refresh is not None:
            self._by(state, refresh)
        value = getattr(model, model.var_id_to_var_map[var.var_id])
        if isinstance(value, str):
            value = list(value.encode("ascii"))
        elif issparse(value):
            value = find(value, explicit_zeros=True)[2]
        return np.array(value, np.float64).reshape(-1)

    def _write(self, var: Any, numbers: Any) -> None:
        state = self._state_of(var)
        model = state.model
        refresh = getattr(model, "refresh_vars", None)
        if refresh is None and type(model)._set_var is not AbstractPyProcessModel._set_var:
            words = [enum_to_np(var.var_id), enum_to_np(numbers.size)]
            state.commands.queue.extend([*words, *(enum_to_np(number) for number in numbers)])
            self._by(state, model._set_var)
            state.commands.queue.clear()
            state.replies.replies.clear()
            return
        if refresh is not None:
            self._by(state, refresh)
        name = model.var_id_to_var_map[var.var_id]
        old = getattr(model, name)
        if isinstance(old, np.ndarray):
            # Lava fills what is there from its beginning.
            old.flat[: numbers.size] = numbers
        elif issparse(old):
            to, of, _ = find(old)
            setattr(model, name, csr_matrix((numbers.astype(np.float64), (to, of)), old.shape))
        elif isinstance(old, str):
            setattr(model, name, bytes(int(code) for code in numbers).decode("ascii"))
        elif isinstance(old, np.generic):
            setattr(model, name, numbers[0].astype(old.dtype))
        else:
            setattr(model, name, np.float64(numbers[0]).item())
        self._by(state, model.on_var_update)

    def _by(self, state: Any, act: Any) -> None:
        """Have a model do something between runs."""
        with self._driver.generators.inside():
            if state.random_state is not None:
                self._driver.generators.give(state)
            try:
                act()
            except BaseException:
                self._driver.failed = state
                raise
            if self._driver.generators.has_drawn():
                self._driver.generators.take(state)

    # The end

    @contextmanager
    def _supervised(self) -> Iterator[None]:
        """End the network if a model fails inside, or if the program is interrupted."""
        try:
            yield
        except ProcessError:
            self._release()
            raise
        except (Exception, SystemExit) as error:
            failed = self._driver.failed
            self._release()
            if failed is None:
                raise
            raise ProcessError([_failure(failed.label, error)]) from error
        except BaseException:  # KeyboardInterrupt above all
            self._release()
            raise

    def _release(self) -> None:
        """Leave no thread behind, and let go of the models."""
        if self._ended or self._owner != os.getpid():
            return
        self._ended = self._driver.has_ended = True
        self._is_running = self._is_started = False
        self._driver.must_stop = True
        self._driver.poke()
        _live.discard(self)


def _failure(label: str, error: BaseException) -> Failure:
    if isinstance(error, SystemExit):
        return Failure(label, f"left the program with exit code {error.code}")
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    reason = f"{type(error).__name__}: {error}"
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
