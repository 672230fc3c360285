"""Repairs of Lava 0.10.0, module by module, each with its reason.

Lava was made for Python 3.10 and NumPy 1; nothing of it is changed but what stands here.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from lava_desire.lava_runtime.discovery import find_models

_NUMPY = np.lib.NumpyVersion(np.__version__)

_VAR_MODEL = "lava.magma.compiler.var_model"


@dataclasses.dataclass(frozen=True)
class Mend:
    """What is done to one module of Lava.

    `reason` is a sentence: what is wrong with the module as released, and where; `needed`, whether
    it is wrong with this Python and these packages. `around` makes a context in which the module's
    code runs; `after` takes the module whose code has run, and changes it.
    """

    module: str
    reason: str
    needed: bool = True
    around: Callable[[], AbstractContextManager[None]] | None = None
    after: Callable[[ModuleType], None] | None = None


@contextmanager
def start_method_may_be_set() -> Iterator[None]:
    """Ignore that a module sets the start method of multiprocessing, where that is an error."""
    ask = multiprocessing.set_start_method
    is_set = multiprocessing.get_start_method(allow_none=True) is not None
    if is_set or "fork" not in multiprocessing.get_all_start_methods():
        multiprocessing.set_start_method = lambda *_, **__: None
    try:
        yield
    finally:
        multiprocessing.set_start_method = ask


@contextmanager
def unhashable_defaults_allowed(module_name: str) -> Iterator[None]:
    """Replace ``dataclasses.dataclass`` by one that is lenient with the classes of one module."""
    strict = dataclasses.dataclass
    dataclasses.dataclass = _lenient(strict, module_name)
    try:
        yield
    finally:
        dataclasses.dataclass = strict


def _lenient(strict: Callable[..., Any], module_name: str) -> Callable[..., Any]:
    def dataclass(cls: type | None = None, /, **options: Any) -> Any:
        if cls is None:
            return lambda decorated: dataclass(decorated, **options)
        if cls.__module__ == module_name:
            for name in inspect.get_annotations(cls):
                default = cls.__dict__.get(name)
                if dataclasses.is_dataclass(default) and type(default).__hash__ is None:
                    setattr(cls, name, dataclasses.field(default_factory=_copier(default)))
        return strict(cls, **options)

    return dataclass


def _copier(default: Any) -> Callable[[], Any]:
    return lambda: copy.copy(default)


def _give_decorator_back(module: ModuleType) -> None:
    # The module keeps the name it imported.
    vars(module)["dataclass"] = dataclasses.dataclass


def _reshape(array: Any, shape: Any) -> Any:
    return np.reshape(array, shape)


def _reshape_by_position(module: ModuleType) -> None:
    def forward(self: Any) -> Any:
        """Return what gives incoming data the new shape."""
        return functools.partial(_reshape, shape=self.shape)

    def backward(self: Any) -> Any:
        """Return what gives incoming data the old shape."""
        return functools.partial(_reshape, shape=self.old_shape)

    port: Any = vars(module)["ReshapePort"]
    port.get_transform_func_fwd, port.get_transform_func_bwd = forward, backward


def _allocate_by_slice(module: ModuleType) -> None:
    def run_spk(self: Any) -> None:
        """Send the id of the next neuron, counted from 1, where one is asked for, else zeros."""
        signal = np.zeros(shape=self.allocate_out.shape, dtype=np.int32)
        if self.trigger_in.recv()[0]:
            signal[:1] = self.next_alloc_id
            self.next_alloc_id += 1
        self.allocate_out.send(signal)

    model: Any = vars(module)["PyAllocatorModel"]
    model.run_spk = run_spk


def _take_a_number(module: ModuleType) -> None:
    of_number = vars(module)["inv_sqrt"]

    @functools.wraps(of_number)
    def inv_sqrt(s_fp: Any, *arguments: Any, **options: Any) -> Any:
        return of_number(np.asarray(s_fp).item(), *arguments, **options)

    vars(module)["inv_sqrt"] = inv_sqrt


def _measure_in_int(module: ModuleType) -> None:
    of_ints = vars(module)["conv"]

    @functools.wraps(of_ints)
    def conv(
        input_: Any,
        weight: Any,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: Any,
    ) -> Any:
        sizes = [tuple(map(int, each)) for each in (kernel_size, stride, padding, dilation)]
        return of_ints(input_, weight, *sizes, int(groups))

    vars(module)["conv"] = conv


class NoMemberError(AssertionError, AttributeError):
    """A collection of ports or Vars has no member of a name."""


def _miss_as_python_does(module: ModuleType) -> None:
    collection: Any = vars(module)["Collection"]
    find = collection.__getattr__

    @functools.wraps(find)
    def __getattr__(self: Any, item: Any) -> Any:  # noqa: N807
        try:
            return find(self, item)
        except AssertionError as error:
            raise NoMemberError(*error.args) from None

    collection.__getattr__ = __getattr__


def _iterate_anew(module: ModuleType) -> None:
    def __iter__(self: Any) -> Iterator[Any]:  # noqa: N807
        """Return an iterator of its own over the members."""
        return iter([getattr(self, name) for name in self.member_names])

    collection: Any = vars(module)["Collection"]
    collection.__iter__ = __iter__


def _index_before_the_first_run(module: ModuleType) -> None:
    variable: Any = vars(module)["Var"]
    get_var = variable.get

    @functools.wraps(get_var)
    def get(self: Any, idx: Any = None) -> Any:
        process = self.process
        runs = process is not None and process.runtime
        if idx is None or self.aliased_var is not None or runs:
            return get_var(self, idx)
        from lava_desire.lava_runtime.variables import select_initial  # which imports Lava

        return select_initial(self, idx)

    variable.get = get


def _enter_as_itself(module: ModuleType) -> None:
    def __enter__(self: Any) -> Any:  # noqa: N807
        """Return the process, which is stopped at the end of the block."""
        return self

    process: Any = vars(module)["AbstractProcess"]
    process.__enter__ = __enter__


def _configure_each_port(module: ModuleType) -> None:
    compiler: Any = vars(module)["PyProcCompiler"]
    create = compiler._create_outport_initializers

    @functools.wraps(create)
    def _create_outport_initializers(self: Any, process: Any) -> Any:
        ports = list(process.out_ports)
        kept = [port.connection_configs for port in ports]
        try:
            for number, (port, configs) in enumerate(zip(ports, kept, strict=True)):
                # Lava takes the configuration with the port's own number, which is the first one's.
                first = list(configs.values())[:1]
                port.connection_configs = dict(enumerate(first * (number + 1)))
            return create(self, process)
        finally:
            for port, configs in zip(ports, kept, strict=True):
                port.connection_configs = configs

    compiler._create_outport_initializers = _create_outport_initializers


def _search_without_running(module: ModuleType) -> None:
    graphs: Any = vars(module)["ProcGroupDiGraphs"]
    graphs._find_proc_models = staticmethod(find_models)


def _refuse_wrong_texts(module: ModuleType) -> None:
    var_class: Any = vars(module)["Var"]
    set_var = var_class.set

    @functools.wraps(set_var)
    def set_(self: Any, value: Any, idx: Any = None) -> None:
        if isinstance(value, str) and self.aliased_var is None:
            name = f"{self.name} of {type(self.process).__name__} ({self.process.name})"
            if not isinstance(self.init, str):
                raise ValueError(f"{name} was set to the text {value!r}: expected numbers")
            if not value.isascii():
                raise ValueError(f"{name} was set to {value!r}: expected a str of ASCII characters")
        set_var(self, value, idx)

    var_class.set = set_


def _end_in_silence(module: ModuleType) -> None:
    for name in ("PyLoihiInjectorModel", "PyLoihiInjectorModelAsync"):
        model: Any = vars(module)[name]
        del model.__del__


def _load_what_was_saved(module: ModuleType) -> None:
    load_file = vars(module)["load"]

    @functools.wraps(load_file)
    def load(filename: Any) -> Any:
        suffix = isinstance(filename, str) and not os.path.exists(filename) and ".pickle"
        return load_file(filename + suffix if suffix else filename)

    vars(module)["load"] = load


def _leave_as_it_is(module: ModuleType) -> None:
    find_stored = vars(module)["find"]

    @functools.wraps(find_stored)
    def find(mat: Any, explicit_zeros: bool = False) -> Any:
        return find_stored(mat.copy() if explicit_zeros else mat, explicit_zeros)

    vars(module)["find"] = find


MENDS = (
    Mend(
        _VAR_MODEL,
        "Three dataclasses have a field whose default is an instance of another dataclass, which "
        "has no hash; from Python 3.11 on dataclasses refuse such a default. Each object gets a "
        "copy of its own.",
        needed=sys.version_info >= (3, 11),
        around=lambda: unhashable_defaults_allowed(_VAR_MODEL),
        after=_give_decorator_back,
    ),
    Mend(
        "lava.magma.runtime.message_infrastructure.multiprocessing",
        "It sets the start method of multiprocessing to fork, which is an error once anything has "
        "used multiprocessing, and on Windows, which has none. Where a method is set, it stays.",
        around=start_method_may_be_set,
    ),
    Mend(
        "lava.magma.core.process.ports.ports",
        "Ports that are reshaped or flattened call numpy.reshape(newshape=...), deprecated in "
        "NumPy 2.1 and gone in 2.4.",
        needed=_NUMPY >= "2.1.0",
        after=_reshape_by_position,
    ),
    Mend(
        "lava.proc.clp.nsm.models",
        "The allocator assigns an array of one number to an element of another, which is an error "
        "from NumPy 2.4 on; the network then waits for ever on Lava's own runtime.",
        needed=_NUMPY >= "2.4.0",
        after=_allocate_by_slice,
    ),
    Mend(
        "lava.proc.graded.models",
        "The inverse square root in fixed point calls int() on an array of one number, which is an "
        "error from NumPy 2.4 on.",
        needed=_NUMPY >= "2.4.0",
        after=_take_a_number,
    ),
    Mend(
        "lava.proc.conv.utils",
        "A convolution reckons the sizes of its planes with numbers of 8 bits, which NumPy 2 no "
        "longer widens: a plane of more than 127 pixels is an error there.",
        needed=_NUMPY >= "2.0.0",
        after=_measure_in_int,
    ),
    Mend(
        "lava.magma.core.process.process",
        "A collection of ports answers a question for an attribute that it has not with an "
        "AssertionError; inspect, and with it unittest.mock, asks for some from Python 3.12 on.",
        needed=sys.version_info >= (3, 12),
        after=_miss_as_python_does,
    ),
    Mend(
        "lava.magma.core.process.process",
        "A collection of ports or Vars is its own iterator: a loop over it goes on where one "
        "before it, or one around it, has stopped.",
        after=_iterate_anew,
    ),
    Mend(
        "lava.magma.core.process.variable",
        "Before the first run a Var gives all its values, whatever index is asked for.",
        after=_index_before_the_first_run,
    ),
    Mend(
        "lava.magma.core.process.process",
        "A process in a with statement is bound to None by it.",
        after=_enter_as_itself,
    ),
    Mend(
        "lava.magma.core.process.variable",
        "A Var of numbers that is set to a text of one character becomes the character's code, and "
        "one that is no ASCII raises an error without the Var's name.",
        after=_refuse_wrong_texts,
    ),
    Mend(
        "lava.magma.compiler.subcompilers.py.pyproc_compiler",
        "The second out port of a process is an IndexError where it was connected with a "
        "configuration, and so is each further one.",
        after=_configure_each_port,
    ),
    Mend(
        "lava.proc.io.injector",
        "A model of the Injector that is deleted joins a port that it does not have, and Python "
        "prints the AttributeError.",
        after=_end_in_silence,
    ),
    Mend(
        "lava.utils.serialization",
        "What was saved under a name without a suffix is not found under that name.",
        after=_load_what_was_saved,
    ),
    Mend(
        "lava.utils.sparse",
        "To find explicit zeros it writes into the matrix, which may be one to be read only.",
        after=_leave_as_it_is,
    ),
    Mend(
        "lava.magma.compiler.compiler_graphs",
        "To find the models of a process it runs every file beside it, a script without a "
        "__main__ guard as well, which starts its network again, without end.",
        after=_search_without_running,
    ),
)
"""Every mend."""
