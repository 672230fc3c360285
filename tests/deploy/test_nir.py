"""NIR graphs: out and back to the bit, and nothing comes in that does not fit."""

from __future__ import annotations

import re

import numpy as np
import pytest

from lava_desire import DesireConfig, DesireNetwork
from lava_desire.deploy import from_nir, to_nir
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
    nir.write(tmp_path / "net.nir", to_nir(network))
    back = from_nir(tmp_path / "net.nir")
    assert back.config == network.config
    for mine, other in zip(back.numpy_weights(), network.numpy_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    for mine, other in zip(
        back.forward(IMAGES).spikes, network.forward(IMAGES).spikes, strict=True
    ):
        assert mine.equal(other)


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
        "input", "affine_1", "lif_1", "affine_2", "lif_2", "affine_3", "lif_3", "output",
    ]  # fmt: skip


def test_at_three_quarters_the_gain_costs_no_bit():
    network = DesireNetwork(CONFIG)
    graph = to_nir(network)
    np.testing.assert_array_equal(graph.nodes["affine_1"].weight, 4 * network.numpy_weights()[0])
    assert graph.nodes["affine_1"].metadata == {}


def simulate(graph, trains, dt):
    """Run a graph by the letter of NIR, an Euler step a time step: (T, B, N) → (T, B, N)."""
    order = [name for name in graph.nodes if name not in ("input", "output")]
    outputs = trains.astype(np.float64)
    for first, second in zip(order[::2], order[1::2], strict=True):
        affine, lif = graph.nodes[first], graph.nodes[second]
        voltage = np.zeros((trains.shape[1], len(affine.weight)))
        spikes = []
        for step in outputs:
            current = (step @ affine.weight.T.astype(np.float64)) * lif.r
            voltage = voltage + dt / lif.tau * (lif.v_leak - voltage + current)
            spikes.append(voltage > lif.v_threshold)
            voltage = np.where(spikes[-1], lif.v_reset, voltage)
        outputs = np.array(spikes, dtype=np.float64)
    return outputs.astype(bool)


def test_a_graph_run_by_the_letter_gives_the_spikes_of_a_network_that_resets_to_zero():
    network = DesireNetwork(CONFIG.replace(reset="zero"))
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


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: from_nir(chain()), "does not say dt: pass dt"),
        (lambda: from_nir(chain(), dt=1e-4), "does not say num_steps"),
        (lambda: from_nir(chain(), dt=0.0, num_steps=5), "dt is 0.0: expected seconds"),
        (lambda: from_nir(chain(), dt=1e-4, num_steps=0), "num_steps is 0"),
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
            "network is a FixedPointNetwork: expected a DesireNetwork in floating point",
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
    assert "'linear' has a bias" in refused(graph)
    graph.nodes["linear"].bias = np.array([b"x", b"y", b"z"])
    assert "bias of 'linear' is |S1: expected zeros, or none" in refused(graph)
    graph = chain()
    graph.nodes["lif_1"].tau = np.array([4e-4, 5e-4])
    assert "tau of 'lif_1' holds 0.0005: expected 0.0004 in all neurons" in refused(graph)
    graph = chain()
    graph.nodes["lif"] = nir.IF(np.ones(3), np.ones(3))
    assert "node 'lif' is IF: expected LIF" in refused(graph)
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
    assert "is no chain" in refused(graph)
    graph = chain()
    graph.edges.append(("lif", "nowhere"))
    assert "a node that is none" in refused(graph)
    weights = np.ones((2, 3), np.float32)
    delayed = nir.NIRGraph.from_list(nir.Delay(np.ones(3)), nir.LIF(*[np.ones(3)] * 4))
    assert "is Delay: expected Affine or Linear, and the delay of one step" in refused(delayed)
    assert "3 nodes between Input and Output" in refused(
        nir.NIRGraph.from_list(
            nir.Linear(weights), nir.LIF(*[np.ones(2)] * 4), nir.Linear(weights.T)
        )
    )


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
    graph.nodes["affine_1"].metadata["weight_residual"] += np.float32(0.5)
    with pytest.raises(ValueError, match="exceeds the rounding of the weights"):
        from_nir(graph)


def written(path, edit):
    nir.write(path, to_nir(DesireNetwork(CONFIG)))
    with h5py.File(path, "r+") as file:
        edit(file)
    return path


def test_a_file_made_to_harm_is_not_followed(tmp_path):
    def huge(file):
        file["node"].create_dataset("bomb", shape=(1 << 40,), chunks=(1024,), dtype="f4")

    def circular(file):
        file["node/nodes/loop"] = file["node"]

    def deep(file):
        file.create_group("node/" + "/".join("abcdefghijkl"))

    def elsewhere(file):
        file["node/nodes/lif_1/tau2"] = h5py.ExternalLink("/etc/passwd", "/")

    def outside(file):
        file["node"].create_dataset("data", (10,), "u1", external=[("/etc/hostname", 0, 10)])

    def many(file):
        for index in range(4_001):
            file.create_group(f"node/crowd/{index}")

    def tangled(file):
        del file["node/edges"]
        file["node/edges"] = np.full((1_001, 2), b"lif_1")

    for edit, message in (
        (huge, "unpacks to more than"),
        (circular, "twice, or within itself"),
        (deep, "nests deeper than"),
        (elsewhere, "holds a link at '/node/nodes/lif_1/tau2'"),
        (outside, "keeps '/node/data' in another file"),
        (many, "more than 4000 objects"),
        (tangled, "more than 1000 edges"),
    ):
        with pytest.raises(ValueError, match=message):
            read_nir(written(tmp_path / f"{edit.__name__}.nir", edit))


def test_a_heap_over_which_hdf5_would_stay_for_ever_is_refused(tmp_path):
    path = written(tmp_path / "net.nir", lambda file: None)
    whole = path.read_bytes()
    heap = whole.index(b"GCOL")
    # A size that ends behind the free space: what follows there are objects of size zero.
    for place, value, message in (
        (heap + 9, 0x12, "an object of the heap"),
        (heap + 15, 0x7F, "ends behind the file"),
        (heap + 24, 0xFF, "an object of the heap"),
        (13, 4, "have (4, 8) bytes: expected 8"),
        (0, 0, "does not begin as an HDF5 file does"),
    ):
        spoiled = bytearray(whole)
        spoiled[place] = value
        path.write_bytes(spoiled)
        with pytest.raises(ValueError, match=re.escape(message)):
            from_nir(path)


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
        with pytest.raises(ValueError, match="is no NIR file, or is damaged"):
            from_nir(path)
    whole = written(tmp_path / "whole.nir", lambda file: None).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is no NIR file, or is damaged"):
        from_nir(path)
    with h5py.File(path, "w") as file:
        file["other"] = 1
    with pytest.raises(ValueError, match="it has no group 'node'"):
        from_nir(path)
