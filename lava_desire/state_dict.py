"""A network's state as torch's modules have it: tensors by name, taken and given back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lava_desire.model.fields import shown
from lava_desire.model.state import ARRAYS, COUNTERS, NetworkState, is_for_training

if TYPE_CHECKING:
    from lava_desire.network import DesireNetwork


class StateDictError(ValueError, RuntimeError):
    """A state does not fit the network: a RuntimeError, as torch's, and our ValueError."""


class IncompatibleKeys(NamedTuple):
    """The names in which a state and a network differ."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def collect(network: DesireNetwork) -> dict[str, Tensor]:
    """Return what :meth:`~lava_desire.DesireNetwork.state_dict` returns."""
    state = network.state
    found = dict(state.named_arrays())
    for name in state.names():
        if name in COUNTERS:
            found[name] = torch.as_tensor(getattr(state, name), dtype=torch.int64)
    for layer, fields in enumerate(network.format_fields(), start=1):
        found[f"formats.{layer}"] = torch.tensor([fields[name] for name in sorted(fields)])
    return found


def load(network: DesireNetwork, given: Any, strict: bool) -> IncompatibleKeys:
    """Do what :meth:`~lava_desire.DesireNetwork.load_state_dict` does."""
    if not isinstance(given, Mapping):
        raise TypeError(f"state_dict is a {type(given).__name__}: expected a mapping")
    own = collect(network)
    keys = IncompatibleKeys(
        [name for name in own if name not in given],
        [str(name) for name in given if name not in own],
    )
    tensors = {name: _as_tensor(name, given[name]) for name in own if name in given}
    problems = []
    if strict:
        for kind, names in zip(("Missing", "Unexpected"), keys, strict=True):
            listed = ", ".join(f'"{name}"' for name in names)
            problems += [f"{kind} key(s) in state_dict: {shown(listed)[1:-1]}"] if names else []
    problems += [
        f"size mismatch for {name}: shape {tuple(tensor.shape)} is given, expected "
        f"{tuple(own[name].shape)}"
        for name, tensor in tensors.items()
        if tensor.shape != own[name].shape
    ]
    problems += [
        f"{name} is {tensor.tolist()}: expected {own[name].tolist()}, as the network's weights are "
        "written: build it with these formats"
        for name, tensor in tensors.items()
        if name.startswith("formats.") and not torch.equal(tensor.cpu(), own[name])
    ]
    if problems:
        raise StateDictError(
            f"Error(s) in loading state_dict for {type(network).__name__}: {'; '.join(problems)}"
        )
    try:
        network.restore(_checked(network, {**own, **tensors}))
    except ValueError as error:
        raise StateDictError(
            f"Error(s) in loading state_dict for {type(network).__name__}: {error}"
        ) from None
    return keys


def _as_tensor(name: str, value: Any) -> Tensor:
    try:
        return torch.as_tensor(value).detach()
    except (TypeError, ValueError, RuntimeError):
        raise StateDictError(
            f"{name} is a {type(value).__name__}: expected a tensor or an array"
        ) from None


def _checked(network: DesireNetwork, tensors: Mapping[str, Tensor]) -> NetworkState:
    """Return the state that tensors of the right shapes are, or raise ValueError."""
    config, in_integers = network.config, bool(network.format_fields())
    weights = [
        tensors[f"weights.{layer}"].cpu().numpy() for layer in range(1, config.num_layers + 1)
    ]
    # As the network takes them when it is made: finite, in the range of their format, limited.
    arrays = {
        f"weights.{layer}": taken.cpu().numpy()
        for layer, taken in enumerate(network.backend.as_weights(weights), start=1)
    }
    counters: dict[str, Any] = {}
    for name, tensor in tensors.items():
        kind = name.partition(".")[0]
        if kind in COUNTERS:
            if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
                raise ValueError(f"{name} is {tensor.dtype}: expected integers")
            counters[name] = tensor.tolist()
            COUNTERS[name].check(name, counters[name], config.num_layers)
        elif kind in ARRAYS and kind != "weights":
            if not tensor.is_floating_point():
                raise ValueError(f"{name} is {tensor.dtype}: expected floats")
            dtype = ARRAYS[kind].dtype_of(in_integers)
            arrays[name] = np.asarray(tensor.double().cpu().numpy(), dtype)
    state = NetworkState.checked(config, arrays, counters, in_integers)
    for name, value in counters.items():
        if is_for_training(name):  # which no file of a network alone has
            setattr(state, name, value)
    return state
