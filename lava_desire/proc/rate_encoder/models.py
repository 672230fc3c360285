"""Process models of the rate encoder, in floating point."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire.model.option import filtered
from lava_desire.proc.masks import MaskSequence
from lava_desire.proc.messages import (
    check_brightness,
    check_constant,
    check_spikes,
    has_one_input,
    refuse_cut_data,
)
from lava_desire.proc.rate_encoder.process import RateEncoder
from lava_desire.proc.window import step_in_window
from lava_desire.scale import as_brightness


class AbstractPyRateEncoderModel(PyLoihiProcessModel):
    """What the encoder does in either arithmetic."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool)
    potential: np.ndarray[Any, Any]  # its type is that of the arithmetic
    mask: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)
    samples_seen: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)
    training: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._config = proc_params["config"]
        self._masks = MaskSequence(
            self._config, 0, proc_params["dropout_masks"], proc_params["samples_seen"]
        )
        self._no_spikes = np.zeros(self._config.num_inputs, dtype=bool)
        self._received = self._brightness = self._no_spikes

    @classmethod
    def check_inputs(cls, process: RateEncoder, unconnected: frozenset[str]) -> None:
        """Say before a run that there will be nothing to see; refuse images beside spikes."""
        refuse_cut_data(process)
        has_one_input(process, unconnected)

    def run_spk(self) -> None:
        """Receive brightness or spikes, send the spikes of one time step."""
        step = step_in_window(self.time_step, self._config)
        takes_spikes = bool(self.s_in.csp_ports)
        received = (self.s_in if takes_spikes else self.brightness_in).recv()
        if step == 1:
            self.potential = np.zeros_like(self.potential)
            self.mask = self._masks.next(bool(self.training[0]))
            self.samples_seen = self.samples_seen + self.training
            if not takes_spikes:
                self._received, self._brightness = received, self._prepare(received)
        if step > self._config.num_steps:
            self.s_out.send(self._no_spikes)
        elif takes_spikes:
            self.s_out.send(check_spikes("s_in", received, step) & self.mask)
        else:
            check_constant(received, self._received, step)
            self.s_out.send(self._encode() & self.mask)

    def _prepare(self, brightness: Any) -> Any:
        """Return the brightness of a sample as the encoder adds it up, (N_0,), or refuse it."""
        raise NotImplementedError

    def _encode(self) -> Any:
        """Advance the potential by a step and return the spikes, (N_0,) bool (Sec. 4.1)."""
        raise NotImplementedError


@implements(proc=RateEncoder, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyRateEncoderModelFloat(AbstractPyRateEncoderModel):
    """Floating point."""

    brightness_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.float32)
    potential: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        size = len(self._no_spikes)
        self._next, self._spikes = np.zeros(size, np.float32), np.zeros(size, bool)
        self._threshold = np.full(size, self._config.threshold, np.float32)

    def _prepare(self, brightness: Any) -> Any:
        return as_brightness(filtered(self._config, check_brightness(brightness)))

    def _encode(self) -> Any:
        """Do what :func:`~lava_desire.rule.encode_step` does, without new arrays."""
        potential = np.add(self.potential, self._brightness, out=self._next, casting="same_kind")
        spikes = np.greater_equal(potential, self._threshold, out=self._spikes)
        np.subtract(potential, self._threshold, out=potential, where=spikes)
        self.potential = potential
        return spikes
