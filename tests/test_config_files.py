"""Configurations come from JSON, YAML and TOML alike; what could be read two ways is refused."""

from __future__ import annotations

import json
import sys

import pytest

from lava_desire import DesireConfig
from lava_desire.config import PRESETS

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
SUFFIXES = ("json", "yaml", "yml", "toml")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_written_is_read_as_it_was(tmp_path, preset, suffix):
    path, config = tmp_path / f"a.{suffix}", PRESETS[preset]
    config.to_file(path)
    assert DesireConfig.from_file(path) == config


def test_other_readers_see_the_same_values(tmp_path):
    tomlkit = pytest.importorskip("tomlkit", reason="tomlkit is not installed")
    for config in PRESETS.values():
        config.to_file(tmp_path / "a.yaml")
        config.to_file(tmp_path / "a.toml")
        assert yaml.safe_load((tmp_path / "a.yaml").read_text()) == config.to_dict()
        assert tomlkit.loads((tmp_path / "a.toml").read_text()).unwrap() == config.to_dict()


def test_every_field_that_is_written_has_its_documentation(tmp_path):
    for suffix, sign in (("yaml", ":"), ("toml", " =")):
        path = tmp_path / f"a.{suffix}"
        PRESETS["mnist-conv"].to_file(path)
        blocks = path.read_text().split("\n\n")
        for name in PRESETS["mnist-conv"].to_dict():
            (block,) = (each for each in blocks if f"\n{name}{sign}" in each)
            assert block.startswith("# ")
        assert "`" not in path.read_text()


ONE = "layer_sizes: [4, 2]\n"


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("learning_rate: 1e-4", "learning_rate", 1e-4),
        ("learning_rate: 1.e-4", "learning_rate", 1e-4),
        ("learning_rate: .5", "learning_rate", 0.5),
        ("num_steps: 20 # comment", "num_steps", 20),
        ('"num_steps": 20', "num_steps", 20),
        ("tie_break: earliest", "tie_break", "earliest"),
    ],
)
def test_yaml_is_read_as_its_version_1_2_says(tmp_path, text, name, value):
    path = tmp_path / "a.yaml"
    path.write_text(ONE + text)
    assert getattr(DesireConfig.from_file(path), name) == value


@pytest.mark.parametrize(
    ("suffix", "text", "said"),
    [
        ("yaml", f"{ONE}learning_rate: -1", r"a.yaml, line 2: learning_rate is -1: expected"),
        ("yaml", f"{ONE}# seed: 3\n\nseed: -1", r"a.yaml, line 4: seed is -1"),
        ("yaml", "{layer_sizes: [4, 2],\n seed: -1}", r"a.yaml, line 2: seed is -1"),
        ("yaml", f"{ONE}learning-rat: 1", r"line 2: .*no field learning-rat \(did you mean learni"),
        ("yaml", f"{ONE}seed: 1\nseed: 2", r"line 3: 'seed' stands twice"),
        ("yaml", f"{ONE}tie_break: no", r"line 2: tie_break is 'no': expected one of"),
        ("yaml", f"{ONE}num_steps: 010", r"num_steps is '010': expected an integer"),
        ("yaml", f"{ONE}num_steps: 0x10", r"num_steps is '0x10': expected an integer"),
        ("yaml", f"{ONE}num_steps: 1_0", r"num_steps is '1_0': expected an integer"),
        ("yaml", f"{ONE}num_steps: 1:30", r"num_steps is '1:30': expected an integer"),
        ("yaml", f"{ONE}num_steps: '20'", r"num_steps is '20': expected an integer"),
        ("yaml", f"{ONE}num_steps: yes", r"num_steps is 'yes': expected an integer"),
        ("yaml", f"{ONE}num_steps: true", r"num_steps is True: expected an integer"),
        ("yaml", f"{ONE}num_steps:", r"num_steps is None: expected an integer"),
        ("yaml", f"{ONE}decay: .nan", r"decay is '.nan': expected a finite number"),
        ("yaml", "layer_sizes: &a [4, 2]", r"line 1 has an anchor, &: expected values alone"),
        ("yaml", f"{ONE}seed: *a", r"line 2 has an alias, \*"),
        ("yaml", f"{ONE}seed: !!python/object:os.system 1", r"line 2 has a tag, !"),
        ("yaml", f"{ONE}seed: {'[' * 60_000}", r"line 2 is nested more than 8 levels deep"),
        ("yaml", f"{ONE}? [a]\n: 1", r"has a name that is no text"),
        ("yaml", f"{ONE}seed: [1", r"line 2, column 9: "),
        ("yaml", f"{ONE}---\n{ONE}", r"line 2, column 1: but found another document"),
        ("yaml", f"{ONE}seed: '\x07'", r"special characters are not allowed"),
        ("yaml", f"{ONE}# {'x' * (1 << 16)}", r"expected at most 65536"),
        ("yaml", "- 1", r"config is a list: expected fields"),
        ("yaml", "", r"config has no layer_sizes"),
        ("toml", "layer_sizes = [4, 2]\nseed = -1", r"a.toml, line 2: seed is -1"),
        ("toml", "seed = 1\nseed = 2\n", r"config is not TOML: .*line 2"),
        ("toml", "layer_sizes = [4, 2]\n[rule]\nseed = 1", r"has no field rule"),
        ("toml", "layer_sizes = [4, 2]\nseed = 1979-05-27", r"seed is datetime.date"),
        ("toml", "layer_sizes = [4, 2]\ndecay = inf", r"decay is inf: expected a finite"),
        ("toml", f"seed = {'[' * 50_000}", r"config is not TOML"),
        ("json", '{"layer_sizes": [4, 2],\n"seed": -1}', r"a.json, line 2: seed is -1"),
        ("json", '{"layer_sizes": [4, 2], "sed": 1}', r"no field sed \(did you mean seed\?\)"),
        ("json", "\x80", r"a.json: config is not JSON"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, suffix, text, said):
    path = tmp_path / f"a.{suffix}"
    path.write_text(text)
    with pytest.raises(ValueError, match=said) as caught:
        DesireConfig.from_file(path)
    assert len(str(caught.value)) < 3000


def test_a_file_of_another_form_is_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"ends in '.ini': expected .json, .yaml, .yml, .toml"):
        PRESETS["digits"].to_file(tmp_path / "a.ini")
    assert not list(tmp_path.iterdir())


def test_without_a_reader_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "a.yaml").write_text(ONE)
    with pytest.raises(
        ImportError, match=r'YAML needs PyYAML.*pip install "lava_desire\[config\]"'
    ):
        DesireConfig.from_file(tmp_path / "a.yaml")


def test_json_needs_nothing_but_python(tmp_path):
    (tmp_path / "a.conf").write_text(json.dumps({"layer_sizes": [4, 2]}))
    assert DesireConfig.from_file(tmp_path / "a.conf") == DesireConfig((4, 2))
