"""Networks that the authors' script has saved are read to the bit, and nothing in them is run."""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, DesireNetwork
from lava_desire.checkpoint import read_checkpoint
from lava_desire.config import PRESETS
from lava_desire.deploy import from_authors


def weights_of(*sizes):
    generator = torch.Generator().manual_seed(0)
    return {
        f"layers.{number}.weights": torch.randn(after, before, generator=generator)
        for number, (before, after) in enumerate(itertools.pairwise(sizes), start=2)
    }


# What the script makes of its arguments; a device is among them.
ARGUMENTS = argparse.Namespace(
    tsteps=10,
    epochs=7,
    lr={"conv": 1e-6, "lin": 2e-5},
    lr_decay=0.03,
    dropout={"in": 0.05, "hid": 0.4},
    mempot_thres=1.5,
    mempot_decay=3,
    desire_thres={"conv": 0.2, "lin": 0.06, "out": 0.31},
    error_margin=2,
    random_seed=None,
    dataset="mnist",
    device=torch.device("cpu"),
    config=(("I", 1, 28), ("F",), ("L", 5)),
)


def saved(folder, content, name="a.pt"):
    torch.save(content, folder / name)
    return folder / name


def test_weights_are_those_of_the_file_layer_by_layer(tmp_path, run_in):
    state = weights_of(784, 6, 5, 3)
    path = saved(tmp_path, dict(reversed(state.items())))  # in any order
    status, out, _ = run_in(tmp_path, "import", "a.pt", "--output", "a.safetensors")
    assert status == 0
    assert out.startswith("layer 1: 6 x 784 weights, from ")
    stored = read_checkpoint(tmp_path / "a.safetensors")
    for array, given in zip(stored.weights, state.values(), strict=True):
        np.testing.assert_array_equal(array, given.numpy())
    assert stored.config == DesireConfig((784, 6, 5, 3))
    assert stored.card["source"] == {
        "file": "a.pt",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def test_their_layers_have_their_preset(tmp_path):
    network = from_authors(saved(tmp_path, weights_of(784, 1000, 100, 10)))
    assert network.config == PRESETS["fashion-mnist"]


def test_the_scripts_arguments_become_the_configuration(tmp_path):
    path = saved(tmp_path, {"state": weights_of(784, 5, 3), "pars": ARGUMENTS})
    assert from_authors(path).config == DesireConfig(
        (784, 5, 3),
        num_steps=10,
        epochs=7,
        learning_rate=2e-5,
        learning_rate_decay=0.03,
        dropout_input=0.05,
        dropout_hidden=0.4,
        threshold=1.5,
        decay=0.875,
        desire_threshold_hidden=0.06,
        desire_threshold_output=0.31,
        error_margin=2,
        batch_size=1,
    )


def test_another_configuration_may_be_given(tmp_path, run_in):
    saved(tmp_path, weights_of(784, 5, 3))
    line = "import a.pt --output a.safetensors --preset mnist-best --quiet"
    assert run_in(tmp_path, *line.split())[:2] == (0, "")
    config = DesireNetwork.load(tmp_path / "a.safetensors").config
    assert config == PRESETS["mnist-best"].replace(layer_sizes=(784, 5, 3))


class Trap:
    def __reduce__(self):
        return os.mkdir, ("trapped",)


GOOD = weights_of(6, 5, 3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1], "holds a list: expected weights by name"),
        ({}, "holds no weights"),
        ({**GOOD, "layers.4.bias": torch.zeros(3)}, "'layers.4.bias': expected layers.N.weights"),
        ({"layers.2.weights": 1.5}, "expected layers.N.weights alone"),
        ({"layers.2.weights": torch.zeros(2, 1, 3, 3)}, "has a convolution, layers.2.weights"),
        ({"layers.2.weights": torch.zeros(2)}, r"is torch.float32 \(2,\): expected float32 of two"),
        ({"layers.2.weights": torch.zeros(2, 2).double()}, "is torch.float64"),
        ({"layers.2.weights": torch.full((2, 2), torch.inf)}, "NaN or infinity"),
        (
            {**GOOD, "layers.4.weights": torch.zeros(3, 4)},
            "layer 3 takes 4 inputs: expected 3, the neurons of the layer before",
        ),
        (
            {"state": GOOD, "pars": argparse.Namespace(tsteps=0)},
            r"num_steps is 0: expected an integer in \[1, 4096\]",
        ),
        ({"state": GOOD, "pars": argparse.Namespace(mempot_decay="much")}, "a.pt: "),
        ({"state": [1]}, "holds a list"),
        ({"a": Trap()}, "is no file of the authors' script"),
    ],
)
def test_what_is_no_such_network_is_refused(tmp_path, monkeypatch, content, said):
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path, content)
    with pytest.raises(ValueError, match=said):
        from_authors(path)
    assert not (tmp_path / "trapped").exists()


def test_what_is_no_zip_or_a_packed_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pt"
    for content in (b"", b"PK", pickle.dumps(Trap()), saved(tmp_path, GOOD).read_bytes()[:-100]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is no file of the authors' script"):
            from_authors(path)
    with zipfile.ZipFile(saved(tmp_path, GOOD)) as plain:
        entries = {name: plain.read(name) for name in plain.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in entries.items():
            packed.writestr(name, content + bytes(1 << 22) * name.endswith("/0"))
    with pytest.raises(ValueError, match="it takes more than"):
        from_authors(path)
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import none.pt --output a.safetensors", "No such file: none.pt"),
        ("import a.pt --output a.txt", "a name that ends in .safetensors"),
        ("import a.pt --output b.safetensors --preset mnist --config c.json", "expected one"),
        ("import a.pt --output b.safetensors --preset none", "preset is 'none'"),
    ],
)
def test_a_wrong_call_writes_nothing(tmp_path, run_in, line, said):
    saved(tmp_path, GOOD)
    status, _, err = run_in(tmp_path, *line.split())
    assert status == 2
    assert said in err
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


@pytest.fixture
def run_in(capsys, monkeypatch):
    from lava_desire.cli import main

    def call(folder, *arguments):
        monkeypatch.chdir(folder)
        with pytest.raises(SystemExit) as caught:
            main(list(arguments))
        return (caught.value.code, *capsys.readouterr())

    return call
