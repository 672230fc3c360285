"""A network whose models step in compiled code, many steps at a time.

Where every model of a network has :class:`CompiledSteps`, and none has anything else to do in the
next steps, kernels run in their place, one after the other in a compiled loop, and messages are
arrays that the receiver reads where the sender has written them. Between two such stretches the
models are what they would be: the driver goes on with their own methods, and does so from the very
step in which a kernel has come upon something that is theirs to say.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import cache
from operator import is_
from typing import Any, ClassVar

import numpy as np
from lava.magma.core.model.py.model import AbstractPyProcessModel, PyLoihiProcessModel
from lava.magma.core.model.py.ports import (
    AbstractPyPort,
    PyInPort,
    PyOutPort,
    PyRefPort,
    PyRefPortVectorDense,
)

from lava_desire.lava_runtime import compiling
from lava_desire.lava_runtime.arrays import Unfit, address, refuse_shared, take
from lava_desire.lava_runtime.links import is_ours, leaves_as_it_is, plain, ports_of, sent_to
from lava_desire.lava_runtime.order import topological_order

_MOST_SECONDS = 0.004
"""About how long a stretch may take: Ctrl-C, a pause and other threads wait for its end."""

_MOST_STEPS = 4096

_FEWEST = 2
"""Steps of a stretch, at least; fewer are not worth it."""

_TOO_FEW = "no two steps of the run could be taken at once"

_WATCHED = "a debugger or a profiler is on"

Call = tuple[str, list[int]]
"""A kernel by name, and its table."""

_SPK = PyLoihiProcessModel.Phase.SPK


class CompiledSteps:
    """What stands for the steps of a model; of one class of models exactly, not of subclasses.

    Kernels work on arrays of its own, so that the model stays as it is until a stretch has ended
    well: `takes` are those that begin as an attribute of the model, by its name, and `leaves` names
    the attributes that become what they are when it ends. `receives` are the in ports that are
    heard, each with the dtype of its messages, or None where :meth:`calls` looks at it; they are to
    be connected, unless they are in `optional`. `messages` are what the out ports send: each an
    array that a kernel writes, or that holds what is sent in all steps of a stretch. `reads` are
    RefPorts that read in each step what a Var then holds; `variables` the arrays in which a kernel
    has what Vars hold.
    """

    kernels: ClassVar[str] = "lava_desire.lava_runtime.kernels"
    """The module whose kernels it calls."""
    receives: ClassVar[dict[str, Any]] = {}
    reads: frozenset[str] = frozenset()
    optional: ClassVar[frozenset[str]] = frozenset()
    leaves: tuple[str, ...] = ()
    gives_up: ClassVar[str] = "left what a float can hold"
    """What the model does in a step that a kernel leaves to it."""
    early: frozenset[str] = frozenset()
    """Out ports whose messages are there before anything has been received."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.takes: dict[str, Any] = {}
        self.messages: dict[str, Any] = {}
        self.variables: dict[str, Any] = {}

    def room(self, step: int) -> int:
        """Return how many of the steps after this one, at most, may be gone through; 0 for none."""
        return _MOST_STEPS

    def calls(self, heard: dict[str, Any]) -> tuple[list[Call], list[Call]]:
        """Return what is called in each step: before anything is received, and afterwards.

        `heard` are the arrays in which messages come, and those that are read. Raises Unfit.
        """
        raise NotImplementedError

    def begin(self) -> bool:
        """Take what the model holds when a stretch begins.

        Returns whether :meth:`calls` would return the same. Raises Unfit.
        """
        for name, array in self.takes.items():
            take(array, getattr(self.model, name))
        return True

    def end(self, step: int) -> None:
        """Leave in the model what it holds after this step."""
        for name in self.leaves:
            getattr(self.model, name)[...] = self.takes[name]


_steps_of: dict[type, type[CompiledSteps]] = {}
_methods_of: dict[type, _Methods] = {}


def steps_for(
    *model_classes: type,
) -> Callable[[type[CompiledSteps]], type[CompiledSteps]]:
    """Return a decorator of the compiled steps of models of exactly these classes.

    A class of which a method was replaced before keeps what it has.
    """

    def register(steps: type[CompiledSteps]) -> type[CompiledSteps]:
        for each in model_classes:
            methods = _Methods(each)
            if methods.are_own:
                _steps_of[each], _methods_of[each] = steps, methods
        return steps

    return register


def _methods(model_class: type) -> list[tuple[type, str, Any]]:
    """Return all methods of a model's classes, with where they are from."""
    return [
        (cls, name, method)
        for cls in model_class.__mro__
        if issubclass(cls, AbstractPyProcessModel)
        for name, method in vars(cls).items()
        if not name.startswith("__") and callable(getattr(method, "__func__", method))
    ]


