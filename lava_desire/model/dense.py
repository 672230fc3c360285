"""Sums over the synapses of layers that are connected all to all (Eq. 1, 4, 13)."""

from __future__ import annotations

from lava_desire.model.arrays import Array, namespace
from lava_desire.model.synapses import Dense


def synaptic_current(weights: Array, spikes: Array, gain: float = 1.0) -> Array:
    """Sum the weighted input spikes of every neuron, the middle term of Eq. 1: a = W (g·u).

    Parameters
    ----------
    weights : array
        W, (N_o, N_i) float32.
    spikes : array
        u, (..., N_i), 0 or 1.
    gain : float
        g, 1 / (1 − P_drop) of the presynaptic layer while training, else 1 (Eq. 16).

    Returns
    -------
    array
        a, (..., N_o) float32.
    """
    return Dense.of(weights).current(weights, spikes, gain)


def backpropagate_error(weights: Array, errors: Array) -> Array:
    """Send local errors back through the synapses: z = Wᵀ c  (Eq. 13, negated as c is).

    Parameters
    ----------
    weights : array
        W before this sample's update, (N_o, N_i) float32.
    errors : array
        c of the postsynaptic neurons, (..., N_o) float32.

    Returns
    -------
    array
        z, (..., N_i) float32.

    Examples
    --------
    >>> import numpy as np
    >>> weights = np.array([[1.0, 0.5], [0.0, -2.0]], np.float32)
    >>> backpropagate_error(weights, np.array([0.5, -0.25], np.float32))
    array([0.5 , 0.75], dtype=float32)
    """
    return Dense.of(weights).backward(weights, errors)


def desired_pairings(desire: Array, spikes: Array, traces: Array) -> Array:
    """Sum pairs of postsynaptic spike and presynaptic trace, signed by desire: Σ_b d_o Σ_t s_o·r_i.

    The sum in Eq. 4 over a window and a minibatch. With float64 traces it is exact for β = 3/4,
    T = 20 up to about 256 samples: order, threads and batches do not change it.

    Parameters
    ----------
    desire : array
        d · mask, (B, N_o) in {−1, 0, +1}.
    spikes : array
        Postsynaptic spikes s, (T, B, N_o), 0 or 1.
    traces : array
        Presynaptic traces r, (T, B, N_i) float32 or float64.

    Returns
    -------
    array
        (N_o, N_i), dtype of `traces`.

    Examples
    --------
    >>> import numpy as np
    >>> spikes = np.array([[[1]], [[1]]])  # T = 2, one sample, one neuron
    >>> traces = np.array([[[1.0, 0.0]], [[0.75, 1.0]]])  # of two inputs
    >>> desired_pairings(np.array([[-1]]), spikes, traces)
    array([[-1.75, -1.  ]])
    """
    xp = namespace(desire, spikes, traces)
    signed = xp.astype(spikes, traces.dtype) * xp.astype(desire, traces.dtype)
    return Dense(spikes.shape[-1]).connected(tuple(traces.shape[-1:])).pairings(signed, traces)
