"""The plastic connection."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from lava_desire.config import DesireConfig
from lava_desire.proc.window import check_layer, check_weights


class DesireDense(AbstractProcess):
    """A dense connection that learns: trace STDP, gated by the desire of its neurons.

    a = W (g·u)  (Eq. 1);  ΔW = η · d ⊗ Σ_t s[t] r[t]  (Eq. 4);  z = Wᵀ c  (Eq. 13)

    The activation is sent one step after the spikes that it comes from have arrived, so the
    connection may be part of a cycle.

    Parameters
    ----------
    config : DesireConfig
        Sizes, T, β, error margin, dropout and learning rate are taken from it.
    layer : int
        ℓ in 1 to L: the connection leads from layer ℓ − 1 to layer ℓ.
    weights : array
        W, (N_ℓ, N_{ℓ−1}) float, finite.
    training : bool
        Whether input spikes are scaled by 1 / (1 − P_drop) (Eq. 16).
    learning_enabled : bool
        Whether weights change.

    Ports
    -----
    s_in : (N_{ℓ−1},) bool, presynaptic spikes.
    s_post_in : (N_ℓ,) bool, postsynaptic spikes.
    a_out : (N_ℓ,) float32, activation.
    desire_in : (N_ℓ,) int8, desire of the neurons that are kept.
    z_out : (N_{ℓ−1},) float32, one step after the desire has arrived, with the weights before it.

    Vars
    ----
    weights : (N_ℓ, N_{ℓ−1}) float32; values set from outside take effect with the next window.
    change : (N_ℓ,) float32, Σ_i |ΔW| of each neuron in this window; zeros until it learns.
    learning_rate : (1,) float64, η, before the layer's factor.
    learning_enabled, training : (1,) bool.

    Raises
    ------
    ValueError
        If an argument is not as above.
    """

    _runtime: Any = None  # Lava's __del__ asks for it, of a refused process as well

    def __init__(
        self,
        *,
        config: DesireConfig,
        layer: int,
        weights: Any,
        training: bool = True,
        learning_enabled: bool = True,
        **options: Any,
    ) -> None:
        check_layer(config, layer)
        weights = check_weights(config, layer, weights)
        shape = weights.shape
        super().__init__(config=config, layer=layer, **options)
        self.s_in = InPort(shape=shape[1:])
        self.s_post_in = InPort(shape=shape[:1])
        self.a_out = OutPort(shape=shape[:1])
        self.desire_in = InPort(shape=shape[:1])
        self.z_out = OutPort(shape=shape[1:])
        self.weights = Var(shape=shape, init=weights)
        self.change = Var(shape=shape[:1], init=0)
        self.learning_rate = Var(shape=(1,), init=np.array([config.learning_rate]))
        self.learning_enabled = Var(shape=(1,), init=np.array([learning_enabled]))
        self.training = Var(shape=(1,), init=np.array([training]))
