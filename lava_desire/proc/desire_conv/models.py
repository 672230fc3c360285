"""Process models of the plastic convolution."""

from __future__ import annotations

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire.proc.desire_connection.models import AbstractPyDesireConnectionModelFloat
from lava_desire.proc.desire_connection.models_fixed import AbstractPyDesireConnectionModelFixed
from lava_desire.proc.desire_conv.process import DesireConv
from lava_desire.proc.desire_conv.sums import ConvSums


@implements(proc=DesireConv, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDesireConvModelFloat(AbstractPyDesireConnectionModelFloat):
    """Floating point."""

    sums = ConvSums


@implements(proc=DesireConv, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDesireConvModelFixed(AbstractPyDesireConnectionModelFixed):
    """Fixed point."""

    sums = ConvSums
