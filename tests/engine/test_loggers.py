from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from lava_desire import DesireConfig
from lava_desire.data import load_dataset
from lava_desire.engine import (
    Callback,
    CSVLogger,
    DesireNetwork,
    JSONLinesLogger,
    TensorBoardLogger,
    evaluate,
    fit,
)
from lava_desire.model.conv2d import Conv2d
from lava_desire.model.dense import Dense
from lava_desire.training.loggers import weights_picture

CONFIG = DesireConfig((64, 20, 10), learning_rate=3e-4, batch_size=32, epochs=2, seed=7)


@pytest.fixture(scope="module")
def data():
    digits = load_dataset("digits")
    return (digits.train_images[:200], digits.train_labels[:200]), (
        digits.test_images[:100],
        digits.test_labels[:100],
    )


def test_records_have_the_rates_of_layers(data):
    network = DesireNetwork(CONFIG)
    history = fit(network, *data)
    activity = network.forward(data[0][0][:64])
    expected = [float(np.asarray(counts).mean()) / 20 for counts in activity.counts[1:]]
    assert history.last.rates == pytest.approx(expected)
    assert all(rate > 0 for rate in expected)


def test_files_hold_every_epoch_and_go_on_with_a_resumed_run(data, tmp_path):
    run, table, lines = tmp_path / "run", tmp_path / "log.csv", tmp_path / "log.jsonl"
    fit(DesireNetwork(CONFIG), *data, folder=run)
    history = fit(
        DesireNetwork(CONFIG.replace(epochs=4)),
        *data,
        folder=run,
        resume=True,
        callbacks=[CSVLogger(table), JSONLinesLogger(lines)],
    )
    assert table.read_bytes() == (run / "metrics.csv").read_bytes()
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    assert found == [vars(record) for record in history.records]
    assert len(found) == 4
    last = table.read_text().splitlines()[-1].split(",")
    rates = [float(rate) for rate in last[-1].split()]
    assert rates == history.last.rates


def test_a_log_that_cannot_be_written_is_refused_before_anything_is_learned(data, tmp_path):
    network = DesireNetwork(CONFIG)
    with pytest.raises(OSError, match="log"):
        fit(network, *data, callbacks=[CSVLogger(tmp_path / "none" / "log.csv")])
    assert network.samples_seen == 0


def events_of(folder):
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reading.EventAccumulator(str(folder), size_guidance={"images": 0, "histograms": 0})
    events.Reload()
    return events


def test_tensorboard_reads_what_was_written_and_resumed(data, tmp_path):
    pytest.importorskip("tensorboard")
    config = CONFIG.replace(weight_average=0.9, epochs=1)
    run = tmp_path / "run"
    fit(
        *(DesireNetwork(config), *data),
        folder=run,
        validation=0.2,
        callbacks=[TensorBoardLogger()],
    )
    network = DesireNetwork(config.replace(epochs=3))
    history = fit(
        *(network, *data),
        folder=run,
        validation=0.2,
        resume=True,
        callbacks=[TensorBoardLogger()],
    )
    events = events_of(run / "tensorboard")
    for tag, name in (
        ("accuracy/training", "train_accuracy"),
        ("accuracy/validation", "validation_accuracy"),
        ("accuracy/average", "average_accuracy"),
        ("loss/validation", "validation_loss"),
        ("share/with desire", "active_share"),
        ("learning rate", "learning_rate"),
    ):
        found = [(event.step, event.value) for event in events.Scalars(tag)]
        wanted = [(record.epoch, getattr(record, name)) for record in history.records]
        assert [step for step, _ in found] == [1, 2, 3]
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
    rates = [[event.value for event in events.Scalars(f"rate/layer {layer}")] for layer in (1, 2)]
    np.testing.assert_allclose(np.transpose(rates), [record.rates for record in history.records])
    last = events.Scalars("accuracy/test")[-1]
    assert (last.step, last.value) == (3, pytest.approx(history.test.accuracy))
    histogram = events.Histograms("weights/layer 1")[-1].histogram_value
    assert histogram.num == network.weights[0].numel()
    pictures = {tag: events.Images(tag)[-1] for tag in events.Tags()["images"]}
    assert {tag: (each.height, each.width) for tag, each in pictures.items()} == {
        "confusion": (80, 88),
        "weights of layer 1": (4 * 9 + 1, 5 * 9 + 1),
    }


def test_without_tensorboard_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r'pip install "lava_desire\[tensorboard\]"'):
        TensorBoardLogger()


@pytest.mark.parametrize(
    ("config", "size"),
    [
        (DesireConfig((6, 4, 2)), (4 * 2 + 1, 8)),
        (DesireConfig((9, 4, 2)), (2 * 4 + 1, 2 * 4 + 1)),
        (DesireConfig((6, 4, 2), input_shape=(1, 2, 3)), (2 * 3 + 1, 2 * 4 + 1)),
        (
            DesireConfig(layers=[Conv2d(5, 3), Dense(2)], input_shape=(2, 6, 6)),
            (2 * 4 + 1, 3 * 4 + 1),
        ),
    ],
)
def test_weights_are_drawn_side_by_side(config, size):
    network = DesireNetwork(config)
    picture = weights_picture(network)
    assert picture.shape == size
    assert picture.dtype == np.float32
    assert 0 <= picture.min() <= picture.max() <= 1
    assert (picture[0] == 0.5).all()
    assert max(abs(picture.min() - 0.5), abs(picture.max() - 0.5)) == pytest.approx(0.5)


def test_metrics_of_the_last_epoch_are_at_hand(data):
    seen = {}

    class Look(Callback):
        def on_epoch_end(self, run, record):
            seen[record.epoch] = run.metrics.confusion

    network = DesireNetwork(CONFIG)
    fit(network, *data, callbacks=[Look()])
    np.testing.assert_array_equal(seen[2], evaluate(network, data[1]).confusion)
