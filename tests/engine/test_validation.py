from __future__ import annotations

import json

import numpy as np
import pytest

from lava_desire import DesireConfig
from lava_desire.checkpoint import BEST, BEST_AVERAGE, CHECKPOINT
from lava_desire.data import SpikeTrains, load_dataset
from lava_desire.engine import CheckpointError, DesireNetwork, evaluate, fit, read_checkpoint
from lava_desire.randomness import validation_split

from .spike_source import Counting, encoded

CONFIG = DesireConfig((64, 30, 10), learning_rate=3e-4, batch_size=16, epochs=3, seed=7)
AVERAGED = CONFIG.replace(weight_average=0.9, trace_baseline=0.5)
TIMING = ("samples_per_second", "seconds")


@pytest.fixture(scope="module")
def data():
    digits = load_dataset("digits")
    return (digits.train_images[:300], digits.train_labels[:300]), (
        digits.test_images[:100],
        digits.test_labels[:100],
    )


def parted(samples, share=0.2, seed=CONFIG.seed):
    learned, held_out = validation_split(samples[1], share, seed)
    return [tuple(array[part] for array in samples) for part in (learned, held_out)]


def told(history):
    records = [
        {name: value for name, value in vars(record).items() if name not in TIMING}
        for record in history.records
    ]
    return records, history.test


def same_weights(one, other):
    for mine, theirs in zip(one.numpy_weights(), other.numpy_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_each_class_gives_its_share_and_every_sample_is_in_one_part(share):
    labels = np.random.default_rng(0).integers(0, 7, 403)
    learned, held_out = validation_split(labels, share, seed=3)
    np.testing.assert_array_equal(np.sort(np.concatenate([learned, held_out])), np.arange(403))
    assert len(held_out) == round(share * 403)
    given = np.bincount(labels[held_out], minlength=7)
    assert np.abs(given - share * np.bincount(labels)).max() <= 1
    again, other = validation_split(labels, share, 3)[1], validation_split(labels, share, 4)[1]
    np.testing.assert_array_equal(held_out, again)
    assert not np.array_equal(held_out, other)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5, float("nan"), 1, True, 0.001])
def test_a_share_that_parts_nothing_is_refused(share, data):
    with pytest.raises(ValueError, match=r"validation is .*: expected a share"):
        fit(DesireNetwork(CONFIG), *data, validation=share)


def test_a_share_is_learned_as_if_the_rest_was_all_and_the_test_set_is_read_once(data, monkeypatch):
    train, test = data
    learned, held_out = parted(train)
    one, other, plain = (DesireNetwork(CONFIG) for _ in range(3))
    by_share = fit(one, train, test, validation=0.2)
    assert told(by_share) == told(fit(other, learned, test, validation=held_out))
    watched = fit(plain, learned, held_out)
    same_weights(one, other)
    same_weights(one, plain)
    for record, expected in zip(by_share.records, watched.records, strict=True):
        assert (record.test_accuracy, record.test_loss) == (None, None)
        assert record.accuracy == record.validation_accuracy == expected.test_accuracy
        assert record.validation_loss == expected.test_loss
        assert record.undecided_share == expected.undecided_share
    assert watched.test is None


@pytest.mark.parametrize("config", [CONFIG, AVERAGED], ids=["plain", "averaged"])
def test_the_best_weights_in_validation_meet_the_test_set(config, data, tmp_path):
    train, test = data
    network, kept = DesireNetwork(config), DesireNetwork(config)
    history = fit(network, train, test, validation=0.2, folder=tmp_path)
    assert told(history) == told(fit(kept, train, test, validation=0.2))  # without a folder
    same_weights(network, kept)
    found, best, average = history.test, history.best, history.best_average
    weights, chosen = BEST, best
    if average is not None and average.average_accuracy > best.accuracy:
        weights, chosen = BEST_AVERAGE, average
    assert (found.weights, found.epoch, found.num_samples) == (weights, chosen.epoch, 100)
    metrics = evaluate(DesireNetwork.load(tmp_path / weights), test)
    assert (found.accuracy, found.loss) == (metrics.accuracy, metrics.loss)
    assert found.undecided_share == metrics.num_undecided / 100
    summary = json.loads((tmp_path / "metrics.json").read_text())
    assert summary["test"] == vars(found)
    # The network goes on with its last weights.
    same_weights(network, DesireNetwork.load(tmp_path / CHECKPOINT))


