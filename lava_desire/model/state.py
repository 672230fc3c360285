"""The state of a network: named arrays and counters, saved, sent and restored as one.

A new array or counter is one field of :class:`NetworkState`: networks make it, checkpoints hold
and check it, runs resume with it, and ranks and Lava processes get it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from array_api_compat import device, to_device

from lava_desire.model.arrays import Array, namespace
from lava_desire.model.checks import Range, check_array
from lava_desire.model.fields import MOST_SAMPLES, SHOWN

if TYPE_CHECKING:
    from lava_desire.config import DesireConfig


@dataclass(frozen=True)
class Layered:
    """An array a layer, as a field of :class:`NetworkState`.

    Parameters
    ----------
    shape : callable
        Gets the config and ℓ in 1 to L; the shape of the array of layer ℓ.
    dtype : str
        In floating point.
    dtype_in_integers : str
        In fixed point; empty where networks in integers have no such array.
    kept_if : callable
        Gets the config; whether its networks have it.
    in_range : tuple, optional
        Which values are allowed, a ``Range`` of `lava_desire/model/checks.py`.
    for_training : bool
        Whether only a training run has it, and its checkpoints.
    """

    shape: Callable[[DesireConfig, int], tuple[int, ...]]
    dtype: str = "float32"
    dtype_in_integers: str = ""
    kept_if: Callable[[DesireConfig], bool] = lambda config: True
    in_range: Range | None = None
    for_training: bool = False

    def dtype_of(self, in_integers: bool) -> str:
        """Return the dtype in that arithmetic."""
        return (self.dtype_in_integers if in_integers else "") or self.dtype

    def is_held(self, config: DesireConfig, in_integers: bool) -> bool:
        """Return whether a network has it that is not in a training run."""
        offered = not in_integers or bool(self.dtype_in_integers)
        return offered and not self.for_training and self.kept_if(config)


@dataclass(frozen=True)
class Counted:
    """A counter, as a field of :class:`NetworkState`.

    Parameters
    ----------
    of : str
        The arrays that it belongs to, and is kept with; empty for one that is always kept.
    of_each_layer : bool
        Whether each of the L layers has one.
    """

    of: str = ""
    of_each_layer: bool = False

    def check(self, name: str, value: Any, num_layers: int) -> None:
        """Refuse what is no such counter.

        Raises
        ------
        ValueError
            With the name, what is given, and what is allowed.
        """
        shown = str(value)[:SHOWN]
        numbers = value if self.of_each_layer else [value]
        if self.of_each_layer and (not isinstance(value, list) or len(value) != num_layers):
            raise ValueError(f"{name} is {shown}: expected {num_layers} integers")
        for number in numbers:
            if type(number) is not int or not 0 <= number <= MOST_SAMPLES:
                meant = "integers" if self.of_each_layer else "an integer"
                raise ValueError(f"{name} is {shown}: expected {meant} in [0, 2**53]")


def _layered(shape: Callable[[DesireConfig, int], tuple[int, ...]], **options: Any) -> Any:
    return field(default_factory=list, metadata={"kind": Layered(shape, **options)})


def _counted(**options: Any) -> Any:
    kind = Counted(**options)
    return field(default_factory=list if kind.of_each_layer else int, metadata={"kind": kind})


def _weight_shape(config: DesireConfig, layer: int) -> tuple[int, ...]:
    return config.synapses[layer - 1].weight_shape


def _input_shape(config: DesireConfig, layer: int) -> tuple[int, ...]:
    return (config.synapses[layer - 1].num_pre,)


@dataclass
class NetworkState:
    """All that changes in a network: NumPy arrays or torch tensors, L of each kind, and counters.

    Parameters
    ----------
    weights : list of array
        L arrays (N_ℓ, N_{ℓ−1}): float32, or the int8 mantissas of a network in fixed point.
    average : list of array
        L arrays (N_ℓ, N_{ℓ−1}) float32, the moving average of the weights; empty where none is
        kept.
    input_rates : list of array
        L arrays (N_{ℓ−1},) float64, mean firing rates ν of each layer's inputs; empty where they
        are not followed. In integers they are multiples of 2**−23.
    samples_seen : int
        Position of the random streams of dropout.
    minibatches_averaged : int
        Minibatches that the average is over.
    rated_samples : list of int or array
        Samples that each of the L layers had followed for the rates, (L,) int64.

    Examples
    --------
    >>> from lava_desire import DesireConfig
    >>> config = DesireConfig((4, 2), trace_baseline=1.0)
    >>> state = NetworkState.begin(config, [np.ones((2, 4), np.float32)])
    >>> state.samples_seen, state.input_rates, state.average
    (0, [array([0., 0., 0., 0.])], [])
    """

    weights: list[Array] = _layered(_weight_shape, dtype_in_integers="int8")
    average: list[Array] = _layered(
        _weight_shape, kept_if=lambda config: config.weight_average > 0, for_training=True
    )
    input_rates: list[Array] = _layered(
        _input_shape,
        dtype="float64",
        dtype_in_integers="float64",
        kept_if=lambda config: config.follows_rates,
        in_range=(0, 1, "spikes a time step"),
    )
    samples_seen: int = _counted()
    minibatches_averaged: int = _counted(of="average")
    rated_samples: Array = _counted(of="input_rates", of_each_layer=True)

    @classmethod
    def begin(
        cls, config: DesireConfig, weights: list[Array], in_integers: bool = False
    ) -> NetworkState:
        """Return the state of a network that has learned nothing: all but the weights are zeros.

        Parameters
        ----------
        config : DesireConfig
            Of the network.
        weights : list of array
            L arrays (N_ℓ, N_{ℓ−1}); kept, and not copied. The others are arrays of this kind, on
            the same device.
        in_integers : bool
            Whether it computes in fixed point.
        """
        state = cls(weights)
        xp, where = namespace(weights[0]), device(weights[0])

        def zeros(shape: tuple[int, ...], dtype: str) -> Array:
            return xp.zeros(shape, dtype=getattr(xp, dtype), device=where)

        for name, kind in ARRAYS.items():
            if name != "weights" and kind.is_held(config, in_integers):
                dtype, layers = kind.dtype_of(in_integers), range(1, config.num_layers + 1)
                held = [zeros(kind.shape(config, layer), dtype) for layer in layers]
                setattr(state, name, held)
        for name, counter in COUNTERS.items():
            if counter.of_each_layer and state.holds(counter.of):
                setattr(state, name, zeros((config.num_layers,), "int64"))
        return state

    @classmethod
    def checked(
        cls,
        config: DesireConfig,
        arrays: Mapping[str, Any],
        counters: Mapping[str, Any],
        in_integers: bool = False,
    ) -> NetworkState:
        """Return the state of which a file holds arrays, as ``weights.1``, and counters.

        Raises
        ------
        ValueError
            If one is not as a network of this config has it.
        KeyError
            If a counter is missing.
        """
        state, layers = cls(), range(1, config.num_layers + 1)
        for name, kind in ARRAYS.items():
            if name == "weights" or f"{name}.1" in arrays:
                found = [arrays.get(f"{name}.{layer}") for layer in layers]
                for layer, array in zip(layers, found, strict=True):
                    shape, dtype = kind.shape(config, layer), kind.dtype_of(in_integers)
                    check_array(f"{name}.{layer}", array, shape, dtype, kind.in_range)
                setattr(state, name, found)
        for name, counter in COUNTERS.items():
            if state.holds(counter.of) and not is_for_training(name):
                counter.check(name, counters[name], config.num_layers)
                setattr(state, name, counters[name])
        return state

    @staticmethod
    def largest_size(config: DesireConfig) -> int:
        """Return how many bytes the arrays of a network of this config can have together."""
        return sum(
            np.dtype(kind.dtype).itemsize * math.prod(kind.shape(config, layer))
            for kind in ARRAYS.values()
            for layer in range(1, config.num_layers + 1)
        )

    def holds(self, name: str) -> bool:
        """Return whether there are arrays of that name; always, for the empty name."""
        return not name or bool(getattr(self, name))

    def names(self, for_training: bool = True) -> list[str]:
        """Return the names of the arrays and counters that it holds.

        Parameters
        ----------
        for_training : bool
            Whether those count that only a training run needs.
        """
        found = []
        for name in (*ARRAYS, *COUNTERS):
            arrays = COUNTERS[name].of if name in COUNTERS else name
            if self.holds(arrays) and (for_training or not is_for_training(name)):
                found.append(name)
        return found

    def named_arrays(self) -> Iterator[tuple[str, Array]]:
        """Yield each array with its name in a file, as ``weights.1``."""
        for name in ARRAYS:
            for layer, array in enumerate(getattr(self, name), start=1):
                yield f"{name}.{layer}", array

    def copy(self, for_training: bool = True) -> NetworkState:
        """Return a copy in NumPy arrays and plain integers.

        Parameters
        ----------
        for_training : bool
            Whether it has what only a training run needs.
        """
        copied = NetworkState()
        for name in self.names(for_training):
            value = getattr(self, name)
            if name in ARRAYS:
                setattr(copied, name, [_as_numpy(array) for array in value])
            else:
                setattr(copied, name, _as_numpy(value).tolist())
        return copied

    def restore(self, stored: NetworkState) -> None:
        """Go on from what is stored, of all that this network has; its arrays stay where they are.

        Parameters
        ----------
        stored : NetworkState
            Of the same config; arrays of any kind, and counters, which may be one for all layers.

        Raises
        ------
        ValueError
            If arrays have other shapes; nothing is changed then. Planes that only are turned, as
            (3, 6, 8) and (3, 8, 6), can have the same.
        """
        common = set(self.names()) & set(stored.names())
        for name in (name for name in ARRAYS if name in common):
            mine, theirs = getattr(self, name), getattr(stored, name)
            if len(mine) != len(theirs):
                raise ValueError(
                    f"{name} of the state are of {len(theirs)} layers: expected {len(mine)}, those "
                    "of the network"
                )
            for layer, (array, given) in enumerate(zip(mine, theirs, strict=True), start=1):
                if tuple(array.shape) != tuple(given.shape):
                    raise ValueError(
                        f"{name}.{layer} of the state has shape {tuple(given.shape)}: expected "
                        f"{tuple(array.shape)}, that of the network"
                    )
        for name in common:
            mine, value = getattr(self, name), getattr(stored, name)
            if name in ARRAYS:
                for array, given in zip(mine, value, strict=True):
                    _put(array, given)
            elif COUNTERS[name].of_each_layer:
                _put(mine, value)
            else:
                setattr(self, name, int(value))


ARRAYS: dict[str, Layered] = {
    each.name: each.metadata["kind"]
    for each in fields(NetworkState)
    if isinstance(each.metadata["kind"], Layered)
}
"""The kinds of arrays that a network may have, by name."""

COUNTERS: dict[str, Counted] = {
    each.name: each.metadata["kind"] for each in fields(NetworkState) if each.name not in ARRAYS
}
"""Its counters, by name."""


def is_for_training(name: str) -> bool:
    """Return whether only a training run has the array or counter of that name."""
    arrays = COUNTERS[name].of if name in COUNTERS else name
    return bool(arrays) and ARRAYS[arrays].for_training


def _as_numpy(array: Array) -> Any:
    """Return a copy in NumPy, row by row in memory."""
    if isinstance(array, (int, list)):
        return np.array(array)
    return np.array(to_device(array, "cpu"), order="C")


def _put(mine: Array, array: Array) -> None:
    xp = namespace(mine)
    mine[...] = xp.asarray(_as_numpy(array), device=device(mine))
    mine += 0  # no −0.0, as in what a backend makes of given weights
