"""What options return is looked at before a kernel reads it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from lava_desire import DesireConfig, DesireNetwork
from lava_desire.model.options.class_margin import ClassMargin
from lava_desire.model.options.image_brightness import ImageBrightness
from lava_desire.model.options.tie_break import TieBreak
from lava_desire.model.options.trace_baseline import TraceBaseline
from lava_desire.model.synapses import Dense, Synapse

IMAGES = np.full((3, 6), 200, np.uint8)
BASE = DesireConfig((6, 5, 4), num_steps=4, error_margin=1, seed=2, threshold=0.5)


def trained(changes, kernels="auto"):
    network = DesireNetwork(BASE.replace(**changes), kernels=kernels)
    network.train_step(IMAGES, [0, 1, 2], learning_rate=1e-2)


CASES = {
    "factors swapped": (
        TraceBaseline, "factors", lambda found: found[::-1], {"trace_baseline": 1.0},
        "trace_baseline returns post of float32 (5,): expected float32 (4,)",
    ),
    "a factor of one number": (
        TraceBaseline, "factors", lambda found: (found[0][:1], found[1]), {"trace_baseline": 1.0},
        "trace_baseline returns post of float32 (1,): expected float32 (4,)",
    ),
    "one image for all": (
        ImageBrightness, "levels", lambda levels: levels[:1], {"image_brightness": 0.3},
        "image_brightness returns images of uint8 (1, 6): expected uint8 (3, 6)",
    ),
    "desires of seven": (
        ClassMargin, "desire", lambda desires: desires * 0 + 7, {"class_margin": 2},
        "class_margin returns desires outside [-1, 1]: expected none",
    ),
    "desires as floats": (
        ClassMargin, "desire", lambda desires: desires / 2, {"class_margin": 2},
        "class_margin returns desires of float32 (3, 4): expected int8 (3, 4)",
    ),
    "a class too many": (
        TieBreak, "predict", lambda classes: classes * 0 + 4, {"tie_break": "earliest"},
        "tie_break returns classes outside [-1, 3]: expected none",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kernels", ["compiled", "torch"])
@pytest.mark.parametrize("case", CASES)
def test_what_an_option_returns_wrongly_is_refused_by_its_name(case, kernels, monkeypatch):
    option, method, spoil, changes, message = CASES[case]
    whole = getattr(option, method)
    monkeypatch.setattr(option, method, lambda *given: spoil(whole(*given)))
    with pytest.raises(ValueError, match=re.escape(message)):
        trained(changes, kernels)


def test_a_filter_maps_floats_as_the_levels_that_they_are(monkeypatch):
    """Lava sends floats: a filter that rounded them otherwise would learn other weights there."""
    monkeypatch.setattr(ImageBrightness, "levels", lambda _, levels: levels // 3 * 2)
    network = DesireNetwork(BASE.replace(image_brightness=0.3))
    levels = np.arange(18, dtype=np.uint8).reshape(3, 6) * 14
    inputs = [network.forward(images).spikes[0] for images in (levels, levels / np.float32(255))]
    assert inputs[0].any()
    np.testing.assert_array_equal(*inputs)


def test_a_name_of_a_connection_is_given_once():
    with pytest.raises(ValueError, match=r"expected another name, .*\.Dense has that"):
        type("Second", (Dense,), {"name": "dense"})
    assert Synapse.kinds["dense"] is Dense
