from __future__ import annotations

import sys

import numpy as np
import pytest

from lava_desire import DesireConfig
from lava_desire.checkpoint import CHECKPOINT
from lava_desire.data import Dataset, load_dataset
from lava_desire.engine import (
    Callback,
    DesireNetwork,
    EarlyStopping,
    EpochCheckpoint,
    evaluate,
    fit,
    read_checkpoint,
)

CONFIG = DesireConfig((64, 20, 10), learning_rate=3e-4, batch_size=32, epochs=4, seed=7)
# Its accuracy soon rises no more.
WILD = CONFIG.replace(learning_rate=0.1, epochs=12)


@pytest.fixture(scope="module")
def data():
    digits = load_dataset("digits")
    return (digits.train_images[:200], digits.train_labels[:200]), (
        digits.test_images[:100],
        digits.test_labels[:100],
    )


def same_weights(one, other):
    for mine, theirs in zip(one.numpy_weights(), other.numpy_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


class Notes(Callback):
    def __init__(self):
        self.calls = []

    def on_begin(self, run):
        self.calls.append(("begin", run.epoch))

    def on_progress(self, run, progress):
        self.calls.append(("progress", progress.epoch, progress.samples_done))

    def on_epoch_end(self, run, record):
        assert record is run.history.records[-1]
        if run.folder is not None:
            assert read_checkpoint(run.folder / CHECKPOINT).state["epoch"] == record.epoch
        self.calls.append(("epoch", record.epoch))

    def on_end(self, run):
        self.calls.append(("end", run.history.test is not None))


def test_they_are_called_in_turn_and_change_nothing(data, tmp_path):
    plain, watched, notes, seen = DesireNetwork(CONFIG), DesireNetwork(CONFIG), Notes(), []
    fit(plain, *data, validation=0.2)
    history = fit(
        watched, *data, validation=0.2, folder=tmp_path, callbacks=[notes, seen.append, Callback()]
    )
    same_weights(plain, watched)
    epoch = [32, 64, 96, 128, 160]
    expected = [("begin", 0)]
    for number in range(4):
        expected += [("progress", number, done) for done in epoch]
        expected += [("epoch", number + 1)]
    assert notes.calls == [*expected, ("end", True)]
    assert seen == history.records


def stopping_epoch(records, patience, min_delta=0.0):
    """Find it the plain way: at every epoch, the best of those before the last few."""
    for count in range(1, len(records) + 1):
        values = [record.accuracy for record in records[:count]]
        best = 0
        for index, value in enumerate(values):
            if value > values[best] + min_delta:
                best = index
        if count - 1 - best >= patience:
            return count
    return len(records)


@pytest.mark.parametrize(("patience", "min_delta"), [(1, 0.0), (2, 0.0), (2, 0.05), (50, 0.0)])
def test_early_stopping_ends_where_the_records_say(data, patience, min_delta):
    whole = fit(DesireNetwork(WILD), *data, validation=0.2)
    network = DesireNetwork(WILD)
    stopping = EarlyStopping(patience, min_delta)
    history = fit(network, *data, validation=0.2, callbacks=[stopping])
    count = stopping_epoch(whole.records, patience, min_delta)
    assert len(history.records) == count
    assert (history.stopped is not None) == (count < 12)
    accuracies = [record.accuracy for record in history.records]
    assert accuracies == [record.accuracy for record in whole.records[:count]]
    assert history.test.epoch == history.best.epoch


def test_a_stopped_run_stays_so_and_a_broken_one_stops_where_it_would(data, tmp_path):
    stopping = {"callbacks": [EarlyStopping(2)], "folder": tmp_path}
    whole = fit(DesireNetwork(WILD), *data, callbacks=[EarlyStopping(2)])
    assert len(whole.records) < 12

    def interrupt(record):
        if record.epoch == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fit(DesireNetwork(WILD), *data, folder=tmp_path, callbacks=[interrupt])
    again = DesireNetwork(WILD)
    history = fit(again, *data, **stopping, resume=True)
    assert len(history.records) == len(whole.records)
    third = DesireNetwork(WILD)
    assert fit(third, *data, **stopping, resume=True).stopped == whole.stopped
    same_weights(again, third)
    # Without it, the run goes on to its last epoch.
    assert len(fit(DesireNetwork(WILD), *data, folder=tmp_path, resume=True).records) == 12


def test_what_a_callback_raises_ends_the_run_and_loses_nothing(data, tmp_path):
    class Broken(Callback):
        def on_progress(self, run, progress):
            if (progress.epoch, progress.samples_done) == (1, 64):
                raise RuntimeError("no more disk for logs")

    with pytest.raises(RuntimeError, match="no more disk for logs"):
        fit(DesireNetwork(CONFIG), *data, folder=tmp_path, callbacks=[Broken()])
    resumed, whole = DesireNetwork(CONFIG), DesireNetwork(CONFIG)
    fit(resumed, *data, folder=tmp_path, resume=True)
    fit(whole, *data)
    same_weights(resumed, whole)


def test_weights_of_some_epochs_are_kept(data, tmp_path):
    kept = EpochCheckpoint(every=2)
    fit(DesireNetwork(CONFIG), *data, folder=tmp_path, callbacks=[kept])
    names = sorted(path.name for path in (tmp_path / "epochs").iterdir())
    assert names == ["epoch-0002.safetensors", "epoch-0004.safetensors"]
    shorter = DesireNetwork(CONFIG.replace(epochs=2))
    fit(shorter, *data, callbacks=[EpochCheckpoint(folder=tmp_path / "mine")])
    for place in (tmp_path / "epochs", tmp_path / "mine"):
        same_weights(DesireNetwork.load(place / "epoch-0002.safetensors"), shorter)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            lambda: EarlyStopping(0),
            r"patience is 0: expected an integer in \[1, 9223372036854775807\]",
        ),
        (lambda: EarlyStopping(1.5), "patience is 1.5: expected"),
        (lambda: EarlyStopping(1, -0.1), "min_delta is -0.1: expected at least 0"),
        (lambda: EarlyStopping(1, of="speed"), "of is 'speed': expected one of accuracy"),
        (
            lambda: EpochCheckpoint(0),
            r"every is 0: expected an integer in \[1, 9223372036854775807\]",
        ),
    ],
)
def test_values_out_of_range_are_refused(made, said):
    with pytest.raises(ValueError, match=said):
        made()


