"""How the weights of a layer are written in integers: mantissa, exponent, threshold.

What the host computes once, in floating point, stands here and in
:mod:`lava_desire.model.integers.constants`; what a chip would compute, in integers alone, in
:mod:`lava_desire.model.integers.arithmetic`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lava_desire.model.arrays import namespace
from lava_desire.model.checks import check_array
from lava_desire.model.fields import checked_integer
from lava_desire.model.integers.limits import (
    FEEDBACK_LIMIT,
    THRESHOLD_BITS,
    WEIGHT_BITS,
    WEIGHT_EXPONENTS,
    XYLO_HIDDEN_THRESHOLDS,
    XYLO_SHIFTS,
    XYLO_THRESHOLDS,
)

if TYPE_CHECKING:
    from lava_desire.config import DesireConfig
    from lava_desire.model.option import FeedbackPolicy

Array = Any
"""A NumPy array."""

NEURONS = ("loihi", "xylo")

# An integer threshold above the first is within 0.1 % of the one that was meant; below the second a
# membrane potential can reach 16 thresholds.
_FINE_THRESHOLD, _HIGH_THRESHOLD = 512, 8192
# Output neurons of Xylo get a threshold up to this, of which 16 bits hold at least 8.
_XYLO_OUTPUT_THRESHOLD = 4095
# Weights that learn need room: the spread of Kaiming-normal weights times this is the largest. With
# few bits fine steps matter more than room (4 bits learn digits to 93 % with 3, to 82 % with 6).
_SPREADS, _SPREADS_OF_FEW_BITS, _FEW_BITS = 6.0, 3.0, 6


@dataclass(frozen=True)
class LayerFormat:
    """How the weights of a layer and its threshold are written in integers.

    A weight is ``w ≈ m · 2^weight_exp · θ / threshold`` with the mantissa m a signed integer of
    `weight_bits` bits.

    Parameters
    ----------
    weight_exp : int
        Exponent of the weights, in [−8, 7].
    threshold : int
        Mantissa of the firing threshold, in [1, 2**17 − 1]; six bits below the membrane potential.
    weight_bits : int
        Bits of a weight's mantissa with its sign, in [2, 8].
    neuron : {"loihi", "xylo"}
        Whose arithmetic a neuron has. That of Xylo filters currents, which decay in the step in
        which they arrive: a weight is α times as much, for the same charge. Its exponent is in
        [0, 7], its threshold the potential's own, in [1, 2^15 − 1], of hidden neurons from 2^14 on:
        one spike a step at most.

    Raises
    ------
    ValueError
        If a field is out of its range; the message names the field, the value and the range.
    """

    weight_exp: int
    threshold: int
    weight_bits: int = 8
    neuron: str = "loihi"

    def __post_init__(self) -> None:
        if self.neuron not in NEURONS:
            raise ValueError(f"neuron is {self.neuron!r}: expected one of {', '.join(NEURONS)}")
        is_xylo = self.neuron == "xylo"
        allowed = {
            "weight_exp": XYLO_SHIFTS if is_xylo else WEIGHT_EXPONENTS,
            "threshold": XYLO_THRESHOLDS if is_xylo else range(1, 2**THRESHOLD_BITS),
            "weight_bits": WEIGHT_BITS,
        }
        for name, values in allowed.items():
            value = checked_integer(name, getattr(self, name), values[0], values[-1])
            object.__setattr__(self, name, value)

    @property
    def lowest(self) -> int:
        """The smallest mantissa."""
        return -(1 << self.weight_bits - 1)

    @property
    def highest(self) -> int:
        """The largest mantissa."""
        return (1 << self.weight_bits - 1) - 1

    def step(self, threshold: float) -> float:
        """Return the weight of mantissa 1.

        Parameters
        ----------
        threshold : float
            θ of the network, in the unit of its weights.

        Returns
        -------
        float
            Δ = θ · 2^e / v, what mantissa 1 stands for; α times that where θ is, on Xylo.
        """
        return threshold * 2.0**self.weight_exp / self.threshold

    @classmethod
    def of_step(cls, step: float, threshold: float, weight_bits: int = 8) -> LayerFormat:
        """Choose exponent and threshold for mantissas that count in `step`.

        The exponent is the one nearest to zero with which the threshold's mantissa is precise to
        0.1 % and leaves the membrane potential room; it is not negative where that can be had,
        because then no bit is ever shifted out.

        Parameters
        ----------
        step : float
            Weight of mantissa 1, above 0; what comes out may differ by as much as the threshold
            has been rounded.
        threshold : float
            θ of the network.
        weight_bits : int
            Bits of a mantissa.

        Returns
        -------
        LayerFormat

        Raises
        ------
        ValueError
            If no exponent and threshold come near.

        Examples
        --------
        >>> layer = LayerFormat.of_step(0.004, threshold=1.0)
        >>> layer
        LayerFormat(weight_exp=2, threshold=1000, weight_bits=8, neuron='loihi')
        >>> layer.step(1.0)
        0.004
        """
        if not (math.isfinite(step) and step > 0):
            raise ValueError(f"step is {step!r}: expected a finite number > 0")
        exponents = sorted(WEIGHT_EXPONENTS, key=lambda exponent: (exponent < 0, abs(exponent)))
        fitting = [
            (exponent, mantissa)
            for exponent in exponents
            if 1 <= (mantissa := round(threshold * 2.0**exponent / step)) < 2**THRESHOLD_BITS
        ]
        if not fitting:
            raise ValueError(
                f"step is {step!r} at a threshold of {threshold!r}: expected one between "
                "2**-24 and 2**7 of the threshold"
            )
        fine = [pair for pair in fitting if _FINE_THRESHOLD <= pair[1] <= _HIGH_THRESHOLD]
        nearest = min(fitting, key=lambda pair: abs(math.log2(pair[1] / _FINE_THRESHOLD)))
        exponent, mantissa = fine[0] if fine else nearest
        return cls(exponent, mantissa, weight_bits)


def default_formats(config: DesireConfig, weight_bits: int = 8) -> tuple[LayerFormat, ...]:
    """Choose formats for a network that shall learn from scratch.

    The largest mantissa stands for six times the spread of the initial weights, for three times
    with 6 bits or fewer, or for what bounds weights, where that is less.

    Parameters
    ----------
    config : DesireConfig
        Of the network.
    weight_bits : int
        Bits of a mantissa, in [2, 8].

    Returns
    -------
    tuple of LayerFormat
        L formats, layer 1 first.

    Raises
    ------
    ValueError
        If `weight_bits` is out of range, or a bound of the weights too small for the threshold.
    """
    weight_bits = checked_integer("weight_bits", weight_bits, WEIGHT_BITS[0], WEIGHT_BITS[-1])
    largest = 2 ** (weight_bits - 1)
    least = config.threshold * 2.0 ** (WEIGHT_EXPONENTS[0] - THRESHOLD_BITS) * largest
    for bound in config.bounds:
        if bound.limit() <= least:
            raise ValueError(
                f"{bound.switch().name} is {bound.value}: expected more than {least:.3g}, as a "
                f"threshold of {config.threshold:g} has a mantissa of {THRESHOLD_BITS} bits"
            )
    spreads = _SPREADS_OF_FEW_BITS if weight_bits <= _FEW_BITS else _SPREADS
    limits = [bound.limit() for bound in config.bounds]
    spread = math.sqrt(1 - config.synapse_decay)  # of initial weights, by which they are smaller
    return tuple(
        LayerFormat.of_step(
            min([spreads * spread * synapse.initial_spread, *limits]) / largest,
            config.threshold,
            weight_bits,
        )
        for synapse in config.synapses
    )


def xylo_formats(config: DesireConfig, weight_bits: int = 8) -> tuple[LayerFormat, ...]:
    """Choose formats for a network that shall learn with the neurons of Xylo, or move there.

    Thresholds v are such that the largest mantissa stands for what it does in
    :func:`default_formats`, or for as much as they allow: 127 · α · θ · 2^e / v. Shifts e of hidden
    layers are 7, and that of the output the largest with which its threshold is below 2^12, so that
    its potentials have room for 8 of them, and for as much below 0; large weights leave less.

    Parameters
    ----------
    config : DesireConfig
        Of the network, with a `synapse_decay`.
    weight_bits : int
        Bits of a mantissa, in [2, 8].

    Returns
    -------
    tuple of LayerFormat
        L formats, layer 1 first.

    Raises
    ------
    ValueError
        If `weight_bits` is out of range.

    Examples
    --------
    >>> from lava_desire import DesireConfig
    >>> config = DesireConfig((16, 200, 8), decay=0.75, synapse_decay=0.5)
    >>> [layer.threshold for layer in xylo_formats(config)]
    [16384, 2412]
    """
    units = [  # thresholds in the unit of a weight that is not shifted
        config.synapse_decay * config.threshold / layer.step(config.threshold)
        for layer in default_formats(config, weight_bits)
    ]
    shift, (low, high) = XYLO_SHIFTS[-1], (XYLO_HIDDEN_THRESHOLDS[i] for i in (0, -1))
    hidden = [(shift, min(max(round(unit * 2**shift), low), high)) for unit in units[:-1]]
    while shift and round(units[-1] * 2**shift) > _XYLO_OUTPUT_THRESHOLD:
        shift -= 1
    output = shift, min(max(round(units[-1] * 2**shift), 1), XYLO_THRESHOLDS[-1])
    return tuple(LayerFormat(*each, weight_bits, "xylo") for each in (*hidden, output))


def refuse_xylo(formats: Sequence[LayerFormat] | None, where: str) -> None:
    """Refuse neurons of Xylo.

    Parameters
    ----------
    formats : sequence of LayerFormat or None
        Of a network.
    where : str
        What has none of them, as it goes on in the message: ``"in Lava"``.

    Raises
    ------
    ValueError
        If a format has such neurons.
    """
    if any(getattr(layer, "neuron", "") == "xylo" for layer in formats or ()):
        raise ValueError(f"formats have the neuron 'xylo': expected 'loihi' {where}")


def formats_from_dicts(fields: Sequence[Mapping[str, Any]]) -> tuple[LayerFormat, ...]:
    """Build formats from what :meth:`IntegerRule.to_dicts` returned.

    Parameters
    ----------
    fields : sequence of mapping
        One a plastic layer, first to last.

    Returns
    -------
    tuple of LayerFormat
        The formats, validated.

    Raises
    ------
    ValueError
        If a field is unknown, missing or out of range.
    """
    try:
        return tuple(LayerFormat(**layer) for layer in fields)
    except TypeError as error:
        raise ValueError(f"formats are {fields!r}: {error}") from None


def quantize_weights(weights: Array, layer: LayerFormat, threshold: float) -> Array:
    """Round weights to the nearest mantissa, ties to even, saturating.

    Parameters
    ----------
    weights : ndarray
        W, (N_o, N_i) float.
    layer : LayerFormat
        Of the layer.
    threshold : float
        θ of the network.

    Returns
    -------
    ndarray
        m, (N_o, N_i) int8.
    """
    mantissas = np.rint(np.asarray(weights, np.float64) / layer.step(threshold))
    return np.clip(mantissas, layer.lowest, layer.highest).astype(np.int8)


def dequantize_weights(mantissas: Array, layer: LayerFormat, threshold: float) -> Array:
    """Return the weights that mantissas stand for.

    Parameters
    ----------
    mantissas : ndarray
        m, (N_o, N_i) int8.
    layer : LayerFormat
        Of the layer.
    threshold : float
        θ of the network.

    Returns
    -------
    ndarray
        W = m · Δ, (N_o, N_i) float32.
    """
    return (mantissas.astype(np.float64) * layer.step(threshold)).astype(np.float32)


def feedback_kept(held: Array, step: float) -> Array:
    """Return what a feedback policy keeps of a layer, on the grid of its weights.

    Parameters
    ----------
    held : ndarray
        Of :meth:`~lava_desire.model.option.FeedbackPolicy.held`, `weight_shape` float.
    step : float
        Δ, what mantissa 1 stands for.

    Returns
    -------
    ndarray
        round(held / Δ), `weight_shape` int16 in ±(2^9 − 1).
    """
    mantissas = np.rint(np.asarray(held, np.float64) / step)
    return np.clip(mantissas, -FEEDBACK_LIMIT, FEEDBACK_LIMIT).astype(np.int16)


def feedback_mantissas(policy: FeedbackPolicy, weights: Array, kept: Array) -> Array:
    """Return what errors come back through in place of mantissas: B of 10 bits.

    Parameters
    ----------
    policy : FeedbackPolicy
        One that offers integers.
    weights : array
        m, `weight_shape` int8 or wider.
    kept : array
        Of :func:`feedback_kept`, `weight_shape` int16.

    Returns
    -------
    array
        `weight_shape` int16 in ±(2^9 − 1); saturated.
    """
    xp = namespace(kept)
    found = policy.matrix(xp.astype(weights, xp.int16), kept)
    return xp.clip(found, -FEEDBACK_LIMIT, FEEDBACK_LIMIT)


def as_mantissas(
    name: str, weights: Array, shape: tuple[int, ...], layer: LayerFormat, threshold: float
) -> Array:
    """Return mantissas as they are, and float weights rounded to the nearest, (N_o, N_i) int8.

    Parameters
    ----------
    name : str
        What to call them in an error.
    weights : ndarray
        (N_o, N_i) integers within the range of the format, or floats, finite.
    shape : tuple of int
        The shape that is expected.
    layer : LayerFormat
        Of the layer.
    threshold : float
        θ of the network.

    Returns
    -------
    ndarray
        m, (N_o, N_i) int8, a copy.

    Raises
    ------
    ValueError
        If shape, dtype or a value is another.
    """
    is_float = weights.dtype.kind == "f"
    in_range = None if is_float else (layer.lowest, layer.highest, "mantissas")
    check_array(name, weights, shape, "float or integer", in_range)
    if is_float:
        return quantize_weights(weights, layer, threshold)
    return weights.astype(np.int8)
