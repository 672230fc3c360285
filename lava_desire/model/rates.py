"""Mean firing rates and mean traces, for what an update may add to Eq. 4. Beyond the paper."""

from __future__ import annotations

from lava_desire.model.arrays import Array, namespace


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


def mean_trace(num_steps: int, decay: float) -> float:
    """Return the mean over a window of the trace of an input that spikes in every step.

    (1/T) Σ_t Σ_{t' ≤ t} β^{t − t'}; an input of rate ν, even over the window, has ν times that.
    Beyond the paper, for a change of Eq. 4: :func:`baseline_change`.

    Parameters
    ----------
    num_steps : int
        T.
    decay : float
        β in [0, 1).

    Returns
    -------
    float
        In [1, 1 / (1 − β)).

    Examples
    --------
    >>> round(mean_trace(num_steps=20, decay=0.75), 3)
    3.402
    """
    total = trace = 0.0
    for _ in range(num_steps):
        trace = decay * trace + 1.0
        total += trace
    return total / num_steps
