"""XyloNetwork computes what xylosim does, and only what fits Xylo is exported to it."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lava_desire import Conv2d, Dense, DesireConfig, DesireNetwork, evaluate, fit
from lava_desire.deploy import XyloNetwork, export, to_xylo
from lava_desire.deploy.integer_network import as_integers, encode_images
from lava_desire.fixed import LayerFormat, default_formats, xylo_formats

RECORDING = Path(__file__).with_name("xylosim.npz")
"""Written by ``python -m benchmarks.xylo record``."""


def recorded(index):
    """Return a network, its input spikes, and the spikes that xylosim gave."""
    with np.load(RECORDING) as file:
        prefix = f"network_{index}_"
        found = {name.removeprefix(prefix): file[name] for name in file if name.startswith(prefix)}
    counts, hidden, outputs = (found.pop(name) for name in ("counts", "hidden", "outputs"))
    config = DesireConfig((*found["weights_in"].shape, outputs.shape[2]))
    arrays = {name: int(array) if array.ndim == 0 else array for name, array in found.items()}
    return XyloNetwork(config, **arrays), counts, hidden, outputs


@pytest.mark.parametrize("index", range(6))
def test_no_spike_differs_from_those_recorded_of_xylosim(index):
    network, counts, hidden, outputs = recorded(index)
    run = network.run(counts)
    np.testing.assert_array_equal(run.hidden, hidden)
    np.testing.assert_array_equal(run.outputs, outputs)
    assert hidden.any()


def test_the_recording_saturates_and_has_steps_with_several_spikes():
    runs = [network.run(counts) for network, counts, _, _ in map(recorded, range(6))]
    assert any(run.hidden_saturated.any() for run in runs)
    assert max(run.hidden.max() for run in runs) == 31


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_a_script_holds_the_chain_as_one_recurrent_group(decay, tmp_path, monkeypatch):
    config = DesireConfig((16, 20, 12, 4), decay=0.75, synapse_decay=decay, num_steps=10)
    rng = np.random.default_rng(0)
    images, labels = rng.random((40, 16), dtype=np.float32), np.arange(40) % 4
    network = DesireNetwork(config)
    found = to_xylo(network, (images, labels))
    said = export(network, tmp_path / "net.py", to="xylo", data=(images, labels))
    assert f"{100 * found.report.accuracy_after:.2f} % in Xylo's integers" in said
    assert ("train it with synapse_decay=0.5" in said) == (decay == 0)
    simulator = ModuleType("xylosim.v2")
    simulator.XyloLayer = simulator.XyloSynapse = None
    monkeypatch.setitem(sys.modules, "xylosim", ModuleType("xylosim"))
    monkeypatch.setitem(sys.modules, "xylosim.v2", simulator)
    names = {"__name__": "net", "__file__": str(tmp_path / "net.py")}
    exec(compile((tmp_path / "net.py").read_text(), "net.py", "exec"), names)
    np.testing.assert_array_equal(names["encode"](images), encode_images(images, config))
    written = XyloNetwork(
        config, **{name: int(a) if a.ndim == 0 else a for name, a in names["arrays"]().items()}
    )
    np.testing.assert_array_equal(written.predict(images), found.network.predict(images))
    assert [train.shape[2] for train in written.spikes(encode_images(images, config))] == [
        20,
        12,
        4,
    ]
    assert not written.weights_rec[:, :20].any()
    assert not written.weights_out[:20].any()
    assert set(written.dash_mem) == {2}
    assert set(written.dash_syn) == {1}


def test_a_spike_counts_as_much_as_in_floating_point():
    config = DesireConfig((1, 1, 2), decay=0.75, synapse_decay=0.5, num_steps=12)
    network = DesireNetwork(config, weights=[np.full((1, 1), 0.6), np.full((2, 1), 0.6)])
    images = np.linspace(0.1, 1, 30, dtype=np.float32)[:, None]
    found = to_xylo(network, (images, np.arange(30) % 2))
    assert found.report.layers[0].count_error < 0.5


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"layer_sizes": (17, 20, 4)}, "17 inputs: expected at most 16"),
        ({"layer_sizes": (16, 1001, 4)}, "1001 hidden neurons: expected at most 1000"),
        ({"layer_sizes": (16, 20, 9)}, "9 outputs: expected at most 8"),
        ({"layer_sizes": (16, 20, 65, 4)}, "65 neurons in layer 2, .* at most 64"),
        ({"layer_sizes": (16, 4)}, "no hidden layer"),
        ({"layers": [Conv2d(2, 3), Dense(4)], "input_shape": (1, 4, 4)}, "are conv2d"),
        ({"layer_sizes": (16, 20, 4), "reset": "zero"}, "reset is 'zero'"),
        ({"layer_sizes": (16, 20, 4), "decay": 0.7}, r"decay is 0.7: expected 1 - 2\^-k"),
        ({"layer_sizes": (16, 20, 4), "synapse_decay": 0.4}, r"synapse_decay is 0.4: expected 1"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_number(fields, message, tmp_path):
    network = DesireNetwork(DesireConfig(**fields))
    with pytest.raises(ValueError, match=message):
        export(network, tmp_path / "net.py", to="xylo", data=None)
    assert not list(tmp_path.iterdir())


def test_arrays_of_another_size_or_range_are_refused():
    network = recorded(0)[0]
    arrays = network.arrays()
    for name, value, message in (
        ("dash_mem", arrays["dash_mem"] * 0, "dash_mem"),
        ("threshold", arrays["threshold"][:-1], "threshold"),
        ("weight_shift_in", 8, r"weight_shift_in is 8: expected an integer in \[0, 7\]"),
    ):
        with pytest.raises(ValueError, match=message):
            XyloNetwork(network.config, **{**arrays, name: value})


def test_integers_of_numpy_become_pythons_own():
    network = recorded(0)[0]
    names = ("weight_shift_in", "weight_shift_rec", "weight_shift_out")
    given = {name: np.int64(number) for number, name in enumerate(names)}
    arrays = XyloNetwork(network.config, **{**network.arrays(), **given}).arrays()
    assert [arrays[name] for name in names] == [0, 1, 2]
    assert {type(arrays[name]) for name in names} == {int}


XYLO = DesireConfig((16, 40, 12, 4), decay=0.75, synapse_decay=0.5, num_steps=10)


def learner(config=XYLO, **changes):
    formats = xylo_formats(config)
    return DesireNetwork(config.replace(**changes), arithmetic="fixed_point", formats=formats)


def test_a_network_that_learned_on_neurons_of_xylo_is_repeated_to_the_bit(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.random((60, 16), dtype=np.float32), np.arange(60) % 4
    network = learner()
    before = network.numpy_weights()
    for _ in range(3):
        network.train_step(images, labels, 1e-4)
    assert all((old != new).any() for old, new in zip(before, network.numpy_weights(), strict=True))
    found = to_xylo(network, (images, labels))
    assert (found.report.differing, found.report.bits) == (0, 10 * 60 * 56)
    trains = [train.numpy() for train in network.forward(images).spikes]
    for mine, there in zip(trains[1:], found.network.spikes(trains[0]), strict=True):
        assert mine.any()
        np.testing.assert_array_equal(mine, there)
    np.testing.assert_array_equal(found.network.predict(images), network.predict(images).numpy())
    said = export(network, tmp_path / "net.py", to="xylo")
    assert said.startswith(f"0 of {10 * 500 * 56} spikes of its layers differ on Xylo")
    network.save(tmp_path / "net.safetensors")
    again = DesireNetwork.load(tmp_path / "net.safetensors")
    assert again.rule.formats == network.rule.formats
    np.testing.assert_array_equal(again.predict(images), network.predict(images))


def test_weights_of_floating_point_keep_their_charge_on_neurons_of_xylo():
    """A current of Xylo has α of a spike at once: its weights are larger by 1 / α."""
    real = DesireNetwork(XYLO)
    network = DesireNetwork(
        XYLO, weights=real.numpy_weights(), arithmetic="fixed_point", formats=xylo_formats(XYLO)
    )
    form = network.rule.format_of(2)
    assert network.rule.step_of(2) == 0.5 * 2**7 / form.threshold
    inside = np.abs(real.numpy_weights()[1]) < 127 * network.rule.step_of(2)
    error = np.abs(network.float_weights()[1] - real.numpy_weights()[1])[inside]
    assert error.max() <= network.rule.step_of(2) / 2 + 1e-6
    potentials = network.potentials(np.ones((1, 16), np.float32))
    for each, layer in zip(potentials, network.rule.formats, strict=True):
        assert int(each.max()) < layer.threshold  # after one spike: there is no second


def test_outputs_have_room_for_inhibition_that_lasts():
    """Outputs on the hidden neurons' scale are cut at −2 thresholds: a class is not held down."""
    for layers in ((16, 200, 8), (16, 200, 60, 8), (16, 4, 8), (2, 1000, 2)):
        for decay in (0.5, 0.9375):
            config = XYLO.replace(layer_sizes=layers, synapse_decay=decay)
            *hidden, output = xylo_formats(config)
            assert all(2**14 <= layer.threshold < 2**15 for layer in hidden)
            assert 2**9 <= output.threshold <= 2**15 / 8
            unit = decay * config.threshold
            by_default = default_formats(config)[-1].step(config.threshold)
            assert output.step(unit) == pytest.approx(by_default, rel=1e-3)
    narrow = xylo_formats(XYLO.replace(weight_limit=2.0**-16))
    assert (narrow[-1].weight_exp, narrow[-1].threshold) == (0, 2**15 - 1)


