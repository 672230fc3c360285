"""Desire backpropagation, one pure function an equation.

The functions take NumPy arrays and torch tensors alike and return what they were given. Shapes are
written time first: T time steps, B samples, N neurons; (..., N) means any leading dimensions.
Equation numbers are those of Gerlinghoff et al., "Desire backpropagation", Neurocomputing 2023.

Sums over synapses are accumulated in float64 and rounded once to float32. The order of the sum
then decides no spike, and every backend that does the same computes the same bits.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import array_api_compat
import array_api_compat.numpy
import numpy as np

Array = Any
"""A NumPy array or a torch tensor."""

UNDECIDED = -1
"""The prediction where no output neuron spikes more than all others (Sec. 4.2)."""


def _astype(array: Array, dtype: Any, copy: bool = True) -> Array:
    return array.astype(dtype, copy=copy)


_NUMPY = SimpleNamespace(**{**vars(array_api_compat.numpy), "astype": _astype})
"""What computes with NumPy's arrays, with a cast that asks for no device: a step has dozens."""


def _namespace(*arrays: Array) -> Any:
    """Return what computes with these arrays; NumPy's are told without a search."""
    for array in arrays:
        if array.__class__ is not np.ndarray:
            return array_api_compat.array_namespace(*arrays)
    return _NUMPY


def equalize_brightness(brightness: Array, mean: float) -> Array:
    """Scale images to the same mean brightness before they are encoded (Sec. 4.1).

    Not in the paper. With no bias and a fixed threshold, a neuron hears a dark image as it hears a
    weak feature; scaled, as a retina adapts to light, images differ in what they show.

    k ← min(255, ⌊M·k / Σk + ½⌋),  M = ⌊255·N·x̄⌉: integers, so that every backend has the same.

    Parameters
    ----------
    brightness : array
        (..., N) integer levels k in [0, 255], or float x in [0, 1], rounded to levels k = ⌊255·x⌉.
    mean : float
        x̄ in [0, 1). Images of which pixels are cut off at white stay below it. 0 returns
        `brightness` as it is.

    Returns
    -------
    array
        (..., N) uint8; dark images stay dark.

    Examples
    --------
    >>> import numpy as np
    >>> equalize_brightness(np.array([[0, 10, 20, 30], [0, 100, 200, 0]], np.uint8), mean=0.25)
    array([[  0,  43,  85, 128],
           [  0,  85, 170,   0]], dtype=uint8)
    """
    if mean == 0:
        return brightness
    xp = _namespace(brightness)
    levels = brightness
    if xp.isdtype(levels.dtype, "real floating"):
        levels = xp.round(xp.astype(levels, xp.float64) * 255)
    levels = xp.astype(levels, xp.int64)
    total = xp.sum(levels, axis=-1, keepdims=True)
    wanted = round(255 * levels.shape[-1] * mean)
    scaled = (2 * wanted * levels + total) // xp.clip(2 * total, 1, None)
    return xp.astype(xp.clip(scaled, None, 255), xp.uint8)


def encode_step(potential: Array, brightness: Array, threshold: float) -> tuple[Array, Array]:
    """Advance the rate encoder, a non-leaky integrate-and-fire neuron a pixel, by one time step.

    p ← p + x;  s = [p ≥ θ];  p ← p − θ·s  (Sec. 4.1)

    Parameters
    ----------
    potential : array
        Membrane potential p, (..., N) float32; zero before the first step.
    brightness : array
        x, (..., N) float32 in [0, 1].
    threshold : float
        θ > 0.

    Returns
    -------
    spikes : array
        s, (..., N) bool.
    potential : array
        p after the step, (..., N) float32.
    """
    xp = _namespace(potential, brightness)
    potential = potential + brightness
    spikes = potential >= threshold
    return spikes, potential - threshold * xp.astype(spikes, potential.dtype)


