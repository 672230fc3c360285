"""Neurons that deliver desire to Loihi's learning engine, and those that find it out."""

from __future__ import annotations

from typing import Any

import lava_desire.proc  # noqa: F401  Lava has to be imported past its obstacle first
from lava_desire.config import DesireConfig
from lava_desire.deploy.loihi_rule import LoihiRule
from lava_desire.model.fields import checked_integer
from lava_desire.model.option import CurrentFilter, EligibilityPolicy, refuse_options
from lava_desire.proc.checks import check_layer, check_options

from lava.magma.core.process.ports.ports import InPort, OutPort  # isort: skip
from lava.magma.core.process.process import AbstractProcess  # isort: skip
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
        layer = check_layer(config, layer)
        refuse_options(config, CurrentFilter, " for DesireLearningLIF")
        errors = ", as DesireLearningLIF passes errors back by Eq. 14"
        refuse_options(config, EligibilityPolicy, errors)
        if not isinstance(rule, LoihiRule):
            raise ValueError(f"rule is a {type(rule).__name__}: expected a LoihiRule")
        rule.check_config(config)
        fixed = rule.arithmetic == "fixed_pt"
        if fixed:
            threshold = checked_integer("threshold", threshold, 1)
        elif threshold is not None:
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


class DesireErrors(AbstractProcess):
    """Neurons that turn a window's spikes into errors and desires, one beside each of a layer.

    d = T_θ(−e) in the last layer (Eq. 11), d = T_θ(B·c) below (Eq. 13 and 15, with the weights B of
    the feedback in place of Wᵀ), and c = d · |(d + 1)/2 − ρ| (Eq. 14).

    Connect the neurons' ``s_out`` to ``s_in``, ``desire_out`` to their ``a_third_factor_in``, and
    ``c_out`` through a stock ``Dense(num_message_bits=8)`` of weights B to the ``z_in`` of the
    layer below. That is all of fixed feedback. Of learned feedback the ``Dense`` is a
    ``LearningDense`` with :func:`~lava_desire.deploy.loihi_feedback_rule`, whose ``s_in_y1`` and
    ``s_in_y2`` are connected to the ports ``s_out_y1`` and ``s_out_y2`` of the layer below.

    Parameters
    ----------
    config : DesireConfig
        Sizes, T, m, θ_out or the `class_margin`, θ_hid, and β where feedback learns.
    layer : int
        ℓ in 1 to L.
    rule : LoihiRule
        Of the neurons beside; its window and arithmetic.
    threshold : int, optional
        In fixed point, of hidden layers: θ_hid · (T − m) times the integers a weight of B of 1 is
        held as.
    feedback_rule : LoihiRule, optional
        Of learned feedback, of that which leads here or, in the last layer, from here.

    Ports
    -----
    s_in : (N_ℓ,) spikes, in the steps 2 to T + 1 of a window of 2^k.
    target_in : (N_L,) of the last layer: 1 for the neuron of the sample's class, in step T + 1. A
        window without one is not learned.
    z_in : (N_ℓ,) of the others: what the feedback brings, looked at in step T + 1 + 2·(L − ℓ).
    desire_out : (N_ℓ,) d in {−1, 0, +1}, in that step (T + 1 in the last layer).
    c_out : (N_ℓ,) c a step later; in fixed point c·(T − m), a whole number. Where feedback learns,
        also the spikes as they come, and 1 in the last step but one of a window from those with
        desire +1, in the last from those with −1.
    s_out_y1 : (N_ℓ,) where feedback learns: the trace of the spikes before this step, times the
        rule's impulse.
    s_out_y2 : (N_ℓ,) where feedback learns: plus and minus the rule's third factor in the last two
        steps of a window.

    Vars
    ----
    count : (N_ℓ,) spikes since the window began.
    desire : (N_ℓ,) d of this window.
    trace : (N_ℓ,) r, where feedback learns; in fixed point times the impulse, in 8 binary places.

    Raises
    ------
    ValueError
        If an argument is not as above, or the window is too short for the errors to come back.
    TypeError
        If a parameter is neither one of these nor ``name`` or ``log_config``.
    """

    _runtime: Any = None

    def __init__(
        self,
        *,
        config: DesireConfig,
        layer: int,
        rule: LoihiRule,
        threshold: int | None = None,
        feedback_rule: LoihiRule | None = None,
        **options: Any,
    ) -> None:
        check_options(type(self), options)
        layer = check_layer(config, layer)
        for name, value in (("rule", rule), ("feedback_rule", feedback_rule)):
            if not isinstance(value, LoihiRule) and (value is not None or name == "rule"):
                raise ValueError(f"{name} is a {type(value).__name__}: expected a LoihiRule")
            if value is not None:
                value.check_config(config)
        if feedback_rule and (feedback_rule.window_steps, feedback_rule.arithmetic) != (
            rule.window_steps,
            rule.arithmetic,
        ):
            raise ValueError(
                f"feedback_rule is for {feedback_rule.arithmetic} and {feedback_rule.window_steps} "
                f"steps: expected {rule.arithmetic} and {rule.window_steps}, as those of the rule"
            )
        scaled = rule.arithmetic == "fixed_pt" and layer < config.num_layers
        if scaled:
            threshold = checked_integer("threshold", threshold, 1)
        elif threshold is not None:
            raise ValueError(
                f"threshold is {threshold!r}: in floating point, and in the last layer, it is the "
                "config's"
            )
        needed = config.num_steps + 2 * config.num_layers - 1 + 2 * bool(feedback_rule)
        if rule.window_steps < needed:
            raise ValueError(
                f"window_steps is {rule.window_steps}: expected a rule with at least {needed}, in "
                f"which errors come back through {config.num_layers} layers"
            )
        size = config.num_neurons(layer)
        super().__init__(
            shape=(size,),
            config=config,
            layer=layer,
            rule=rule,
            threshold=threshold,
            feedback_rule=feedback_rule,
            **options,
        )
        self.s_in = InPort(shape=(size,))
        self.target_in = InPort(shape=(size,))
        self.z_in = InPort(shape=(size,))
        self.desire_out = OutPort(shape=(size,))
        self.c_out = OutPort(shape=(size,))
        self.s_out_y1 = OutPort(shape=(size,))
        self.s_out_y2 = OutPort(shape=(size,))
        self.count = Var(shape=(size,), init=0)
        self.desire = Var(shape=(size,), init=0)
        self.trace = Var(shape=(size,), init=0)
