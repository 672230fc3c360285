"""Trained networks on Lava's processes give the spikes that they give here."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from lava_desire import Conv2d, Dense, DesireConfig, DesireNetwork, load_dataset
from lava_desire.deploy import IntegerNetwork, export, quantize, scale_to_integers, to_lava
from lava_desire.deploy.integer_network import as_integers, encode_images

pytest.importorskip("lava.magma", reason="Lava is not installed")

CONFIG = DesireConfig((64, 20, 15, 10), num_steps=12, reset="zero")
IMAGES = load_dataset("digits").test_images[:25]


def learned(**changes):
    """Return a network that has seen some digits, so that its output neurons spike."""
    network = DesireNetwork(CONFIG.replace(**changes))
    digits = load_dataset("digits")
    for first in range(0, 1200, 16):
        part = slice(first, first + 16)
        network.train_step(digits.train_images[part], digits.train_labels[part], 1e-4)
    return network


@pytest.mark.parametrize(
    ("reset", "alpha"), [("zero", 0), ("subtract", 0), ("zero", 0.75), ("subtract", 0.5)]
)
def test_floating_point_repeats_the_engine(reset, alpha):
    network = learned(reset=reset, synapse_decay=alpha, trace_baseline=float(alpha > 0))
    activity = network.forward(IMAGES)
    exported = to_lava(network)
    given = exported.output_spikes(activity.spikes[0].numpy())
    wanted = activity.spikes[-1].numpy()
    assert wanted.any()
    np.testing.assert_array_equal(given, wanted)


@pytest.mark.parametrize(
    ("reset", "alpha"), [("zero", 0), ("subtract", 0), ("zero", 0.7), ("subtract", 0.5)]
)
def test_fixed_point_repeats_the_integers_window_after_window(reset, alpha):
    network = learned(reset=reset, synapse_decay=alpha, trace_baseline=float(alpha > 0))
    integers = scale_to_integers(network)
    trains = encode_images(IMAGES, CONFIG)
    wanted = integers.spikes(trains)[-1]
    assert wanted.any()
    exported = to_lava(integers)
    np.testing.assert_array_equal(exported.output_spikes(trains), wanted)


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_the_engine_in_fixed_point_is_repeated_from_images_on(reset):
    digits = load_dataset("digits")
    network = learned(reset=reset, image_brightness=0.4)
    twin = quantize(network, digits.train, test=digits.test).network
    exported = to_lava(twin)
    assert exported.arithmetic == "fixed_pt"
    counts = exported.count_spikes(IMAGES)
    assert counts.any()
    np.testing.assert_array_equal(counts, twin.forward(IMAGES).counts[-1].numpy())
    spikes = as_integers(twin).spikes(twin.forward(IMAGES).spikes[0].numpy())
    for mine, other in zip(spikes, twin.forward(IMAGES).spikes[1:], strict=True):
        np.testing.assert_array_equal(mine, other.numpy())


def test_exponents_are_shifted_as_by_the_integers():
    config = DesireConfig((6, 5, 4, 3), num_steps=6, error_margin=1, reset="zero")
    generator = np.random.default_rng(0)
    shapes = ((5, 6), (4, 5), (3, 4))
    weights = tuple(generator.integers(-60, 128, shape) for shape in shapes)
    integers = IntegerNetwork(config, weights, (300, 100, 30), (3, 0, -2))
    trains = generator.random((6, 8, 6)) < 0.5
    wanted = integers.spikes(trains)[-1]
    assert 0 < wanted.sum() < wanted.size
    np.testing.assert_array_equal(to_lava(integers).output_spikes(trains), wanted)


def test_the_user_is_told_which_neurons_they_got():
    stock = to_lava(DesireNetwork(CONFIG))
    assert (stock.neuron_class, stock.is_stock, stock.arithmetic) == (
        "LIFReset", True, "floating_pt",
    )  # fmt: skip
    assert "stock Lava processes (Dense and LIFReset); 15 time steps" in stock.description
    ours = to_lava(DesireNetwork(CONFIG.replace(reset="subtract")))
    assert (ours.neuron_class, ours.is_stock) == ("DesireLIF", False)
    assert "no neuron of Lava resets by subtraction" in ours.description
    integers = scale_to_integers(DesireNetwork(CONFIG))
    assert to_lava(integers).arithmetic == "fixed_pt"


@pytest.mark.parametrize("brightness", [0, 0.4])
def test_integers_hear_the_encoder_of_the_engine(brightness):
    config = CONFIG.replace(image_brightness=brightness)
    for images in (IMAGES, np.rint(IMAGES * 255).astype(np.uint8)):
        wanted = DesireNetwork(config).forward(images).spikes[0].numpy()
        np.testing.assert_array_equal(encode_images(images, config), wanted)


def test_what_stock_processes_cannot_do_is_refused():
    with pytest.raises(ValueError, match="network is a str"):
        to_lava("net")
    with pytest.raises(ValueError, match=r"spike trains have shape \(3, 1, 64\): expected \(12"):
        to_lava(DesireNetwork(CONFIG)).output_spikes(np.zeros((3, 1, 64), bool))
    with pytest.raises(ValueError, match=r"images have shape \(2, 3\)"):
        to_lava(scale_to_integers(DesireNetwork(CONFIG))).predict(np.zeros((2, 3), np.uint8))


def test_no_images_give_no_predictions():
    exported = to_lava(scale_to_integers(DesireNetwork(CONFIG)))
    assert exported.predict(np.zeros((0, 64), np.uint8)).shape == (0,)


PLANES = {
    "strides": (("4c3s2x1p1x0", "3c2x3", "5"), (2, 7, 6)),
    "no dense": (("3c3", "4c4s2"), (1, 6, 8)),
}


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("name", PLANES)
def test_convolutions_repeat_the_engine_in_both_arithmetics(name, reset):
    layers, shape = PLANES[name]
    config = DesireConfig(
        layers=layers, input_shape=shape, num_steps=8, error_margin=1, threshold=0.5, reset=reset
    )
    network = DesireNetwork(config)
    images = np.random.default_rng(0).random((5, config.num_inputs), dtype=np.float32)
    for exported in (to_lava(network), to_lava(scale_to_integers(network))):
        activity = network.forward(images)
        trains, wanted = activity.spikes[0].numpy(), activity.spikes[-1].numpy()
        if exported.arithmetic == "fixed_pt":
            wanted = scale_to_integers(network).spikes(trains)[-1]
        assert 0 < wanted.sum() < wanted.size
        np.testing.assert_array_equal(exported.output_spikes(trains), wanted)


def test_exponents_are_in_the_weights_of_a_convolution():
    config = DesireConfig(
        layers=[Conv2d(3, 3), Dense(4)], input_shape=(2, 5, 4), num_steps=6, error_margin=1,
        reset="zero",
    )  # fmt: skip
    generator = np.random.default_rng(0)
    weights = tuple(
        generator.integers(-60, 128, synapse.weight_shape) for synapse in config.synapses
    )
    integers = IntegerNetwork(config, weights, (900, 30), (3, -2))
    trains = generator.random((6, 8, 40)) < 0.5
    wanted = integers.spikes(trains)[-1]
    assert 0 < wanted.sum() < wanted.size
    exported = to_lava(integers)
    assert "stock Lava processes (Conv, Dense and LIFReset)" in exported.description
    np.testing.assert_array_equal(exported.output_spikes(trains), wanted)
    below = IntegerNetwork(config, weights, (900, 30), (-1, 0))
    with pytest.raises(ValueError, match=r"layer 1 have the exponent -1 and sum to .* at least 0"):
        to_lava(below)


@pytest.mark.parametrize("arithmetic", ["floating", "fixed"])
def test_a_script_holds_convolutions(arithmetic, tmp_path):
    layers, shape = PLANES["strides"]
    config = DesireConfig(
        layers=layers, input_shape=shape, num_steps=8, error_margin=1, threshold=0.5, reset="zero"
    )
    network = DesireNetwork(config)
    images = np.random.default_rng(0).integers(0, 256, (3, 84)).astype(np.uint8)
    activity = network.forward(images)
    wanted = activity.spikes[-1].numpy()
    if arithmetic == "fixed":
        network = scale_to_integers(network)
        wanted = network.spikes(activity.spikes[0].numpy())[-1]
    assert "(Conv, Dense, LIFReset)" in export(network, tmp_path / "net.py", to="lava")
    spec = importlib.util.spec_from_file_location("net", tmp_path / "net.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert wanted.any()
    np.testing.assert_array_equal(script.run(images).transpose(1, 0, 2), wanted)
