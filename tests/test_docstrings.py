"""Public names say what they take, give and raise, and which equation they compute."""

from __future__ import annotations

import importlib
import inspect

import pytest

pytest.importorskip("numpydoc")
from docstrings import entries, faults, public_names

from lava_desire import rule
from lava_desire.model.integers import arithmetic

MODULES = [
    "lava_desire",
    "lava_desire.analysis",
    "lava_desire.checkpoint",
    "lava_desire.config",
    "lava_desire.data",
    "lava_desire.data.events",
    "lava_desire.data.events.synthetic",
    "lava_desire.deploy",
    "lava_desire.engine",
    "lava_desire.fixed",
    "lava_desire.proc",
    "lava_desire.randomness",
    "lava_desire.rule",
]
NEED_LAVA = {"lava_desire.deploy", "lava_desire.proc"}

EQUATIONS = {
    "lava_desire.rule": {
        "encode_step": ["Sec. 4.1"],
        "encode": ["Sec. 4.1"],
        "synaptic_current": ["Eq. 1", "Eq. 16"],
        "integrate_and_fire": ["Eq. 1 and 16"],
        "decay_trace": ["Eq. 3"],
        "firing_rate": ["Eq. 5 and 14"],
        "last_spikes": ["Sec. 4.2"],
        "predict": ["Sec. 4.2"],
        "ternarize": ["Eq. 10"],
        "output_error": ["Eq. 5"],
        "output_desire": ["Eq. 11"],
        "local_error": ["Eq. 14"],
        "backpropagate_error": ["Eq. 13"],
        "hidden_desire": ["Eq. 15"],
        "desired_pairings": ["Eq. 4"],
        "weight_change": ["Eq. 4"],
        "local_loss": ["Eq. 6"],
        # Beyond the paper, whose equation they change:
        "equalize_brightness": ["Sec. 4.1"],
        "off_levels": ["Sec. 4.1"],
        "follow_rate": ["Eq. 4"],
        "mean_trace": ["Eq. 4"],
        "baseline_change": ["Eq. 4"],
        "rate_floor_change": ["Eq. 4"],
        "limit_weights": ["Eq. 4"],
        "margin_desire": ["Eq. 11"],
        "filter_current": ["Eq. 1", "Eq. 3"],
        "near_threshold": ["Eq. 4"],
        "eligible_error": ["Eq. 14"],
    },
    "lava_desire.model.integers.arithmetic": {
        "encode_step": ["Sec. 4.1"],
        "encode": ["Sec. 4.1"],
        "synaptic_activation": ["Eq. 1"],
        "filter_current": ["Eq. 1"],
        "filter_trace": ["Eq. 3"],
        "fire": ["Eq. 1 and 16"],
        "integrate": ["Eq. 1"],
        "integrate_and_fire": ["Eq. 1 and 16"],
        "decay_trace": ["Eq. 3"],
        "output_desire": ["Eq. 11"],
        "local_error": ["Eq. 14"],
        "backpropagate_error": ["Eq. 13"],
        "hidden_desire": ["Eq. 15"],
        "gather_pairings": ["Eq. 4"],
        "weight_change": ["Eq. 4"],
        "add_change": ["Eq. 4"],
    },
    "lava_desire.proc": {
        "RateEncoder": ["Sec. 4.1"],
        "DesireConnection": ["Eq. 1", "Eq. 4", "Eq. 13", "Eq. 16"],
        "DesireConv": ["Eq. 1", "Eq. 4", "Eq. 13", "Eq. 16"],
        "DesireDense": ["Eq. 1", "Eq. 4", "Eq. 13", "Eq. 16"],
        "DesireLIF": ["Eq. 1 and 16", "Eq. 15"],
        "DesireTeacher": ["Eq. 11"],
    },
}
ARITHMETIC_ALONE = {"saturate", "integer_brightness", "apply_exponent", "decay_toward_zero"}
ARITHMETIC_ALONE |= {"filtered_brightness"}


@pytest.mark.parametrize("name", MODULES)
def test_public_names_say_what_they_take_give_and_raise(name):
    if name in NEED_LAVA:
        pytest.importorskip("lava.magma", reason="Lava is not installed")
    found = []
    for public, value in public_names(importlib.import_module(name)):
        found += faults(public, value)
    assert found == []


@pytest.mark.parametrize("module", EQUATIONS)
def test_what_computes_an_equation_gives_its_number(module):
    if module in NEED_LAVA:
        pytest.importorskip("lava.magma", reason="Lava is not installed")
    home = importlib.import_module(module)
    for name, numbers in EQUATIONS[module].items():
        text = inspect.getdoc(getattr(home, name))
        for number in numbers:
            assert number in text, f"{name} does not say {number}"


HOMES = {rule: "lava_desire.model", arithmetic: arithmetic.__name__}


@pytest.mark.parametrize("module", HOMES)
def test_every_function_of_the_rule_has_an_equation(module):
    functions = {
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__.startswith(HOMES[module])
        and name[0] != "_"
    }
    assert functions - ARITHMETIC_ALONE == set(EQUATIONS[module.__name__])


class TestTheCheckItself:
    def test_it_misses_nothing_of_a_bare_function(self):
        def bare(values, threshold):
            """Do something."""
            raise ValueError("no")

        assert faults("bare", bare) == [
            "bare: parameter values is missing",
            "bare: parameter threshold is missing",
            "bare: Returns is missing",
            "bare: raises ValueError and does not say so",
        ]

    def test_an_array_needs_shape_and_dtype(self):
        def told(values) -> None:
            """Do something.

            Parameters
            ----------
            values : array
                What is done.
            """

        assert faults("told", told) == [
            "told: values is an array without a shape",
            "told: values is an array without a dtype",
        ]

    def test_names_may_share_an_entry(self):
        text = "A line.\n\nParameters\n----------\none, two : int\n    Both.\n"
        both = ("int", "Both.")
        assert entries(text, "Parameters") == {"one": both, "two": both}
