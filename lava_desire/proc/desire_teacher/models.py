"""How the teacher runs on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire import rule
from lava_desire.proc.checks import check_labels
from lava_desire.proc.desire_teacher.process import DesireTeacher
from lava_desire.proc.scoring import keep_score
from lava_desire.proc.window import step_in_window


class AbstractPyDesireTeacherModel(PyLoihiProcessModel):
    """What the teacher does in either arithmetic."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    label_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    desire_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    prediction_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    counts_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    counts: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)
    desire: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int8)
    prediction: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)
    num_samples: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)
    num_correct: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)
    num_active: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)
    confusion: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)
    loss: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._config = proc_params["config"]
        size = self._config.layer_sizes[-1]
        self._no_desire = np.zeros(size, np.int8)
        self._no_counts = np.zeros(size, np.int64)
        self._no_prediction = np.zeros(1, np.int64)

    def run_spk(self) -> None:
        """Count spikes; at the end of the trains send desire, prediction and counts."""
        config = self._config
        step = step_in_window(self.time_step, config)
        spikes = self.s_in.recv()
        label = self.label_in.recv()
        if step == 1:
            self.counts = np.zeros_like(self.counts)
        self.counts = self.counts + spikes
        if step != config.num_steps + 1:
            self.desire_out.send(self._no_desire)
            self.prediction_out.send(self._no_prediction)
            self.counts_out.send(self._no_counts)
            return
        label = check_labels(label, config.layer_sizes[-1])
        counts = self.counts[None]
        self.desire = self._output_desire(counts, label)[0]
        self.prediction = rule.predict(counts)
        keep_score(self, label, counts, config)
        self.desire_out.send(self.desire)
        self.prediction_out.send(self.prediction)
        self.counts_out.send(self.counts)

    def _output_desire(self, counts: Any, labels: Any) -> Any:
        """Return what the output neurons desire, (1, N_L) int8 (Eq. 11)."""
        raise NotImplementedError


@implements(proc=DesireTeacher, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDesireTeacherModelFloat(AbstractPyDesireTeacherModel):
    """Floating point."""

    def _output_desire(self, counts: Any, labels: Any) -> Any:
        config = self._config
        rate = rule.firing_rate(counts, config.num_steps, config.error_margin)
        return rule.output_desire(rate, labels, config.desire_threshold_output)
