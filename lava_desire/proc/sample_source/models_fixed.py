"""How the source of samples runs in integers, on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire import fixed
from lava_desire.proc.sample_source.models import AbstractPySampleSourceModel
from lava_desire.proc.sample_source.process import SampleSource


@implements(proc=SampleSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySampleSourceModelFixed(AbstractPySampleSourceModel):
    """Fixed point: brightness is an integer in [0, 255]."""

    brightness_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def _in_its_arithmetic(self, images: Any, labels: Any) -> tuple[Any, Any]:
        return fixed.integer_brightness(images), labels
