"""Configurations on the command line: explained, shown, written, converted, checked, used."""

from __future__ import annotations

import dataclasses
import json

import pytest

from lava_desire import DesireConfig, DesireNetwork
from lava_desire.config import PRESETS

pytest.importorskip("yaml", reason="PyYAML is not installed")


def test_every_field_is_explained(run):
    status, out, _ = run("config", "explain")
    names = {field.name for field in dataclasses.fields(DesireConfig)}
    assert status == 0
    assert names <= {line.split()[0] for line in out.splitlines()}
    status, out, _ = run("config", "explain", "--json")
    about = {each["name"]: each for each in map(json.loads, out.splitlines())}
    assert about.keys() == names
    assert about["learning_rate"]["default"] == 1e-5
    assert about["learning_rate"]["presets"]["digits"] == 1e-4
    assert about["feedback"]["option"] == "--feedback"
    assert not any("`" in each["doc"] for each in about.values())


def test_a_field_is_found_by_its_option_and_a_wrong_name_by_what_was_meant(run):
    assert run("config", "explain", "--", "--learning-rate")[1].startswith("learning_rate: float")
    for given, meant in (("lr", "learning_rate"), ("epoch", "epochs"), ("Drop-Out", "dropout")):
        status, _, err = run("config", "explain", given)
        assert status == 2
        assert f"(did you mean {meant}" in err


def test_what_is_shown_is_written_and_converted_and_checked(run, tmp_path):
    shown = run("config", "show", "--preset", "mnist-conv", "--as", "toml")[1]
    assert run("config", "write", "a.toml", "--preset", "mnist-conv")[0] == 0
    assert (tmp_path / "a.toml").read_text() == shown
    assert "\n# eligibility_width = 0.0\n" in run("config", "show", "--as", "toml")[1]
    for source, target in (("a.toml", "b.yaml"), ("b.yaml", "c.json")):
        assert run("config", "write", target, "--source", source)[0] == 0
        assert DesireConfig.from_file(tmp_path / target) == PRESETS["mnist-conv"]
    DesireNetwork(PRESETS["digits"]).save(tmp_path / "n.safetensors")
    (tmp_path / "run").mkdir()
    PRESETS["digits"].to_file(tmp_path / "run" / "config.json")
    status, out, _ = run("config", "check", "a.toml", "c.json", "n.safetensors", "run")
    assert status == 0
    of_convolutions, again, of_digits, of_run = (
        line.split(": ", 1)[1] for line in out.splitlines()
    )
    assert (of_convolutions, of_digits) == (again, of_run)
    assert "learning_rate 0.0001, batch_size 16, epochs 30" in of_digits


def test_all_files_that_are_wrong_are_named(run, tmp_path):
    (tmp_path / "a.yaml").write_text("layer_sizes: [4, 2]\nlearning_rate: fast\n")
    (tmp_path / "b.json").write_text("{")
    status, out, err = run("config", "check", "a.yaml", "b.json", "none.toml")
    assert (status, out) == (2, "")
    first, second, third = err.splitlines()
    assert "a.yaml, line 2: learning_rate is 'fast': expected a finite number" in first
    assert "b.json: config is not JSON" in second
    assert "none.toml" in third
    status, out, _ = run("config", "check", "a.yaml", "--json")
    assert status == 2
    assert "line 2" in json.loads(out)["error"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("config what", "ACTION is 'what': expected one of explain, show, write, check"),
        ("config show a b", "expected one"),
        ("config show a --preset digits", "beside --preset digits: expected one"),
        ("config write", "write is given no file: expected one"),
        ("config write a.ini", "ends in '.ini': expected .json, .yaml, .yml, .toml"),
        ("config write a.yaml --preset none", "preset is 'none': expected one of digits"),
        ("config write b.yaml --preset digits --source a.yaml", "expected one"),
        ("config check", "check is given no file"),
        ("config explain seed --preset digits", "--preset is given, of which explain makes no use"),
        ("config show --as ini", "--as is 'ini': expected one of yaml, toml, json"),
    ],
)
def test_what_makes_no_sense_is_refused(run, tmp_path, line, said):
    status, _, err = run(*line.split())
    assert status == 2
    assert said in err
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_only_where_that_is_asked_for(run, tmp_path):
    (tmp_path / "a.yaml").write_text("mine")
    assert "replace it with --force" in run("config", "write", "a.yaml")[2]
    assert (tmp_path / "a.yaml").read_text() == "mine"
    assert run("config", "write", "a.yaml", "--force")[0] == 0
    assert DesireConfig.from_file(tmp_path / "a.yaml") == PRESETS["digits"]


def test_a_run_trains_with_a_yaml_file_and_with_what_another_run_had(run, tmp_path):
    (tmp_path / "a.yaml").write_text("layer_sizes: [64, 5, 10]\nepochs: 1\nlearning_rate: 2e-4\n")
    assert run("train", "--quiet", "--config", "a.yaml", "--output", "a")[0] == 0
    assert run("train", "--quiet", "--config", "a", "--seed", "1", "--output", "b")[0] == 0
    first, second = (DesireConfig.from_file(tmp_path / name / "config.json") for name in "ab")
    assert first.learning_rate == 2e-4
    assert second == first.replace(seed=1)
    notes = json.loads((tmp_path / "a" / "run.json").read_text())
    assert notes["begun"].startswith("20")


def test_info_shows_the_card_of_a_run_and_writes_it(run, tmp_path):
    line = "train --quiet --layers 5 --epochs 1 --output a"
    assert run(*line.split())[0] == 0
    status, out, _ = run("info", "a", "--card", "card.md")
    assert status == 0
    for said in ("64-5-10", "digits, 1438 training samples, 359 test", "epoch              1 of 1"):
        assert said in out
    assert (tmp_path / "card.md").read_text().startswith("---\nlibrary_name")
    found = json.loads(run("info", "a", "--json")[1])
    assert found["card"]["data"]["name"] == "digits"
    assert found["run"]["source"]["dataset"] == "digits"
    for line, said in (
        ("info a --card a/run.md.txt", "expected a name that ends in .md"),
        ("info --card card.md", "expected a checkpoint or a run folder"),
        ("info a --devices", "expected one of the two"),
        ("info none", "No such file"),
    ):
        status, _, err = run(*line.split())
        assert status == 2
        assert said in err
