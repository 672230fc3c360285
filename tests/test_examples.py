"""Examples in docstrings print what they say."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys

import pytest

MODULES = [
    "lava_desire.checkpoint",
    "lava_desire.classifier",
    "lava_desire.config",
    "lava_desire.data.events.bins",
    "lava_desire.data.events.dataset",
    "lava_desire.data.events.reading",
    "lava_desire.data.events.recording",
    "lava_desire.data.events.synthetic",
    "lava_desire.data.sources",
    "lava_desire.deploy.integer_network",
    "lava_desire.deploy.quantization",
    "lava_desire.deploy.targets",
    "lava_desire.training.evaluation",
    "lava_desire.network",
    "lava_desire.operations",
    "lava_desire.training.choose",
    "lava_desire.model.integers.arithmetic",
    "lava_desire.model.integers.format",
    "lava_desire.randomness",
    "lava_desire.model.decision",
    "lava_desire.model.desire",
    "lava_desire.model.encoding",
    "lava_desire.model.neurons",
    "lava_desire.model.options.class_margin",
    "lava_desire.model.options.image_brightness",
    "lava_desire.model.options.rate_floor",
    "lava_desire.model.options.trace_baseline",
    "lava_desire.model.options.weight_limit",
    "lava_desire.model.plasticity",
    "lava_desire.model.rates",
    "lava_desire.model.dense",
]
# Lava forks: a fresh process, in which torch has computed nothing yet.
IN_LAVA = [
    "lava_desire.lava_runtime.modes",
    "lava_desire.proc.chain",
    "lava_desire.proc.desire_conv.process",
    "lava_desire.proc.desire_sequential.process",
    "lava_desire.proc.event_source.process",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted
    assert result.failed == 0


@pytest.mark.parametrize("name", IN_LAVA)
def test_examples_of_a_process(name):
    pytest.importorskip("lava.magma", reason="Lava is not installed")
    program = (
        "import doctest, importlib\n"
        f"result = doctest.testmod(importlib.import_module({name!r}))\n"
        "assert result.attempted and not result.failed, result\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=250
    )
    assert run.returncode == 0, run.stdout + run.stderr
