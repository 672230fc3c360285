"""All backends compute the same, to the bit, over configurations that are drawn from a seed.

``make differential`` does this for a thousand configurations.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from differential import __main__ as command
from differential.accounts import (
    ACCOUNTS,
    BROKEN_LAVA_PAIRS,
    ENGINE_PAIRS,
    FORKED_LAVA_PAIRS,
    LAVA_PAIRS,
    Examination,
)
from differential.draw import draw
from differential.trace import DifferenceError, compare
from lava_desire import Conv2d, DesireConfig

NUMBERS = range(40)
FORKED = 3  # a small network: Lava's processes take seconds to be started and stopped

# Images may be dark, and all neurons silent.
pytestmark = pytest.mark.filterwarnings("ignore::lava_desire.data.DataWarning")
needs_lava = pytest.mark.skipif(find_spec("lava") is None, reason="Lava is not installed")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def assert_same(number, pairs):
    examination = Examination(number)
    for pair in pairs:
        if examination.applies(pair):
            assert examination.compare(pair)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_engine_computes_the_same_whatever_computes_it(number):
    assert_same(number, ENGINE_PAIRS)


@needs_lava
@pytest.mark.parametrize("number", NUMBERS)
def test_lava_computes_what_the_engine_does(number):
    assert_same(number, LAVA_PAIRS + BROKEN_LAVA_PAIRS)


@needs_lava
def test_a_forked_network_of_lava_computes_it_as_well():
    examination = Examination(FORKED)
    for pair in FORKED_LAVA_PAIRS:
        assert examination.compare(pair)


def test_what_is_drawn_is_valid_differs_and_repeats():
    cases = [draw(number) for number in range(300)]
    again = draw(7)
    assert again.config == cases[7].config
    np.testing.assert_array_equal(again.train[0], cases[7].train[0])
    for field in dataclasses.fields(DesireConfig):
        assert len({getattr(case.config, field.name) for case in cases}) > 1, field.name
    configs = [case.config for case in cases]
    assert {config.num_layers for config in configs} == {1, 2, 3, 4, 5}
    assert {1, 32, 33, 64, 65} <= {config.num_steps for config in configs}
    assert {1, 63, 64, 65, 127, 128, 129} <= {n for c in configs for n in c.layer_sizes[1:-1]}
    assert any(config.error_margin == config.num_steps - 1 > 0 for config in configs)
    assert any(config.class_margin == config.num_steps for config in configs)
    assert any(config.layer_sizes[-1] == 1 for config in configs)
    convolutions = [s for c in configs for s in c.synapses if isinstance(s, Conv2d)]
    assert {1, 2, 3} <= {synapse.stride[0] for synapse in convolutions}
    assert any(0 < s.num_positions == 1 for s in convolutions)
    assert any(max(synapse.padding) > 0 for synapse in convolutions)
    assert any(isinstance(config.synapses[-1], Conv2d) for config in configs)
    assert any(case.config.batch_size > len(case.train[1]) for case in cases)


def test_most_of_what_is_drawn_learns():
    """Silent networks agree easily."""
    examinations = [Examination(number) for number in NUMBERS]
    learned = 0
    for examination in examinations:
        account = ACCOUNTS["the rule on NumPy"](examination.case)
        limits = _limits(examination.case.config)
        before = [np.clip(weights, *limits) for weights in examination.case.weights]
        learned += any(
            (value != before[int(name.split()[-1]) - 1]).any()
            for name, value in account.items()
            if ": weights " in name
        )
    assert learned > len(NUMBERS) / 2


def _limits(config):
    limit = config.weight_limit or np.inf
    return -limit, limit


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"a": np.zeros(2), "b": np.array([1.0, 2.0 + 2.0**-50])}, r"b\[1\]: 2.0 of x, 2.0000"),
        ({"a": np.zeros(3)}, r"a: shape \(2,\) of x, \(3,\) of y"),
        ({"c": np.zeros(3)}, "x and y have nothing in common"),
    ],
)
def test_a_difference_is_found_and_named(found, message):
    expected = {"a": np.zeros(2), "b": np.array([1.0, 2.0])}
    assert compare(expected, {"b": np.array([1.0, 2.0])}, ("x", "y")) == 2
    with pytest.raises(DifferenceError, match=message):
        compare(expected, found, ("x", "y"))


def test_a_backend_that_computes_something_else_is_reported(tmp_path, monkeypatch, capsys):
    def spoiled(case):
        account = ACCOUNTS["the rule on NumPy"](case)
        account["minibatch 1: prediction"] += 1
        return account

    monkeypatch.setitem(ACCOUNTS, "compiled kernels", spoiled)
    path = tmp_path / "found.json"
    arguments = ["--configurations", "1", "--only", "engine", "--ranks", "0", "--output", path]
    monkeypatch.setattr(sys, "argv", ["differential", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 1
    (difference,) = json.loads(path.read_text())["differences"]
    assert difference["pair"] == "torch operations = compiled kernels"
    assert "minibatch 1: prediction" in difference["what"]
    assert difference["what"] in capsys.readouterr().out


def test_a_run_that_was_interrupted_goes_on(tmp_path, monkeypatch):
    path = tmp_path / "found.json"
    reports = []
    for configurations, more in ((2, []), (3, ["--resume"])):
        arguments = ["--configurations", configurations, "--only", "engine", "--ranks", "0"]
        arguments += ["--output", path, *more]
        monkeypatch.setattr(sys, "argv", ["differential", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            command.main()
        assert ended.value.code == 0
        reports.append(json.loads(path.read_text()))
    assert [report["configurations"] for report in reports] == [2, 3]
    counts = [report["pairs"]["torch operations = the rule on NumPy"] for report in reports]
    assert [count["same"] for count in counts] == [2, 3]
    assert set(reports[1]["pairs"]) == {" = ".join(pair) for pair in ENGINE_PAIRS}
    assert not {" = ".join(pair) for pair in BROKEN_LAVA_PAIRS} & set(reports[1]["pairs"])
