"""Leaky integrate-and-fire neurons, and how active they were (Eq. 1 and 16)."""

from __future__ import annotations

from lava_desire.model.arrays import Array, namespace


def integrate_and_fire(
    potential: Array,
    current: Array,
    decay: float,
    threshold: float,
    mask: Array | None = None,
    reset: str = "subtract",
) -> tuple[Array, Array]:
    """Advance leaky integrate-and-fire neurons by one time step: decay, integrate, compare, reset.

    p ← β·p + a;  s = [p ≥ θ] · m;  p ← p − θ·s  (Eq. 1 and 16)

    Parameters
    ----------
    potential : array
        Membrane potential p, (..., N) float32.
    current : array
        Synaptic current a of this step, (..., N) float32.
    decay : float
        β in [0, 1).
    threshold : float
        θ > 0; a potential that equals it fires.
    mask : array, optional
        Dropout mask m, broadcast to (..., N) bool; a neuron with a false mask never fires.
    reset : {"subtract", "zero"}
        Whether a spike deducts θ from the potential or sets it to 0.

    Returns
    -------
    spikes : array
        s, (..., N) bool.
    potential : array
        p after the reset, (..., N) float32.

    Examples
    --------
    >>> import numpy as np
    >>> potential = np.array([0.8, 0.8, -0.4], np.float32)
    >>> current = np.array([0.1, 0.4, 0.3], np.float32)
    >>> spikes, potential = integrate_and_fire(potential, current, decay=0.75, threshold=1.0)
    >>> spikes
    array([False,  True, False])
    >>> potential.round(3).tolist() == np.array([0.7, 0.0, 0.0], np.float32).tolist()
    True
    """
    xp = namespace(potential, current)
    potential = decay * potential + current
    spikes = potential >= threshold
    if mask is not None:
        spikes = spikes & mask
    if reset == "zero":
        return spikes, xp.where(spikes, xp.zeros_like(potential), potential)
    return spikes, potential - threshold * xp.astype(spikes, potential.dtype)


def firing_rate(counts: Array, num_steps: int, error_margin: int) -> Array:
    """Normalise spike counts: ρ = n / (T − m), the sum in Eq. 5 and 14.

    Parameters
    ----------
    counts : array
        n, (..., N) integers in [0, T].
    num_steps, error_margin : int
        T and m < T; at T − m spikes a neuron counts as fully active.

    Returns
    -------
    array
        ρ, (..., N) float32 in [0, T / (T − m)].
    """
    xp = namespace(counts)
    return xp.astype(counts, xp.float32) / float(num_steps - error_margin)
