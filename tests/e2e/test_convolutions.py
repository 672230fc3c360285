"""Convolutions on the command line: ``--layers`` has all layers, the data set their planes."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from lava_desire import DesireConfig, DesireNetwork

CONVOLUTIONS = ["--layers", "4c3s2", "10", "--epochs", "1", "--learning-rate", "1e-3"]


@pytest.fixture
def samples(tmp_path, monkeypatch):
    """Be in a folder with data: rows, and RGB images of both orders of axes."""
    monkeypatch.chdir(tmp_path)
    draw, labels = np.random.default_rng(0), np.arange(40) % 3
    colour = draw.integers(0, 256, (40, 3, 5, 7), dtype=np.uint8)
    np.savez("rgb.npz", images=colour, labels=labels)
    np.savez("last.npz", images=np.moveaxis(colour, 1, -1), labels=labels)
    np.savez("rows.npz", images=colour.reshape(40, 105), labels=labels)
    return tmp_path


def test_a_run_is_trained_resumed_evaluated_and_begun_anew_from_its_config(run, samples):
    assert run("train", *CONVOLUTIONS, "--output", "mine", "--quiet")[0] == 0
    config = json.loads((samples / "mine/config.json").read_text())
    assert config["layers"] == ["4c3s2", "10"]
    assert (config["input_shape"], config["layer_sizes"]) == ([1, 8, 8], [64, 36, 10])
    assert run("train", "--resume", "mine", "--epochs", 2, "--quiet")[0] == 0
    status, out, _ = run("eval", "mine", "--json")
    assert (status, json.loads(out)["layers"]) == (0, "1x8x8-4c3s2-10")
    given = ["--config", "mine/config.json", "--quiet", "--epochs", "1", "--output"]
    assert run("train", *given, "own", "--data", "rgb.npz")[0] == 0
    network = DesireNetwork.load("own/checkpoint.safetensors")
    assert network.config.shape_text == "3x5x7-4c3s2-3"
    assert run("train", *given, "flat", "--layers", "8")[0] == 0
    assert DesireNetwork.load("flat/checkpoint.safetensors").config.shape_text == "64-8-10"
    assert run("eval", "mine", "--data", "rgb.npz")[0] == 2


def test_layers_in_quotes_with_commas_or_apart_are_the_same_and_presets_are_kept(run, samples):
    found = []
    for layers in (["--layers", "4c3 5 10"], ["--layers=4c3,5,10"], ["--layers", "4c3", "5", "10"]):
        given = [*layers, "--preset", "mnist-best", "--epochs", "0", "--output", "mine", "--force"]
        assert run("train", *given, "--quiet")[0] == 0
        found.append(DesireConfig.from_json((samples / "mine/config.json").read_text()))
    assert found[0] == found[1] == found[2]
    assert (found[0].shape_text, found[0].rate_floor) == ("1x8x8-4c3-5-10", 0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--layers 4c3 11", "--layers is '4c3 11', whose last layer is the output and has 11"),
        ("--layers 4c3", "--layers is '4c3', whose last layer .* 144 neurons: expected 10"),
        ("--layers 4x3 10", "--layers is '4x3 10': expected the sizes of the hidden layers, each"),
        ("--layers 0c3 10", "--layers is '0c3 10': layer 1 is '0c3': out_channels is 0: expected"),
        ("--layers 8c5s2p5 10", "'8c5s2p5 10': layer 1 is '8c5s2p5': padding is .* less than"),
        ("--layers 4c2 8c3p1s2 10", "stride s before the padding p; layer 2 is none"),
        ("--layers 16c5s2 32c5s2 10", "layer 2 is 32c5s2: its kernels are larger than the 2 x 2"),
        ("--layers 4c3 10 --image-shift 8", "--image-shift is 8: expected --image-shift < 8"),
        ("--data none.npz --layers 4c3 3 --learning-rate-scale 1", "--learning-rate-scale is .1.0"),
        (
            "--data rows.npz --layers 4c3 3",
            "--layers is '4c3 3', and a sample is a row of 105: exp",
        ),
        ("--data rgb.npz --layers 4c3 4", "--layers is '4c3 4', .* 4 neurons: expected 3, one a"),
        ("--data rgb.npz --layers 9", "images of rgb have shape .S, 3, 5, 7., 3 channels a pixel"),
        ("--data last.npz --layers 4c3 3", r"np.moveaxis\(images, -1, 1\) for a network that"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(run, samples, arguments, message):
    status, _, error = run("train", *arguments.split(), "--output", "mine")
    assert status == 2
    assert re.search(message, error), error
    assert not (samples / "mine").exists()
