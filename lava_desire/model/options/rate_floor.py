"""A least mean firing rate for hidden neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lava_desire.model.arrays import Array, namespace
from lava_desire.model.fields import BELOW_1, real
from lava_desire.model.option import LayerUpdate, Term
from lava_desire.model.rates import RATE_BITS, reciprocal, share_of

_LIFT_BITS = 6
LIFT = 2**-_LIFT_BITS
"""What a sample teaches a silent neuron under a rate floor: as much as this many of its spikes."""


@dataclass(frozen=True)
class RateFloor(Term):
    """Hidden neurons that hardly spike are lifted: :func:`rate_floor_change`."""

    position: ClassVar[int] = 80
    integers: ClassVar[bool] = True
    follows_rates: ClassVar[bool] = True

    rate_floor: float = real(
        0.0,
        BELOW_1,
        doc="Mean firing rate ν_min, in [0, 1) spikes a time step, below which the weights of a "
        "hidden neuron rise until it spikes: :func:`~lava_desire.rule.rate_floor_change`. 0, the "
        "paper's rule, leaves silent neurons silent.",
        help="Least rate, spikes a step.",
        example=0.2,
    )

    def factors(self, update: LayerUpdate) -> tuple[Array, Array] | None:
        """See :class:`~lava_desire.model.option.Term`."""
        if update.output_rates is None or update.input_rates is None:
            return None
        xp = namespace(update.input_rates)
        mean_traces = xp.astype(update.input_rates * update.mean_trace, xp.float32)
        lift = _lift(update.output_rates, self.rate_floor, update.num_samples, update.learning_rate)
        return lift, mean_traces

    def integer_factors(self, update: LayerUpdate) -> tuple[Array, Array, int] | None:
        """See :class:`~lava_desire.model.option.Term`; h is :data:`LIFT` · 256, r̄ in 1/256."""
        if update.output_rates is None:
            return None
        xp, floor = namespace(update.output_rates), max(round(self.rate_floor * 2**RATE_BITS), 4)
        mantissa, shift = reciprocal(floor)
        missing = xp.clip(floor - update.output_rates, 0, None)
        lift = missing * mantissa + (1 << shift - 9) >> shift - 8  # in [0, 256]
        post = update.learning_rate * update.num_samples * lift
        return post, share_of(update.input_rates, update.mean_trace), _LIFT_BITS + 16

    def numbers(self, mean_trace: float, num_samples: int) -> tuple[float, float, float]:
        """See :class:`~lava_desire.model.option.Term`."""
        return num_samples * LIFT / self.rate_floor, self.rate_floor, mean_trace


def _lift(rate: Array, floor: float, num_samples: int, learning_rate: Array | float) -> Array:
    """Return η · B · h · max(0, 1 − ν_o / ν_min), (N_o,) float32."""
    xp = namespace(rate)
    step = learning_rate * (num_samples * LIFT / floor)
    return xp.astype(step * xp.clip(floor - rate, 0.0, floor), xp.float32)


def rate_floor_change(
    rate: Array,
    floor: float,
    mean_traces: Array,
    num_samples: int,
    learning_rate: Array | float,
) -> Array:
    """Lift neurons that hardly spike: ΔW = η · B · h · max(0, 1 − ν_o / ν_min) · r̄_i.

    Beyond the paper, on top of Eq. 4. Only a neuron that spikes learns, so one that has once fallen
    silent stays so, however much it is desired. Below a mean rate ν_min its weights rise along the
    mean of its inputs, by h = :data:`LIFT` of what a spike with desire would add in a sample.

    Parameters
    ----------
    rate : array
        ν_o, mean firing rates of the neurons in spikes a time step, (N_o,) float64.
    floor : float
        ν_min in spikes a time step, above 0.
    mean_traces : array
        r̄, mean traces of the inputs, ν_i · :func:`mean_trace`, (N_i,) float32.
    num_samples : int
        B.
    learning_rate : float or array
        η ≥ 0; an array is (1,) float64.

    Returns
    -------
    array
        ΔW, (N_o, N_i) float32, to be added after those of :func:`weight_change` and
        :func:`baseline_change`.

    Examples
    --------
    >>> import numpy as np
    >>> rates, traces = np.array([0.0, 0.25, 0.5]), np.array([2.0, 0.0], np.float32)
    >>> rate_floor_change(rates, 0.5, traces, num_samples=64, learning_rate=0.25)
    array([[0.5 , 0.  ],
           [0.25, 0.  ],
           [0.  , 0.  ]], dtype=float32)
    """
    return _lift(rate, floor, num_samples, learning_rate)[:, None] * mean_traces[None, :]
