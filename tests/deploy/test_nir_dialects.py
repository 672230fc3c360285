"""A dialect is a form of the same network: each comes back to the bit, and says what it needs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from lava_desire import DesireConfig, DesireNetwork
from lava_desire.deploy import export, from_nir, to_nir
from lava_desire.deploy.nir_dialects import DEFAULT, DIALECTS, MEASURED_BITS
from lava_desire.deploy.nir_export import packed

nir = pytest.importorskip("nir", reason="nir is not installed: pip install lava_desire[export]")
h5py = pytest.importorskip("h5py", reason="h5py is not installed")

ROOT = Path(__file__).parents[2]
CONFIG = DesireConfig((12, 9, 4), num_steps=8, error_margin=2, threshold=0.8)


def same(mine, other):
    assert mine.config == other.config
    for left, right in zip(mine.numpy_weights(), other.numpy_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("decay", [0.7, 0.2])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_network_comes_back_from_every_dialect_to_the_bit(dialect, decay, tmp_path):
    network = DesireNetwork(CONFIG.replace(decay=decay))
    graph = to_nir(network, dialect=dialect)
    same(from_nir(graph), network)
    if decay == 0.7:
        (tmp_path / "net.nir").write_bytes(packed(graph))
        same(from_nir(tmp_path / "net.nir"), network)


@pytest.mark.parametrize("dialect", [name for name, each in DIALECTS.items() if each.planes])
def test_planes_come_back_from_every_dialect_that_has_them(dialect):
    config = DesireConfig(layers=("3c3s2", "4"), input_shape=(1, 7, 7), decay=0.7)
    network = DesireNetwork(config)
    same(from_nir(to_nir(network, dialect=dialect)), network)


@pytest.mark.parametrize("dialect", [name for name, each in DIALECTS.items() if each.currents])
def test_currents_come_back_and_are_written_as_their_readers_ask(dialect):
    """SpikingJelly, snnTorch and snn-mlir refuse other R and w_in."""
    network = DesireNetwork(CONFIG.replace(decay=0.7, synapse_decay=0.3))
    graph = to_nir(network, dialect=dialect)
    same(from_nir(graph), network)
    neurons = graph.nodes["lif_1"]
    for gain, tau in ((neurons.r, neurons.tau_mem), (neurons.w_in, neurons.tau_syn)):
        np.testing.assert_allclose(gain, tau / graph.metadata["dt"], rtol=1e-6)
    np.testing.assert_array_equal(graph.nodes["linear_1"].weight, network.numpy_weights()[0])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_a_dialect_writes_says_the_decay_and_the_gain(dialect):
    """By its own reading, an Euler step or an exponential one: p ← β·p + W·s."""
    form, network = DIALECTS[dialect], DesireNetwork(CONFIG.replace(decay=0.7))
    graph = to_nir(network, dialect=dialect)
    dt, neurons = graph.metadata["dt"], graph.nodes["lif_1"]
    leak = dt / neurons.tau.astype("f8")
    np.testing.assert_allclose(np.exp(-leak) if form.exponential else 1 - leak, 0.7, rtol=1e-6)
    weights = graph.nodes[f"{form.dense.lower()}_1"].weight
    if not form.scales_weights:
        np.testing.assert_array_equal(weights, network.numpy_weights()[0])
    if not form.exponential:  # then R counts, by NIR's letter
        by_the_letter = weights * (leak * neurons.r)[:, None]
        np.testing.assert_allclose(by_the_letter, network.numpy_weights()[0], rtol=1e-6)
    assert hasattr(graph.nodes[f"{form.dense.lower()}_1"], "bias") == (form.dense == "Affine")
    assert dt == form.dt


def test_rockpools_time_step_is_that_of_the_graph():
    """It takes τ / (1 + R) for dt."""
    neurons = to_nir(DesireNetwork(CONFIG), dialect="rockpool").nodes["lif_1"]
    np.testing.assert_allclose(neurons.tau / (1 + neurons.r), 1e-4, rtol=1e-6)
    np.testing.assert_allclose(neurons.r, -1 / math.log(0.75) - 1, rtol=1e-6)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_an_export_says_what_its_reader_needs(dialect, reset, tmp_path):
    path, form = tmp_path / "net.nir", DIALECTS[dialect]
    report = export(DesireNetwork(CONFIG.replace(reset=reset)), path, to="nir", dialect=dialect)
    assert form.patch.get(reset, "") in report
    assert ("even so it is not exact" in report) == (reset in form.differing)
    assert f"dt = {'0.0001 s' if form.dt < 1 else '1, tau in time steps'};" in report
    with h5py.File(path) as file:
        assert ("v_reset" in file["node/nodes/lif_1"]) == form.v_reset
    assert nir.read(path).metadata["dialect"] == dialect


def test_a_file_from_before_there_were_dialects_is_read():
    network = DesireNetwork(CONFIG.replace(decay=0.7))
    graph = to_nir(network)
    del graph.metadata["dialect"]
    for name in ("linear_1", "linear_2"):
        old = graph.nodes[name]
        bias = np.zeros(len(old.weight), np.float32)
        graph.nodes[name] = nir.Affine(old.weight, bias, metadata=old.metadata)
    same(from_nir(graph), network)


def test_weights_as_they_are_beside_a_resistance_of_others_lose_no_bit():
    network = DesireNetwork(CONFIG.replace(decay=0.7, reset="zero"))
    graph = to_nir(network, dialect="spikingjelly")
    graph.metadata.clear()
    foreign = from_nir(graph, dt=1e-4, num_steps=7).numpy_weights()
    for mine, other in zip(foreign, network.numpy_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_what_no_reader_has_is_refused_by_name(tmp_path):
    planes = DesireNetwork(DesireConfig(layers=("3c3s2", "4"), input_shape=(1, 7, 7)))
    forgetful = DesireNetwork(CONFIG.replace(decay=0.0))
    altered = to_nir(DesireNetwork(CONFIG), dialect="sinabs")
    altered.metadata["dialect"] = "klingon"
    resisting = to_nir(DesireNetwork(CONFIG), dialect="rockpool")
    resisting.nodes["lif_2"].r = resisting.nodes["lif_2"].r * 2
    for call, message in (
        (lambda: to_nir(planes, dialect="sinabs"), "sinabs 3.1.3 .* takes no convolutions"),
        (lambda: to_nir(forgetful, dialect="rockpool"), r"exp\(−1/τ\) is above 0, and decay is 0"),
        (lambda: to_nir(planes, dialect="klingon"), "dialect is 'klingon': expected one of common"),
        (lambda: from_nir(altered), "metadata says dialect = 'klingon': expected one of common"),
        (lambda: from_nir(resisting), "r of 'lif_2' holds 4.95212: expected 2.47606"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(ValueError, match="dialect is 'sinabs', and sinabs"):
        export(planes, tmp_path / "net.nir", to="nir", dialect="sinabs")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def digits():
    """What readers made of whole networks of digits: {(graph, reader, form): {how: row}}."""
    found = {}
    measured = json.loads((ROOT / "benchmarks" / "results" / "exports.json").read_text("utf-8"))
    for reader, notes in measured["readers"].items():
        for row in notes["results"]:
            if row["output_bits"] == MEASURED_BITS:
                key = row["graph"], reader.replace("_", "-"), row["form"]
                found.setdefault(key, {})[row["how"]] = row
    return found


def test_what_an_export_says_to_remain_is_what_was_measured(digits):
    for name, dialect in DIALECTS.items():
        for reset in ("subtract", "zero") if name != DEFAULT else ():
            row = list(digits[f"digits_{reset}", name, name].values())[-1]
            assert row["mismatching"] == dialect.differing.get(reset, 0), f"{name}, {reset}"


def test_the_page_shows_what_was_measured(digits):
    rows = [
        "| reader | default form | its dialect | and patched | then | CubaLIF then |",
        "| --- | --- | --- | --- | --- | --- |",
    ]

    def of(reader, form, kind=""):
        return [digits[f"digits{kind}_{reset}", reader, form] for reset in ("subtract", "zero")]

    for reader in dict.fromkeys(reader for _, reader, _ in digits):
        own = reader if reader in DIALECTS else DEFAULT
        filtered = own if DIALECTS[own].currents else DEFAULT
        by_reset = of(reader, own)
        ways = dict.fromkeys(f"`{list(each)[-1]}`" for each in by_reset if len(each) > 1)
        cells = [
            DIALECTS[own].reader if own == reader else "jaxsnn 0.3.0",
            bits(each[""] for each in of(reader, DEFAULT)),
            bits(each[""] for each in by_reset) if own == reader else "none",
            " / ".join(ways) or "nothing",
            bits(list(each.values())[-1] for each in by_reset),
            bits(list(each.values())[-1] for each in of(reader, filtered, "_current")),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    table = "\n".join(rows)
    page = (ROOT / "docs" / "export.md").read_text("utf-8")
    assert table in page, f"expected in docs/export.md:\n{table}"


def bits(rows):
    """Return what differed after reset by subtraction and to zero."""
    said = ["refused" if "refused" in row else f"{row['mismatching']:,}" for row in rows]
    said = ["**0**" if each == "0" else each for each in said]
    return " / ".join(dict.fromkeys(said) if "refused" in said else said)
