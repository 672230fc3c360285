"""How the rate encoder runs in integers, on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire import fixed
from lava_desire.fixed import IntegerRule
from lava_desire.fixed.limits import BRIGHTEST
from lava_desire.proc.checks import check_brightness
from lava_desire.proc.masks import MaskSequence
from lava_desire.proc.rate_encoder.process import RateEncoder
from lava_desire.proc.window import step_in_window


@implements(proc=RateEncoder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyRateEncoderModelFixed(PyLoihiProcessModel):
    """Fixed point: the brightest pixel counts 255 a step, and θ is 255 · θ of the config."""

    brightness_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool)
    potential: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int32)
    mask: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)
    samples_seen: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)
    training: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._config = proc_params["config"]
        self._threshold = IntegerRule(self._config).encoder_threshold
        self._masks = MaskSequence(
            self._config, 0, proc_params["dropout_masks"], proc_params["samples_seen"]
        )

    def run_spk(self) -> None:
        """Receive brightness, send the spikes of one time step."""
        step = step_in_window(self.time_step, self._config)
        brightness = self.brightness_in.recv()
        if step == 1:
            self.potential = np.zeros_like(self.potential)
            self.mask = self._masks.next(bool(self.training[0]))
            self.samples_seen = self.samples_seen + self.training
        if step <= self._config.num_steps:
            check_brightness(brightness, BRIGHTEST)
            spikes, potential = fixed.encode_step(
                self.potential.astype(np.int64), brightness, self._threshold
            )
            self.potential = potential.astype(np.int32)
            self.s_out.send(spikes & self.mask)
        else:
            self.s_out.send(np.zeros(self.mask.shape, dtype=bool))
