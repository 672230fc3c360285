from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig
from lava_desire.data import DataWarning, load_dataset
from lava_desire.engine import (
    CheckpointError,
    DesireNetwork,
    Interrupted,
    evaluate,
    fit,
    read_checkpoint,
)
from lava_desire.errors import RangeWarning

from .threads import threads

CONFIG = DesireConfig((64, 30, 10), learning_rate=3e-4, batch_size=16, epochs=3, seed=7)
TIMING = ("samples_per_second", "seconds")


@pytest.fixture(scope="module")
def data():
    digits = load_dataset("digits")
    return (digits.train_images[:300], digits.train_labels[:300]), (
        digits.test_images[:100],
        digits.test_labels[:100],
    )


@pytest.fixture(scope="module")
def unbroken(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    network = DesireNetwork(CONFIG)
    history = fit(network, *data, folder=folder)
    return network.numpy_weights(), history, folder


def without_timing(history):
    return [
        {name: value for name, value in vars(record).items() if name not in TIMING}
        for record in history.records
    ]


class StopHereError(Exception):
    pass


@pytest.mark.parametrize("minibatch", [1, 7, 19, 20, 33])
def test_a_run_broken_off_anywhere_goes_on_to_the_bit(data, unbroken, tmp_path, minibatch):
    weights, history, _ = unbroken
    calls = 0

    def stop(progress):
        nonlocal calls
        calls += 1
        if calls == minibatch:
            raise StopHereError

    with pytest.raises(StopHereError):
        fit(DesireNetwork(CONFIG), *data, folder=tmp_path, checkpoint_seconds=0, on_progress=stop)
    network = DesireNetwork(CONFIG)
    resumed = fit(network, *data, folder=tmp_path, resume=True)
    for mine, expected in zip(network.numpy_weights(), weights, strict=True):
        np.testing.assert_array_equal(mine, expected)
    assert without_timing(resumed) == without_timing(history)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_run_goes_on_to_the_bit(data, unbroken, tmp_path, number):
    handler = signal.getsignal(number)

    def interrupt(progress):
        if progress.epoch == 1 and progress.samples_done == 160:
            os.kill(os.getpid(), number)

    with pytest.raises(Interrupted) as caught:
        fit(DesireNetwork(CONFIG), *data, folder=tmp_path, on_progress=interrupt)
    assert caught.value.folder == tmp_path
    assert signal.getsignal(number) is handler
    assert read_checkpoint(tmp_path / "checkpoint.safetensors").state["samples_done"] == 160
    network = DesireNetwork(CONFIG)
    fit(network, *data, folder=tmp_path, resume=True)
    for mine, expected in zip(network.numpy_weights(), unbroken[0], strict=True):
        np.testing.assert_array_equal(mine, expected)


SCRIPT = """
import sys
from lava_desire import DesireConfig
from lava_desire.data import load_dataset
from lava_desire.engine import DesireNetwork, fit
digits = load_dataset("digits")
config = DesireConfig((64, 30, 10), learning_rate=3e-4, batch_size=16, epochs=6, seed=7)
started = lambda progress: print(progress.samples_done, flush=True)
fit(DesireNetwork(config), digits.train, digits.test, folder=sys.argv[1],
    resume=sys.argv[2] == "resume", checkpoint_seconds=0, on_progress=started)
"""


def test_a_run_killed_at_random_moments_ends_as_an_unbroken_one(tmp_path):
    digits = load_dataset("digits")
    config = CONFIG.replace(epochs=6)
    expected = DesireNetwork(config)
    fit(expected, digits.train, digits.test)
    moment = random.Random(11)
    mode = "begin"
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path), mode], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout.readline()
            time.sleep(moment.uniform(0.05, 0.4))
            process.kill()
        mode = "resume"
    network = DesireNetwork(config)
    fit(network, digits.train, digits.test, folder=tmp_path, resume=True)
    for mine, other in zip(network.numpy_weights(), expected.numpy_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_metrics_are_the_same_in_every_file(unbroken):
    _, history, folder = unbroken
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    summary = json.loads((folder / "metrics.json").read_text())
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert [float(row["test_accuracy"]) for row in rows] == [
        record.test_accuracy for record in history.records
    ]
    assert summary["epochs"] == [vars(record) for record in history.records]
    assert summary["best"]["epoch"] == history.best.epoch
    assert summary["last"]["epoch"] == 3


def test_the_best_network_is_kept(data, unbroken):
    _, history, folder = unbroken
    best = DesireNetwork.load(folder / "best.safetensors")
    assert evaluate(best, data[1]).accuracy == history.best.test_accuracy


def test_more_epochs_may_be_asked_for(data, tmp_path):
    fit(DesireNetwork(CONFIG.replace(epochs=1)), *data, folder=tmp_path)
    network = DesireNetwork(CONFIG.replace(epochs=2))
    history = fit(network, *data, folder=tmp_path, resume=True)
    assert [record.epoch for record in history.records] == [1, 2]


def test_a_folder_that_holds_a_run_is_not_overwritten(data, unbroken):
    folder = unbroken[2]
    before = (folder / "checkpoint.safetensors").read_bytes()
    with pytest.raises(FileExistsError, match="already holds a run"):
        fit(DesireNetwork(CONFIG), *data, folder=folder)
    assert (folder / "checkpoint.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "named"),
    [({"seed": 8}, "seed"), ({"layer_sizes": (64, 31, 10)}, "layer_sizes")],
)
def test_another_network_does_not_go_on_with_this_run(data, unbroken, change, named):
    with pytest.raises(CheckpointError, match=named):
        fit(DesireNetwork(CONFIG.replace(**change)), *data, folder=unbroken[2], resume=True)


def test_other_data_or_precision_do_not_go_on_with_this_run(data, unbroken):
    (images, labels), test = data
    with pytest.raises(CheckpointError, match="trained with data"):
        fit(DesireNetwork(CONFIG), (images[::-1], labels), test, folder=unbroken[2], resume=True)
    network = DesireNetwork(CONFIG, precision="bfloat16x2")
    with pytest.raises(CheckpointError, match="trained with precision float32"):
        fit(network, *data, folder=unbroken[2], resume=True)


def test_a_folder_that_cannot_be_made_is_refused_before_training(data, tmp_path):
    (tmp_path / "file").write_text("")
    calls = []
    with pytest.raises(OSError, match="file"):
        fit(DesireNetwork(CONFIG), *data, folder=tmp_path / "file", on_progress=calls.append)
    assert not calls


def test_undecided_samples_are_wrong_and_have_a_column_of_their_own():
    weights = [np.eye(2, dtype=np.float32) * 2]
    config = DesireConfig((2, 2), num_steps=10, error_margin=0)
    images = np.array([[1, 0], [0, 1], [0, 1], [1, 1]], np.float32)
    metrics = evaluate(DesireNetwork(config, weights=weights), (images, np.array([0, 1, 0, 1])))
    np.testing.assert_array_equal(metrics.confusion, [[1, 1, 0], [0, 1, 1]])
    assert (metrics.num_samples, metrics.num_correct, metrics.num_undecided) == (4, 2, 1)
    assert metrics.accuracy == 0.5


def test_the_batch_of_an_evaluation_does_not_matter(data):
    network = DesireNetwork(CONFIG)
    one, many = (evaluate(network, data[1], batch_size=size) for size in (1, sys.maxsize))
    np.testing.assert_array_equal(one.confusion, many.confusion)


@pytest.mark.parametrize("size", [0, -1, 1.5, "8", None, float("nan")])
def test_the_batch_of_an_evaluation_is_a_number_of_samples(data, size):
    with pytest.raises(ValueError, match="batch_size is"):
        evaluate(DesireNetwork(CONFIG), data[1], batch_size=size)


def test_progress_tells_where_training_is(data):
    seen = []
    fit(
        DesireNetwork(CONFIG.replace(epochs=1)),
        *data,
        on_progress=lambda progress: seen.append((progress.epoch, progress.samples_done)),
    )
    assert seen[:2] == [(0, 16), (0, 32)]
    assert seen[-2:] == [(0, 300), (1, 0)]


@pytest.mark.parametrize(("kernels", "expected"), [("compiled", 1), ("torch", 3)])
def test_torch_computes_alone_where_the_threads_are_ours(data, kernels, expected):
    seen = set()
    with threads(3):
        network = DesireNetwork(CONFIG.replace(epochs=1), kernels=kernels)
        fit(network, *data, on_progress=lambda _: seen.add(torch.get_num_threads()))
        assert torch.get_num_threads() == 3
    assert seen == {expected}


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ((np.zeros((0, 64), np.uint8), np.zeros(0, int)), "train holds no samples"),
        (np.zeros(3), "train is a ndarray"),
        ((np.zeros((2, 63), np.uint8), np.zeros(2, int)), "train: images have shape"),
    ],
)
def test_unusable_data_are_named(data, train, message):
    with pytest.raises(ValueError, match=message):
        fit(DesireNetwork(CONFIG), train, data[1])


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_rates_of_layers_are_those_of_the_first_samples(data, batch_size):
    (images, labels), _ = data
    network = DesireNetwork(CONFIG.replace(epochs=1, batch_size=batch_size))
    found = fit(network, (images[:70], labels[:70])).last.rates
    counts = [train.sum(0).double() for train in network.forward(images[:64]).spikes[1:]]
    assert found == [float(count.mean()) / CONFIG.num_steps for count in counts]


