"""Process models of the teacher, in floating point."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire.model.option import decided, output_desires
from lava_desire.proc.desire_teacher.process import DesireTeacher
from lava_desire.proc.messages import (
    check_labels,
    check_spikes,
    refuse_cut_data,
    say_unconnected,
)
from lava_desire.proc.scoring import AbstractPyScoringModel
from lava_desire.proc.window import UNLABELLED, step_in_window

_FACTORS = {factor: np.array([factor], np.int8) for factor in (UNLABELLED, 0, 1)}


class AbstractPyDesireTeacherModel(AbstractPyScoringModel):
    """What the teacher does in either arithmetic."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    third_factor_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    last_spikes: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)

    @classmethod
    def check_inputs(cls, process: DesireTeacher, unconnected: frozenset[str]) -> None:
        """Say before a run that nothing will be taught."""
        refuse_cut_data(process)
        if "s_in" in unconnected:
            say_unconnected(process, "s_in", "no neuron is heard, nothing is taught or scored")
        elif "label_in" in unconnected:
            say_unconnected(process, "label_in", "nothing is learned, and nothing is scored")

    def run_spk(self) -> None:
        """Count spikes; at the end of the trains send desire, prediction and counts."""
        config = self._config
        step = step_in_window(self.time_step, config)
        spikes = check_spikes("s_in", self.s_in.recv(), step)
        label = self.label_in.recv()
        if step == 1:
            self.counts = np.zeros_like(self.counts)
            self._num_spikes = np.zeros_like(self.counts)
            self.last_spikes = np.zeros_like(self.last_spikes)
        if spikes.any():
            self.counts = self.counts + spikes
            self._num_spikes += spikes
            self.last_spikes = np.where(spikes, step, self.last_spikes)
        is_due = step == config.num_steps + 1
        if is_due:
            # The Var can be set from outside; what is learned does not follow it.
            counts = self._num_spikes[None]
            self.prediction = decided(config, counts, lambda: self.last_spikes[None])
            if self.label_in.csp_ports:
                label = check_labels(label, config.num_classes)
            if self._teaches():
                self._teach(label, counts)
        self._send_verdict(is_due)
        factor = self._third_factor() if is_due else 0
        self.third_factor_out.send(_FACTORS[factor])

    def _teaches(self) -> bool:
        connected = self.label_in.csp_ports and self.s_in.csp_ports
        return bool(connected) and self.proc_params.get("has_input", True)

    def _teach(self, label: Any, counts: Any) -> None:
        self.desire = self._output_desire(counts, label)[0]
        self._keep_score(label, counts)

    def _third_factor(self) -> int:
        return int(self.desire.any()) if self._teaches() else UNLABELLED

    def _output_desire(self, counts: Any, labels: Any) -> Any:
        """Return what the output neurons desire, (1, N_L) int8 (Eq. 11)."""
        return output_desires(self._config, counts, labels)


@implements(proc=DesireTeacher, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDesireTeacherModelFloat(AbstractPyDesireTeacherModel):
    """Floating point."""
