"""A network's state is taken and given back as a torch module's is."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, DesireNetwork
from lava_desire.model.integers import formats_from_dicts
from lava_desire.state_dict import collect
from lava_desire.training.average import WeightAverage

SMALL = {"num_steps": 6, "error_margin": 1}
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 36), np.uint8)
LABELS = np.arange(8) % 3
NETWORKS = {
    "dense": (DesireConfig((36, 5, 3), **SMALL), {}),
    "convolutions": (DesireConfig(layers=["2c3", "3"], input_shape=(1, 6, 6), **SMALL), {}),
    "rates": (DesireConfig((36, 5, 3), trace_baseline=0.5, **SMALL), {}),
    "integers": (DesireConfig((36, 5, 3), **SMALL), {"arithmetic": "fixed_point"}),
    "torch kernels": (DesireConfig((36, 5, 3), **SMALL), {"kernels": "torch"}),
}


def learned(name, seed=0):
    config, options = NETWORKS[name]
    network = DesireNetwork(config.replace(seed=seed), **options)
    network.train_step(IMAGES, LABELS, 1e-2)
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_another_network_goes_on_from_it_to_the_bit(name, tmp_path):
    network, other = learned(name), learned(name, seed=1)
    torch.save(network.state_dict(), tmp_path / "state.pt")
    stored = torch.load(tmp_path / "state.pt", weights_only=True)
    assert other.load_state_dict(stored) == ([], [])
    assert other.samples_seen == network.samples_seen == 8
    other.config = network.config  # the same random streams
    for each in (network, other):
        each.train_step(IMAGES, LABELS, 1e-2)
    mine, theirs = network.state_dict(), other.state_dict()
    assert list(mine) == list(theirs)
    for key, tensor in mine.items():
        assert torch.equal(tensor, theirs[key]), key


def test_names_are_those_of_checkpoints_and_arrays_are_the_networks_own():
    network = learned("rates")
    state = network.state_dict()
    assert list(state) == [
        *("weights.1", "weights.2", "input_rates.1", "input_rates.2"),
        *("samples_seen", "rated_samples"),
    ]
    state["weights.1"].zero_()
    assert not network.weights[0].any()


def test_a_given_state_is_copied():
    network, other = learned("dense"), learned("dense", seed=1)
    network.load_state_dict(other.state_dict())
    before = network.numpy_weights()
    other.train_step(IMAGES, LABELS, 1.0)
    np.testing.assert_array_equal(network.numpy_weights()[0], before[0])


def test_the_average_of_a_run_is_part_of_it():
    config = NETWORKS["dense"][0].replace(weight_average=0.5)
    network, other = DesireNetwork(config), DesireNetwork(config.replace(seed=1))
    averages = [WeightAverage(each) for each in (network, other)]
    for _ in range(3):
        network.train_step(IMAGES, LABELS, 1e-2)
        averages[0].update()
    other.load_state_dict(network.state_dict())
    assert other.state.minibatches_averaged == 3
    for mine, theirs in zip(averages[0].network.weights, averages[1].network.weights, strict=True):
        assert torch.equal(mine, theirs)


def test_all_that_does_not_fit_is_listed_and_nothing_is_changed():
    network = learned("rates")
    before = copy.deepcopy(network.state_dict())
    wrong = {**before, "weights.2": torch.zeros(2, 5), "bias.1": torch.zeros(3)}
    del wrong["input_rates.1"]
    with pytest.raises(RuntimeError) as caught:
        network.load_state_dict(wrong)
    assert isinstance(caught.value, ValueError)
    for said in (
        'Missing key(s) in state_dict: "input_rates.1"',
        'Unexpected key(s) in state_dict: "bias.1"',
        "size mismatch for weights.2: shape (2, 5) is given, expected (3, 5)",
    ):
        assert said in str(caught.value)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_what_is_not_asked_for_strictly_is_told():
    network, other = learned("rates"), learned("dense", seed=1)
    rates = network.state.input_rates[0].clone()
    keys = network.load_state_dict({**other.state_dict(), "more": 1}, strict=False)
    assert keys.missing_keys == ["input_rates.1", "input_rates.2", "rated_samples"]
    assert keys.unexpected_keys == ["more"]
    assert torch.equal(network.weights[0], other.weights[0])
    assert torch.equal(network.state.input_rates[0], rates)
    with pytest.raises(RuntimeError, match="size mismatch"):
        network.load_state_dict({"weights.1": torch.zeros(1, 1)}, strict=False)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("dense", {"weights.1": torch.full((5, 36), torch.nan)}, "NaN or infin"),
        ("dense", {"weights.1": torch.zeros(5, 36, dtype=torch.int8)}, "expected float"),
        ("dense", {"weights.1": "many"}, "weights.1 is a str: expected a tensor or an array"),
        ("dense", {"samples_seen": torch.tensor(-1)}, "samples_seen is -1"),
        ("dense", {"samples_seen": torch.tensor(1.5)}, "expected integers"),
        ("rates", {"input_rates.1": torch.full((36,), 2.0)}, r"expected spikes a time step in"),
        ("rates", {"input_rates.1": torch.zeros(36, dtype=torch.int64)}, "expected floats"),
        ("integers", {"weights.1": torch.full((5, 36), 300)}, "300"),
        ("integers", {"formats.1": torch.zeros(3, dtype=torch.int64)}, "build it with these"),
    ],
)
def test_values_that_no_network_has_are_refused(name, change, said):
    network = learned(name)
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(RuntimeError, match=said):
        network.load_state_dict({**before, **change})
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[key])


def test_what_is_no_mapping_is_refused():
    with pytest.raises(TypeError, match="state_dict is a list: expected a mapping"):
        learned("dense").load_state_dict([])


def test_floats_of_any_kind_are_taken_and_integers_round_them():
    network, integers = learned("dense"), learned("integers", seed=1)
    given = {name: value.double() for name, value in network.state_dict().items() if "w" in name}
    other = learned("dense", seed=1)
    other.load_state_dict(given, strict=False)
    assert torch.equal(other.weights[0], network.weights[0])
    integers.load_state_dict(given, strict=False)
    same = DesireNetwork(
        network.config,
        weights=network.numpy_weights(),
        arithmetic="fixed_point",
        formats=formats_from_dicts(integers.format_fields()),
    )
    for mine, theirs in zip(integers.weights, same.weights, strict=True):
        assert torch.equal(mine, theirs)
    assert set(collect(integers)) - set(given) == {"samples_seen", "formats.1", "formats.2"}
