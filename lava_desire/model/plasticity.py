"""Spike traces, and the change of weights (Eq. 3 and 4)."""

from __future__ import annotations

from lava_desire.model.arrays import Array, namespace


def decay_trace(trace: Array, spikes: Array, decay: float) -> Array:
    """Advance spike traces by one time step: r[t] = β·r[t−1] + u[t]  (Eq. 3).

    Parameters
    ----------
    trace : array
        r, (..., N), float64 where the sums of Eq. 4 shall be exact.
    spikes : array
        u, (..., N), 0 or 1.
    decay : float
        β in [0, 1).

    Returns
    -------
    array
        r after the step, of the shape and dtype of `trace`.

    Examples
    --------
    >>> import numpy as np
    >>> trace = np.zeros(1)
    >>> for spike in (1, 0, 0, 1):
    ...     trace = decay_trace(trace, np.array([spike]), decay=0.75)
    ...     print(trace)
    [1.]
    [0.75]
    [0.5625]
    [1.421875]
    """
    xp = namespace(trace, spikes)
    return decay * trace + xp.astype(spikes, trace.dtype)


def weight_change(pairings: Array, learning_rate: float) -> Array:
    """Scale summed pairings to a change of weights: ΔW = η · Σ d_o s_o r_i  (Eq. 4).

    Parameters
    ----------
    pairings : array
        Result of :func:`desired_pairings`, (N_o, N_i) float32 or float64.
    learning_rate : float
        η ≥ 0.

    Returns
    -------
    array
        ΔW, (N_o, N_i) float32, to be added to the weights.
    """
    xp = namespace(pairings)
    return xp.astype(learning_rate * pairings, xp.float32)
