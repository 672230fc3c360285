"""What the sources of samples share: order, labels, held-out samples, one minibatch a window."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from lava_desire.proc.checked_var import A_COUNT, CheckedVar
from lava_desire.proc.window import step_in_window
from lava_desire.randomness import epoch_order


class AbstractSource(AbstractProcess):
    """A data set as a process; see :class:`~lava_desire.proc.SampleSource`.

    Parameters
    ----------
    **parameters
        Of the process, checked: `samples` and `held_out` end with (S,) int64 labels.
    """

    _runtime: Any = None  # Lava's __del__ asks for it, of a refused process as well

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        batch_size = parameters["batch_size"]
        self.label_out = OutPort(shape=(batch_size,))
        self.sample = CheckedVar((batch_size,), 0, A_COUNT)
        self.position = CheckedVar((1,), parameters["position"], A_COUNT)
        self.evaluating = Var(shape=(1,), init=0)


class AbstractPySourceModel(PyLoihiProcessModel):
    """Chooses the samples of a window when it begins, and sends their labels in all its steps."""

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
        step = step_in_window(self.time_step, self._config)
        if step == 1:
            self._choose()
        self._send(step)
        self.label_out.send(self._labels)

    @abstractmethod
    def _take(self, data: Any, samples: Any) -> None:
        """Take the samples of these numbers, (B,) int64, out of a data set."""

    @abstractmethod
    def _send(self, step: int) -> None:
        """Send what was taken, as it is due in this step of the window."""

    def _choose(self) -> None:
        """Find the samples of a window that begins."""
        if self.evaluating[0]:
            data, labels = self._held_out
            self.sample = (self._num_held_out_sent + self._batch) % len(labels)
            self._num_held_out_sent += len(self._batch)
        else:
            data, labels = self._samples
            numbers = self.position[0] + self._batch
            self.sample = np.array([self._index(int(number)) for number in numbers])
            self.position = self.position + len(self._batch)
            self._num_held_out_sent = 0
        self._labels = labels[self.sample]
        self._take(data, self.sample)

    def _index(self, number: int) -> int:
        """Return which sample is the `number`-th to be sent."""
        epoch, place = divmod(number, len(self._samples[1]))
        if not self._shuffle:
            return place
        if epoch != self._epoch:
            self._order = epoch_order(self._config.seed, epoch, len(self._samples[1]))
            self._epoch = epoch
        return int(self._order[place])
