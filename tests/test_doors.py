"""NaN, infinity and what else is no number are refused where they come in, with their place."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lava_desire import DesireConfig, DesireNetwork, evaluate, fit
from lava_desire.data import DataError, Dataset, load_npz

CONFIG = DesireConfig((4, 3, 2), num_steps=6, error_margin=1)
IMAGES = np.full((5, 4), 0.5, np.float32)
LABELS = np.array([0, 1, 0, 1, 0])
NOT_FINITE = [np.nan, np.inf, -np.inf]
NUMBERS = [
    field.name
    for field in dataclasses.fields(DesireConfig)
    if field.name not in ("layer_sizes", "reset", "learning_rate_scale")
]


def refusal_of_labels(value):
    if np.isnan(value):
        return r"labels hold nan at \[1\], no value: expected a label a sample"
    return r"labels are float64: expected integers"


def spoiled(array, value):
    array = array.copy()
    array[2, 1] = value
    return array


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("name", NUMBERS)
def test_a_configuration_has_none_in_any_field(name, value):
    with pytest.raises(ValueError, match=f"{name} is -?(nan|inf)"):
        CONFIG.replace(**{name: value})


@pytest.mark.parametrize("name", NUMBERS)
def test_an_integer_that_no_float_can_hold_is_refused(name):
    for value in (10**400, -(10**400), 10**5000):
        with pytest.raises(ValueError, match=name):
            CONFIG.replace(**{name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate_scale": (1.0, np.nan)}, "learning_rate_scale is nan"),
        ({"layer_sizes": (4, 2.0)}, "expected integers"),
        ({"layer_sizes": (4, 2**31)}, "at most 2147483647 neurons"),
        ({"layer_sizes": (1,) * 1001}, "has 1001 layers"),
        ({"num_steps": 4097}, r"num_steps is 4097: expected an integer in \[1, 4096\]"),
        ({"batch_size": 2**31}, r"batch_size is 2147483648: .* \[1, 2147483647\]"),
        ({"threshold": 1e-40}, r"expected 2\*\*-100 <= threshold"),
        ({"threshold": 1e40}, r"threshold <= 2\*\*100"),
    ],
)
def test_a_configuration_that_no_machine_can_run_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        CONFIG.replace(**change)


@pytest.mark.parametrize("value", NOT_FINITE)
def test_a_network_takes_none(value):
    network = DesireNetwork(CONFIG)
    before = network.numpy_weights()
    images = spoiled(IMAGES, value)
    for call in (
        lambda: network.forward(images),
        lambda: network.predict(images.astype(np.float64)),
        lambda: network.train_step(images, LABELS, 1e-3),
        lambda: evaluate(network, (images, LABELS)),
        lambda: fit(network, (images, LABELS), (IMAGES, LABELS)),
        lambda: fit(network, (IMAGES, LABELS), (images, LABELS)),
    ):
        with pytest.raises(ValueError, match=r"images hold the brightness .* at \[2, 1\]"):
            call()
    with pytest.raises(ValueError, match="learning_rate is"):
        network.train_step(IMAGES, LABELS, value)
    with pytest.raises(ValueError, match=refusal_of_labels(value)):
        network.train_step(IMAGES, np.where(LABELS, value, 0.0), 1e-3)
    for mine, other in zip(network.numpy_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("arithmetic", ["floating_point", "fixed_point"])
def test_weights_have_none(value, arithmetic):
    weights = [spoiled(np.ones((3, 4), np.float32), value), np.ones((2, 3), np.float32)]
    with pytest.raises(ValueError, match=r"NaN or infinity"):
        DesireNetwork(CONFIG, weights=weights, arithmetic=arithmetic)
    weights = [np.ones((3, 4), np.float32), spoiled(np.ones((3, 2), np.float32), value).T]
    with pytest.raises(ValueError, match=r"weights\[1\].*NaN or infinity|NaN or infinity"):
        DesireNetwork(CONFIG, weights=weights, arithmetic=arithmetic)


@pytest.mark.parametrize("value", NOT_FINITE)
def test_a_data_set_and_a_file_have_none(tmp_path, value):
    images = spoiled(IMAGES, value)
    with pytest.raises(DataError, match=r"train_images hold the brightness .* at \[2, 1\]"):
        Dataset("mine", images, LABELS, IMAGES, LABELS, 2)
    with pytest.raises(DataError, match=r"test_images hold the brightness .* at \[2, 1\]"):
        Dataset("mine", IMAGES, LABELS, images, LABELS, 2)
    np.savez(tmp_path / "mine.npz", images=images, labels=LABELS)
    with pytest.raises(DataError, match=r"mine\.npz: images hold the brightness .* at \[2, 1\]"):
        load_npz(tmp_path / "mine.npz")
    np.savez(tmp_path / "mine.npz", images=IMAGES, labels=np.where(LABELS, value, 0.0))
    with pytest.raises(DataError, match=refusal_of_labels(value)):
        load_npz(tmp_path / "mine.npz")
