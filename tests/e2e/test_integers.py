"""Integers on the command line."""

from __future__ import annotations

import json

import pytest

from lava_desire.engine import DesireNetwork


def test_a_network_in_floating_point_is_evaluated_in_integers(run):
    assert run("train", "--epochs", 2, "--output", "mine", "--quiet")[0] == 0
    accuracies = []
    for options in ([], ["--backend", "fixed"]):
        status, out, _ = run("eval", "mine", "--json", *options)
        assert status == 0
        accuracies.append(json.loads(out)["accuracy"])
    assert accuracies[0] != accuracies[1]
    assert abs(accuracies[0] - accuracies[1]) < 0.05
    assert "fixed_point on cpu" in run("eval", "mine", "--backend", "fixed")[1]


def test_a_network_learns_in_integers_and_resumes_in_them(run, tmp_path):
    arguments = ["--precision", "fixed_point", "--layers", "20", "--output", "mine", "--quiet"]
    assert run("train", *arguments, "--epochs", 1)[0] == 0
    assert run("train", "--resume", "mine", "--epochs", 2, "--quiet")[0] == 0
    network = DesireNetwork.load(tmp_path / "mine" / "checkpoint.safetensors")
    assert network.arithmetic == "fixed_point"
    assert network.samples_seen == 2 * 1438
    outputs = [run("eval", "mine", *options)[1] for options in ([], ["--backend", "fixed"])]
    assert outputs[0] == outputs[1]


def test_an_unknown_backend_is_refused(run):
    run("train", "--layers", "5", "--epochs", 1, "--output", "mine", "--quiet")
    status, _, err = run("eval", "mine", "--backend", "analogue")
    assert status == 2
    assert "--backend is 'analogue': expected fixed or lava" in err


@pytest.mark.parametrize("more", [(), ("--seeds", "0,1")])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--learning-rate", "1e-13"), "--learning-rate is 1e-13, which is 0 on the grid of layer"),
        (("--learning-rate", "1e5"), "--learning-rate is 100000.0: expected at most"),
    ],
)
def test_what_integers_cannot_learn_with_is_refused_before_all_else(
    run, tmp_path, options, message, more
):
    command = ("train", "--precision", "fixed_point", "--layers", "5", "--output", "mine")
    status, out, err = run(*command, *options, *more)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_epochs_in_which_integers_learn_nothing_are_warned_of(run):
    command = ("train", "--precision", "fixed_point", "--layers", "5", "--output", "mine")
    decaying = ("--learning-rate", "1e-6", "--learning-rate-decay", "10", "--epochs", 2)
    status, _, err = run(*command, *decaying, "--quiet")
    assert (status, err.count("\n")) == (0, 1)
    assert "warning: in epoch 2 of 2 the learning rate is 4.54e-11, which is 0 on the grid" in err
    assert "take fewer epochs, a smaller learning_rate_decay or a larger learning_rate" in err
