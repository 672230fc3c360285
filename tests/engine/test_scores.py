"""Scores by class are scikit-learn's, and margins say how often they are right."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from sklearn.metrics import classification_report

from lava_desire import DesireConfig, DesireNetwork, evaluate, fit, load_dataset
from lava_desire.data import Dataset
from lava_desire.training.evaluation import margin_of
from lava_desire.training.scores import calibration_error, reliability_of


@pytest.fixture(scope="module")
def network():
    config = DesireConfig.preset("digits").resized(hidden=(30,), epochs=1)
    network = DesireNetwork(config)
    fit(network, load_dataset("digits").train)
    return network


@pytest.fixture(scope="module")
def metrics(network):
    return evaluate(network, load_dataset("digits"))


def test_scores_by_class_are_those_of_scikit_learn(network, metrics):
    images, labels = load_dataset("digits").test
    predictions = network.predict(images).numpy()
    assert (predictions == -1).any()
    report = classification_report(
        labels, predictions, labels=range(10), output_dict=True, zero_division=0
    )
    for number in range(10):
        ours = [getattr(metrics.by_class, name)[number] for name in ("precision", "recall", "f1")]
        theirs = [report[str(number)][name] for name in ("precision", "recall", "f1-score")]
        assert ours == pytest.approx(theirs)
        assert metrics.by_class.support[number] == report[str(number)]["support"]
    theirs = [report["macro avg"][name] for name in ("precision", "recall", "f1-score")]
    assert list(metrics.by_class.macro.values()) == pytest.approx(theirs)


def test_means_are_of_classes_that_have_samples(network):
    images, labels = load_dataset("digits").test
    scores = evaluate(network, (images[labels < 3], labels[labels < 3])).by_class
    assert scores.recall[3:].max() == 0
    assert scores.macro["recall"] == pytest.approx(scores.recall[:3].mean())


def test_margins_are_of_the_highest_two_counts(network, metrics):
    counts = torch.tensor([[3, 9, 1], [4, 4, 0], [0, 0, 0], [20, 0, 0]])
    assert margin_of(counts).tolist() == [6, 0, 0, 20]
    assert margin_of(counts[:, :1]).tolist() == [3, 4, 0, 20]
    images, labels = load_dataset("digits").test
    activity = network.forward(images)
    margins = margin_of(activity.counts[-1]).numpy()
    right = activity.prediction.numpy() == labels
    for margin in range(21):
        expected = [(margins == margin)[~right].sum(), (margins == margin)[right].sum()]
        assert metrics.margins[margin].tolist() == expected
    other = evaluate(network, (images, labels), batch_size=7)
    assert (other.margins == metrics.margins).all()


def test_reliability_by_hand():
    margins = np.zeros((21, 2), np.int64)
    margins[0], margins[1], margins[2], margins[20] = (3, 0), (1, 0), (0, 1), (0, 5)
    bins = reliability_of(margins)
    assert [(each.least, each.most) for each in bins[:3]] == [(0, 0), (1, 2), (3, 4)]
    assert (bins[-1].least, bins[-1].most, len(bins)) == (19, 20, 11)
    assert (bins[1].num_samples, bins[1].accuracy) == (2, 0.5)
    assert bins[1].confidence == pytest.approx(1.5 / 20)
    assert (bins[2].num_samples, bins[2].accuracy) == (0, None)
    assert calibration_error(bins) == pytest.approx(2 / 10 * (0.5 - 0.075))
    assert [(each.least, each.most) for each in reliability_of(np.ones((3, 2)))] == [
        (0, 0),
        (1, 1),
        (2, 2),
    ]


def test_all_of_it_is_json(network, metrics):
    found = json.loads(json.dumps(metrics.to_dict()))
    assert found["accuracy"] == metrics.accuracy
    assert found["by_class"]["f1"] == list(metrics.by_class.f1)
    assert sum(each["num_samples"] for each in found["reliability"]) == metrics.num_samples
    assert found["expected_calibration_error"] == metrics.expected_calibration_error
    without = dataclasses.replace(metrics, margins=None)
    assert (without.reliability, without.expected_calibration_error) == ([], None)


def test_metrics_know_the_names_of_classes():
    images = np.eye(4, dtype=np.float32).repeat(3, axis=0)
    data = Dataset(
        "pets", images, np.array(["cat", "dog"])[np.arange(12) % 2], images, ["dog"] * 12
    )
    network = DesireNetwork(DesireConfig((4, 2), epochs=1))
    fit(network, data)
    assert evaluate(network, data).class_names == ("cat", "dog")
    assert evaluate(network, data).to_dict()["classes"] == ["cat", "dog"]
