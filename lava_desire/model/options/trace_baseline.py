"""Traces counted from their mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lava_desire.model.arrays import Array, namespace
from lava_desire.model.fields import SHARE, real
from lava_desire.model.option import LayerUpdate, Term
from lava_desire.model.rates import share_of


@dataclass(frozen=True)
class TraceBaseline(Term):
    """Traces are counted from a share of their mean: :func:`baseline_change`."""

    position: ClassVar[int] = 50
    integers: ClassVar[bool] = True
    follows_rates: ClassVar[bool] = True

    trace_baseline: float = real(
        0.0,
        SHARE,
        doc="Share φ, in [0, 1], of each input's mean trace that updates count its trace from: "
        ":func:`~lava_desire.rule.baseline_change`. 0, the paper's rule, counts from zero.",
        help="Share of mean traces.",
        example=0.5,
    )

    def factors(self, update: LayerUpdate) -> tuple[Array, Array] | None:
        """See :class:`~lava_desire.model.option.Term`."""
        assert update.input_rates is not None
        xp = namespace(update.input_rates)
        gain = self.trace_baseline * update.mean_trace
        baseline = xp.astype(update.input_rates * gain, xp.float32)
        return _deduction(update.desired_spikes(), update.learning_rate), baseline

    def integer_factors(self, update: LayerUpdate) -> tuple[Array, Array, int]:
        """See :class:`~lava_desire.model.option.Term`; b is in 1/256 of a trace's unit."""
        gain = round(self.trace_baseline * update.mean_trace)
        baseline = share_of(update.input_rates, gain)
        return -update.learning_rate * update.desired_spikes(), baseline, 8

    def numbers(self, mean_trace: float, num_samples: int) -> tuple[float, float, float]:
        """See :class:`~lava_desire.model.option.Term`."""
        return -1.0, 0.0, self.trace_baseline * mean_trace


def _deduction(desired_spikes: Array, learning_rate: Array | float) -> Array:
    """Return −η · Σ_b d_o n_o, (N_o,) float32."""
    xp = namespace(desired_spikes)
    return xp.astype(-learning_rate * xp.astype(desired_spikes, xp.float64), xp.float32)


def baseline_change(desired_spikes: Array, baseline: Array, learning_rate: Array | float) -> Array:
    """Count traces from a baseline: ΔW = −η · (Σ_b d_o n_o) · b_i, on top of Eq. 4.

    Eq. 4 then reads d_o η s_o[t] (r_i[t] − b_i), a covariance rule. Traces are never negative: with
    Eq. 4 alone all of a neuron's weights go up or down together, along the mean of its inputs, and
    differences between inputs, which tell classes apart, are learned slowly.

    Parameters
    ----------
    desired_spikes : array
        Σ_b d_o · mask_o · n_o, spikes signed by desire, (N_o,) int64.
    baseline : array
        b, (N_i,) float32: a share φ of ν · :func:`mean_trace`.
    learning_rate : float or array
        η ≥ 0; an array is (1,) float64.

    Returns
    -------
    array
        ΔW, (N_o, N_i) float32, to be added after that of :func:`weight_change`.

    Examples
    --------
    >>> import numpy as np
    >>> baseline_change(np.array([8, -2]), np.array([0.5, 0.0], np.float32), learning_rate=0.25)
    array([[-1.  , -0.  ],
           [ 0.25,  0.  ]], dtype=float32)
    """
    return _deduction(desired_spikes, learning_rate)[:, None] * baseline[None, :]
