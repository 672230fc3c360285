"""The layer of neurons: spikes forward, desires backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from lava_desire.config import DesireConfig
from lava_desire.model.integers import IntegerRule, LayerFormat, refuse_xylo
from lava_desire.model.integers.limits import STATE_LIMIT
from lava_desire.proc.checked_var import TERNARY, CheckedVar, finite
from lava_desire.proc.checks import check_count, check_layer, check_masks, check_options


class DesireLIF(AbstractProcess):
    """A layer of leaky integrate-and-fire neurons that know what they desire.

    p ← β·p + a;  s = [p ≥ θ] · m;  p ← p − θ·s  (Eq. 1 and 16);  d = T_θ(z)  (Eq. 15)

    With a `synapse_decay` the current i ← α·i + a takes the place of a.

    Parameters
    ----------
    config : DesireConfig
        Sizes, α, β, θ, reset, desire threshold and dropout are taken from it.
    layer : int
        ℓ in 1 to L.
    training : bool
        Whether neurons are dropped.
    dropout_masks : array, optional
        (S, N_ℓ) bool, used in turn; drawn from the config's seed when not given.
    samples_seen : int
        Samples that have had their masks before, so that a network goes on where it stopped.
    formats : sequence of LayerFormat, optional
        How the L layers are written in fixed point;
        :func:`~lava_desire.fixed.default_formats` when not given.

    Ports
    -----
    a_in : (N_ℓ,), activation, finite; integers in fixed point. Not connected, no neuron spikes, and
        a warning says so.
    s_out : (N_ℓ,) bool, spikes of t = step − 2 in the steps 2 to T + 1 of a window.
    eligible_out : (N_ℓ,) bool, sent with s_out: whether the potential of a neuron that is kept is
        near the threshold, with an `eligibility_width`; true for neurons of the output layer then;
        else false.
    z_in : (N_ℓ,), errors of the layer above, seen through its weights, finite; integers in fixed
        point. Not connected, as that of the output layer is, no desire arises here.
    desire_out : (N_ℓ,) int8, desire of the neurons that are kept, in the step in which z arrives.

    Vars
    ----
    potential : (N_ℓ,) float32; int32 of 24 bits in fixed point.
    mask : (N_ℓ,) bool, neurons that are kept.
    desire : (N_ℓ,) int8, the latest desire, of dropped neurons as well.
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
        layer: int,
        training: bool = True,
        dropout_masks: Any = None,
        samples_seen: int = 0,
        formats: Sequence[LayerFormat] | None = None,
        **options: Any,
    ) -> None:
        check_options(type(self), options)
        layer = check_layer(config, layer)
        size = config.num_neurons(layer)
        masks = check_masks(dropout_masks, size)
        samples_seen = check_count("samples_seen", samples_seen, 0)
        if formats is not None:
            refuse_xylo(formats, "in Lava")
            IntegerRule(config, formats)
        super().__init__(
            config=config,
            layer=layer,
            dropout_masks=masks,
            samples_seen=samples_seen,
            formats=formats,
            **options,
        )
        self.a_in = InPort(shape=(size,))
        self.s_out = OutPort(shape=(size,))
        self.eligible_out = OutPort(shape=(size,))
        self.z_in = InPort(shape=(size,))
        self.desire_out = OutPort(shape=(size,))
        self.potential = CheckedVar((size,), 0, finite((-STATE_LIMIT - 1, STATE_LIMIT)))
        self.mask = Var(shape=(size,), init=np.ones(size, dtype=bool))
        self.desire = CheckedVar((size,), 0, TERNARY)
        self.training = Var(shape=(1,), init=np.array([training]))
