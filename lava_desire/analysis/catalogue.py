"""The experiments of ``lava-desire reproduce``, by name. No torch, no Matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lava_desire.config import DesireConfig

VALIDATION, FINAL, TEST = "validation", "final", "test"

PROTOCOLS = {
    VALIDATION: "a tenth of the training set chooses the epoch; the test set is read once, at the "
    "end",
    FINAL: "all of the training set is learned, and no epoch chosen; the test set is read once, "
    "after the last",
    TEST: "the best epoch is chosen on the test set, as the paper's",
}
"""Names of the protocols, and what the test set is for in each."""

VALIDATION_SHARE = 0.1
"""Of the training set, in the protocol of that name."""


@dataclass(frozen=True)
class Experiment:
    """A recipe that can be trained for, beside the number of the paper that it is compared with."""

    dataset: str  # name of the data set
    paper_accuracy: float  # of the best epoch on the test set, in [0, 1]
    section: str  # of the paper
    preset: str  # of the configuration
    changes: Mapping[str, Any] = field(default_factory=dict)  # fields that are not the preset's
    precision: str = "auto"  # as of ``train --precision``: fixed_point learns in integers
    protocol: str = VALIDATION  # where none is asked for


def _mnist(preset: str, changes: Mapping[str, Any] | None = None, **more: Any) -> Experiment:
    return Experiment("mnist", 0.9841, "Sec. 4.2", preset, changes or {}, **more)


def _fashion(preset: str, changes: Mapping[str, Any] | None = None, **more: Any) -> Experiment:
    return Experiment("fashion-mnist", 0.8756, "Sec. 4.3", preset, changes or {}, **more)


_MOVED = {"image_rotation": 10.0, "image_scale": 0.1, "tie_break": "earliest"}
_COSINE = {"learning_rate_schedule": "cosine", "tie_break": "earliest"}
_MNIST_COSINE = _MOVED | _COSINE | {"epochs": 24, "dropout_hidden": 0.15}
_FASHION_COSINE = _COSINE | {"epochs": 48, "dropout_hidden": 0.1, "image_shift_start": 12}
_NEAR = _COSINE | {
    "eligibility_width": 1.0,
    "desire_threshold_hidden": 0.02,
    "learning_rate": 4e-5,
    "batch_size": 16,
    "epochs": 24,
    "trace_baseline": 0.8,
}
_MNIST_NEAR = _MOVED | _NEAR | {"dropout_hidden": 0.1, "image_bend": 1.0}
_FASHION_NEAR = _NEAR | {
    "dropout_input": 0.0,
    "dropout_hidden": 0.05,
    "image_shift": 0,
    "image_mirror": 0.5,
    "image_brightness": 0.2,
}
_WIDE = {"layers": ("32c5s2", "64c5s2", "10")}

EXPERIMENTS = {
    "mnist": _mnist("mnist"),
    "fashion-mnist": _fashion("fashion-mnist"),
    "mnist-best": _mnist("mnist-best"),
    "mnist-moved": _mnist("mnist-best", _MOVED),
    "mnist-cosine": _mnist("mnist-best", _MNIST_COSINE),
    "mnist-long": _mnist("mnist-best", _MOVED | _COSINE | {"epochs": 80, "learning_rate": 4e-5}),
    "mnist-near": _mnist("mnist-best", _MNIST_NEAR),
    "mnist-near-integers": _mnist("mnist-best", _MNIST_NEAR, precision="fixed_point"),
    "mnist-online": _mnist(
        "mnist-best", _MNIST_COSINE | {"batch_size": 1, "tie_break": "undecided"}
    ),
    "mnist-integers": _mnist("mnist-best", _MNIST_COSINE, precision="fixed_point"),
    "mnist-conv": _mnist("mnist-conv"),
    "mnist-conv-best": _mnist("mnist-conv-best"),
    "mnist-conv-large": _mnist(
        "mnist-conv-best", _MOVED | _WIDE | {"epochs": 16, "image_bend": 1.0}
    ),
    "fashion-mnist-best": _fashion("fashion-mnist-best"),
    "fashion-mnist-cosine": _fashion("fashion-mnist-best", _FASHION_COSINE),
    "fashion-mnist-cosine-large": _fashion(
        "fashion-mnist-best",
        _FASHION_COSINE
        | {"layer_sizes": (784, 1600, 800, 10), "epochs": 60, "dropout_hidden": 0.2},
    ),
    "fashion-mnist-near": _fashion("fashion-mnist-best", _FASHION_NEAR),
    "fashion-mnist-near-large": _fashion(
        "fashion-mnist-best", _FASHION_NEAR | {"layer_sizes": (784, 1600, 800, 10)}
    ),
    "fashion-mnist-near-off": _fashion(
        "fashion-mnist-best", _FASHION_NEAR | {"off_channel": 5, "image_brightness": 0.15}
    ),
    "fashion-mnist-near-integers": _fashion(
        "fashion-mnist-best", _FASHION_NEAR, precision="fixed_point"
    ),
    "fashion-mnist-conv": _fashion(
        "mnist-conv-best",
        _WIDE
        | {
            "epochs": 20,
            "learning_rate": 2.5e-4,
            "image_shift": 0,
            "image_mirror": 0.5,
            "tie_break": "earliest",
        },
    ),
    "fashion-mnist-integers": _fashion(
        "fashion-mnist-best", _FASHION_COSINE, precision="fixed_point"
    ),
}
"""The paper's two, and what exceeds them, by name: a row is a recipe."""


