"""Measurements and pictures of networks with planes of neurons."""

from __future__ import annotations

import numpy as np
import pytest

from lava_desire import DesireConfig, DesireNetwork, rule
from lava_desire.analysis import plot_classified_images, plot_weights
from lava_desire.analysis.complexity import count_measured
from lava_desire.analysis.contribution import input_contribution
from lava_desire.analysis.local_losses import local_losses
from lava_desire.analysis.spike_activity import activity_by_class

CONFIG = DesireConfig(
    layers=["4c3s2p1", "3"],
    input_shape=(3, 6, 4),
    num_steps=8,
    error_margin=1,
    threshold=0.4,
    desire_threshold_hidden=0,
)
IMAGES = np.random.default_rng(4).integers(0, 256, (5, 3, 6, 4), np.uint8)
LABELS = np.arange(5) % 3


def images_of(figure):
    """Return the images that a figure shows; NaN where there is nothing."""
    return [
        np.ma.filled(image.get_array().astype(float), np.nan)
        for axes in figure.axes
        for image in axes.images
    ]


def tiles(figure, height, width):
    """Return the pieces of a picture of weights, each below its number."""
    (mosaic,) = images_of(figure)[:1]
    places = [text.get_position() for text in figure.axes[0].texts]
    corners = [(round(y + 0.7), round(x + 0.5 - width / 2)) for x, y in places]
    return [mosaic[top : top + height, left : left + width] for top, left in corners]


def test_measurements_are_by_neuron():
    network = DesireNetwork(CONFIG)
    data = IMAGES.reshape(5, -1), LABELS
    assert [losses.shape for losses in local_losses(network, data).values()] == [(24,), (3,), ()]
    assert activity_by_class(network, data)["1"].shape == (3, 24)
    activity = network.forward(IMAGES)
    desire = network.desires(activity, LABELS)[0]
    error = rule.local_error(desire, rule.firing_rate(activity.counts[1], 8, 1))
    z = CONFIG.synapses[0].backward(network.weights[0], error)
    expected = (rule.firing_rate(activity.counts[0], 8, 0) * z).numpy()
    np.testing.assert_array_equal(input_contribution(network, activity, LABELS), expected)
    assert expected.any()
    with pytest.raises(ValueError, match="layer 1 are conv2d: the count of operations knows dense"):
        count_measured(network, IMAGES, LABELS)


def test_kernels_are_drawn_as_they_are():
    network = DesireNetwork(CONFIG)
    shown = tiles(plot_weights(network), 3, 11)
    kernels = network.numpy_weights()[0]
    assert len(shown) == 4
    for picture, kernel in zip(shown, kernels, strict=True):
        assert picture.shape == (3, 11)  # three channels of a width of 3, apart
        for channel in range(3):
            part = picture[:, 4 * channel : 4 * channel + 3]
            np.testing.assert_array_equal(part, kernel[channel])
        assert np.isnan(picture[:, [3, 7]]).all()


def test_receptive_fields_are_images_of_the_inputs():
    network = DesireNetwork(DesireConfig((12, 6, 2)))
    shown = tiles(plot_weights(network, image_shape=(3, 4), at_most=3), 3, 4)
    fields = network.numpy_weights()[0].reshape(6, 3, 4)[::2]
    np.testing.assert_array_equal(np.array(shown), fields)
    with pytest.raises(ValueError, match=r"image_shape is \(3, 3\): expected height x width = 12"):
        plot_weights(network)


@pytest.mark.parametrize(("channels", "expected"), [(3, (6, 4, 3)), (2, (6, 4))])
def test_images_of_three_channels_are_in_colour(channels, expected):
    config = CONFIG.replace(input_shape=(channels, 6, 4))
    images = IMAGES[:2, :channels]
    activity = DesireNetwork(config).forward(images)
    figure = plot_classified_images(config, activity, images, [0, 1], config.input_shape)
    shown = images_of(figure)
    assert [image.shape for image in shown] == [expected] * 2
    one = np.moveaxis(images[0], 0, -1)
    np.testing.assert_allclose(shown[0], one if channels == 3 else one.mean(-1))
