"""``lava-desire map`` as a user meets it."""

from __future__ import annotations

import json

import pytest

from lava_desire import DesireConfig, DesireNetwork


def test_a_trained_network_is_mapped_into_a_table_json_and_a_picture(run):
    DesireNetwork(DesireConfig((64, 20, 10), reset="zero")).save("net.safetensors")
    options = ("--json", "map.json", "--figure", "map.svg", "--learning")
    status, out, err = run("map", "net.safetensors", "--chip", "loihi1", *options)
    assert (status, err) == (0, "")
    assert out.startswith(
        "64-20-10 on Intel Loihi, 8-bit weights, learning: 2 of 128 cores, it fits"
    )
    assert max(map(len, out.splitlines())) <= 100
    with open("map.json") as file:
        found = json.load(file)
    assert [layer["neurons"] for layer in found["layers"]] == [20, 10]
    with open("map.svg") as file:
        assert "<svg" in file.read()


def test_layers_are_mapped_before_anything_is_trained(run):
    status, out, _ = run("map", "1x28x28-16c5s2-32c5s2-10", "--reset", "zero")
    assert status == 0
    assert "6 of 128 cores" in out
    assert run("map", "784-1600-800-10", "--quiet") == (0, "", "")


@pytest.mark.parametrize(
    ("as_of_train", "layers"),
    [
        ("--dataset mnist --layers 200 100", "784-200-100-10"),
        ("--dataset mnist --layers=200,100", "784-200-100-10"),
        ("--layers 50", "64-50-10"),
        ("--dataset fashion-mnist --layers 16c5s2 32c5s2 10", "1x28x28-16c5s2-32c5s2-10"),
        ("--preset mnist-best", "784-1600-800-10"),
        ("--preset mnist-conv-best --layers 8c5s2 8c3 10", "1x28x28-8c5s2-8c3-10"),
        ("--preset mnist-best --dataset digits", "64-1600-800-10"),
        ("--config mine.json", "17-9-3"),
        ("--config mine.json --layers 5 4", "17-5-4-3"),
    ],
)
def test_layers_are_spelled_as_of_train_too(run, as_of_train, layers):
    with open("mine.json", "w") as file:
        json.dump(DesireConfig((17, 9, 3)).to_dict(), file)
    before = run("map", layers, "--reset", "zero", "--chip", "loihi2")
    assert run("map", *as_of_train.split(), "--reset", "zero", "--chip", "loihi2") == before
    assert before[1].startswith(f"{layers} on Intel Loihi 2")


def test_what_is_mapped_is_what_train_makes_of_the_same_options(run):
    options = ["--layers", "4c5s2", "10", "--reset", "zero"]
    assert run("train", *options, "--epochs", "1", "--output", "mine", "--quiet")[0] == 0
    assert run("map", *options, "--dataset", "digits") == run("map", "mine")


def test_a_network_that_does_not_fit_ends_with_1_and_all_that_was_asked_for(run):
    status, out, err = run("map", "784-1600-800-10", "--chip", "odin", "--json", "map.json")
    assert (status, err) == (1, "")
    assert "- Does not fit: " in out
    with open("map.json") as file:
        assert json.load(file)["fits"] is False
    assert run("map", "784-1600-800-10", "--chip", "odin", "--quiet") == (1, "", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("none", "No such file: none; expected a checkpoint, a run folder, or layers"),
        ("64-0-10", "the layers are 64-0-10"),
        ("64-10 --reset both", "reset is 'both'"),
        ("64-10 --weight-bits 99", "--weight-bits is 99: expected an integer in [1, 32]"),
        ("64-10 --json map.txt", "--json is 'map.txt': expected a name that ends in .json"),
        ("1x9x9-4c3-10 --learning", "--learning is given, and layer 1 shares weights"),
        ("net.safetensors --reset zero", "--reset is given with a trained network"),
        ("", "nothing is given to map: expected a checkpoint, a run folder, or layers"),
        ("64-20-10 --layers 20", "'64-20-10' and --layers are given: expected one of them"),
        ("net.safetensors --preset mnist", "'net.safetensors' and --preset are given"),
        ("--layers 20 0", "--layers is '20 0': expected the sizes of the hidden layers"),
        ("--dataset cifar", "--dataset is 'cifar': expected one of digits, mnist"),
        ("--preset best", "--preset is 'best': expected one of digits, mnist"),
        ("--preset mnist --config a.json", "both --preset mnist and --config a.json are given"),
    ],
)
def test_bad_input_is_refused_in_a_line(run, arguments, said):
    open("net.safetensors", "w").close()
    status, out, err = run("map", *arguments.split())
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
