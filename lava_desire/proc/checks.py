"""Checks of the arguments of processes, and their error messages."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lava_desire import rule
from lava_desire.config import DesireConfig
from lava_desire.model import integers as fixed
from lava_desire.model.checks import check_array, check_layers
from lava_desire.model.fields import MOST_SAMPLES, checked_integer
from lava_desire.model.integers import IntegerRule, LayerFormat
from lava_desire.model.state import ARRAYS, Layered
from lava_desire.randomness import initial_weights

LAVAS_OWN = ("name", "log_config")
"""The parameters that every process of Lava takes."""


def check_options(process: type, options: Mapping[str, Any]) -> None:
    """Refuse parameters that a process does not have; Lava would keep them and nobody look.

    Parameters of a process are what it and its bases name in ``__init__``. Raises TypeError with
    the parameter and the one that may have been meant, or all that there are.
    """
    named = [
        each.name
        for base in process.__mro__
        for each in inspect.signature(base.__init__).parameters.values()  # type: ignore[misc]
        if each.kind in (each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD) and each.name != "self"
    ]
    known = list(dict.fromkeys([*named, *LAVAS_OWN]))
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected some of {', '.join(known)}"
            raise TypeError(f"{process.__name__} has no parameter {name!r}: {hint}")


def check_layer(config: Any, layer: Any) -> int:
    """Return a layer as Python's own integer; refuse what is no configuration or no layer of it.

    Raises ValueError with parameter, value and what is allowed.
    """
    if not isinstance(config, DesireConfig):
        raise ValueError(f"config is a {type(config).__name__}: expected a DesireConfig")
    return checked_integer("layer", layer, 1, config.num_layers)


def check_count(name: str, value: Any, smallest: int) -> int:
    """Return a number of samples or windows, refused where it is more than there can be."""
    return checked_integer(name, value, smallest, MOST_SAMPLES)


def check_weights(config: DesireConfig, layer: int, weights: Any) -> Any:
    """Return the weights of connection ℓ, (N_ℓ, N_{ℓ−1}) float32 or integer, or refuse them.

    Raises ValueError if they are of another shape or dtype, or not finite.
    """
    shape, name = config.synapses[layer - 1].weight_shape, f"weights of layer {layer}"
    weights = check_array(name, np.asarray(weights), shape, "float or integer")
    if weights.dtype.kind != "f":
        return weights
    return bounded(config, weights)


def bounded(config: DesireConfig, weights: Any) -> Any:
    """Return weights clipped to what bounds them; as they are where nothing does."""
    for bound in config.bounds:
        weights = rule.limit_weights(weights, bound.limit())
    return weights


def check_rates(name: str, config: DesireConfig, layer: int, rates: Any) -> Any:
    """Return the mean firing rates of layer ℓ, (N_ℓ,) float64, or refuse them by that name.

    Raises ValueError if they are of another shape or dtype, or outside [0, 1].
    """
    shape = (config.num_neurons(layer),)
    return _check_values(f"{name} of layer {layer}", shape, ARRAYS["input_rates"], rates)


def check_arrays(config: DesireConfig, name: str, arrays: Sequence[Any] | None) -> list[Any]:
    """Return the arrays of that name in a network's state, zeros where none are given.

    Raises ValueError if there are more or fewer than L, or one is of another shape or dtype, or out
    of range.
    """
    if arrays is None:
        arrays = [None] * config.num_layers
    check_layers(name, arrays, config.num_layers)
    kind = ARRAYS[name]
    return [
        _check_values(f"{name} of layer {layer}", kind.shape(config, layer), kind, array)
        for layer, array in enumerate(arrays, start=1)
    ]


def _check_values(name: str, shape: tuple[int, ...], kind: Layered, values: Any) -> Any:
    if values is None:
        return np.zeros(shape, kind.dtype)
    values = np.asarray(values)
    check_array(name, values, shape, "float", kind.in_range)
    return values.astype(kind.dtype)


def check_masks(masks: Any, num_neurons: int) -> Any:
    """Return dropout masks as (S, N) bool, or refuse them.

    Raises ValueError if they are of another shape or dtype.
    """
    if masks is None:
        return None
    masks = np.asarray(masks)
    if masks.dtype != bool or masks.ndim != 2 or masks.shape[1] != num_neurons or not len(masks):
        raise ValueError(
            f"dropout_masks are {masks.dtype} {masks.shape}: expected bool (S, {num_neurons}), one "
            "row a sample"
        )
    return masks


def check_per_layer(
    config: Any, weights: Sequence[Any] | None, masks: Sequence[Any] | None
) -> tuple[list[Any], list[Any]]:
    """Return the weights of all connections and the masks of input and hidden layers, or refuse.

    Where None are given the config's seed draws them: masks one by one later. Raises ValueError if
    there are more or fewer than L of either, or one is refused by :func:`check_weights` or
    :func:`check_masks`.
    """
    check_layer(config, 1)
    weights = initial_weights(config) if weights is None else weights
    masks = [None] * config.num_layers if masks is None else masks
    for name, given in (("weights", weights), ("dropout_masks", masks)):
        check_layers(name, given, config.num_layers)
    return (
        [check_weights(config, layer, array) for layer, array in enumerate(weights, start=1)],
        [check_masks(mask, size) for mask, size in zip(masks, config.neurons, strict=False)],
    )


def in_both_arithmetics(
    config: DesireConfig, layer: int, weights: Any, formats: Sequence[LayerFormat] | None
) -> tuple[Any, Any]:
    """Return the weights of connection ℓ for floating point, and what fixed point begins with.

    Weights are (N_ℓ, N_{ℓ−1}) float32, or integer mantissas in one of the L formats. Returns them
    as float32, and as mantissas where the format is known, else as floats to be rounded by the
    default format. Raises ValueError if mantissas are outside the range of their format, or formats
    do not fit the config.
    """
    if formats is None and weights.dtype.kind == "f":
        return weights, weights
    fixed.refuse_xylo(formats, "in Lava")
    form = IntegerRule(config, formats).format_of(layer)
    given = fixed.as_mantissas("weights", weights, weights.shape, form, config.threshold)
    if weights.dtype.kind == "f":
        return weights, given
    return fixed.dequantize_weights(given, form, config.threshold), given
