"""A term of mean rates and a bound, dropped into model/options, work in Lava, or are refused there.

Those of other kinds are tried in Lava by ``tests/options/claims.py``.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")

# Each does what one of the package does, by another name.
OPTIONS = """
from dataclasses import dataclass
from typing import ClassVar

from lava_desire.model.fields import SHARE, real
from lava_desire.model.option import Bound, Term
from lava_desire.model.options.trace_baseline import TraceBaseline


@dataclass(frozen=True)
class Wane(Term):
    follows_rates: ClassVar[bool] = True
    wane: float = real(0.0, SHARE, doc="", help="")

    def factors(self, update):
        return TraceBaseline(self.wane).factors(update)


@dataclass(frozen=True)
class Cap(Bound):
    cap: float = real(0.0, SHARE, doc="", help="")

    def limit(self):
        return self.cap
"""

PROGRAM = """
import importlib.util
import sys

import numpy as np

# The folder of options gets another place before the configuration is made of what is in it.
package = importlib.util.module_from_spec(importlib.util.find_spec("lava_desire"))
sys.modules["lava_desire"] = package
import lava_desire.model.options

lava_desire.model.options.__path__.append(sys.argv[1])
package.__spec__.loader.exec_module(package)

from lava_desire import DesireConfig
from lava_desire.proc import DesireSequential, DesireSimCfg, SampleSource

from lava.magma.core.run_conditions import RunSteps

BASE = DesireConfig((9, 8, 3), num_steps=8, error_margin=1, threshold=0.4, learning_rate=0.01)
DRAW = np.random.default_rng(0)
IMAGES, LABELS = DRAW.integers(0, 256, (16, 9), dtype=np.uint8), np.arange(16) % 3
OPTIONS = ("trace_baseline", "wane", 0.5), ("weight_limit", "cap", 0.25)


def learned(tag, fields):
    config = BASE.replace(**fields)
    source = SampleSource(config=config, images=IMAGES, labels=LABELS)
    network = DesireSequential(config=config)
    source.brightness_out.connect(network.brightness_in)
    source.label_out.connect(network.label_in)
    try:
        network.run(RunSteps(16 * config.window_steps), DesireSimCfg(tag))
        return [*(var.get() for var in network.weights), network.confusion.get()]
    finally:
        network.stop()


def differ(one, other):
    return any((mine != theirs).any() for mine, theirs in zip(one, other, strict=True))


for tag in sys.argv[2:]:
    plain = learned(tag, {})
    for known, invented, value in OPTIONS:
        one, other = learned(tag, {known: value}), learned(tag, {invented: value})
        assert differ(one, plain), (tag, known)
        assert not differ(one, other), (tag, invented)
for name in ("wane", "cap"):
    try:
        learned("fixed_pt", {name: 0.5})
    except Exception as error:
        assert f"{name} is 0.5: expected 0 where a network learns in integers" in str(error), error
    else:
        raise AssertionError(name)
"""


def test_what_is_invented_does_what_it_says_in_floats_and_is_refused_in_integers(tmp_path):
    (tmp_path / "invented.py").write_text(OPTIONS)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), "floating_pt", "torch"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert run.returncode == 0, run.stderr
