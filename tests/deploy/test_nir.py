"""NIR graphs: out and back to the bit, and nothing comes in that does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from lava_desire import DesireConfig, DesireNetwork
from lava_desire.deploy import from_nir, to_nir
from lava_desire.deploy.hdf5_child import RefusedError, read
from lava_desire.deploy.nir_file import read_nir

nir = pytest.importorskip("nir", reason="nir is not installed: pip install lava_desire[export]")
h5py = pytest.importorskip("h5py", reason="h5py is not installed")

CONFIG = DesireConfig((12, 9, 7, 4), num_steps=10, error_margin=2)
IMAGES = np.random.default_rng(3).integers(0, 256, (6, 12)).astype(np.uint8)


def chain(**changes):
    """Return a graph as another framework would write it, two layers."""
    parameters = {"tau": 4e-4, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    weights = np.random.default_rng(0).normal(0, 2, (3, 5)).astype(np.float32)
    layers = []
    for size, array in ((3, weights), (2, np.ones((2, 3), np.float32))):
        layers.append(nir.Linear(weight=array))
        values = {**parameters, **changes}
        layers.append(nir.LIF(**{name: np.full(size, value) for name, value in values.items()}))
    return nir.NIRGraph.from_list(*layers)


@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("decay", [0.75, 0.875, 0.7, 0.31, 0.0])
def test_a_network_comes_back_to_the_bit(decay, reset, tmp_path):
    network = DesireNetwork(CONFIG.replace(decay=decay, reset=reset, threshold=0.8))
    graph = to_nir(network)
    if decay == 0.7:  # the one with residuals, in a file
        nir.write(tmp_path / "net.nir", graph)
        graph = tmp_path / "net.nir"
    back = from_nir(graph)
    assert back.config == network.config
    for mine, other in zip(back.numpy_weights(), network.numpy_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    for mine, other in zip(
        back.forward(IMAGES).spikes, network.forward(IMAGES).spikes, strict=True
    ):
        assert mine.equal(other)


@pytest.mark.parametrize(("decay", "alpha"), [(0.75, 0.5), (0.7, 0.3)])
def test_filtered_currents_are_those_of_a_cubalif_and_come_back(decay, alpha, tmp_path):
    network = DesireNetwork(CONFIG.replace(decay=decay, synapse_decay=alpha))
    graph = to_nir(network)
    nir.write(tmp_path / "net.nir", graph)
    back = from_nir(tmp_path / "net.nir")
    assert back.config == network.config
    graph.metadata = {}  # as of another framework
    foreign = from_nir(graph, dt=1e-4, num_steps=8, reset="subtract")
    assert (foreign.config.decay, foreign.config.synapse_decay) == (decay, alpha)
    for mine, other, third in zip(
        *(each.numpy_weights() for each in (back, network, foreign)), strict=True
    ):
        np.testing.assert_array_equal(mine, other)
        np.testing.assert_allclose(third, other, rtol=1e-6)
    graph.nodes["lif_1"].w_in[:] *= 2
    twice = from_nir(graph, dt=1e-4, num_steps=8).numpy_weights()[0]
    np.testing.assert_allclose(twice, 2 * network.numpy_weights()[0], rtol=1e-6)


def test_filtered_currents_in_some_layers_alone_are_refused():
    graph, filtered = chain(), to_nir(DesireNetwork(DesireConfig((3, 2), synapse_decay=0.5)))
    graph.nodes["lif_1"] = filtered.nodes["lif_1"]
    assert "'lif_1' has no tau: expected LIF in all layers, or CubaLIF" in refused(graph)
    with pytest.raises(ValueError, match=r"synapse_decay is 0\.5: expected 0 for dialect 'sinabs'"):
        to_nir(DesireNetwork(DesireConfig((3, 2), synapse_decay=0.5)), dialect="sinabs")


def test_the_graph_says_what_nir_cannot():
    graph = to_nir(DesireNetwork(CONFIG), dt=1e-3)
    assert {name: graph.metadata[name] for name in ("dt", "reset", "comparison", "delay")} == {
        "dt": 1e-3,
        "reset": "subtract",
        "comparison": ">=",
        "delay": 1,
    }
    np.testing.assert_allclose(graph.nodes["lif_1"].tau, 4e-3, rtol=1e-6)
    assert list(graph.nodes) == [
        "input", "linear_1", "lif_1", "linear_2", "lif_2", "linear_3", "lif_3", "output",
    ]  # fmt: skip


def test_at_three_quarters_the_gain_costs_no_bit():
    network = DesireNetwork(CONFIG)
    graph = to_nir(network)
    np.testing.assert_array_equal(graph.nodes["linear_1"].weight, 4 * network.numpy_weights()[0])
    assert graph.nodes["linear_1"].metadata == {}


def simulate(graph, trains, dt):
    """Run a graph by the letter of NIR, an Euler step a time step: (T, B, N) → (T, B, N)."""
    order = [name for name in graph.nodes if name not in ("input", "output")]
    outputs = trains.astype(np.float64)
    for first, second in zip(order[::2], order[1::2], strict=True):
        affine, lif = graph.nodes[first], graph.nodes[second]
        voltage = current = np.zeros((trains.shape[1], len(affine.weight)))
        filters, spikes = isinstance(lif, nir.CubaLIF), []
        tau = lif.tau_mem if filters else lif.tau
        for step in outputs:
            given = step @ affine.weight.T.astype(np.float64)
            if filters:
                given = current + dt / lif.tau_syn * (lif.w_in * given - current)
            current = given
            voltage = voltage + dt / tau * (lif.v_leak - voltage + current * lif.r)
            spikes.append(voltage > lif.v_threshold)
            voltage = np.where(spikes[-1], lif.v_reset, voltage)
        outputs = np.array(spikes, dtype=np.float64)
    return outputs.astype(bool)


@pytest.mark.parametrize("alpha", [0.0, 0.75])
def test_a_graph_run_by_the_letter_gives_the_spikes_of_a_network_that_resets_to_zero(alpha):
    network = DesireNetwork(CONFIG.replace(reset="zero", synapse_decay=alpha))
    activity = network.forward(IMAGES)
    steps = CONFIG.num_steps - (CONFIG.num_layers - 1)
    given = simulate(to_nir(network), activity.spikes[0].numpy()[:steps], 1e-4)
    np.testing.assert_array_equal(given, activity.spikes[-1].numpy()[CONFIG.num_layers - 1 :])
    np.testing.assert_array_equal(given.sum(axis=0), activity.counts[-1].numpy())


def test_a_graph_of_others_is_taken_with_what_it_does_not_say():
    graph = chain()
    network = from_nir(graph, dt=1e-4, num_steps=9)
    config = network.config
    assert (config.layer_sizes, config.decay, config.reset) == ((5, 3, 2), 0.75, "zero")
    images = np.random.default_rng(1).random((4, 5), dtype=np.float32)
    activity = network.forward(images)
    given = simulate(graph, activity.spikes[0].numpy()[:9], 1e-4)
    np.testing.assert_array_equal(given.sum(axis=0), activity.counts[-1].numpy())
    assert from_nir(chain(), dt=1e-4, num_steps=9, reset="subtract").config.reset == "subtract"
    longest = from_nir(chain(), dt=1e-4, num_steps=np.int64(4095)).config
    assert (longest.num_steps, type(longest.num_steps)) == (4096, int)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: from_nir(chain()), "does not say dt: pass dt"),
        (lambda: from_nir(chain(), dt=1e-4), "does not say num_steps"),
        (lambda: from_nir(chain(), dt=0.0, num_steps=5), "dt is 0.0: expected seconds"),
        (lambda: from_nir(chain(), dt=1e-4, num_steps=0), "num_steps is 0"),
        (
            lambda: from_nir(chain(), dt=1e-4, num_steps=4096),
            r"num_steps is 4096: expected an integer in \[1, 4095\]",
        ),
        (lambda: from_nir(chain(), dt=1e-4, num_steps=5, reset="soft"), "reset is 'soft'"),
        (lambda: from_nir(chain(), dt=1e-3, num_steps=5), r"tau of 'lif' is 0.0004 s, shorter"),
        (lambda: from_nir(chain(v_leak=0.1), dt=1e-4, num_steps=5), "v_leak of 'lif' holds 0.1"),
        (lambda: from_nir(chain(v_reset=-1.0), dt=1e-4, num_steps=5), "v_reset of 'lif' holds -1"),
        (lambda: from_nir(chain(tau=np.nan), dt=1e-4, num_steps=5), "holds NaN or infinity"),
        (lambda: from_nir(to_nir(DesireNetwork(CONFIG)), dt=1e-4), "dt is given, and the graph"),
        (lambda: from_nir(3), "source is a int: expected a NIRGraph or a path"),
        (lambda: to_nir(DesireNetwork(CONFIG), dt=-1.0), "dt is -1.0"),
        (
            lambda: to_nir(DesireNetwork(CONFIG, arithmetic="fixed_point")),
            "network is fixed_point: expected a DesireNetwork in floating point",
        ),
    ],
)
def test_a_wrong_argument_or_parameter_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def refused(graph):
    with pytest.raises(ValueError, match=r".+") as caught:
        from_nir(graph, dt=1e-4, num_steps=5)
    return str(caught.value)


def test_what_a_network_cannot_do_is_refused():
    graph = chain()
    graph.nodes["linear"] = nir.Affine(graph.nodes["linear"].weight, np.ones(3))
    assert "'linear' (Affine) has a bias" in refused(graph)
    graph.nodes["linear"].bias = np.array([b"x", b"y", b"z"])
    assert "bias of 'linear' is |S1: expected zeros, or none" in refused(graph)
    graph = chain()
    graph.nodes["lif_1"].tau = np.array([4e-4, 5e-4])
    assert "tau of 'lif_1' holds 0.0005: expected 0.0004 in all neurons" in refused(graph)
    graph = chain()
    graph.nodes["lif"] = nir.IF(np.ones(3), np.ones(3))
    assert "node 'lif' is IF: expected LIF behind 'linear'" in refused(graph)
    graph = chain()
    graph.edges.append(("lif", "linear_1"))
    assert "branches, joins or is cyclic" in refused(graph)
    graph = chain()
    graph.edges.append(("lif_1", "linear"))
    assert "branches, joins or is cyclic" in refused(graph)
    graph = chain()
    graph.edges = [("input", "output"), ("linear", "lif"), ("lif", "linear_1")]
    graph.edges += [("linear_1", "lif_1"), ("lif_1", "linear")]
    assert "has a cycle apart from 'input'" in refused(graph)
    graph = chain()
    graph.edges = []
    assert "is no chain from Input to Output: 6 nodes receive nothing ('input' (Input)," in refused(
        graph
    )
    graph = chain()
    graph.edges.append(("lif", "nowhere"))
    assert "'nowhere', which is no node" in refused(graph)
    graph = chain()
    graph.edges.append(("lif", "linear_1", "lif_1"))
    assert "has 3 ends" in refused(graph)
    graph = chain()
    graph.nodes["lif"].v_threshold[1] = -1
    assert "v_threshold of 'lif' holds -1: expected values above 0" in refused(graph)
    graph = chain()
    graph.nodes["input"] = nir.Input(np.array([2, 4]))
    assert "node 'input' (Input) has the shape (2, 4): expected 5 values" in refused(graph)
    graph.nodes["input"] = nir.Input(np.array([np.inf]))
    assert "node 'input' (Input) has the shape array([inf]): expected integers" in refused(graph)
    graph = chain()
    graph.nodes["within"] = graph
    assert "the graph nests deeper than 8 graphs" in refused(graph)
    graph = chain()
    graph.nodes["inner"] = nir.NIRGraph({"a": nir.Linear(np.ones((2, 2)))}, [], type_check=False)
    assert "node 'inner' is a graph with 0 nodes of type Input: expected one" in refused(graph)


ONES = np.ones(3)
DENSE, LIF = nir.Linear(np.ones((3, 3), np.float32)), nir.LIF(*[ONES] * 4)
RECURRENT = nir.NIRGraph(
    {"in": nir.Input(ONES.shape), "lif": LIF, "w_rec": DENSE, "out": nir.Output(ONES.shape)},
    [("in", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "out")],
    type_check=False,
)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([nir.Delay(ONES), LIF], "'delay' is Delay: expected Affine or Linear, and the delay of"),
        ([DENSE, LIF, DENSE], "node 'linear_1' (Linear) is the last: expected LIF behind it"),
        ([LIF], "node 'lif' is LIF: expected Affine or Linear"),
        ([DENSE, nir.Scale(ONES)], "node 'scale' is Scale: expected LIF behind 'linear'"),
        ([DENSE, nir.Threshold(ONES)], "node 'threshold' is Threshold: expected LIF"),
        ([DENSE, nir.I(ONES)], "node 'i' is I: expected LIF behind 'linear'"),
        ([DENSE, LIF, DENSE, nir.LI(ONES, ONES, ONES)], "node 'li' is LI: expected LIF"),
        ([DENSE, nir.CubaLIF(*[ONES] * 5)], "v_leak of 'cubalif' holds 1.0: expected 0"),
        (
            [DENSE, nir.CubaLIF(0 * ONES, *[ONES] * 4)],
            "tau_syn of 'cubalif' holds 0: expected values above 0",
        ),
        ([DENSE, nir.CubaLI(*[ONES] * 4)], "node 'cubali' is CubaLI: expected LIF"),
        (
            [DENSE, nir.Flatten({"input": np.array([3])}, 0), LIF],
            "node 'flatten' is Flatten: expected LIF behind 'linear'",
        ),
        (
            [nir.Conv1d(4, np.ones((3, 1, 2)), 1, 0, 1, 1, ONES), LIF],
            "node 'conv1d' is Conv1d: expected Affine or Linear, or Conv2d",
        ),
        (
            [DENSE, RECURRENT, nir.Output(ONES.shape)],
            "cyclic at 'nirgraph.w_rec' (Linear) to 'nirgraph.lif' (LIF)",
        ),
    ],
)
def test_a_node_that_cannot_be_taken_is_named(nodes, message):
    assert message in refused(nir.NIRGraph.from_list(*nodes, type_check=False))


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (3,), (1, 3), (3, 1)])
def test_one_number_holds_for_all_neurons(shape):
    graph = chain()
    lif = graph.nodes["lif"]
    for name in ("tau", "r", "v_leak", "v_threshold", "v_reset"):
        setattr(lif, name, np.full(shape, getattr(lif, name)[0]))
    for mine, other in zip(weights_of(graph), weights_of(chain()), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_parameters_of_another_number_of_neurons_are_refused():
    graph = chain()
    graph.nodes["lif"].tau = np.full((2, 3), 4e-4)
    assert "tau of 'lif' is float64 (2, 3): expected one number, or (3,)" in refused(graph)


def weights_of(graph, **options):
    return from_nir(graph, **{"dt": 1e-4, "num_steps": 9, **options}).numpy_weights()


@pytest.mark.parametrize("shape", [(1, 5), (7, 5), (5, 1), (1, 1, 5), (5, 5)])
def test_the_batch_of_a_sample_may_stand_in_input_and_output(shape):
    graph = chain()
    graph.nodes["input"] = nir.Input(np.array(shape))
    graph.nodes["output"] = nir.Output(np.array([*shape[:-1], 2]))
    if shape == (5, 1):
        graph.nodes["output"] = nir.Output(np.array([2, 1]))
    assert len(weights_of(graph)) == 2


@pytest.mark.parametrize("shape", [(5,), (1, 5), (1, 5, 1), (2, 1, 5)])
def test_a_flatten_that_comes_first_is_passed_over(shape):
    graph = chain()
    graph.nodes["input"] = nir.Input(np.array(shape))
    graph.nodes["flatten"] = nir.Flatten({"input": np.array(shape)}, start_dim=0)
    graph.edges[0:1] = [("input", "flatten"), ("flatten", "linear")]
    for mine, other in zip(weights_of(graph), weights_of(chain()), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_graphs_within_the_graph_are_unfolded():
    plain = chain()
    parts = [plain.nodes[name] for name in ("linear", "lif", "linear_1", "lif_1")]
    inner = nir.NIRGraph.from_list(*parts[:2])
    graph = nir.NIRGraph.from_list(nir.NIRGraph.from_list(inner), *parts[2:])
    for mine, other in zip(weights_of(graph), weights_of(plain), strict=True):
        np.testing.assert_array_equal(mine, other)
    inner.nodes["lif"].v_leak = np.ones(3)
    assert "v_leak of 'nirgraph.nirgraph.lif' holds 1.0" in refused(graph)


@pytest.mark.parametrize(
    ("tau", "dt", "decay"),
    [(0.03, 1e-4, 1 - 1 / 300), (0.0123, 1e-6, 1 - 1 / 12300), (1e-5, 1e-6, 0.9)],
)
def test_any_time_constant_is_taken(tau, dt, decay):
    graph = chain(tau=np.float32(tau))
    config = from_nir(graph, dt=dt, num_steps=9).config
    assert config.decay == pytest.approx(decay, rel=1e-9)
    np.testing.assert_allclose(
        weights_of(graph, dt=dt)[0], graph.nodes["linear"].weight * (1 - decay), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("tau", "dt", "message"),
    [
        # Norse 1.1.0 with its own dt of 1e-3 and its own 100 per second.
        (
            1e-5,
            1e-3,
            "If Norse 1.1.0 wrote the graph, which writes tau times its dt, pass dt = 1e-06",
        ),
        (1e-5, 1e-4, "pass dt = 1e-06, the square of its default, or that of the one it was given"),
        (1e-9, 1e-3, "expected at least dt. Pass dt of at most 1e-09"),
    ],
)
def test_a_dt_that_would_do_is_proposed(tau, dt, message):
    with pytest.raises(ValueError, match=rf"shorter than dt = {dt} s") as caught:
        from_nir(chain(tau=tau), dt=dt, num_steps=5)
    assert message in str(caught.value)


def test_a_graph_that_contradicts_its_own_metadata_is_refused():
    def altered(**changes):
        graph = to_nir(DesireNetwork(CONFIG))
        graph.metadata.update(changes)
        with pytest.raises(ValueError, match=r".+") as caught:
            from_nir(graph)
        return str(caught.value)

    assert "metadata says delay = 0: expected 1" in altered(delay=0)
    assert "metadata says reset = 'zero'" in altered(reset="zero")
    assert "metadata says dt = nan" in altered(dt=float("nan"))
    assert "tau of 'lif_1' holds 0.0004" in altered(dt=1e-3)
    assert "config is not JSON" in altered(lava_desire_config="{")
    assert "is a int: expected JSON" in altered(lava_desire_config=5)
    other = CONFIG.replace(layer_sizes=(12, 9, 7, 5)).to_json()
    assert "the graph's layers are (12, 9, 7, 4): expected (12, 9, 7, 5)" in altered(
        lava_desire_config=other
    )


def test_a_residual_that_is_no_rounding_is_refused():
    graph = to_nir(DesireNetwork(CONFIG.replace(decay=0.7)))
    graph.nodes["linear_1"].metadata["weight_residual"] += np.float32(0.5)
    with pytest.raises(ValueError, match="exceeds the rounding of the weights"):
        from_nir(graph)


def written(path, edit):
    nir.write(path, to_nir(DesireNetwork(CONFIG)))
    with h5py.File(path, "r+") as file:
        edit(file)
    return path


def chain_file(path, **fields):
    """Write a chain as others may, fields of the node 'lif' as they are given."""
    with h5py.File(path, "w") as file:
        graph = file.create_group("node")
        graph["type"] = np.bytes_("NIRGraph")
        graph["edges"] = np.array([[b"x", b"a"], [b"a", b"l"], [b"l", b"y"]])
        graph["nodes/x/type"], graph["nodes/x/shape"] = "Input", [1, 5]
        graph["nodes/a/type"], graph["nodes/a/weight"] = "Linear", np.ones((3, 5), ">f4")
        graph["nodes/l/type"] = np.array([b"LIF"])
        given = {"tau": 4e-4, "r": 4.0, "v_leak": 0.0, "v_threshold": 1.0, **fields}
        for name, value in given.items():
            graph[f"nodes/l/{name}"] = value
        graph["nodes/y/type"], graph["nodes/y/shape"] = "Output", [1, 1, 3]
    return path


@pytest.mark.parametrize("tau", [4e-4, [4e-4], [4e-4] * 3])
def test_a_file_that_nir_itself_does_not_read_is_taken(tau, tmp_path):
    """Without version and v_reset, with a batch's shapes, texts of any kind and one number."""
    path = chain_file(tmp_path / "net.nir", tau=tau)
    np.testing.assert_array_equal(weights_of(path), [np.ones((3, 5), np.float32)])


