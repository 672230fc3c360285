"""Images with an OFF channel: what a network takes, and that all that computes hears the same."""

from __future__ import annotations

import dataclasses
import re
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from differential.accounts import Examination
from differential.draw import draw
from lava_desire import DesireConfig, DesireNetwork, evaluate, rule
from lava_desire.analysis.figures import plot_weights
from lava_desire.classifier import DesireClassifier
from lava_desire.data import Dataset, load_dataset
from lava_desire.data.checks import DataError
from lava_desire.deploy.integer_network import encode_images
from lava_desire.deploy.lava_script import write_lava_script
from lava_desire.engine import fit
from lava_desire.model.option import filtered
from lava_desire.training.loggers import weights_picture

FLAT = DesireConfig((16, 12, 3), num_steps=8, threshold=0.5, batch_size=4, epochs=1, seed=3)
CONFIG = FLAT.replace(off_channel=3)
OBLONG = FLAT.resized(20, input_shape=(1, 4, 5)).replace(off_channel=5, image_shift=1)
COLOURS = DesireConfig(layers=["3c2", "3"], input_shape=(2, 4, 5), num_steps=8, off_channel=3)
DRAW = np.random.default_rng(1)
CASE = 28  # whose neurons spike
CONFIGS = {"flat": CONFIG, "oblong": OBLONG, "two channels": COLOURS}


def images_for(config, count=6):
    return DRAW.integers(0, 256, (count, *config.image_planes)).astype(np.uint8)


def test_inputs_are_twice_the_pixels():
    assert (CONFIG.layer_sizes, CONFIG.num_inputs, CONFIG.num_pixels) == ((32, 12, 3), 32, 16)
    assert CONFIG.image_planes == (1, 4, 4)
    assert FLAT.num_pixels == FLAT.num_inputs == 16
    assert COLOURS.synapses[0].pre_shape == (4, 4, 5)
    assert COLOURS.shape_text == "4x4x5-3c2-3"


