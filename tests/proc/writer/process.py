"""A process that writes a Var of another through a RefPort, as Lava's tutorials do."""

from __future__ import annotations

import numpy as np

import lava_desire.proc  # noqa: F401  (lets Lava import)

from lava.magma.core.decorator import implements, requires, tag  # isort: skip
from lava.magma.core.model.py.model import PyLoihiProcessModel  # isort: skip
from lava.magma.core.model.py.ports import PyRefPort  # isort: skip
from lava.magma.core.model.py.type import LavaPyType  # isort: skip
from lava.magma.core.process.ports.ports import RefPort  # isort: skip
from lava.magma.core.process.process import AbstractProcess  # isort: skip
from lava.magma.core.resources import CPU  # isort: skip
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol  # isort: skip


class Writer(AbstractProcess):
    """Writes `value` at time step `step`."""

    def __init__(self, value, step):
        super().__init__(value=value, step=step)
        self.ref = RefPort(shape=np.shape(value))


@implements(proc=Writer, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyWriterModel(PyLoihiProcessModel):
    ref: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)

    def post_guard(self):
        return self.time_step == self.proc_params["step"]

    def run_post_mgmt(self):
        self.ref.write(self.proc_params["value"])
