"""Convolutions in NIR: out and back to the bit, pools folded in, the rest refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from lava_desire import Conv2d, Dense, DesireConfig, DesireNetwork
from lava_desire.deploy import export, from_nir, to_nir

nir = pytest.importorskip("nir", reason="nir is not installed: pip install lava_desire[export]")
pytest.importorskip("h5py", reason="h5py is not installed")

ZERO = {"num_steps": 8, "threshold": 0.3, "error_margin": 2, "reset": "zero"}
NETWORKS = {
    "square": ([Conv2d(4, 3, stride=2), Conv2d(5, 3, padding=1), Dense(7), Dense(3)], (2, 9, 9)),
    "oblong": ([Conv2d(4, (3, 2), stride=(2, 1), padding=(1, 0)), Dense(3)], (2, 7, 6)),
    "no dense": ([Conv2d(4, 3, stride=2), Conv2d(3, 4)], (1, 9, 9)),
}


def network_of(name, **changes):
    layers, shape = NETWORKS[name]
    config = DesireConfig(layers=layers, input_shape=shape, **{**ZERO, **changes})
    return DesireNetwork(config)


def images_of(config, num_samples=6):
    return np.random.default_rng(1).random((num_samples, config.num_inputs), dtype=np.float32)


def as_two(value):
    return tuple(np.broadcast_to(np.ravel(value), 2).tolist())


def current(node, values):
    """Return what leaves a node that is no neuron, by the letter: (B, ...) float64."""
    if isinstance(node, nir.Flatten):
        return values.flatten(1)
    if isinstance(node, (nir.SumPool2d, nir.AvgPool2d)):
        size = as_two(node.kernel_size)
        mean = functional.avg_pool2d(values, size, as_two(node.stride))
        return mean if isinstance(node, nir.AvgPool2d) else mean * size[0] * size[1]
    weight = torch.from_numpy(np.asarray(node.weight, np.float64))
    if not isinstance(node, nir.Conv2d):
        return values @ weight.T
    padding = node.padding if isinstance(node.padding, str) else as_two(node.padding)
    return functional.conv2d(values, weight, stride=as_two(node.stride), padding=padding)


def counts_by_the_letter(graph, trains, dt=1e-4):
    """Count the spikes of a graph, an Euler step a time step: (T, B, ...) → (B, N)."""
    order = ["input"]
    while order[-1] != "output":
        order.append(dict(graph.edges)[order[-1]])
    voltages, total = {}, 0
    for step in torch.from_numpy(trains).double():
        values = step
        for name in order[1:-1]:
            node = graph.nodes[name]
            if isinstance(node, nir.LIF):
                gain, drive = (
                    torch.from_numpy(np.float64(dt) / node.tau),
                    torch.from_numpy(node.r),
                )
                voltage = voltages.get(name, torch.zeros_like(values))
                voltage = voltage + gain * (drive * values - voltage)
                fired = voltage > torch.from_numpy(node.v_threshold)
                voltages[name], values = torch.where(fired, 0.0, voltage), fired.double()
            else:
                values = current(node, values)
        total = total + values
    return total.flatten(1).numpy()


@pytest.mark.parametrize("decay", [0.75, 0.7])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_comes_back_to_the_bit(name, decay, tmp_path):
    network = network_of(name, decay=decay, reset="subtract")
    for source in (to_nir(network), tmp_path / "net.nir"):
        if source == tmp_path / "net.nir":
            export(network, source, to="nir")
        back = from_nir(source)
        assert back.config == network.config
        for mine, other in zip(back.numpy_weights(), network.numpy_weights(), strict=True):
            np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_graph_run_by_the_letter_counts_the_spikes_of_the_network(name):
    network = network_of(name)
    config = network.config
    activity = network.forward(images_of(config))
    steps = config.num_steps - (config.num_layers - 1)
    trains = activity.spikes[0].numpy()[:steps].reshape(steps, -1, *config.input_shape)
    wanted = activity.counts[-1].numpy()
    assert wanted.any()
    np.testing.assert_array_equal(counts_by_the_letter(to_nir(network), trains), wanted)


def test_dense_layers_behind_planes_need_no_flatten():
    network = network_of("square")
    graph = to_nir(network)
    assert list(graph.nodes) == [
        "input", "conv_1", "lif_1", "conv_2", "lif_2", "conv_3", "lif_3", "conv_4", "lif_4",
        "output",
    ]  # fmt: skip
    np.testing.assert_array_equal(
        graph.nodes["conv_3"].weight.reshape(7, -1), 4 * network.numpy_weights()[2]
    )
    assert graph.nodes["input"].input_type["input"].tolist() == [2, 9, 9]
    assert graph.nodes["conv_2"].input_shape == (4, 4)
    assert graph.nodes["lif_2"].tau.shape == (5, 4, 4)
    assert graph.nodes["conv_4"].weight.shape == (3, 7, 1, 1)


def test_kernels_that_are_not_square_carry_their_shapes_and_are_told_of(tmp_path):
    path = tmp_path / "net.nir"
    report = export(network_of("oblong"), path, to="nir")
    assert "nir.read(..., type_check=False), as nir 1.0.8 takes kernels for square" in report
    assert "type_check" not in export(network_of("square"), path, to="nir")
    assert to_nir(network_of("oblong")).nodes["conv_1"].output_type["output"].tolist() == [4, 4, 5]


def lif(*shape, **changes):
    values = {"tau": 4e-4, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0, **changes}
    return nir.LIF(**{name: np.full(shape, value) for name, value in values.items()})


def conv(*shape, input_shape=None, stride=1, padding=0, dilation=1, groups=1, bias=0.0):
    weight = np.random.default_rng(sum(shape)).normal(0, 2, shape).astype(np.float32)
    bias = np.full(shape[0], bias)
    return nir.Conv2d(input_shape, weight, stride, padding, dilation, groups, bias)


def affine(*shape):
    return nir.Linear(np.random.default_rng(5).normal(0, 2, shape).astype(np.float32))


def pool(kind, *size):
    return kind(kernel_size=np.array(size), stride=np.array(size), padding=np.array([0, 0]))


def flatten(*shape, start_dim=0):
    return nir.Flatten({"input": np.array(shape)}, start_dim)


def chain(shape, *nodes):
    return nir.NIRGraph.from_list(nir.Input(np.array(shape)), *nodes, type_check=False)


FIRST, SAME = conv(3, 1, 3, 3), conv(3, 1, 3, 3, padding="same")
FOLDED = {
    "a pool between": (
        [FIRST, lif(3, 8, 8), pool(nir.SumPool2d, 2, 2), conv(2, 3, 3, 3, stride=2)],
        ["3c3", "2c6s4"],
        (2, 1, 1),
    ),
    "a pool first": (
        [pool(nir.SumPool2d, 2, 2), conv(2, 1, 3, 3, padding=1, stride=2)],
        ["2c6s4p2"],
        (2, 3, 3),
    ),
    "means": (
        [pool(nir.AvgPool2d, 2, 5), conv(2, 1, 2, 1, input_shape=(5, 2))],
        ["2c4x5s2x5"],
        (2, 4, 2),
    ),
    "a pool of a pool": (
        [pool(nir.SumPool2d, 5, 1), pool(nir.AvgPool2d, 1, 2), conv(2, 1, 2, 3)],
        ["2c10x6s5x2"],
        (2, 1, 3),
    ),
    "a pool, a Flatten": (
        [FIRST, lif(3, 8, 8), pool(nir.SumPool2d, 4, 4), flatten(3, 2, 2), affine(2, 12)],
        ["3c3", "2"],
        (2,),
    ),
    "a Flatten by batch": (
        [SAME, lif(3, 10, 10), flatten(1, 300, start_dim=1), affine(2, 300)],
        ["3c3p1", "2"],
        (2,),
    ),
}


@pytest.mark.parametrize("name", FOLDED)
def test_pools_are_folded_into_what_follows_them(name):
    nodes, layers, post = FOLDED[name]
    graph = chain((1, 10, 10), *nodes, lif(*post))
    network = from_nir(graph, dt=1e-4, num_steps=9)
    assert [str(each) for each in network.config.synapses] == layers
    assert network.config.input_shape == (1, 10, 10)
    activity = network.forward(images_of(network.config, 12))
    trains = activity.spikes[0].numpy()[:9].reshape(9, -1, 1, 10, 10)
    wanted = counts_by_the_letter(graph, trains)
    assert 0 < wanted.sum() < wanted.size * 9
    np.testing.assert_array_equal(activity.counts[-1].numpy(), wanted)


@pytest.mark.parametrize("shape", [(1, 10, 10), (4, 1, 10, 10), (100,), (4, 100)])
def test_what_input_says_may_be_a_batch_or_flat(shape):
    graph = chain(shape, conv(2, 1, 3, 3, input_shape=(10, 10)), lif(2, 8, 8))
    config = from_nir(graph, dt=1e-4, num_steps=9).config
    assert (config.input_shape, config.neurons) == ((1, 10, 10), (100, 128))


def test_a_resistance_may_differ_from_map_to_map():
    first, second = conv(2, 1, 3, 3), conv(2, 1, 3, 3)
    neurons = lif(2, 8, 8)
    neurons.r[1] = 4.0
    second.weight[1] *= 4
    mine, other = (
        from_nir(chain((1, 10, 10), *nodes), dt=1e-4, num_steps=9).numpy_weights()[0]
        for nodes in ((first, neurons), (second, lif(2, 8, 8)))
    )
    np.testing.assert_array_equal(mine, other)


SQUARE, CONV, PLANES, SUM = (1, 10, 10), conv(2, 1, 3, 3), lif(2, 8, 8), pool(nir.SumPool2d, 2, 2)
UNEVEN = lif(2, 8, 8)
UNEVEN.r[0, 3, 3] = 2.0


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([conv(2, 1, 3, 3, groups=2), PLANES], "groups of 'conv2d' is 2: expected 1, conv"),
        ([conv(2, 1, 3, 3, dilation=(1, 2)), PLANES], "dilation of 'conv2d' is 2: expected 1"),
        ([conv(2, 1, 3, 3, bias=0.5), PLANES], "'conv2d' (Conv2d) has a bias: expected zero"),
        ([conv(2, 1, 3, 3, stride=0), PLANES], "stride of 'conv2d' is (0, 0): expected one or two"),
        ([conv(2, 1, 4, 4, padding="same"), PLANES], "padding of 'conv2d' is 'same' with stride"),
        ([conv(2, 1, 3, 3, padding=3), PLANES], "node 'conv2d' (Conv2d): padding is (3, 3)"),
        ([conv(2, 1, 11, 11), PLANES], "node 'conv2d' (Conv2d): its kernels are larger than"),
        ([conv(2, 3, 3, 3), PLANES], "'conv2d' takes (3, 10, 10) inputs: expected (1, 10"),
        ([CONV, lif(2, 7, 8)], "tau of 'lif' is float64 (2, 7, 8): expected one"),
        ([CONV, UNEVEN], "r of 'lif' differs within a map of neurons"),
        ([CONV, PLANES, affine(2, 9), lif(2)], "'linear' takes 9 inputs: expected 128"),
        ([flatten(1, 10, 10), CONV, PLANES], "Conv2d: expected Affine or Linear behind"),
        ([CONV, SUM], "is SumPool2d: expected LIF behind 'conv2d'"),
        ([CONV, PLANES, SUM], "(SumPool2d) is the last: expected"),
        ([pool(nir.SumPool2d, 3, 3), conv(2, 1, 2, 2)], "'sumpool2d' pools 3 x 3 of neurons of"),
        (
            [nir.AvgPool2d(*np.array([[2, 2], [1, 1], [0, 0]])), conv(2, 1, 2, 2), PLANES],
            "'avgpool2d' pools 2 x 2 with stride (1, 1) and padding (0, 0): expected stride (2, 2)",
        ),
        ([affine(2, 100), lif(2), SUM], "of the shape (2,): expected planes"),
        ([affine(2, 100), lif(2), conv(2, 2, 1, 1)], "'conv2d' has no input_shape"),
    ],
)  # fmt: skip
def test_what_no_connection_here_can_do_is_named(nodes, message):
    shape = (100,) if isinstance(nodes[0], nir.Linear) else SQUARE
    with pytest.raises(ValueError, match=r".+") as caught:
        from_nir(chain(shape, *nodes), dt=1e-4, num_steps=9)
    assert message in str(caught.value)


def test_planes_that_nobody_states_and_kernels_without_bounds_are_refused():
    def message(*nodes):
        with pytest.raises(ValueError, match=r".+") as caught:
            from_nir(nir.NIRGraph.from_list(*nodes, type_check=False), dt=1e-4, num_steps=9)
        return str(caught.value)

    assert "'conv2d' has no input_shape: expected (height, width)" in message(
        conv(2, 1, 3, 3), PLANES
    )
    assert "Input says no shape of the planes that 'flatten' pools" in message(
        SUM, flatten(1, 5, 5), affine(2, 25), lif(2)
    )
    huge = pool(nir.SumPool2d, 40_000, 40_000)
    assert "1600000000 weights: expected at most" in message(
        huge, conv(1, 1, 1, 1, input_shape=(4, 4)), lif(1, 4, 4)
    )


def test_a_graph_of_other_convolutions_than_its_configuration_is_refused():
    graph = to_nir(network_of("square"))
    graph.nodes["conv_2"].padding, graph.nodes["conv_2"].weight = (0, 0), np.ones((5, 4, 1, 1))
    with pytest.raises(ValueError, match=r"'conv_2' is 5c1 behind \(4, 4, 4\): expected 5c3p1"):
        from_nir(graph)
