"""A run goes on from what is whole, keeps out other writers, and says what the machine lacks."""

from __future__ import annotations

import errno
import json
import os
import signal
import time
import warnings

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig
from lava_desire.analysis.experiments import read_history
from lava_desire.analysis.training import train_or_resume
from lava_desire.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from lava_desire.data import load_dataset
from lava_desire.engine import (
    CheckpointError,
    DamagedCheckpointWarning,
    DesireNetwork,
    DeviceMemoryError,
    FolderInUseError,
    Interrupted,
    evaluate,
    fit,
)
from lava_desire.files import FolderLock
from lava_desire.training import run_folder
from lava_desire.training.interrupt import InterruptFlag
from lava_desire.training.run_folder import CHECKPOINT, PREVIOUS, read_latest

CONFIG = DesireConfig((64, 12, 10), learning_rate=3e-4, batch_size=16, epochs=2, seed=7)


@pytest.fixture(scope="module")
def data():
    digits = load_dataset("digits")
    return (digits.train_images[:96], digits.train_labels[:96]), (
        digits.test_images[:40],
        digits.test_labels[:40],
    )


@pytest.fixture(scope="module")
def expected(data):
    network = DesireNetwork(CONFIG)
    fit(network, *data)
    return network.numpy_weights()


def stop_after(minibatches):
    def progress(_):
        nonlocal minibatches
        minibatches -= 1
        if minibatches == 0:
            os.kill(os.getpid(), signal.SIGTERM)

    return progress


@pytest.fixture
def broken_off(data, tmp_path):
    """Return the folder of a run that SIGTERM has stopped in its first epoch."""
    folder = tmp_path / "run"
    with pytest.raises(Interrupted) as caught:
        fit(
            DesireNetwork(CONFIG),
            *data,
            folder=folder,
            checkpoint_seconds=0,
            on_progress=stop_after(4),
        )
    assert caught.value.signal == signal.SIGTERM
    return folder


def go_on(data, folder):
    network = DesireNetwork(CONFIG)
    fit(network, *data, folder=folder, resume=True)
    return network.numpy_weights()


def assert_same(found, expected):
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "removed"])
def test_a_damaged_checkpoint_is_gone_around_to_the_bit(data, expected, broken_off, how):
    path = broken_off / CHECKPOINT
    whole = path.read_bytes()
    flipped = whole[:-9] + bytes([whole[-9] ^ 4]) + whole[-8:]
    path.write_bytes({"cut": whole[:-9], "flipped": flipped, "empty": b"", "removed": b""}[how])
    if how == "removed":
        path.unlink()
    with pytest.warns(DamagedCheckpointWarning, match=r"going on from .*previous\.safetensors"):
        found = go_on(data, broken_off)
    assert_same(found, expected)


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EACCES, "denied"), OSError(errno.EIO, "bad"), MemoryError()]
)
def test_a_checkpoint_that_cannot_be_read_is_gone_around(
    data, expected, broken_off, error, monkeypatch
):
    def read(path):
        if path.name == CHECKPOINT:
            raise error
        return read_checkpoint(path)

    monkeypatch.setattr(run_folder, "read_checkpoint", read)
    with pytest.warns(DamagedCheckpointWarning, match=r"going on from .*previous\.safetensors"):
        assert_same(go_on(data, broken_off), expected)
    (broken_off / PREVIOUS).unlink()
    (broken_off / CHECKPOINT).touch()
    with pytest.raises(type(error)):
        read_latest(broken_off)


def test_a_link_in_a_run_folder_is_no_checkpoint(data, expected, broken_off, tmp_path):
    (broken_off / CHECKPOINT).rename(tmp_path / "elsewhere")
    (broken_off / CHECKPOINT).symlink_to(tmp_path / "elsewhere")
    before = (tmp_path / "elsewhere").read_bytes()
    with pytest.warns(DamagedCheckpointWarning, match="is a symbolic link: expected a regular"):
        assert_same(go_on(data, broken_off), expected)
    assert (tmp_path / "elsewhere").read_bytes() == before
    assert not (broken_off / CHECKPOINT).is_symlink()