@dataclass(frozen=True)
class Base:
    """What the variants are compared with.

    The schedules are compressed: the rate falls by e⁻⁶ over all epochs, as in the paper over 150.
    The average of the weights changes nothing in training, so every run shows it beside.
    """

    config: DesireConfig
    train_samples: int  # the first of the data set


BASES = {
    "small": Base(
        DesireConfig(
            (784, 200, 100, 10),
            learning_rate=4e-5,
            learning_rate_decay=0.5,
            epochs=12,
            weight_average=0.999,
        ),
        60_000,
    ),
    "large": Base(
        DesireConfig(
            (784, 1600, 800, 10),
            learning_rate=4e-5,
            learning_rate_decay=0.75,
            epochs=8,
            weight_average=0.99,
        ),
        10_000,
    ),
}
"""A network too small for its data, and the paper's on a sixth of the data."""

VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "learning-rate-1e-5": {"learning_rate": 1e-5},
    "learning-rate-2e-5": {"learning_rate": 2e-5},
    "learning-rate-8e-5": {"learning_rate": 8e-5},
    "batch-16": {"batch_size": 16},
    "no-dropout": {"dropout_hidden": 0.0},
    "slow-decay": {"learning_rate_decay": 0.25},
    "shift-1": {"image_shift": 1},
    "trace-baseline-0.5": {"trace_baseline": 0.5},
    "trace-baseline-1": {"trace_baseline": 1.0},
    "trace-baseline-1-rate-8e-5": {"trace_baseline": 1.0, "learning_rate": 8e-5},
    "rate-floor-0.03": {"rate_floor": 0.03},
    "trace-baseline-1-rate-8e-5-floor-0.03": {
        "trace_baseline": 1.0,
        "learning_rate": 8e-5,
        "rate_floor": 0.03,
    },
    "output-layer-x4": {"learning_rate_scale": (1.0, 1.0, 4.0)},
    "input-layer-x0.25": {"learning_rate_scale": (0.25, 1.0, 1.0)},
}
"""Names of the variants, and what each changes in the base."""

FIGURES = {
    "fig4": "accuracy against hidden neurons",
    "fig5": "accuracy against time steps",
    "fig6": "local losses and accuracy over the epochs",
    "fig7": "spike activity by class over the first epochs",
    "fig8": "contribution of the inputs over the first samples",
    "table3": "operations of a neuron",
    "fig9": "time and memory against hidden neurons",
}
"""Names of the figures, as in the paper, and what they show."""
