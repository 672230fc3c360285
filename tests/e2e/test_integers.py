"""Integers on the command line."""

from __future__ import annotations

import json

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
