"""Desire backpropagation in integers, one pure function an equation: the arithmetic of `fixed_pt`.

What :mod:`lava_desire.rule` is in floating point, with the word lengths of Loihi. Lava's
fixed-point models call these functions; the engine's compiled kernels are tested against them. The
functions take NumPy arrays alone, since that is what both hold. They compute in int64 and saturate
explicitly to the stated ranges, so no integer wraps. ``docs/fixed_point.md`` is the specification;
constants come from :class:`lava_desire.model.integers.constants.IntegerRule`.

Random numbers are uniform 32-bit words that the caller draws
(:class:`lava_desire.randomness.RoundingStream`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lava_desire.model.encoding import BRIGHTEST, as_levels
from lava_desire.model.integers.format import LayerFormat
from lava_desire.model.integers.limits import (
    ACCUMULATOR_LIMIT,
    DECAY_BITS,
    IMPULSE_BITS,
    STATE_LIMIT,
    TRACE_LIMIT,
)
from lava_desire.model.option import filtered
from lava_desire.model.synapses import Dense

if TYPE_CHECKING:
    from lava_desire.config import DesireConfig

Array = Any
"""A NumPy array."""
_WORD_BITS = 32


def saturate(values: Array, limit: int = STATE_LIMIT) -> Array:
    """Hold values to a symmetric range.

    Parameters
    ----------
    values : ndarray
        (...,) int64.
    limit : int
        At least 0; 2^23 − 1, the range of 24 bits, when not given.

    Returns
    -------
    ndarray
        (...,) int64 in [−limit, limit].
    """
    return np.minimum(np.maximum(values, -limit), limit)  # np.clip takes longer on small arrays


def integer_brightness(images: Array) -> Array:
    """Return brightness as integers.

    Parameters
    ----------
    images : ndarray
        (..., N) integer levels in [0, 255], or brightness in [0, 1] as floats or booleans.

    Returns
    -------
    ndarray
        (..., N) int64 in [0, 255]; round(255·x) of brightness.

    Raises
    ------
    ValueError
        If a value is NaN or outside.
    """
    if images.dtype != np.uint8 and images.size:
        brightest = 1 if images.dtype.kind in "fb" else BRIGHTEST
        if not (images.min() >= 0 and images.max() <= brightest):  # so that NaN is outside
            raise ValueError(
                f"images of {images.dtype} are in [{images.min()}, {images.max()}]: expected "
                f"[0, {brightest}]"
            )
    return as_levels(images).astype(np.int64)


def filtered_brightness(config: DesireConfig, images: Array) -> Array:
    """Return images as they are encoded, as integers: filters that are on see levels.

    Parameters
    ----------
    config : DesireConfig
        Of the network.
    images : ndarray
        (..., N_0) uint8, or float brightness in [0, 1].

    Returns
    -------
    ndarray
        (..., N_0) int64 in [0, 255].
    """
    return integer_brightness(filtered(config, images))


def encode_step(potential: Array, brightness: Array, threshold: int) -> tuple[Array, Array]:
    """Advance the rate encoder by one time step: p ← p + x;  s = [p ≥ θ];  p ← p − θ·s (Sec. 4.1).

    Parameters
    ----------
    potential : ndarray
        p, (..., N) int64, 24 bits; zero before the first step.
    brightness : ndarray
        x, (..., N) int64 in [0, 255].
    threshold : int
        θ in the unit of x.

    Returns
    -------
    spikes : ndarray
        s, (..., N) bool.
    potential : ndarray
        p after the step, (..., N) int64.
    """
    potential = saturate(potential + brightness)
    spikes = potential >= threshold
    return spikes, potential - threshold * spikes


def encode(brightness: Array, num_steps: int, threshold: int) -> Array:
    """Encode brightness by running :func:`encode_step` T times from rest (Sec. 4.1).

    Parameters
    ----------
    brightness : ndarray
        (..., N) int64 in [0, 255].
    num_steps : int
        T.
    threshold : int
        θ in the unit of brightness.

    Returns
    -------
    ndarray
        Spikes, (T, ..., N) bool.
    """
    potential = np.zeros_like(brightness)
    trains = np.empty((num_steps, *brightness.shape), dtype=bool)
    for step in range(num_steps):
        trains[step], potential = encode_step(potential, brightness, threshold)
    return trains


def synaptic_activation(weights: Array, spikes: Array, weight_exp: int) -> Array:
    """Sum the mantissas of the inputs that spiked and apply the exponent: a = (Σ m·u) · 2^e.

    The middle term of Eq. 1. A negative exponent shifts the sum right, toward −∞, as Lava's dense
    connection does.

    Parameters
    ----------
    weights : ndarray
        m, (N_o, N_i) int8.
    spikes : ndarray
        u, (..., N_i), 0 or 1.
    weight_exp : int
        e.

    Returns
    -------
    ndarray
        a, (..., N_o) int64, saturated to 24 bits.
    """
    return apply_exponent(Dense.of(weights).current(weights, spikes), weight_exp)


def apply_exponent(sums: Array, weight_exp: int) -> Array:
    """Return sums · 2^e.

    Parameters
    ----------
    sums : ndarray
        (...,) int64.
    weight_exp : int
        e; a negative one shifts right, toward −∞.

    Returns
    -------
    ndarray
        (...,) int64, saturated to 24 bits.
    """
    shifted = sums << weight_exp if weight_exp >= 0 else sums >> -weight_exp
    return saturate(shifted)


def decay_toward_zero(values: Array, decay: int) -> Array:
    """Multiply by D / 4096 and round toward zero, as Lava's LIF does.

    Parameters
    ----------
    values : ndarray
        (...,) int64, 24 bits.
    decay : int
        D = 4096·β, in [0, 4095].

    Returns
    -------
    ndarray
        (...,) int64.

    Examples
    --------
    >>> decay_toward_zero(np.array([5, -5]), 3072)  # 3.75 and −3.75
    array([ 3, -3])
    """
    return np.sign(values) * (np.abs(values) * decay >> DECAY_BITS)


def filter_current(current: Array, activation: Array, gain: int, decay: int) -> Array:
    """Let what is left of synaptic currents add to those of a time step: i ← sat(α·i + g·a).

    Beyond the paper, between the sum of Eq. 1 and the rest of it:
    :func:`lava_desire.rule.filter_current` in integers. i is on the scale of the
    potential, and takes the place of g·a in :func:`integrate_and_fire`, whose gain is 1 then. The
    product is rounded toward zero, as in Lava's LIF, whose ``du`` is 4095 − decay.

    Parameters
    ----------
    current : ndarray
        i, (..., N) int64, 24 bits; 0 when a window begins.
    activation : ndarray
        a, (..., N) int64, 24 bits.
    gain : int
        g in 1/64 of the input.
    decay : int
        α in 1/4096, in [0, 4095].

    Returns
    -------
    ndarray
        i after the step, (..., N) int64, saturated to 24 bits.

    Examples
    --------
    >>> filter_current(np.array([5, -5]), np.array([1, 0]), gain=64, decay=2048)
    array([66, -2])
    """
    return saturate(decay_toward_zero(current, decay) + activation * gain)


def integrate(potential: Array, activation: Array, gain: int, decay: int) -> Array:
    """Advance potentials to where they are compared with the threshold: sat(β·v + g·a)  (Eq. 1).

    Parameters
    ----------
    potential, activation, gain, decay
        As of :func:`integrate_and_fire`.

    Returns
    -------
    ndarray
        v before its reset, (..., N) int64, 24 bits.

    Examples
    --------
    >>> integrate(np.array([100, -100]), np.array([1, 0]), gain=64, decay=2048)
    array([114, -50])
    """
    return saturate(decay_toward_zero(potential, decay) + activation * gain)


def integrate_and_fire(
    potential: Array,
    activation: Array,
    gain: int,
    decay: int,
    threshold: int,
    mask: Array | None = None,
    reset: str = "subtract",
) -> tuple[Array, Array]:
    """Advance neurons by one time step: decay, integrate, compare, reset (Eq. 1 and 16).

    v ← sat(β·v + g·a);  s = [v > θ] · m;  v ← v − θ·s. The comparison is strict, as that of Lava's
    LIF and of Loihi: the smallest potential that fires is θ and one unit.

    Parameters
    ----------
    potential : ndarray
        v, (..., N) int64, 24 bits.
    activation : ndarray
        a, (..., N) int64, 24 bits.
    gain : int
        g in 1/64 of the input: 64, or more for an input that is dropped out; it takes the place of
        the shift by six that aligns activations with the potential.
    decay : int
        β in 1/4096.
    threshold : int
        θ, the layer's mantissa shifted left by six.
    mask : ndarray, optional
        Dropout mask m, broadcast to (..., N) bool.
    reset : {"subtract", "zero"}
        What a spike does to the potential.

    Returns
    -------
    spikes : ndarray
        s, (..., N) bool.
    potential : ndarray
        v after the reset, (..., N) int64, 24 bits.
    """
    return fire(integrate(potential, activation, gain, decay), threshold, mask, reset)


def fire(
    potential: Array, threshold: int, mask: Array | None = None, reset: str = "subtract"
) -> tuple[Array, Array]:
    """Compare potentials with the threshold, and reset those of neurons that spike (Eq. 1 and 16).

    Parameters
    ----------
    potential : ndarray
        v of :func:`integrate`, (..., N) int64, 24 bits.
    threshold, mask, reset
        As of :func:`integrate_and_fire`.

    Returns
    -------
    spikes : ndarray
        s, (..., N) bool.
    potential : ndarray
        v after the reset, (..., N) int64, 24 bits.

    Examples
    --------
    >>> spikes, potential = fire(np.array([640, 641]), threshold=640)
    >>> spikes.tolist(), potential.tolist()
    ([False, True], [640, 1])
    """
    spikes = potential > threshold
    if mask is not None:
        spikes = spikes & mask
    if reset == "zero":
        return spikes, np.where(spikes, 0, potential)
    return spikes, potential - threshold * spikes


def decay_trace(trace: Array, spikes: Array, decay: int, impulse: int, words: Array) -> Array:
    """Advance spike traces by one time step, rounding stochastically: r ← β·r + u (Eq. 3).

    r ← ⌊(r·decay + ξ₁) / 4096⌋ + u·⌊(impulse + ξ₂) / 256⌋, held to 127, with ξ₁ the low twelve and
    ξ₂ the next eight bits of a random word: each floor has the mean of what it rounds.

    Parameters
    ----------
    trace : ndarray
        r, (..., N) integers in [0, 127].
    spikes : ndarray
        u, (..., N), 0 or 1.
    decay, impulse : int
        In 1/4096 and 1/256.
    words : ndarray
        (..., N) uint32.

    Returns
    -------
    ndarray
        r after the step, (..., N) int64 in [0, 127].
    """
    words = words.astype(np.int64)
    decayed = trace.astype(np.int64) * decay + (words & (2**DECAY_BITS - 1)) >> DECAY_BITS
    added = impulse + (words >> DECAY_BITS & (2**IMPULSE_BITS - 1)) >> IMPULSE_BITS
    return np.minimum(decayed + spikes * added, TRACE_LIMIT)


def filter_trace(trace: Array, current: Array, decay: int, words: Array) -> Array:
    """Advance the traces behind a filter of currents by one step: r ← β·r + x (Eq. 3).

    Beyond the paper: where currents are filtered, :func:`decay_trace` with α in place of β gives
    x, and r ← ⌊(r·decay + ξ₃) / 4096⌋ + x, held to 127, with ξ₃ the high twelve bits of its words.

    Parameters
    ----------
    trace : ndarray
        r, (..., N) integers in [0, 127].
    current : ndarray
        x of this step, (..., N) integers in [0, 127].
    decay : int
        β in 1/4096.
    words : ndarray
        (..., N) uint32, those of x in this step.

    Returns
    -------
    ndarray
        r after the step, (..., N) int64 in [0, 127].
    """
    noise = words.astype(np.int64) >> _WORD_BITS - DECAY_BITS
    return np.minimum((trace.astype(np.int64) * decay + noise >> DECAY_BITS) + current, TRACE_LIMIT)


def output_desire(counts: Array, labels: Array, full_count: int, threshold: int) -> Array:
    """Derive the output neurons' desire from the label, in spikes (Eq. 5 and Eq. 11).

    Parameters
    ----------
    counts : ndarray
        n, (B, K) int64.
    labels : ndarray
        (B,) integers in [0, K).
    full_count : int
        T − m, the target of the sample's class.
    threshold : int
        θ_out in spikes.

    Returns
    -------
    ndarray
        d, (B, K) int8: +1 or 0 for the sample's class, −1 or 0 for the others.
    """
    target = np.arange(counts.shape[-1]) == labels[..., None]
    wants_more = target & (full_count - counts > threshold)
    wants_less = ~target & (counts > threshold)
    return wants_more.astype(np.int8) - wants_less.astype(np.int8)


def local_error(desire: Array, counts: Array, full_count: int, mask: Array | None = None) -> Array:
    """Return the local error in spikes, exactly (T − m) times that of Eq. 14.

    c = d · |(T − m)·(d + 1)/2 − n|, and 0 where d = 0 or the neuron is dropped.

    Parameters
    ----------
    desire : ndarray
        d, (..., N) int8 in {−1, 0, +1}.
    counts : ndarray
        n, (..., N) int64 in [0, T].
    full_count : int
        T − m.
    mask : ndarray, optional
        Dropout mask, broadcast to (..., N) bool.

    Returns
    -------
    ndarray
        c, (..., N) int64 in [−T, T].
    """
    direction = desire.astype(np.int64)
    if mask is not None:
        direction = direction * mask
    return direction * np.abs((direction > 0) * full_count - counts)


def backpropagate_error(weights: Array, errors: Array) -> Array:
    """Send local errors back through the synapses: z = Σ m·c (Eq. 13).

    Parameters
    ----------
    weights : ndarray
        m before this sample's update, (N_o, N_i) int8.
    errors : ndarray
        c, (..., N_o) int64.

    Returns
    -------
    ndarray
        z in mantissas times spikes, (..., N_i) int64, saturated to 24 bits.
    """
    return saturate(Dense.of(weights).backward(weights, errors))


def hidden_desire(z: Array, threshold: int) -> Array:
    """Derive hidden neurons' desire: sgn z where |z| > θ_hid, else 0  (Eq. 15).

    Parameters
    ----------
    z : ndarray
        (..., N) int64, 24 bits.
    threshold : int
        θ_hid on the scale of z.

    Returns
    -------
    ndarray
        d, (..., N) int8 in {−1, 0, +1}.
    """
    return (z > threshold).astype(np.int8) - (z < -threshold).astype(np.int8)


def gather_pairings(pairings: Array, spikes: Array, trace: Array) -> Array:
    """Add the presynaptic traces where a postsynaptic neuron spikes, a step of the sum in Eq. 4.

    Parameters
    ----------
    pairings : ndarray
        Σ s·r so far, (N_o, N_i) int64 in [0, 2**23 − 1].
    spikes : ndarray
        s, (N_o,) bool.
    trace : ndarray
        r, (N_i,) integers in [0, 127].

    Returns
    -------
    ndarray
        The sum after the step, (N_o, N_i) int64, saturated to 24 bits.
    """
    return saturate(pairings + spikes[:, None] * trace.astype(np.int64))


def weight_change(pairings: Array, desire: Array, rate_mantissa: int) -> Array:
    """Multiply the sum of a window with desire and learning rate: the accumulator of Eq. 4.

    Parameters
    ----------
    pairings : ndarray
        Σ s·r, (N_o, N_i) int64, 24 bits.
    desire : ndarray
        d · mask, (N_o,) int8.
    rate_mantissa : int
        Learning rate on the grid of the layer, in [0, 255], in 2^−shift.

    Returns
    -------
    ndarray
        Change of the mantissas in 2^−shift, (N_o, N_i) int64, saturated to 32 bits.
    """
    change = pairings * desire.astype(np.int64)[:, None] * rate_mantissa
    return saturate(change, ACCUMULATOR_LIMIT)


def add_change(
    weights: Array, change: Array, shift: int, words: Array, layer: LayerFormat
) -> Array:
    """Round a change (Eq. 4) stochastically to the grid of the weights and add it, saturating.

    m ← sat(m + ⌊(change + ξ) / 2^shift⌋) with ξ uniform in [0, 2^shift): the mean of what is added
    is the change.

    Parameters
    ----------
    weights : ndarray
        m, (...,) int8.
    change : ndarray
        (...,) int64, 32 bits, in 2^−shift.
    shift : int
        In [0, 31].
    words : ndarray
        Random words, (...,) uint32; their high bits are ξ.
    layer : LayerFormat
        Its range holds the mantissas.

    Returns
    -------
    ndarray
        m after the update, (...,) int8.
    """
    noise = words.astype(np.int64) >> _WORD_BITS - shift
    rounded = change + noise >> shift
    return np.clip(weights + rounded, layer.lowest, layer.highest).astype(np.int8)
