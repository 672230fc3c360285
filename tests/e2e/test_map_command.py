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
    ],
)
def test_bad_input_is_refused_in_a_line(run, arguments, said):
    open("net.safetensors", "w").close()
    status, out, err = run("map", *arguments.split())
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
