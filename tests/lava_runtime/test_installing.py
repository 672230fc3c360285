"""Lava is installed by itself, beside packages that stay what they are."""

from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from lava_desire.cli import app, installation
from lava_desire.lava_runtime import installing

PIP = [sys.executable, "-m", "pip", "install"]
LAVA = [*PIP, "--no-deps", "--ignore-requires-python", "lava-nc==0.10.0"]


def environment(monkeypatch, **versions):
    there = {name.replace("_", "-"): version for name, version in versions.items()}
    monkeypatch.setattr(installing, "version_of", there.get)
    monkeypatch.setattr(installation, "version_of", there.get)
    monkeypatch.setattr(installing, "_pip_is_there", lambda: True)


def test_numpy_is_named_as_it_is_and_lava_comes_without_its_demands(monkeypatch):
    environment(monkeypatch, numpy="2.5.5", scipy="1.18.1", scikit_learn="1.9.1")
    assert installing.steps() == [[*PIP, "numpy==2.5.5", "asteval", "greenlet", "networkx"], LAVA]


def test_what_is_there_is_not_installed_again(monkeypatch):
    needs = {
        "asteval": "1.0.10",
        "networkx": "3.7",
        "greenlet": "3",
        "scikit_learn": "1.9.1",
        "scipy": "1.18.1",
    }
    environment(monkeypatch, numpy="2.5.5", **needs)
    assert installing.steps() == [LAVA]
    environment(monkeypatch, numpy="2.5.5", lava_nc="0.10.0", **needs)
    assert installing.steps() == []


def test_another_release_of_lava_is_replaced(monkeypatch):
    environment(
        monkeypatch,
        numpy="1.26.4",
        lava_nc="0.9.0",
        **dict.fromkeys(("asteval", "greenlet", "networkx", "scikit_learn", "scipy"), "1"),
    )
    assert installing.steps() == [LAVA]


def test_a_dry_run_says_what_would_be_done_and_calls_nothing(monkeypatch):
    environment(monkeypatch, numpy="2.5.5", scipy="1.18.1", scikit_learn="1.9.1", networkx="3.7")
    monkeypatch.setattr("subprocess.run", None)
    done = CliRunner().invoke(app, ["install-lava", "--dry-run"])
    assert done.exit_code == 0, done.output
    first, needs, lava, last = done.output.splitlines()
    assert "numpy 2.5.5" in first
    assert "lava-nc none" in first
    assert needs.endswith("-m pip install numpy==2.5.5 asteval greenlet")
    assert lava.endswith("--no-deps --ignore-requires-python lava-nc==0.10.0")
    assert last == "nothing was done"


def test_without_pip_the_cure_is_named(monkeypatch):
    monkeypatch.setattr(installing, "_pip_is_there", lambda: False)
    with pytest.raises(RuntimeError, match=r"no pip; run: .* -m ensurepip"):
        installing.steps()
