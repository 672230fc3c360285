"""A process that fails. It has a folder of its own: Lava runs every file beside a process."""

from __future__ import annotations

import os
import signal
import sys

import numpy as np

import lava_desire.proc  # noqa: F401  (lets Lava import)

from lava.magma.core.decorator import implements, requires, tag  # isort: skip
from lava.magma.core.model.py.model import PyLoihiProcessModel  # isort: skip
from lava.magma.core.model.py.ports import PyOutPort  # isort: skip
from lava.magma.core.model.py.type import LavaPyType  # isort: skip
from lava.magma.core.process.ports.ports import OutPort  # isort: skip
from lava.magma.core.process.process import AbstractProcess  # isort: skip
from lava.magma.core.resources import CPU  # isort: skip
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol  # isort: skip


class Troublesome(AbstractProcess):
    """Does in its run what `trouble` says, one of the methods of its model."""

    def __init__(self, trouble):
        super().__init__(trouble=trouble)
        self.s_out = OutPort(shape=(10,))


class UnsendableError(Exception):
    """Cannot be unpickled: its constructor takes two arguments and its args hold one."""

    def __init__(self, one, other):
        super().__init__(one)


@implements(proc=Troublesome, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyTroublesomeModel(PyLoihiProcessModel):
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        if proc_params["trouble"] == "constructor":
            raise OSError("no such device")

    def run_spk(self):
        if self.time_step == 3:
            getattr(self, "do_" + self.proc_params["trouble"])()
        self.s_out.send(np.zeros(10))

    def do_raise(self):
        raise KeyError("third step")

    def do_raise_unsendable(self):
        raise UnsendableError("third", "step")

    def do_die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def do_exit(self):
        sys.exit(3)

    def do_ask_for_pause(self):
        self._req_pause = True

    def do_ask_for_stop(self):
        self._req_stop = True
