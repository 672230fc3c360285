"""The fields of the configuration that the paper has; what is beyond it stands in `options`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lava_desire.model.fields import (
    AT_LEAST_0,
    BELOW_1,
    MAX_NEURONS,
    MAX_STEPS,
    NETWORK,
    RULE,
    SCHEDULE,
    THRESHOLD,
    Declared,
    Part,
    checked_float,
    checked_integer,
    declare,
    integer,
    layer_sizes_of,
    real,
    shown,
)
from lava_desire.model.synapses import Synapse, layers_of

if TYPE_CHECKING:
    from lava_desire.config import DesireConfig


def _thresholds(name: str, given: Any, config: Any) -> float | tuple[float, ...]:
    """Return a threshold, or one of each hidden layer, or refuse them."""
    if not isinstance(given, (tuple, list)):
        return checked_float(name, given, AT_LEAST_0)
    if config is not None and len(given) != config.num_layers - 1:
        raise ValueError(
            f"{name} is {shown(given)}: expected a number, or {config.num_layers - 1}, one a "
            "hidden layer"
        )
    return tuple(checked_float(name, each, AT_LEAST_0) for each in given)


def _parse_thresholds(text: str) -> float | tuple[float, ...]:
    try:
        numbers = tuple(float(each) for each in text.split(","))
    except ValueError:
        raise ValueError(
            f"--desire-threshold-hidden is {text!r}: expected a number, or one a hidden layer, as "
            "in 0.2,0.05"
        ) from None
    return numbers if len(numbers) > 1 else numbers[0]


SAY_LAYERS = ("layer_sizes", "layers")
"""The fields that say which layers there are, one as sizes, one as connections."""


@dataclass(frozen=True)
class Network(Part):
    """Shape, window and neurons."""

    position: ClassVar[int] = 0

    layer_sizes: tuple[int, ...] = declare(
        (),
        Declared(
            lambda name, value, config: (
                () if isinstance(value, tuple) and not value else layer_sizes_of(value)
            ),
            str,
            "tuple of int",
            doc="Neurons a layer, input first: ``(N_0, ..., N_L)``, 2 to 1000 layers, each in "
            "[1, 2**31). They may be left out where `layers` are given, from which they follow.",
            help="",  # --layers takes the hidden ones
            panel=NETWORK,
        ),
    )
    num_steps: int = integer(
        20,
        1,
        MAX_STEPS,
        doc="Length T of the spike trains in time steps, in [1, 4096].",
        help="Time steps T.",
        panel=NETWORK,
    )
    decay: float = real(
        0.75,
        BELOW_1,
        doc="Decay β of membrane potential and trace a time step, in [0, 1) (Eq. 1 and 3).",
        help="Decay of potential and trace.",
        panel=NETWORK,
    )
    threshold: float = real(
        1.0,
        THRESHOLD,
        doc="Firing threshold θ of encoder and neurons, above 0 (Eq. 1), in [2**-100, 2**100].",
        help="Firing threshold.",
        panel=NETWORK,
    )


@dataclass(frozen=True)
class Rule(Part):
    """Errors, desires and dropout."""

    position: ClassVar[int] = 1

    error_margin: int = integer(
        4,
        0,
        2**12,
        doc="Margin m in spikes, in [0, T): a neuron counts as fully active at T − m spikes.",
        help="Margin m in spikes.",
        panel=RULE,
    )
    desire_threshold_hidden: float | tuple[float, ...] = declare(
        0.05,
        Declared(
            _thresholds,
            str,
            "float or tuple of float",
            doc="Ternarisation threshold θ_hid of hidden layers, at least 0 (Eq. 10, 15); or one "
            "for each of the L − 1 hidden layers, first to last, whatever they are connected by.",
            help="Hidden layers.",
            panel=RULE,
            parse=_parse_thresholds,
            example=0.08,
            allowed=AT_LEAST_0,
        ),
    )
    desire_threshold_output: float = real(
        0.30,
        AT_LEAST_0,
        doc="Ternarisation threshold θ_out of the output layer, at least 0 (Eq. 10, 11).",
        help="Output layer.",
        panel=RULE,
    )
    dropout_input: float = real(
        0.0,
        BELOW_1,
        doc="Probability that an input is dropped for a sample, in [0, 1) (Sec. 3.3).",
        help="Probability, inputs.",
        panel=RULE,
    )
    dropout_hidden: float = real(
        0.3,
        BELOW_1,
        doc="Probability that a hidden neuron is dropped for a sample, in [0, 1) (Sec. 3.3).",
        help="Probability, hidden.",
        panel=RULE,
    )

    def check(self, config: DesireConfig) -> None:
        """See :class:`~lava_desire.model.fields.Part`."""
        if self.error_margin >= config.num_steps:
            raise ValueError(
                f"error_margin is {self.error_margin}: expected 0 <= error_margin < num_steps, "
                f"and num_steps is {config.num_steps}"
            )


@dataclass(frozen=True)
class Schedule(Part):
    """Learning rate, minibatches and epochs."""

    position: ClassVar[int] = 2

    learning_rate: float = real(
        1e-5,
        AT_LEAST_0,
        doc="η of the first epoch, at least 0 (Eq. 4).",
        help="Of the first epoch.",
        panel=SCHEDULE,
    )
    learning_rate_decay: float = real(
        0.04,
        AT_LEAST_0,
        doc="λ in η_e = η_0 · exp(−λ·e), at least 0 (Sec. 4.2).",
        help="An epoch.",
        panel=SCHEDULE,
    )
    batch_size: int = integer(
        64,
        1,
        doc="Samples whose updates are summed before the weights change, in [1, 2**31); 1 is the "
        "online rule.",
        help="1: the online rule.",
        panel=SCHEDULE,
    )
    epochs: int = integer(
        150,
        0,
        doc="Passes over the training set, in [0, 2**31).",
        help="Passes over the data.",
        panel=SCHEDULE,
    )
    seed: int = integer(
        0,
        0,
        2**63 - 1,
        doc="Seed of weights, dropout masks and sample order, in [0, 2**63).",
        help="Weights, masks, order.",
        panel=SCHEDULE,
    )


def _input_shape(name: str, given: Any, config: Any) -> tuple[int, ...]:
    """Return the shape of a sample, or refuse it."""
    if not isinstance(given, (tuple, list)) or len(given) not in (0, 1, 3):
        raise ValueError(
            f"{name} is {shown(given)}: expected (channels, height, width), or (neurons,)"
        )
    return tuple(checked_integer(f"a number of {name}", each, 1, MAX_NEURONS) for each in given)


@dataclass(frozen=True)
class Layers(Part):
    """Layers that are connected otherwise than all to all, and the planes that they need."""

    position: ClassVar[int] = 99

    layers: tuple[Synapse, ...] = declare(
        (),
        Declared(
            lambda name, value, config: layers_of(value),
            str,
            "tuple of Synapse",
            doc="The plastic layers, first to last, where not all of them are dense: "
            ":class:`~lava_desire.model.conv2d.Conv2d` and "
            ":class:`~lava_desire.model.synapses.Dense`, or their texts, "
            '``"16c5s2p1"`` and ``"10"``. ``()`` where all are: then `layer_sizes` says it all.',
            help="",  # --layers takes them
            panel=NETWORK,
        ),
    )
    input_shape: tuple[int, ...] = declare(
        (),
        Declared(
            _input_shape,
            str,
            "tuple of int",
            doc="Shape of a sample, (C, H, W): channels, rows, columns. Convolutions need it; "
            "``()`` where none is known.",
            help="",  # the data set says it
            panel=NETWORK,
        ),
    )
    desire_threshold_conv: float = real(
        0.2,
        AT_LEAST_0,
        doc="Ternarisation threshold θ_conv of hidden layers whose errors come through a "
        "convolution, at least 0 (Eq. 15). The authors' value; no effect of it from 0.05 to 0.5 "
        "was seen.",
        help="Through convolutions.",
        panel=RULE,
    )
    dropout_conv: float = real(
        0.0,
        BELOW_1,
        doc="Probability that a neuron of a convolution is dropped for a sample, in [0, 1).",
        help="Probability, convolutions.",
        panel=RULE,
    )
