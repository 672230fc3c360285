"""How the rate encoder runs in integers, on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire import fixed, rule
from lava_desire.fixed import IntegerRule
from lava_desire.fixed.limits import BRIGHTEST
from lava_desire.proc.checks import check_brightness
from lava_desire.proc.rate_encoder.models import AbstractPyRateEncoderModel
from lava_desire.proc.rate_encoder.process import RateEncoder


@implements(proc=RateEncoder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyRateEncoderModelFixed(AbstractPyRateEncoderModel):
    """Fixed point: the brightest pixel counts 255 a step, and θ is 255 · θ of the config."""

    brightness_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    potential: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._threshold = IntegerRule(self._config).encoder_threshold

    def _encode(self, brightness: Any) -> Any:
        check_brightness(brightness, BRIGHTEST)
        brightness = rule.equalize_brightness(brightness, self._config.image_brightness)
        spikes, potential = fixed.encode_step(
            self.potential.astype(np.int64), brightness, self._threshold
        )
        self.potential = potential.astype(np.int32)
        return spikes
