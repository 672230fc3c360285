"""The plastic connection: spikes forward, errors backward, and learning in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from lava_desire.config import DesireConfig
from lava_desire.model.integers import LayerFormat
from lava_desire.model.synapses import Synapse
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


class DesireConnection(AbstractProcess):
    """A connection that learns, by any kind of synapse: trace STDP, gated by desire.

    a = W (g·u)  (Eq. 1);  ΔW = η · d ⊗ Σ_t s[t] r[t]  (Eq. 4);  z = Wᵀ c  (Eq. 13)

    The activation is sent one step after the spikes that it comes from have arrived, so the
    connection may be part of a cycle. :class:`~lava_desire.proc.DesireDense` and
    :class:`~lava_desire.proc.DesireConv` are the same with faster sums for their kinds.

    Parameters
    ----------
    config : DesireConfig
        Layers, T, β, error margin, dropout and learning rate are taken from it.
    layer : int
        ℓ in 1 to L: the connection leads from layer ℓ − 1 to layer ℓ. Planes of neurons are flat,
        in C order of (C, H, W).
    weights : array
        W, of the `weight_shape` of the config's synapse, (N_ℓ, N_{ℓ−1}) of a dense one and
        (C', C, k_h, k_w) of a convolution: float, finite, or the integer mantissas of a network in
        fixed point. Each becomes the other where the models need it.
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
    eligible_in : (N_ℓ,), steps in which the neurons may learn, 0 or 1, from their ``eligible_out``;
        where the config has an `eligibility_width`.
    a_out : (N_ℓ,) float32, activation; int32 in fixed point.
    desire_in : (N_ℓ,), desire of the neurons that are kept, −1, 0 or 1, read in the layer's step.
    third_factor_in : (1,) int8, from the teacher; to be connected where the config follows mean
        rates, and where these are over samples with desire alone (`rates_over`) a run is refused
        without it.
        Where one of the other inputs is not connected, the connection does not learn, and a warning
        says so.
    z_out : (N_{ℓ−1},) float32, one step after the desire has arrived, with the weights before it;
        int32 in fixed point.

    Vars
    ----
    weights : float32 of the shape of the weights, mantissas in fixed point; values set from outside
        take effect with the next window.
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
        If an argument is not as above, or the process is of another kind of synapse.
    TypeError
        If a parameter has another name than these, `name` and `log_config`.
    """

    _runtime: Any = None  # Lava's __del__ asks for it, of a refused process as well

    kind: ClassVar[type[Any]] = Synapse
    """What it connects by; a process for another kind of synapse says so here."""

    _by_kind: ClassVar[dict[type[Synapse], type[DesireConnection]]] = {}

    def __init_subclass__(cls) -> None:
        """Let networks take it for its kind of synapse."""
        if "kind" in vars(cls):
            DesireConnection._by_kind[cls.kind] = cls

    @staticmethod
    def of(synapse: Synapse) -> type[DesireConnection]:
        """Find the process that connects by a synapse.

        Parameters
        ----------
        synapse : Synapse
            Of a config.

        Returns
        -------
        type
            The process of its kind; this one, of any kind, where there is none.
        """
        return DesireConnection._by_kind.get(type(synapse), DesireConnection)

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
        layer = check_layer(config, layer)
        synapse = config.synapses[layer - 1]
        if not isinstance(synapse, self.kind):
            raise ValueError(
                f"layer {layer} of the config is connected by a {type(synapse).__name__}: expected "
                f"a {self.kind.__name__} for {type(self).__name__}, or "
                f"{DesireConnection.of(synapse).__name__}"
            )
        weights = check_weights(config, layer, weights)
        weights, given = in_both_arithmetics(config, layer, weights, formats)
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
        self.eligible_in = InPort(shape=post)
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
