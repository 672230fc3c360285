"""Measurements and pictures of networks with planes of neurons."""

from __future__ import annotations

import numpy as np
import pytest

from lava_desire import DesireConfig, DesireNetwork, rule
from lava_desire.analysis import figures, plot_classified_images, plot_weights
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


@pytest.fixture
def shown(monkeypatch):
    """Return what images were drawn, in place of files."""
    drawn = []
    monkeypatch.setattr(
        figures,
        "write_figure",
        lambda figure, path, **options: drawn.extend(
            np.ma.filled(image.get_array().astype(float), np.nan)
            for axes in figure.axes
            for image in axes.images
        ),
    )
    return drawn


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


def test_kernels_are_drawn_as_they_are(shown):
    network = DesireNetwork(CONFIG)
    plot_weights(network, "none.png")
    kernels = network.numpy_weights()[0]
    assert len(shown) == 4
    for picture, kernel in zip(shown, kernels, strict=True):
        assert picture.shape == (3, 11)  # three channels of a width of 3, apart
        for channel in range(3):
            part = picture[:, 4 * channel : 4 * channel + 3]
            np.testing.assert_array_equal(part, kernel[channel])
        assert np.isnan(picture[:, [3, 7]]).all()


def test_receptive_fields_are_images_of_the_inputs(shown):
    network = DesireNetwork(DesireConfig((12, 6, 2)))
    plot_weights(network, "none.png", image_shape=(3, 4), at_most=3)
    fields = network.numpy_weights()[0].reshape(6, 3, 4)[::2]
    np.testing.assert_array_equal(np.array(shown), fields)
    with pytest.raises(ValueError, match=r"image_shape is \(3, 3\): expected height x width = 12"):
        plot_weights(network, "none.png")


@pytest.mark.parametrize(("channels", "expected"), [(3, (6, 4, 3)), (2, (6, 4))])
def test_images_of_three_channels_are_in_colour(shown, channels, expected):
    config = CONFIG.replace(input_shape=(channels, 6, 4))
    images = IMAGES[:2, :channels]
    activity = DesireNetwork(config).forward(images)
    plot_classified_images(config, activity, images, [0, 1], config.input_shape, "none.png")
    assert [image.shape for image in shown] == [expected] * 2
    one = np.moveaxis(images[0], 0, -1)
    np.testing.assert_allclose(shown[0], one if channels == 3 else one.mean(-1))
