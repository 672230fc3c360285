"""Process models of the plastic connection, all to all."""

from __future__ import annotations

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire.proc.desire_connection.models import AbstractPyDesireConnectionModelFloat
from lava_desire.proc.desire_connection.models_fixed import AbstractPyDesireConnectionModelFixed
from lava_desire.proc.desire_dense.process import DesireDense
from lava_desire.proc.desire_dense.sums import DenseSums


@implements(proc=DesireDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDesireDenseModelFloat(AbstractPyDesireConnectionModelFloat):
    """Floating point."""

    sums = DenseSums


@implements(proc=DesireDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDesireDenseModelFixed(AbstractPyDesireConnectionModelFixed):
    """Fixed point."""

    sums = DenseSums
