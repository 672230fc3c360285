"""Process models of the rate encoder, in integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire.model import integers as fixed
from lava_desire.model.integers import IntegerRule
from lava_desire.model.option import filtered
from lava_desire.proc.messages import check_levels
from lava_desire.proc.rate_encoder.models import AbstractPyRateEncoderModel
from lava_desire.proc.rate_encoder.process import RateEncoder


@implements(proc=RateEncoder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyRateEncoderModelFixed(AbstractPyRateEncoderModel):
    """Fixed point: the brightest pixel counts 255 a step, and θ is 255 · θ of the config."""

    # What is received is added to zeros of this type, and so keeps its own: an integer is a level.
    brightness_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    potential: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._has_seen_levels = False
        self._threshold = IntegerRule(self._config).encoder_threshold

    def _prepare(self, brightness: Any) -> Any:
        levels = check_levels(brightness, self._has_seen_levels)
        self._has_seen_levels |= bool(levels.max() > 1)
        return filtered(self._config, levels)

    def _encode(self) -> Any:
        spikes, potential = fixed.encode_step(
            self.potential.astype(np.int64), self._brightness, self._threshold
        )
        self.potential = potential.astype(np.int32)
        return spikes
