from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from lava_desire import DesireConfig
from lava_desire.data import load_dataset
from lava_desire.engine import DesireNetwork, find_learning_rate, fit
from lava_desire.randomness import validation_split

CONFIG = DesireConfig((64, 20, 10), batch_size=32, learning_rate=1.0, epochs=7, seed=3)
MOST = np.int64(60), sys.maxsize


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def test_every_rate_is_the_run_that_it_says(digits):
    found = find_learning_rate(CONFIG, digits, lowest=1e-5, highest=1e-3, count=3, samples=200)
    assert [each.learning_rate for each in found.tried] == pytest.approx([1e-5, 1e-4, 1e-3])
    # By hand: a fifth is held out, and of both as many as are asked for, class by class.
    images, labels = digits.train
    parts = validation_split(labels, 0.2, 3)
    pairs = []
    for part, size in zip(parts, (200, 50), strict=True):
        chosen = part[validation_split(labels[part], size / len(part), 3)[1]]
        pairs.append((images[chosen], labels[chosen]))
    for each in found.tried:
        config = CONFIG.replace(learning_rate=each.learning_rate, learning_rate_decay=0, epochs=1)
        last = fit(DesireNetwork(config), pairs[0], validation=pairs[1]).last
        assert each.accuracy == last.validation_accuracy
        assert each.loss == last.validation_loss
        assert each.rates == last.rates
    assert found.best.accuracy == max(each.accuracy for each in found.tried)


def test_the_largest_integer_is_all_samples_and_as_many_rates_as_there_is_time_for(digits):
    class Enough(Exception):  # noqa: N818
        pass

    def stop(tried):
        raise Enough

    images, labels = digits.train
    few = images[:60], labels[:60]
    own, all_of_them = (find_learning_rate(CONFIG, few, count=2, samples=n) for n in MOST)
    assert own == all_of_them
    with pytest.raises(Enough):
        find_learning_rate(CONFIG, few, count=sys.maxsize, on_tried=stop)


def test_rates_that_let_weights_grow_beyond_all_bounds_are_the_worst(digits):
    found = find_learning_rate(
        CONFIG, digits.train, lowest=1e-4, highest=3e38, count=2, samples=300, epochs=3
    )
    assert (found.tried[1].accuracy, found.tried[1].loss) == (0.0, math.inf)
    assert found.best is found.tried[0]
    assert not found.is_inside


def test_integers_and_small_sets_are_tried_too(digits):
    images, labels = digits.train_images[:60], digits.train_labels[:60]
    found = find_learning_rate(
        CONFIG, (images, labels), lowest=1e-4, highest=1e-3, count=2, arithmetic="fixed_point"
    )
    assert len(found.tried) == 2
    assert all(np.isfinite(each.loss) for each in found.tried)


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((1e-5, 1e4), r"highest is 10000\.0: expected at most"),
        ((1e-13, 1.0), r"lowest is 1e-13, which is 0 on the grid of layer 1: expected \d"),
    ],
)
def test_rates_that_integers_have_not_are_refused_before_any_is_tried(digits, ends, said):
    tried = []
    with pytest.raises(ValueError, match=said):
        find_learning_rate(
            CONFIG,
            digits,
            lowest=ends[0],
            highest=ends[1],
            count=3,
            arithmetic="fixed_point",
            on_tried=tried.append,
        )
    assert tried == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lowest": 0.0}, "lowest is 0.0, highest 0.01: expected 0 < lowest < highest"),
        ({"lowest": 1.0}, "lowest is 1.0, highest 0.01: expected 0 < lowest < highest"),
        ({"highest": float("inf")}, "highest is inf: expected"),
        ({"count": 1}, r"count is 1: expected an integer in \[2, 9223372036854775807\]"),
        ({"samples": 0}, r"samples is 0: expected an integer in \[1, 9223372036854775807\]"),
        ({"epochs": 0}, r"epochs is 0: expected an integer in \[1, 2147483647\]"),
    ],
)
def test_values_out_of_range_are_refused(digits, given, said):
    with pytest.raises(ValueError, match=said):
        find_learning_rate(CONFIG, digits, **given)
