"""Processes that Lava allows and few write. They have a folder of their own: see `waiters`."""

from __future__ import annotations

import time
from contextvars import ContextVar

import numpy as np

import lava_desire.proc  # noqa: F401  (lets Lava import)

from lava.magma.core.decorator import implements, requires, tag  # isort: skip
from lava.magma.core.model.py.model import PyAsyncProcessModel, PyLoihiProcessModel  # isort: skip
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort  # isort: skip
from lava.magma.core.model.py.type import LavaPyType  # isort: skip
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort  # isort: skip
from lava.magma.core.process.process import AbstractProcess  # isort: skip
from lava.magma.core.process.variable import Var  # isort: skip
from lava.magma.core.resources import CPU  # isort: skip
from lava.magma.core.sync.protocols.async_protocol import AsyncProtocol  # isort: skip
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol  # isort: skip


SAID = ContextVar("SAID", default="by nobody")

heard: list[str] = []
stopped: list[AbstractProcess] = []


class UnspeakableError(Exception):
    """An error that cannot say what it is."""

    def __str__(self):
        raise ValueError("no text")


class Acting(AbstractProcess):
    """Does one thing in each step, and draws a number in those that draw."""

    def __init__(self, action, seed=None):
        super().__init__(action=action, seed=seed)
        self.drawn = Var(shape=(4,), init=0)


class Drawer(AbstractProcess):
    """Draws from NumPy's global generator, or its own there, when it is built and in each step."""

    def __init__(self, own=None):
        super().__init__(own=own)
        self.heard_in = InPort(shape=(2,))
        self.said_out = OutPort(shape=(2,))
        self.sum = Var(shape=(2,), init=0)


class Writer(AbstractProcess):
    """Writes its time step to a Var of another process, and reads it back if `waits`."""

    def __init__(self, waits):
        super().__init__(waits=waits)
        self.var_ref = RefPort(shape=(2,))
        self.read = Var(shape=(2,), init=0)


class Spoiler(AbstractProcess):
    """Changes the parameters and the Var that it is given in place."""

    def __init__(self, numbers):
        super().__init__(numbers=numbers)
        self.value = Var(shape=(2,), init=numbers)


class Counter(AbstractProcess):
    """Runs at its own pace: counts, and sends the count `last` times or until it is stopped."""

    def __init__(self, last=None):
        super().__init__(last=last)
        self.count_out = OutPort(shape=(2,))
        self.count = Var(shape=(1,), init=0)


@implements(proc=Acting, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyActingModel(PyLoihiProcessModel):
    drawn: np.ndarray = LavaPyType(np.ndarray, float)

    def run_spk(self):
        action = self.proc_params["action"]
        if action == "generator":
            np.random.set_bit_generator(np.random.Philox(5))
        elif action == "context":
            heard.append(SAID.get())
        elif action == "sleep":
            time.sleep(0.001)
        elif action == "stop":
            stopped[0].stop()
        elif action == "UnspeakableError":
            raise UnspeakableError
        elif action in ("StopIteration", "GeneratorExit"):
            raise {"StopIteration": StopIteration, "GeneratorExit": GeneratorExit}[action]
        else:
            self.drawn[self.time_step % 4] = np.random.rand()
            if action == "seed":
                np.random.seed(self.proc_params["seed"])


@implements(proc=Drawer, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDrawerModel(PyLoihiProcessModel):
    heard_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    said_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    sum: np.ndarray = LavaPyType(np.ndarray, float)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        if proc_params["own"] is not None:
            np.random.set_bit_generator(np.random.PCG64(proc_params["own"]))
        self.first = np.random.randn()  # an odd number: the generator keeps the other of the pair

    def run_spk(self):
        drawn = np.random.randn(2) + self.first
        heard = self.heard_in.recv()  # others draw meanwhile
        self.sum = self.sum + drawn + heard + np.random.rand(2)
        self.said_out.send(np.random.standard_normal(2))


@implements(proc=Writer, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyWriterModel(PyLoihiProcessModel):
    var_ref: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)
    read: np.ndarray = LavaPyType(np.ndarray, float)

    def post_guard(self):
        return True

    def run_post_mgmt(self):
        self.var_ref.write(np.full(2, 100.0 + self.time_step))
        if self.proc_params["waits"]:
            self.read = self.var_ref.read()


@implements(proc=Spoiler, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PySpoilerModel(PyLoihiProcessModel):
    value: np.ndarray = LavaPyType(np.ndarray, float)

    def run_spk(self):
        self.proc_params["numbers"][:] = -1.0
        self.value[:] = -2.0


@implements(proc=Counter, protocol=AsyncProtocol)
@requires(CPU)
class PyCounterModel(PyAsyncProcessModel):
    count_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    count: np.ndarray = LavaPyType(np.ndarray, float)

    def run_async(self):
        last = self.proc_params["last"]
        while last is None or self.count[0] < last:
            self.count = self.count + 1
            if last is not None:
                self.count_out.send(np.full(2, self.count[0]))
            if self.check_for_stop_cmd() or self.check_for_pause_cmd():
                return