def test_a_network_learns_on_neurons_of_xylo_nearly_what_it_does_in_floating_point():
    rng = np.random.default_rng(1)
    classes = rng.random((4, 16))
    labels = np.arange(240) % 4
    images = np.clip(classes[labels] + rng.normal(0, 0.15, (240, 16)), 0, 1).astype(np.float32)
    config = XYLO.replace(layer_sizes=(16, 60, 4), epochs=4, learning_rate=1e-3, batch_size=8)
    found = []
    for network in (DesireNetwork(config), learner(config)):
        fit(network, (images[:160], labels[:160]))
        found.append(evaluate(network, (images[160:], labels[160:])).accuracy)
    assert found[0] > 0.8
    assert found[1] > found[0] - 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reset": "zero"}, "reset is 'zero', and neurons of Xylo deduct θ"),
        ({"decay": 0.7}, r"decay is 0\.7: expected 1 - 2\^-k on Xylo"),
        ({"synapse_decay": 0.0}, r"synapse_decay is 0\.0: expected 1 - 2\^-k on Xylo"),
    ],
)
def test_what_neurons_of_xylo_cannot_do_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        learner(**changes)


def test_others_refuse_neurons_of_xylo_by_name(tmp_path):
    network, xylo = learner(), xylo_formats(XYLO)
    mixed = (*xylo[:-1], LayerFormat(0, 500))
    message = "formats have the neuron 'xylo': expected 'loihi'"
    with pytest.raises(ValueError, match=message):
        as_integers(network)
    with pytest.raises(ValueError, match="formats have neurons of loihi and xylo"):
        DesireNetwork(XYLO, arithmetic="fixed_point", formats=mixed)
    with pytest.raises(
        ValueError, match=r"threshold is 32768: expected an integer in \[1, 32767\]"
    ):
        LayerFormat(7, 2**15, 8, "xylo")
    low = (LayerFormat(7, 2**14 - 1, 8, "xylo"), *xylo[1:])
    with pytest.raises(ValueError, match=r"threshold of layer 1 is 16383: .* \[16384, 32767\]"):
        DesireNetwork(XYLO, arithmetic="fixed_point", formats=low)
    with pytest.raises(ValueError, match="neuron is 'brain': expected one of loihi, xylo"):
        LayerFormat(7, 20000, 8, "brain")
    with pytest.raises(ValueError, match="the network has neurons of Loihi in fixed point"):
        export(DesireNetwork(XYLO, arithmetic="fixed_point"), tmp_path / "net.py", to="xylo")


@pytest.mark.skipif(find_spec("lava") is None, reason="Lava is not installed")
def test_lava_refuses_neurons_of_xylo_by_name():
    from lava_desire.proc import DesireLIF, DesireSequential

    for make in (
        lambda: DesireSequential(config=XYLO, formats=xylo_formats(XYLO)),
        lambda: DesireLIF(config=XYLO, layer=1, formats=xylo_formats(XYLO)),
    ):
        with pytest.raises(
            ValueError, match="formats have the neuron 'xylo': expected 'loihi' in Lava"
        ):
            make()