def test_a_damaged_checkpoint_takes_the_place_of_no_good_one(data, broken_off):
    good = read_checkpoint(broken_off / PREVIOUS).samples_seen
    (broken_off / CHECKPOINT).write_bytes(b"damaged")
    with pytest.warns(DamagedCheckpointWarning), pytest.raises(Interrupted):
        fit(DesireNetwork(CONFIG), *data, folder=broken_off, resume=True, on_progress=stop_after(1))
    assert read_checkpoint(broken_off / PREVIOUS).samples_seen == good
    assert read_checkpoint(broken_off / CHECKPOINT).samples_seen == good + CONFIG.batch_size


def test_where_both_are_damaged_both_are_named(data, broken_off):
    for name in (CHECKPOINT, PREVIOUS):
        (broken_off / name).write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors.*previous\.safetensors"):
        go_on(data, broken_off)
    (broken_off / PREVIOUS).unlink()
    with pytest.raises(CheckpointError, match="no older checkpoint is beside it"):
        go_on(data, broken_off)


def test_a_damaged_network_is_refused_with_what_is_whole_beside_it(data, broken_off):
    (broken_off / CHECKPOINT).write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=r"whole beside it: .*previous\.safetensors"):
        DesireNetwork.load(broken_off / CHECKPOINT)


def test_analysis_goes_around_a_damaged_checkpoint_as_well(data, expected, broken_off):
    (broken_off / CHECKPOINT).write_bytes(b"damaged")
    seen = []
    with pytest.warns(DamagedCheckpointWarning):
        history, _ = read_history(broken_off)
    assert len(history.records) < CONFIG.epochs
    with pytest.warns(DamagedCheckpointWarning):
        train_or_resume(
            CONFIG, *data, broken_off, watch=[lambda network, progress: seen.append(network)]
        )
    assert_same(seen[-1].numpy_weights(), expected)


def test_a_folder_that_was_never_written_twice_is_resumed_without_a_warning(
    data, expected, broken_off
):
    (broken_off / PREVIOUS).unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(go_on(data, broken_off), expected)


def forge_state(folder, **changes):
    checkpoint = read_checkpoint(folder / CHECKPOINT)
    checkpoint.state |= changes
    write_checkpoint(checkpoint, folder / CHECKPOINT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": -1}, "epoch = -1"),
        ({"epoch": 1}, "epoch = 1: expected 0, one a record"),
        ({"samples_done": 97}, r"samples_done = 97: expected an integer in \[0, 96\]"),
        ({"num_correct": True}, "num_correct = True"),
        ({"seconds": -5.0}, r"seconds = -5.0: expected a number"),
        ({"seconds": float("nan")}, "seconds = nan"),
        ({"records": None}, "no training"),
        ({"records": [{"epoch": 1}]}, "record 1 is"),
        ({"records": ["x"]}, "record 1 is 'x'"),
        ({"precision": None}, "trained with precision None"),
    ],
)
def test_a_state_that_no_run_can_be_in_is_refused(data, broken_off, changes, message):
    forge_state(broken_off, **changes)
    with pytest.raises(CheckpointError, match=message):
        go_on(data, broken_off)


def test_a_second_run_in_the_folder_is_refused_and_the_first_goes_on(data, expected, tmp_path):
    refused = []

    def intrude(_):
        for resume in (False, True):
            with pytest.raises(FolderInUseError) as caught:
                fit(DesireNetwork(CONFIG), *data, folder=tmp_path, resume=resume)
            refused.append(str(caught.value))

    network = DesireNetwork(CONFIG)
    fit(network, *data, folder=tmp_path, on_progress=intrude)
    assert f"process {os.getpid()}" in refused[0]
    assert_same(network.numpy_weights(), expected)
    with FolderLock(tmp_path):
        pass


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_lack_of_memory_says_in_one_line_what_to_lower(
    data, expected, tmp_path, monkeypatch, error
):
    learn, calls = DesireNetwork.update_layer, 0

    def failing(*arguments):
        nonlocal calls
        calls += 1
        if calls == 8:  # the second layer of a minibatch whose first has changed
            raise error
        return learn(*arguments)

    monkeypatch.setattr(DesireNetwork, "update_layer", failing)
    monkeypatch.setattr(DesireNetwork, "learns_in_turn", False)
    with pytest.raises(DeviceMemoryError) as caught:
        fit(DesireNetwork(CONFIG), *data, folder=tmp_path, checkpoint_seconds=0)
    said = str(caught.value)
    assert "\n" not in said
    assert "cpu is out of memory with batch_size = 16, num_steps = 20" in said
    assert f"the last checkpoint is whole in {tmp_path}" in said
    monkeypatch.undo()
    assert_same(go_on(data, tmp_path), expected)


