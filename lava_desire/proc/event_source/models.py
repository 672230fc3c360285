"""Process models of the source of recordings."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire.lava_runtime.errors import describe
from lava_desire.proc.event_source.process import EventSource
from lava_desire.proc.source import AbstractPySourceModel


@implements(proc=EventSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt", "fixed_pt", "torch")
class PyEventSourceModel(AbstractPySourceModel):
    """Reads the trains of a window when it begins, and sends a time step of them in each step."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool)

    @classmethod
    def check_inputs(cls, process: EventSource, unconnected: frozenset[str]) -> None:
        """Refuse labels that are listened to and are not there.

        Raises ValueError if a network learns from the labels of a source without labels.
        """
        heard = {port.name for port in process.label_out.get_dst_ports()}
        if "label_in" in heard and (process.proc_params["samples"][1] < 0).any():
            raise ValueError(
                f"label_out of {describe(process)} is connected to label_in, and its recordings "
                "have no labels: expected labels, or label_in left open, and nothing is learned"
            )

    def _take(self, data: Any, samples: Any) -> None:
        trains = data(samples)
        self._trains = trains.reshape(len(trains), *self.s_out.shape)
        self._no_spikes = np.zeros(self.s_out.shape, dtype=bool)

    def _send(self, step: int) -> None:
        self.s_out.send(self._trains[step - 1] if step <= len(self._trains) else self._no_spikes)
