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


def _in_place_of(path: str) -> Callable[[Callable[..., Any]], Callable[[ModuleType], None]]:
    """Return a decorator that makes a mend of what is called in the place of Lava's function.

    `path` is ``"NAME"`` of a function of the module, or ``"Class.method"``. What is called in its
    place is given it first; its docstring, where it has one, is shown instead of Lava's.
    """

    def decorate(act: Callable[..., Any]) -> Callable[[ModuleType], None]:
        def mend(module: ModuleType) -> None:
            *owner, name = path.split(".")
            place = getattr(module, owner[0]) if owner else module
            of_lava = getattr(place, name)

            @functools.wraps(of_lava)
            def called(*arguments: Any, **options: Any) -> Any:
                return act(of_lava, *arguments, **options)

            called.__doc__ = act.__doc__ or of_lava.__doc__
            setattr(place, name, called)

        return mend

    return decorate


@_in_place_of("PyAllocatorModel.run_spk")
def _allocate_by_slice(_: Any, model: Any) -> None:
    """Send the id of the next neuron, counted from 1, where one is asked for, else zeros."""
    signal = np.zeros(shape=model.allocate_out.shape, dtype=np.int32)
    if model.trigger_in.recv()[0]:
        signal[:1] = model.next_alloc_id
        model.next_alloc_id += 1
    model.allocate_out.send(signal)


@_in_place_of("inv_sqrt")
def _take_a_number(inv_sqrt: Any, s_fp: Any, *arguments: Any, **options: Any) -> Any:
    return inv_sqrt(np.asarray(s_fp).item(), *arguments, **options)


@_in_place_of("conv")
def _measure_in_int(
    conv: Any,
    input_: Any,
    weight: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
) -> Any:
    sizes = [tuple(map(int, each)) for each in (kernel_size, stride, padding, dilation)]
    return conv(input_, weight, *sizes, int(groups))


class NoMemberError(AssertionError, AttributeError):
    """A collection of ports or Vars has no member of a name."""


@_in_place_of("Collection.__getattr__")
def _miss_as_python_does(find: Any, collection: Any, item: Any) -> Any:
    try:
        return find(collection, item)
    except AssertionError as error:
        raise NoMemberError(*error.args) from None


@_in_place_of("Collection.__iter__")
def _iterate_anew(_: Any, collection: Any) -> Iterator[Any]:
    """Return an iterator of its own over the members."""
    return iter([getattr(collection, name) for name in collection.member_names])


@_in_place_of("Var.get")
def _index_before_the_first_run(get: Any, var: Any, idx: Any = None) -> Any:
    runs = var.process is not None and var.process.runtime
    if idx is None or var.aliased_var is not None or runs:
        return get(var, idx)
    from lava_desire.lava_runtime.variables import select_initial  # which imports Lava

    return select_initial(var, idx)


@_in_place_of("AbstractProcess.__enter__")
def _enter_as_itself(_: Any, process: Any) -> Any:
    """Return the process, which is stopped at the end of the block."""
    return process


@_in_place_of("PyProcCompiler._create_outport_initializers")
def _configure_each_port(create: Any, compiler: Any, process: Any) -> Any:
    ports = list(process.out_ports)
    kept = [port.connection_configs for port in ports]
    try:
        for number, (port, configs) in enumerate(zip(ports, kept, strict=True)):
            # Lava takes the configuration with the port's own number, which is the first one's.
            first = list(configs.values())[:1]
            port.connection_configs = dict(enumerate(first * (number + 1)))
        return create(compiler, process)
    finally:
        for port, configs in zip(ports, kept, strict=True):
            port.connection_configs = configs


def _search_without_running(module: ModuleType) -> None:
    graphs: Any = vars(module)["ProcGroupDiGraphs"]
    graphs._find_proc_models = staticmethod(find_models)


@_in_place_of("Var.set")
def _refuse_wrong_texts(set_: Any, var: Any, value: Any, idx: Any = None) -> None:
    if isinstance(value, str) and var.aliased_var is None:
        name = f"{var.name} of {type(var.process).__name__} ({var.process.name})"
        if not isinstance(var.init, str):
            raise ValueError(f"{name} was set to the text {value!r}: expected numbers")
        if not value.isascii():
            raise ValueError(f"{name} was set to {value!r}: expected a str of ASCII characters")
    set_(var, value, idx)


def _end_in_silence(module: ModuleType) -> None:
    for name in ("PyLoihiInjectorModel", "PyLoihiInjectorModelAsync"):
        model: Any = vars(module)[name]
        del model.__del__


@_in_place_of("load")
def _load_what_was_saved(load: Any, filename: Any) -> Any:
    suffix = isinstance(filename, str) and not os.path.exists(filename) and ".pickle"
    return load(filename + suffix if suffix else filename)


@_in_place_of("find")
def _leave_as_it_is(find: Any, mat: Any, explicit_zeros: bool = False) -> Any:
    return find(mat.copy() if explicit_zeros else mat, explicit_zeros)


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