def test_an_evaluation_takes_smaller_batches_where_memory_is_short(data, monkeypatch):
    network = DesireNetwork(CONFIG)
    expected = evaluate(network, data[1])
    forward, sizes = DesireNetwork.forward_checked, []

    def short(self, images, masks=None):
        sizes.append(len(images))
        if len(images) > 10:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, images, masks)

    monkeypatch.setattr(DesireNetwork, "forward_checked", short)
    found = evaluate(network, data[1], batch_size=32)
    np.testing.assert_array_equal(found.confusion, expected.confusion)
    assert sizes == [32, 16, 8, 8, 16, 8, 8, 8]


def test_weights_that_grow_beyond_all_bounds_end_the_run_and_are_not_kept(data, tmp_path):
    network = DesireNetwork(CONFIG.replace(learning_rate=1e38))
    with pytest.raises(ValueError, match=r"in epoch 1, weights of layer \d .*learning_rate"):
        fit(network, *data, folder=tmp_path)
    assert read_checkpoint(tmp_path / CHECKPOINT).samples_seen == 0
    with pytest.raises(ValueError, match="in epoch 1, weights of layer"):
        fit(DesireNetwork(CONFIG.replace(learning_rate=1e38)), *data)


def test_a_full_disk_ends_the_run_with_the_older_checkpoint_whole(
    data, expected, tmp_path, monkeypatch
):
    fsync, calls = os.fsync, 0

    def full(handle):
        nonlocal calls
        calls += 1
        if calls > 9:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left.*untouched.*safetensors") as caught:
        fit(DesireNetwork(CONFIG), *data, folder=tmp_path, checkpoint_seconds=0)
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    assert read_latest(tmp_path)[1].name == CHECKPOINT
    assert_same(go_on(data, tmp_path), expected)


def test_a_clock_that_is_set_back_makes_no_time_negative(data, expected, tmp_path, monkeypatch):
    monotonic, day = time.monotonic, 86_400.0
    turned = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() - turned[0])

    def back(_):
        turned[0] += day

    history = fit(DesireNetwork(CONFIG), *data, folder=tmp_path, on_progress=back)
    assert all(record.seconds >= 0 for record in history.records)
    assert all(record.samples_per_second > 0 for record in history.records)
    assert_same(read_checkpoint(tmp_path / CHECKPOINT).weights, expected)
    assert json.loads((tmp_path / "metrics.json").read_text())["last"]["seconds"] >= 0


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with InterruptFlag() as flag:
            os.kill(os.getpid(), signal.SIGINT)
            assert not flag.is_set
            os.kill(os.getpid(), signal.SIGTERM)
            assert flag.is_set
            assert flag.signal == signal.SIGTERM
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_checkpoint_of_earlier_versions_is_read(tmp_path):
    # Written with integers where floats are written now, and no checkpoint before it.
    config = json.loads(CONFIG.to_json()) | {"threshold": 1, "learning_rate_decay": 0}
    weights = [np.ones((12, 64), np.float32), np.ones((10, 12), np.float32)]
    checkpoint = Checkpoint(DesireConfig.from_dict(config), weights)
    write_checkpoint(checkpoint, tmp_path / "old.safetensors")
    assert DesireNetwork.load(tmp_path / "old.safetensors").config.threshold == 1
