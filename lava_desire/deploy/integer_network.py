"""A network in the integers of Loihi, as Lava and netx take it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lava_desire import rule, scale
from lava_desire.config import DesireConfig
from lava_desire.data.checks import check_images, refuse_other_shape
from lava_desire.engine import DesireNetwork
from lava_desire.model import integers as fixed
from lava_desire.model.checks import check_array
from lava_desire.model.encoding import BRIGHTEST
from lava_desire.model.fields import checked_integer
from lava_desire.model.integers import LayerFormat
from lava_desire.model.integers.constants import whole_decay
from lava_desire.model.integers.limits import (
    ALIGNMENT_BITS,
    DECAY_BITS,
    STATE_LIMIT,
    THRESHOLD_BITS,
    WEIGHT_EXPONENTS,
)
from lava_desire.model.option import decided
from lava_desire.model.synapses import delayed, refuse_synapses
from lava_desire.scale import warn_of_scale

WEIGHT_LIMITS = (-128, 127)
"""Weights are 8-bit integers, times 2^exponent."""

_DECAY_UNIT = 2**DECAY_BITS
_THRESHOLD_LIMIT = 2**THRESHOLD_BITS
_CURRENT_LIMIT = STATE_LIMIT + 1


class ExportedNetwork:
    """A network as a target computes it, which classifies images by its output spikes."""

    config: DesireConfig

    def predict(self, images: Any) -> Any:
        """Classify images.

        Parameters
        ----------
        images : array
            (B, N) uint8, or float brightness in [0, 1].

        Returns
        -------
        ndarray
            Class a sample, (B,) int64; −1 where the network is undecided.

        Raises
        ------
        ValueError
            If the images do not fit the network.
        """
        return predict_class(self.config, self._outputs(images))

    def _outputs(self, images: Any) -> Any:
        """Return output spikes for images, (T, B, N_L)."""
        raise NotImplementedError


class EncodingNetwork(ExportedNetwork):
    """One of integers, that encodes images itself."""

    image_shape: tuple[int, ...] | None
    encodes_integers: bool

    def encode(self, images: Any) -> Any:
        """Return the spikes of the rate encoder for images.

        Parameters
        ----------
        images : array
            (B, N) uint8, or float brightness in [0, 1].

        Returns
        -------
        ndarray
            (T, B, N_0) bool.

        Raises
        ------
        ValueError
            If the images do not fit the network.
        """
        return encode_images(images, self.config, self.image_shape, self.encodes_integers)


@dataclass(frozen=True)
class IntegerNetwork(EncodingNetwork):
    """Weights, exponents and thresholds of a network in fixed point.

    a = (Σ W·s) · 2^exponent;  v ← trunc(v·(4096 − dv) / 4096) + 64·a;  a spike where v > 64·vth

    With a `synapse_decay` α, i ← trunc(i·4096·α / 4096) + 64·a takes the place of 64·a.
    The comparison is strict and a spike sets v to 0, as in Lava's ``LIF`` with the tag
    ``fixed_pt``, so that its arithmetic is this one to the bit; or it deducts 64·vth, by the
    configuration's reset.

    Parameters
    ----------
    config : DesireConfig
        Sizes, T, β and the reset; θ is that of the encoder.
    weights : sequence of array
        L integer arrays (N_ℓ, N_{ℓ−1}), of convolutions (C', C, k_h, k_w), in [−128, 127].
    thresholds : sequence of int
        L mantissas vth in [1, 2^17).
    weight_exponents : sequence of int, optional
        L exponents in [−8, 7]; 0 when not given.
    image_shape : tuple of int, optional
        Height and width of the images that were learned; others are refused.
    encodes_integers : bool
        Whether images are encoded in integers, as by a network that computes in them.

    Raises
    ------
    ValueError
        If an argument is not as above, or a network that resets to zero could, with all inputs of
        one sign spiking in every step, have a current of more than the 24 bits at which that of
        Lava's LIF wraps around. ``DesireLIF``, for the other reset, saturates.
    """

    config: DesireConfig
    weights: tuple[Any, ...]
    thresholds: tuple[int, ...]
    weight_exponents: tuple[int, ...] = ()
    image_shape: tuple[int, ...] | None = None
    encodes_integers: bool = False

    def __post_init__(self) -> None:
        refuse_synapses(self.config, "an IntegerNetwork", ("dense", "conv2d"))
        num_layers = self.config.num_layers
        exponents = tuple(self.weight_exponents) or (0,) * num_layers
        lengths = {"weights": self.weights, "thresholds": self.thresholds}
        for name, values in {**lengths, "weight_exponents": exponents}.items():
            if len(values) != num_layers:
                raise ValueError(f"{name} holds {len(values)} values: expected {num_layers}")
        checked, thresholds, shifts = [], [], []
        parts = zip(self.config.synapses, self.weights, self.thresholds, exponents, strict=True)
        for layer, (synapse, weights, threshold, exponent) in enumerate(parts, start=1):
            array, in_range = np.asarray(weights), (*WEIGHT_LIMITS, "integers")
            check_array(
                f"weights of layer {layer}", array, synapse.weight_shape, "integer", in_range
            )
            checked.append(array.astype(np.int64))
            limits = 1, _THRESHOLD_LIMIT - 1
            thresholds.append(checked_integer(f"threshold of layer {layer}", threshold, *limits))
            ends = WEIGHT_EXPONENTS[0], WEIGHT_EXPONENTS[-1]
            shifts.append(checked_integer(f"weight exponent of layer {layer}", exponent, *ends))
            if self.config.reset == "zero":
                lasting = _DECAY_UNIT / (_DECAY_UNIT - self.synapse_decay)
                _refuse_overflow(layer, checked[-1], shifts[-1], lasting)
        object.__setattr__(self, "weights", tuple(checked))
        object.__setattr__(self, "thresholds", tuple(thresholds))
        object.__setattr__(self, "weight_exponents", tuple(shifts))

    @property
    def voltage_decay(self) -> int:
        """Return dv, what a step takes of the potential: 1 − β to the nearest 1/4096."""
        return _DECAY_UNIT - whole_decay(self.config.decay)

    @property
    def synapse_decay(self) -> int:
        """Return what a step leaves of a synaptic current: α to the nearest 1/4096."""
        return whole_decay(self.config.synapse_decay)

    @property
    def formats(self) -> tuple[LayerFormat, ...]:
        """Return exponents and thresholds as the processes of this library take them."""
        pairs = zip(self.weight_exponents, self.thresholds, strict=True)
        return tuple(LayerFormat(exponent, threshold) for exponent, threshold in pairs)

    def spikes(self, trains: Any) -> list[Any]:
        """Run the network in NumPy, in the integers of Lava's processes.

        Parameters
        ----------
        trains : array
            Input spikes, (T, B, N_0) bool.

        Returns
        -------
        list of array
            Spikes of the L layers, (T, B, N_ℓ) bool, layer ℓ ≥ 2 one step behind the one below.
        """
        result = []
        inputs = np.asarray(trains, dtype=bool)
        decay = _DECAY_UNIT - self.voltage_decay
        for layer, (synapse, weights) in enumerate(
            zip(self.config.synapses, self.weights, strict=True)
        ):
            potential = np.zeros((inputs.shape[1], synapse.num_post), np.int64)
            current = np.zeros_like(potential)
            outputs = np.zeros((*inputs.shape[:2], synapse.num_post), dtype=bool)
            for step, pre in enumerate(delayed(inputs, self.config.delay(layer + 1))):
                sums = synapse.current(weights, pre)
                activation = fixed.apply_exponent(sums, self.weight_exponents[layer])
                gain = 1 << ALIGNMENT_BITS
                if self.synapse_decay:
                    current = fixed.filter_current(current, activation, gain, self.synapse_decay)
                    activation, gain = current, 1
                outputs[step], potential = fixed.integrate_and_fire(
                    potential,
                    activation,
                    gain,
                    decay,
                    self.thresholds[layer] << ALIGNMENT_BITS,
                    reset=self.config.reset,
                )
            result.append(outputs)
            inputs = outputs
        return result

    def without_exponents(self, layers: Collection[int] | None = None) -> IntegerNetwork:
        """Return a network whose exponents are 0: thresholds are divided by 2^exponent, rounded.

        It is not the same to the bit: potentials are rounded to 1/64 of another unit.

        Parameters
        ----------
        layers : collection of int, optional
            The indices in [0, L) of those that are changed; all when not given.

        Returns
        -------
        IntegerNetwork

        Raises
        ------
        ValueError
            If a threshold leaves its 17 bits.
        """
        thresholds, exponents = list(self.thresholds), list(self.weight_exponents)
        for index in range(self.config.num_layers) if layers is None else layers:
            divided = round(thresholds[index] / 2.0 ** exponents[index])
            if not 1 <= divided < _THRESHOLD_LIMIT:
                raise ValueError(
                    f"threshold of layer {index + 1} is {thresholds[index]}, and {divided} divided "
                    f"by 2^{exponents[index]}: expected 1 <= threshold < {_THRESHOLD_LIMIT}"
                )
            thresholds[index], exponents[index] = divided, 0
        return replace(self, thresholds=tuple(thresholds), weight_exponents=tuple(exponents))

    def _outputs(self, images: Any) -> Any:
        return self.spikes(self.encode(images))[-1]


def predict_class(config: DesireConfig, spikes: Any) -> Any:
    """Return the classes that output spikes, (T, B, N_L), predict: (B,) int64 (Sec. 4.2)."""
    return decided(config, spikes.sum(axis=0), lambda: rule.last_spikes(spikes))


def as_integers(network: Any) -> IntegerNetwork:
    """Return a network in fixed point as an :class:`IntegerNetwork`, or one as it is.

    Raises ValueError if the network computes in floating point, has neurons of Xylo, or is none.
    """
    if isinstance(network, IntegerNetwork):
        return network
    if getattr(network, "arithmetic", None) != "fixed_point":
        raise ValueError(
            f"network is a {type(network).__name__}: expected an IntegerNetwork or a network in "
            "fixed point"
        )
    formats = network.rule.formats
    fixed.refuse_xylo(formats, "here; export --to xylo has the other")
    return IntegerNetwork(
        network.config,
        tuple(network.numpy_weights()),
        tuple(layer.threshold for layer in formats),
        tuple(layer.weight_exp for layer in formats),
        network.image_shape,
        encodes_integers=True,
    )


def refuse_negative_exponents(network: Any, reason: str) -> None:
    """Refuse a network in integers with sums of weights that are shifted to the right.

    Raises ValueError with the `reason` and what to do instead.
    """
    for layer, exponent in enumerate(as_integers(network).weight_exponents, start=1):
        if exponent < 0:
            raise ValueError(
                f"weight exponent of layer {layer} is {exponent}: expected at least 0, {reason}"
            )


def is_floating(network: Any) -> bool:
    """Return whether a network is one of the engine, in floating point."""
    arithmetic = getattr(network, "arithmetic", "floating_point")
    return isinstance(network, DesireNetwork) and arithmetic == "floating_point"


def encode_images(
    images: Any,
    config: DesireConfig,
    image_shape: tuple[int, ...] | None = None,
    in_integers: bool = False,
) -> Any:
    """Return the spikes of the rate encoder for images, (B, N) → (T, B, N_0) bool.

    `in_integers` are those of a network that has learned in fixed point.

    Raises ValueError if the images do not fit the network, or are of another shape than
    `image_shape`, where both are known.
    """
    rows, shape = check_images(images, "images", config.num_pixels, config.input_shape)
    refuse_other_shape(shape, image_shape)
    rows = np.asarray(rows)
    warn_of_scale(config, rows)
    if in_integers:
        levels = fixed.filtered_brightness(config, rows)
        return fixed.encode(levels, config.num_steps, round(BRIGHTEST * config.threshold))
    return scale.encode_images(config, rows)


def scale_to_integers(network: DesireNetwork) -> IntegerNetwork:
    """Return the simplest integer network: every layer scaled by its largest weight.

    The scale is the largest at which the threshold is an integer, so that only the weights are
    rounded. Scales chosen from data lose less.

    Parameters
    ----------
    network : DesireNetwork
        A trained network.

    Returns
    -------
    IntegerNetwork
        With exponents 0.

    Raises
    ------
    ValueError
        If a weight exceeds the threshold 127 times.

    Examples
    --------
    >>> from lava_desire import DesireConfig, DesireNetwork
    >>> integers = scale_to_integers(DesireNetwork(DesireConfig((4, 3, 2))))
    >>> [int(abs(weights).max()) <= 127 for weights in integers.weights]
    [True, True]
    """
    weights, thresholds = [], []
    for layer, array in enumerate(network.numpy_weights(), start=1):
        in_thresholds = array.astype(np.float64) / network.config.threshold
        largest = float(np.abs(in_thresholds).max())
        threshold = min(int(WEIGHT_LIMITS[1] / largest), _THRESHOLD_LIMIT - 1) if largest else 1
        if threshold < 1:
            raise ValueError(
                f"weights of layer {layer} reach {largest:.4g} times the threshold: expected at "
                f"most {WEIGHT_LIMITS[1]}, the largest 8-bit weight"
            )
        weights.append(np.rint(in_thresholds * threshold).astype(np.int64))
        thresholds.append(threshold)
    return IntegerNetwork(
        network.config, tuple(weights), tuple(thresholds), image_shape=network.image_shape
    )


def _refuse_overflow(layer: int, weights: Any, exponent: int, lasting: float) -> None:
    """Refuse weights whose sum could leave the 24 bits of Lava's current, which wraps around.

    A current comes to `lasting` times what a step adds, 1 / (1 − α).
    """
    table = weights.reshape(len(weights), -1)
    largest = max(
        int(np.where(table > 0, table, 0).sum(axis=1).max()),
        int(-np.where(table < 0, table, 0).sum(axis=1).min()),
    )
    reached = largest * 2.0**exponent * 2**ALIGNMENT_BITS * lasting
    if reached >= _CURRENT_LIMIT:
        raise ValueError(
            f"layer {layer} can sum its weights to {largest} · 2^{exponent}, {reached:.0f} in the "
            f"current: expected below {_CURRENT_LIMIT}, where Lava's neurons wrap around"
        )
