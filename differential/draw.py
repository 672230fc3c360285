"""Draws a configuration, weights and data from a number: all options, awkward values included."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from lava_desire import DesireConfig
from lava_desire.config import OPTIONS
from lava_desire.model.conv2d import Conv2d
from lava_desire.model.fields import LARGEST_FLOAT, SMALLEST_FLOAT, declared
from lava_desire.model.option import Augmentation, Filter
from lava_desire.model.options.reset import RESETS
from lava_desire.model.options.tie_break import TIE_BREAKS
from lava_desire.model.rates import RATES_OVER
from lava_desire.model.synapses import Synapse
from lava_desire.randomness import initial_weights

# Where the words of packed spike trains, and tiles of neurons, end.
SIZES_AT_THE_EDGE = (1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129)
STEPS_AT_THE_EDGE = (1, 2, 31, 32, 33, 63, 64, 65)
MAX_STEPS = 65
BELOW_ONE = 1 - 2.0**-24  # the largest that kernels can tell from 1
_ONLINE = 3
NOT_MOVED = {option.switch().name: 0 for option in OPTIONS if issubclass(option, Augmentation)}
_CONVOLUTIONS = 4  # one case in so many has some
_SPIKES, _IS_OF_SPIKES = 7, 5  # one case in so many is of spike trains: that which leaves so much


@dataclass(frozen=True)
class Case:
    """What is to be learned by all.

    Parameters
    ----------
    number : int
        What it was drawn from.
    config : DesireConfig
        The configuration.
    weights : list of ndarray
        L arrays (N_ℓ, N_{ℓ−1}), of convolutions (C', C, k_h, k_w), float32, before any limit.
    train, test : tuple of ndarray
        (S, N_0) uint8 or float32, or spike trains, (T, S, N_0) bool; and (S,) int64.
    samples_seen : int
        Where the random streams begin.
    """

    number: int
    config: DesireConfig
    weights: list[Any]
    train: tuple[Any, Any]
    test: tuple[Any, Any]
    samples_seen: int

    def online(self) -> Case:
        """Return the case as Lava takes it: one sample at a time, few of them, none of them moved.

        The command line refuses to train Lava's processes with what is left out here.
        """
        changes = {"batch_size": 1, "weight_average": 0.0, **NOT_MOVED}
        images, labels = self.train
        held_out, held_out_labels = self.test
        return Case(
            self.number,
            self.config.replace(**changes),
            self.weights,
            (taken(images, slice(_ONLINE)), labels[:_ONLINE]),
            (taken(held_out, slice(2)), held_out_labels[:2]),
            self.samples_seen,
        )

    def in_integers(self) -> Case:
        """Return the case without what integers refuse to learn with."""
        switches = [option.switch() for option in OPTIONS if not option.integers]
        changes = {switch.name: switch.default for switch in switches}
        changes["weight_average"] = 0.0  # of which the other account of integers knows nothing
        return Case(
            self.number,
            self.config.replace(**changes),
            self.weights,
            self.train,
            self.test,
            self.samples_seen,
        )


def draw(number: int) -> Case:
    """Draw a case.

    Parameters
    ----------
    number : int
        At least 0; the same number gives the same case.

    Returns
    -------
    Case
        A valid configuration with weights and data for it.
    """
    rng = np.random.default_rng([19, number])
    config = _draw_config(rng)
    if number % _CONVOLUTIONS == 2:
        config = _with_convolutions(np.random.default_rng([20, number]), config)
    config = config.replace(
        synapse_decay=_draw_synapse_decay(np.random.default_rng([21, number])),
        eligibility_width=_one_of(
            np.random.default_rng([23, number]), (0.0, 0.0, 0.0, 0.25, 0.5, 0.9, 1.0, 2.0**-10)
        ),
    )
    if config.image_planes and number % _SPIKES != _IS_OF_SPIKES:
        sides = (0, 0, 0, 3, 5, 255)
        config = config.replace(off_channel=_one_of(np.random.default_rng([24, number]), sides))
    weights = _draw_weights(rng, config)
    num_samples = _num_samples(rng, config)
    train = _draw_data(rng, config, num_samples)
    test = _draw_data(rng, config, int(rng.integers(1, 7)))
    seen = int(_one_of(rng, (0, 0, 0, 1, 5, 2**33 + 3, 2**40)))
    more = np.random.default_rng([22, number])
    mirrored = _one_of(more, (0.0, 0.5, 1.0)) if config.image_planes else 0.0
    config = config.replace(image_mirror=mirrored)
    if number % _SPIKES == _IS_OF_SPIKES:
        config = _with_spikes(more, config)
        train, test = (
            (_draw_spikes(more, config, len(labels)), labels) for _, labels in (train, test)
        )
    return Case(number, config, weights, train, test, seen)


def taken(samples: Any, chosen: Any) -> Any:
    """Return some of the images, (S, N_0), or of the spike trains, (T, S, N_0)."""
    return samples[:, chosen] if samples.dtype == bool else samples[chosen]


def _one_of(rng: Any, values: Sequence[Any]) -> Any:
    return values[int(rng.integers(len(values)))]


def _either(rng: Any, share: float, awkward: Sequence[Any], usual: Any) -> Any:
    """Return one of the awkward values, in a share of the draws, or what `usual` draws."""
    return _one_of(rng, awkward) if rng.random() < share else usual()


def _uniform(rng: Any, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _draw_config(rng: Any) -> DesireConfig:
    num_steps = _either(rng, 0.4, STEPS_AT_THE_EDGE, lambda: int(rng.integers(1, MAX_STEPS + 1)))
    sizes = _draw_sizes(rng)
    side = math.isqrt(sizes[0])
    image_shift = int(rng.integers(0, min(side, 4))) if side * side == sizes[0] else 0
    layers = len(sizes) - 1
    threshold = _either(
        rng,
        0.12,
        (2.0**-100, 2.0**100, 1 / 255, 0.1, 3.0, 32000.0, 1e-3),
        lambda: _one_of(rng, (1.0, 1.0, _uniform(rng, 0.3, 2.0))),
    )
    margin = _either(rng, 0.3, (0, num_steps - 1), lambda: int(rng.integers(num_steps)))
    drawn: dict[str, Any] = {
        "num_steps": num_steps,
        "decay": _either(
            rng,
            0.25,
            (0.0, 0.5, 0.9, 0.999, 1 - 2.0**-12, BELOW_ONE, SMALLEST_FLOAT),
            lambda: _one_of(rng, (0.75, 0.75, 0.875, _uniform(rng, 0, 1))),
        ),
        "threshold": threshold,
        "error_margin": margin,
        "desire_threshold_hidden": _either(
            rng,
            0.2,
            (0.0, 0.5, SMALLEST_FLOAT, LARGEST_FLOAT),
            lambda: _one_of(rng, (0.05, _uniform(rng, 0, 0.2))),
        ),
        "desire_threshold_output": _either(
            rng,
            0.2,
            (0.0, 1.0, SMALLEST_FLOAT, LARGEST_FLOAT),
            lambda: _one_of(rng, (0.3, _uniform(rng, 0, 0.5))),
        ),
        "dropout_input": _either(rng, 0.1, (0.5, 0.9), lambda: _one_of(rng, (0.0, 0.05, 0.2))),
        "dropout_hidden": _either(rng, 0.1, (0.5, 0.99), lambda: _one_of(rng, (0.0, 0.1, 0.3))),
        "learning_rate": _either(
            rng, 0.07, (0.0, 1e-12, 10.0), lambda: float(10 ** rng.uniform(-5, -0.5))
        )
        * min(max(threshold, 1e-3), 3.0),
        "learning_rate_decay": _one_of(rng, (0.0, 0.04, 1.0)),
        "batch_size": _either(rng, 0.25, (1, 64, 128, 2**31 - 1), lambda: int(rng.integers(1, 20))),
        "epochs": int(rng.integers(1, 3)),
        "seed": _one_of(rng, (0, 1, int(rng.integers(2**31)), 2**32, 2**63 - 1, 2**63 - 2)),
        "reset": _one_of(rng, RESETS),
        "learning_rate_scale": _one_of(rng, ((), (), _draw_scale(rng, layers))),
        "image_shift": image_shift,
        "image_shift_share": _one_of(rng, (0.0, 0.5, 1.0)),
        "image_shift_start": int(rng.integers(0, 3)),
        "image_brightness": _either(
            rng, 0.08, (0.01, BELOW_ONE), lambda: _one_of(rng, (0.0, 0.0, 0.4))
        ),
        "weight_average": _one_of(rng, (0.0, 0.0, 0.3, 0.5, 0.9, BELOW_ONE)),
        "trace_baseline": _one_of(rng, (0.0, 0.0, 0.8, 1.0)),
        "baseline_samples": _one_of(rng, (1, 2, 7, 10_000, 2**31 - 1)),
        "rates_over": _one_of(rng, RATES_OVER),
        "weight_limit": _either(
            rng, 0.1, (1e-3, SMALLEST_FLOAT, LARGEST_FLOAT), lambda: _one_of(rng, (0.0, 0.0, 0.5))
        ),
        "rate_floor": _one_of(rng, (0.0, 0.0, 0.01, 0.2, BELOW_ONE)),
        "class_margin": _one_of(rng, (0, 0, 0, 1, int(rng.integers(num_steps + 1)), num_steps)),
        "tie_break": _one_of(rng, TIE_BREAKS),
        # Drawn apart, as convolutions are: what came before stays as it was.
        "synapse_decay": 0.0,
        **dict.fromkeys(("image_mirror", "time_shift", "spike_drop", "off_channel"), 0),
        "eligibility_width": 0.0,
    }
    for field in dataclasses.fields(DesireConfig):
        example = declared(field).example
        if field.name not in drawn and example is not None and rng.random() < 0.5:
            with suppress(ValueError):  # as where another policy is on
                DesireConfig(sizes, **drawn | {field.name: example})
                drawn[field.name] = example
    return DesireConfig(sizes, **drawn)


def _with_convolutions(rng: Any, config: DesireConfig) -> DesireConfig:
    """Put convolutions in place of the first layers, or of all, and planes before them."""
    shape = tuple(int(rng.integers(*ends)) for ends in ((1, 3), (1, 9), (1, 9)))
    layers: list[Synapse] = []
    before = shape
    for _ in range(int(rng.integers(1, min(config.num_layers, 3) + 1))):
        kernel, stride = ([int(rng.integers(1, most)) for _ in "yx"] for most in (5, 4))
        padding = [int(rng.integers(size)) for size in kernel]
        kernel = [
            min(size, space + 2 * pad)
            for size, space, pad in zip(kernel, before[1:], padding, strict=True)
        ]
        padding = [min(pad, size - 1) for pad, size in zip(padding, kernel, strict=True)]
        layer = Conv2d(int(rng.integers(1, 7)), tuple(kernel), tuple(stride), tuple(padding))
        layers.append(layer)
        before = layer.connected(before).post_shape
    dense = config.layer_sizes[1 + len(layers) :]
    hidden = config.num_layers - 1
    thetas = rng.uniform(0, 0.2, hidden).tolist()
    return config.replace(
        layers=[*layers, *dense],
        input_shape=shape,
        image_shift=int(rng.integers(min(*shape[1:], 4))),
        desire_threshold_conv=_one_of(rng, (0.0, 0.05, 0.2, _uniform(rng, 0, 0.3))),
        dropout_conv=_one_of(rng, (0.0, 0.0, 0.2)),
        **({"desire_threshold_hidden": thetas} if hidden and rng.random() < 0.3 else {}),
    )


def _with_spikes(rng: Any, config: DesireConfig) -> DesireConfig:
    """Leave out what is for images, and change spike trains."""
    changes: dict[str, Any] = {
        option.switch().name: option.switch().default
        for option in OPTIONS
        if issubclass(option, Filter) or (issubclass(option, Augmentation) and not option.of_spikes)
    }
    if config.image_planes:
        changes["input_shape"] = config.image_planes  # of what is flat as well
    changes["time_shift"] = int(rng.integers(min(config.num_steps, 12)))
    changes["spike_drop"] = _one_of(rng, (0.0, 0.25, 2.0**-16, 0.9))
    return config.replace(**changes)


def _draw_spikes(rng: Any, config: DesireConfig, num_samples: int) -> Any:
    """Draw spike trains, (T, S, N_0) bool: some silent, some that spike in every step."""
    share = _one_of(rng, (0.0, 0.05, 0.3, 1.0)) * np.ones(num_samples)
    share[1::3] = 0.2
    shape = (config.num_steps, num_samples, config.num_inputs)
    return rng.random(shape) < share[:, None]


def _draw_synapse_decay(rng: Any) -> float:
    awkward = (0.9, 0.999, BELOW_ONE, SMALLEST_FLOAT)
    return _either(rng, 0.15, awkward, lambda: _one_of(rng, (0.0, 0.0, 0.5, _uniform(rng, 0, 1))))


def _draw_scale(rng: Any, num_layers: int) -> tuple[float, ...]:
    """Draw a factor a layer, now and then with a layer that does not learn."""
    scale = rng.uniform(0.1, 3, num_layers)
    if rng.random() < 0.3:
        scale[rng.integers(num_layers)] = 0
    return tuple(scale.tolist())


def _draw_sizes(rng: Any) -> tuple[int, ...]:
    def size() -> int:
        return _either(rng, 0.25, SIZES_AT_THE_EDGE, lambda: int(rng.integers(1, 25)))

    inputs = _either(rng, 0.6, [side * side for side in range(1, 12)], size)
    classes = _either(rng, 0.2, SIZES_AT_THE_EDGE, lambda: int(rng.integers(1, 11)))
    return (inputs, *(size() for _ in range(int(rng.integers(0, 5)))), classes)


def _num_samples(rng: Any, config: DesireConfig) -> int:
    """Return how many samples make up to three whole minibatches, or a part of one."""
    batch = min(config.batch_size, 100)
    whole = int(rng.integers(0, 4)) * batch
    return min(max(1, whole + int(rng.integers(0, batch))), 140)


def _draw_weights(rng: Any, config: DesireConfig) -> list[Any]:
    """Draw weights that let neurons spike: as drawn by default, or others as awkward."""
    kind = _either(
        rng, 0.15, ("zero", "large", "alike"), lambda: _one_of(rng, ("drawn", "lively", "grid"))
    )
    drawn = initial_weights(config)
    theta = np.float32(config.threshold)
    if kind == "drawn":
        return [weights * theta for weights in drawn]
    # A positive mean, so that deep layers spike as well.
    raised = [(weights + 3 / weights[0].size).astype(np.float32) for weights in drawn]
    if kind == "lively":
        return [weights * theta for weights in raised]
    if kind == "grid":  # potentials that meet the threshold itself
        return [np.round(weights * 8) / 8 * theta for weights in raised]
    if kind == "alike":
        return [np.full_like(weights, 1.5 / weights[0].size) * theta for weights in drawn]
    if kind == "zero":
        return [np.zeros_like(weights) for weights in drawn]
    return [weights * np.float32(1e4) * theta for weights in drawn]


def _draw_data(rng: Any, config: DesireConfig, num_samples: int) -> tuple[Any, Any]:
    shape = (num_samples, config.num_pixels)
    kind = _either(
        rng, 0.1, ("dark", "bright"), lambda: _one_of(rng, ("levels", "sparse", "floats", "mixed"))
    )
    images = rng.integers(0, 256, shape).astype(np.uint8)
    if kind == "dark":
        images[:] = 0
    elif kind == "bright":
        images[:] = 255
    elif kind == "sparse":
        images[rng.random(shape) < 0.7] = 0
    elif kind == "mixed":  # few brightnesses, whole images black or white
        images = _one_of(rng, (1, 64, 127)) * (images // 100).astype(np.uint8)
        images[:: int(rng.integers(2, 5))] = _one_of(rng, (0, 255))
    if kind != "dark":
        images[0, -1] = 255  # bytes that end far below are taken for those of another scale
    labels = rng.integers(0, config.layer_sizes[-1], num_samples)
    if kind == "floats":
        return rng.random(shape, dtype=np.float32), labels
    return images, labels
