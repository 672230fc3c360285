"""A kind of connection is one class: a one-to-one kind, defined here, is a dense diagonal one."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, DesireNetwork, fit
from lava_desire.analysis.complexity import count_measured
from lava_desire.checkpoint import read_checkpoint
from lava_desire.cli import main
from lava_desire.model import integers as fixed
from lava_desire.model.arrays import namespace
from lava_desire.model.synapses import Dense, Synapse
from lava_desire.operations import count_operations
from lava_desire.randomness import RoundingStream, initial_weights


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


# The second layer is one-to-one, everything is on, and weights are large enough for all to learn.
CONFIG = DesireConfig(
    (9, 7, 7, 3),
    num_steps=9,
    threshold=0.5,
    desire_threshold_hidden=0.02,
    dropout_hidden=0.2,
    learning_rate=0.02,
    batch_size=4,
    epochs=2,
    connections=("dense", "one-to-one", "dense"),
)
BEYOND = {"trace_baseline": 0.5, "baseline_samples": 8, "rate_floor": 0.3, "weight_limit": 0.9}
IMAGES, LABELS = DRAW.integers(0, 256, (12, 9)).astype(np.uint8), DRAW.integers(0, 3, 12)


def both(config, **options):
    """Return the network and its twin of dense layers, the second a diagonal matrix."""
    network = DesireNetwork(config, **options)
    first, second, third = network.numpy_weights()
    weights, dense = [first, np.diag(second), third], config.replace(connections=())
    if "arithmetic" in options:
        options["formats"] = network.rule.formats
    return network, DesireNetwork(dense, weights=weights, **options)


@pytest.mark.parametrize("changes", [{}, BEYOND, {"learning_rate_scale": (1, 0.5, 2)}])
@pytest.mark.parametrize("kernels", ["torch", "compiled"])
def test_the_engine_learns_what_a_diagonal_matrix_does(kernels, changes):
    network, twin = both(CONFIG.replace(**changes), kernels=kernels)
    off_diagonal, before = ~torch.eye(7, dtype=torch.bool), network.numpy_weights()[1]
    for first in range(0, 12, 4):
        batch = IMAGES[first : first + 4], LABELS[first : first + 4], 0.02
        one, dense = network.train_step(*batch), twin.train_step(*batch)
        for mine, theirs in zip(
            one.spikes + one.desires, dense.spikes + dense.desires, strict=True
        ):
            assert torch.equal(mine, theirs)
        assert torch.equal(network.weights[0], twin.weights[0])
        assert torch.equal(network.weights[1], twin.weights[1].diagonal())
        assert torch.equal(network.weights[2], twin.weights[2])
        twin.weights[1][off_diagonal] = 0
    assert (network.numpy_weights()[1] != before).any()
    assert torch.equal(network.predict(IMAGES), twin.predict(IMAGES))


def test_integers_learn_what_a_diagonal_matrix_does_before_it_is_rounded():
    network, twin = both(CONFIG.replace(learning_rate=0.1), arithmetic="fixed_point")
    integers, before = network.rule, network.numpy_weights()[1]
    activity = network.forward(IMAGES)
    one, dense = network.desires(activity, LABELS), twin.desires(twin.forward(IMAGES), LABELS)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(one, dense, strict=True))
    traces = network.traces(activity, 0)[1].long()
    assert torch.equal(traces, twin.traces(activity, 0)[1].long())
    network.update(activity, one, 0.1)
    mantissa, shift = integers.rate_of(2, 0.1)
    signed = activity.spikes[2].long() * one[1]
    change = torch.einsum("tbo,tbo->o", signed, traces).numpy() * mantissa
    words = RoundingStream("weight", 7, 1, CONFIG.seed, 2).draw(0)[:, 0]
    expected = fixed.add_change(before, change, shift, words, integers.format_of(2))
    assert (expected != before).any()
    np.testing.assert_array_equal(network.numpy_weights()[1], expected)


@pytest.mark.parametrize(("arithmetic", "average"), [("floating_point", 0.5), ("fixed_point", 0)])
def test_a_run_that_was_interrupted_ends_as_one_that_was_not(arithmetic, average, tmp_path):
    config = CONFIG.replace(learning_rate=0.1, weight_average=average)
    whole = DesireNetwork(config, arithmetic=arithmetic)
    fit(whole, (IMAGES, LABELS), folder=tmp_path / "whole")
    part = DesireNetwork(config.replace(epochs=1), arithmetic=arithmetic)
    fit(part, (IMAGES, LABELS), folder=tmp_path / "part")
    resumed = DesireNetwork(config, arithmetic=arithmetic)
    fit(resumed, (IMAGES, LABELS), folder=tmp_path / "part", resume=True)
    loaded = DesireNetwork.load(tmp_path / "part" / "checkpoint.safetensors")
    assert loaded.config.connections == CONFIG.connections
    for mine, theirs, stored in zip(resumed.weights, whole.weights, loaded.weights, strict=True):
        assert torch.equal(mine, theirs)
        assert torch.equal(mine, stored)


@pytest.mark.parametrize(
    ("options", "changes"), [([], BEYOND), (["--precision", "fixed_point"], {"learning_rate": 0.1})]
)
def test_the_command_line_trains_it_by_the_engine_and_in_lava_alike(options, changes, tmp_path):
    pytest.importorskip("lava.magma", reason="Lava is not installed")
    files = {name: tmp_path / name for name in ("data.npz", "config.json", "torch", "lava")}
    np.savez(files["data.npz"], images=IMAGES, labels=LABELS)
    config = CONFIG.replace(batch_size=1, epochs=1, **changes)
    files["config.json"].write_text(config.to_json())
    new = ["train", "--quiet", "--data", files["data.npz"], "--config", files["config.json"]]
    for backend in ("torch", "lava"):
        arguments = [*new, *options, "--backend", backend, "--output", files[backend]]
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        assert ended.value.code in (0, None)
    one, other = (
        read_checkpoint(files[name] / "checkpoint.safetensors") for name in ("torch", "lava")
    )
    assert one.config.connections == other.config.connections == CONFIG.connections
    for name in ("weights", "input_rates"):
        for mine, theirs in zip(getattr(one, name), getattr(other, name), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    untrained = DesireNetwork(config, arithmetic=one.arithmetic).numpy_weights()[1]
    assert (one.weights[1] != untrained).any()


class Convolution(Synapse):
    """Kernels without padding: the dense layer whose matrix holds each weight at every position."""

    name = "convolution"
    parameters = ("channels", "kernel", "stride")

    def __init__(self, pre_shape, num_post, channels, kernel, stride):
        super().__init__(pre_shape, num_post)
        side = math.isqrt(self.num_pre // channels)
        steps = range(0, side - kernel + 1, stride)
        self.num_positions = len(steps) ** 2
        maps = num_post // self.num_positions
        self.post_shape = (maps, len(steps), len(steps))
        self.weight_shape, self.fan_in = (maps, channels, kernel, kernel), channels * kernel**2
        # 1 where a pair of neurons is joined by a weight.
        pre = np.arange(self.num_pre).reshape(channels, side, side)
        places = np.zeros((*self.weight_shape, num_post, self.num_pre))
        for weight in np.ndindex(*self.weight_shape):
            o, c, i, j = weight
            for place, (y, x) in enumerate((y, x) for y in steps for x in steps):
                places[(*weight, o * self.num_positions + place, pre[c, y + i, x + j])] = 1
        self.places = places.reshape(self.num_weights, -1)

    def matrix(self, weights):
        places = namespace(weights).asarray(self.places)
        return (weights.reshape(-1) @ places).reshape(self.num_post, self.num_pre)

    def forward(self, weights, pre):
        return pre @ self.matrix(weights).T

    def transpose(self, weights, post):
        return post @ self.matrix(weights)

    def pair(self, post, pre):
        pairs = (post.T @ pre).reshape(-1)
        return (namespace(pre).asarray(self.places) @ pairs).reshape(self.weight_shape)


CONVOLUTIONS = DesireConfig(
    (16, 18, 8, 3),
    num_steps=9,
    threshold=0.5,
    desire_threshold_hidden=0.02,
    dropout_hidden=0.2,
    connections=("convolution:1:2:1", "convolution:2:2:1", "dense"),
)


@pytest.mark.parametrize("kernels", ["torch", "compiled"])
@pytest.mark.parametrize("changes", [{}, {"trace_baseline": 0.5, "rate_floor": 0.3}])
def test_kernels_learn_the_mean_over_positions_of_what_their_matrix_does(kernels, changes):
    config = CONVOLUTIONS.replace(**changes)
    network = DesireNetwork(config, kernels=kernels)
    convolutions = config.synapses[:2]
    assert [synapse.post_shape for synapse in convolutions] == [(2, 3, 3), (2, 2, 2)]
    assert [synapse.weight_shape for synapse in convolutions] == [(2, 1, 2, 2), (2, 2, 2, 2)]
    images, before = DRAW.integers(0, 256, (8, 16)).astype(np.uint8), network.numpy_weights()
    matrices = [
        synapse.matrix(weights) for synapse, weights in zip(convolutions, before[:2], strict=True)
    ]
    dense = config.replace(connections=())
    twin = DesireNetwork(dense, weights=[*matrices, before[2]], kernels=kernels)
    one, other = (each.train_step(images, LABELS[:8], 0.02) for each in (network, twin))
    for mine, theirs in zip(one.spikes + one.desires, other.spikes + other.desires, strict=True):
        assert torch.equal(mine, theirs)
    for layer, synapse in enumerate(convolutions):
        change = network.numpy_weights()[layer] - before[layer]
        copies = synapse.places @ (twin.numpy_weights()[layer] - matrices[layer]).reshape(-1)
        mean = copies.reshape(change.shape) / synapse.num_positions
        assert abs(mean).max() > 1e-3
        np.testing.assert_allclose(change, mean, atol=1e-6)


def test_operations_are_counted_by_the_synapses_that_there_are():
    network = DesireNetwork(CONFIG)
    activity = network.forward(IMAGES)
    first, second, _ = count_operations(network, activity)
    assert first.synaptic_operations == 7 * first.spikes_received
    assert second.synaptic_operations == second.spikes_received > 0
    assert [layer.weight_bytes_stored for layer in (first, second)] == [4 * 63, 4 * 7]
    with pytest.raises(ValueError, match="layer 2 are one-to-one: the count of operations knows"):
        count_measured(network, IMAGES, LABELS)
