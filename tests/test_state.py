"""A network's state goes through files, bytes and other networks whole, whatever it holds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, DesireNetwork
from lava_desire.checkpoint import Checkpoint
from lava_desire.model.state import ARRAYS, COUNTERS, NetworkState, is_for_training

CONFIG = DesireConfig((4, 3, 2), trace_baseline=0.5, weight_average=0.5)
LAYERS = range(1, CONFIG.num_layers + 1)


def filled(seed):
    """Return a state in NumPy that holds all that there is, with other numbers for each seed."""
    random, state = np.random.default_rng(seed), NetworkState()
    for name, kind in ARRAYS.items():
        arrays = [random.random(kind.shape(CONFIG, layer)).astype(kind.dtype) for layer in LAYERS]
        setattr(state, name, arrays)
    for name, counter in COUNTERS.items():
        numbers = random.integers(1, 1000, CONFIG.num_layers)
        setattr(state, name, numbers if counter.of_each_layer else int(numbers[0]))
    return state


def in_torch(state):
    for name in state.names():
        value = getattr(state, name)
        if name in ARRAYS:  # columns first in memory, as some backends have them
            setattr(state, name, [torch.from_numpy(np.asfortranarray(array)) for array in value])
        elif COUNTERS[name].of_each_layer:
            setattr(state, name, torch.from_numpy(value))
    return state


def assert_equal(mine, other):
    mine, other = mine.copy(), other.copy()
    assert mine.names() == other.names()
    for name in mine.names():
        np.testing.assert_equal(getattr(mine, name), getattr(other, name), name)


@pytest.mark.parametrize("mine", [filled(0), in_torch(filled(0))], ids=["numpy", "torch"])
@pytest.mark.parametrize("other", [filled(1), in_torch(filled(1))], ids=["numpy", "torch"])
def test_all_that_a_state_holds_comes_back_from_a_file_into_the_arrays_that_are_there(mine, other):
    arrays = list(mine.named_arrays())
    checkpoint = Checkpoint(CONFIG, **vars(other.copy()))
    mine.restore(Checkpoint.from_bytes(checkpoint.to_bytes()))
    assert_equal(mine, other)
    for (_, before), (_, after) in zip(arrays, mine.named_arrays(), strict=True):
        assert before is after


def test_a_network_has_what_its_config_asks_for_and_a_run_keeps_more():
    network = DesireNetwork(CONFIG)
    held = [name for name, kind in ARRAYS.items() if kind.is_held(CONFIG, in_integers=False)]
    held += [name for name, counter in COUNTERS.items() if counter.of in ("", *held)]
    assert network.state.names() == network.checkpoint().names() == held
    assert DesireNetwork(CONFIG.replace(trace_baseline=0.0)).state.names() == [
        "weights",
        "samples_seen",
    ]
    assert DesireNetwork(CONFIG, arithmetic="fixed_point").state.names() == held


def test_a_state_takes_only_what_both_hold():
    network = DesireNetwork(CONFIG.replace(trace_baseline=0.0))
    network.restore(filled(2))
    assert network.state.names() == ["weights", "samples_seen"]
    np.testing.assert_equal(network.numpy_weights(), filled(2).weights)
    assert network.samples_seen == filled(2).samples_seen


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            DesireConfig((4, 3, 3), trace_baseline=0.5),
            r"weights.2 of .* \(3, 3\): expected \(2, 3\)",
        ),
        (DesireConfig((4, 2)), "weights of the state are of 1 layers: expected 2"),
    ],
)
def test_a_state_of_other_shapes_is_refused_and_changes_nothing(other, message):
    network = DesireNetwork(CONFIG)
    before = network.state.copy()
    with pytest.raises(ValueError, match=message):
        network.restore(DesireNetwork(other.replace(seed=1)).state)
    assert_equal(network.state, before)


def test_a_checkpoint_of_other_planes_is_refused_where_weights_have_the_same_shape():
    config = DesireConfig(layers=("2c3s2", "2c1", 3), input_shape=(1, 7, 7))
    turned = config.replace(input_shape=(1, 8, 8))  # as many neurons behind it
    assert turned.neurons[1:] == config.neurons[1:]
    network = DesireNetwork(config)
    with pytest.raises(ValueError, match=r"layers 1x8x8-.*: expected those of .* 1x7x7-"):
        network.restore(DesireNetwork(turned).checkpoint())
    with pytest.raises(ValueError, match="expected those of the network"):
        network.config = turned
    network.config = config.replace(learning_rate=0.5)


# A run's counters stand in the trainer's state, which is checked when it is resumed.
CHECKED = [*ARRAYS, *(name for name in COUNTERS if not is_for_training(name))]


@pytest.mark.parametrize("name", CHECKED)
def test_what_no_network_has_is_refused_by_name(name):
    state = filled(3).copy()
    if name in ARRAYS:
        getattr(state, name)[1] = getattr(state, name)[1].astype(np.float16)
    else:
        setattr(state, name, [-1, 1] if COUNTERS[name].of_each_layer else -1)
    with pytest.raises(ValueError, match=rf"{name}(\.2)? is .*: expected"):
        Checkpoint.from_bytes(Checkpoint(CONFIG, **vars(state)).to_bytes())
