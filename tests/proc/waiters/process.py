"""Processes that wait. They have a folder of their own: Lava runs every file beside a process."""

from __future__ import annotations

import time

import numpy as np

import lava_desire.proc  # noqa: F401  (lets Lava import)

from lava.magma.core.decorator import implements, requires, tag  # isort: skip
from lava.magma.core.model.py.model import PyLoihiProcessModel  # isort: skip
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort  # isort: skip
from lava.magma.core.model.py.type import LavaPyType  # isort: skip
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort  # isort: skip
from lava.magma.core.process.process import AbstractProcess  # isort: skip
from lava.magma.core.process.variable import Var  # isort: skip
from lava.magma.core.resources import CPU  # isort: skip
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol  # isort: skip


class Echo(AbstractProcess):
    """Sends what it has received: before it sends, it receives."""

    def __init__(self):
        super().__init__()
        self.heard_in = InPort(shape=(2,))
        self.said_out = OutPort(shape=(2,))
        self.heard = Var(shape=(2,), init=0)


class Talker(AbstractProcess):
    """Sends the number of its step in the steps up to `last`, after `seconds` of work each."""

    def __init__(self, last=10**9, seconds=0.0):
        super().__init__(last=last, seconds=seconds)
        self.said_out = OutPort(shape=(2,))


class Deaf(AbstractProcess):
    """Has an in port and never receives."""

    def __init__(self):
        super().__init__()
        self.heard_in = InPort(shape=(2,))


class Reader(AbstractProcess):
    """Reads a Var of another process in step `step`, in its spiking phase if `too_early`."""

    def __init__(self, step, too_early=False):
        super().__init__(step=step, too_early=too_early)
        self.var_ref = RefPort(shape=(2,))


@implements(proc=Echo, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyEchoModel(PyLoihiProcessModel):
    heard_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    said_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    heard: np.ndarray = LavaPyType(np.ndarray, float)

    def run_spk(self):
        self.heard = self.heard_in.recv()
        self.said_out.send(self.heard)


@implements(proc=Talker, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyTalkerModel(PyLoihiProcessModel):
    said_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def run_spk(self):
        time.sleep(self.proc_params["seconds"])
        if self.time_step <= self.proc_params["last"]:
            self.said_out.send(np.full(2, float(self.time_step)))


@implements(proc=Deaf, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDeafModel(PyLoihiProcessModel):
    heard_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)


@implements(proc=Reader, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyReaderModel(PyLoihiProcessModel):
    var_ref: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)

    def run_spk(self):
        if self.proc_params["too_early"] and self.time_step == self.proc_params["step"]:
            self.var_ref.read()

    def post_guard(self):
        return not self.proc_params["too_early"] and self.time_step == self.proc_params["step"]

    def run_post_mgmt(self):
        self.var_ref.read()
