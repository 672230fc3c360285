"""Process models of the source of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire.data.checks import refuse_other_shape
from lava_desire.lava_runtime.errors import describe
from lava_desire.proc.messages import owner_of
from lava_desire.proc.sample_source.process import SampleSource
from lava_desire.proc.source import AbstractPySourceModel


@implements(proc=SampleSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt", "fixed_pt", "torch")
class PySampleSourceModel(AbstractPySourceModel):
    """Brightness is a float in either arithmetic: what receives it in integers rounds it."""

    brightness_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)

    @classmethod
    def check_inputs(cls, process: SampleSource, unconnected: frozenset[str]) -> None:
        """Refuse images of another shape than those that a network has learned: ValueError."""
        for port in process.brightness_out.get_dst_ports():
            network = owner_of(port.process, "brightness_in")
            refuse_other_shape(
                process.proc_params["image_shape"],
                getattr(network, "image_shape", None),
                f"images of {describe(process)} are",
                f"those that {describe(network)} has learned",
            )

    def _take(self, data: Any, samples: Any) -> None:
        self._brightness = data[samples].reshape(self.brightness_out.shape)

    def _send(self, step: int) -> None:
        self.brightness_out.send(self._brightness)
