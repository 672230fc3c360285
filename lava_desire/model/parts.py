"""The fields of the configuration that the paper has; what is beyond it stands in `options`."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING, ClassVar

from lava_desire.model.fields import (
    AT_LEAST_0,
    BELOW_1,
    NETWORK,
    RULE,
    SCHEDULE,
    THRESHOLD,
    Declared,
    Part,
    declare,
    integer,
    layer_sizes_of,
    real,
)

if TYPE_CHECKING:
    from lava_desire.config import DesireConfig


@dataclass(frozen=True)
class Network(Part):
    """Shape, window and neurons."""

    position: ClassVar[int] = 0

    layer_sizes: tuple[int, ...] = declare(
        MISSING,
        Declared(
            lambda name, value, config: layer_sizes_of(value),
            str,
            "tuple of int",
            doc="Neurons a layer, input first: ``(N_0, ..., N_L)``, 2 to 1000 layers, each in "
            "[1, 2**31).",
            help="",  # --layers takes the hidden ones
            panel=NETWORK,
        ),
    )
    num_steps: int = integer(
        20,
        1,
        2**12,
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
    desire_threshold_hidden: float = real(
        0.05,
        AT_LEAST_0,
        doc="Ternarisation threshold θ_hid of hidden layers, at least 0 (Eq. 10, 15).",
        help="Hidden layers.",
        panel=RULE,
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
