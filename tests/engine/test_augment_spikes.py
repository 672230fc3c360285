"""Recordings that are moved, mirrored and shifted in time, and lose spikes, while learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, DesireNetwork, fit
from lava_desire.cli.run import make_config
from lava_desire.data import Dataset, SpikeTrains
from lava_desire.data.events import EventDataset, synthetic
from lava_desire.randomness import epoch_moves, epoch_order, kept_spikes
from lava_desire.training.augment import (
    draw_moves,
    drop_spikes,
    mirror_images,
    move_samples,
    shift_steps,
)

SHAPE, STEPS = (2, 4, 6), 13
SPIKES = np.random.default_rng(3).random((STEPS, 10, *SHAPE)) < 0.3
LABELS = np.arange(10) % 3
TRAINS = SpikeTrains.pack(SPIKES)
CONFIG = DesireConfig(
    (48, 12, 3),
    num_steps=STEPS,
    input_shape=SHAPE,
    batch_size=4,
    epochs=2,
    learning_rate=5e-3,
    threshold=0.5,
)
CHANGES = {"image_shift": 2, "image_mirror": 0.5, "time_shift": 5, "spike_drop": 0.25}


def changed(config, epoch, places):
    """Change recordings the slow way: (T, places, C, H, W), in an epoch's order."""
    order = epoch_order(config.seed, epoch, len(LABELS))
    drawn = epoch_moves(
        config.seed,
        epoch,
        len(LABELS),
        config.image_shift,
        share=config.image_shift_share,
        mirror=config.image_mirror,
        delay=config.time_shift,
    )
    found = np.zeros_like(SPIKES[:, places])
    for number, place in enumerate(places):
        kept = kept_spikes(config.seed, epoch, place, 2, 48, config.spike_drop).reshape(2, *SHAPE)
        for t, c, y, x in zip(*np.nonzero(SPIKES[:, order[place]]), strict=True):
            x = SHAPE[2] - 1 - x if drawn.mirrored[place] else x
            y, x = (y, x) + drawn.shifts[place]
            t = t + drawn.delays[place]
            if 0 <= y < SHAPE[1] and 0 <= x < SHAPE[2] and 0 <= t < STEPS:
                is_kept = drawn.stays[place] or kept[t // 8, c, y, x] >> t % 8 & 1
                found[t, number, c, y, x] = bool(is_kept)
    return found


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize(
    "change", [*({name: value} for name, value in CHANGES.items()), CHANGES], ids="+".join
)
def test_packed_recordings_change_as_single_spikes_do(change, share):
    config = CONFIG.replace(image_shift_share=share, **change)
    order = epoch_order(config.seed, 1, len(LABELS))
    moves = draw_moves(config, 1, len(LABELS))
    planes = torch.from_numpy(TRAINS.planes)[order]
    before = planes.clone()
    for part in (slice(0, 10), slice(3, 7)):  # of a minibatch, or a rank's share of it
        moved = move_samples(planes[part], moves[part], config)
        expected = changed(config, 1, np.arange(10)[part])
        assert moved.dtype == torch.uint8
        found = SpikeTrains(moved.numpy(), STEPS, SHAPE)  # which refuses spikes beyond the window
        np.testing.assert_array_equal(found.unpack().reshape(expected.shape), expected)
        if share == 1:
            assert (expected != SPIKES[:, order[part]]).any()
    assert torch.equal(planes, before)


@pytest.mark.parametrize("kind", [{}, {"kernels": "torch"}, {"arithmetic": "fixed_point"}])
@pytest.mark.parametrize("batch_size", [4, 1])
def test_a_network_learns_recordings_as_they_are_changed(kind, batch_size):
    config = CONFIG.replace(batch_size=batch_size, epochs=1, **CHANGES)
    network = DesireNetwork(config, **kind)
    fit(network, (SPIKES, LABELS))
    by_hand = DesireNetwork(CONFIG, **kind)
    moved = changed(config, 0, np.arange(10))
    labels = LABELS[epoch_order(config.seed, 0, 10)]
    for first in range(0, 10, batch_size):
        part = slice(first, first + batch_size)
        by_hand.train_step(moved[:, part], labels[part], config.learning_rate)
    for mine, theirs, begun in zip(
        network.numpy_weights(),
        by_hand.numpy_weights(),
        DesireNetwork(CONFIG, **kind).numpy_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, theirs)
        assert not np.array_equal(mine, begun)


@pytest.mark.parametrize("delay", [-13, -9, -8, -3, 0, 1, 7, 8, 12, 13, 100])
@pytest.mark.parametrize("num_steps", [13, 16, 3])
def test_every_shift_in_time_is_that_of_single_steps(delay, num_steps):
    spikes = SPIKES[:num_steps] if num_steps <= STEPS else np.tile(SPIKES, (2, 1, 1, 1, 1))[:16]
    planes = torch.from_numpy(SpikeTrains.pack(spikes).planes)
    moved = shift_steps(planes, torch.full((10,), delay), num_steps)
    expected = np.zeros_like(spikes)
    for step in range(num_steps):
        if 0 <= step - delay < num_steps:
            expected[step] = spikes[step - delay]
    found = SpikeTrains(moved.numpy(), num_steps, SHAPE).unpack()
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)


