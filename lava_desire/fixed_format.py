"""How a network is written in integers: formats of the weights, and every constant of the rule.

What the host computes once from a :class:`~lava_desire.config.DesireConfig`, in floating point,
stands here; what a chip would compute, in integers alone, stands in :mod:`lava_desire.fixed`.
``docs/fixed_point.md`` is the specification.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lava_desire.config import DesireConfig

WEIGHT_BITS = range(2, 9)
WEIGHT_EXPONENTS = range(-8, 8)
STATE_BITS = 24
STATE_LIMIT = 2 ** (STATE_BITS - 1) - 1
ACCUMULATOR_LIMIT = 2**31 - 1
DECAY_BITS = 12
ALIGNMENT_BITS = 6
THRESHOLD_BITS = 17
TRACE_LIMIT = 127
IMPULSE_BITS = 8
BRIGHTEST = 255
MAX_STEPS = 2**16
MAX_INPUTS = 2**24
MAX_SHIFT = 31

_FINE_THRESHOLD = 512  # an integer threshold above it is within 0.1 % of the one that was meant
_LARGEST_GAIN = 2**16 - 1
_RATE_BITS = 8
# Weights that learn need room: the spread of Kaiming-normal weights times this is the largest.
_SPREADS = 6.0
# A product like 0.3 · 10 may come out just below the integer that it is.
_NEARLY = 1e-9


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

    Raises
    ------
    ValueError
        If a field is out of its range; the message names the field, the value and the range.
    """

    weight_exp: int
    threshold: int
    weight_bits: int = 8

    def __post_init__(self) -> None:
        allowed = {
            "weight_exp": WEIGHT_EXPONENTS,
            "threshold": range(1, 2**THRESHOLD_BITS),
            "weight_bits": WEIGHT_BITS,
        }
        for name, values in allowed.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value not in values:
                raise ValueError(
                    f"{name} is {value!r}: expected an integer in [{values[0]}, {values[-1]}]"
                )

    @property
    def lowest(self) -> int:
        """The smallest mantissa."""
        return -(1 << self.weight_bits - 1)

    @property
    def highest(self) -> int:
        """The largest mantissa."""
        return (1 << self.weight_bits - 1) - 1

    def step(self, threshold: float) -> float:
        """Return the weight of mantissa 1, for a network whose threshold is θ = `threshold`."""
        return threshold * 2.0**self.weight_exp / self.threshold

    @classmethod
    def of_step(cls, step: float, threshold: float, weight_bits: int = 8) -> LayerFormat:
        """Choose exponent and threshold for mantissas that count in `step`.

        The exponent is the one nearest to zero with which the threshold's mantissa is precise to
        0.1 %; it is not negative where that can be had, because then no bit is ever shifted out.

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
        fine = [pair for pair in fitting if pair[1] >= _FINE_THRESHOLD]
        exponent, mantissa = fine[0] if fine else max(fitting, key=lambda pair: pair[1])
        return cls(exponent, mantissa, weight_bits)


def default_formats(config: DesireConfig, weight_bits: int = 8) -> tuple[LayerFormat, ...]:
    """Choose formats for a network that shall learn from scratch.

    The largest mantissa stands for six times the spread of the initial weights.

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
        If `weight_bits` is out of range.
    """
    if weight_bits not in WEIGHT_BITS:
        raise ValueError(f"weight_bits is {weight_bits!r}: expected an integer in [2, 8]")
    return tuple(
        LayerFormat.of_step(
            _SPREADS * math.sqrt(2.0 / fan_in) / 2 ** (weight_bits - 1),
            config.threshold,
            weight_bits,
        )
        for fan_in in config.layer_sizes[:-1]
    )


def formats_from_dicts(fields: Sequence[Mapping[str, Any]]) -> tuple[LayerFormat, ...]:
    """Build formats from what :meth:`IntegerRule.to_dicts` returned.

    Raises
    ------
    ValueError
        If a field is unknown, missing or out of range.
    """
    try:
        return tuple(LayerFormat(**layer) for layer in fields)
    except TypeError as error:
        raise ValueError(f"formats are {fields!r}: {error}") from None


class IntegerRule:
    """Every constant of one network's rule, as integers.

    Parameters
    ----------
    config : DesireConfig
        Of the network.
    formats : sequence of LayerFormat, optional
        L formats, layer 1 first; :func:`default_formats` when not given.

    Attributes
    ----------
    decay : int
        β in 1/4096, in [0, 4095], of membrane potential and trace.
    impulse : int
        What a spike adds to a trace in 1/256, in [1, 127 · 256]: a train without a gap comes to
        127.
    encoder_threshold : int
        θ of the encoder, in the unit in which the brightest pixel is 255.
    full_count : int
        T − m, the spikes of a fully active neuron.
    output_threshold : int
        A deviation of more spikes than this makes an output neuron desire (Eq. 11).

    Raises
    ------
    ValueError
        If formats do not fit the config, or a constant does not fit its bits.
    """

    def __init__(self, config: DesireConfig, formats: Sequence[LayerFormat] | None = None) -> None:
        formats = default_formats(config) if formats is None else tuple(formats)
        if len(formats) != config.num_layers:
            raise ValueError(
                f"formats holds {len(formats)} formats: expected {config.num_layers}, one a layer"
            )
        for layer in formats:
            if not isinstance(layer, LayerFormat):
                raise ValueError(f"formats holds {layer!r}: expected LayerFormat")
        if config.num_steps > MAX_STEPS:
            raise ValueError(
                f"num_steps is {config.num_steps}: expected at most {MAX_STEPS} in fixed point"
            )
        if max(config.layer_sizes) > MAX_INPUTS:
            raise ValueError(
                f"layer_sizes is {config.layer_sizes}: expected at most {MAX_INPUTS} neurons a "
                "layer in fixed point"
            )
        self.config = config
        self.formats = tuple(formats)
        self.decay = min(round(config.decay * 2**DECAY_BITS), 2**DECAY_BITS - 1)
        self.impulse = max(
            (TRACE_LIMIT << IMPULSE_BITS) * (2**DECAY_BITS - self.decay) >> DECAY_BITS, 1
        )
        self.encoder_threshold = round(BRIGHTEST * config.threshold)
        if not 1 <= self.encoder_threshold <= STATE_LIMIT - BRIGHTEST:
            raise ValueError(
                f"threshold is {config.threshold}: expected {1 / BRIGHTEST:.4f} <= threshold <= "
                f"{STATE_LIMIT // BRIGHTEST - 1} in fixed point"
            )
        self.full_count = config.num_steps - config.error_margin
        self.output_threshold = _whole(config.desire_threshold_output * self.full_count)
        self._gains: list[int] = [self._gain(layer) for layer in range(config.num_layers)]

    def _gain(self, layer: int) -> int:
        gain = round((1 << ALIGNMENT_BITS) * self.config.dropout_gain(layer))
        if gain > _LARGEST_GAIN:
            raise ValueError(
                f"dropout of layer {layer} is {self.config.dropout_of(layer)}: expected at most "
                f"{1 - 2**ALIGNMENT_BITS / _LARGEST_GAIN:.4f} in fixed point"
            )
        return gain

    def format_of(self, layer: int) -> LayerFormat:
        """Return the format of layer ℓ in 1 to L."""
        return self.formats[layer - 1]

    def step_of(self, layer: int) -> float:
        """Return the weight of mantissa 1 in layer ℓ."""
        return self.format_of(layer).step(self.config.threshold)

    def threshold_of(self, layer: int) -> int:
        """Return the threshold of layer ℓ on the scale of its membrane potential."""
        return self.format_of(layer).threshold << ALIGNMENT_BITS

    def gain_into(self, layer: int, training: bool) -> int:
        """Return g of the input of layer ℓ in 1/64: what its activation is multiplied by."""
        return self._gains[layer - 1] if training else 1 << ALIGNMENT_BITS

    def hidden_threshold(self, layer: int) -> int:
        """Return θ_hid of layer ℓ < L on the scale of z: mantissas of layer ℓ + 1 times spikes."""
        limit = self.config.desire_threshold_hidden * self.full_count / self.step_of(layer + 1)
        return _whole(min(limit, STATE_LIMIT))

    def rate_of(self, layer: int, learning_rate: float) -> tuple[int, int]:
        """Write a learning rate on the grid of layer ℓ: η / (impulse · step) = mantissa / 2^shift.

        Parameters
        ----------
        layer : int
            ℓ in 1 to L.
        learning_rate : float
            η ≥ 0, before the layer's factor.

        Returns
        -------
        mantissa : int
            In [128, 255]; smaller where η would need a shift above 31, 0 for η = 0.
        shift : int
            In [0, 31].

        Raises
        ------
        ValueError
            If one pair of spikes would change a weight by more than 255 steps a unit of trace.
        """
        learning_rate *= self.config.learning_rate_scale_of(layer)
        factor = learning_rate / (self.impulse / 2**IMPULSE_BITS * self.step_of(layer))
        if factor == 0:
            return 0, 0
        shift = min(_RATE_BITS - 1 - math.floor(math.log2(factor)), MAX_SHIFT)
        mantissa = round(math.ldexp(factor, shift))
        if mantissa == 2**_RATE_BITS:
            mantissa, shift = mantissa // 2, shift - 1
        if shift < 0:
            raise ValueError(
                f"learning_rate is {learning_rate!r}: expected at most "
                f"{learning_rate / factor * 255:.3g} on the grid of layer {layer}"
            )
        return mantissa, shift

    def to_dicts(self) -> list[dict[str, int]]:
        """Return the formats as plain JSON types."""
        return [asdict(layer) for layer in self.formats]


def _whole(limit: float) -> int:
    """Return the integer n for which x > `limit` and x > n say the same of any integer x."""
    return math.floor(limit + _NEARLY)
