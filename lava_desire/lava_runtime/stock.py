"""Compiled steps of Lava's own models in floating point: LIF, Dense, ring buffers, Monitor."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

import numpy as np
from lava.proc.dense.models import PyDenseModelFloat
from lava.proc.io.sink import PyReceiveModelFloat
from lava.proc.io.source import PySendModelFloat
from lava.proc.lif.models import PyLifModelFloat
from lava.proc.monitor.models import PyMonitorModel

from lava_desire.lava_runtime.arrays import Unfit, address, check_alike, fit, take
from lava_desire.lava_runtime.compat import LAVA_VERSION
from lava_desire.lava_runtime.program import Call, CompiledSteps, steps_for

_DOUBLE = np.dtype(np.float64)

_MOST_WEIGHTS = 2**18
"""Of a Dense: to see in each stretch that so many are the same costs more than kernels gain."""

_RECORDED = (_DOUBLE, np.dtype(np.float32), np.dtype(bool))
"""What a monitor records in compiled code, in the order of its kernel."""


def _number(value: Any) -> Any:
    """Return a model's number as its equations take it, or raise Unfit."""
    if isinstance(value, np.ndarray):
        if value.dtype != _DOUBLE or value.size != 1:
            raise Unfit(
                f"has {value.size} values of {value.dtype} for du, dv or vth: expected one float64"
            )
        return value.reshape(())[()]
    if not isinstance(value, (float, int)):  # np.float64 is a float
        raise Unfit(f"has a {type(value).__name__} for du, dv or vth")
    return value


class LifSteps(CompiledSteps):
    """u = u (1 - du) + a;  v = v (1 - dv) + u + bias;  s = v > vth, and v = 0 where s."""

    receives: ClassVar[dict[str, Any]] = {"a_in": _DOUBLE}
    optional = frozenset({"a_in"})
    leaves = ("u", "v")

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        shape = tuple(model.s_out._shape)
        self.takes = {name: np.zeros(shape) for name in ("u", "v", "bias_mant")}
        self._spikes, self._nothing, self._constants = np.zeros(shape), np.zeros(shape), np.zeros(3)
        self.messages = {"s_out": self._spikes}
        self.variables = {name: self.takes[name] for name in self.leaves}

    def calls(self, heard: dict[str, Any]) -> tuple[list[Call], list[Call]]:
        """See :class:`CompiledSteps`."""
        activation = heard.get("a_in", self._nothing)
        arrays = *self.takes.values(), activation, self._spikes, self._constants
        return [], [("lif_float", [self._spikes.size, *map(address, arrays)])]

    def begin(self) -> bool:
        """See :class:`CompiledSteps`."""
        model = self.model
        du, dv, vth = _number(model.du), _number(model.dv), _number(model.vth)
        self._constants[...] = 1 - du, 1 - dv, vth
        return super().begin()

    def end(self, step: int) -> None:
        """See :class:`CompiledSteps`."""
        super().end(step)
        self.model.s_out_buff = self._spikes != 0


class DenseSteps(CompiledSteps):
    """a[t] = W s[t - 1]: the sum of the columns of the inputs that spike, in their order."""

    receives: ClassVar[dict[str, Any]] = {"s_in": _DOUBLE}
    early = frozenset({"a_out"})

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        if model.weights.ndim != 2 or len(model.weights) < 2:
            # NumPy sums a single row in another order.
            raise Unfit(f"has weights {model.weights.shape}: kernels take two outputs or more")
        if model.weights.size > _MOST_WEIGHTS:
            raise Unfit(f"has {model.weights.size} weights: kernels take {_MOST_WEIGHTS} at most")
        self._weights = np.zeros(model.weights.shape)
        self._by_input = np.zeros(model.weights.T.shape)
        self._sums, self._message = np.zeros(len(model.weights)), np.zeros(len(model.weights))
        self.messages = {"a_out": self._message}
        self.variables = {"a_buff": self._sums}

    def calls(self, heard: dict[str, Any]) -> tuple[list[Call], list[Call]]:
        """See :class:`CompiledSteps`."""
        (num_out, num_in), sums = self._weights.shape, address(self._sums)
        arrays = self._by_input, heard["s_in"], self._sums
        return (
            [("send", [num_out, sums, address(self._message)])],
            [("dense_float", [num_out, num_in, *map(address, arrays)])],
        )

    def begin(self) -> bool:
        """See :class:`CompiledSteps`."""
        model, bits = self.model, self.model.num_message_bits
        if not isinstance(bits, np.ndarray) or bits.size != 1 or bits.item() > 0:
            # Graded spikes are a product of BLAS.
            raise Unfit("hears graded spikes (num_message_bits): kernels take those without value")
        check_alike(self._weights, model.weights)
        if not np.array_equal(model.weights, self._weights):
            self._weights[...] = model.weights
            self._by_input[...] = self._weights.T
        take(self._sums, model.a_buff)
        return True

    def end(self, step: int) -> None:
        """See :class:`CompiledSteps`."""
        self.model.a_buff = self._sums.copy()