def test_inputs_follow_the_option():
    assert CONFIG.replace(off_channel=0) == FLAT
    assert CONFIG.replace(off_channel=5).layer_sizes == CONFIG.layer_sizes
    assert COLOURS.replace(off_channel=0).num_inputs == 40
    assert FLAT.resized(25, (7,), off_channel=3).layer_sizes == (50, 7, 3)
    assert CONFIG.resized(hidden=(7,)).layer_sizes == (32, 7, 3)
    assert OBLONG.replace(layer_sizes=(40, 3)).input_shape == (1, 4, 5)
    assert DesireConfig.from_json(OBLONG.to_json()) == OBLONG
    assert "off_channel" not in FLAT.to_dict()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"off_channel": 4}, "off_channel is 4: expected 0, or an odd side from 3 to 255"),
        ({"off_channel": 1}, "off_channel is 1: expected 0, or an odd side from 3 to 255"),
        ({"off_channel": 257}, "off_channel is 257: expected 0, or an odd side from 3 to 255"),
        ({"off_channel": "3"}, "off_channel is '3': expected an integer, 0, or an odd side"),
        (
            {"off_channel": 3},
            "inputs, 2 a pixel, are no square image, and there are 16: images of 16 pixels have 32",
        ),
        (
            {"off_channel": 3, "input_shape": (1, 4, 4)},
            "layer_sizes is (16, 12, 3): expected (32, 12, 3)",
        ),
    ],
)
def test_other_sides_and_sizes_are_refused(fields, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        DesireConfig((16, 12, 3), **fields)


def test_one_input_is_refused_for_a_pixel_and_its_off_cell():
    with pytest.raises(ValueError, match="off_channel is 3: expected 0 where the inputs are no sq"):
        DesireConfig((1, 3), off_channel=3)


@pytest.mark.parametrize("name", CONFIGS)
def test_channels_come_first_and_then_those_of_their_off_cells(name):
    config = CONFIGS[name]
    images = images_for(config)
    found = filtered(config, images.reshape(6, -1)).reshape(6, -1, *config.image_planes[1:])
    np.testing.assert_array_equal(
        found, np.concatenate([images, rule.off_levels(images, config.off_channel)], axis=1)
    )


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("kernels", ["compiled", "torch"])
def test_a_network_hears_what_the_rule_encodes(name, kernels):
    config = CONFIGS[name].replace(image_brightness=0.3)
    network, images = DesireNetwork(config, kernels=kernels), images_for(config)
    rows = images.reshape(len(images), -1)
    levels = rule.equalize_brightness(filtered(CONFIGS[name], rows), 0.3)
    wanted = rule.encode(levels.astype(np.float32) / np.float32(255), 8, config.threshold)
    for given in (rows, images, images / np.float32(255), torch.from_numpy(rows)):
        np.testing.assert_array_equal(network.forward(given).spikes[0], wanted)
    np.testing.assert_array_equal(encode_images(images, config), wanted)


@pytest.mark.parametrize(
    "pair",
    [
        ("torch operations", "compiled kernels"),
        ("torch operations", "the rule on NumPy"),
        ("torch operations", "the engine, resumed"),
        ("the engine in integers", "fixed on NumPy"),
        *(
            pytest.param(
                (first, second),
                marks=pytest.mark.skipif(find_spec("lava") is None, reason="Lava is not installed"),
            )
            for first, second in (
                ("the engine online", "Lava floating_pt"),
                ("the engine online", "Lava torch"),
                ("the engine online in integers", "Lava fixed_pt"),
            )
        ),
    ],
    ids=" = ".join,
)
def test_all_that_computes_learns_the_same(pair):
    found = Examination(CASE)
    found.case = dataclasses.replace(draw(CASE), config=draw(CASE).config.replace(class_margin=0))
    assert found.case.config.off_channel
    assert found.compare(pair)


@pytest.mark.skipif(find_spec("lava") is None, reason="Lava is not installed")
def test_a_script_counts_what_the_network_does(tmp_path):
    config = OBLONG.replace(reset="zero", image_brightness=0.3)
    network, images = DesireNetwork(config), images_for(config, 40).reshape(40, -1)
    script, _ = write_lava_script(network, tmp_path / "off.py")
    names = {"__name__": "off", "__file__": str(script)}
    exec(compile(script.read_text(), script, "exec"), names)
    for given in (images, images / np.float32(255)):
        np.testing.assert_array_equal(names["encode"](given), network.forward(given).spikes[0])
    counts = network.forward(images).counts[-1]
    assert counts.any()
    np.testing.assert_array_equal(names["count_spikes"](images), counts)


@pytest.mark.parametrize(
    ("brightness", "side", "message"),
    [
        (np.zeros((3, 3), np.uint8), 2, "side is 2: expected an odd side from 3 to 255"),
        (np.zeros((3, 3)), 3, "brightness is float64 (3, 3): expected uint8 (..., H, W)"),
        (np.zeros(9, np.uint8), 3, "brightness is uint8 (9,): expected uint8 (..., H, W)"),
    ],
)
def test_what_are_no_levels_or_sides_is_refused(brightness, side, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        rule.off_levels(brightness, side)


def test_the_classifier_makes_the_inputs():
    images, labels = images_for(CONFIG, 30).reshape(30, 16), np.arange(30) % 3
    classifier = DesireClassifier(hidden_layers=(5,), epochs=1, off_channel=3).fit(images, labels)
    assert classifier.network_.config.layer_sizes == (32, 5, 3)
    assert classifier.predict(images).shape == (30,)
    with pytest.raises(ValueError, match="off_channel is 3: expected 0 beside a complement"):
        DesireClassifier(complement=True, off_channel=3).fit(images, labels)


def test_images_of_both_channels_are_refused():
    network = DesireNetwork(CONFIG)
    with pytest.raises(DataError, match=r"images have shape \(3, 32\): expected \(B, 16\)"):
        network.predict(np.zeros((3, 32), np.uint8))
    with pytest.raises(DataError, match=r"images have shape \(3, 2, 4, 4\)"):
        network.predict(np.zeros((3, 2, 4, 4), np.uint8))


def test_spike_trains_are_refused():
    with pytest.raises(ValueError, match="off_channel is 3: expected 0 where inputs are spike tr"):
        DesireNetwork(CONFIG).forward(np.zeros((8, 3, 32), bool))


def test_images_of_another_shape_and_tables_are_refused():
    images, labels = images_for(CONFIG).reshape(6, 2, 8), np.arange(6) % 3
    with pytest.raises(ValueError, match=r"off_channel is 3: expected 0 where images are 2 x 8"):
        fit(DesireNetwork(CONFIG), (images, labels))
    table = Dataset("table", images.reshape(6, 16), labels, feature_names=tuple("abcdefghijklmnop"))
    with pytest.raises(ValueError, match="off_channel is 3: expected 0 where inputs are columns"):
        fit(DesireNetwork(CONFIG), table)


def test_digits_are_learned_with_it():
    digits = load_dataset("digits")
    network = DesireNetwork(DesireConfig.preset("digits").replace(off_channel=3, epochs=2))
    fit(network, digits.train)
    assert evaluate(network, digits.test).accuracy > 0.85


def test_weights_of_off_cells_are_drawn_beside_those_of_pixels(tmp_path):
    network = DesireNetwork(OBLONG)
    figure = plot_weights(network, tmp_path / "weights.png", at_most=1)
    picture = figure.axes[0].images[0].get_array().filled(np.nan)
    weights = network.numpy_weights()[0][0].reshape(2, 4, 5)
    shown = picture[-4:, :11]
    np.testing.assert_array_equal(shown[:, :5], weights[0])
    np.testing.assert_array_equal(shown[:, 6:], weights[1])
    assert np.isnan(shown[:, 5]).all()
    assert weights_picture(network).shape == (3 * 5 + 1, 4 * 6 + 1)
