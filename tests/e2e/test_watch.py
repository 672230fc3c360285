from __future__ import annotations

import dataclasses
import json
import os
import socket
import threading

import pytest

from lava_desire import DesireConfig
from lava_desire.checkpoint import CHECKPOINT
from lava_desire.cli import watch as watching
from lava_desire.cli.display import accuracies
from lava_desire.cli.watch import View, curve, described, look
from lava_desire.data import load_dataset
from lava_desire.engine import (
    Callback,
    DesireNetwork,
    EarlyStopping,
    EpochRecord,
    History,
    fit,
)
from lava_desire.files import LOCK

CONFIG = DesireConfig((64, 12, 10), learning_rate=3e-4, batch_size=64, epochs=3)


@pytest.fixture(scope="module")
def data():
    digits = load_dataset("digits")
    return (digits.train_images[:200], digits.train_labels[:200]), (
        digits.test_images[:100],
        digits.test_labels[:100],
    )


class Interrupt(Callback):
    def on_epoch_end(self, run, record):
        if record.epoch == 1:
            raise InterruptedError


def test_a_run_that_is_done_is_told_from_its_files(run, data, tmp_path):
    history = fit(DesireNetwork(CONFIG), *data, folder=tmp_path / "run", validation=0.2)
    status, out, err = run("watch", str(tmp_path / "run"))
    assert (status, err) == (0, "")
    assert "done" in out
    status, out, _ = run("watch", str(tmp_path / "run"), "--once")
    assert status == 0
    assert f"test set, read once, {100 * history.test.accuracy:.2f} %" in out
    assert f"best {100 * history.best.accuracy:.2f} % (epoch {history.best.epoch})" in out
    assert "layer 1 " in out
    assert "epochs 1 to 3; o validation, . training" in out
    status, out, _ = run("watch", str(tmp_path / "run"), "--once", "--json")
    found = json.loads(out)
    assert (found["state"], found["epoch"], found["num_epochs"]) == ("done", 3, 3)
    assert found["test"] == vars(history.test)
    assert found["last"] == vars(history.last)


def test_a_broken_run_and_one_that_stopped_are_told_apart(run, data, tmp_path):
    with pytest.raises(InterruptedError):
        fit(DesireNetwork(CONFIG), *data, folder=tmp_path / "broken", callbacks=[Interrupt()])
    status, out, _ = run("watch", str(tmp_path / "broken"))
    assert status == 1
    assert "nobody is training it" in out
    assert f"lava-desire train --resume {tmp_path / 'broken'}" in out
    wild = CONFIG.replace(learning_rate=0.1, epochs=9)
    folder = tmp_path / "stopped"
    history = fit(DesireNetwork(wild), *data, folder=folder, callbacks=[EarlyStopping(1)])
    assert history.stopped is not None
    status, out, _ = run("watch", str(folder))
    assert (status, f"stopped, {history.stopped}" in out) == (0, True)


def test_the_best_is_that_of_averaged_weights_where_it_is_for_train():
    records = [
        EpochRecord(epoch, 1e-3, 0.5, own, 0.1, 0.0, 0.9, 100.0, 1.0, averaged)
        for epoch, own, averaged in ((1, 0.8, 0.7), (2, 0.75, 0.875))
    ]
    history = History(records)
    view = View("runs/a", "done", epoch=2, num_epochs=2, history=history)
    best = "best 87.50 % (epoch 2, averaged weights)"
    assert f"test 75.00 %, {best}, training 50.00 %" in described(view, 100)
    assert accuracies(history) == f"{best}, last 75.00 %"
    history.records[1] = dataclasses.replace(records[1], average_accuracy=0.8)
    assert "best 80.00 % (epoch 1), training" in described(view, 100)


