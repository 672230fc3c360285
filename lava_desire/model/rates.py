"""Mean firing rates and mean traces, for what an update may add to Eq. 4. Beyond the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lava_desire.model.arrays import Array, namespace
from lava_desire.model.fields import Part, choice, integer

RATES_OVER = ("all", "desired")

RATE_BITS = 23
"""Bits of a mean rate in integers: R in [0, 2**23 − 1] is ν · 2**23."""
_MANTISSA_BITS = 8
_LARGEST_HORIZON = 2**16


@dataclass(frozen=True)
class MeanRates(Part):
    """Which samples mean rates and traces are taken over."""

    position: ClassVar[int] = 60

    baseline_samples: int = integer(
        10_000,
        1,
        doc="Samples S, in [1, 2**31), over which mean rates and traces are taken.",
        help="Its mean is over these.",
        example=6,
    )
    rates_over: str = choice(
        "all",
        RATES_OVER,
        doc="Which samples mean rates and traces are taken over: all that are learned from, or "
        "those in which an output neuron has desire.",
        help="all or desired samples.",
        example="desired",
    )


if TYPE_CHECKING:
    from lava_desire.config import DesireConfig
    from lava_desire.model.state import NetworkState


def follow_rate(
    rate: Array, num_spikes: Array, num_samples: Array | int, num_steps: int, share: Array | float
) -> Array:
    """Let the mean firing rate of neurons follow what they did: ν ← ν + κ·(n / (B·T) − ν).

    Beyond the paper, for a change of Eq. 4: :func:`baseline_change`.

    Parameters
    ----------
    rate : array
        ν in spikes a time step, (N,) float64 in [0, 1].
    num_spikes : array
        n, spikes of B samples together, (N,) int64.
    num_samples : int or array
        B; an array is () or (1,) int64. Without samples the rate stays.
    num_steps : int
        T.
    share : float or array
        κ in [0, 1]; an array is (1,) float64.

    Returns
    -------
    array
        ν afterwards, (N,) float64.

    Examples
    --------
    >>> import numpy as np
    >>> follow_rate(np.array([0.5, 0.0]), np.array([20, 10]), 1, num_steps=20, share=0.5)
    array([0.75, 0.25])
    """
    xp = namespace(rate, num_spikes)
    # Divided by an array: a scalar divisor may be turned into a factor on some devices.
    slots = xp.clip(xp.zeros_like(rate) + num_samples * num_steps, 1, None)
    return rate + share * (xp.astype(num_spikes, xp.float64) / slots - rate)


def reciprocal(divisor: int) -> tuple[int, int]:
    """Return 1 / divisor as a mantissa in [128, 255], rounded down, and a shift: m / 2^s.

    Examples
    --------
    >>> reciprocal(64), reciprocal(10_000)
    ((128, 13), (209, 21))
    """
    shift = (divisor - 1).bit_length() + _MANTISSA_BITS - 1
    return (1 << shift) // divisor, shift


def whole_rate(rate: Array) -> Array:
    """Return mean rates as integers, R = ν · 2**23 to the nearest, at most 2**23 − 1.

    Rates are ν in spikes a time step, (N,) float64 in [0, 1]; a network in integers holds multiples
    of 2**−23, which are exact. R is (N,) int64.
    """
    xp = namespace(rate)
    return xp.clip(xp.astype(xp.round(rate * 2**RATE_BITS), xp.int64), None, 2**RATE_BITS - 1)


def share_of(whole: Array, gain: int) -> Array:
    """Return the product of mean rates with an integer: R·gain / 2**23, rounded, (N,) int64."""
    return whole * gain + (1 << RATE_BITS - 1) >> RATE_BITS


def follow_rate_in_integers(
    rate: Array, num_spikes: Array, num_samples: int, num_steps: int, horizon: int
) -> Array:
    """Do what :func:`follow_rate` does with κ = B / H, in integers.

    R ← sat(R + ((n·U − B·R)·m + 2^(s−1) >> s)), with U = 2**23 / T rounded, what a spike counts,
    and m / 2^s for 1 / H: :func:`reciprocal`. The horizon H is at least 1 and B; beyond 2**16 rates
    could hardly move, and it is taken for that. Rates are multiples of 2**−23 in [0, 1).

    Examples
    --------
    >>> import numpy as np
    >>> rate, num_spikes = np.array([0.5, 0.0]), np.array([20, 10])
    >>> follow_rate_in_integers(rate, num_spikes, 1, num_steps=20, horizon=2)
    array([0.74999952, 0.24999976])
    """
    xp, whole = namespace(rate, num_spikes), whole_rate(rate)
    of_spike = (2**RATE_BITS + num_steps // 2) // num_steps
    mantissa, shift = reciprocal(min(horizon, max(_LARGEST_HORIZON, num_samples)))
    moved = (num_spikes * of_spike - num_samples * whole) * mantissa + (1 << shift - 1) >> shift
    return xp.astype(xp.clip(whole + moved, 0, 2**RATE_BITS - 1), xp.float64) / 2**RATE_BITS


def mean_trace(num_steps: int, decay: float, synapse_decay: float = 0.0) -> float:
    """Return the mean over a window of the trace of an input that spikes in every step.

    (1/T) Σ_t Σ_{t' ≤ t} β^{t − t'}; an input of rate ν, even over the window, has ν times that.
    With a `synapse_decay` α the sum is that of the trace behind both filters.
    Beyond the paper, for a change of Eq. 4: :func:`baseline_change`.

    Parameters
    ----------
    num_steps : int
        T.
    decay : float
        β in [0, 1).
    synapse_decay : float
        α in [0, 1).

    Returns
    -------
    float
        In [1, 1 / ((1 − α) (1 − β))).

    Examples
    --------
    >>> round(mean_trace(num_steps=20, decay=0.75), 3)
    3.402
    """
    total = trace = arrived = 0.0
    for _ in range(num_steps):
        arrived = synapse_decay * arrived + 1.0
        trace = decay * trace + arrived
        total += trace
    return total / num_steps


class InputRates:
    """Follows how often the inputs of each plastic layer spike in training.

    ν ← ν + κ·(n / (B·T) − ν), with κ = B / min(samples seen, S) and S of the config's
    `baseline_samples`: a plain mean over the first S samples, later one that forgets. B are the
    samples of a minibatch, or those with desire, as `rates_over` of the config says. The inputs of
    a layer are the neurons of the one before.

    `rates` are the state's `input_rates`, L of (N_{ℓ−1},) float64, spikes a time step, and
    `num_samples` its `rated_samples`, (L,) int64, those that each layer has followed. Nothing here
    waits for the device that they are on. A network that learns `in_integers` follows them by
    :func:`follow_rate_in_integers`.
    """

    def __init__(
        self, config: DesireConfig, state: NetworkState, in_integers: bool = False
    ) -> None:
        self._config, self._in_integers = config, in_integers
        self.rates, self.num_samples = state.input_rates, state.rated_samples

    def follow(self, layer: int, num_spikes: Array, num_samples: int | Array) -> None:
        """Take in a minibatch of B samples, a number or () int64, of layer ℓ in 1 to L.

        `num_spikes` are the spikes of its inputs, all samples together, (N_{ℓ−1},) int64.
        """
        config, rate = self._config, self.rates[layer - 1]
        xp = namespace(rate)
        seen = self.num_samples[layer - 1 : layer]
        seen += num_samples
        if self._in_integers:
            batch = int(num_samples)
            horizon = max(1, batch, min(int(seen[0]), config.baseline_samples))
            rate[...] = follow_rate_in_integers(rate, num_spikes, batch, config.num_steps, horizon)
            return
        batch = xp.zeros_like(rate[:1]) + num_samples
        horizon = xp.maximum(batch.clip(min=1), seen.clip(max=config.baseline_samples))
        share = batch / horizon
        rate[...] = follow_rate(rate, num_spikes, num_samples, config.num_steps, share)