def test_a_run_that_is_cut_short_ends_as_an_unbroken_one(data, tmp_path):
    train, test = data
    whole = fit(DesireNetwork(AVERAGED), train, test, validation=0.2, folder=tmp_path / "whole")

    def interrupt(progress):
        if (progress.epoch, progress.samples_done) == (1, 64):
            raise InterruptedError

    options = {"validation": 0.2, "folder": tmp_path / "cut"}
    with pytest.raises(InterruptedError):
        fit(
            DesireNetwork(AVERAGED),
            *data,
            **options,
            checkpoint_seconds=0,
            on_progress=interrupt,
        )
    resumed = DesireNetwork(AVERAGED)
    assert told(fit(resumed, *data, **options, resume=True)) == told(whole)
    same_weights(resumed, DesireNetwork.load(tmp_path / "whole" / CHECKPOINT))
    # What is finished is known to be so, test set and all.
    assert told(fit(DesireNetwork(AVERAGED), *data, **options, resume=True)) == told(whole)


def test_more_epochs_read_the_test_set_anew(data, tmp_path):
    options = {"validation": 0.2, "folder": tmp_path}
    fit(DesireNetwork(CONFIG), *data, **options)
    longer = CONFIG.replace(epochs=5)
    history = fit(DesireNetwork(longer), *data, **options, resume=True)
    assert told(history) == told(fit(DesireNetwork(longer), *data, validation=0.2))


@pytest.mark.parametrize("validation", [None, 0.3])
def test_another_split_is_another_run(data, tmp_path, validation):
    fit(DesireNetwork(CONFIG), *data, folder=tmp_path, validation=0.2)
    with pytest.raises(CheckpointError, match="was trained with num_validated 60: expected"):
        fit(DesireNetwork(CONFIG), *data, folder=tmp_path, resume=True, validation=validation)


def test_without_a_test_set_validation_alone_chooses(data, tmp_path):
    history = fit(DesireNetwork(CONFIG), data[0], folder=tmp_path, validation=0.2)
    assert history.test is None
    assert history.best.validation_accuracy == max(each.accuracy for each in history.records)
    assert (tmp_path / BEST).exists()


def test_a_damaged_record_of_the_test_set_is_refused(data, tmp_path):
    network = DesireNetwork(CONFIG)
    fit(network, *data, folder=tmp_path, validation=0.2)
    state = dict(read_checkpoint(tmp_path / CHECKPOINT).state)
    for test in ("good", {**state["test"], "weights": "../x"}, {**state["test"], "loss": "0"}, {}):
        content = network.checkpoint({**state, "test": test}).to_bytes()
        for name in (CHECKPOINT, "checkpoint.previous.safetensors"):
            (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=r"says test = .*: expected what a test set"):
            fit(DesireNetwork(CONFIG), *data, folder=tmp_path, resume=True, validation=0.2)


def test_of_streamed_spikes_a_share_is_read_where_it_lies(data, tmp_path):
    train, test = data
    streamed = Counting(encoded(CONFIG, train[0]), train[1])
    spikes = encoded(CONFIG, test[0])
    one, other = DesireNetwork(CONFIG), DesireNetwork(CONFIG)
    history = fit(one, streamed, (spikes, test[1]), validation=0.2)
    assert told(history) == told(fit(other, train, test, validation=0.2))
    same_weights(one, other)
    assert max(map(len, streamed.asked)) <= 64  # never all