def test_a_run_is_done_when_its_test_set_is_read_also_without_a_validation(run, data, tmp_path):
    class AtTheEnd(Callback):
        def on_epoch_end(self, run, record):
            if record.epoch == CONFIG.epochs:
                raise InterruptedError

    broken = {"folder": tmp_path / "run", "choose": "last"}
    with pytest.raises(InterruptedError):
        fit(DesireNetwork(CONFIG), *data, **broken, callbacks=[AtTheEnd()])
    assert look(tmp_path / "run").state == "ended"
    fit(DesireNetwork(CONFIG), *data, **broken, resume=True)
    assert look(tmp_path / "run").state == "done"


def test_a_run_is_followed_while_it_trains(run, data, tmp_path, monkeypatch):
    folder, steps = tmp_path / "run", threading.Semaphore(0)
    seen = threading.Semaphore(0)

    class InTurn(Callback):
        def on_epoch_end(self, run, record):
            seen.release()
            assert steps.acquire(timeout=60)

    training = threading.Thread(
        target=fit,
        args=(DesireNetwork(CONFIG), *data),
        kwargs={"folder": folder, "callbacks": [InTurn()]},
    )
    training.start()

    def pause(seconds):
        steps.release()
        if len(told) < 2:
            assert seen.acquire(timeout=60)
            told.append(seconds)
        else:
            training.join(60)

    told: list[float] = []
    monkeypatch.setattr(watching, "pause", pause)
    try:
        assert seen.acquire(timeout=60)
        status, out, err = run("watch", str(folder), "--json", "--every", "0.5")
    finally:
        for _ in range(9):
            steps.release()
        training.join(60)
    assert (status, err) == (0, "")
    found = [json.loads(line) for line in out.splitlines()]
    assert [(each["state"], each["epoch"]) for each in found] == [
        *(("running", epoch) for epoch in (1, 2, 3)),
        ("done", 3),
    ]
    assert all(each["seconds_left"] is not None for each in found[:-1])
    assert told == [0.5, 0.5]


@pytest.mark.parametrize(
    ("owner", "age", "state"),
    [
        ("{mine} {host}", 0, "running"),
        ("{gone} {host}", 0, "ended"),
        ("17 another-machine", 0, "running"),
        ("17 another-machine", 4000, "silent"),
    ],
)
def test_whether_its_process_is_there_is_said_as_far_as_files_tell(
    data, tmp_path, owner, age, state
):
    with pytest.raises(InterruptedError):
        fit(DesireNetwork(CONFIG), *data, folder=tmp_path, callbacks=[Interrupt()])
    host, gone = socket.gethostname(), 2**22 + 1
    (tmp_path / LOCK).write_text(owner.format(mine=os.getpid(), gone=gone, host=host) + "\n")
    for path in tmp_path.iterdir():
        stamp = path.stat().st_mtime - age
        os.utime(path, (stamp, stamp))
    assert look(tmp_path).state == state


def test_what_is_no_run_is_refused(run, data, tmp_path):
    status, _, err = run("watch", str(tmp_path / "none"))
    assert (status, "No such folder" in err) == (2, True)
    status, _, err = run("watch", str(tmp_path), "--once")
    assert (status, "holds no run" in err) == (2, True)
    status, _, err = run("watch", str(tmp_path), "--every", "0")
    assert (status, "--every is 0.0: expected --every >= 0.1" in err) == (2, True)
    fit(DesireNetwork(CONFIG), *data, folder=tmp_path / "some" / "run")
    status, _, err = run("watch", str(tmp_path / "some"))
    assert (status, "holds runs, and is none" in err) == (2, True)
    (tmp_path / "some" / "run" / CHECKPOINT).write_bytes(b"x")
    (tmp_path / "some" / "run" / "checkpoint.previous.safetensors").write_bytes(b"x")
    status, _, err = run("watch", str(tmp_path / "some" / "run"))
    assert (status, "checkpoint.safetensors" in err) == (2, True)


def test_the_curve_has_a_mark_an_epoch_as_wide_as_there_is_room(data):
    records = fit(DesireNetwork(CONFIG), *data).records
    lines = curve(records, 50)
    assert len(lines) == 10
    assert sum(line.count("o") for line in lines[:8]) == 3
    assert [len(line.partition("|")[2]) for line in curve(records * 40, 20)[:8]] == [20] * 8