def _is_own(cls: type, method: Any) -> bool:
    """Tell whether a method is written in the file of its class."""
    if isinstance(method, type):
        return True
    code = getattr(getattr(method, "__func__", method), "__code__", None)
    return code is not None and code.co_filename == sys.modules[cls.__module__].__file__


class _Methods:
    """The methods of a class of models, and whether they are still what they were."""

    def __init__(self, model_class: type) -> None:
        found = _methods(model_class)
        self.are_own = all(_is_own(cls, method) for cls, _, method in found)
        self._class = model_class
        self._found = found
        self._reached = {name: getattr(model_class, name) for _, name, _ in found}

    def are_as_written(self) -> bool:
        """Tell whether neither the class, nor one above it, has others by now."""
        return all(vars(cls).get(name) is method for cls, name, method in self._found) and all(
            getattr(self._class, name) == each for name, each in self._reached.items()
        )

    def are_of_class(self, model: Any) -> bool:
        """Tell whether a model has none of its own in their place."""
        return not self._reached.keys() & vars(model).keys()


class Program:
    """The kernels of a network, in an order in which every message is there when it is read."""

    def __init__(self, states: list[Any]) -> None:
        self._models = [state.model for state in states]
        self._names = [name_of(state) for state in states]
        self._parts: list[CompiledSteps] = []
        for name, model in zip(self._names, self._models, strict=True):
            with _said_of(name):
                self._parts.append(_steps_of[type(model)](model))
        self._ports = [
            (f"{name} of {owner}", port)
            for owner, model in zip(self._names, self._models, strict=True)
            for name, port in ports_of(model, AbstractPyPort)
        ]
        self._vars = [
            (vars(model), var, f"{var} of {name}")
            for name, model in zip(self._names, self._models, strict=True)
            for var in model.var_id_to_var_map.values()
        ]
        self._choice = compiling.choice()
        self._modules = frozenset(part.kernels for part in self._parts)
        self._kernels: dict[str, compiling.Kernel] | None = None
        self._table: Any = None
        self._off: str | None = None  # why kernels are not for this run, or the rest of it
        self._passing = _TOO_FEW  # why they were not for a step
        self._has_asked = False
        self._was_watched = False
        self._seen: list[Any] = []  # Vars that share no memory
        self._num_steps = _FEWEST
        self._looked = 0.0
        self._wire()
        self._wire_vars(states)

    @classmethod
    def of(cls, states: list[Any]) -> Program:
        """Return the program of a network. Raises Unfit, with why there is none."""
        if compiling.choice() == "never":
            raise Unfit("compiled steps were switched off by compiled='never'")
        if not states:
            raise Unfit("it has no models")
        for state in states:
            obstacle = _obstacle(state)
            if obstacle is not None:
                raise Unfit(f"{name_of(state)} {obstacle}")
        if not all(_sums_in_order(num_out) for num_out in (2, 100)):
            raise Unfit("this NumPy sums in another order than kernels do")
        return cls(states)

    def why(self) -> str | None:
        """Return why models go by their own methods in this run, or None where kernels may run."""
        if self._off is None and self._kernels is None and self._has_asked:
            return compiling.why_none(self._modules, self._choice)
        return self._off

    def why_not_now(self) -> str:
        """Return why no step of a run was gone through, of kernels that might have."""
        return self._passing

    # Wiring

    def _wire(self) -> None:
        """Find who sends to whom, and the order."""
        senders: dict[int, tuple[int, str]] = {}
        for number, part in enumerate(self._parts):
            with _said_of(self._names[number]):
                for name, port in ports_of(part.model, PyOutPort):
                    for channel in sent_to(name, port, part.messages):
                        senders[id(channel)] = number, name
        self._heard: list[dict[str, list[tuple[int, str]]]] = []
        edges = []
        for number, part in enumerate(self._parts):
            heard: dict[str, list[tuple[int, str]]] = {}
            for name, port in ports_of(part.model, PyInPort):
                if name not in part.receives:
                    continue  # what comes there is not looked at
                dtype = part.receives[name]
                if not port.csp_ports and name in part.optional:
                    continue
                with _said_of(self._names[number]):
                    channels = plain(name, port, dtype)
                    heard[name] = [senders.get(id(each), (-1, "")) for each in channels]
                    if (-1, "") in heard[name]:
                        raise Unfit(f"hears at {name} from where nothing is known of")
                edges += [
                    (sender, number)
                    for sender, port_name in heard[name]
                    if port_name not in self._parts[sender].early
                ]
            self._heard.append(heard)
        order = topological_order(len(self._parts), edges)
        self._order = sorted(order, key=lambda number: bool(self._parts[number].reads))
        place = {number: at for at, number in enumerate(self._order)}
        if any(place[sender] >= place[receiver] for sender, receiver in edges):
            waiting = next(b for a, b in edges if place[a] >= place[b])
            raise Unfit(f"{self._names[waiting]} is in a loop in which nobody sends first")

    def _wire_vars(self, states: list[Any]) -> None:
        """Find which RefPort reads which Var."""
        owners = {
            id(requests): (number, port.var_name)
            for number, state in enumerate(states)
            for port, requests in state.var_ports
        }
        self._read: list[dict[str, Any]] = []
        for number, part in enumerate(self._parts):
            read = {}
            for name, port in ports_of(part.model, PyRefPort):
                if not port.csp_ports:
                    continue
                is_plain = leaves_as_it_is(port._transformer)
                owner = owners.pop(id(port._csp_send_port.channel), None)
                with _said_of(self._names[number]):
                    if type(port) is not PyRefPortVectorDense or not is_plain or owner is None:
                        raise Unfit(f"reads a Var by {name}, reshaped or as no dense array")
                    values = self._parts[owner[0]].variables.get(owner[1])
                    comes = port._csp_recv_port.channel.dtype
                    if name not in part.reads or values is None or values.dtype != comes:
                        of = self._names[owner[0]]
                        raise Unfit(f"reads {owner[1]} of {of} by {name}, which has no kernel")
                read[name] = values
            self._read.append(read)
        if owners:
            number, var = next(iter(owners.values()))
            raise Unfit(f"{self._names[number]} is asked for {var} by more than one port")

    # Runs

    def begin_run(self) -> None:
        """Find out at the beginning of a run whether kernels may run in it."""
        self._looked = time.perf_counter()
        self._passing, self._has_asked, self._was_watched = _TOO_FEW, False, False
        self._seen = []
        self._off = self._why_none()

    def _why_none(self) -> str | None:
        """Return why kernels may not run: a setting, or methods that have been replaced."""
        if np.geterr()["under"] != "ignore":
            return "np.errstate is not to ignore underflow, which kernels say nothing of"
        replaced = {
            each for each in map(type, self._models) if not _methods_of[each].are_as_written()
        }
        for name, model in zip(self._names, self._models, strict=True):
            if type(model) in replaced or not _methods_of[type(model)].are_of_class(model):
                return f"{name}, or its class, was given another method"
        for name, port in self._ports:
            if not is_ours(port):
                return f"{name} was given another method"
        return None

    def advance(self, most: int) -> int:
        """Go through as many steps as may be, `most` at most; return their number, 0 for none."""
        if self._off is not None:
            return 0
        if _is_watched():
            self._passing, self._was_watched = _WATCHED, True
            return 0
        if self._was_watched:
            self._was_watched, self._off = False, self._why_none()
            if self._off is not None:
                return 0
        if self._kernels is None and not self._load():
            return 0
        step = self._models[0].time_step
        room = min(most, self._num_steps)
        for part in self._parts:
            room = min(room, part.room(step))
            if room < _FEWEST:
                return 0
        began = time.perf_counter()
        try:
            self._refuse_unlike()
            self._refuse_shared()
            hold = []
            for name, part in zip(self._names, self._parts, strict=True):
                with _said_of(name):
                    hold.append(part.begin())
            if self._table is None or not all(hold):
                self._table = self._tabled()
        except Unfit as unfit:
            self._off = str(unfit)
            self._table = None  # a part before may have noted an array that is not in it
            return 0
        done = self._through(step, room)
        if done < room:
            # The step that comes next is for the models; arrays may hold what is half of it.
            giving = self._owners[self._table[0]]
            self._off = (
                f"{self._names[giving]} {self._parts[giving].gives_up} in step {step + done + 1}"
            )
            for part in self._parts:
                part.begin()
            if done == 0 or self._through(step, done) < done:
                return 0
        step += done
        for part in self._parts:
            part.end(step)
            attributes = vars(part.model)
            attributes["time_step"], attributes["phase"] = step, _SPK
        seconds = time.perf_counter() - began
        if seconds > 2 * _MOST_SECONDS:
            self._num_steps = max(room // 2, _FEWEST)
        elif room == self._num_steps and seconds < _MOST_SECONDS / 2:
            self._num_steps = min(2 * self._num_steps, _MOST_STEPS)
        return done

    def _refuse_unlike(self) -> None:
        """Raise Unfit if models are at different time steps, or one asks for a pause or a stop."""
        first, step = self._names[0], self._models[0].time_step
        for name, model in zip(self._names, self._models, strict=True):
            if model.time_step != step:
                raise Unfit(f"{name} is at time step {model.time_step}, and {first} at {step}")
            if model._req_pause or model._req_stop:
                raise Unfit(f"{name} asks for a pause or a stop")

    def _refuse_shared(self) -> None:
        """Raise Unfit if Vars of the network share memory: what one becomes, so does the other."""
        found = [attributes.get(var) for attributes, var, _ in self._vars]
        if len(found) == len(self._seen) and all(map(is_, found, self._seen)):
            return
        arrays = [
            (values, place)
            for values, (_, _, place) in zip(found, self._vars, strict=True)
            if isinstance(values, np.ndarray)
        ]
        # Arrays that are no views, and not one and the same, share none.
        if len({id(values) for values, _ in arrays}) < len(arrays) or any(
            values.base is not None for values, _ in arrays
        ):
            refuse_shared(arrays)
        self._seen = found

    def _through(self, step: int, num_steps: int) -> int:
        """Run the kernels in steps after this one; return how many steps they have gone through."""
        self._table[0] = num_steps
        return int(self._run(self._table_at, step + 1))

    def _load(self) -> bool:
        """Load the kernels, if that can be done now; return whether they are there."""
        now = time.perf_counter()
        compiling.has_run(now - self._looked)
        self._looked, self._has_asked = now, True
        self._kernels = compiling.kernels(self._modules, self._choice)
        if self._kernels is None:
            return False
        self._run = self._kernels["run"].call
        return True

    def _tabled(self) -> Any:
        """Return the table of the loop over all kernels."""
        early: list[Call] = []
        late: list[Call] = []
        owners: tuple[list[int], list[int]] = [], []
        self._arrays: list[Any] = []  # that tables hold the addresses of
        for number in self._order:
            part, heard = self._parts[number], dict(self._read[number])
            for name, senders in self._heard[number].items():
                messages = [self._parts[sender].messages[port] for sender, port in senders]
                heard[name] = messages[0] if len(messages) == 1 else self._sum(messages, late)
            with _said_of(self._names[number]):
                before, after = part.calls(heard)
            early += before
            late += after
            owners[0].extend([number] * (len(early) - len(owners[0])))
            owners[1].extend([number] * (len(late) - len(owners[1])))
        self._owners = owners[0] + owners[1]
        words = [0, len(early) + len(late)]
        for name, table in (*early, *late):
            self._arrays.append(np.array(table, np.int64))
            words += [self._kernels[name].address, address(self._arrays[-1])]  # type: ignore[index]
        whole = np.array(words, np.int64)
        self._table_at = address(whole)
        return whole

    def _sum(self, messages: list[Any], calls: list[Call]) -> Any:
        total = np.zeros(messages[0].shape)
        self._arrays.append(total)
        calls.append(("add", [total.size, len(messages), address(total), *map(address, messages)]))
        return total


@cache
def _sums_in_order(num_out: int) -> bool:
    """Tell whether NumPy sums rows of so many outputs one after the other, as the kernels do."""
    # Only so 0.4 is left: in any other order more of them, or none, outlast the large numbers.
    terms = np.array([2.0**60, 0.4, -(2.0**60), 0.4] * 16)
    rows = np.repeat(terms[:, np.newaxis], num_out, axis=1)
    chosen = np.ones(len(terms), bool)
    by_output = np.ascontiguousarray(rows.T)[:, chosen].sum(axis=1)  # as Lava's Dense
    by_input = np.add.reduce(rows.take(chosen.nonzero()[0], axis=0), axis=0)  # as DesireDense
    return bool((by_output == 0.4).all() and (by_input == 0.4).all())


def name_of(state: Any) -> str:
    """Return what a model is called: its class, and its process."""
    return f"{type(state.model).__name__} of {state.label}"


class _said_of:  # noqa: N801
    """Puts the name of a model in front of why it is unfit; a quick context, for every stretch."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        if isinstance(error, Unfit):
            raise Unfit(f"{self._name} {error}") from None


def _obstacle(state: Any) -> str | None:
    """Return why a model has no compiled steps, as what is said of it, or None."""
    if not state.is_loihi:
        return "is asynchronous"
    if state.polls_by_itself:
        return "decides by itself on which ports it is asked"
    model = type(state.model)
    if model in _steps_of:
        return None
    if "fixed_pt" in getattr(model, "tags", ()):
        return "computes in fixed_pt, which has no compiled steps"
    above = [each.__name__ for each in model.__mro__ if each in _steps_of]
    if above:
        return f"has no compiled steps, which are of {above[0]} itself and of no class derived"
    return "has no compiled steps"


def _is_watched() -> bool:
    """Tell whether a debugger or a profiler is to see the models."""
    if sys.gettrace() is not None or sys.getprofile() is not None:
        return True
    monitoring = getattr(sys, "monitoring", None)  # Python 3.12
    return monitoring is not None and any(
        monitoring.get_tool(tool) is not None
        for tool in (monitoring.DEBUGGER_ID, monitoring.PROFILER_ID)
    )
