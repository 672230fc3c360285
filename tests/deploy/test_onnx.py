"""onnxruntime computes the spikes and the classes of the network, in floats and in integers."""

from __future__ import annotations

import numpy as np
import pytest

from lava_desire import DesireConfig, DesireNetwork
from lava_desire.deploy import export, scale_to_integers

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 16), np.uint8)


@pytest.mark.parametrize("integers", [False, True])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("decay", [0.75, 0.3331])
def test_no_spike_differs(tmp_path, reset, decay, integers):
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    import onnxruntime

    config = DesireConfig((16, 30, 20, 4), reset=reset, decay=decay, seed=2)
    network = DesireNetwork(config)
    trains = network.forward(IMAGES).spikes
    exported = scale_to_integers(network) if integers else network
    expected = exported.spikes(trains[0].numpy())[-1] if integers else trains[-1].numpy()
    classes = exported.predict(IMAGES)
    export(exported, tmp_path / "a.onnx", to="onnx")
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    given = {"spikes": trains[0].numpy().astype(np.float32)}
    spikes, found = session.run(None, given)
    assert expected.any()
    np.testing.assert_array_equal(spikes.astype(bool), expected)
    np.testing.assert_array_equal(found, np.asarray(classes))


def test_what_a_graph_cannot_hold_is_refused(tmp_path):
    path = tmp_path / "a.onnx"
    for config, said in (
        (DesireConfig((4, 2), tie_break="earliest"), "tie_break"),
        (DesireConfig(layers=["2c3", "2"], input_shape=(1, 6, 6)), "conv2d|2c3"),
        (DesireConfig((4, 2), synapse_decay=0.5), "synapse_decay"),
    ):
        with pytest.raises(ValueError, match=said):
            export(DesireNetwork(config), path, to="onnx")
    assert not path.exists()
