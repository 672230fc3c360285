"""Checkpoints: written whole or not at all, and read only if all of it is as it should be."""

from __future__ import annotations

import dataclasses
import json
import os
import random

import numpy as np
import pytest
from safetensors.numpy import save

from lava_desire import DesireConfig, DesireNetwork
from lava_desire.checkpoint import (
    MAX_BYTES,
    Checkpoint,
    CheckpointError,
    _digest,
    read_checkpoint,
    write_checkpoint,
)

CONFIG = DesireConfig((4, 3, 2), num_steps=6, error_margin=1)
WEIGHTS = [np.ones((3, 4), np.float32), np.zeros((2, 3), np.float32)]


@pytest.fixture
def path(tmp_path):
    write_checkpoint(Checkpoint(CONFIG, WEIGHTS, 7, {"epoch": 1}), tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


def forged(path, arrays=None, **metadata):
    """Write what is given with the checksum of what is given, as an author of bad will can."""
    named = {"weights.1": WEIGHTS[0], "weights.2": WEIGHTS[1]} if arrays is None else arrays
    fields = {"format": "lava-desire/1", "config": CONFIG.to_json()}
    fields |= {"samples_seen": "0", "state": "{}"}
    fields = {name: text for name, text in {**fields, **metadata}.items() if text is not None}
    fields["sha256"] = _digest(named, fields)
    path.write_bytes(save(named, fields))
    return path


def test_a_file_cut_at_any_length_is_refused(path):
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"net\.safetensors"):
            read_checkpoint(path)


def test_any_flipped_bit_is_noticed(path):
    whole = path.read_bytes()
    for bit in random.Random(5).sample(range(8 * len(whole)), 400):
        spoiled = bytearray(whole)
        spoiled[bit // 8] ^= 1 << bit % 8
        path.write_bytes(spoiled)
        with pytest.raises(CheckpointError):
            read_checkpoint(path)


def test_weights_that_are_not_finite_are_not_written(path):
    before = path.read_bytes()
    for value in (np.nan, np.inf, -np.inf):
        weights = [WEIGHTS[0], np.full((2, 3), value, np.float32)]
        with pytest.raises(ValueError, match=r"weights.2 holds NaN or infinity.*learning_rate"):
            write_checkpoint(Checkpoint(CONFIG, weights), path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("links", [True, False])
def test_the_one_before_is_kept_under_its_own_name(path, monkeypatch, links):
    def unable(*arguments):
        raise OSError(95, "Operation not supported")

    if not links:
        monkeypatch.setattr(os, "link", unable)
    previous = path.with_name("previous")
    for number in range(3):
        checkpoint = Checkpoint(CONFIG, WEIGHTS, number)
        write_checkpoint(checkpoint, path, previous=previous)
    assert [read_checkpoint(file).samples_seen for file in (path, previous)] == [2, 1]
    assert len(list(path.parent.iterdir())) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": None}, "lacks the field 'config'"),
        ({"config": "{"}, "config is not JSON"),
        ({"config": CONFIG.replace(layer_sizes=(4, 5, 2)).to_json()}, r"expected float32 \(5, 4\)"),
        (
            {"config": json.dumps({"layer_sizes": [4, 3, 2], "num_steps": 2**40})},
            r"expected an integer in \[1, 4096\]",
        ),
        ({"samples_seen": "-1"}, "samples_seen is -1"),
        ({"samples_seen": "9" * 5000}, "integer string"),
        ({"samples_seen": "many"}, "many"),
        ({"state": "[]"}, "state is a list"),
        ({"state": "[" * 2_000}, "net.safetensors"),
        ({"formats": "{}"}, "formats are no list"),
        ({"formats": "[{}]"}, "1 formats: expected one a layer, 2"),
        ({"formats": "[{}, {}]"}, "weights.1 is float32 .*expected int8"),
        ({"format": "other"}, "has the format 'other'"),
    ],
)
def test_a_right_checksum_makes_no_wrong_field_right(path, change, message):
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(forged(path, **change))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((3, 4), np.nan, np.float32), "weights.1 holds NaN"),
        (np.ones((3, 4)), "weights.1 is float64"),
        (np.ones((4, 3), np.float32), r"weights.1 is float32 \(4, 3\): expected float32 \(3, 4\)"),
    ],
)
def test_a_right_checksum_makes_no_wrong_array_right(path, array, message):
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(forged(path, {"weights.1": array, "weights.2": WEIGHTS[1]}))
    with pytest.raises(CheckpointError, match=r"weights\.2 is nothing"):
        read_checkpoint(forged(path, {"weights.1": WEIGHTS[0]}))


