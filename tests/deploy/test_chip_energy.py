"""Energy on a chip: what is counted, against SANA-FE and by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from lava_desire import (
    Conv2d,
    Dense,
    DesireConfig,
    DesireNetwork,
    evaluate,
    fit,
    load_dataset,
)
from lava_desire.data import Dataset
from lava_desire.deploy import energy

# What SANA-FE 2.2.9 gave for the first five test digits with the scripts of these networks, in
# joules: synapses, somas, network. The last has layers on several tiles.
SIMULATED = [
    ({"layer_sizes": (64, 30, 20, 10)}, (4.4722900e-07, 1.0115442e-07, 5.4612e-08)),
    (
        {
            "layers": [Conv2d(4, 3, stride=2, padding=1), Dense(10)],
            "input_shape": (1, 8, 8),
            "reset": "zero",
        },
        (7.193880e-08, 1.0579836e-07, 3.8739e-08),
    ),
    ({"layer_sizes": (64, 2200, 40, 10)}, (3.6290017e-05, 3.88645722e-06, 9.6635424e-07)),
]


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.mark.parametrize(("fields", "joules"), SIMULATED)
def test_derived_energy_is_what_the_simulator_gives(fields, joules, digits):
    network = DesireNetwork(DesireConfig(**fields), arithmetic="fixed_point")
    found = energy(network, digits, samples=5)
    derived = [found.total("sanafe", part) * 1e-12 for part in ("synapses", "somas", "network")]
    assert derived == pytest.approx(joules, rel=1e-9)


def test_in_integers_a_neuron_rests_when_its_potential_and_its_current_have_decayed():
    """Counted in plain Python, of a sample that is heard in a few steps: nobody else says."""
    config = DesireConfig((4, 3), num_steps=20, decay=0.5, synapse_decay=0.25, error_margin=2)
    network = DesireNetwork(config, arithmetic="fixed_point")
    images = np.array([[20, 0, 13, 0]], np.uint8)  # a spike or two
    data = {"x_train": images, "y_train": [0], "x_test": images, "y_test": [0]}
    rule, form = network.rule, network.rule.formats[0]
    weights, trains = network.numpy_weights()[0].tolist(), network.forward(images).spikes
    num_active = 0
    for neuron in range(3):
        potential = current = 0
        for step in range(20):
            heard = [int(spike) for spike in trains[0][step, 0]]
            num_active += any(heard) or potential != 0 or current != 0
            total = sum(w * s for w, s in zip(weights[neuron], heard, strict=True))
            activation = 64 * (total << form.weight_exp)
            current = int(current * rule.synapse_decay / 4096) + activation
            potential = int(potential * rule.decay / 4096) + current
            potential -= int(trains[1][step, 0, neuron]) * 64 * form.threshold
    assert 0 < num_active < 3 * 20
    found = energy(network, data, samples=1).layers[0].events
    assert found["neuron_updates"] == num_active
    assert found["neuron_updates_idle"] == 3 * 21 - num_active


def test_learning_touches_the_synapses_of_neurons_with_a_desire(digits):
    network = DesireNetwork(DesireConfig((64, 20, 10)))
    before = network.numpy_weights()
    found = energy(network, digits, samples=8)
    images, labels = digits.train_images[:8], digits.train_labels[:8]
    activity = network.forward(images)
    for layer, desire in zip(found.layers, network.desires(activity, labels), strict=True):
        fan_in = (64, 20)[layer.layer - 1]
        assert layer.learning["desires"] == int((desire != 0).sum()) / 8
        assert layer.learning["updates_with_desire"] == layer.learning["desires"] * fan_in
        assert layer.learning["weights_changed"] <= layer.learning["updates_of_spiking"]
        assert layer.learning["updates_of_spiking"] <= layer.learning["updates_with_desire"]
    assert found.learning_total("updates_dense") == (64 * 20 + 20 * 10) * 120
    assert found.layers[0].learning["errors_back"] == 0
    assert all(map(np.array_equal, before, network.numpy_weights()))
    assert "a neuron keeps a potential" in found.report


def test_chips_without_energies_are_refused_by_name(digits):
    network = DesireNetwork(DesireConfig((64, 20, 10)))
    with pytest.raises(ValueError, match=r"'loihi2', and no document gives its energies.*loihi1"):
        energy(network, digits, "loihi2")
    for samples in (0, True):
        with pytest.raises(ValueError, match=f"samples is {samples}"):
            energy(network, digits, samples=samples)


def test_the_largest_integer_is_all_samples(digits):
    train, test = ((images[:6], labels[:6]) for images, labels in (digits.train, digits.test))
    few = Dataset("few", *train, *test, num_classes=10)
    network = DesireNetwork(DesireConfig((64, 5, 10)))
    own, all_of_them = (energy(network, few, samples=most) for most in (np.int64(6), sys.maxsize))
    assert own.to_dict() == all_of_them.to_dict()
    assert type(own.samples) is int


def test_classes_are_numbered_by_their_names(digits):
    names = np.array([f"digit {number}" for number in range(10)])
    chosen = np.isin(digits.train_labels, (3, 5)), np.isin(digits.test_labels, (3, 5))
    parts = {
        "train_images": digits.train_images,
        "train_labels": names[digits.train_labels],
        "test_images": digits.test_images,
        "test_labels": names[digits.test_labels],
    }
    all_of_them = {name: part[:400] for name, part in parts.items()}
    two = {name: part[chosen[name.startswith("test")]][:40] for name, part in parts.items()}
    network = DesireNetwork(DesireConfig((64, 40, 10), epochs=5, learning_rate=4e-4, batch_size=8))
    fit(network, all_of_them)
    found = energy(network, two, samples=40)
    accuracy = evaluate(network, two).accuracy
    assert found.accuracy == pytest.approx(accuracy)
    assert accuracy > 0