def test_so_many_spikes_are_lost_whichever_samples_are_drawn_together():
    planes = torch.full((300, 3, 100), 255, dtype=torch.uint8)
    numbers = torch.arange(300)
    some = drop_spikes(planes, numbers, 0.3, seed=1, epoch=2)
    kept = np.unpackbits(some.numpy()).mean()
    assert kept == pytest.approx(0.7, abs=0.004)  # 7 deviations
    again = drop_spikes(planes[:5], numbers[200:205], 0.3, seed=1, epoch=2)
    assert torch.equal(some[200:205], again)
    for other in ({"seed": 2, "epoch": 2}, {"seed": 1, "epoch": 3}):
        assert not torch.equal(drop_spikes(planes, numbers, 0.3, **other), some)
    assert torch.equal(drop_spikes(planes, -torch.ones_like(numbers), 0.3, 1, 2), planes)
    counts = np.unpackbits(some.numpy(), axis=1, bitorder="little").mean((0, 2))
    np.testing.assert_allclose(counts, 0.7, atol=0.02)  # in every step alike


def test_images_are_mirrored_and_learned_so():
    images = torch.arange(24, dtype=torch.uint8).view(2, 12)
    found = mirror_images(images, torch.tensor([True, False]), (2, 2, 3))
    assert found[0].tolist() == [2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9]
    assert torch.equal(found[1], images[1])
    draw = np.random.default_rng(1)
    pictures = draw.integers(0, 256, (10, 4, 4), np.uint8)
    config = DesireConfig((16, 12, 3), batch_size=10, epochs=1, learning_rate=0.01, threshold=0.5)
    network, by_hand = DesireNetwork(config.replace(image_mirror=1.0)), DesireNetwork(config)
    fit(network, (pictures, LABELS))
    order = epoch_order(config.seed, 0, 10)
    by_hand.train_step(pictures[order][:, :, ::-1].copy(), LABELS[order], 0.01)
    for mine, theirs in zip(network.numpy_weights(), by_hand.numpy_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_an_interrupted_run_goes_on_with_the_same_changes(tmp_path):
    config = CONFIG.replace(**CHANGES)
    straight, first, second = DesireNetwork(config), DesireNetwork(config), DesireNetwork(config)

    def stop(progress):
        if (progress.epoch, progress.samples_done) == (1, 4):
            raise KeyboardInterrupt

    fit(straight, (SPIKES, LABELS))
    with pytest.raises(KeyboardInterrupt):
        fit(first, (SPIKES, LABELS), folder=tmp_path, checkpoint_seconds=0, on_progress=stop)
    fit(second, (SPIKES, LABELS), folder=tmp_path, resume=True)
    for mine, theirs in zip(second.numpy_weights(), straight.numpy_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


ROW = DesireConfig((49, 3), num_steps=STEPS, epochs=1)
FLAT = np.random.default_rng(0).random((STEPS, 10, 49)) < 0.3


@pytest.mark.parametrize("name", ["image_shift", "image_mirror"])
def test_neurons_in_a_row_have_no_neighbours(name):
    config = ROW.replace(**{name: 1})
    with pytest.raises(ValueError, match=f"{name} is 1.*: expected 0 where neurons of spike trai"):
        fit(DesireNetwork(config), (FLAT, LABELS))
    fit(DesireNetwork(config.replace(input_shape=(1, 7, 7))), (FLAT, LABELS))
    fit(DesireNetwork(config), (FLAT.reshape(STEPS, 10, 1, 7, 7), LABELS))
    oblong = DesireConfig((36, 3), num_steps=STEPS, **{name: 1})
    with pytest.raises(ValueError, match=r"where planes of spikes are 1 x 4 x 9 and input_shape i"):
        fit(DesireNetwork(oblong), (FLAT[..., :36].reshape(STEPS, 10, 1, 4, 9), LABELS))


@pytest.mark.parametrize("change", [{"time_shift": 1}, {"spike_drop": 0.5}])
def test_what_changes_spikes_in_time_needs_no_planes_and_refuses_images(change):
    (name,) = change
    fit(DesireNetwork(ROW.replace(**change)), (FLAT, LABELS))
    message = f"{name} is {change[name]}: expected 0 where what is learned are images"
    with pytest.raises(ValueError, match=message):
        fit(DesireNetwork(ROW.replace(**change)), (FLAT[0].astype(np.float32), LABELS))
    data = Dataset("mine", FLAT[0].astype(np.float32), LABELS)
    with pytest.raises(ValueError, match=message.replace("_", "-").replace(" is ", ".*is ", 1)):
        make_config(data, change)


@pytest.mark.parametrize("name", ["image_rotation", "image_scale", "image_bend"])
def test_what_blends_pixels_is_refused_where_there_are_spikes(name):
    with pytest.raises(ValueError, match=f"{name} is 0.5: expected 0 where .* spike trains, whose"):
        fit(DesireNetwork(CONFIG.replace(**{name: 0.5})), (SPIKES, LABELS))


def test_the_command_line_moves_recordings():
    events, labels = synthetic.moving_bars(8, size=6)
    data = EventDataset(events, 5, labels=labels, start=0, duration=100_000, counts="clip")
    config = make_config(Dataset.from_sources(data), {"image_shift": 1, "time_shift": 1})
    assert (config.input_shape, config.num_steps) == ((2, 6, 6), 5)
    fit(DesireNetwork(config.replace(epochs=1)), data)
    with pytest.raises(ValueError, match=r"image-bend.* expected 0 where .* are spike trains"):
        make_config(Dataset.from_sources(data), {"image_bend": 1.0})
