"""Runs the models of a Lava network one after the other, in Lava's order, on one thread.

A time step is the spiking phase of all models, then management before learning, learning, and
management after it, as the models ask for them. Models run unchanged: where one must wait for a
message, or for room for one, its greenlet is set aside and another goes on with the models that
are left. That is exact: when no model can go on and one waits, the network is in a deadlock.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet
from lava.magma.core.model.py.model import (
    AbstractPyProcessModel,
    PyAsyncProcessModel,
    PyLoihiProcessModel,
)
from lava.magma.core.model.py.ports import PyVarPort
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND, enum_to_np

from lava_desire.lava_runtime.arrays import Unfit
from lava_desire.lava_runtime.errors import HangError, Waiting
from lava_desire.lava_runtime.generators import Generators
from lava_desire.lava_runtime.local import CommandPort, LocalChannel, LocalSelector, ReplyPort
from lava_desire.lava_runtime.order import topological_order
from lava_desire.lava_runtime.program import Program

_EXTERNAL_SECONDS = 0.1
"""How long the driver sleeps at a stretch when only a thread outside the network can help."""

_Phase = PyLoihiProcessModel.Phase
_Response = PyLoihiProcessModel.Response
_PRE, _LRN, _POST = (
    float(each[0])
    for each in (_Response.REQ_PRE_LRN_MGMT, _Response.REQ_LEARNING, _Response.REQ_POST_LRN_MGMT)
)
_PAUSE, _STOP = float(_Response.REQ_PAUSE[0]), float(_Response.REQ_STOP[0])
_ERROR = float(_Response.STATUS_ERROR[0])
_ASYNC_PAUSE = float(PyAsyncProcessModel.Response.REQ_PAUSE[0])
_ASYNC_STOP = float(PyAsyncProcessModel.Response.REQ_STOP[0])


class Ended(BaseException):
    """Raised inside a waiting model when its network is ended."""


@dataclass(eq=False)
class ModelState:
    """A model and its state in the driver.

    `random_state` is its state of NumPy's global generator, if it has drawn from it. While
    `is_busy` it still has to go through its handler of the present phase. `var_ports` are its
    connected VarPorts, each with the channel on which requests come; a class that `polls_by_itself`
    decides on which of them it is asked. With `is_loihi` the model goes through Lava's phases.
    """

    model: Any
    label: str
    random_state: Any = None
    is_busy: bool = False
    var_ports: list[tuple[Any, LocalChannel]] = field(default_factory=list)
    commands: CommandPort = field(init=False)
    replies: ReplyPort = field(init=False)
    is_loihi: bool = field(init=False)
    polls_by_itself: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_loihi = isinstance(self.model, PyLoihiProcessModel)
        base: Any = PyLoihiProcessModel if self.is_loihi else PyAsyncProcessModel
        own = type(self.model).add_ports_for_polling
        self.polls_by_itself = own is not base.add_ports_for_polling

    @property
    def step(self) -> int:
        """The time step that the model is in, or has finished."""
        return int(getattr(self.model, "time_step", 0))

    def has(self, name: str) -> bool:
        """Return whether the model has a method of its own in the place of Lava's."""
        base = PyLoihiProcessModel if self.is_loihi else AbstractPyProcessModel
        own = getattr(type(self.model), name) is not getattr(base, name)
        return own or name in vars(self.model)


_Task = tuple[ModelState, Callable[[], None]]
_Ends = list[tuple[LocalChannel, bool]]
"""Ends of channels, each with whether it receives."""


