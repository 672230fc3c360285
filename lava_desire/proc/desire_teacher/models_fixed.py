"""Process models of the teacher, in integers."""

from __future__ import annotations

from typing import Any

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire.model import integers as fixed
from lava_desire.model.integers import IntegerRule
from lava_desire.proc.desire_teacher.models import AbstractPyDesireTeacherModel
from lava_desire.proc.desire_teacher.process import DesireTeacher


@implements(proc=DesireTeacher, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDesireTeacherModelFixed(AbstractPyDesireTeacherModel):
    """Fixed point: deviations are compared in spikes."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._rule = IntegerRule(self._config)

    def _output_desire(self, counts: Any, labels: Any) -> Any:
        if self._config.output_policy is not None:
            return super()._output_desire(counts, labels)
        return fixed.output_desire(
            counts, labels, self._rule.full_count, self._rule.output_threshold
        )
