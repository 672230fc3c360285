"""A process that sends what it is given, as it is. Lava runs every file beside a process."""

from __future__ import annotations

import numpy as np

import lava_desire.proc  # noqa: F401  (lets Lava import)

from lava.magma.core.decorator import implements, requires  # isort: skip
from lava.magma.core.model.py.model import PyLoihiProcessModel  # isort: skip
from lava.magma.core.model.py.ports import PyOutPort  # isort: skip
from lava.magma.core.model.py.type import LavaPyType  # isort: skip
from lava.magma.core.process.ports.ports import OutPort  # isort: skip
from lava.magma.core.process.process import AbstractProcess  # isort: skip
from lava.magma.core.resources import CPU  # isort: skip
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol  # isort: skip


class AbstractSender(AbstractProcess):
    """Sends the columns of `data`, (N, steps), one a step, again and again."""

    def __init__(self, data):
        super().__init__(data=data)
        self.out = OutPort(shape=data.shape[:1])


class FloatSender(AbstractSender):
    """From a port of float64."""


class SingleSender(AbstractSender):
    """From a port of float32."""


class IntegerSender(AbstractSender):
    """From a port of int32."""


class BitSender(AbstractSender):
    """From a port of bool."""


_SENDERS = {float: FloatSender, np.float32: SingleSender, bool: BitSender}


def Sender(data, kind=float):  # noqa: N802
    """Return a process that sends data from a port of that kind."""
    return _SENDERS.get(kind, IntegerSender)(np.asarray(data, kind))


class PySender(PyLoihiProcessModel):
    def run_spk(self):
        data = self.proc_params["data"]
        self.out.send(data[:, (self.time_step - 1) % data.shape[1]])


@implements(proc=FloatSender, protocol=LoihiProtocol)
@requires(CPU)
class PyFloatSender(PySender):
    out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)


@implements(proc=SingleSender, protocol=LoihiProtocol)
@requires(CPU)
class PySingleSender(PySender):
    out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)


@implements(proc=IntegerSender, protocol=LoihiProtocol)
@requires(CPU)
class PyIntegerSender(PySender):
    out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)


@implements(proc=BitSender, protocol=LoihiProtocol)
@requires(CPU)
class PyBitSender(PySender):
    out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool)
