"""Integer constants of a network's rule, computed once from its configuration."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from lava_desire.model.arrays import Array
from lava_desire.model.conv2d import Conv2d
from lava_desire.model.encoding import BRIGHTEST
from lava_desire.model.integers.arithmetic import local_error
from lava_desire.model.integers.format import LayerFormat, default_formats
from lava_desire.model.integers.limits import (
    ALIGNMENT_BITS,
    DECAY_BITS,
    IMPULSE_BITS,
    MAX_INPUTS,
    MAX_SHIFT,
    STATE_LIMIT,
    TRACE_LIMIT,
    XYLO_HIDDEN_THRESHOLDS,
)
from lava_desire.model.integers.xylo import dash_of
from lava_desire.model.rates import mean_trace
from lava_desire.model.synapses import refuse_synapses

if TYPE_CHECKING:
    from lava_desire.config import DesireConfig

_LARGEST_GAIN = 2**16 - 1
_RATE_BITS = 8
_LARGEST_RATE = 2**_RATE_BITS - 0.5  # what would be rounded to a mantissa of nine bits
# A product like 0.3 · 10 may come out just below the integer that it is.
_NEARLY = 1e-9


def whole_decay(decay: float) -> int:
    """Round a decay to whole numbers.

    Parameters
    ----------
    decay : float
        In [0, 1).

    Returns
    -------
    int
        To the nearest 1/4096, in [0, 4095].

    Examples
    --------
    >>> whole_decay(0.75), whole_decay(0.99999)
    (3072, 4095)
    """
    unit = 1 << DECAY_BITS
    return min(round(decay * unit), unit - 1)


def _refuse_several_spikes(formats: Sequence[LayerFormat]) -> None:
    """Refuse thresholds that a potential of 16 bits can reach twice; output neurons spike once."""
    allowed = XYLO_HIDDEN_THRESHOLDS
    for layer, form in enumerate(formats[:-1], start=1):
        if form.threshold not in allowed:
            raise ValueError(
                f"threshold of layer {layer} is {form.threshold}: expected an integer in "
                f"[{allowed[0]}, {allowed[-1]}], as hidden neurons of Xylo spike several times a "
                "step below"
            )


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
    synapse_decay : int
        α in 1/4096, in [0, 4095], of synaptic current and trace; 0 where nothing is filtered.
    impulse : int
        What a spike adds to a trace in 1/256, in [1, 127 · 256]: a train without a gap comes to
        127, with a `synapse_decay` behind both filters.
    encoder_threshold : int
        θ of the encoder, in the unit in which the brightest pixel is 255.
    neuron : str
        Whose arithmetic neurons have, ``"loihi"`` or ``"xylo"``. Of the latter there are `dash_mem`
        and `dash_syn`, the k of its decays 1 − 2^−k.
    weight_unit : float
        θ, or α·θ on Xylo: what a weight is compared with, :meth:`LayerFormat.step`.
    mean_trace : int
        Mean over a window of the trace of an input that spikes in every step, in 1/256 of its unit.
    full_count : int
        T − m, the spikes of a fully active neuron.
    output_threshold : int
        A deviation of more spikes than this makes an output neuron desire (Eq. 11).

    Raises
    ------
    ValueError
        If formats do not fit the config, a constant does not fit its bits, or neurons of Xylo
        cannot do what the config says.
    """

    def __init__(self, config: DesireConfig, formats: Sequence[LayerFormat] | None = None) -> None:
        # First, since no format fits a threshold that is out of range.
        self.encoder_threshold = round(BRIGHTEST * config.threshold)
        if not 1 <= self.encoder_threshold <= STATE_LIMIT - BRIGHTEST:
            raise ValueError(
                f"threshold is {config.threshold}: expected {1 / BRIGHTEST:.4f} <= threshold <= "
                f"{STATE_LIMIT // BRIGHTEST - 1} in fixed point"
            )
        formats = default_formats(config) if formats is None else tuple(formats)
        if len(formats) != config.num_layers:
            raise ValueError(
                f"formats holds {len(formats)} formats: expected {config.num_layers}, one a layer"
            )
        for layer in formats:
            if not isinstance(layer, LayerFormat):
                raise ValueError(f"formats holds {layer!r}: expected LayerFormat")
        if len({layer.neuron for layer in formats}) > 1:
            raise ValueError("formats have neurons of loihi and xylo: expected the same in all")
        if max(config.neurons) > MAX_INPUTS:
            raise ValueError(
                f"layers of {config.shape_text} neurons: expected at most {MAX_INPUTS} a layer in "
                "fixed point"
            )
        self.config = config
        self.formats = tuple(formats)
        self.neuron, self.weight_unit = formats[0].neuron, config.threshold
        if self.neuron == "xylo":
            refuse_synapses(config, "a neuron of Xylo")
            if config.reset != "subtract":
                raise ValueError("reset is 'zero', and neurons of Xylo deduct θ: use 'subtract'")
            self.dash_mem = dash_of("decay", config.decay)
            self.dash_syn = dash_of("synapse_decay", config.synapse_decay)
            self.weight_unit *= config.synapse_decay
            _refuse_several_spikes(formats)
        self.decay, self.synapse_decay = (
            whole_decay(decay) for decay in (config.decay, config.synapse_decay)
        )
        taken = (2**DECAY_BITS - self.decay) * (2**DECAY_BITS - self.synapse_decay)
        self.impulse = max((TRACE_LIMIT << IMPULSE_BITS) * taken >> 2 * DECAY_BITS, 1)
        decays = (decay / 2**DECAY_BITS for decay in (self.decay, self.synapse_decay))
        steady = mean_trace(config.num_steps, *decays)
        self.mean_trace = round(self.impulse * steady)
        self.full_count = config.num_steps - config.error_margin
        self.output_threshold = _whole(config.desire_threshold_output * self.full_count)
        self._gains: list[int] = [self._gain(layer) for layer in range(config.num_layers)]

    def _gain(self, layer: int) -> int:
        gain = round((1 << ALIGNMENT_BITS) * self.config.dropout_gain(layer))
        if gain > _LARGEST_GAIN:
            is_planes = layer and isinstance(self.config.synapses[layer - 1], Conv2d)
            of = "conv" if is_planes else "hidden" if layer else "input"
            raise ValueError(
                f"dropout_{of} is {self.config.dropout_of(layer)}: expected at most "
                f"{1 - 2**ALIGNMENT_BITS / _LARGEST_GAIN:.4f} in fixed point"
            )
        return gain

    @property
    def trace_constants(self) -> tuple[int, int, int]:
        """What advances a trace: `synapse_decay`, `decay` and `impulse`."""
        return self.synapse_decay, self.decay, self.impulse

    def format_of(self, layer: int) -> LayerFormat:
        """Return the format of a plastic layer.

        Parameters
        ----------
        layer : int
            The plastic layer ℓ, 1 to L.

        Returns
        -------
        LayerFormat
            How its weights are written.
        """
        return self.formats[layer - 1]

    def range_of(self, layer: int) -> tuple[int, int]:
        """Return the smallest and the largest mantissa of a layer, within what bounds weights.

        Parameters
        ----------
        layer : int
            The plastic layer ℓ, 1 to L.

        Returns
        -------
        lowest, highest : int
            Those of its format, or ±⌊limit / Δ⌋ where that is less.
        """
        form, step = self.format_of(layer), self.step_of(layer)
        limits = [_whole(min(bound.limit() / step, 2**7)) for bound in self.config.bounds]
        return max([form.lowest, *(-limit for limit in limits)]), min([form.highest, *limits])

    def step_of(self, layer: int) -> float:
        """Return the weight Δ that mantissa 1 stands for in a plastic layer.

        Parameters
        ----------
        layer : int
            The plastic layer ℓ, 1 to L.

        Returns
        -------
        float
            Δ > 0.
        """
        return self.format_of(layer).step(self.weight_unit)

    def threshold_of(self, layer: int) -> int:
        """Return the threshold of a plastic layer on the scale of its membrane potential.

        Parameters
        ----------
        layer : int
            The plastic layer ℓ, 1 to L.

        Returns
        -------
        int
            The mantissa, shifted left by 6 bits; that of Xylo as it is.
        """
        shift = 0 if self.neuron == "xylo" else ALIGNMENT_BITS
        return self.format_of(layer).threshold << shift

    def band_of(self, layer: int) -> tuple[int, int]:
        """Return the potentials between which a neuron of a hidden layer is eligible.

        Parameters
        ----------
        layer : int
            A hidden layer ℓ < L.

        Returns
        -------
        low, high : int
            On the scale of :meth:`threshold_of`, both outside: what
            :meth:`~lava_desire.model.option.EligibilityPolicy.band` makes of the threshold, rounded
            outwards, which changes nothing for a potential that is an integer.

        Raises
        ------
        ValueError
            If the layer is none of these, or its neurons learn at spikes.
        """
        policy, hidden = self.config.eligibility_policy, self.config.num_layers - 1
        if policy is None:
            raise ValueError("neurons learn at spikes: expected a config with an eligibility_width")
        if not 1 <= layer <= hidden:
            raise ValueError(f"layer is {layer}: expected a hidden one, 1 to {hidden}")
        low, high = policy.band(self.threshold_of(layer))
        return math.floor(low), math.ceil(high)

    def gain_into(self, layer: int, training: bool) -> int:
        """Return the gain of the input of a plastic layer in 1/64.

        Parameters
        ----------
        layer : int
            The plastic layer ℓ, 1 to L.
        training : bool
            Whether neurons are dropped; without, the gain is 64.

        Returns
        -------
        int
            g · 64, rounded, what its activation is multiplied by (Eq. 16).
        """
        return self._gains[layer - 1] if training else 1 << ALIGNMENT_BITS

    def hidden_threshold(self, layer: int) -> int:
        """Return θ_hid of a hidden layer on the scale of z: mantissas times spikes.

        Parameters
        ----------
        layer : int
            A hidden layer ℓ < L.

        Returns
        -------
        int
            ⌊θ_hid · F / Δ⌋ with F = T − m, or T of neurons that learn near their threshold, and the
            Δ of layer ℓ + 1, at most 2^23 − 1.
        """
        config, full = self.config, self.full_count
        if config.eligibility_policy is not None:
            full = config.num_steps
        limit = config.desire_threshold_of(layer) * full / self.step_of(layer + 1)
        return _whole(min(limit, STATE_LIMIT))

    def local_error(self, desire: Array, counts: Array, mask: Array | None = None) -> Array:
        """Return what neurons pass back: :func:`~lava_desire.fixed.local_error`, or in its place.

        Parameters
        ----------
        desire : ndarray
            d, (..., N) int8 in {−1, 0, +1}.
        counts : ndarray
            (..., N) int64 in [0, T], of spikes or of eligible steps.
        mask : ndarray, optional
            Dropout mask, broadcast to (..., N) bool.

        Returns
        -------
        ndarray
            c, (..., N) int64 in [−T, T].
        """
        policy = self.config.eligibility_policy
        if policy is not None:
            return policy.integer_error(desire, counts, mask)
        return local_error(desire, counts, self.full_count, mask)

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
        scale = self.config.learning_rate_scale_of(layer)
        unit = self.impulse / 2**IMPULSE_BITS * self.step_of(layer)
        factor = learning_rate * scale / unit
        if factor == 0:
            return 0, 0
        if factor >= _LARGEST_RATE:
            raise ValueError(
                f"learning_rate is {learning_rate!r}: expected at most {255 * unit / scale:.3g} on "
                f"the grid of layer {layer}{self._scaled(layer)}"
            )
        shift = min(_RATE_BITS - 1 - math.floor(math.log2(factor)), MAX_SHIFT)
        mantissa = round(math.ldexp(factor, shift))
        if mantissa == 2**_RATE_BITS:
            mantissa, shift = mantissa // 2, shift - 1
        return mantissa, shift

    def _scaled(self, layer: int) -> str:
        """Return what a message says of a layer's factor that was given."""
        scales = self.config.learning_rate_scale
        return f", whose learning_rate_scale is {scales[layer - 1]:g}" if scales else ""

    def check_rate(self, layer: int, learning_rate: float) -> None:
        """Refuse to learn with a rate that the grid of a layer cannot hold.

        Parameters
        ----------
        layer : int
            ℓ in 1 to L.
        learning_rate : float
            η ≥ 0, before the layer's factor.

        Raises
        ------
        ValueError
            If :meth:`rate_of` refuses it; if it would be 0, and has not become so small in the
            course of training, being no smaller than that of the config.
        """
        mantissa, _ = self.rate_of(layer, learning_rate)
        is_meant = learning_rate * self.config.learning_rate_scale_of(layer) > 0
        if mantissa == 0 and is_meant and learning_rate >= self.config.learning_rate:
            raise ValueError(
                f"learning_rate is {learning_rate!r}, which is 0 on the grid of layer {layer}"
                f"{self._scaled(layer)}: expected 0, or {self.least_rate(layer):.3g} and more "
                "where a network learns in integers"
            )

    def least_rate(self, layer: int) -> float:
        """Return the smallest learning rate η on the grid of a layer, before its factor.

        Parameters
        ----------
        layer : int
            ℓ in 1 to L, whose factor is above 0.

        Returns
        -------
        float
            η > 0 that :meth:`rate_of` writes as 1 / 2^31.
        """
        unit = self.impulse / 2**IMPULSE_BITS * self.step_of(layer)
        least: float = unit / 2**MAX_SHIFT / self.config.learning_rate_scale_of(layer)
        return least

    def first_idle(self, epochs: range) -> tuple[int, int] | None:
        """Return from which epoch on a layer learns nothing, its rate being 0 on its grid.

        Parameters
        ----------
        epochs : range
            Epochs, counted from 0, over which learning rates fall.

        Returns
        -------
        epoch, layer : int
            The first of them, and the layer, 1 to L; None where all layers learn up to the last, or
            are not meant to.
        """
        found = []
        for layer in range(1, self.config.num_layers + 1):
            if self.config.learning_rate * self.config.learning_rate_scale_of(layer) == 0:
                continue

            def is_idle(epoch: int, layer: int = layer) -> bool:
                return self.rate_of(layer, self.config.learning_rate_at(epoch))[0] == 0

            place = bisect_left(epochs, True, key=is_idle)
            if place < len(epochs):
                found.append((epochs[place], layer))
        return min(found, default=None)

    def to_dicts(self) -> list[dict[str, int]]:
        """Return the formats as plain JSON types; the neuron only where it is not Loihi's."""
        fields = [asdict(layer) for layer in self.formats]
        if self.neuron == "loihi":
            for each in fields:
                del each["neuron"]
        return fields


def _whole(limit: float) -> int:
    """Return the integer n for which x > `limit` and x > n say the same of any integer x."""
    return math.floor(limit + _NEARLY)