@pytest.mark.parametrize(
    ("callbacks", "said"),
    [
        ([3], "callbacks holds 3: expected instances"),
        (3, "callbacks holds 3: expected instances"),
        ([EarlyStopping], "callbacks holds <class .*: expected instances"),
        ([EarlyStopping(1, of="validation_loss")], "watches validation_loss, which this run"),
        ([EarlyStopping(1, of="average_accuracy")], "watches average_accuracy, which this run"),
        ([EpochCheckpoint()], "EpochCheckpoint has no folder, nor has the run"),
    ],
)
def test_what_a_run_cannot_do_is_refused_before_it_learns(data, callbacks, said):
    network = DesireNetwork(CONFIG)
    with pytest.raises(ValueError, match=said):
        fit(network, *data, callbacks=callbacks)
    assert network.samples_seen == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"folder": ""}, "folder is '': expected a path, '.' for the current directory"),
        ({"folder": 3}, "folder is 3: expected a path"),
        ({"checkpoint_seconds": "3"}, "checkpoint_seconds is '3': expected a number of seconds"),
        ({"checkpoint_seconds": -1}, "checkpoint_seconds is -1: expected .* at least 0"),
        ({"checkpoint_seconds": float("nan")}, "checkpoint_seconds is nan: expected"),
        ({"on_progress": 3}, "on_progress is 3: expected a function"),
        ({"resume": "yes"}, "resume is 'yes': expected True or False"),
        ({"progress": "x"}, "progress is 'x': expected True or False"),
    ],
)
def test_arguments_of_a_run_are_refused_before_there_is_one(data, tmp_path, arguments, said):
    network = DesireNetwork(CONFIG)
    with pytest.raises(ValueError, match=said):
        fit(network, *data, **{"folder": tmp_path / "run", **arguments})
    assert network.samples_seen == 0
    assert not (tmp_path / "run").exists()


def test_the_largest_integer_is_never(data, tmp_path):
    never = [EarlyStopping(sys.maxsize), EpochCheckpoint(every=sys.maxsize)]
    history = fit(DesireNetwork(WILD), *data, folder=tmp_path, callbacks=never)
    assert len(history.records) == WILD.epochs
    assert not list((tmp_path / "epochs").glob("*"))


def test_of_losses_less_is_better(data):
    stopped = fit(DesireNetwork(WILD), *data, callbacks=[EarlyStopping(1, of="test_loss")])
    losses = [record.test_loss for record in stopped.records]
    assert losses[:-1] == sorted(losses[:-1], reverse=True)
    assert losses[-1] >= losses[-2]
    assert stopped.stopped == "test_loss has not become better for 1 epochs"


def test_without_a_set_to_measure_on_accuracy_cannot_be_watched(data):
    with pytest.raises(ValueError, match="watches accuracy, which this run does not measure"):
        fit(DesireNetwork(CONFIG), data[0], callbacks=[EarlyStopping(1)])