class Driver:
    """Runs the models of one network.

    `ready` are models that were set aside and whose message, or room for one, has come.
    `must_pause` and `must_stop` are set by another thread, and looked at once a step; `failed` is
    the model in which an exception was raised.
    """

    def __init__(self) -> None:
        self.ready: deque[Any] = deque()
        self.has_ended = False
        self.must_pause = self.must_stop = False
        self.failed: ModelState | None = None
        self.states: list[ModelState] = []
        self.generators = Generators()
        self._has_drawn = self.generators.has_drawn
        self._requests: list[tuple[ModelState, Any, LocalChannel]] = []
        self._served: list[LocalChannel] = []
        self._spk: list[_Task] = []
        self._pre_tasks: list[_Task] = []
        self._lrn_tasks: list[_Task] = []
        self._post_tasks: list[_Task] = []
        self._host_tasks: list[_Task] = []
        self._poked = threading.Event()
        self._hub: Any = None
        self._program: Program | None = None
        self._no_program: str | None = None  # why it has none
        self._num_steps = self._num_compiled = 0  # of the present run, or the last
        self._running: ModelState | None = None
        self._forget()

    @property
    def is_running(self) -> bool:
        """Whether a run goes on."""
        return self._hub is not None

    def _forget(self) -> None:
        """Drop what belongs to one run."""
        self._waits: dict[Any, tuple[ModelState, _Ends]] = {}
        self._spare: list[Any] = []
        self._workers: set[Any] = set()
        self._num_set_aside = 0
        self._asynchronous: dict[Any, ModelState] = {}
        self._tasks: Iterator[_Task] = iter(())
        self._tasks_are_begun = True
        self._answers_vars = False
        self.ready.clear()
        self._pre = self._lrn = self._post = self._model_pauses = self._model_stops = False

    # Models

    def add(self, model: Any, label: str) -> ModelState:
        """Take over a model that has been built."""
        state = ModelState(model, label)
        state.commands, state.replies = CommandPort(self), ReplyPort()
        model.service_to_process, model.process_to_service = state.commands, state.replies
        model._selector = LocalSelector(self)
        self.states.append(state)
        for port in model.py_ports:
            for end in port.csp_ports:
                channel = getattr(end, "channel", None)
                if channel is None:
                    continue
                if end is channel.src_port:
                    channel.source = (state, channel.src_port.name)
                else:
                    channel.destination = (state, channel.dst_port.name)
        return state

    def wire_vars(self) -> None:
        """Let VarPorts be asked, once every model has been added."""
        for state in self.states:
            for port in state.model.var_ports:
                if not isinstance(port, PyVarPort) or not port.csp_ports:
                    continue
                answers, requests = (end.channel for end in port.csp_ports)
                state.var_ports.append((port, requests))
                self._requests.append((state, port, requests))
                answers.serve = requests.serve = self._server(state, port, requests)
                self._served += [answers, requests]

    def let_go(self) -> None:
        """Drop the models: Lava keeps a network's processes, and these its runtime, for ever."""
        if self._program is not None:
            self._no_program = self.why_by_methods()
            self._program = None
        for channel in self._served:
            channel.serve = None
        for state in self.states:
            state.model = None
            state.var_ports.clear()
        for tasks in (self._spk, self._pre_tasks, self._lrn_tasks, self._post_tasks):
            tasks.clear()
        self._host_tasks.clear()
        self._requests.clear()

    def _server(self, state: ModelState, port: Any, requests: LocalChannel) -> Callable[[], bool]:
        def serve() -> bool:
            if state.polls_by_itself:
                return not state.is_busy and self._poll(state)
            if not self._answers_vars or state.is_busy or not requests.queue:
                return False
            self._handle(state, port)
            return True

        return serve

    def _handle(self, state: ModelState, port: Any) -> None:
        try:
            state.model._handle_var_port(port)
        except BaseException:
            if self.failed is None:
                self.failed = state
            raise

    def _poll(self, state: ModelState) -> bool:
        """Ask a model on which ports it is to be asked, and let it answer; return whether it did.

        That is what the loop in which Lava's models run does after each command.
        """
        model = state.model
        model._channel_actions = [(state.commands, lambda: "cmd")]
        model.add_ports_for_polling()
        for port, action in model._channel_actions:
            if port is not state.commands and port.probe():
                self._handle(state, action())
                return True
        return False

    def arrange(self, edges: Iterable[tuple[ModelState, ModelState]]) -> None:
        """Fix the order in which the models run."""
        loihi = [state for state in self.states if state.is_loihi]
        place = {id(state): number for number, state in enumerate(loihi)}
        self._edges = []
        for sender, receiver in edges:
            ends = place.get(id(sender), -1), place.get(id(receiver), -1)
            if -1 not in ends:  # no asynchronous model has one
                self._edges.append(ends)
        self._loihi = loihi
        self._make_phases(frozenset())
        try:
            self._program = Program.of(self.states)
        except Unfit as unfit:
            self._no_program = str(unfit)
        # In the first step ports say who sends before it receives.
        self._begins_with: dict[ModelState, str] = {}
        self._undo_watching = [
            self._watch_first(state, port, name)
            for state in loihi
            for port in state.model.py_ports
            for name in ("send", "recv")
            if hasattr(port, name) and port.csp_ports
        ]

    def _watch_first(self, state: ModelState, port: Any, name: str) -> Callable[[], None]:
        """Note whether a model begins with this; return what undoes that."""
        own, act = vars(port).get(name), getattr(port, name)

        def noted(*arguments: Any) -> Any:
            self._begins_with.setdefault(state, name)
            return act(*arguments)

        def undo() -> None:
            if own is not None:
                setattr(port, name, own)
            else:
                delattr(port, name)

        setattr(port, name, noted)
        return undo

    def _make_phases(self, first: frozenset[int]) -> None:
        order = [
            self._loihi[number]
            for number in topological_order(len(self._loihi), self._edges, first)
        ]
        polling = [state for state in order if state.polls_by_itself]
        self._spk = [(state, self._spiking(state)) for state in order]
        # Who is read goes first, so that a reader need not wait.
        read_first = sorted(order, key=lambda state: not state.var_ports)

        def tasks(phase: Any, handler: str, guards: tuple[str, ...]) -> list[_Task]:
            names = (*guards, handler)
            called = [
                state
                for state in read_first
                if state in polling or any(state.has(name) for name in names)
            ]
            return [(state, self._managing(state, phase, handler)) for state in called]

        self._pre_tasks = tasks(_Phase.PRE_MGMT, "_pre_mgmt", ("pre_guard",))
        self._lrn_tasks = tasks(_Phase.LRN, "_lrn", ("lrn_guard", "post_guard"))
        self._post_tasks = tasks(_Phase.POST_MGMT, "_post_mgmt", ("post_guard",))
        self._host_tasks = [
            (state, self._hosting(state)) for state in order if state in polling or state.var_ports
        ]
        self._all = order

    def _spiking(self, state: ModelState) -> Callable[[], None]:
        """Return what a model does in the spiking phase."""
        model, attributes = state.model, vars(state.model)
        if state.has("_spike") or state.polls_by_itself:
            return self._by_handler(state, _Phase.SPK)
        spk = _Phase.SPK
        has_pre, has_lrn, has_post = map(state.has, ("pre_guard", "lrn_guard", "post_guard"))
        advances = state.has("advance_to_time_step")

        # As PyLoihiProcessModel._spike, without what is known to do nothing.
        def spike_alone() -> None:
            attributes["time_step"] += 1
            attributes["phase"] = spk
            model.run_spk()
            if attributes["_req_pause"] or attributes["_req_stop"]:
                model._handle_pause_or_stop_req()
                self._take_replies(state)

        if not (has_lrn or has_post or advances):
            return spike_alone

        def spike() -> None:
            attributes["time_step"] += 1
            attributes["phase"] = spk
            model.run_spk()
            if advances:
                model.advance_to_time_step(attributes["time_step"] + 1)
            if attributes["_req_pause"] or attributes["_req_stop"]:
                model._handle_pause_or_stop_req()
                self._take_replies(state)
            elif has_lrn and model.lrn_guard() and has_pre and model.pre_guard():
                self._pre = True
            elif has_lrn and model.lrn_guard():
                self._lrn = True
            elif has_post and model.post_guard():
                self._post = True

        return spike

    def _managing(self, state: ModelState, phase: Any, handler: str) -> Callable[[], None]:
        """Return what a model does in a phase of learning or management."""
        act = self._by_handler(state, phase)
        if not state.var_ports or state.polls_by_itself:
            return act

        def act_and_answer() -> None:
            act()
            self._answer(state)

        return act_and_answer

    def _hosting(self, state: ModelState) -> Callable[[], None]:
        def host() -> None:
            state.model._host()
            self._answer(state)

        return host

    def _by_handler(self, state: ModelState, phase: Any) -> Callable[[], None]:
        handler = state.model._cmd_handlers[phase[0]]

        def act() -> None:
            handler()
            self._take_replies(state)
            if state.polls_by_itself:
                self._answer(state)

        return act

    def _answer(self, state: ModelState) -> None:
        """Let a model answer pending requests for its Vars."""
        state.is_busy = False
        if state.polls_by_itself:
            while self._poll(state):
                pass
        elif self._answers_vars:
            for port, requests in state.var_ports:
                while requests.queue:
                    self._handle(state, port)

    def _take_replies(self, state: ModelState) -> None:
        for reply in state.replies.replies:
            if reply == _PRE:
                self._pre = True
            elif reply == _LRN:
                self._lrn = True
            elif reply == _POST:
                self._post = True
            elif reply == _PAUSE:
                self._model_pauses = True
            elif reply == _STOP:
                self._model_stops = True
            elif reply == _ERROR:
                raise RuntimeError(f"{state.label} has replied that it is in error")
        state.replies.replies.clear()

    @property
    def has_program(self) -> bool:
        """Whether kernels may run, in this run or another."""
        return self._program is not None

    def why_by_methods(self) -> str | None:
        """Return why models went by their own methods in the last run, or None."""
        if self._program is None:
            return self._no_program
        if self._num_steps == 0:
            return "its first step is not done"
        if self._num_compiled:
            return self._program.why()
        return self._program.why() or self._program.why_not_now()

    @property
    def stepping(self) -> str:
        """How the last run has stepped, as :func:`lava_desire.lava_runtime.stepping` tells it."""
        why = self.why_by_methods()
        if self._num_compiled == 0:
            return f"by methods, because {why}"
        share = f"compiled, {self._num_compiled} of {self._num_steps} steps"
        return share if why is None else f"{share}; the others by methods, because {why}"

    # Runs

    def run(self, num_steps: int) -> str:
        """Run a number of steps, on the thread of the caller.

        Returns why the run ended, ``"done"``, ``"pause"`` or ``"stop"``: as was asked for, or at
        the wish of a model or of another thread. Raises HangError if no model can go on, and one
        waits, and what a model raises.
        """
        self._forget()
        self._hub = getcurrent()
        self._begin_asynchronous(num_steps)
        try:
            with self.generators.inside():
                if self._loihi:
                    self._run_steps(num_steps)
                self._finish_asynchronous()
                self._host()
        finally:
            self._end_greenlets()
            self._hub = None
        if self._model_pauses:
            return "pause"
        if self._model_stops:
            return "stop"
        return "pause" if self.must_pause else "stop" if self.must_stop else "done"

    def _run_steps(self, num_steps: int) -> None:
        spk = self._spk
        step = self._num_steps = self._num_compiled = 0
        program = self._program
        if program is not None:
            program.begin_run()
        while step < num_steps:
            # In the first step of all the order is found out.
            if program is not None and not self._undo_watching:
                advanced = program.advance(num_steps - step)
                if advanced:
                    step += advanced
                    self._num_steps, self._num_compiled = step, self._num_compiled + advanced
                    if self.must_pause or self.must_stop:
                        return
                    self.generators.let_others()
                    continue
            step += 1
            self._num_steps = step
            self._run_tasks(spk)
            if self._undo_watching:
                spk = self._order_by_first_step()
            while self._pre or self._lrn or self._post:
                if self._pre:
                    self._pre = False
                    self._run_management(self._pre_tasks)
                    self._lrn = True  # what every model replies there
                elif self._lrn:
                    self._lrn = False
                    self._run_tasks(self._lrn_tasks)
                else:
                    self._post = False
                    self._run_management(self._post_tasks)
            if self._asynchronous:
                self._give_turns()
            if self._model_pauses or self._model_stops or self.must_pause or self.must_stop:
                return
            self.generators.let_others()

    def _order_by_first_step(self) -> list[_Task]:
        for undo in self._undo_watching:
            undo()
        self._undo_watching.clear()
        self._make_phases(
            frozenset(
                number
                for number, state in enumerate(self._loihi)
                if self._begins_with.get(state) == "send"
            )
        )
        return self._spk

    def _host(self) -> None:
        for state in self._all:
            vars(state.model)["phase"] = _Phase.HOST
        if self._host_tasks:
            self._run_management(self._host_tasks)

    def _run_management(self, tasks: list[_Task]) -> None:
        """Run a phase in which Vars can be read and written through ports."""
        self._answers_vars = True
        for state, _ in tasks:
            state.is_busy = True
        self._run_tasks(tasks)
        # What was written and not waited for.
        while any(requests.queue for _, _, requests in self._requests):
            self._run_tasks(
                [
                    (state, lambda state=state: self._answer(state))  # type: ignore[misc]
                    for state, _, requests in self._requests
                    if requests.queue
                ]
            )
        self._answers_vars = False

    def _run_tasks(self, tasks: list[_Task]) -> None:
        """Have every model of a phase do its part."""
        self._tasks = iter(tasks)
        self._tasks_are_begun = False
        while True:
            if not self._tasks_are_begun:
                worker = self._spare.pop() if self._spare else self._new_worker()
            elif self.ready:
                worker = self.ready.popleft()
            elif self._num_set_aside:
                self._await_help()
                continue
            else:
                return
            worker.switch()

    def _new_worker(self) -> Any:
        worker = greenlet(self._work, parent=self._hub)
        worker.gr_context = copy_context()  # as a fork inherits the caller's
        self._workers.add(worker)
        return worker

    def _work(self) -> None:
        """Begin the tasks of a phase that nobody has begun; what a worker does."""
        me, has_drawn = getcurrent(), self._has_drawn
        while True:
            for state, act in self._tasks:
                if state.random_state is not None:
                    self.generators.give(state)
                self._running = state
                try:
                    act()
                except BaseException as error:
                    if self.failed is None:
                        self.failed = state
                    if isinstance(error, GreenletExit):  # which greenlet would take for an end
                        raise RuntimeError("GreenletExit was raised") from error
                    raise
                if state.random_state is not None or has_drawn():
                    self.generators.take(state)
            self._tasks_are_begun = True
            self._spare.append(me)
            self._hub.switch()

    # Waiting

    def wait_for(self, channel: LocalChannel, receives: bool) -> None:
        """Suspend the running model until a channel is, or may be, ready."""
        me = getcurrent()
        if not channel.is_external:
            channel.waiting[receives] = me
        self._set_aside(me, [(channel, receives)])

    def wait_for_any(self, ends: _Ends) -> None:
        """Suspend the running model until one of several channels is, or may be, ready."""
        me = getcurrent()
        for channel, receives in ends:
            channel.waiting[receives] = me
        self._set_aside(me, ends)
        for channel, receives in ends:
            channel.waiting[receives] = None
        while me in self.ready:  # by a second one
            self.ready.remove(me)

    def _set_aside(self, me: Any, ends: _Ends) -> None:
        state = self._running
        if self._hub is None or me is self._hub or state is None:
            channel, receives = ends[0]
            what = "a message" if receives else "room for one"
            name = (channel.dst_port if receives else channel.src_port).name
            raise RuntimeError(f"{name} waits for {what} outside of a run: it would wait forever")
        self._waits[me] = state, ends
        self._switch_away(state)
        del self._waits[me]

    def _switch_away(self, state: ModelState) -> None:
        if state.random_state is not None or self._has_drawn():
            self.generators.take(state)
        self._num_set_aside += state.is_loihi
        self._hub.switch()
        self._num_set_aside -= state.is_loihi
        self._running = state
        if state.random_state is not None:
            self.generators.give(state)

    def give_way(self) -> None:
        """Let the others have a turn before the asynchronous model that runs goes on."""
        me = getcurrent()
        if me in self._asynchronous:
            self.ready.append(me)
            self._switch_away(self._asynchronous[me])

    def poke(self) -> None:
        """Tell the driver, from another thread, that a channel from outside may be ready."""
        self._poked.set()

    def _await_help(self) -> None:
        """Wait for another thread, where one can help, when no model can go on.

        Raises HangError if none can.
        """
        from_outside = {
            me: ends
            for me, (_, ends) in self._waits.items()
            if any(channel.is_external for channel, _ in ends)
        }
        helped = [
            me
            for me, ends in from_outside.items()
            if any(channel.is_ready(receives) for channel, receives in ends)
        ]
        if helped:
            self.ready.extend(helped)
            return
        if not from_outside:
            raise self._deadlock()
        if self.must_stop:
            raise Ended
        self.generators.let_others(lambda: self._poked.wait(_EXTERNAL_SECONDS))
        self._poked.clear()

    def _deadlock(self) -> HangError:
        stuck = {id(state) for state, _ in self._waits.values()}
        waiting = []
        for state, ends in self._waits.values():
            channel, receives = ends[0]
            own, other = (
                (channel.destination, channel.source)
                if receives
                else (channel.source, channel.destination)
            )
            partner = other[0] if other else None
            has_finished = partner is not None and id(partner) not in stuck
            waiting.append(
                Waiting(
                    process=state.label,
                    port=own[1] if own else "a port",
                    step=state.step,
                    partner=partner.label if partner else "the program",
                    partner_port=other[1] if other else "a port",
                    receives=receives,
                    partner_step=partner.step if partner is not None and has_finished else None,
                )
            )
        idle = [state.label for state in self.states if id(state) not in stuck]
        return HangError(0.0, waiting, [], idle)

    # Asynchronous models

    def _begin_asynchronous(self, num_steps: int) -> None:
        for state in self.states:
            if state.is_loihi:
                continue
            state.commands.queue.append(enum_to_np(num_steps))
            runner = greenlet(lambda state=state: self._run_asynchronous(state), self._hub)
            runner.gr_context = copy_context()
            self._asynchronous[runner] = state
            self.ready.append(runner)

    def _run_asynchronous(self, state: ModelState) -> None:
        self._running = state
        if state.random_state is not None:
            self.generators.give(state)
        try:
            state.model._cmd_handlers[MGMT_COMMAND.RUN[0]]()
        except BaseException as error:
            if self.failed is None:
                self.failed = state
            if isinstance(error, GreenletExit):
                raise RuntimeError("GreenletExit was raised") from error
            raise
        finally:
            if state.random_state is not None or self._has_drawn():
                self.generators.take(state)
        self._asynchronous.pop(getcurrent())
        replies = state.replies.replies
        self._model_pauses |= _ASYNC_PAUSE in replies
        self._model_stops |= _ASYNC_STOP in replies
        replies.clear()

    def _give_turns(self) -> None:
        for _ in range(len(self.ready)):
            self.ready.popleft().switch()

    def _finish_asynchronous(self) -> None:
        while self._asynchronous:
            if self.must_pause or self.must_stop or self._model_pauses or self._model_stops:
                command = MGMT_COMMAND.STOP if self.must_stop else MGMT_COMMAND.PAUSE
                for state in self._asynchronous.values():
                    if not state.commands.queue:
                        state.commands.queue.append(command)
            self.generators.let_others()
            if self.ready:
                self.ready.popleft().switch()
            elif self.must_pause or self.must_stop:
                return  # they wait for messages that will not come
            else:
                self._await_help()
        for state in self.states:
            state.commands.queue.clear()

    def _end_greenlets(self) -> None:
        """End every model that is still suspended."""
        for each in [*self._waits, *self._spare, *self._workers, *self._asynchronous]:
            if each and each is not getcurrent():
                with suppress(BaseException):  # what a model does on its way out is its own
                    each.throw(Ended)
        self._running = None
        self._workers.clear()
        self._waits.clear()
        self._spare.clear()
        self._asynchronous.clear()
        self._tasks = iter(())
        for state in self.states:
            state.commands.queue.clear()
