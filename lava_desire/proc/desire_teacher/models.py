"""How the teacher runs on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire import rule
from lava_desire.proc.checks import check_labels
from lava_desire.proc.desire_teacher.process import DesireTeacher
from lava_desire.proc.scoring import AbstractPyScoringModel
from lava_desire.proc.window import step_in_window


class AbstractPyDesireTeacherModel(AbstractPyScoringModel):
    """What the teacher does in either arithmetic."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    third_factor_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool)
    last_spikes: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)

    def run_spk(self) -> None:
        """Count spikes; at the end of the trains send desire, prediction and counts."""
        config = self._config
        step = step_in_window(self.time_step, config)
        spikes = self.s_in.recv()
        label = self.label_in.recv()
        if step == 1:
            self.counts = np.zeros_like(self.counts)
            self.last_spikes = np.zeros_like(self.last_spikes)
        self.counts = self.counts + spikes
        self.last_spikes = np.where(spikes, step, self.last_spikes)
        is_due = step == config.num_steps + 1
        if is_due:
            label = check_labels(label, config.layer_sizes[-1])
            counts = self.counts[None]
            if config.class_margin:
                desire = rule.margin_desire(counts, label, config.class_margin)
            else:
                desire = self._output_desire(counts, label)
            self.desire = desire[0]
            last = self.last_spikes[None] if config.breaks_ties else None
            self.prediction = rule.predict(counts, last)
            self._keep_score(label, counts)
        self._send_verdict(is_due)
        self.third_factor_out.send(np.array([is_due and bool(self.desire.any())]))

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
