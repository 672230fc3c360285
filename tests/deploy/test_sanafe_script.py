"""The script for SANA-FE's Loihi, without SANA-FE: ``make check-emulators`` runs it there."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest

from lava_desire import Conv2d, Dense, DesireConfig, DesireNetwork
from lava_desire.deploy import IntegerNetwork, export
from lava_desire.deploy.chips import find_chip
from lava_desire.deploy.integer_network import as_integers
from lava_desire.deploy.placement import place

CONVOLUTION = {"layers": [Conv2d(4, 3, stride=2, padding=1), Dense(10)], "input_shape": (1, 8, 8)}


def loaded(script, monkeypatch):
    """Return the names of a script whose import of SANA-FE succeeds."""
    monkeypatch.setitem(sys.modules, "sanafe", ModuleType("sanafe"))
    names = {"__name__": script.stem, "__file__": str(script)}
    exec(compile(script.read_text(), script, "exec"), names)
    return names


@pytest.mark.parametrize("fields", [{"layer_sizes": (64, 30, 10)}, CONVOLUTION])
@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_a_script_holds_every_synapse_and_encodes_as_the_network(
    fields, reset, tmp_path, monkeypatch
):
    network = as_integers(
        DesireNetwork(DesireConfig(**fields, reset=reset), arithmetic="fixed_point")
    )
    said = export(network, tmp_path / "net.py", to="sanafe")
    assert "SANA-FE's Loihi" in said
    names = loaded(tmp_path / "net.py", monkeypatch)
    images = np.random.default_rng(0).integers(0, 256, (3, 64), dtype=np.uint8)
    np.testing.assert_array_equal(names["encode"](images), network.encode(images))
    settings = names["SETTINGS"]
    assert (settings["reset_mode"], settings["decay"]) == (
        {"zero": "hard", "subtract": "soft"}[reset],
        1 - network.voltage_decay / 4096,
    )
    with np.load(tmp_path / "net.npz") as file:
        for number, synapse in enumerate(network.config.synapses, start=1):
            pre, post = file[f"synapses_{number}"].T
            matrix = np.zeros((synapse.num_pre, synapse.num_post), int)
            matrix[pre, post] = file[f"weights_{number}"]
            unit = np.eye(synapse.num_pre, dtype=bool)
            np.testing.assert_array_equal(
                matrix, synapse.current(network.weights[number - 1], unit)
            )
            assert len(file[f"cores_{number}"]) == synapse.num_post
        assert not file["cores_0"].any()
        assert file["cores_1"].min() == 1


def test_what_the_chip_or_the_emulator_cannot_do_is_refused(tmp_path):
    path = tmp_path / "net.py"
    floating = DesireNetwork(DesireConfig((4, 3, 2)))
    with pytest.raises(ValueError, match="expected samples to choose scales with"):
        export(floating, path, to="sanafe")
    with pytest.raises(ValueError, match=r"784-9000-9000-10 does not fit one Intel Loihi"):
        place(DesireConfig((784, 9000, 9000, 10)), find_chip("loihi1"))
    weights = [np.ones((3, 4), int), np.ones((2, 3), int)]
    shifted = IntegerNetwork(floating.config, weights, (9, 9), (0, -1))
    with pytest.raises(ValueError, match="weight exponent of layer 2 is -1"):
        export(shifted, path, to="sanafe")
    assert not path.exists()
