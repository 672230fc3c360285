"""What the output layer decides (Sec. 4.2)."""

from __future__ import annotations

from lava_desire.model.arrays import Array, namespace

UNDECIDED = -1
"""The prediction where no output neuron spikes more than all others (Sec. 4.2)."""


def last_spikes(spikes: Array) -> Array:
    """Return the time step of each neuron's last spike, when it reached its count (Sec. 4.2).

    Beyond the paper, for ties in :func:`predict`.

    Parameters
    ----------
    spikes : array
        Spike trains, (T, ..., N), 0 or 1 or bool.

    Returns
    -------
    array
        (..., N) int64 in [1, T]; 0 where a neuron is silent.

    Examples
    --------
    >>> import numpy as np
    >>> last_spikes(np.array([[1, 0], [1, 0], [0, 0]]))
    array([2, 0])
    """
    xp = namespace(spikes)
    steps = xp.cumulative_sum(xp.ones_like(spikes, dtype=xp.int64), axis=0)
    return xp.max(xp.astype(spikes, xp.int64) * steps, axis=0)


def predict(counts: Array, last: Array | None = None) -> Array:
    """Return the class whose output neuron spikes most, :data:`UNDECIDED` for a tie (Sec. 4.2).

    Parameters
    ----------
    counts : array
        Spike counts of the output layer, (..., K) integers.
    last : array, optional
        Time steps of their last spikes, (..., K) integers, see :func:`last_spikes`. With them, and
        beyond the paper, a tie goes to the class that reached the largest count earliest.

    Returns
    -------
    array
        (...,) int64 in [0, K), or −1 where the largest count occurs more than once, and, given
        `last`, was reached in the same step.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.array([[3, 9, 1], [4, 4, 0]])
    >>> predict(counts)
    array([ 1, -1])
    >>> predict(counts, np.array([[17, 20, 9], [19, 18, 0]]))
    array([1, 1])
    """
    xp = namespace(counts)
    leads = counts == xp.max(counts, axis=-1, keepdims=True)
    if last is not None:
        reached = xp.where(leads, last, xp.max(last) + 1)
        leads = reached == xp.min(reached, axis=-1, keepdims=True)
    leads = xp.astype(leads, xp.int64)
    winner = xp.astype(xp.argmax(leads, axis=-1), xp.int64)
    return xp.where(xp.sum(leads, axis=-1) > 1, xp.full_like(winner, UNDECIDED), winner)