RATES = {
    "weights.1": WEIGHTS[0],
    "weights.2": WEIGHTS[1],
    "input_rates.1": np.full(4, 0.5),
    "input_rates.2": np.full(3, 0.25),
}


def test_input_rates_come_back(tmp_path):
    rates = [RATES["input_rates.1"], RATES["input_rates.2"]]
    path = tmp_path / "net.safetensors"
    write_checkpoint(Checkpoint(CONFIG, WEIGHTS, input_rates=rates, rated_samples=[9, 8]), path)
    found = read_checkpoint(path)
    for mine, theirs in zip(found.input_rates, rates, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert found.rated_samples == [9, 8]


@pytest.mark.parametrize(
    ("arrays", "samples", "message"),
    [
        ({"input_rates.2": np.full(2, 0.5)}, "[1, 1]", r"input_rates.2 is float64 \(2,\)"),
        (
            {"input_rates.1": np.full(4, 1.5)},
            "[1, 1]",
            r"input_rates.1 holds 1.5: expected spikes a time step in \[0, 1\]",
        ),
        ({"input_rates.1": np.full(4, np.nan)}, "[1, 1]", "input_rates.1 holds NaN"),
        ({}, "[1]", r"rated_samples is \[1\]: expected 2 integers"),
        ({}, "[1, -1]", r"rated_samples is \[1, -1\]: expected integers"),
        ({}, "[1, true]", "rated_samples is"),
        ({}, None, "lacks the field 'rated_samples'"),
    ],
)
def test_input_rates_that_are_none_are_refused(path, arrays, samples, message):
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(forged(path, {**RATES, **arrays}, rated_samples=samples))


def test_formats_that_are_none_are_refused_where_they_are_used(path):
    integers = {f"weights.{i}": np.ones(w.shape, np.int8) for i, w in enumerate(WEIGHTS, start=1)}
    for layer in ("{}", '{"weight_exp": 99, "threshold": 1}', '{"weight_exp": 0, "other": 1}'):
        forged(path, integers, formats=f"[{layer}, {layer}]")
        with pytest.raises(ValueError, match=r"formats|weight_exp"):
            DesireNetwork.load(path)


def test_what_is_no_file_or_no_checkpoints_size_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="a pipe or a device: expected a regular file"):
        read_checkpoint(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # of which the disk holds nothing
    with pytest.raises(CheckpointError, match="expected at most"):
        read_checkpoint(tmp_path / "huge")
    for content in (b"", forged(tmp_path / "sound", {}).read_bytes()):
        (tmp_path / "holes").write_bytes(content)
        os.truncate(tmp_path / "holes", MAX_BYTES)
        with pytest.raises(CheckpointError, match=f"is truncated .{MAX_BYTES} bytes.: .*states"):
            read_checkpoint(tmp_path / "holes")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        read_checkpoint(tmp_path / "folder")


def test_a_checkpoint_is_a_dataclass_of_all_that_it_holds():
    checkpoint = Checkpoint(CONFIG, WEIGHTS, 7, {"epoch": 1})
    changed = dataclasses.replace(checkpoint, samples_seen=8)
    assert (changed.samples_seen, changed.config, changed.state) == (8, CONFIG, {"epoch": 1})
    assert dataclasses.asdict(checkpoint)["class_names"] == []
