"""Desire backpropagation for Loihi's learning engine.

The engine knows spikes and traces of both sides of a synapse, its weight w and a tag t. Written for
it, the rule ΔW = η·d·Σ_t s[t]·r[t] (Eq. 4) is

    dt = 2^−e·y0·x1 − 2^−e·x0·y2 − u_k·t        gathers x1 at postsynaptic spikes, and forgets
    dw = 2^−m·u_k·y1·t                          applies it once, at the end of a window

x1 is the trace of the input, y0 the neuron's spike, y1 its desire (the third factor), and u_k is 1
in every 2^k-th step. A spike reaches a synapse one step before the answer of the neuron, so when a
neuron's spike of time t arrives, x1 holds β·r[t] + u[t+1]. The second term takes u[t+1] off again:
x0 is the input's spike of that step, and the neuron sends in y2 what such a spike has added to x1.
The tag is then β·Σ s·r, exactly, and β is made up for in the learning rate.

Synapses that lead backward, from an upper neuron to a lower one, get the same changes by

    dt = 2^−e·x0·y1 − u_k·t
    dw = 2^−m·x0·y2·t

There the neuron above is the one that sends, so that its desire can be no third factor. The lower
one sends the trace of its own spikes as y1, and the tag gathers Σ s·r whenever the upper one fires
(x0). In the last step but one of a window it sends +1 as y2, in the last −1: an upper neuron that
wants more spikes sends a spike (x0) in the former, one that wants fewer in the latter.

What of the rule cannot be written for the engine stands in ``docs/loihi_learning.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lava_desire.config import DesireConfig
from lava_desire.model.fields import checked_integer
from lava_desire.model.option import (
    Bound,
    CurrentFilter,
    EligibilityPolicy,
    FeedbackPolicy,
    Term,
    refuse_options,
)
from lava_desire.model.synapses import refuse_synapses

_TRACE_LIMIT, _TAG_LIMIT = 127, 255
_THIRD_FACTOR_UNIT = 32  # in fixed point dw takes y1·t / 32
_SMALLEST_SHIFT = 7  # bits of the accumulator below a weight's last
_LARGEST_K = 9  # of u_k; Lava reads one digit
_TRACE_TAU = 65535  # of y1 and y2, which decay that little in a step


@dataclass(frozen=True)
class LoihiRule:
    """A learning rule for the engine, and what the neurons have to send it.

    Parameters
    ----------
    rule : Loihi3FLearningRule
        For ``LearningDense(learning_rule=...)`` and the learning neurons.
    window_steps : int
        Time steps of a sample, 2^k; the weights change in the last.
    third_factor : float
        What a neuron with desire +1 sends as y1 in the last step; −1 sends its negative.
    impulse : float
        What it sends as y2 in a step in which it fires: what an input spike adds to x1.
    learning_rate : float
        η of :class:`~lava_desire.config.DesireConfig` that comes out; fixed point has few values.
    arithmetic : str
        ``floating_pt`` or ``fixed_pt``.
    config : DesireConfig
        What it was written for.
    """

    rule: Any
    window_steps: int
    third_factor: float
    impulse: float
    learning_rate: float
    arithmetic: str
    config: DesireConfig

    def check_config(self, config: DesireConfig) -> None:
        """Refuse to be the rule of neurons with another T or β.

        Parameters
        ----------
        config : DesireConfig
            Of the neurons.

        Raises
        ------
        ValueError
            If T or β is not the one that the rule was written for.
        """
        for name in ("num_steps", "decay"):
            written, given = getattr(self.config, name), getattr(config, name)
            if written != given:
                raise ValueError(
                    f"rule was written for a {name} of {written}: expected one for {given}, as in "
                    "config"
                )


def loihi_learning_rule(
    config: DesireConfig,
    *,
    learning_rate: float | None = None,
    weight_scale: float | None = None,
    window_steps: int | None = None,
    rng_seed: int | None = None,
) -> LoihiRule:
    """Write the rule of Eq. 4 for Loihi's learning engine.

    Parameters
    ----------
    config : DesireConfig
        T, L, β, and η where none is given. What becomes of spikes, of desires and of the weights
        between samples is not the rule's: no other field has an effect.
    learning_rate : float, optional
        η, above 0, of the layer that the rule is for.
    weight_scale : float, optional
        Integers a weight of 1 is held as. With it the rule is for ``fixed_pt``, else for
        ``floating_pt``.
    window_steps : int, optional
        A longer window than the shortest, a power of two. Traces cannot be cleared: what is left
        of the sample before is β^(window_steps − T) of its last trace.
    rng_seed : int, optional
        At least 0: seed of the traces' stochastic rounding; that of the weights cannot be set in
        Lava 0.10.

    Returns
    -------
    LoihiRule
        The rule, and what goes with it.

    Raises
    ------
    ValueError
        If the config changes Eq. 4 (a `trace_baseline`, a `weight_limit`, a `rate_floor`),
        filters currents, or has convolutions, whose weights are shared where the engine learns a
        synapse at a time; if its layers learn at different rates and none is given, the window is
        longer than 2^9 steps, β is 0, η times `weight_scale` is below or above what the engine's
        integers can hold, or `rng_seed` is not in [0, 2**63).
    ImportError
        If Lava is not installed; the message holds the command that installs it.
    """
    return _write(config, learning_rate, weight_scale, window_steps, rng_seed, backward=False)


def loihi_feedback_rule(
    config: DesireConfig,
    *,
    learning_rate: float | None = None,
    weight_scale: float | None = None,
    window_steps: int | None = None,
    rng_seed: int | None = None,
) -> LoihiRule:
    """Write the same changes for synapses that lead backward (Kolen & Pollack 1994).

    ΔB[i, o] = η·d_o·Σ_t s_o[t]·r_i[t], the change of Eq. 4 of the synapse from i to o. Its neurons
    are :class:`~lava_desire.deploy.DesireErrors` on both sides: `third_factor` is what the lower
    ones send as y2, `impulse` what the trace of their spikes, which they send as y1, is counted in.

    Parameters
    ----------
    config, learning_rate, window_steps, rng_seed
        As of :func:`loihi_learning_rule`.
    weight_scale : float, optional
        Integers a feedback weight of 1 is held as.

    Returns
    -------
    LoihiRule
        The rule, for a ``LearningDense(num_message_bits=8)``, and what goes with it.

    Raises
    ------
    ValueError, ImportError
        As :func:`loihi_learning_rule`.
    """
    return _write(config, learning_rate, weight_scale, window_steps, rng_seed, backward=True)


def _write(
    config: DesireConfig,
    learning_rate: float | None,
    weight_scale: float | None,
    window_steps: int | None,
    rng_seed: int | None,
    *,
    backward: bool,
) -> LoihiRule:
    if not isinstance(config, DesireConfig):
        raise ValueError(f"config is a {type(config).__name__}: expected a DesireConfig")
    eta = config.learning_rate if learning_rate is None else learning_rate
    if not isinstance(eta, (int, float)) or not 0 < eta < math.inf:
        raise ValueError(f"learning_rate is {eta!r}: expected a number above 0")
    if rng_seed is not None:
        rng_seed = checked_integer("rng_seed", rng_seed, 0)
    if config.decay == 0:
        raise ValueError("decay is 0: expected a trace that lasts, 0 < decay < 1")
    _refuse_beyond_eq_4(config, learning_rate)
    k = _window_exponent(config, window_steps)
    gathered = 1.0 if backward else config.decay  # what the tag holds of Σ s·r
    if weight_scale is None:
        # The engine lets y1 and y2 decay by one step before it uses them.
        undecayed = math.exp(1 / _TRACE_TAU)
        impulse, tag_shift, weight_shift = 1.0, 0, 0
        third_factor, sent_impulse = eta / gathered * undecayed, undecayed
        achieved = eta
    else:
        if not isinstance(weight_scale, (int, float)) or not 0 < weight_scale < math.inf:
            raise ValueError(f"weight_scale is {weight_scale!r}: expected a number above 0")
        impulse = float(math.floor(_TRACE_LIMIT * (1 - config.decay)))
        if impulse < 1:
            most = 1 - 1 / _TRACE_LIMIT
            raise ValueError(
                f"decay is {config.decay}: expected at most {most:.4f}, with which a trace keeps "
                "within the engine's 7 bits"
            )
        if backward:  # so that the tag has the range that it has forward
            impulse = max(1.0, float(math.floor(impulse * config.decay)))
        sent_impulse = impulse
        tag_shift = _tag_shift(config, impulse * gathered)
        unit = impulse * gathered * 2.0**-tag_shift
        third_factor, weight_shift = _third_factor(eta * weight_scale / unit)
        achieved = third_factor / _THIRD_FACTOR_UNIT * 2.0**-weight_shift * unit / weight_scale
    build = _build_backward if backward else _build
    rule = build(config, k, impulse, tag_shift, weight_shift, rng_seed)
    arithmetic = "floating_pt" if weight_scale is None else "fixed_pt"
    return LoihiRule(rule, 1 << k, third_factor, sent_impulse, achieved, arithmetic, config)


def _refuse_beyond_eq_4(config: DesireConfig, learning_rate: float | None) -> None:
    """Refuse options that change the rule beyond Eq. 4, and weights that are shared."""
    refuse_synapses(config, "Loihi's learning engine")
    for kinds, where in (
        (CurrentFilter, " for Loihi's learning engine"),
        ((Term, Bound), ", which Loihi's learning engine can do"),
        (EligibilityPolicy, ", as Loihi's learning engine pairs spikes"),
        (FeedbackPolicy, ", as errors come back by the weights that DesireErrors hear"),
    ):
        refuse_options(config, kinds, where)
    if learning_rate is None and set(config.learning_rate_scale) - {1.0}:
        raise ValueError(
            f"learning_rate_scale is {config.learning_rate_scale}: expected none, or the "
            "learning_rate of the layer"
        )


def _window_exponent(config: DesireConfig, window_steps: int | None) -> int:
    """Return k of the window asked for, or of the shortest that holds spikes and desires."""
    # The last spike arrives in step T + 1; the step that changes weights reads the tag before it.
    needed = config.num_steps + max(config.num_layers, 2)
    shortest = max(1, math.ceil(math.log2(needed)))
    if shortest > _LARGEST_K:
        raise ValueError(
            f"num_steps is {config.num_steps} and the network has {config.num_layers} layers, a "
            f"window of {needed} steps: expected at most {1 << _LARGEST_K}, the longest that the "
            "learning engine of Lava can time"
        )
    if window_steps is None:
        return shortest
    allowed = [1 << k for k in range(shortest, _LARGEST_K + 1)]
    if window_steps not in allowed:
        raise ValueError(
            f"window_steps is {window_steps!r}: expected one of {', '.join(map(str, allowed))}"
        )
    return allowed.index(window_steps) + shortest


def _tag_shift(config: DesireConfig, unit: float) -> int:
    """Return e so that the tag of two neurons that spike in every step does not saturate.

    A trace of 1 adds `unit` · 2^−e to the tag.
    """
    traces = [
        (1 - config.decay ** (step + 1)) / (1 - config.decay) for step in range(config.num_steps)
    ]
    largest = unit * sum(traces)
    shift = max(0, math.ceil(math.log2(largest / _TAG_LIMIT)))
    if shift > _SMALLEST_SHIFT:
        raise ValueError(
            f"the tag can reach {largest:.0f}: expected at most {_TAG_LIMIT << _SMALLEST_SHIFT}, "
            "use fewer time steps"
        )
    return shift


def _third_factor(factor: float) -> tuple[float, int]:
    """Return (y1, m) with y1 / 32 · 2^−m nearest to `factor`."""
    for shift in range(_SMALLEST_SHIFT, -1, -1):
        value = round(factor * _THIRD_FACTOR_UNIT * 2**shift)
        if value > _TRACE_LIMIT:
            continue
        if value < 1:
            break
        return float(value), shift
    raise ValueError(
        f"learning_rate · weight_scale needs a factor of {factor:.3g} in the engine: expected "
        f"{0.5 / _THIRD_FACTOR_UNIT / 2**_SMALLEST_SHIFT:.3g} to "
        f"{_TRACE_LIMIT / _THIRD_FACTOR_UNIT:.3g}"
    )


def _build(
    config: DesireConfig, k: int, impulse: float, tag_shift: int, weight_shift: int, seed: Any
) -> Any:
    gathered, scale = _scaled(tag_shift), _scaled(weight_shift)
    return _rule()(
        dw=f"{scale}u{k}*y1*t",
        dt=f"{gathered}y0*x1 - {gathered}x0*y2 - u{k}*t",
        x1_impulse=impulse,
        x1_tau=-1 / math.log(config.decay),
        # One step an epoch: of a longer one the engine would see the last spike alone.
        t_epoch=1,
        rng_seed=seed,
    )


def _build_backward(
    config: DesireConfig, k: int, impulse: float, tag_shift: int, weight_shift: int, seed: Any
) -> Any:
    return _rule()(
        dw=f"{_scaled(weight_shift)}x0*y2*t",
        dt=f"{_scaled(tag_shift)}x0*y1 - u{k}*t",
        t_epoch=1,
        rng_seed=seed,
    )


def _scaled(shift: int) -> str:
    return f"2^-{shift}*" if shift else ""


def _rule() -> Any:
    import lava_desire.proc  # noqa: F401  Lava has to be imported past its obstacle first

    from lava.magma.core.learning.learning_rule import Loihi3FLearningRule  # isort: skip

    return Loihi3FLearningRule
