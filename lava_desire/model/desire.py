"""Errors and desires of neurons (Eq. 5 to 15)."""

from __future__ import annotations

from lava_desire.model.arrays import Array, namespace


def ternarize(values: Array, threshold: float) -> Array:
    """Map values to {−1, 0, +1}: sgn x where |x| > θ, else 0  (Eq. 10).

    Parameters
    ----------
    values : array
        x, any shape, float32.
    threshold : float
        θ ≥ 0; a value of magnitude θ is 0.

    Returns
    -------
    array
        T_θ(x), int8 in {−1, 0, +1}, of the shape of `values`.

    Examples
    --------
    >>> import numpy as np
    >>> ternarize(np.array([-0.4, -0.3, 0.1, 0.31]), threshold=0.3)
    array([-1,  0,  0,  1], dtype=int8)
    """
    xp = namespace(values)
    return xp.astype(values > threshold, xp.int8) - xp.astype(values < -threshold, xp.int8)


def output_error(rate: Array, labels: Array) -> Array:
    """Return how far the output rates are from their targets: e = ρ − ŝ  (Eq. 5).

    Parameters
    ----------
    rate : array
        ρ, (B, K) float32.
    labels : array
        Class of each sample, (B,) integers in [0, K).

    Returns
    -------
    array
        e, (B, K) float32; the target ŝ is 1 for the sample's class and 0 for the others.
    """
    xp = namespace(rate, labels)
    return rate - xp.astype(is_target(rate, labels), rate.dtype)


def output_desire(rate: Array, labels: Array, threshold: float) -> Array:
    """Derive the output neurons' desire from the label: d = T_θ(−e)  (Eq. 11).

    The neuron of the sample's class wants more spikes or nothing, the others want fewer or nothing,
    also where an error margin lets a rate exceed 1.

    Parameters
    ----------
    rate : array
        ρ, (B, K) float32.
    labels : array
        (B,) integers in [0, K).
    threshold : float
        θ_out ≥ 0.

    Returns
    -------
    array
        d, (B, K) int8: +1 or 0 for the sample's class, −1 or 0 for the others.

    Examples
    --------
    >>> import numpy as np
    >>> from lava_desire.rule import firing_rate
    >>> rate = firing_rate(np.array([[5, 12, 2]]), num_steps=20, error_margin=4)
    >>> output_desire(rate, np.array([0]), threshold=0.30)
    array([[ 1, -1,  0]], dtype=int8)
    """
    xp = namespace(rate, labels)
    desire = ternarize(-output_error(rate, labels), threshold)
    overshoots = is_target(rate, labels) & (desire < 0)
    return xp.where(overshoots, xp.zeros_like(desire), desire)


def is_target(outputs: Array, labels: Array) -> Array:
    """Tell which output neuron is that of the sample's class: (B, K) bool."""
    xp = namespace(outputs, labels)
    on_device = {"device": outputs.device} if xp.__name__.endswith("torch") else {}
    classes = xp.arange(outputs.shape[-1], dtype=xp.int64, **on_device)
    return xp.astype(labels, xp.int64)[..., None] == classes


def local_error(desire: Array, rate: Array, mask: Array | None = None) -> Array:
    """Return the local error, negated so that it points where the neuron should go  (Eq. 14).

    c = d · |(d + 1)/2 − ρ|, and 0 where d = 0 or the neuron is dropped.

    Parameters
    ----------
    desire : array
        d, (..., N) int8 in {−1, 0, +1}.
    rate : array
        ρ, (..., N) float32.
    mask : array, optional
        Dropout mask, broadcast to (..., N) bool.

    Returns
    -------
    array
        c, (..., N) float32.

    Examples
    --------
    >>> import numpy as np
    >>> desire, rate = np.array([1, -1, 0], np.int8), np.array([0.25, 0.25, 0.25], np.float32)
    >>> local_error(desire, rate)
    array([ 0.75, -0.25,  0.  ], dtype=float32)
    """
    direction = kept_desire(desire, rate, mask)
    return direction * namespace(rate).abs((direction + 1) / 2 - rate)


def kept_desire(desire: Array, like: Array, mask: Array | None) -> Array:
    """Return d · m as numbers of the dtype of an array; arguments as of :func:`local_error`."""
    xp = namespace(desire, like)
    direction = xp.astype(desire, like.dtype)
    return direction if mask is None else direction * xp.astype(mask, like.dtype)


def hidden_desire(z: Array, threshold: float) -> Array:
    """Derive hidden neurons' desire from the errors that reached them: d = T_θ(z)  (Eq. 15).

    Parameters
    ----------
    z : array
        Sum of :func:`backpropagate_error`, (..., N) float32.
    threshold : float
        θ_hid ≥ 0.

    Returns
    -------
    array
        d, (..., N) int8 in {−1, 0, +1}.
    """
    return ternarize(z, threshold)


def local_loss(error: Array) -> Array:
    """Return the squared-error loss of each neuron, e² / 2  (Eq. 6 before its sum).

    Parameters
    ----------
    error : array
        Output error or local error, (..., N) float32.

    Returns
    -------
    array
        (..., N) float32, at least 0.
    """
    return error * error / 2
