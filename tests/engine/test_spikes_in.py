"""Spike trains as the engine takes them: what it learns is what it learns of images encoded so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from lava_desire import Conv2d, Dense, DesireConfig, DesireNetwork, evaluate, fit
from lava_desire.analysis.local_losses import local_losses
from lava_desire.data import DataError, Dataset, DataWarning, SpikeTrains, load_data
from lava_desire.deploy import quantize
from lava_desire.randomness import epoch_order

from .spike_source import Counting, encoded

CONFIG = DesireConfig(
    (48, 20, 10, 4), epochs=2, batch_size=16, learning_rate=1e-3, num_steps=13, dropout_input=0.1
)
PICTURES = np.random.default_rng(5).integers(0, 256, (40, 48), dtype=np.uint8)
LABELS = np.arange(40) % 4
SPIKES = encoded(CONFIG, PICTURES)
TRAINS = SpikeTrains.pack(SPIKES)
KINDS = [{}, {"kernels": "torch"}, {"arithmetic": "fixed_point"}]


def spikes_of(network):
    """Return PICTURES as this network encodes them: integers have an encoder of their own."""
    return network.forward(PICTURES).spikes[0].numpy()


def learned(kind, train, test=None, config=CONFIG, **options):
    network = DesireNetwork(config, **kind)
    history = fit(network, train(network) if callable(train) else train, test, **options)
    return network.numpy_weights(), history


def assert_equal(weights, expected):
    for mine, theirs in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


FORMS = {
    "bool": lambda spikes: (spikes, LABELS),
    "torch": lambda spikes: (torch.from_numpy(spikes), torch.from_numpy(LABELS)),
    "planes": lambda spikes: (spikes.reshape(13, 40, 2, 4, 6), LABELS),
    "packed": lambda spikes: (SpikeTrains.pack(spikes), LABELS),
    "source": lambda spikes: Counting(spikes, LABELS),
    "by name": lambda spikes: {"train_spikes": spikes, "train_labels": LABELS},
    "dataset": lambda spikes: TensorDataset(
        torch.from_numpy(spikes.swapaxes(0, 1).copy()), torch.from_numpy(LABELS)
    ),
    "samples": lambda spikes: torch.utils.data.Subset(
        [(torch.from_numpy(spikes[:, i].reshape(13, 2, 4, 6)), i % 4) for i in range(40)],
        range(40),
    ),
}


@pytest.mark.parametrize("kind", KINDS, ids=["compiled", "torch", "integers"])
def test_what_is_learned_of_spikes_is_what_is_learned_of_images_encoded_so(kind):
    expected, history = learned(kind, (PICTURES, LABELS), (PICTURES, LABELS))
    spikes = spikes_of(DesireNetwork(CONFIG, **kind))
    for form in FORMS.values():
        weights, found = learned(
            kind, form(spikes), form(spikes) if form is not FORMS["by name"] else None
        )
        assert_equal(weights, expected)
        assert [each.train_accuracy for each in found.records] == [
            each.train_accuracy for each in history.records
        ]
        if found.last.test_accuracy is not None:
            assert found.last.test_loss == history.last.test_loss
    network, images = (DesireNetwork(CONFIG, **kind) for _ in range(2))
    step = network.train_step(spikes[:, :8], LABELS[:8], 1e-3)
    expected = images.train_step(PICTURES[:8], LABELS[:8], 1e-3)
    assert torch.equal(step.spikes[0], expected.spikes[0])
    assert_equal(network.numpy_weights(), images.numpy_weights())
    assert torch.equal(network.predict(spikes), images.predict(PICTURES))
    assert (
        evaluate(network, Counting(spikes, LABELS), 7).loss
        == evaluate(images, (PICTURES, LABELS), 7).loss
    )


def test_the_rules_encoder_makes_the_spikes_that_images_are_learned_as():
    np.testing.assert_array_equal(spikes_of(DesireNetwork(CONFIG)), SPIKES)


def test_a_source_is_read_a_minibatch_at_a_time_in_the_order_of_arrays(tmp_path):
    train, test = Counting(SPIKES, LABELS), Counting(SPIKES, LABELS)
    train.asked.clear()
    learned({}, train, test)
    # One is read to be checked, and after the first epoch some, to look for silent layers.
    (look,) = (asked for asked in train.asked if len(asked) > CONFIG.batch_size)
    np.testing.assert_array_equal(look, np.arange(40))
    whole = [asked for asked in train.asked if 1 < len(asked) <= CONFIG.batch_size]
    expected = [epoch_order(CONFIG.seed, epoch, 40) for epoch in range(2)]
    np.testing.assert_array_equal(np.concatenate(whole), np.concatenate(expected))
    assert sum(map(len, test.asked)) <= 2 * 40 + 2


def test_a_file_of_packed_spikes_is_mapped_and_stays_on_disk(tmp_path):
    np.save(tmp_path / "planes.npy", TRAINS.planes)
    mapped = SpikeTrains(np.load(tmp_path / "planes.npy", mmap_mode="r"), 13, (48,))
    assert_equal(
        learned({}, (mapped, LABELS), (mapped, LABELS))[0], learned({}, (TRAINS, LABELS))[0]
    )
    losses = local_losses(DesireNetwork(CONFIG), (mapped, LABELS))
    assert (
        losses["3"].tolist()
        == local_losses(DesireNetwork(CONFIG), (PICTURES, LABELS))["3"].tolist()
    )


@pytest.mark.parametrize("form", ["packed", "source"])
def test_a_run_on_spikes_resumes_to_the_bit_and_on_no_other_data(tmp_path, form):
    expected, _ = learned({}, (TRAINS, LABELS))

    def interrupt(progress):
        if (progress.epoch, progress.samples_done) == (1, 16):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        learned(
            {},
            FORMS[form](SPIKES),
            folder=tmp_path,
            checkpoint_seconds=0,
            on_progress=interrupt,
        )
    weights, _ = learned({}, FORMS[form](SPIKES), folder=tmp_path, resume=True)
    assert_equal(weights, expected)
    with pytest.raises(ValueError, match="was trained with data"):
        learned({}, FORMS[form](SPIKES[::-1]), folder=tmp_path, resume=True)


def test_classes_of_sources_are_told_by_their_names():
    names = ("left", "right", "up", "down")
    network = DesireNetwork(CONFIG)
    train = Counting(SPIKES, LABELS, names)
    other = Counting(SPIKES, (LABELS + 1) % 4, ("down", *names[:3]))  # the same, numbered anew
    history = fit(network, train, other)
    assert network.class_names == names
    assert history.last.test_accuracy == evaluate(network, (SPIKES, LABELS)).accuracy
    with pytest.raises(DataError, match="'along'"):
        evaluate(network, Counting(SPIKES, LABELS, (*names[:3], "along")))


def test_a_network_that_learned_spikes_goes_into_integers():
    network = DesireNetwork(CONFIG)
    expected = quantize(network, (PICTURES, LABELS), fine_tune_epochs=1)
    found = quantize(network, Dataset.from_sources(Counting(SPIKES, LABELS)), fine_tune_epochs=1)
    assert found.report.layers == quantize(network, (TRAINS, LABELS)).report.layers
    assert len(found.report.layers) == len(expected.report.layers)


def test_files_of_spikes_hold_them_packed_or_not(tmp_path):
    names = np.array(["a", "b", "c", "d"])
    np.savez(tmp_path / "bool.npz", spikes=SPIKES.reshape(13, 40, 2, 4, 6), labels=names[LABELS])
    planes = TRAINS.planes.reshape(40, 2, 2, 4, 6)
    np.savez(tmp_path / "packed.npz", spikes=planes, num_steps=13, labels=names[LABELS])
    data = [load_data(tmp_path / f"{name}.npz") for name in ("bool", "packed")]
    for each in data:
        assert (each.num_inputs, each.num_steps, each.class_names) == (48, 13, tuple("abcd"))
        assert (len(each.train_labels), len(each.test_labels)) == (32, 8)
        np.testing.assert_array_equal(each.train[0].unpack(), data[0].train[0].unpack())
        assert each.train[0].shape == (2, 4, 6)
    assert learned({}, data[0])[1].last.test_accuracy is not None


COUNTS = SPIKES.astype(np.uint8) * 3
BOTH = CONFIG.replace(image_brightness=0.3)
MOVED = DesireConfig((49, 4), image_shift=1, num_steps=13)


@pytest.mark.parametrize(
    ("config", "given", "message"),
    [
        (CONFIG, COUNTS, "are uint8: expected bool.*inputs > 0 is a spike"),
        (CONFIG, torch.from_numpy(COUNTS).long(), "are torch.int64: expected bool"),
        (CONFIG, COUNTS.reshape(13, 40, 2, 4, 6), "are uint8: expected bool"),
        (CONFIG, SPIKES.astype(np.float32), "are float32: expected bool"),
        (CONFIG, SPIKES.swapaxes(0, 1), "of 40 time steps: expected num_steps = 13; time comes"),
        (CONFIG, SPIKES[:12], "of 12 time steps: expected num_steps = 13"),
        (CONFIG, SPIKES[..., 1:], r"of shape \(47,\): expected 48 neurons"),
        (
            CONFIG,
            SPIKES.reshape(13, 40, 6, 8),
            r"have shape \(13, 40, 6, 8\): expected .time steps",
        ),
        (BOTH, SPIKES, "image_brightness is 0.3: expected 0 where inputs are spike trains"),
    ],
)
def test_what_are_no_spike_trains_of_the_network_is_refused(config, given, message):
    network = DesireNetwork(config)
    before = network.numpy_weights()
    for action in (network.forward, lambda it: network.train_step(it, LABELS, 1.0)):
        with pytest.raises(ValueError, match=message):
            action(given)
    assert_equal(network.numpy_weights(), before)


def test_sources_are_refused_before_anything_is_learned(tmp_path):
    network = DesireNetwork(CONFIG)
    for spikes, message in (
        (SPIKES[:9], "train: inputs are spike trains of 9 time steps"),
        (SPIKES[..., :4], r"train: inputs are spike trains of neurons of shape \(4,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            fit(network, Counting(spikes, LABELS), folder=tmp_path / "run")
    short = Counting(SPIKES, LABELS)
    short.spikes = lambda samples: TRAINS[samples[1:]]
    with pytest.raises(ValueError, match=r"returned 0 samples for 1 samples: expected SpikeTrains"):
        fit(network, short, folder=tmp_path / "run")
    wide = np.zeros((13, 40, 49), bool)
    with pytest.raises(
        ValueError, match="image_shift is 1: expected 0 where neurons of spike trains are in a row"
    ):
        fit(DesireNetwork(MOVED), (wide, LABELS), folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.warns(DataWarning, match="data spike trains hold no spike"):
        evaluate(network, (wide[..., 1:], LABELS))
    with pytest.raises(DataError, match="one kind to train and to test with"):
        Dataset("mixed", TRAINS, LABELS, PICTURES, LABELS)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (SPIKES, PICTURES / 255, "test holds images, and train spike trains: expected one kind"),
        (PICTURES, TRAINS, "test holds spike trains, and train images: expected one kind"),
        (
            SPIKES.reshape(13, 40, 2, 4, 6),
            SpikeTrains.pack(SPIKES.reshape(13, 40, 4, 6, 2)),
            "test spike trains have neurons of 4 x 6 x 2: expected 2 x 4 x 6, as those to train",
        ),
    ],
)
def test_what_is_tested_with_is_as_what_is_learned(train, test, message):
    network = DesireNetwork(CONFIG)
    before = network.numpy_weights()
    sources = [(train, LABELS)]
    if isinstance(train, np.ndarray) and train.dtype == bool:
        sources.append(Counting(train, LABELS))
    for given in sources:
        with pytest.raises(DataError, match=message):
            fit(network, given, (test, LABELS))
    assert_equal(network.numpy_weights(), before)


def test_convolutions_learn_spikes_of_channels():
    kind = {"kernels": "torch"}
    config = DesireConfig(
        layers=[Conv2d(3, 3, stride=2), Dense(4)], input_shape=(2, 7, 6), num_steps=9, batch_size=5
    )
    spikes = np.random.default_rng(1).random((9, 10, 2, 7, 6)) < 0.3
    planes, flat = (DesireNetwork(config, **kind) for _ in range(2))
    for network, given in ((planes, spikes), (flat, SpikeTrains.pack(spikes.reshape(9, 10, 84)))):
        fit(network, (given, LABELS[:10]))
    assert_equal(planes.numpy_weights(), flat.numpy_weights())
    assert not np.array_equal(
        planes.numpy_weights()[0], DesireNetwork(config, **kind).numpy_weights()[0]
    )
    with pytest.raises(DataError, match="planes of 7 x 6 x 2: expected 2 x 7 x 6, the network"):
        planes.forward(np.moveaxis(spikes, 2, 4))
