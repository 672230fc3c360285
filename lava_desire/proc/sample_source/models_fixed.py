"""How the source of samples runs in integers, on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire import fixed
from lava_desire.proc.sample_source.process import SampleSource


@implements(proc=SampleSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySampleSourceModelFixed(PyLoihiProcessModel):
    """Fixed point: brightness is an integer in [0, 255]."""

    brightness_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    label_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    sample: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._window_steps = proc_params["config"].window_steps
        self._images = fixed.integer_brightness(proc_params["images"])
        self._labels = proc_params["labels"]

    def run_spk(self) -> None:
        """Send the sample of this window; the time step alone says which one it is."""
        index = (self.time_step - 1) // self._window_steps % len(self._images)
        self.sample = np.array([index])
        self.brightness_out.send(self._images[index])
        self.label_out.send(self._labels[index : index + 1])
