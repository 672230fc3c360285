"""A learning neuron that delivers desire to Loihi's learning engine."""

from __future__ import annotations

from typing import Any

import numpy as np

import lava_desire.proc  # noqa: F401  Lava has to be imported past its obstacle first
from lava_desire.config import DesireConfig
from lava_desire.deploy.loihi_rule import LoihiRule
from lava_desire.proc.checks import check_layer, check_options

from lava.magma.core.process.variable import Var  # isort: skip
from lava.proc.lif.process import LearningLIF  # isort: skip


class DesireLearningLIF(LearningLIF):
    """Neurons of the rule's model that send spikes and desire to a stock ``LearningDense``.

    p ← β·p + a;  s = [p ≥ θ];  p ← p − θ·s  (Eq. 1), and s = [p > θ] in fixed point.

    Connect ``s_out_bap``, ``s_out_y1``, ``s_out_y2`` and ``s_out_y3`` to the ports ``s_in_bap``,
    ``s_in_y1``, … of the ``LearningDense`` that leads here, whose learning rule is ``rule.rule``.

    Parameters
    ----------
    config : DesireConfig
        Sizes, T, β, θ and reset.
    layer : int
        ℓ in 1 to L.
    rule : LoihiRule
        Of :func:`~lava_desire.deploy.loihi_learning_rule`.
    threshold : int, optional
        In fixed point θ as mantissa, shifted left by 6 as the activation is.

    Ports
    -----
    a_in : (N_ℓ,) activation.
    s_out, s_out_bap : (N_ℓ,) spikes of t = step − 2 in the steps 2 to T + 1 of a window of 2^k.
    a_third_factor_in : (N_ℓ,) desire in {−1, 0, +1}; a value other than 0 is kept until the window
        ends. Spikes are sent before it is waited for.
    s_out_y1 : (N_ℓ,) desire times the rule's third factor.
    s_out_y2 : (N_ℓ,) the rule's impulse where the neuron fires.

    Vars
    ----
    v : (N_ℓ,) membrane potential, cleared in step 1.
    desire : (N_ℓ,) desire, cleared in step 1; may be set from outside before the window's end.
    count : (N_ℓ,) spikes since the window began.

    Raises
    ------
    ValueError
        If an argument is not as above.
    TypeError
        If a parameter is neither one of these nor of Lava's ``LearningLIF``.
    """

    _runtime: Any = None  # Lava's __del__ asks for it, of a refused process as well

    def __init__(
        self,
        *,
        config: DesireConfig,
        layer: int,
        rule: LoihiRule,
        threshold: int | None = None,
        **options: Any,
    ) -> None:
        check_options(type(self), options)
        check_layer(config, layer)
        if not isinstance(rule, LoihiRule):
            raise ValueError(f"rule is a {type(rule).__name__}: expected a LoihiRule")
        fixed = rule.arithmetic == "fixed_pt"
        if fixed and (not isinstance(threshold, (int, np.integer)) or threshold < 1):
            raise ValueError(f"threshold is {threshold!r}: expected an integer of at least 1")
        if not fixed and threshold is not None:
            raise ValueError(f"threshold is {threshold!r}: in floating point it is the config's")
        size = config.num_neurons(layer)
        super().__init__(
            shape=(size,),
            learning_rule=rule.rule,
            vth=threshold if fixed else config.threshold,
            config=config,
            rule=rule,
            **options,
        )
        self.desire = Var(shape=(size,), init=0)
        self.count = Var(shape=(size,), init=0)
