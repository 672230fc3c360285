"""Networks trained in floating point keep what they know in integers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lava_desire import DesireConfig, DesireNetwork, evaluate, fit, load_dataset
from lava_desire.deploy import quantize
from lava_desire.errors import RangeWarning
from lava_desire.fixed import default_formats


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def trained(digits):
    network = DesireNetwork(DesireConfig.preset("digits").replace(epochs=4))
    fit(network, digits.train, digits.test)
    return network


def test_eight_bits_classify_as_floats_do(trained, digits):
    before = trained.numpy_weights()
    found = quantize(trained, digits.train, test=digits.test)
    report = found.report
    assert report.accuracy_before == evaluate(trained, digits.test).accuracy > 0.85
    assert report.accuracy_after == evaluate(found.network, digits.test).accuracy
    assert abs(report.accuracy_after - report.accuracy_before) < 0.02
    assert report.weight_bytes == 64 * 200 + 200 * 100 + 100 * 10
    for old, new in zip(before, trained.numpy_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_fewer_bits_take_less_memory_and_err_more(trained, digits):
    eight, three = (quantize(trained, digits.train, bits).report for bits in (8, 3))
    assert three.weight_bytes * 8 == eight.weight_bytes * 3
    for fine, coarse in zip(eight.layers, three.layers, strict=True):
        assert fine.count_error < coarse.count_error
        assert coarse.step > fine.step
    json.dumps(three.to_dict())
    assert "accuracy on 1438 samples" in str(three)


def test_integers_of_numpy_become_pythons_own(trained, digits):
    few = digits.train_images[:40], digits.train_labels[:40]
    bits, epochs = np.int64(5), np.int64(1)
    found = quantize(trained, few, weight_bits=bits, fine_tune_epochs=epochs)
    assert json.loads(json.dumps(found.report.to_dict()))["fine_tune_epochs"] == 1
    formats = default_formats(trained.config, bits)
    assert formats == default_formats(trained.config, 5)
    assert {type(each.weight_bits) for each in (*formats, *found.network.rule.formats)} == {int}


def test_fine_tuning_in_integers_recovers_what_few_bits_lose(trained, digits):
    report = quantize(
        trained, digits.train, 2, test=digits.test, fine_tune_epochs=2, learning_rate=3e-6
    ).report
    assert report.accuracy_after > report.accuracy_untuned + 0.03
    assert report.fine_tune_epochs == 2


def test_one_huge_weight_does_not_cost_the_others_their_bits(trained, digits):
    weights = trained.numpy_weights()
    weights[0][0, 0] = 1000.0  # the corner of a digit is dark
    spoiled = DesireNetwork(trained.config, weights=weights)
    report = quantize(spoiled, digits.train, test=digits.test).report
    assert report.layers[0].clipped_share > 0
    assert abs(report.accuracy_after - report.accuracy_before) < 0.03


def test_a_wrong_argument_is_named(trained, digits):
    integer = quantize(trained, digits.train).network
    for arguments, message in (
        ((integer, digits.train), "network is in fixed point"),
        ((trained, digits.train, 9), "weight_bits is 9"),
        ((trained, (digits.train_images[:0], digits.train_labels[:0])), "data holds no samples"),
        ((trained, (digits.train_images[:, :5], digits.train_labels)), "images have shape"),
    ):
        with pytest.raises(ValueError, match=message):
            quantize(*arguments)
    with pytest.raises(ValueError, match="fine_tune_epochs is -1"):
        quantize(trained, digits.train, fine_tune_epochs=-1)


def test_sums_that_outgrow_a_loihi_are_named(digits):
    network = DesireNetwork(DesireConfig((64, 4, 10), reset="zero"))
    network.weights[0][:] = 8.0  # of all 64 inputs: hundreds of thresholds in a step
    with pytest.warns(
        RangeWarning, match=r"layer 1 sums a step's input to \d+: Loihi 1 holds 32767"
    ):
        quantize(network, digits.train)
