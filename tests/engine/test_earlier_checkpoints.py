"""Runs of an earlier commit are resumed, and written as it wrote them.

The files in ``earlier/`` are of commit fbb4a7a: ``mid`` in the first epoch, ``end`` after the last.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from every_save import assert_same_run, go_on

from lava_desire import DesireNetwork
from lava_desire.checkpoint import Checkpoint, read_checkpoint
from lava_desire.training.choose import training_class

EARLIER = Path(__file__).parent / "earlier"
IMAGES = (np.arange(40).reshape(10, 4) * 37 % 256).astype(np.uint8)
LABELS = np.arange(10) % 2


@pytest.mark.parametrize("name", ["rates_and_average", "integers"])
def test_an_earlier_run_ends_as_it_did(tmp_path, name):
    middle, end = ((EARLIER / name / f"{at}.safetensors").read_bytes() for at in ("mid", "end"))
    stored = Checkpoint.from_bytes(middle)

    def make_network():
        return DesireNetwork(stored.config, arithmetic=stored.arithmetic)

    run_class, data = training_class(make_network()), ((IMAGES, LABELS), (IMAGES, LABELS))
    assert_same_run(end, go_on(run_class, make_network, data, tmp_path / "run", middle), tmp_path)


@pytest.mark.parametrize("path", sorted(EARLIER.glob("*/*")), ids=lambda path: f"{path.parts[-2:]}")
def test_a_checkpoint_is_written_as_it_was_read(path):
    # Safetensors writes the header's fields in any order: the rest is the same to the bit.
    assert parts_of(read_checkpoint(path).to_bytes()) == parts_of(path.read_bytes())


def parts_of(content):
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]