class SourceSteps(CompiledSteps):
    """s[t] = data[..., (t - 1) mod length]."""

    early = frozenset({"s_out"})

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._message = np.zeros(model.s_out._shape)
        self._data: Any = None
        self.messages = {"s_out": self._message}

    def calls(self, heard: dict[str, Any]) -> tuple[list[Call], list[Call]]:
        """See :class:`CompiledSteps`."""
        sizes = [self._message.size, self._data.shape[-1]]
        return [("ring_source", [*sizes, address(self._data), address(self._message)])], []

    def begin(self) -> bool:
        """See :class:`CompiledSteps`."""
        data, before = self.model.data, self._data
        self._data = fit(data, _DOUBLE, (*self._message.shape, data.shape[-1]))
        return data is before


class SinkSteps(CompiledSteps):
    """data[..., (t - 1) mod length] = a[t]."""

    receives: ClassVar[dict[str, Any]] = {"a_in": _DOUBLE}

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._data: Any = None

    def calls(self, heard: dict[str, Any]) -> tuple[list[Call], list[Call]]:
        """See :class:`CompiledSteps`."""
        message = heard["a_in"]
        sizes = [message.size, self._data.shape[-1]]
        return [], [("ring_sink", [*sizes, address(self._data), address(message)])]

    def begin(self) -> bool:
        """See :class:`CompiledSteps`."""
        data, before = self.model.data, self._data
        self._data = fit(data, _DOUBLE, (*self.model.a_in._shape, data.shape[-1]))
        return data is before


class MonitorSteps(CompiledSteps):
    """rows[t - 1] = what a port sends in step t, or what a Var then holds."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        parameters = model.proc_params
        num_vars, num_ports = parameters["n_ref_ports"], parameters["n_in_ports"]
        if num_vars + num_ports != 1:
            raise Unfit(f"probes {num_vars + num_ports} members: kernels record one")
        names = parameters["VarsData1" if num_vars else "VarsData2"]
        ports = parameters["RefPorts" if num_vars else "InPorts"]
        self._name, self._port = names[0], ports[0]
        if num_vars:
            self.reads = frozenset(ports[:1])
        else:
            self.receives = {self._port: None}  # type: ignore[misc]
        self._rows: Any = None

    def room(self, step: int) -> int:
        """See :class:`CompiledSteps`: as many as there are rows for."""
        return len(getattr(self.model, self._name)) - step

    def calls(self, heard: dict[str, Any]) -> tuple[list[Call], list[Call]]:
        """See :class:`CompiledSteps`."""
        values = heard[self._port]
        if values.dtype not in _RECORDED or values.shape != self._rows.shape[1:]:
            raise Unfit(f"records {values.shape} of {values.dtype}, which has no kernel")
        table = [values.size, address(self._rows), address(values), _RECORDED.index(values.dtype)]
        return [], [("record", table)]

    def begin(self) -> bool:
        """See :class:`CompiledSteps`."""
        rows, before = getattr(self.model, self._name), self._rows
        self._rows = fit(rows, _DOUBLE, rows.shape)
        return rows is before


def _is_known_lava() -> bool:
    try:
        return version("lava-nc") == LAVA_VERSION
    except PackageNotFoundError:
        return False


if _is_known_lava():  # another may compute otherwise
    steps_for(PyLifModelFloat)(LifSteps)
    steps_for(PyDenseModelFloat)(DenseSteps)
    steps_for(PySendModelFloat)(SourceSteps)
    steps_for(PyReceiveModelFloat)(SinkSteps)
    steps_for(PyMonitorModel)(MonitorSteps)
