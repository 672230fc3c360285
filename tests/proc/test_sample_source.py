"""What a source of samples takes, which is what the engine takes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")

from lava_desire import DesireConfig
from lava_desire.data import DataWarning
from lava_desire.proc import DesireSequential, DesireSimCfg, SampleSource

from lava.magma.core.run_conditions import RunSteps  # isort: skip

CONFIG = DesireConfig((48, 4))
PICTURES = np.random.default_rng(5).integers(0, 256, (8, 6, 8), dtype=np.uint8)
ROWS = PICTURES.reshape(8, 48)
LABELS = np.arange(8) % 4


def samples_of(*given, config=CONFIG, **options):
    images, labels = given
    source = SampleSource(config=config, images=images, labels=labels, **options)
    return source.proc_params["samples"], source.proc_params["held_out"]


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (PICTURES, LABELS[:, None]),
        (PICTURES[:, None], np.eye(4)[LABELS]),
        (PICTURES[..., None], LABELS.tolist()),
        (ROWS.astype(np.float32) / np.float32(255), LABELS.astype(np.uint8)),
    ],
    ids=["(S, h, w)", "one channel first", "last", "float"],
)
def test_every_form_is_sent_as_rows_and_numbers_are(images, labels):
    wanted, _ = samples_of(ROWS, LABELS)
    for found in samples_of(images, labels, held_out=(images, labels)):
        for mine, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(mine, other)
            assert mine.dtype == other.dtype


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (ROWS[:0], LABELS[:0], "images hold no sample"),
        (ROWS[:, 1:], LABELS, r"expected \(B, 48\), one row a sample"),
        (ROWS / 1.0, LABELS, "hold the brightness .* of their scale, as 255"),
        (np.stack([PICTURES] * 3, -1), LABELS, "3 channels a pixel"),
        (ROWS, LABELS + 1, r"labels hold 4 at \[3\]: expected classes in \[0, 4\)"),
        (ROWS, np.array(["a", "b"] * 4), "labels are texts, as 'a'"),
        (ROWS % 2, LABELS, "the largest byte of images is 1, .* make no spike of it"),
    ],
)
def test_what_is_not_taken_is_refused_with_its_cure(images, labels, message):
    with pytest.raises(ValueError, match=message):
        samples_of(images, labels)


def test_held_out_images_are_as_high_as_the_others():
    with pytest.raises(ValueError, match=r"held-out images are \(8, 6\): expected \(6, 8\)"):
        samples_of(PICTURES, LABELS, held_out=(PICTURES.transpose(0, 2, 1), LABELS))


def test_bytes_on_a_scale_of_their_own_are_warned_of():
    with pytest.warns(DataWarning, match="largest byte of held-out images is 16, where white is"):
        samples_of(ROWS, LABELS, held_out=(ROWS % 17, LABELS))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        samples_of(ROWS % 17, LABELS, config=CONFIG.replace(image_brightness=0.2))


def run(network, pictures, tag, config=CONFIG):
    source = SampleSource(config=config, images=pictures, labels=LABELS)
    source.brightness_out.connect(network.brightness_in)
    source.label_out.connect(network.label_in)
    network.run(RunSteps(config.window_steps), DesireSimCfg(tag))


@pytest.mark.parametrize("tag", ["floating_pt", "fixed_pt", "torch"])
def test_turned_images_are_refused_by_a_network_that_knows_what_it_learned(tag, tmp_path):
    pytest.importorskip("torch", reason="torch is not installed")
    from lava_desire import DesireNetwork

    config, first = CONFIG.replace(num_steps=4, error_margin=1), tmp_path / "first.safetensors"
    network = DesireNetwork(config)
    network.card = {"data": {"image_shape": [6, 8]}}
    network.save(first)
    paths = [first]
    for name in ("second", "new"):  # on rows, and one that has learned in Lava alone
        is_new, path = name == "new", tmp_path / f"{name}.safetensors"
        process = (
            DesireSequential(config=config) if is_new else DesireSequential.from_checkpoint(first)
        )
        try:
            run(process, PICTURES if is_new else ROWS, tag, config)
            process.to_checkpoint(path)
        finally:
            process.stop()
        paths.append(path)
    turned = PICTURES.transpose(0, 2, 1)
    for path in paths:
        assert DesireNetwork.load(path).image_shape == (6, 8)
        with pytest.raises(ValueError, match=r"SampleSource .* are 8 x 6: expected 6 x 8"):
            run(DesireSequential.from_checkpoint(path), turned, tag, config)