@pytest.mark.parametrize("arithmetic", ["floating_point", "fixed_point"])
def test_a_layer_that_is_silent_after_the_first_epoch_is_warned_of_once(data, arithmetic):
    config = DesireConfig((64, 8, 6, 10), learning_rate=1e-5, epochs=2)
    train = tuple(each[:32] for each in data[0])
    network = DesireNetwork(config, arithmetic=arithmetic)
    network.weights[1][:] = 0
    with pytest.warns(
        DataWarning, match="none of the 6 neurons of layer 2 .* 32 training"
    ) as found:
        fit(network, train)
    assert len(found) == 1
    network = DesireNetwork(CONFIG.replace(epochs=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        fit(network, data[0])


@pytest.mark.parametrize("decay", [0.0, 8.0])
def test_epochs_in_which_integers_learn_nothing_are_warned_of_before_the_first(
    data, decay, tmp_path
):
    config = CONFIG.replace(epochs=3, learning_rate=1e-5, learning_rate_decay=decay)
    train = tuple(each[:32] for each in data[0])
    network = DesireNetwork(config, arithmetic="fixed_point")
    heard = []
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", RangeWarning)
        fit(network, train, folder=tmp_path, callbacks=[lambda _: heard.append(len(found))])
    rule = network.rule
    if not decay:
        assert heard == [0, 0, 0]
        return
    assert heard == [1, 1, 1]
    assert str(found[0].message) == (
        "in epoch 3 of 3 the learning rate is 1.13e-12, which is 0 on the grid of layer 1: it "
        f"learns nothing from there on; the smallest is {rule.least_rate(1):.3g} where a network "
        "learns in integers: take fewer epochs, a smaller learning_rate_decay or a larger "
        "learning_rate"
    )
    floating = DesireNetwork(config)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RangeWarning)
        fit(floating, train)


@pytest.mark.parametrize(
    "settings",
    [{"learning_rate_decay": 5.0}, {"learning_rate": 1e-8}, {"epochs": 10}],
    ids=lambda settings: next(iter(settings)),
)
def test_a_callback_that_makes_integers_learn_nothing_is_warned_once(data, settings):
    config = CONFIG.replace(epochs=5, learning_rate=1e-5, learning_rate_decay=1.5)
    before = 0 if "epochs" in settings else 2
    network = DesireNetwork(config, arithmetic="fixed_point")
    assert network.rule.first_idle(range(5)) is None
    heard = []

    def set_config(record):
        heard.append([str(each.message) for each in found])
        if record.epoch > before:
            # Anew after every epoch, which changes nothing more.
            network.config = network.config.replace(**settings)

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", RangeWarning)
        fit(network, tuple(each[:32] for each in data[0]), callbacks=[set_config])
    epoch, layer = network.rule.first_idle(range(before + 1, network.config.epochs))
    assert len(heard) == network.config.epochs
    assert heard[: before + 1] == [[]] * (before + 1)
    assert all(each == heard[-1] for each in heard[before + 1 :])
    (message,) = heard[-1]
    assert message.startswith(f"in epoch {epoch + 1} of {network.config.epochs} the learning rate")
    assert f"on the grid of layer {layer}: it learns nothing from there on" in message
