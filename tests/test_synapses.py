"""A kind of connection is one class: a one-to-one kind, defined here, is a dense diagonal one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig
from lava_desire.model.synapses import Dense, Synapse
from lava_desire.randomness import initial_weights


class OneToOne(Synapse):
    """Every neuron is connected to one neuron of the layer before; weights (N,)."""

    name = "one-to-one"
    fan_in = 1

    def __init__(self, pre_shape, num_post):
        super().__init__(pre_shape, num_post)
        self.weight_shape = (num_post,)
        if self.num_pre != num_post:
            raise ValueError(f"{self.num_pre} to {num_post} neurons: expected as many as before")

    def forward(self, weights, pre):
        return weights * pre

    def transpose(self, weights, post):
        return weights * post

    def pair(self, post, pre):
        return (post * pre).sum(0)


ONE, DENSE = OneToOne((5,), 5), Dense((5,), 5)
DRAW = np.random.default_rng(3)
SPIKES = DRAW.integers(0, 2, (4, 3, 5)).astype(bool)
FLOATS = DRAW.normal(size=5).astype(np.float32), DRAW.normal(size=(3, 5)).astype(np.float32)
INTEGERS = DRAW.integers(-128, 128, 5).astype(np.int8), DRAW.integers(-20, 21, (3, 5))


def assert_same(one, dense, dtype):
    assert one.dtype == dense.dtype == dtype
    np.testing.assert_array_equal(np.asarray(one), np.asarray(dense))


@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize(("given", "name"), [(FLOATS, "float32"), (INTEGERS, "int64")])
def test_a_kind_of_connection_needs_three_sums_and_is_in_the_end_its_dense_matrix(
    array, given, name
):
    weights, errors, spikes = array(given[0]), array(given[1]), array(SPIKES)
    matrix = array(np.diag(given[0]))
    dtype = getattr(torch if array is torch.as_tensor else np, name)
    gain = 1.25 if given is FLOATS else 1
    assert_same(ONE.current(weights, spikes, gain), DENSE.current(matrix, spikes, gain), dtype)
    assert_same(ONE.backward(weights, errors), DENSE.backward(matrix, errors), dtype)
    traces = errors[None] * spikes
    assert_same(
        ONE.pairings(spikes, traces), array(np.diag(DENSE.pairings(spikes, traces)).copy()), dtype
    )
    if given is FLOATS:
        post, pre = errors[0], weights
        assert_same(ONE.outer(post, pre), array(np.diag(DENSE.outer(post, pre)).copy()), dtype)


def test_sums_are_accumulated_in_float64_and_rounded_once():
    weights = np.array([[1.0, 2.0**-24, 2.0**-24]], np.float32)
    current = Dense((3,), 1).current(weights, np.ones(3, bool))
    assert current.dtype == np.float32
    assert current == np.float32(1 + 2.0**-23)


def test_a_configuration_has_its_connections_and_neurons():
    config = DesireConfig((6, 4, 4, 2), connections=("dense", "one-to-one", "dense"))
    assert [synapse.name for synapse in config.synapses] == ["dense", "one-to-one", "dense"]
    assert [synapse.weight_shape for synapse in config.synapses] == [(4, 6), (4,), (2, 4)]
    assert [synapse.num_weights for synapse in config.synapses] == [24, 4, 8]
    assert [synapse.fan_in for synapse in config.synapses] == [6, 1, 4]
    assert [synapse.fan_out for synapse in config.synapses] == [4, 1, 2]
    assert (config.num_inputs, config.num_classes, config.neurons) == (6, 2, (6, 4, 4, 2))
    assert [config.num_neurons(layer) for layer in range(4)] == [6, 4, 4, 2]
    assert config.shape_text == "6-4-4-2"
    assert [config.delay(layer) for layer in (1, 2, 3)] == [0, 1, 1]
    assert [weights.shape for weights in initial_weights(config)] == [(4, 6), (4,), (2, 4)]
    assert DesireConfig.from_json(config.to_json()) == config


def test_a_file_says_nothing_of_connections_where_all_are_dense():
    config = DesireConfig((6, 4, 2), connections=["dense", "dense"])
    assert config == DesireConfig((6, 4, 2))
    assert config.connections == ()
    assert "connections" not in json.loads(config.to_json())


def test_a_weight_at_several_positions_learns_from_their_mean(monkeypatch):
    monkeypatch.setattr(OneToOne, "num_positions", 4)
    config = DesireConfig((3, 3, 2), connections=("one-to-one", "dense"))
    assert [config.learning_rate_scale_of(layer) for layer in (1, 2)] == [0.25, 1]
    assert config.replace(learning_rate_scale=(1, 1)).learning_rate_scale_of(1) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("dense", "connections is 'dense': expected 2 of dense"),
        (("dense",), r"connections is \('dense',\): expected 2 of dense"),
        (("dense", "sparse"), r"connections is \('dense', 'sparse'\): expected 2 of dense.*none"),
        (("dense", 1), "expected 2 of dense"),
        (3, "connections is 3"),
        (
            ("one-to-one", "dense"),
            "connection of layer 1 is one-to-one: 6 to 4 neurons: expected as many as before",
        ),
    ],
)
def test_connections_that_are_none_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        DesireConfig((6, 4, 2), connections=given)
