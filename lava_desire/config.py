"""The configuration of a network and its training: :class:`DesireConfig`."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lava_desire.model.conv2d import Conv2d
from lava_desire.model.fields import (
    SHOWN,
    Part,
    checked_integer,
    declared,
    document_fields,
    layer_sizes_of,
)
from lava_desire.model.option import (
    Augmentation,
    Bound,
    CurrentFilter,
    DecisionPolicy,
    EligibilityPolicy,
    FeedbackPolicy,
    Filter,
    Option,
    OutputPolicy,
    RatePolicy,
    Term,
)
from lava_desire.model.options import found
from lava_desire.model.options.image_shift import ImageShift
from lava_desire.model.parts import Layers, Network, Rule, Schedule
from lava_desire.model.rates import MeanRates, mean_trace
from lava_desire.model.synapses import Dense, Synapse, connect
from lava_desire.strict_json import parse_json

SomePart = TypeVar("SomePart", bound=Part)

OPTIONS = sorted(found(), key=lambda option: (option.position, option.__name__))
"""The options, in the order in which they act."""

POLICIES = (
    OutputPolicy,
    DecisionPolicy,
    FeedbackPolicy,
    EligibilityPolicy,
    RatePolicy,
    CurrentFilter,
)
"""Kinds of options of which one can be on, as each replaces the same."""

PARTS: list[type[Part]] = sorted(
    [Network, Rule, Schedule, Layers, MeanRates, *OPTIONS],
    key=lambda part: (part.position, part.__name__),
)
"""What a configuration is composed of."""


def _composed(cls: type[Any]) -> type[Any]:
    """Make a dataclass with the fields of all parts, and write them into its documentation."""
    for part in PARTS:
        if "__dataclass_fields__" not in vars(part):
            raise TypeError(f"{part.__name__} is no dataclass: expected @dataclass(frozen=True)")
    fields = [field for part in PARTS for field in dataclasses.fields(part)]
    for field in fields:
        if field.name in vars(cls):
            raise TypeError(
                f"{field.name} is a field of a part of the configuration: expected a name that no "
                "other field, method or property of DesireConfig has"
            )
        cls.__annotations__[field.name] = field.type
        # A field belongs to one class.
        new = dataclasses.field(default=field.default, metadata=field.metadata)
        setattr(cls, field.name, new)
    document_fields(cls, fields)
    return dataclasses.dataclass(frozen=True)(cls)


@_composed
class DesireConfig(Layers, Schedule, Rule, Network):
    """Shape, neuron model, learning rule and schedule of one network.

    Kernels compute in float32, so a float is 0 or at least 2**-126 in magnitude, and below 2**128;
    one that must be below 1 is at most 1 − 2**-24. So is a product of learning rate and factor.

    Parameters
    ----------
    {fields}

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

    if TYPE_CHECKING:
        # Options are found when the package is imported; the fields of the paper are known.
        def __init__(
            self, layer_sizes: tuple[int, ...] = (), *more: Any, **fields: Any
        ) -> None: ...
        def __getattr__(self, option: str) -> Any: ...

    def __post_init__(self) -> None:
        fields = {field.name: declared(field) for field in dataclasses.fields(self)}
        widening = (each for each in OPTIONS if issubclass(each, Filter) and each.channels > 1)
        first = dict.fromkeys(each.switch().name for each in widening)
        for name in ("input_shape", "layers", "layer_sizes", *first):
            self._set(name, fields.pop(name).check(name, getattr(self, name), self))
        self._connect()
        for name, about in fields.items():
            self._set(name, about.check(name, getattr(self, name), self))
        for part in PARTS:
            self.part(part).check(self)
        for kind in POLICIES:
            self._one(kind)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _connect(self) -> None:
        """Bring layers and their sizes together, and refuse those that do not fit."""
        sizes = self.layer_sizes
        if not self.layers:
            layer_sizes_of(sizes)
        if not self.input_shape and not sizes:
            raise ValueError(
                "input_shape is (): expected the shape of a sample, (channels, height, width), as "
                "layers are given; sizes of layers that are connected all to all are layer_sizes"
            )
        found = (self.num_inputs, *(synapse.num_post for synapse in self.synapses))
        if sizes and sizes != found:
            hint = ", or no layer_sizes, which follow from them" if self.layers else ""
            given = "layers and input_shape" + " and filters of images" * (self._channels > 1)
            raise ValueError(f"layer_sizes is {sizes}: expected {found}, as {given} give{hint}")
        self._set("layer_sizes", layer_sizes_of(found))
        if all(isinstance(layer, Dense) for layer in self.layers):
            self._set("layers", ())

    @cached_property
    def synapses(self) -> tuple[Synapse, ...]:
        """The connections of the L plastic layers, layer 1 first."""
        shape = self.layer_sizes[:1]
        if self.input_shape:
            shape = (self._channels * self.input_shape[0], *self.input_shape[1:])
        return connect(shape, self.layers or [Dense(size) for size in self.layer_sizes[1:]])

    @cached_property
    def _channels(self) -> int:
        """How many channels filters make of one."""
        return self._channels_with({})

    def _channels_with(self, changes: Mapping[str, Any]) -> int:
        """Return how many channels filters make of one where some fields are others."""
        switches = ((each.channels, each.switch()) for each in OPTIONS if issubclass(each, Filter))
        return math.prod(
            channels
            for channels, field in switches
            if changes.get(field.name, getattr(self, field.name)) != field.default
        )

    def part(self, kind: type[SomePart]) -> SomePart:
        """Return a part of the configuration.

        Parameters
        ----------
        kind : type
            Class of an option, or of another part of `lava_desire/model/`.

        Returns
        -------
        Part
            An instance of it, with the values of this configuration.
        """
        names = [field.name for field in dataclasses.fields(kind)]
        return kind(**{name: getattr(self, name) for name in names})

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """The options that are on, in the order in which they act."""
        return tuple(option for option in map(self.part, OPTIONS) if option.is_on)

    def _on(self, kind: Any) -> tuple[Any, ...]:
        return tuple(option for option in self.options if isinstance(option, kind))

    def _one(self, kind: Any) -> Any | None:
        """Return the option of a kind that is on, or None; raises ValueError if several are."""
        on = self._on(kind)
        if len(on) > 1:
            names = " and ".join(option.switch().name for option in on)
            raise ValueError(f"{names} are given: expected one of them")
        return on[0] if on else None

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """What is added to the change of Eq. 4, in this order."""
        return self._on(Term)

    @cached_property
    def bounds(self) -> tuple[Bound, ...]:
        """What weights are clipped to after every change."""
        return self._on(Bound)

    @cached_property
    def filters(self) -> tuple[Filter, ...]:
        """What images pass through before they are encoded, in this order."""
        return self._on(Filter)

    @cached_property
    def output_policy(self) -> OutputPolicy | None:
        """What replaces Eq. 11, or None."""
        return self._one(OutputPolicy)

    @cached_property
    def decision_policy(self) -> DecisionPolicy | None:
        """What replaces the decision of Sec. 4.2, or None."""
        return self._one(DecisionPolicy)

    @cached_property
    def feedback_policy(self) -> FeedbackPolicy | None:
        """What errors come back through in place of the weights, or None."""
        return self._one(FeedbackPolicy)

    @cached_property
    def eligibility_policy(self) -> EligibilityPolicy | None:
        """What marks the steps in which synapses may learn in place of spikes, or None."""
        return self._one(EligibilityPolicy)

    @cached_property
    def rate_policy(self) -> RatePolicy | None:
        """What replaces the course of the learning rate of Sec. 4.2, or None."""
        return self._one(RatePolicy)

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
        return bool(self.tie_break == "earliest")

    @cached_property
    def num_layers(self) -> int:
        """Number L of plastic layers."""
        return len(self.layer_sizes) - 1

    @cached_property
    def neurons(self) -> tuple[int, ...]:
        """Neurons a layer, input first: ``(N_0, ..., N_L)``."""
        return self.layer_sizes

    @cached_property
    def num_inputs(self) -> int:
        """Number N_0 of inputs: a neuron a pixel, and channel that filters make."""
        return self.synapses[0].num_pre

    @cached_property
    def num_pixels(self) -> int:
        """Number of pixels of an image, N_0 where no filter makes several channels of one."""
        return self.num_inputs // self._channels

    @cached_property
    def image_planes(self) -> tuple[int, ...]:
        """Channels, rows and columns of an image: `input_shape`, or those of a square; else ()."""
        if len(self.input_shape) == 3:
            return self.input_shape
        side = math.isqrt(self.num_pixels)
        return (1, side, side) if side * side * self._channels == self.num_inputs else ()

    @cached_property
    def num_classes(self) -> int:
        """Number N_L of classes, one output neuron each."""
        return self.synapses[-1].num_post

    @cached_property
    def shape_text(self) -> str:
        """The layers as one text: ``64-200-100-10``, ``1x28x28-16c5s2-32c5s2-10``."""
        if not self.layers:
            return "-".join(map(str, self.neurons))
        return "-".join(("x".join(map(str, self.synapses[0].pre_shape)), *map(str, self.layers)))

    def num_neurons(self, layer: int) -> int:
        """Return the number of neurons of a layer.

        Parameters
        ----------
        layer : int
            0 is the input, L the output.

        Returns
        -------
        int
            N_ℓ.
        """
        return self.neurons[layer]

    def delay(self, layer: int) -> int:
        """Return the synaptic delay of a layer.

        Parameters
        ----------
        layer : int
            ℓ in 1 to L.

        Returns
        -------
        int
            In time steps: 0 after the encoder, then 1.
        """
        return 0 if layer == 1 else 1

    @cached_property
    def window_steps(self) -> int:
        """Lava time steps of one sample's window, T + L."""
        return self.num_steps + self.num_layers

    @cached_property
    def follows_rates(self) -> bool:
        """Whether learning follows how often neurons spike."""
        return any(option.follows_rates for option in self.options)

    def moves_images(self, epoch: int) -> bool:
        """Say whether an epoch changes training samples, images or spike trains: moves them, say.

        Parameters
        ----------
        epoch : int
            e, counted from 0.

        Returns
        -------
        bool
            Whether some may be changed.
        """
        shift = self.part(ImageShift)
        moves = any(isinstance(option, Augmentation) for option in self.options)
        return moves and shift.image_shift_share > 0 and epoch >= shift.image_shift_start

    @cached_property
    def filters_currents(self) -> bool:
        """Whether synaptic currents last longer than the step of their spikes."""
        return self._one(CurrentFilter) is not None

    @cached_property
    def mean_trace(self) -> float:
        """Mean trace over a window of an input that spikes in every step: ``rule.mean_trace``."""
        return mean_trace(self.num_steps, self.decay, self.synapse_decay)

    @cached_property
    def rates_desired_samples(self) -> bool:
        """Whether mean rates are those of samples with desire in the output layer alone."""
        return self.follows_rates and self.part(MeanRates).rates_over == "desired"

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
        layer = checked_integer("layer", layer, 0, self.num_layers)
        if layer == 0:
            return self.dropout_input
        if layer == self.num_layers:
            return 0.0
        return self.dropout_conv if self._is_convolution(layer) else self.dropout_hidden

    def desire_threshold_of(self, layer: int) -> float:
        """Return what z of a hidden layer must exceed for a desire, θ of Eq. 15.

        Parameters
        ----------
        layer : int
            The hidden layer ℓ, 1 to L − 1. Its z comes through connection ℓ + 1: θ_conv where that
            is a convolution, else θ_hid.

        Returns
        -------
        float
            θ.

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        layer = checked_integer("layer", layer, 1, self.num_layers - 1)
        if isinstance(self.desire_threshold_hidden, tuple):
            return self.desire_threshold_hidden[layer - 1]
        through = self._is_convolution(layer + 1)
        return self.desire_threshold_conv if through else self.desire_threshold_hidden

    def _is_convolution(self, layer: int) -> bool:
        return isinstance(self.synapses[layer - 1], Conv2d)

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

        Or that of `learning_rate_schedule`.

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
        if self.rate_policy is not None:
            return self.rate_policy.learning_rate(self, epoch)
        return self.learning_rate * math.exp(-self.learning_rate_decay * epoch)

    def learning_rate_scale_of(self, layer: int) -> float:
        """Return the factor on η of a plastic layer; 1 in the paper, 1/P of a convolution.

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
        layer = checked_integer("layer", layer, 1, self.num_layers)
        if self.learning_rate_scale:
            return float(self.learning_rate_scale[layer - 1])
        return 1.0 / self.synapses[layer - 1].num_positions

    def replace(self, **changes: Any) -> DesireConfig:
        """Return a copy with some fields changed, validated anew.

        Where filters then make other channels of an image, the inputs follow.

        Raises
        ------
        ValueError
            If a name is no field, or a value is out of range.
        """
        self._refuse_unknown(changes)
        first = self.num_pixels * self._channels_with(changes)
        if "layer_sizes" in changes:
            sizes = changes["layer_sizes"]
            keeps = isinstance(sizes, (tuple, list)) and tuple(sizes[:1]) == (first,)
            changes = {"layers": (), **({} if keeps else {"input_shape": ()}), **changes}
        elif "layers" in changes or ("input_shape" in changes and self.layers):
            changes["layer_sizes"] = ()
        elif first != self.num_inputs:
            changes["layer_sizes"] = () if self.layers else (first, *self.layer_sizes[1:])
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
            Pixels of an image, N_0 but where filters make several channels of one, and N_L; as
            before when not given. Where a layer is a convolution, `input_shape` among the fields
            says them.
        hidden : sequence, optional
            The hidden layers: neurons (N_1, ..., N_{L−1}), or connections and their texts, as
            `layers` has them; as before when not given.
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
        before = self.layers or self.layer_sizes[1:]
        layers = [
            *(before[:-1] if hidden is None else hidden),
            before[-1] if num_classes is None else num_classes,
        ]
        if all(isinstance(layer, int) for layer in layers):
            first = self.num_pixels if num_inputs is None else num_inputs
            first *= self._channels_with(changes)
            return self.replace(layer_sizes=(first, *layers), **changes)
        if num_inputs is not None and num_inputs != self.num_pixels:
            changes.setdefault("input_shape", (num_inputs,))
        return self.replace(layers=layers, **changes)

    def first_layers(self, num_layers: int) -> DesireConfig:
        """Return the configuration of the first plastic layers alone.

        Parameters
        ----------
        num_layers : int
            How many, in 1 to L.

        Returns
        -------
        DesireConfig
            Their configuration.
        """
        firsts = {"layers": num_layers, "learning_rate_scale": num_layers}
        firsts |= {"layer_sizes": num_layers + 1, "desire_threshold_hidden": num_layers - 1}
        fields: dict[str, Any] = {
            name: value[:number]
            for name, number in firsts.items()
            if isinstance(value := getattr(self, name), tuple)
        }
        return dataclasses.replace(self, **fields)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON types.

        `layers`, `input_shape`, parts that are `is_quiet` and, of networks without a convolution,
        the fields of convolutions only where they say anything.
        """
        fields = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }
        fields["layers"] = list(map(str, self.layers))
        unsaid: dict[str, Any] = {"layers": [], "input_shape": []}
        if not any(isinstance(layer, Conv2d) for layer in self.layers):
            fields_of = dataclasses.fields(Layers)
            unsaid = {field.name: field.default for field in fields_of} | unsaid
        quiet = (field for part in PARTS if part.is_quiet for field in dataclasses.fields(part))
        unsaid |= {field.name: field.default for field in quiet}
        return {
            name: value
            for name, value in fields.items()
            if name not in unsaid or value != unsaid[name]
        }

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
        if "layer_sizes" not in fields and "layers" not in fields:
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

    def to_file(self, path: str | Path) -> None:
        """Write the configuration, atomically; YAML and TOML with a comment on each field.

        Parameters
        ----------
        path : path
            A file ``.json``, ``.yaml``, ``.yml`` or ``.toml``.

        Raises
        ------
        ValueError
            If the name ends otherwise.
        OSError
            If the file cannot be written; an older one is then still whole.
        """
        from lava_desire.config_files import as_text, form_of
        from lava_desire.files import write_atomically

        write_atomically(path, as_text(self, form_of(path)).encode())

    @classmethod
    def from_file(cls, path: str | Path) -> DesireConfig:
        """Read a configuration from a JSON, YAML or TOML file, told by its suffix; else from JSON.

        Of YAML the core schema of 1.2 is read, without anchors, aliases and tags: ``1e-4`` is a
        number and ``no`` a text, where readers of YAML 1.1 say otherwise. No name may stand twice.

        Parameters
        ----------
        path : path
            A file of at most 1 MiB.

        Returns
        -------
        DesireConfig
            The configuration, validated.

        Raises
        ------
        ValueError
            If it is no such file, or a field is unknown, missing or out of range; the message has
            the file and, where it is known, the line.
        OSError
            If it cannot be read.
        ImportError
            Without PyYAML, for YAML; on Python 3.10 without tomli, for TOML.
        """
        from lava_desire.config_files import line_of, read_fields

        text = ""
        try:
            fields, text = read_fields(path)
            return cls.from_dict(fields)
        except ValueError as error:
            raise ValueError(f"{path}{line_of(str(error), text)}: {error}") from None

    @classmethod
    def _refuse_unknown(cls, fields: Mapping[str, Any]) -> None:
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(str(name) for name in fields if name not in known)
        if unknown:
            from lava_desire.config_files import did_you_mean

            meant = did_you_mean(unknown[0], known)
            raise ValueError(
                f"config has no field {', '.join(unknown)[:SHOWN]}{meant}: expected some of "
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
    "mnist-conv": DesireConfig(
        layers=("16c5s2", "32c5s2", "10"),
        input_shape=(1, 28, 28),
        desire_threshold_conv=0.5,
        learning_rate=1e-3,
        learning_rate_decay=0.3,
        learning_rate_scale=(0.0002, 0.0625, 1.0),
        batch_size=16,
        epochs=10,
        trace_baseline=0.8,
        rate_floor=0.03,
    ),
    "mnist-conv-best": DesireConfig(
        layers=("16c5s2", "32c5s2", "10"),
        input_shape=(1, 28, 28),
        desire_threshold_conv=0.1,
        desire_threshold_hidden=0.02,
        learning_rate=1e-3,
        learning_rate_schedule="cosine",
        learning_rate_scale=(0.007, 0.0625, 0.3),
        batch_size=16,
        epochs=10,
        image_shift=1,
        weight_average=0.999,
        trace_baseline=0.8,
        rate_floor=0.03,
        eligibility_width=1.0,
    ),
}
"""The named configurations. ``mnist`` and ``fashion-mnist`` are the paper's two experiments with
minibatches of 64, which follow its online rule epoch by epoch; ``batch_size=1`` is that rule.
``mnist-best`` is ``mnist`` with traces counted from their mean, which allows eight times the
paper's learning rate, a rate floor, images shifted by up to a pixel and averaged weights;
``fashion-mnist-best`` is ``fashion-mnist`` with such traces, of samples with desire, limited
weights, a rate floor, less dropout, smaller minibatches, images of the same mean brightness and
half of them shifted from the 15th epoch on. ``mnist-conv`` has two strided convolutions, and values
chosen on a tenth of the training set; its first layer learns slowly, since faster it falls silent.
``mnist-conv-best`` is the same network that learns near its threshold, where the first layer may
learn thirty times as fast; it does as well as a dense network of a hundred times the weights.
See ``results/``."""