@pytest.mark.parametrize("arithmetic", ["floating_point", "fixed_point"])
@pytest.mark.parametrize("batch_size", [1, 32])
def test_a_callback_may_set_the_configuration_between_epochs(data, arithmetic, batch_size):
    config = CONFIG.replace(
        batch_size=batch_size, weight_average=0.9, trace_baseline=0.8, rate_floor=0.05, epochs=3
    )
    found = []
    for changes in (None, {}, {"desire_threshold_hidden": 0.5}):
        network = DesireNetwork(config, arithmetic=arithmetic)

        def set_config(record, network=network, changes=changes):
            if changes is not None:
                network.config = network.config.replace(**changes)

        history = fit(network, *data, callbacks=[set_config])
        arrays = dict(network.state.named_arrays())
        found.append(({name: array.numpy() for name, array in arrays.items()}, history.records))
    (plain, records), (same, same_records), (other, _) = found
    assert plain.keys() == same.keys() == other.keys()
    assert {"average.1", "average.2", "input_rates.1"} <= plain.keys()
    for name, array in plain.items():
        np.testing.assert_array_equal(array, same[name], err_msg=name)
    for one, another in zip(records, same_records, strict=True):
        assert one.average_accuracy == another.average_accuracy
    assert (plain["weights.1"] != other["weights.1"]).any()
    assert (plain["average.1"] != other["average.1"]).any()


@pytest.mark.parametrize("arithmetic", ["floating_point", "fixed_point"])
@pytest.mark.parametrize("average", [0.0, 0.9])
def test_the_best_weights_are_tested_as_they_were_configured(data, tmp_path, arithmetic, average):
    config = CONFIG.replace(weight_average=average, epochs=2, batch_size=1, learning_rate=1e-3)
    network = DesireNetwork(config, arithmetic=arithmetic)

    def make_silent(record):
        network.config = network.config.replace(threshold=30.0)

    history = fit(network, *data, validation=0.2, folder=tmp_path, callbacks=[make_silent])
    assert history.test.epoch == 1
    best = DesireNetwork.load(tmp_path / history.test.weights)
    assert best.config.threshold == config.threshold
    assert history.test.accuracy == evaluate(best, data[1]).accuracy
    assert history.test.accuracy > evaluate(network, data[1]).accuracy


@pytest.mark.parametrize("arithmetic", ["floating_point", "fixed_point"])
@pytest.mark.parametrize(("before", "after"), [(0.9, 0.0), (0.0, 0.9)])
def test_an_average_of_weights_begins_or_ends_where_a_callback_says(
    data, tmp_path, arithmetic, before, after
):
    network = DesireNetwork(CONFIG.replace(weight_average=before), arithmetic=arithmetic)
    plain = DesireNetwork(CONFIG, arithmetic=arithmetic)

    def set_config(record):
        if record.epoch == 2:
            network.config = network.config.replace(weight_average=after)

    history = fit(network, *data, folder=tmp_path, callbacks=[set_config])
    fit(plain, *data)
    same_weights(network, plain)
    averaged = [record.average_accuracy is not None for record in history.records]
    assert averaged == [bool(before)] * 2 + [bool(after)] * 2
    minibatches = 2 * 7 if after else 0  # since it began, of 200 samples an epoch
    stored = read_checkpoint(tmp_path / CHECKPOINT)
    for state in (network.state, stored):
        assert len(state.average) == (2 if after else 0)
    assert network.state.minibatches_averaged == minibatches
    assert ("average.1" in network.state_dict()) == bool(after)
    longer = network.config.replace(epochs=5)
    resumed = DesireNetwork(longer, arithmetic=arithmetic)
    last = fit(resumed, *data, folder=tmp_path, resume=True).last
    assert (last.average_accuracy is not None) == bool(after)


@pytest.mark.parametrize("arithmetic", ["floating_point", "fixed_point"])
def test_an_average_that_is_ended_and_begun_between_two_epochs_begins_anew(data, arithmetic):
    found = []
    averaged = CONFIG.replace(weight_average=0.9)
    for before, settings in (
        (averaged, (CONFIG, averaged)),  # the same object
        (averaged, (CONFIG, averaged.replace())),
        (CONFIG, (averaged,)),
    ):
        network = DesireNetwork(before, arithmetic=arithmetic)

        def set_config(record, network=network, settings=settings):
            for config in settings if record.epoch == 2 else ():
                network.config = config

        history = fit(network, *data, callbacks=[set_config])
        assert network.state.minibatches_averaged == 2 * 7
        accuracies = [record.average_accuracy for record in history.records[2:]]
        found.append(([each.numpy() for each in network.state.average], accuracies))
    first, expected = found.pop()
    assert None not in expected
    for anew, accuracies in found:
        assert accuracies == expected
        for mine, theirs in zip(anew, first, strict=True):
            np.testing.assert_array_equal(mine, theirs)