def plain(value):
    """Return what can be compared: arrays and NumPy's numbers as lists, with their types."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return (
        (value.dtype.str, value.tolist()) if isinstance(value, (np.ndarray, np.generic)) else value
    )


def test_every_node_is_read_as_nir_reads_it(tmp_path):
    metadata = {"one": 1, "more": [1.5, 2], "text": "é", "inner": {"of": "it"}}
    nodes = [
        *(nir.Affine(np.ones((3, 3)), ONES), DENSE, nir.Scale(ONES), nir.Threshold(ONES)),
        *(nir.I(ONES), nir.IF(ONES, ONES), nir.LI(*[ONES] * 3), nir.CubaLI(*[ONES] * 4)),
        *(nir.CubaLIF(*[ONES] * 5), nir.LIF(*[ONES] * 4, metadata=metadata), nir.Delay(ONES)),
        *(nir.SumPool2d(ONES, ONES, ONES), nir.AvgPool2d(ONES, ONES, ONES), RECURRENT),
        nir.Conv1d(4, np.ones((3, 1, 2)), 1, 0, 1, 1, ONES),
        nir.Conv2d((4, 4), np.ones((3, 1, 2, 2)), 1, "same", 1, 1, ONES),
        *(nir.Flatten({"input": np.array([1, 3])}, 0), nir.Input([3]), nir.Output([3])),
    ]
    named = {f"node {place}": node for place, node in enumerate(nodes)}
    path = tmp_path / "net.nir"
    nir.write(path, nir.NIRGraph(named, [("node 0", "node 1")], metadata, type_check=False))
    mine, theirs = read_nir(path).to_dict(), nir.read(path, type_check=False).to_dict()
    assert plain(mine) == plain(theirs)


def test_a_node_of_a_file_that_is_none_is_named(tmp_path):
    def message(edit):
        path = chain_file(tmp_path / "net.nir")
        with h5py.File(path, "r+") as file:
            edit(file["node"])
        with pytest.raises(ValueError, match=r".+") as caught:
            from_nir(path, dt=1e-4, num_steps=5)
        return str(caught.value).removeprefix(f"{path}")

    def another_type(graph):
        del graph["nodes/l/type"]
        graph["nodes/l/type"] = "Izhikevich"

    assert "node 'l' of type 'Izhikevich' cannot be read by nir" in message(another_type)
    assert "node 'l' says no type" in message(lambda graph: graph.pop("nodes/l/type"))
    assert "node 'a' of type 'Linear' cannot be read by nir" in message(
        lambda graph: graph.pop("nodes/a/weight")
    )
    assert "the graph has no edges" in message(lambda graph: graph.pop("edges"))
    assert "of type None: expected 'NIRGraph'" in message(lambda graph: graph.pop("type"))

    def not_names(graph):
        del graph["edges"]
        graph["edges"] = np.ones((2, 2))

    assert "edges of the graph are float64 (2, 2): expected pairs" in message(not_names)


def test_a_file_made_to_harm_is_not_followed(tmp_path):
    def huge(file):
        file["node"].create_dataset("more", shape=(1 << 40,), chunks=(1024,), dtype="f4")

    def padded(file):
        file["node"].create_dataset("few", (3,), "f4", maxshape=(None,), chunks=(1 << 28,))

    def doubled(file):
        file["node/nodes/lif_1/again"] = file["node/nodes/lif_1/tau"]

    def deep(file):
        file.create_group("node/" + "/".join("abcdefghijkl"))

    def elsewhere(file):
        file["node/nodes/lif_1/tau2"] = h5py.ExternalLink("other.nir", "/")

    def all_elsewhere(file):
        del file["node"]
        file["node"] = h5py.ExternalLink("other.nir", "/node")

    def outside(file):
        file["node"].create_dataset("data", (10,), "u1", external=[("other.bin", 0, 10)])

    def long(file):
        file["node/" + 401 * "x"] = 1

    def many(file):
        for index in range(4_001):
            file.create_group(f"node/crowd/{index}")

    def wordy(file):
        file["node/words"] = np.full(4_001, b"x")

    def tangled(file):
        del file["node/edges"]
        file["node/edges"] = np.full((1_001, 2), b"lif_1")

    def strange(file):
        file["node/pairs"] = np.zeros(2, "i4,i4")

    def empty(file):
        file["node/empty"] = h5py.Empty("f4")

    def scrambled(file):
        file["node/name"] = np.bytes_(b"\xff\xfe")

    for edit, message in (
        (huge, "unpacks to more than"),
        (padded, "unpacks '/node/few' from 0 to 1073741824 bytes"),
        (doubled, "twice, or within itself"),
        (deep, "nests deeper than"),
        (elsewhere, "holds a link at '/node/nodes/lif_1/tau2'"),
        (all_elsewhere, "has no group 'node'"),
        (outside, "keeps '/node/data' in another file"),
        (long, "has a name of 401 characters in '/node'"),
        (many, "more than 4000 objects"),
        (wordy, "more than 4000 texts"),
        (tangled, "more than 1000 edges"),
        (strange, "at '/node/pairs': expected numbers or text"),
        (empty, "holds nothing at '/node/empty'"),
        (scrambled, "holds text at '/node/name' that is not UTF-8"),
    ):
        path = written(tmp_path / f"{edit.__name__}.nir", edit)
        with h5py.File(path) as file, pytest.raises(RefusedError, match=message):
            read(file, "node", 1 << 31, [])
    with pytest.raises(ValueError, match=r"doubled\.nir holds '.*' twice, or within itself"):
        read_nir(tmp_path / "doubled.nir")


def test_the_limit_of_a_file_can_be_set(tmp_path):
    path = written(tmp_path / "net.nir", lambda file: None)
    with pytest.raises(ValueError, match="unpacks to more than 100 bytes"):
        from_nir(path, max_bytes=100)
    assert from_nir(path).config == CONFIG


def test_a_file_that_is_none_is_told_apart_from_a_missing_one(tmp_path):
    path = tmp_path / "net.nir"
    with pytest.raises(FileNotFoundError):
        from_nir(path)
    for content in (b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" + b"\0" * 500):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is no HDF5 file, or is damaged"):
            from_nir(path)
    whole = written(tmp_path / "whole.nir", lambda file: None).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is no HDF5 file, or is damaged"):
        from_nir(path)
    with h5py.File(path, "w") as file:
        file["other"] = 1
    with pytest.raises(ValueError, match="has no group 'node'"):
        from_nir(path)