def test_a_validation_set_of_another_kind_or_size_is_refused(data):
    train, test = data
    spikes = SpikeTrains.pack(encoded(CONFIG, test[0]))
    with pytest.raises(ValueError, match="validation holds spike trains, and train images"):
        fit(DesireNetwork(CONFIG), train, test, validation=(spikes, test[1]))
    with pytest.raises(ValueError, match="validation: "):
        fit(DesireNetwork(CONFIG), train, test, validation=(test[0][:, :5], test[1]))


def test_another_test_set_is_refused_and_none_is_taken_for_later(data, tmp_path):
    train, test = data
    fit(DesireNetwork(CONFIG), train, folder=tmp_path, validation=0.2)  # as a sweep does
    longer = CONFIG.replace(epochs=4)
    options = {"folder": tmp_path, "validation": 0.2, "resume": True}
    history = fit(DesireNetwork(longer), train, test, **options)
    assert history.test.num_samples == 100
    other = test[0][:50], test[1][:50]
    with pytest.raises(CheckpointError, match=r"was begun with the test set .*: expected"):
        fit(DesireNetwork(longer), train, other, **options)


def test_what_averaged_weights_reach_is_what_is_shown_where_they_are_chosen(data, tmp_path):
    from lava_desire.analysis.runs import read_run
    from lava_desire.cli.display import accuracies
    from lava_desire.cli.seeds import numbers_of

    config = AVERAGED.replace(learning_rate=1e-3, epochs=4, seed=1)
    history = fit(DesireNetwork(config), *data, validation=0.2, folder=tmp_path)
    assert history.average_is_best
    assert history.test.weights == BEST_AVERAGE
    best = history.best_average
    assert (history.chosen, history.best_accuracy) == (best, best.average_accuracy)
    assert numbers_of(history)["best"] == best.average_accuracy
    stored = read_run(tmp_path)
    assert (stored.best, stored.accuracies["best"]) == (best, best.average_accuracy)
    said = f"best {100 * best.average_accuracy:.2f} % in validation (epoch {best.epoch}, averaged"
    assert said in accuracies(history)


@pytest.mark.parametrize("config", [CONFIG, AVERAGED], ids=["plain", "averaged"])
def test_the_last_weights_meet_the_test_set_and_no_epoch_is_evaluated(config, data, tmp_path):
    train, test = data
    network, kept, plain = (DesireNetwork(config) for _ in range(3))
    history = fit(network, train, test, choose="last", folder=tmp_path)
    assert told(history) == told(fit(kept, train, test, choose="last"))  # without a folder
    fit(plain, train, test)
    same_weights(network, kept)
    same_weights(network, plain)
    assert history.best is None
    assert {(each.accuracy, each.average_accuracy) for each in history.records} == {(None, None)}
    found, weights = history.test, BEST_AVERAGE if config.weight_average else CHECKPOINT
    assert (found.weights, found.epoch, found.num_samples) == (weights, config.epochs, 100)
    stored = DesireNetwork.load(tmp_path / weights)
    assert found.accuracy == evaluate(stored, test).accuracy
    assert stored.card["accuracy"]["test"] == found.accuracy
    assert json.loads((tmp_path / "metrics.json").read_text())["test"] == vars(found)
    again = {"choose": "last", "folder": tmp_path, "resume": True}
    assert told(fit(DesireNetwork(config), *data, **again)) == told(history)
    longer = config.replace(epochs=4)
    history = fit(DesireNetwork(longer), *data, **again)
    assert told(history) == told(fit(DesireNetwork(longer), *data, choose="last"))
    with pytest.raises(CheckpointError, match="was trained with data"):
        fit(DesireNetwork(longer), *data, folder=tmp_path, resume=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"choose": "first"}, "choose is 'first': expected 'best' or 'last'"),
        ({"choose": "last", "validation": 0.2}, "choose is 'last' beside a validation"),
    ],
)
def test_what_cannot_be_chosen_is_refused(data, options, said):
    with pytest.raises(ValueError, match=said):
        fit(DesireNetwork(CONFIG), *data, **options)
