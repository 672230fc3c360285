"""Images of a network that knows its planes: every entry takes the same forms of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, DesireNetwork, evaluate, fit
from lava_desire.data import DataError, Dataset, SpikeTrains, load_npz
from lava_desire.deploy.integer_network import encode_images

RANDOM = np.random.default_rng(3)
COLOUR = RANDOM.integers(0, 256, (12, 3, 6, 8), dtype=np.uint8)
GREY = COLOUR[:, :1].copy()
LABELS = np.arange(12) % 3


def config_of(channels, **fields):
    return DesireConfig(
        layers=("4c3s2", "3"), input_shape=(channels, 6, 8), num_steps=4, error_margin=1, **fields
    )


ONE, THREE = config_of(1), config_of(3)
DENSE = DesireConfig((48, 3), num_steps=4, error_margin=1)


def forward(config, images):
    return DesireNetwork(config).forward(images).spikes[0].numpy()


def train_step(config, images):
    network = DesireNetwork(config)
    network.train_step(images, LABELS[: len(images)], 0.01)
    return network.numpy_weights()[0]


def trained(config, images):
    network = DesireNetwork(config.replace(epochs=1))
    fit(network, (images, LABELS), (images, LABELS))
    return network.numpy_weights()[0]


def trained_on_tensors(config, images):
    network = DesireNetwork(config.replace(epochs=1))
    tensors = torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(LABELS)
    fit(network, torch.utils.data.TensorDataset(*tensors))
    return network.numpy_weights()[0]


def evaluated(config, images):
    return evaluate(DesireNetwork(config), (images, LABELS)).confusion


def encoded(config, images):
    return encode_images(images, config)


def sent_by_lava(config, images):
    pytest.importorskip("lava.magma", reason="Lava is not installed")
    from lava_desire.proc import SampleSource

    source = SampleSource(config=config, images=images, labels=LABELS)
    return np.asarray(source.proc_params["samples"][0])


ENTRIES = [forward, train_step, trained, trained_on_tensors, evaluated, encoded, sent_by_lava]


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_takes_the_same_forms(entry):
    expected = entry(ONE, GREY)
    for images in (GREY[:, 0], np.moveaxis(GREY, 1, -1), GREY.reshape(12, 48)):
        np.testing.assert_array_equal(entry(ONE, images), expected)
    np.testing.assert_array_equal(entry(THREE, COLOUR), entry(THREE, COLOUR.reshape(12, 144)))


WRONG = {
    "channels last": (THREE, np.moveaxis(COLOUR, 1, -1), r"\(B, 3, 6, 8\).*images.*\(0, 3, 1, 2\)"),
    "turned": (
        ONE,
        GREY[:, 0].transpose(0, 2, 1),
        r"expected \(B, 6, 8\), \(B, 1, 6, 8\).*0, 2, 1",
    ),
    "turned planes": (THREE, COLOUR.transpose(0, 1, 3, 2), r"\(0, 1, 3, 2\)"),
    "as many values": (ONE, GREY.reshape(12, 4, 12), r"shape \(12, 4, 12\): expected \(B, 6, 8\)"),
    "RGB": (ONE, COLOUR, r"RGB images become one channel by \(np.moveaxis\(.*, 1, -1\) @ \["),
    "dense, RGB": (DENSE, COLOUR, r"3 channels a pixel: .*input_shape is \(channels, height"),
    "dense, channels last": (DENSE, np.moveaxis(COLOUR, 1, -1), r"reshape\(len\(.*np.moveaxis"),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("name", WRONG)
def test_every_entry_refuses_other_planes(entry, name):
    config, images, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        entry(config, images)


@pytest.mark.parametrize("image", [GREY[0, 0], GREY[0].ravel(), COLOUR[0]], ids=np.shape)
def test_one_image_alone_is_told_how_to_be_a_batch(image):
    config = THREE if image.ndim == 3 else ONE
    with pytest.raises(DataError, match=r"one image alone is images\[None\]"):
        DesireNetwork(config).forward(image)


def test_a_data_set_keeps_planes(tmp_path):
    data = Dataset("rgb", COLOUR, LABELS, COLOUR[:3], LABELS[:3])
    assert (data.image_shape, data.input_shape, data.num_inputs) == ((3, 6, 8), (3, 6, 8), 144)
    assert Dataset("grey", GREY, LABELS).input_shape == (1, 6, 8)
    assert Dataset("rows", GREY.reshape(12, 48), LABELS).input_shape == ()
    np.savez(tmp_path / "rgb.npz", images=COLOUR[:, :, :, :6], labels=LABELS)
    assert load_npz(tmp_path / "rgb.npz").image_shape == (3, 6, 6)
    many = RANDOM.integers(0, 256, (12, 5, 6, 4), dtype=np.uint8)  # which axis is of channels?
    with pytest.raises(DataError, match="4 channels a pixel"):
        Dataset("many", many, LABELS)
    assert Dataset("many", many, LABELS, image_shape=(5, 6, 4)).input_shape == (5, 6, 4)
    with pytest.raises(DataError, match=r"test_images have shape .* expected \(B, 3, 6, 8\)"):
        Dataset("rgb", COLOUR, LABELS, COLOUR.transpose(0, 1, 3, 2), LABELS)
    trains = SpikeTrains.pack(RANDOM.random((4, 12, 3, 6, 8)) < 0.5)
    assert Dataset("events", trains, LABELS).input_shape == (3, 6, 8)


def test_planes_of_a_data_set_are_those_of_the_network():
    data = Dataset("rgb", COLOUR, LABELS, COLOUR, LABELS)
    learned = DesireNetwork(THREE.replace(epochs=1))
    fit(learned, data)
    np.testing.assert_array_equal(learned.numpy_weights()[0], trained(THREE, COLOUR))
    wide = Dataset("wide", GREY.reshape(12, 4, 12), LABELS, GREY.reshape(12, 4, 12), LABELS)
    for other, config, message in (
        (wide, ONE, "images of wide are planes of 1 x 4 x 12: expected 1 x 6 x 8"),
        (data, DENSE.resized(144), "images of rgb have shape .S, 3, 6, 8., 3 channels a pixel"),
    ):
        for use in (fit, evaluate):
            with pytest.raises(DataError, match=message):
                use(DesireNetwork(config), other)


def test_planes_of_spikes_are_those_of_the_network():
    spikes = RANDOM.random((4, 2, 3, 6, 8)) < 0.5
    network = DesireNetwork(THREE)
    flat = network.forward(spikes.reshape(4, 2, 144)).spikes[1]
    assert torch.equal(network.forward(spikes).spikes[1], flat)
    with pytest.raises(DataError, match="planes of 6 x 8 x 3: expected 3 x 6 x 8"):
        network.forward(np.moveaxis(spikes, 2, -1))
