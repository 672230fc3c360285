"""A run that saves wherever it may, and is resumed from each of these places."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from lava_desire.checkpoint import read_checkpoint
from lava_desire.model.state import ARRAYS
from lava_desire.training.run_folder import CHECKPOINT


def save_everywhere(run_class, make_network, data, folder):
    """Train, saving after every minibatch; return the files, of which the last is the end."""
    saved = []

    class Watched(run_class):
        def begin(self):
            super().begin()
            self.take()

        def save(self):
            super().save()
            self.take()

        def take(self):
            content = (self.folder / CHECKPOINT).read_bytes()
            if content not in saved:
                saved.append(content)

    Watched(make_network(), *data, folder).carry_out(checkpoint_seconds=-1)
    return saved


def go_on(run_class, make_network, data, folder, content):
    """Go on from one of them to the end; return the file that is then there."""
    folder.mkdir()
    (folder / CHECKPOINT).write_bytes(content)
    run_class(make_network(), *data, folder).carry_out(resume=True)
    return (folder / CHECKPOINT).read_bytes()


def assert_same_run(one, other, folder):
    """Compare two files to the bit, but for the seconds that a run took, and cards of old."""
    found = []
    for name, content in (("one", one), ("other", other)):
        (folder / name).write_bytes(content)
        checkpoint = read_checkpoint(folder / name)
        fields = vars(checkpoint)
        state = fields.pop("state")
        arrays = [fields.pop(name) for name in ARRAYS]
        fields["config"] = asdict(fields["config"])
        del state["seconds"]
        for record in state["records"]:
            del record["seconds"], record["samples_per_second"]
            # Lava adds up the loss in another order.
            record["test_loss"] = round(record["test_loss"], 12)
        for each in (state, *state["records"]):  # what later versions add is None in runs of old
            for name in [name for name, value in each.items() if value is None]:
                del each[name]
        found.append((fields, state, arrays))
    records = [record for _, state, _ in found for record in state["records"]]
    if not all("rates" in record for record in records):  # 0.1 began without them
        for record in records:
            record.pop("rates", None)
    cards = [fields.pop("card") for fields, _, _ in found]
    assert cards[0] == cards[1] or not all(cards)  # 0.1 began without them
    assert found[0][:2] == found[1][:2]
    for mine, theirs in zip(found[0][2], found[1][2], strict=True):
        assert len(mine) == len(theirs)
        for array, expected in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(array, expected)
