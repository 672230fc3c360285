"""The plastic connection: spikes forward, errors backward, and learning in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from lava_desire.config import DesireConfig
from lava_desire.model.integers import LayerFormat
from lava_desire.proc.checked_var import (
    A_COUNT,
    A_SHARE,
    CheckedVar,
    a_learning_rate,
    finite,
    weights_of,
)
from lava_desire.proc.checks import (
    check_count,
    check_layer,
    check_options,
    check_rates,
    check_weights,
    in_both_arithmetics,
)


class DesireDense(AbstractProcess):
    """A connection that learns: trace STDP, gated by the desire of its neurons.

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
        W, (N_ℓ, N_{ℓ−1}), or the `weight_shape` of the config's synapse of another kind: float,
        finite, or the integer mantissas of a network in fixed point. Each becomes the other where
        the models need it.
    training : bool
        Whether input spikes are scaled by 1 / (1 − P_drop) (Eq. 16).
    learning_enabled : bool
        Whether weights change.
    samples_seen : int
        Samples that it has learned from before: where the random draws of fixed point go on.
    formats : sequence of LayerFormat, optional
        How the L layers are written in fixed point;
        :func:`~lava_desire.fixed.default_formats` when not given.
    input_rates : array, optional
        Mean firing rates ν of its inputs, (N_{ℓ−1},) float in spikes a time step, where the config
        follows rates and the connection has learned before; 0 when not given.
    output_rates : array, optional
        Those of its neurons, (N_ℓ,) float, likewise.
    rated_samples : int
        Samples that they are the mean of.

    Ports
    -----
    s_in : (N_{ℓ−1},), presynaptic spikes, 0 or 1.
    s_post_in : (N_ℓ,), postsynaptic spikes, 0 or 1.
    a_out : (N_ℓ,) float32, activation; int32 in fixed point.
    desire_in : (N_ℓ,), desire of the neurons that are kept, −1, 0 or 1, read in the layer's step.
    third_factor_in : (1,) int8, from the teacher; to be connected where the config follows mean
        rates, and where these are over samples with desire alone (`rates_over`) a run is refused
        without it.
        Where one of the other three is not connected, the connection does not learn, and a warning
        says so.
    z_out : (N_{ℓ−1},) float32, one step after the desire has arrived, with the weights before it;
        int32 in fixed point.

    Vars
    ----
    weights : (N_ℓ, N_{ℓ−1}) float32, mantissas in fixed point; values set from outside take effect
        with the next window.
    change : (N_ℓ,) float32, Σ_i |ΔW| of each neuron in this window; zeros until it learns. In
        mantissas in fixed point.
    learning_rate : (1,) float64, η ≥ 0, before the layer's factor; takes effect at once.
    learning_enabled : (1,) bool; takes effect at once.
    training : (1,) bool; takes effect with the next window.
    input_rates, output_rates : (N_{ℓ−1},) and (N_ℓ,) float64, mean firing rates in the samples
        learned from, or those of them with desire, in spikes a time step; zeros where the config
        has no option that follows them.
    rated_samples : (1,) int64, those samples.

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
        weights: Any,
        training: bool = True,
        learning_enabled: bool = True,
        samples_seen: int = 0,
        formats: Sequence[LayerFormat] | None = None,
        input_rates: Any = None,
        output_rates: Any = None,
        rated_samples: int = 0,
        **options: Any,
    ) -> None:
        check_options(type(self), options)
        check_layer(config, layer)
        weights = check_weights(config, layer, weights)
        weights, given = in_both_arithmetics(config, layer, weights, formats)
        synapse = config.synapses[layer - 1]
        pre, post = (synapse.num_pre,), (synapse.num_post,)
        super().__init__(
            config=config,
            layer=layer,
            samples_seen=check_count("samples_seen", samples_seen, 0),
            formats=formats,
            given=given,
            **options,
        )
        self.s_in = InPort(shape=pre)
        self.s_post_in = InPort(shape=post)
        self.a_out = OutPort(shape=post)
        self.desire_in = InPort(shape=post)
        self.z_out = OutPort(shape=pre)
        self.third_factor_in = InPort(shape=(1,))
        self.weights = CheckedVar(weights.shape, weights, weights_of(config, layer, formats))
        self.change = CheckedVar(post, 0, finite())
        rate = np.array([config.learning_rate])
        self.learning_rate = CheckedVar((1,), rate, a_learning_rate(config, formats))
        self.learning_enabled = Var(shape=(1,), init=np.array([learning_enabled]))
        self.training = Var(shape=(1,), init=np.array([training]))
        rates = check_rates("input_rates", config, layer - 1, input_rates)
        self.input_rates = CheckedVar(pre, rates, A_SHARE)
        rates = check_rates("output_rates", config, layer, output_rates)
        self.output_rates = CheckedVar(post, rates, A_SHARE)
        rated_samples = check_count("rated_samples", rated_samples, 0)
        self.rated_samples = CheckedVar((1,), np.array([rated_samples]), A_COUNT)
