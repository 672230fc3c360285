"""Numbers that a kernel cannot hold are refused by name, and nothing runs on with NaN."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, DesireNetwork, evaluate, fit
from lava_desire.checkpoint import Checkpoint, CheckpointError, read_checkpoint, write_checkpoint
from lava_desire.model.fields import MOST_SAMPLES, declared
from lava_desire.randomness import DropoutStream, RoundingStream

from .threads import threads

CONFIG = DesireConfig((4, 3, 2), num_steps=6, error_margin=1, epochs=1)
IMAGES = np.full((5, 4), 0.9, np.float32)
LABELS = np.array([0, 1, 0, 1, 0])
BACKENDS = {
    "compiled": {},
    "torch": {"kernels": "torch"},
    "bfloat16x2": {"precision": "bfloat16x2"},
}
FLOATS = {
    field.name: allowed
    for field in dataclasses.fields(DesireConfig)
    if (allowed := declared(field).allowed) is not None
}
BELOW_ONE = [name for name, allowed in FLOATS.items() if allowed.largest < 1]
LARGE = float(np.finfo(np.float32).max)
SMALL = float(np.finfo(np.float32).tiny)


@pytest.mark.parametrize("name", FLOATS)
def test_what_float32_holds_as_zero_is_refused(name):
    for value in (1e-46, 5e-324, SMALL / 2):
        with pytest.raises(ValueError, match=rf"{name} is {value!r}: expected .*2\*\*-1"):
            CONFIG.replace(**{name: value})


@pytest.mark.parametrize("name", FLOATS)
def test_what_float32_holds_as_infinity_is_refused(name):
    for value in (3.5e38, math.nextafter(LARGE, math.inf), 1e308):
        with pytest.raises(ValueError, match=f"{name} is .*: expected"):
            CONFIG.replace(**{name: value})


@pytest.mark.parametrize("name", BELOW_ONE)
def test_what_float32_holds_as_one_is_refused_where_one_is(name):
    for value in (1 - 2.0**-25, 1 - 2.0**-53):
        assert np.float32(value) == 1
        with pytest.raises(ValueError, match=rf"{name} is .* <= 1 - 2\*\*-(24|16)"):
            CONFIG.replace(**{name: value})
    assert getattr(CONFIG.replace(**{name: FLOATS[name].largest}), name) < 1


@pytest.mark.parametrize("name", [name for name in FLOATS if name != "image_brightness"])
def test_the_ends_of_a_range_are_taken(name):
    allowed = FLOATS[name]
    largest = min(allowed.largest, 1) if "1" in allowed.meant else allowed.largest
    for value in (allowed.smallest, largest):
        assert getattr(CONFIG.replace(**{name: value}), name) == value
        assert np.isfinite(np.float32(value))
        assert np.float32(value) > 0


def test_a_brightness_that_makes_every_image_dark_is_refused():
    with pytest.raises(ValueError, match=r"image_brightness is 0\.0004: expected 0, or enough"):
        CONFIG.replace(image_brightness=0.0004)
    assert CONFIG.replace(image_brightness=0.001).image_brightness == 0.001


@pytest.mark.parametrize(
    ("rate", "scale", "message"),
    [
        (1e-30, (1.0, 1e-10), r"learning_rate times learning_rate_scale of layer 2 is 1e-40"),
        (1e30, (1e10, 1.0), r"learning_rate times learning_rate_scale of layer 1 is 1e\+40"),
        (1e-3, (1.0, 1e-46), r"learning_rate_scale is \(1.0, 1e-46\): expected factors of 0"),
        (1e-3, (1.0, 3.5e38), r"learning_rate_scale is \(1.0, 3.5e\+38\): expected factors of 0"),
    ],
)
def test_a_product_that_float32_cannot_hold_is_refused(rate, scale, message):
    with pytest.raises(ValueError, match=message):
        CONFIG.replace(learning_rate=rate, learning_rate_scale=scale)
    assert CONFIG.replace(learning_rate=rate, learning_rate_scale=(0.0, 0.0))


@pytest.mark.parametrize("options", BACKENDS.values(), ids=BACKENDS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layer", [1, 2])
def test_a_network_whose_weights_are_no_numbers_does_nothing(options, value, layer):
    network = DesireNetwork(CONFIG.replace(dropout_hidden=0.0), **options)
    # So that every neuron spikes, and the weight is heard.
    for weights in network.weights:
        weights[...] = 1.0
    network.weights[layer - 1][1, 1] = value
    before = network.numpy_weights()
    for call in (
        lambda: network.forward(IMAGES),
        lambda: network.predict(IMAGES),
        lambda: network.train_step(IMAGES, LABELS, 1e-3),
        lambda: evaluate(network, (IMAGES, LABELS)),
        lambda: fit(network, (IMAGES, LABELS), (IMAGES, LABELS)),
    ):
        with pytest.raises(ValueError, match=f"weights of layer {layer} became NaN or infinite"):
            call()
    for mine, other in zip(network.numpy_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("neuron", [0, 150, 299])
def test_no_thread_passes_on_spikes_of_a_potential_that_is_no_number(neuron):
    network = DesireNetwork(DesireConfig((4, 300, 3)), kernels="compiled")
    network.weights[0][neuron, 1] = np.nan
    images = np.ones((8, 4), np.float32)
    with threads(2):
        for _ in range(300):
            with pytest.raises(ValueError, match="weights of layer 1 became NaN"):
                network.forward(images)


@pytest.mark.parametrize("options", BACKENDS.values(), ids=BACKENDS)
def test_potentials_that_leave_float32_are_an_error(options):
    network = DesireNetwork(CONFIG, weights=[np.full((3, 4), 3e38), np.ones((2, 3))], **options)
    with pytest.raises(ValueError, match=r"weights of layer 1 reach 3e\+38, and potentials are no"):
        network.forward(np.ones((2, 4), np.float32))


@pytest.mark.parametrize("options", BACKENDS.values(), ids=BACKENDS)
def test_training_ends_where_weights_leave_float32(options):
    network = DesireNetwork(CONFIG.replace(dropout_hidden=0.0, epochs=9), **options)
    network.config = network.config.replace(learning_rate=1e38)
    with pytest.raises(ValueError, match=r"in epoch \d, weights of layer \d"):
        fit(network, (IMAGES, LABELS), (IMAGES, LABELS))


def test_weights_that_only_float64_holds_are_refused():
    said = "weights[0] holds 1e+300 at [0, 0]: expected what float32 can hold"
    for array in (np.asarray, torch.from_numpy):
        with pytest.raises(ValueError, match=re.escape(said)):
            DesireNetwork(CONFIG, weights=[array(np.full((3, 4), 1e300)), np.ones((2, 3))])


def test_weights_that_are_no_list_are_refused():
    with pytest.raises(ValueError, match="weights is 5: expected a list of 2 arrays"):
        DesireNetwork(CONFIG, weights=5)


@pytest.mark.parametrize("array", [np.zeros, torch.zeros])
@pytest.mark.parametrize("place", [[0, 0], [299, 1], [150, 599]])
def test_a_weight_that_is_not_finite_is_found_wherever_it_lies(array, place):
    weights = [array((300, 600)), array((2, 300))]
    weights[0][tuple(place)] = np.nan
    with pytest.raises(ValueError, match=re.escape(f"weights[0] holds NaN or infinity at {place}")):
        DesireNetwork(DesireConfig((600, 300, 2)), weights=weights)


def test_a_learning_rate_that_is_zero_in_integers_is_refused():
    config = CONFIG.replace(learning_rate=1e-12, learning_rate_scale=(0.0, 1.0))
    network = DesireNetwork(config, arithmetic="fixed_point")
    with pytest.raises(ValueError, match="learning_rate is 1e-12, which is 0 on the grid"):
        fit(network, (IMAGES, LABELS), (IMAGES, LABELS))


@pytest.mark.parametrize("value", [math.nan, math.inf, -1e-3, 3.5e38])
def test_a_step_takes_no_learning_rate_that_float32_cannot_hold(value):
    with pytest.raises(ValueError, match=r"learning_rate is .*expected 0 <= learning_rate"):
        DesireNetwork(CONFIG).train_step(IMAGES, LABELS, value)


@pytest.mark.parametrize("arithmetic", ["floating_point", "fixed_point"])
def test_a_network_that_has_seen_more_samples_than_can_be_counted_is_refused(arithmetic):
    network = DesireNetwork(CONFIG, arithmetic=arithmetic)
    for value in (MOST_SAMPLES + 1, 2**63 - 1, 2**63, 2**70):
        with pytest.raises(ValueError, match=f"samples_seen is {value}: expected samples_seen <= "):
            network.samples_seen = value
    network.samples_seen = MOST_SAMPLES - 3
    before = network.numpy_weights()
    with pytest.raises(ValueError, match=f"samples_seen is {MOST_SAMPLES + 2}"):
        network.train_step(IMAGES, LABELS, 1e-3)
    assert network.samples_seen == MOST_SAMPLES - 3
    for mine, other in zip(network.numpy_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_no_stream_goes_where_a_kernels_counter_would_overflow():
    stream = DropoutStream(2**20, 0.5, 0, 1)
    stream.seek(2**46 - 1)
    for call in (lambda: stream.seek(2**46), stream.draw, lambda: stream.skip(1)):
        with pytest.raises(ValueError, match=f"samples_seen is {2**46}: expected"):
            call()
    rounding = RoundingStream("weight", 2**20, 2**20, 0, 1)
    assert rounding.counter_of(2**26 - 2) < 2**63
    with pytest.raises(ValueError, match=f"samples_seen is {2**26}: expected"):
        rounding.counter_of(2**26)


@pytest.mark.parametrize(
    "change",
    [
        {"samples_seen": 2**63 - 1},
        {"samples_seen": 2**53 + 1},
        {"samples_seen": -1},
        {"rated_samples": [2**63 - 1, 0]},
        {"rated_samples": [0, -1]},
    ],
    ids=str,
)
def test_a_checkpoint_with_such_a_counter_is_refused_by_name(tmp_path, change):
    config = CONFIG.replace(trace_baseline=1.0)
    network = DesireNetwork(config)
    fields = {
        "input_rates": [np.zeros(4), np.zeros(3)],
        "rated_samples": [0, 0],
        **change,
    }
    path = tmp_path / "net.safetensors"
    write_checkpoint(Checkpoint(config, network.numpy_weights(), **fields), path)
    with pytest.raises(CheckpointError, match=f"{next(iter(change))} is .*: expected"):
        read_checkpoint(path)
    with pytest.raises(CheckpointError, match=f"{next(iter(change))} is .*: expected"):
        DesireNetwork.load(path)