def encode(brightness: Array, num_steps: int, threshold: float) -> Array:
    """Encode brightness as spike trains: :func:`encode_step`, T times from rest (Sec. 4.1).

    Parameters
    ----------
    brightness : array
        (..., N) float32 in [0, 1].
    num_steps : int
        T.
    threshold : float
        θ > 0.

    Returns
    -------
    array
        Spikes, (T, ..., N) bool.

    Examples
    --------
    >>> import numpy as np
    >>> brightness = np.array([0.0, 0.25, 0.75], np.float32)
    >>> encode(brightness, num_steps=8, threshold=1.0).astype(int).T
    array([[0, 0, 0, 0, 0, 0, 0, 0],
           [0, 0, 0, 1, 0, 0, 0, 1],
           [0, 1, 1, 1, 0, 1, 1, 1]])
    """
    xp = _namespace(brightness)
    potential = xp.zeros_like(brightness)
    trains = []
    for _ in range(num_steps):
        spikes, potential = encode_step(potential, brightness, threshold)
        trains.append(spikes)
    return xp.stack(trains)


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
    xp = _namespace(weights, spikes)
    wide = xp.astype(spikes, xp.float64) * gain
    return xp.astype(wide @ xp.astype(weights, xp.float64).T, xp.float32)


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
    xp = _namespace(potential, current)
    potential = decay * potential + current
    spikes = potential >= threshold
    if mask is not None:
        spikes = spikes & mask
    if reset == "zero":
        return spikes, xp.where(spikes, xp.zeros_like(potential), potential)
    return spikes, potential - threshold * xp.astype(spikes, potential.dtype)


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
    xp = _namespace(trace, spikes)
    return decay * trace + xp.astype(spikes, trace.dtype)


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
    xp = _namespace(counts)
    return xp.astype(counts, xp.float32) / float(num_steps - error_margin)


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
    xp = _namespace(spikes)
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
    xp = _namespace(counts)
    leads = counts == xp.max(counts, axis=-1, keepdims=True)
    if last is not None:
        reached = xp.where(leads, last, xp.max(last) + 1)
        leads = reached == xp.min(reached, axis=-1, keepdims=True)
    leads = xp.astype(leads, xp.int64)
    winner = xp.astype(xp.argmax(leads, axis=-1), xp.int64)
    return xp.where(xp.sum(leads, axis=-1) > 1, xp.full_like(winner, UNDECIDED), winner)


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
    xp = _namespace(values)
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
    xp = _namespace(rate, labels)
    return rate - xp.astype(_is_target(rate, labels), rate.dtype)


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
    >>> rate = firing_rate(np.array([[5, 12, 2]]), num_steps=20, error_margin=4)
    >>> output_desire(rate, np.array([0]), threshold=0.30)
    array([[ 1, -1,  0]], dtype=int8)
    """
    xp = _namespace(rate, labels)
    desire = ternarize(-output_error(rate, labels), threshold)
    overshoots = _is_target(rate, labels) & (desire < 0)
    return xp.where(overshoots, xp.zeros_like(desire), desire)


def margin_desire(counts: Array, labels: Array, margin: int) -> Array:
    """Derive the output neurons' desire from their order, where Eq. 11 does from each rate.

    Beyond the paper: unless the neuron of the sample's class leads all others by the margin, it
    wants more spikes, and those with the most spikes among the others want fewer. Only differences
    of counts matter, not how much a neuron spikes.

    Parameters
    ----------
    counts : array
        n, spikes of the window, (B, K) int64.
    labels : array
        (B,) integers in [0, K).
    margin : int
        M ≥ 1 in spikes.

    Returns
    -------
    array
        d, (B, K) int8: +1 or 0 for the sample's class, −1 or 0 for the others.

    Examples
    --------
    >>> import numpy as np
    >>> margin_desire(np.array([[9, 6, 1], [9, 2, 1]]), np.array([0, 0]), margin=4)
    array([[ 1, -1,  0],
           [ 0,  0,  0]], dtype=int8)
    """
    xp = _namespace(counts, labels)
    target = _is_target(counts, labels)
    others = xp.where(target, xp.zeros_like(counts), counts)
    most = xp.max(others, axis=-1, keepdims=True)
    own = xp.sum(counts - others, axis=-1, keepdims=True)
    is_close = own - most < margin
    wants_less = is_close & (others == most) & (others > 0)
    return xp.astype(target & is_close, xp.int8) - xp.astype(wants_less, xp.int8)


def _is_target(outputs: Array, labels: Array) -> Array:
    xp = _namespace(outputs, labels)
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
    xp = _namespace(desire, rate)
    direction = xp.astype(desire, rate.dtype)
    if mask is not None:
        direction = direction * xp.astype(mask, rate.dtype)
    return direction * xp.abs((direction + 1) / 2 - rate)


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
    xp = _namespace(weights, errors)
    wide = xp.astype(errors, xp.float64) @ xp.astype(weights, xp.float64)
    return xp.astype(wide, xp.float32)


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
    xp = _namespace(desire, spikes, traces)
    signed = xp.astype(spikes, traces.dtype) * xp.astype(desire, traces.dtype)
    num_out, num_in = spikes.shape[-1], traces.shape[-1]
    return xp.reshape(signed, (-1, num_out)).T @ xp.reshape(traces, (-1, num_in))


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
    xp = _namespace(pairings)
    return xp.astype(learning_rate * pairings, xp.float32)


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
    xp = _namespace(rate, num_spikes)
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


def baseline_change(desired_spikes: Array, baseline: Array, learning_rate: Array | float) -> Array:
    """Count traces from a baseline: ΔW = −η · (Σ_b d_o n_o) · b_i, on top of Eq. 4.

    Eq. 4 then reads d_o η s_o[t] (r_i[t] − b_i), a covariance rule. Traces are never negative: with
    Eq. 4 alone all of a neuron's weights go up or down together, along the mean of its inputs, and
    differences between inputs, which tell classes apart, are learned slowly.

    Parameters
    ----------
    desired_spikes : array
        Σ_b d_o · mask_o · n_o, spikes signed by desire, (N_o,) int64.
    baseline : array
        b, (N_i,) float32: a share φ of ν · :func:`mean_trace`.
    learning_rate : float or array
        η ≥ 0; an array is (1,) float64.

    Returns
    -------
    array
        ΔW, (N_o, N_i) float32, to be added after that of :func:`weight_change`.

    Examples
    --------
    >>> import numpy as np
    >>> baseline_change(np.array([8, -2]), np.array([0.5, 0.0], np.float32), learning_rate=0.25)
    array([[-1.  , -0.  ],
           [ 0.25,  0.  ]], dtype=float32)
    """
    xp = _namespace(desired_spikes, baseline)
    scaled = xp.astype(-learning_rate * xp.astype(desired_spikes, xp.float64), xp.float32)
    return scaled[:, None] * baseline[None, :]


LIFT = 1 / 64
"""What a sample teaches a silent neuron under a rate floor: as much as this many of its spikes."""


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
    xp = _namespace(rate, mean_traces)
    step = learning_rate * (num_samples * LIFT / floor)
    scaled = xp.astype(step * xp.clip(floor - rate, 0.0, floor), xp.float32)
    return scaled[:, None] * mean_traces[None, :]


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
    xp = _namespace(weights)
    return xp.clip(weights, -limit, limit)


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
