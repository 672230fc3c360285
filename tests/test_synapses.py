"""A kind of connection is one class: a one-to-one kind, defined here, is a dense diagonal one."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
import torch

from lava_desire import Conv2d, Dense, DesireConfig, DesireNetwork, fit
from lava_desire.analysis.complexity import count_measured
from lava_desire.checkpoint import read_checkpoint
from lava_desire.cli import main
from lava_desire.model import integers as fixed
from lava_desire.model.synapses import Synapse
from lava_desire.operations import count_operations
from lava_desire.randomness import RoundingStream, initial_weights


class OneToOne(Synapse):
    """Every neuron is connected to one neuron of the layer before; weights (N,)."""

    name = "one-to-one"
    fan_in = 1

    def _connect(self, pre_shape):
        self.post_shape, self.weight_shape = pre_shape, (self.num_pre,)

    def forward(self, weights, pre):
        return weights * pre

    def transpose(self, weights, post):
        return weights * post

    def pair(self, post, pre):
        return (post * pre).sum(0)


ONE, DENSE = OneToOne().connected((5,)), Dense(5).connected((5,))
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
    current = Dense(1).connected((3,)).current(weights, np.ones(3, bool))
    assert current.dtype == np.float32
    assert current == np.float32(1 + 2.0**-23)


def test_a_configuration_has_its_connections_and_neurons():
    config = DesireConfig(layers=(4, "one-to-one", 2), input_shape=(6,))
    assert [synapse.name for synapse in config.synapses] == ["dense", "one-to-one", "dense"]
    assert [synapse.weight_shape for synapse in config.synapses] == [(4, 6), (4,), (2, 4)]
    assert [synapse.num_weights for synapse in config.synapses] == [24, 4, 8]
    assert [synapse.fan_in for synapse in config.synapses] == [6, 1, 4]
    assert (config.num_inputs, config.num_classes, config.neurons) == (6, 2, (6, 4, 4, 2))
    assert [config.num_neurons(layer) for layer in range(4)] == [6, 4, 4, 2]
    assert config.shape_text == "6-4-one-to-one-2"
    assert [config.delay(layer) for layer in (1, 2, 3)] == [0, 1, 1]
    assert [weights.shape for weights in initial_weights(config)] == [(4, 6), (4,), (2, 4)]
    assert DesireConfig.from_json(config.to_json()) == config


def test_a_file_says_nothing_of_layers_where_all_are_dense():
    config = DesireConfig((6, 4, 2), layers=[4, Dense(2)])
    assert config == DesireConfig((6, 4, 2))
    assert config.layers == ()
    assert not {"layers", "input_shape"} & set(json.loads(config.to_json()))


def test_a_weight_at_several_positions_learns_from_their_mean(monkeypatch):
    monkeypatch.setattr(OneToOne, "num_positions", 4)
    config = DesireConfig((3, 3, 2), layers=("one-to-one", 2))
    assert [config.learning_rate_scale_of(layer) for layer in (1, 2)] == [0.25, 1]
    assert config.replace(learning_rate_scale=(1, 1)).learning_rate_scale_of(1) == 1


# The second layer is one-to-one, everything is on, and weights are large enough for all to learn.
CONFIG = DesireConfig(
    layers=(7, "one-to-one", 3),
    input_shape=(9,),
    num_steps=9,
    threshold=0.5,
    desire_threshold_hidden=0.02,
    dropout_hidden=0.2,
    learning_rate=0.02,
    batch_size=4,
    epochs=2,
)
BEYOND = {"trace_baseline": 0.5, "baseline_samples": 8, "rate_floor": 0.3, "weight_limit": 0.9}
IMAGES, LABELS = DRAW.integers(0, 256, (12, 9)).astype(np.uint8), DRAW.integers(0, 3, 12)


def both(config, **options):
    """Return the network and its twin of dense layers, the second a diagonal matrix."""
    network = DesireNetwork(config, **options)
    first, second, third = network.numpy_weights()
    weights, dense = [first, np.diag(second), third], config.replace(layer_sizes=config.layer_sizes)
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
    assert loaded.config.layers == CONFIG.layers
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
    assert one.config.layers == other.config.layers == CONFIG.layers
    for name in ("weights", "input_rates"):
        for mine, theirs in zip(getattr(one, name), getattr(other, name), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    untrained = DesireNetwork(config, arithmetic=one.arithmetic).numpy_weights()[1]
    assert (one.weights[1] != untrained).any()


def places_of(convolution):
    """Return 1 where a pair of neurons is joined by a weight: (weights, N_o · N_i)."""
    (height, width), (top, left) = convolution.pre_shape[1:], convolution.padding
    places = np.zeros((*convolution.weight_shape, *convolution.post_shape, *convolution.pre_shape))
    for (o, c, i, j), y, x in product(
        np.ndindex(*convolution.weight_shape),
        range(convolution.out_height),
        range(convolution.out_width),
    ):
        row, column = y * convolution.stride[0] + i - top, x * convolution.stride[1] + j - left
        if 0 <= row < height and 0 <= column < width:
            places[o, c, i, j, o, y, x, c, row, column] = 1
    return places.reshape(convolution.num_weights, -1)


def matrix_of(convolution, weights):
    shape = convolution.num_post, convolution.num_pre
    return (weights.reshape(-1) @ places_of(convolution)).reshape(shape).astype(np.float32)


GEOMETRIES = [
    ("2c2", (1, 4, 4), (2, 3, 3)),
    ("3c3s2p1", (2, 6, 5), (3, 3, 3)),
    ("2c2x3s3x1p1x2", (2, 5, 4), (2, 2, 6)),
    ("4c4x3", (1, 4, 3), (4, 1, 1)),
    ("1c1s3", (3, 5, 5), (1, 2, 2)),
]


@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
@pytest.mark.parametrize(("text", "before", "behind"), GEOMETRIES)
def test_a_convolution_is_the_dense_layer_of_its_matrix(text, before, behind, array):
    convolution = Conv2d.parse(text).connected(before)
    assert str(convolution) == text
    assert convolution.post_shape == behind
    draw = np.random.default_rng(5)
    weights = draw.normal(size=convolution.weight_shape).astype(np.float32)
    matrix = matrix_of(convolution, weights)
    dense = Dense(len(matrix)).connected((convolution.num_pre,))
    spikes = draw.random((3, 2, convolution.num_pre)) < 0.4
    errors = draw.normal(size=(4, convolution.num_post)).astype(np.float32)
    traces = draw.integers(0, 9, spikes.shape) / 4
    signed = draw.integers(-1, 2, (3, 2, convolution.num_post)).astype(np.int8)
    mine, theirs = (
        (
            each.current(array(one), array(spikes), 1.25),
            each.backward(array(one), array(errors)),
            each.pairings(array(signed), array(traces)),
            each.outer(array(errors[0]), array(traces[0, 0].astype(np.float32))),
        )
        for each, one in ((convolution, weights), (dense, matrix))
    )
    places = places_of(convolution)
    for number, (one, other) in enumerate(zip(mine, theirs, strict=True)):
        expected = np.asarray(other)
        if number > 1:
            expected = (places @ expected.reshape(-1)).reshape(convolution.weight_shape)
        assert str(one.dtype) == str(other.dtype)
        np.testing.assert_allclose(np.asarray(one), expected, rtol=1e-6, atol=1e-6)


CONVOLUTIONS = DesireConfig(
    layers=["2c2", "2c2s2", 3],
    input_shape=(1, 4, 4),
    num_steps=9,
    threshold=0.5,
    desire_threshold_conv=0.02,
    dropout_conv=0.2,
)


@pytest.mark.parametrize("kernels", ["torch", "compiled"])
@pytest.mark.parametrize("changes", [{}, {"trace_baseline": 0.5, "rate_floor": 0.3}])
def test_kernels_learn_the_mean_over_positions_of_what_their_matrix_does(kernels, changes):
    config = CONVOLUTIONS.replace(**changes)
    network = DesireNetwork(config, kernels=kernels)
    draw, before = np.random.default_rng(6), network.numpy_weights()
    images, labels = draw.integers(0, 256, (8, 16)).astype(np.uint8), draw.integers(0, 3, 8)
    convolutions = list(zip(config.synapses[:2], before[:2], strict=True))
    matrices = [matrix_of(*each) for each in convolutions]
    dense = config.replace(
        layer_sizes=config.layer_sizes, dropout_hidden=0.2, desire_threshold_hidden=(0.02, 0.05)
    )
    twin = DesireNetwork(dense, weights=[*matrices, before[2]], kernels=kernels)
    one, other = (each.train_step(images, labels, 0.02) for each in (network, twin))
    for mine, theirs in zip(one.spikes + one.desires, other.spikes + other.desires, strict=True):
        assert torch.equal(mine, theirs)
    for layer, (convolution, weights) in enumerate(convolutions):
        change = network.numpy_weights()[layer] - weights
        copies = places_of(convolution) @ (twin.numpy_weights()[layer] - matrices[layer]).ravel()
        mean = copies.reshape(change.shape) / convolution.num_positions
        assert abs(mean).max() > 1e-3
        np.testing.assert_allclose(change, mean, atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"layers": ["2c2", 3], "input_shape": ()},
            "input_shape is \\(\\): expected the shape of a sample",
        ),
        ({"layers": ["2c5", 3]}, "layer 1 is 2c5: its kernels are larger than the 4 x 4 neurons"),
        ({"layers": ["2c2", 3], "input_shape": (16,)}, "expected \\(channels, height, width\\)"),
        (
            {"layers": [9, "2c2", 3]},
            "layer 2 is 2c2: the neurons before it have the shape \\(9,\\)",
        ),
        (
            {"layers": ["2c2p2", 3]},
            "layer 1 is '2c2p2': padding is \\(2, 2\\): expected less than kernel_size, \\(2, 2\\)",
        ),
        (
            {"layers": [9, "2c2s0", 3]},
            r"layer 2 is '2c2s0': stride is 0: expected an integer in \[1, 2147483647\]",
        ),
        ({"layers": ["0c2", 3]}, "layer 1 is '0c2': out_channels is 0: expected"),
        ({"layers": ["8c3p1s2", 3]}, "holds '8c3p1s2' as layer 1: .* 16c5s2p1 \\(s before p\\)"),
        ({"layers": ["2c", 3]}, "layers holds '2c' as layer 1: expected a sequence of .*10, 16c5"),
        ({"layers": "2c2 3"}, "layers is '2c2 3': expected a sequence"),
        ({"layers": [True]}, "layers holds True"),
        ({"layers": [0]}, "layer 1 is 0, of 0 neurons: expected 1 to"),
        (
            {"layers": ["2c2", 3], "layer_sizes": (16, 9, 3)},
            "\\(16, 18, 3\\), as .*or no layer_sizes",
        ),
        ({"layer_sizes": (15, 3)}, "layer_sizes is \\(15, 3\\): expected \\(16, 3\\), as layers"),
        ({"input_shape": (4, 4), "layers": [3]}, "expected \\(channels, height, width\\), or"),
        (
            {"layers": ["2c2", "2c2s2", 3], "desire_threshold_hidden": (0.1,)},
            "desire_threshold_hidden is \\(0.1,\\): expected a number, or 2, one a hidden layer",
        ),
    ],
)
def test_layers_that_do_not_fit_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        DesireConfig(**{"input_shape": (1, 4, 4), **fields})


def test_a_file_of_convolutions_says_what_they_learn_with():
    dense = DesireConfig((16, 4, 3), input_shape=(1, 4, 4))
    fields = {"desire_threshold_conv", "dropout_conv"}
    assert not fields & set(dense.to_dict())
    assert fields <= set(dense.replace(layers=["2c2", 3]).to_dict())
    assert dense.replace(dropout_conv=0.5).to_dict()["dropout_conv"] == 0.5
    assert Dense(3).num_neurons == dense.synapses[1].num_neurons == 3


def test_layers_are_kept_apart_from_what_follows_from_them():
    config = DesireConfig(layers=[Conv2d(2, 2), Dense(3)], input_shape=(1, 4, 4))
    assert config.layer_sizes == config.neurons == (16, 18, 3)
    assert config.shape_text == "1x4x4-2c2-3"
    assert config == DesireConfig(layers=config.synapses, input_shape=[1, 4, 4])
    assert json.loads(config.to_json())["layers"] == ["2c2", "3"]
    assert config.replace(layers=["2c3", 3]).neurons == (16, 8, 3)
    assert config.replace(input_shape=(1, 5, 4)).neurons == (20, 24, 3)
    assert config.replace(layer_sizes=(9, 3)) == DesireConfig((9, 3))
    assert config.resized(hidden=["4c2", 5], num_classes=2).shape_text == "1x4x4-4c2-5-2"
    assert config.resized(hidden=[5]).neurons == (16, 5, 3)
    assert config.first_layers(1).neurons == (16, 18)
    assert [config.learning_rate_scale_of(layer) for layer in (1, 2)] == [1 / 9, 1]
    three = config.replace(layers=["2c2", "2c2", 3], dropout_conv=0.1)
    assert [three.desire_threshold_of(layer) for layer in (1, 2)] == [0.2, 0.05]
    assert [three.dropout_of(layer) for layer in range(4)] == [0, 0.1, 0.1, 0]


def test_operations_are_counted_by_the_synapses_that_there_are():
    network = DesireNetwork(CONFIG)
    activity = network.forward(IMAGES)
    first, second, _ = count_operations(network, activity)
    assert first.synaptic_operations == 7 * first.spikes_received
    assert second.synaptic_operations == second.spikes_received > 0
    assert [layer.weight_bytes_stored for layer in (first, second)] == [4 * 63, 4 * 7]
    with pytest.raises(ValueError, match="layer 2 are one-to-one: the count of operations knows"):
        count_measured(network, IMAGES, LABELS)


@pytest.mark.parametrize("layers", ["2c3s2p1 4c2p1 3", "3c2x3s3x1p1x2 5c1s3 3"])
def test_operations_of_a_convolution_are_those_of_the_entries_of_its_matrix(layers):
    config = CONVOLUTIONS.replace(layers=layers.split(), input_shape=(2, 5, 4), threshold=0.2)
    network = DesireNetwork(config)
    activity = network.forward(np.random.default_rng(6).integers(0, 256, (3, 2, 5, 4), np.uint8))
    for layer, counted in enumerate(count_operations(network, activity)):
        synapse, spikes = config.synapses[layer], activity.spikes[layer].numpy()
        ones = np.ones(synapse.weight_shape, np.float32)
        matrix = ones if isinstance(synapse, Dense) else matrix_of(synapse, ones)
        received = spikes[: len(spikes) - config.delay(layer + 1)].sum((0, 1))
        expected = int(matrix.sum(0) @ received)
        assert counted.spikes_received == received.sum()
        assert counted.synaptic_operations == expected > 0
        assert counted.weight_bytes_read == 4 * expected