SMALL = DesireConfig((16, 12, 3), num_steps=10, learning_rate=0.01, epochs=2, seed=3)
BOTH = SMALL.replace(off_channel=3)
GENERATOR = np.random.default_rng(0)
ROWS, LABELS = GENERATOR.integers(0, 256, (20, 16), dtype=np.uint8), np.arange(20) % 3
SPIKES = GENERATOR.random((10, 20, 16)) < 0.4
TABLE = Dataset("table", ROWS, LABELS, feature_names=tuple("abcdefghijklmnop"))
OBLONG = ROWS.reshape(20, 2, 8)
DVS = SPIKES.reshape(10, 20, 1, 2, 8)
UNFIT = {
    "OFF cells end": (BOTH, ROWS, {"off_channel": 0}, "images of 32 pixels: expected .* of 16"),
    "OFF cells begin": (
        BOTH.replace(off_channel=0, layer_sizes=BOTH.layer_sizes),
        GENERATOR.integers(0, 256, (20, 32), dtype=np.uint8),
        {"off_channel": 3},
        "images of 16 pixels: expected .* of 32",
    ),
    "brightness of spikes": (SMALL, SPIKES, {"image_brightness": 0.2}, "image_brightness is 0.2: "),
    "bent spikes": (SMALL, SPIKES, {"image_bend": 0.5}, "image_bend is 0.5: expected 0 where"),
    "moved columns": (SMALL, TABLE, {"image_shift": 1}, "where inputs are columns of a table"),
    "moved rows of spikes": (SMALL, SPIKES, {"image_shift": 1}, "where neurons of spike trains"),
    "moved oblongs": (SMALL, OBLONG, {"image_shift": 1}, "where images are 2 x 8 and input_shape"),
    "oblongs by name": (
        SMALL,
        {"images": OBLONG, "labels": LABELS},
        {"image_shift": 1},
        "where images are 2 x 8 and input_shape",
    ),
    "images lose spikes": (SMALL, ROWS, {"spike_drop": 0.5}, "spike_drop is 0.5: expected 0 where"),
    "longer trains": (SMALL, SPIKES, {"num_steps": 12}, "10 time steps: expected num_steps = 12"),
    "other planes": (SMALL, OBLONG, {"input_shape": (1, 4, 4)}, "planes of 1 x 2 x 8: expected 1"),
    "no pixel spikes": (SMALL, ROWS // 8, {"threshold": 90.0}, "train images .* spike"),
    "other planes of spikes": (SMALL, DVS, {"input_shape": (1, 4, 4)}, "planes of 1 x 2 x 8: exp"),
}


@pytest.mark.parametrize("case", UNFIT)
@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize("arithmetic", ["floating_point", "fixed_point"])
def test_a_configuration_that_the_data_do_not_fit_ends_the_run_unharmed(
    arithmetic, batch_size, case
):
    config, samples, changes, said = UNFIT[case]
    config = config.replace(batch_size=batch_size)
    # The neurons stay, whatever filters make of them.
    other = config.replace(**{"layer_sizes": config.layer_sizes, "input_shape": (), **changes})
    train = samples if isinstance(samples, Dataset | dict) else (samples, LABELS)
    network = DesireNetwork(config, arithmetic=arithmetic)
    alone = DesireNetwork(config.replace(epochs=1), arithmetic=arithmetic)

    def set_config(record):
        network.config = other

    with pytest.raises(ValueError, match=said):
        fit(network, train, callbacks=[set_config])
    fit(alone, train)
    same_weights(network, alone)
    # As from the first.
    with pytest.raises(ValueError, match=r"expected|no spike"):
        fit(DesireNetwork(other, arithmetic=arithmetic), train)


@pytest.mark.parametrize("arithmetic", ["floating_point", "fixed_point"])
def test_spike_trains_in_planes_need_none_of_the_network(arithmetic):
    polarities = GENERATOR.random((10, 20, 2, 2, 4)) < 0.4
    found = []
    for changes in (None, {"tie_break": "earliest"}, {"input_shape": (2, 2, 4)}):
        network = DesireNetwork(SMALL, arithmetic=arithmetic)

        def set_config(record, network=network, changes=changes):
            if changes is not None:
                network.config = network.config.replace(**changes)

        fit(network, (polarities, LABELS), callbacks=[set_config])
        found.append(network)
    same_weights(found[1], found[0])
    same_weights(found[2], found[0])


def test_a_network_that_is_given_a_configuration_without_an_average_keeps_none(data):
    network = DesireNetwork(CONFIG.replace(weight_average=0.9))
    fit(network, *data)
    assert len(network.state.average) == 2
    network.config = CONFIG
    assert network.state.average == []
    assert network.state.minibatches_averaged == 0
    assert list(network.state_dict()) == ["weights.1", "weights.2", "samples_seen"]
