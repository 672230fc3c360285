"""Weights of limited magnitude."""

from __future__ import annotations

from lava_desire.model.arrays import Array, namespace


def limit_weights(weights: Array, limit: float) -> Array:
    """Clip weights to [−limit, limit]; as they are where the limit is 0. Beyond the paper.

    Under Eq. 4 a neuron that spikes much changes much, up and down. What it gains by chance makes
    it spike more, until it spikes in every step and its weights wander; a limit ends that.

    Parameters
    ----------
    weights : array
        (N_o, N_i) float32.
    limit : float
        At least 0.

    Returns
    -------
    array
        (N_o, N_i) float32.

    Examples
    --------
    >>> import numpy as np
    >>> limit_weights(np.array([[-0.5, 0.125, 0.75]], np.float32), limit=0.25)
    array([[-0.25 ,  0.125,  0.25 ]], dtype=float32)
    """
    if limit == 0:
        return weights
    xp = namespace(weights)
    return xp.clip(weights, -limit, limit)
