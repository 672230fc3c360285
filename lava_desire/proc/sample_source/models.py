"""Process models of the source of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire.proc.sample_source.process import SampleSource
from lava_desire.proc.window import step_in_window
from lava_desire.randomness import epoch_order


@implements(proc=SampleSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt", "fixed_pt", "torch")
class PySampleSourceModel(PyLoihiProcessModel):
    """Brightness is a float in either arithmetic: what receives it in integers rounds it."""

    brightness_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    label_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    sample: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)
    position: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)
    evaluating: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._config = proc_params["config"]
        self._samples = proc_params["samples"]
        self._held_out = proc_params["held_out"]
        self._shuffle = proc_params["shuffle"]
        self._batch = np.arange(proc_params["batch_size"])
        self._num_held_out_sent = 0
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def run_spk(self) -> None:
        """Send the samples of this window."""
        if step_in_window(self.time_step, self._config) == 1:
            self._choose()
        self.brightness_out.send(self._brightness)
        self.label_out.send(self._labels)

    def _choose(self) -> None:
        """Find the samples of a window that begins."""
        if self.evaluating[0]:
            images, labels = self._held_out
            self.sample = (self._num_held_out_sent + self._batch) % len(images)
            self._num_held_out_sent += len(self._batch)
        else:
            images, labels = self._samples
            numbers = self.position[0] + self._batch
            self.sample = np.array([self._index(int(number)) for number in numbers])
            self.position = self.position + len(self._batch)
            self._num_held_out_sent = 0
        self._brightness, self._labels = images[self.sample], labels[self.sample]
        if len(self._batch) == 1:
            self._brightness = self._brightness[0]

    def _index(self, number: int) -> int:
        """Return which sample is the `number`-th to be sent."""
        epoch, place = divmod(number, len(self._samples[1]))
        if not self._shuffle:
            return place
        if epoch != self._epoch:
            self._order = epoch_order(self._config.seed, epoch, len(self._samples[1]))
            self._epoch = epoch
        return int(self._order[place])
