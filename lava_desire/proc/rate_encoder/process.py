"""The rate encoder: from brightness to spikes, or spikes through the dropout of inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from lava_desire.config import DesireConfig
from lava_desire.model.integers.limits import STATE_LIMIT
from lava_desire.proc.checked_var import A_COUNT, CheckedVar, finite
from lava_desire.proc.checks import check_count, check_layer, check_masks, check_options


class RateEncoder(AbstractProcess):
    """Turns brightness into spike trains: a non-leaky integrate-and-fire neuron a pixel.

    p ← p + x;  s = [p ≥ θ];  p ← p − θ·s  (Sec. 4.1)

    Spikes that it is fed instead pass through, where inputs are dropped as those of images are.

    Parameters
    ----------
    config : DesireConfig
        N_0, T, θ, mean brightness of images and input dropout are taken from it.
    training : bool
        Whether inputs are dropped.
    dropout_masks : array, optional
        (S, N_0) bool, used in turn; drawn from the config's seed when not given.
    samples_seen : int
        Samples that have had their masks before, so that a network goes on where it stopped.

    Ports
    -----
    brightness_in : (N,) numbers in [0, 1], N the config's `num_pixels`: N_0, but where filters
        make channels. The same in the steps 1 to T of a window; what comes later is not looked
        at. In fixed point a port that sends integers sends levels in [0, 255], and of floats
        round(255·x) is taken. Where neither this nor `s_in` is connected, every image is black,
        and a warning says so.
    s_in : (N_0,), 0 or 1, in its place: spikes of t = step − 1 in the steps 1 to T of a window;
        what comes later belongs to no sample and is not looked at. Both, and filters of images
        beside spikes, are refused when a run begins.
    s_out : (N_0,) bool, spikes of t = step − 1 in the steps 1 to T of a window.

    Vars
    ----
    potential : (N_0,) float32; int32 in fixed point.
    mask : (N_0,) bool, inputs that are kept.
    samples_seen : (1,) int64, samples that have had their masks; to be read: another number set
        there is counted on from, and the masks stay those they would have been.
    training : (1,) bool; takes effect with the next window.

    Raises
    ------
    ValueError
        If an argument is not as above.
    TypeError
        If a parameter has another name than these, `name` and `log_config`.
    """

    _runtime: Any = None  # Lava's __del__ asks for it, of a refused process as well

    def __init__(
        self,
        *,
        config: DesireConfig,
        training: bool = True,
        dropout_masks: Any = None,
        samples_seen: int = 0,
        **options: Any,
    ) -> None:
        check_options(type(self), options)
        check_layer(config, 1)
        size = config.num_inputs
        masks = check_masks(dropout_masks, size)
        samples_seen = check_count("samples_seen", samples_seen, 0)
        super().__init__(config=config, dropout_masks=masks, samples_seen=samples_seen, **options)
        self.brightness_in = InPort(shape=(config.num_pixels,))
        self.s_in = InPort(shape=(size,))
        self.s_out = OutPort(shape=(size,))
        self.potential = CheckedVar((size,), 0, finite((-STATE_LIMIT - 1, STATE_LIMIT)))
        self.mask = Var(shape=(size,), init=np.ones(size, dtype=bool))
        self.samples_seen = CheckedVar((1,), samples_seen, A_COUNT)
        self.training = Var(shape=(1,), init=np.array([training]))
