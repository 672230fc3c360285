"""The one description of a network and its training: :class:`DesireConfig`."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lava_desire.model.fields import (
    FLOATS,
    LARGEST,
    SHOWN,
    checked_float,
    checked_rate,
    layer_sizes_of,
    learning_rate_scale_of,
    number,
    shown,
)
from lava_desire.model.synapses import Synapse, connections_of, make_synapses
from lava_desire.strict_json import parse_json

RESETS = ("subtract", "zero")
TIE_BREAKS = ("undecided", "earliest")
RATES_OVER = ("all", "desired")


@dataclass(frozen=True)
class DesireConfig:
    """Shape, neuron model, learning rule and schedule of one network.

    Kernels compute in float32, so a float is 0 or at least 2**-126 in magnitude, and below 2**128;
    one that must be below 1 is at most 1 − 2**-24. So is a product of learning rate and factor.

    Parameters
    ----------
    layer_sizes : tuple of int
        Neurons a layer, input first: ``(N_0, ..., N_L)``, 2 to 1000 layers, each in [1, 2**31).
    num_steps : int
        Length T of the spike trains in time steps, in [1, 4096].
    decay : float
        Decay β of membrane potential and trace a time step, in [0, 1) (Eq. 1 and 3).
    threshold : float
        Firing threshold θ of encoder and neurons, above 0 (Eq. 1), in [2**-100, 2**100].
    error_margin : int
        Margin m in spikes, in [0, T): a neuron counts as fully active at T − m spikes.
    desire_threshold_hidden, desire_threshold_output : float
        Ternarisation thresholds θ_hid and θ_out, at least 0 (Eq. 10, 11, 15).
    dropout_input, dropout_hidden : float
        Probability that a neuron is dropped for a sample, in [0, 1) (Sec. 3.3).
    learning_rate : float
        η of the first epoch, at least 0 (Eq. 4).
    learning_rate_decay : float
        λ in η_e = η_0 · exp(−λ·e), at least 0 (Sec. 4.2).
    batch_size : int
        Samples whose updates are summed before the weights change, in [1, 2**31); 1 is the online
        rule.
    epochs : int
        Passes over the training set, in [0, 2**31).
    seed : int
        Seed of weights, dropout masks and sample order, in [0, 2**63).
    reset : {"subtract", "zero"}
        What a spike does to the membrane potential: deduct θ (the paper), or set it to 0, for
        networks meant for neurons that cannot deduct.
    learning_rate_scale : tuple of float
        Factor on η of each plastic layer, first to last, at least 0; ``()``, the paper's rule, is 1
        for all.
    image_shift : int
        Largest shift s of a training image: in every epoch each is moved by a whole number of
        pixels in [−s, s] down and across, drawn at random, and what it uncovers is dark. 0, the
        paper's rule, moves none; more needs square images and s below their width.
    image_shift_share : float
        Probability, in [0, 1], that an epoch draws a shift for an image; the others stay.
    image_shift_start : int
        First epoch, counted from 0, that moves images, in [0, 2**31).
    image_brightness : float
        Mean brightness x̄ over its pixels, in [0, 1), that every image is scaled to, in training and
        in evaluation: :func:`~lava_desire.rule.equalize_brightness`. 0, the paper's rule, takes
        images as they are.
    weight_average : float
        Factor a in [0, 1) of a moving average of the weights, a·average + (1 − a)·W after every
        minibatch, that is evaluated and kept beside them. 0, the paper's rule, keeps none.
    trace_baseline : float
        Share φ, in [0, 1], of each input's mean trace that updates count its trace from:
        :func:`~lava_desire.rule.baseline_change`. 0, the paper's rule, counts from zero.
    baseline_samples : int
        Samples S, in [1, 2**31), over which mean rates and traces are taken.
    rates_over : {"all", "desired"}
        Which samples mean rates and traces are taken over: all that are learned from, or those in
        which an output neuron has desire.
    weight_limit : float
        Magnitude, at least 0, beyond which no weight goes: it is clipped, at first and after every
        change. 0, the paper's rule, sets no limit.
    rate_floor : float
        Mean firing rate ν_min, in [0, 1) spikes a time step, below which the weights of a hidden
        neuron rise until it spikes: :func:`~lava_desire.rule.rate_floor_change`. 0, the paper's
        rule, leaves silent neurons silent.
    class_margin : int
        Lead M in spikes, in [0, T], that a sample's class should have over all others; output
        desires then follow from the order of counts, not from θ_out:
        :func:`~lava_desire.rule.margin_desire`. 0 is the paper's rule.
    tie_break : {"undecided", "earliest"}
        What is predicted where several classes have the largest count: nothing, which counts as
        wrong (the paper), or the one that reached it earliest. Learning does not depend on it.
    connections : tuple of str
        Kind of connection of each plastic layer, first to last, by the `name` of a
        :class:`~lava_desire.model.synapses.Synapse`; ``()``, the paper's network, is ``"dense"``
        for all.

    Raises
    ------
    ValueError
        If a field is out of its range; the message names the field, the value and the range.

    Examples
    --------
    >>> config = DesireConfig((64, 200, 100, 10), learning_rate=1e-4)
    >>> config.num_layers, config.window_steps
    (3, 23)
    >>> config.replace(decay=1.0)
    Traceback (most recent call last):
        ...
    ValueError: decay is 1.0: expected 0 <= decay < 1
    """

    layer_sizes: tuple[int, ...]
    num_steps: int = 20
    decay: float = 0.75
    threshold: float = 1.0
    error_margin: int = 4
    desire_threshold_hidden: float = 0.05
    desire_threshold_output: float = 0.30
    dropout_input: float = 0.0
    dropout_hidden: float = 0.3
    learning_rate: float = 1e-5
    learning_rate_decay: float = 0.04
    batch_size: int = 64
    epochs: int = 150
    seed: int = 0
    reset: str = "subtract"
    learning_rate_scale: tuple[float, ...] = ()
    image_shift: int = 0
    image_shift_share: float = 1.0
    image_shift_start: int = 0
    image_brightness: float = 0.0
    weight_average: float = 0.0
    trace_baseline: float = 0.0
    baseline_samples: int = 10_000
    rates_over: str = "all"
    weight_limit: float = 0.0
    rate_floor: float = 0.0
    class_margin: int = 0
    tie_break: str = "undecided"
    connections: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "layer_sizes", layer_sizes_of(self.layer_sizes))
        self._check_integer("num_steps", 1)
        margin = number("error_margin", self.error_margin, "at least 0", integer=True)
        object.__setattr__(self, "error_margin", margin)
        if not 0 <= self.error_margin < self.num_steps:
            raise ValueError(
                f"error_margin is {self.error_margin}: expected 0 <= error_margin < num_steps, "
                f"and num_steps is {self.num_steps}"
            )
        for name in FLOATS:
            object.__setattr__(self, name, checked_float(name, getattr(self, name)))
        self._check_integer("batch_size", 1)
        self._check_integer("epochs", 0)
        self._check_integer("baseline_samples", 1)
        self._check_integer("class_margin", 0)
        if self.class_margin > self.num_steps:
            raise ValueError(
                f"class_margin is {self.class_margin}: expected class_margin <= num_steps, "
                f"and num_steps is {self.num_steps}"
            )
        self._check_integer("seed", 0)
        for name, allowed in (
            ("reset", RESETS),
            ("rates_over", RATES_OVER),
            ("tie_break", TIE_BREAKS),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} is {shown(getattr(self, name))}: expected one of {', '.join(allowed)}"
                )
        object.__setattr__(
            self,
            "learning_rate_scale",
            learning_rate_scale_of(self.learning_rate_scale, self.num_layers),
        )
        for layer, factor in enumerate(self.learning_rate_scale, start=1):
            checked_rate(self.learning_rate, factor, layer)
        connections = connections_of(self.connections, self.num_layers)
        object.__setattr__(self, "connections", connections)
        self.synapses  # noqa: B018  (made here, to refuse what cannot be connected)
        self._check_image_shift()
        self._check_image_brightness()

    def _check_image_shift(self) -> None:
        self._check_integer("image_shift", 0)
        self._check_integer("image_shift_start", 0)
        if self.image_shift == 0:
            return
        side = math.isqrt(self.layer_sizes[0])
        if side * side != self.layer_sizes[0]:
            raise ValueError(
                f"image_shift is {self.image_shift}: expected 0 where the inputs are no square "
                f"image, and there are {self.layer_sizes[0]}"
            )
        if self.image_shift >= side:
            raise ValueError(
                f"image_shift is {self.image_shift}: expected image_shift < {side}, the width of "
                "an image"
            )

    def _check_image_brightness(self) -> None:
        num_pixels, mean = self.layer_sizes[0], self.image_brightness
        if mean and round(255 * num_pixels * mean) < 1:  # levels an image, in whole ones
            raise ValueError(
                f"image_brightness is {mean!r}: expected 0, or enough for images of {num_pixels} "
                f"pixels not to become dark, at least {1 / (255 * num_pixels):.2g}"
            )

    def _check_integer(self, name: str, smallest: int) -> None:
        value = number(name, getattr(self, name), f"at least {smallest}", integer=True)
        if value < smallest:
            raise ValueError(f"{name} is {value}: expected {name} >= {smallest}")
        if value > LARGEST[name]:
            raise ValueError(f"{name} is {value}: expected {name} <= {LARGEST[name]}")
        object.__setattr__(self, name, value)

    @classmethod
    def preset(cls, name: str) -> DesireConfig:
        """Return a named configuration, such as ``digits`` or ``mnist-best``.

        Parameters
        ----------
        name : str
            One of :data:`PRESETS`.

        Returns
        -------
        DesireConfig
            The configuration; :meth:`replace` changes single fields of it.

        Raises
        ------
        ValueError
            If there is no preset of that name.
        """
        if name not in PRESETS:
            raise ValueError(f"preset is {name!r}: expected one of {', '.join(PRESETS)}")
        return PRESETS[name]

    @cached_property
    def breaks_ties(self) -> bool:
        """Whether the earliest of several classes with the largest count is predicted."""
        return self.tie_break == "earliest"

    @cached_property
    def num_layers(self) -> int:
        """Number L of plastic layers."""
        return len(self.layer_sizes) - 1

    @cached_property
    def synapses(self) -> tuple[Synapse, ...]:
        """The connections of the L plastic layers, layer 1 first."""
        return make_synapses(self.layer_sizes, self.connections)

    @cached_property
    def neurons(self) -> tuple[int, ...]:
        """Neurons a layer, input first: ``(N_0, ..., N_L)``."""
        return (self.num_inputs, *(synapse.num_post for synapse in self.synapses))

    @cached_property
    def num_inputs(self) -> int:
        """Number N_0 of pixels of an image."""
        return self.synapses[0].num_pre

    @cached_property
    def num_classes(self) -> int:
        """Number N_L of classes, one output neuron each."""
        return self.synapses[-1].num_post

    @cached_property
    def shape_text(self) -> str:
        """The neurons a layer as one text, such as ``64-200-100-10``."""
        return "-".join(map(str, self.neurons))

    def num_neurons(self, layer: int) -> int:
        """Return the number N_ℓ of neurons of a layer, 0 (the input) to L."""
        return self.neurons[layer]

    def delay(self, layer: int) -> int:
        """Return the synaptic delay of layer ℓ ≥ 1 in time steps: 0 after the encoder, then 1."""
        return 0 if layer == 1 else 1

    @cached_property
    def window_steps(self) -> int:
        """Lava time steps of one sample's window, T + L."""
        return self.num_steps + self.num_layers

    @cached_property
    def follows_rates(self) -> bool:
        """Whether learning follows how often neurons spike."""
        return bool(self.trace_baseline or self.rate_floor)

    @cached_property
    def rates_desired_samples(self) -> bool:
        """Whether mean rates are those of samples with desire in the output layer alone."""
        return self.follows_rates and self.rates_over == "desired"

    def rate_floor_of(self, layer: int) -> float:
        """Return the least mean firing rate of a layer's neurons; 0 but for hidden ones.

        Parameters
        ----------
        layer : int
            ℓ in 1 to L.

        Returns
        -------
        float
            In spikes a time step.
        """
        return self.rate_floor if layer < self.num_layers else 0.0

    def dropout_of(self, layer: int) -> float:
        """Return the probability of dropping a neuron of a layer (Sec. 3.3).

        Parameters
        ----------
        layer : int
            0 is the input, L the output.

        Returns
        -------
        float
            P_drop in [0, 1); 0 for the output.

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        if not 0 <= layer <= self.num_layers:
            raise ValueError(f"layer is {layer}: expected 0 <= layer <= {self.num_layers}")
        if layer == 0:
            return self.dropout_input
        return self.dropout_hidden if layer < self.num_layers else 0.0

    def dropout_gain(self, layer: int) -> float:
        """Return g = 1 / (1 − P_drop), what scales the spikes of a layer in training (Eq. 16).

        Parameters
        ----------
        layer : int
            0 is the input, L the output.

        Returns
        -------
        float
            g, at least 1.

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        return 1.0 / (1.0 - self.dropout_of(layer))

    def learning_rate_at(self, epoch: int) -> float:
        """Return the learning rate of an epoch: η_e = η_0 · exp(−λ·e)  (Sec. 4.2).

        Parameters
        ----------
        epoch : int
            e, counted from 0.

        Returns
        -------
        float
            η_e; :meth:`learning_rate_scale_of` a layer comes on top.

        Examples
        --------
        >>> config = DesireConfig.preset("mnist")
        >>> [round(config.learning_rate_at(epoch) * 1e6, 2) for epoch in (0, 1, 50)]
        [10.0, 9.61, 1.35]
        """
        return self.learning_rate * math.exp(-self.learning_rate_decay * epoch)

    def learning_rate_scale_of(self, layer: int) -> float:
        """Return the factor on η of a plastic layer; 1 in the paper.

        Parameters
        ----------
        layer : int
            The plastic layer ℓ, 1 to L.

        Returns
        -------
        float
            At least 0.

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        if not 1 <= layer <= self.num_layers:
            raise ValueError(f"layer is {layer}: expected 1 <= layer <= {self.num_layers}")
        if self.learning_rate_scale:
            return self.learning_rate_scale[layer - 1]
        return 1.0 / self.synapses[layer - 1].num_positions

    def moves_images(self, epoch: int) -> bool:
        """Say whether an epoch moves training images.

        Parameters
        ----------
        epoch : int
            e, counted from 0.

        Returns
        -------
        bool
            Whether some may be moved.
        """
        return bool(self.image_shift and self.image_shift_share) and epoch >= self.image_shift_start

    def replace(self, **changes: Any) -> DesireConfig:
        """Return a copy with some fields changed, validated anew.

        Raises
        ------
        ValueError
            If a name is no field, or a value is out of range.
        """
        self._refuse_unknown(changes)
        return dataclasses.replace(self, **changes)

    def resized(
        self,
        num_inputs: int | None = None,
        hidden: Sequence[int] | None = None,
        num_classes: int | None = None,
        **changes: Any,
    ) -> DesireConfig:
        """Return a copy with other layers, and some fields changed.

        Parameters
        ----------
        num_inputs, num_classes : int, optional
            N_0 and N_L; as before when not given.
        hidden : sequence of int, optional
            Neurons of the hidden layers, (N_1, ..., N_{L−1}); as before when not given.
        changes
            Fields, as :meth:`replace` takes them.

        Returns
        -------
        DesireConfig
            The copy, validated anew.

        Raises
        ------
        ValueError
            If a number or a field is out of its range.
        """
        first, *between, last = self.layer_sizes
        sizes = (
            first if num_inputs is None else num_inputs,
            *(between if hidden is None else hidden),
            last if num_classes is None else num_classes,
        )
        return self.replace(layer_sizes=sizes, **changes)

    def first_layers(self, num_layers: int) -> DesireConfig:
        """Return the configuration of the first plastic layers alone, 1 to L of them."""
        per_layer = ("learning_rate_scale", "connections")
        changes = {name: getattr(self, name)[:num_layers] for name in per_layer}
        return self.replace(layer_sizes=self.layer_sizes[: num_layers + 1], **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON types; `connections` only where not all are dense."""
        lists = ("layer_sizes", "learning_rate_scale", "connections")
        fields = dataclasses.asdict(self) | {name: list(getattr(self, name)) for name in lists}
        if not self.connections:
            del fields["connections"]
        return fields

    def to_json(self) -> str:
        """Return the fields as a JSON object, one field a line."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> DesireConfig:
        """Build a configuration from what :meth:`to_dict` returned.

        Parameters
        ----------
        fields : mapping
            Names and values of the fields.

        Returns
        -------
        DesireConfig
            The configuration, validated.

        Raises
        ------
        ValueError
            If a field is unknown, missing or out of range.
        """
        if not isinstance(fields, Mapping):
            raise ValueError(f"config is a {type(fields).__name__}: expected an object of fields")
        cls._refuse_unknown(fields)
        if "layer_sizes" not in fields:
            raise ValueError("config has no layer_sizes: expected a list of integers, input first")
        return cls(**fields)

    @classmethod
    def from_json(cls, text: str) -> DesireConfig:
        """Build a configuration from what :meth:`to_json` returned.

        Parameters
        ----------
        text : str
            A JSON object of fields.

        Returns
        -------
        DesireConfig
            The configuration, validated.

        Raises
        ------
        ValueError
            If the text is not a JSON object, or a field is unknown, missing or out of range.
        """
        try:
            fields = parse_json(text)
        except (ValueError, RecursionError) as error:  # ValueError: also an endless integer
            raise ValueError(f"config is not JSON: {error}") from None
        return cls.from_dict(fields)

    @classmethod
    def _refuse_unknown(cls, fields: Mapping[str, Any]) -> None:
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(str(name) for name in fields if name not in known)
        if unknown:
            raise ValueError(
                f"config has no field {', '.join(unknown)[:SHOWN]}: expected some of "
                f"{', '.join(known)}"
            )


PRESETS: dict[str, DesireConfig] = {
    "digits": DesireConfig(
        layer_sizes=(64, 200, 100, 10), learning_rate=1e-4, batch_size=16, epochs=30
    ),
    "mnist": DesireConfig(layer_sizes=(784, 1600, 800, 10)),
    "fashion-mnist": DesireConfig(
        layer_sizes=(784, 1000, 100, 10), dropout_input=0.05, dropout_hidden=0.4, epochs=600
    ),
    "mnist-best": DesireConfig(
        layer_sizes=(784, 1600, 800, 10),
        learning_rate=8e-5,
        learning_rate_decay=0.05,
        epochs=80,
        image_shift=1,
        weight_average=0.999,
        trace_baseline=1.0,
        rate_floor=0.01,
    ),
    "fashion-mnist-best": DesireConfig(
        layer_sizes=(784, 1000, 100, 10),
        dropout_input=0.05,
        dropout_hidden=0.2,
        learning_rate=4e-5,
        learning_rate_decay=0.06,
        batch_size=32,
        epochs=75,
        image_shift=1,
        image_shift_share=0.5,
        image_shift_start=14,
        image_brightness=0.3,
        weight_average=0.999,
        trace_baseline=0.9,
        rates_over="desired",
        weight_limit=0.3,
        rate_floor=0.03,
    ),
}
"""The named configurations. ``mnist`` and ``fashion-mnist`` are the paper's two experiments with
minibatches of 64, which follow its online rule epoch by epoch; ``batch_size=1`` is that rule.
``mnist-best`` is ``mnist`` with traces counted from their mean, which allows eight times the
paper's learning rate, a rate floor, images shifted by up to a pixel and averaged weights;
``fashion-mnist-best`` is ``fashion-mnist`` with such traces, of samples with desire, limited
weights, a rate floor, less dropout, smaller minibatches, images of the same mean brightness and
half of them shifted from the 15th epoch on: see ``results/``."""
