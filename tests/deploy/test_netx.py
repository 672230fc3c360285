"""Files for lava-dl's netx: what they hold, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from lava_desire import Conv2d, Dense, DesireConfig, DesireNetwork
from lava_desire.deploy import IntegerNetwork, export, to_netx
from lava_desire.deploy.integer_network import as_integers

h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install lava_desire[export]")

CONFIG = DesireConfig((5, 4, 3), reset="zero")


def test_a_file_has_the_layout_that_netx_reads(tmp_path):
    integers = to_netx(DesireNetwork(CONFIG), tmp_path / "net.net")
    with h5py.File(tmp_path / "net.net") as file:
        assert list(file["layer"]) == ["0", "1"]
        for index, size in enumerate((4, 3)):
            layer = file[f"layer/{index}"]
            assert layer["type"].shape == (1,)
            assert layer["type"][0] == b"dense"
            assert layer["shape"][()].tolist() == [size, 1, 1]
            np.testing.assert_array_equal(layer["weight"][()], integers.weights[index])
            neuron = layer["neuron"]
            assert neuron["type"][0] == b"CUBA"
            values = {name: int(neuron[name][()]) for name in ("iDecay", "vDecay", "vThMant")}
            assert values == {
                "iDecay": 4096, "vDecay": 1024, "vThMant": integers.thresholds[index],
            }  # fmt: skip
            assert "messageBits" not in neuron


def test_planes_have_an_input_before_them_and_a_flatten_behind(tmp_path):
    layers = [Conv2d(4, (3, 2), stride=(2, 1), padding=(1, 0)), Conv2d(3, 2), Dense(5), Dense(2)]
    config = CONFIG.replace(layers=layers, layer_sizes=(), input_shape=(2, 7, 6))
    integers = to_netx(DesireNetwork(config), tmp_path / "net.net")
    with h5py.File(tmp_path / "net.net") as file:
        groups = [file[f"layer/{index}"] for index in range(len(file["layer"]))]
        kinds = [group["type"][0].decode() for group in groups]
        assert kinds == ["input", "conv", "conv", "flatten", "dense", "dense"]
        assert groups[0]["shape"][()].tolist() == [2, 7, 6]
        first = {name: group[()] for name, group in groups[1].items() if name != "neuron"}
        np.testing.assert_array_equal(first["weight"], integers.weights[0])
        assert first["shape"].tolist() == [4, 4, 5]
        assert first["stride"].tolist() == [2, 1]
        assert first["padding"].tolist() == [1, 0]
        assert first["dilation"].tolist() == [1, 1]
        assert first["groups"] == 1
        assert groups[4]["weight"].shape == (5, 36)
        thresholds = [int(group["neuron/vThMant"][()]) for group in groups if "neuron" in group]
        assert tuple(thresholds) == integers.thresholds


def test_reset_by_subtraction_is_refused_unless_it_is_to_be_converted(tmp_path):
    network = DesireNetwork(CONFIG.replace(reset="subtract"))
    with pytest.raises(ValueError, match="netx builds neurons that reset to zero"):
        to_netx(network, tmp_path / "net.net")
    assert list(tmp_path.iterdir()) == []
    assert to_netx(network, tmp_path / "net.net", convert_reset=True).config.reset == "zero"


def test_an_exponent_is_multiplied_in_where_it_fits(tmp_path):
    weights = (np.full((4, 5), -128), np.full((3, 4), 127))
    written = to_netx(IntegerNetwork(CONFIG, weights, (9, 9), (1, 1)), tmp_path / "net.net")
    assert written.weight_exponents == (1, 1)
    with h5py.File(tmp_path / "net.net") as file:
        assert file["layer/0/weight"][()].min() == -256
        assert file["layer/1/weight"][()].max() == 254
    for exponent in (2, -1):
        network = IntegerNetwork(CONFIG, weights, (9, 9), (0, exponent))
        with pytest.raises(ValueError, match=rf"layer 2 are 127 to 127 times 2\^{exponent}"):
            to_netx(network, tmp_path / "net.net")


def test_exponents_that_do_not_fit_go_into_thresholds_when_told(tmp_path):
    weights = (np.full((4, 5), -128), np.full((3, 4), 100), np.full((2, 3), 30))
    config = DesireConfig((5, 4, 3, 2), reset="zero")
    network = IntegerNetwork(config, weights, (9, 39, 5), (1, 3, -1))
    with pytest.raises(ValueError, match="export with convert_exponents=True, and measure"):
        to_netx(network, tmp_path / "net.net")
    report = export(network, tmp_path / "net.net", to="netx", convert_exponents=True)
    assert report.endswith(
        "; exponents of weights went into thresholds (39 is 5 in layer 2, 5 is 10 in layer 3), "
        "which rounds otherwise: measure its accuracy"
    )
    with h5py.File(tmp_path / "net.net") as file:
        layers = [file[f"layer/{index}"] for index in range(3)]
        assert [int(layer["neuron/vThMant"][()]) for layer in layers] == [9, 5, 10]
        assert [int(layer["weight"][0, 0]) for layer in layers] == [-256, 100, 30]


def test_a_network_that_learned_in_integers_goes_to_netx(tmp_path):
    learner = DesireNetwork(CONFIG, arithmetic="fixed_point")
    with pytest.raises(ValueError, match="netx knows no exponent"):
        to_netx(learner, tmp_path / "net.net")
    written = to_netx(learner, tmp_path / "net.net", convert_exponents=True)
    assert written.thresholds == as_integers(learner).without_exponents().thresholds
    assert written.weight_exponents == (0, 0)


def test_weights_that_netx_cannot_read_are_refused(tmp_path):
    weights = (np.zeros((4, 5), int), np.ones((3, 4), int))
    with pytest.raises(ValueError, match="weights of layer 1 are all 0"):
        to_netx(IntegerNetwork(CONFIG, weights, (9, 9)), tmp_path / "net.net")


def test_a_refused_or_failed_file_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "net.net"
    path.write_bytes(b"old")
    monkeypatch.setattr("lava_desire.deploy.netx_file._write", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        to_netx(DesireNetwork(CONFIG), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
