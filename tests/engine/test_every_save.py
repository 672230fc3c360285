"""Wherever a run is saved, it is resumed to the bit, with every option and in integers."""

from __future__ import annotations

import pytest
from every_save import assert_same_run, go_on, save_everywhere

from lava_desire import DesireConfig
from lava_desire.data import load_dataset
from lava_desire.engine import DesireNetwork
from lava_desire.training.choose import training_class

CONFIG = DesireConfig(
    (64, 5, 10), num_steps=8, learning_rate=1e-3, batch_size=4, epochs=2, dropout_hidden=0.2
)
OPTIONS = {
    "none": {},
    "average and rates": {"weight_average": 0.9, "trace_baseline": 0.5, "rates_over": "desired"},
    "floor": {"rate_floor": 0.05, "weight_limit": 0.4, "baseline_samples": 7},
    "images": {"image_shift": 1, "image_brightness": 0.3, "image_shift_start": 2},
    "margin": {"class_margin": 1, "tie_break": "earliest", "learning_rate_scale": (1.0, 2.0)},
}


@pytest.mark.parametrize(
    ("options", "arithmetic"),
    [*((name, "floating_point") for name in OPTIONS), ("none", "fixed_point")],
)
def test_from_every_place_where_it_may_be_saved(options, arithmetic, tmp_path):
    digits = load_dataset("digits")
    data = tuple((images[:10], labels[:10]) for images, labels in (digits.train, digits.test))

    def make_network():
        return DesireNetwork(CONFIG.replace(**OPTIONS[options]), arithmetic=arithmetic)

    run_class = training_class(make_network())
    saved = save_everywhere(run_class, make_network, data, tmp_path / "run")
    # The beginning, three minibatches an epoch, and the end of each epoch.
    assert len(saved) == 1 + 2 * (3 + 1)
    for place, content in enumerate(saved):
        folder = tmp_path / f"from-{place}"
        end = go_on(run_class, make_network, data, folder, content)
        assert_same_run(end, saved[-1], tmp_path)
