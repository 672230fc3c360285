"""A connection learns the same by the sums of any synapse as by the faster ones of dense ones."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")

from lava_desire import DesireConfig
from lava_desire.proc import DesireSequential, DesireSimCfg, SampleSource, install
from lava_desire.proc.desire_connection.sums import Sums
from lava_desire.proc.desire_dense import models

from lava.magma.core.run_conditions import RunSteps  # isort: skip

DRAW = np.random.default_rng(0)
IMAGES, LABELS = DRAW.integers(0, 256, (12, 9), dtype=np.uint8), np.arange(12) % 3
CONFIG = DesireConfig((9, 8, 8, 3), num_steps=8, error_margin=1, threshold=0.4, learning_rate=0.01)
BEYOND = CONFIG.replace(trace_baseline=0.5, rate_floor=0.3, weight_limit=0.5)


def learned(config, tag):
    source = SampleSource(config=config, images=IMAGES, labels=LABELS)
    network = DesireSequential(config=config)
    source.brightness_out.connect(network.brightness_in)
    source.label_out.connect(network.label_in)
    try:
        network.run(RunSteps(12 * config.window_steps), DesireSimCfg(tag))
        return [var.get() for var in network.weights]
    finally:
        network.stop()


@pytest.mark.parametrize(
    ("config", "tag"), [(CONFIG, "floating_pt"), (BEYOND, "floating_pt"), (CONFIG, "fixed_pt")]
)
def test_any_synapse_learns_what_dense_ones_do(config, tag, monkeypatch):
    install("one")
    fast = learned(config, tag)
    for model in (models.PyDesireDenseModelFloat, models.PyDesireDenseModelFixed):
        monkeypatch.setattr(model, "sums", Sums)
    general = learned(config, tag)
    for mine, theirs in zip(fast, general, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    untrained = learned(config.replace(learning_rate=0), tag)
    assert all((mine != before).any() for mine, before in zip(fast, untrained, strict=True))
