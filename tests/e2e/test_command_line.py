"""The command line as a user meets it: what it prints, writes, and refuses."""

from __future__ import annotations

import errno
import json
import os
import signal
import struct
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from lava_desire.data.events.bins import LONGEST
from lava_desire.data.events.recording import LATEST
from lava_desire.engine import DesireNetwork

SMALL = ["--layers", "20", "--epochs", "2"]


def weights_of(folder):
    return DesireNetwork.load(folder / "checkpoint.safetensors").numpy_weights()


@contextmanager
def training(folder, epochs):
    """A process that trains in the folder `mine`, and has done its first epoch."""
    command = [sys.executable, "-m", "lava_desire", "train", "--layers", "20"]
    with subprocess.Popen(
        [*command, "--epochs", str(epochs), "--output", "mine", "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert json.loads(process.stdout.readline())["epoch"] == 1
        yield process


def test_training_leaves_everything_in_its_folder(run, tmp_path):
    status, out, err = run("train", *SMALL, "--output", "mine")
    assert (status, err) == (0, "")
    assert "network 64-20-10" in out
    assert "float32 on cpu" in out
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {
        "run.json",
        "config.json",
        "metrics.csv",
        "metrics.json",
        "checkpoint.safetensors",
        "checkpoint.previous.safetensors",
        "best.safetensors",
        "learning_curve.png",
    }
    assert (tmp_path / "mine" / "learning_curve.png").read_bytes()[:4] == b"\x89PNG"
    status, out, _ = run("eval", "mine")
    assert status == 0
    assert "% of 359 test samples of digits are right" in out


def test_json_is_one_object_a_line(run):
    status, out, _ = run("train", *SMALL, "--output", "mine", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [line["epoch"] for line in lines[:-1]] == [1, 2]
    assert lines[-1]["last"] == lines[1]
    status, out, _ = run("eval", "mine", "--json")
    assert json.loads(out)["accuracy"] == lines[-1]["best"]["test_accuracy"]


def test_quiet_prints_nothing(run):
    assert run("train", *SMALL, "--output", "mine", "--quiet") == (0, "", "")


def test_every_field_of_the_configuration_is_an_option(run, tmp_path):
    options = {
        "num_steps": 10,
        "decay": 0.5,
        "threshold": 1.5,
        "error_margin": 2,
        "desire_threshold_hidden": 0.1,
        "desire_threshold_output": 0.2,
        "dropout_input": 0.1,
        "dropout_hidden": 0.2,
        "learning_rate": 1e-3,
        "learning_rate_decay": 0.1,
        "batch_size": 32,
        "epochs": 1,
        "seed": 4,
        "reset": "zero",
        "image_shift": 1,
        "image_shift_share": 0.75,
        "image_brightness": 0.25,
        "image_shift_start": 1,
        "image_rotation": 10.0,
        "image_scale": 0.1,
        "image_bend": 1.5,
        "image_mirror": 0.25,
        "learning_rate_schedule": "cosine",
        "weight_average": 0.5,
        "trace_baseline": 0.75,
        "baseline_samples": 500,
        "rates_over": "desired",
        "weight_limit": 0.3,
        "rate_floor": 0.01,
        "class_margin": 3,
        "tie_break": "earliest",
    }
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    arguments.append("--learning-rate-scale=1,0.5,2")
    assert run("train", "--layers", "12", "8", *arguments, "--output", "mine")[0] == 0
    written = json.loads((tmp_path / "mine" / "config.json").read_text())
    lists = {"layer_sizes": [64, 12, 8, 10], "learning_rate_scale": [1, 0.5, 2]}
    assert written == {**options, **lists}


def test_a_resumed_run_ends_as_one_that_was_asked_for_at_once(run, tmp_path):
    run("train", *SMALL, "--output", "short", "--quiet")
    assert run("train", "--resume", "short", "--epochs", "3", "--quiet")[0] == 0
    run("train", "--layers", "20", "--epochs", "3", "--output", "long", "--quiet")
    for one, other in zip(
        weights_of(tmp_path / "short"), weights_of(tmp_path / "long"), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_eval_breaks_ties_as_it_is_told(run):
    run("train", *SMALL, "--output", "short", "--quiet")
    undecided = {}
    for way in ("undecided", "earliest"):
        _, out, _ = run("eval", "short", "--tie-break", way, "--json")
        undecided[way] = json.loads(out)["num_undecided"]
    assert undecided["earliest"] < undecided["undecided"]


def test_interrupting_saves_and_says_how_to_go_on(run, tmp_path):
    with training(tmp_path, epochs=12) as process:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "interrupted, saved; resume with: lava-desire train --resume mine\n"
    assert run("train", "--resume", "mine", "--quiet")[0] == 0
    run("train", "--layers", "20", "--epochs", "12", "--output", "whole", "--quiet")
    for one, other in zip(
        weights_of(tmp_path / "mine"), weights_of(tmp_path / "whole"), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_sigterm_saves_and_its_status_says_so(run, tmp_path):
    with training(tmp_path, epochs=400) as process:
        # Meanwhile nobody else touches the folder.
        for arguments in (
            ["train", *SMALL, "--output", "mine", "--force"],
            ["train", "--resume", "mine", "--quiet"],
        ):
            refused(run(*arguments), f"mine is being written by process {process.pid}: wait for it")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert err == "interrupted, saved; resume with: lava-desire train --resume mine\n"
    assert run("train", "--resume", "mine", "--epochs", "9", "--quiet") == (0, "", "")


def test_a_damaged_checkpoint_costs_one_line_and_no_bit(run, tmp_path):
    run("train", *SMALL, "--output", "mine", "--quiet")
    expected = weights_of(tmp_path / "mine")
    path = tmp_path / "mine" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    refused(run("eval", path), "is no checkpoint", "whole beside it", "checkpoint.previous.safe")
    status, out, err = run("train", "--resume", "mine", "--quiet")
    assert (status, out, err.count("\n")) == (0, "", 1)
    assert err.startswith("lava-desire: warning: ")
    assert "checkpoint.previous.safetensors, which is older and whole" in err
    for mine, other in zip(weights_of(tmp_path / "mine"), expected, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError()])
@pytest.mark.parametrize("call", ["update_layer", "learn_in_turn", "__init__"])
def test_lack_of_memory_is_one_line(run, monkeypatch, error, call):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(DesireNetwork, call, fail)
    kernels = "torch" if call == "update_layer" else "compiled"
    status, _, err = run("train", *SMALL, "--kernels", kernels, "--output", "mine", "--quiet")
    assert (status, err.count("\n")) == (2, 1)
    assert "out of memory" in err
    assert "lower" in err


def test_a_full_disk_is_one_line(run, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused(
        run("train", *SMALL, "--output", "mine", "--quiet"),
        "No space left",
        "checkpoint.safetensors",
    )


def test_two_runs_at_the_same_time_by_the_clock_have_folders_of_their_own(
    run, tmp_path, monkeypatch
):
    monkeypatch.setattr(time, "strftime", lambda form: "20230101-000000")
    for _ in range(2):
        assert run("train", *SMALL, "--epochs", "1", "--quiet")[0] == 0
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert names == ["digits-20230101-000000", "digits-20230101-000000-2"]


@pytest.mark.parametrize(
    ("notes", "message"),
    [
        ("[", "is damaged"),
        ("[]", "is damaged"),
        ('{"source": {"file": 5}, "device": "cpu", "precision": "float32"}', "expected texts"),
        ('{"source": {}, "device": ["cpu"], "precision": "float32"}', "expected texts"),
        ('{"source": {"other": "x"}}', "is damaged"),
        (" " * (1 << 20) + "{}", "more than 1048576 bytes"),
    ],
)
def test_notes_of_a_run_that_are_none_are_one_line(run, tmp_path, notes, message):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "run.json").write_text(notes)
    refused(run("train", "--resume", "mine"), "run.json", message)


def test_a_users_own_arrays_can_be_learned(run, tmp_path):
    labels = np.arange(40) % 2
    np.savez(tmp_path / "mine.npz", images=np.eye(2, dtype=np.float32)[labels], labels=labels)
    status, out, _ = run("train", "--data", "mine.npz", *SMALL, "--output", "run")
    assert status == 0
    assert "network 2-20-2" in out


def test_info_tells_versions_and_backends(run):
    status, out, _ = run("info", "--json")
    facts = json.loads(out)
    assert status == 0
    assert {"python", "torch", "numpy", "lava_desire", "lava-nc", "cuda"} <= set(facts)
    assert run("info")[0] == 0


def test_the_demo_draws_what_it_says(run, tmp_path):
    status, out, _ = run("demo")
    assert status == 0
    for name in ("learning_curve.png", "confusion.png", "digits.png"):
        path = next(line.split()[-1] for line in out.splitlines() if line.endswith(name))
        assert (tmp_path / path).read_bytes()[:4] == b"\x89PNG"
    metrics = json.loads((tmp_path / "runs/demo/metrics.json").read_text())
    assert metrics["best"]["test_accuracy"] >= 0.96
    assert run("demo")[0] == 2


@pytest.fixture
def plain_sigterm():
    """Take SIGTERM as a command finds it; pytest may have a handler of its own."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.skipif(os.name != "posix", reason="Windows sends no SIGTERM that a process sees")
@pytest.mark.usefixtures("plain_sigterm")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_there_is_a_run_is_told_and_nothing_is_kept(
    run, tmp_path, monkeypatch, number
):
    monkeypatch.setattr("lava_desire.data.load_dataset", lambda *_: signal.raise_signal(number))
    resumed = ", and nothing of a run that was to go on has changed"
    for command, more in (("train", resumed), ("find-rate", "")):
        status, out, err = run(command)
        assert (status, out, err) == (128 + number, "", f"interrupted; nothing was kept{more}\n")
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.skipif(os.name != "posix", reason="Windows sends no SIGTERM that a process sees")
@pytest.mark.usefixtures("plain_sigterm")
def test_a_signal_after_the_last_epoch_is_told_and_the_run_is_kept(run, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "lava_desire.analysis.plot_learning_curve", lambda *_: signal.raise_signal(signal.SIGTERM)
    )
    status, _, err = run("train", *SMALL, "--kernels", "torch", "--output", "mine", "--quiet")
    assert status == 128 + signal.SIGTERM
    assert err == "interrupted, saved; resume with: lava-desire train --resume mine\n"
    assert (tmp_path / "mine" / "checkpoint.safetensors").exists()


def refused(result, *parts):
    status, out, err = result
    assert (status, out) == (2, "")
    assert err.startswith("lava-desire: error: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "cifar"], "'cifar': expected one of digits"),
        (["--preset", "cifar"], "'cifar': expected one of digits"),
        (["--layers", "0"], "--layers is '0'"),
        (["--layers"], "--layers is ''"),
        (["--layers", "-5"], "--layers is '-5'"),
        (
            ["--dropout-hidden", "-0.1"],
            "--dropout-hidden is -0.1: expected 0 <= --dropout-hidden < 1",
        ),
        (["--dropout-input", "1.5"], "--dropout-input is 1.5"),
        (
            ["--error-margin", "20"],
            "--error-margin is 20: expected 0 <= --error-margin < --num-steps",
        ),
        (["--learning-rate", "nan"], "--learning-rate is nan"),
        (["--epochs", "many"], "--epochs is 'many': expected an integer in [0, 2147483647]"),
        (["--decay", "0,5"], "--decay is '0,5': expected a finite number, 0 <= value < 1"),
        (["--batch-size", "1.5"], "--batch-size is '1.5': expected an integer in [1, 2147483647]"),
        (["--epochs", "3.0"], "--epochs is '3.0': expected an integer in [0, 2147483647]"),
        (["--off-channel", "3.0"], "--off-channel is '3.0': expected an integer, 0, or an odd"),
        (["--patience", "few"], "--patience is 'few': expected an integer in [1, 2147483647]"),
        (["--patience", "0"], "--patience is 0: expected an integer in [1, 2147483647]"),
        (["--validation", "half"], "--validation is 'half': expected a finite number, 0 < value"),
        (["--validation", "1"], "--validation is 1.0: expected 0 < --validation < 1"),
        (["--bins", "some"], "--bins is 'some': expected an integer in [1, 4096]"),
        (["--duration", "0"], f"--duration is 0: expected an integer in [1, {LONGEST}]"),
        (["--duration", f"{LONGEST + 1}"], f"expected an integer in [1, {LONGEST}]"),
        (["--start", f"{LATEST + 1}"], f"expected an integer in [{-LATEST}, {LATEST}]"),
        (["--start", f"{-LATEST - 1}"], f"expected an integer in [{-LATEST}, {LATEST}]"),
        (["--seed", "-1"], "--seed is -1"),
        (["--reset", "soft"], "--reset is 'soft'"),
        (["--learning-rate-scale", "fast"], "--learning-rate-scale is 'fast'"),
        (["--learning-rate-scale", "1,1"], "--learning-rate-scale is (1.0, 1.0): expected 3"),
        (["--image-shift", "8"], "--image-shift is 8: expected --image-shift < 8"),
        (["--weight-average", "1"], "--weight-average is 1"),
        (["--device", "tpu"], "--device is 'tpu'"),
        (["--device", "cuda:99"], "--device is 'cuda:99'"),
        (["--precision", "float8"], "--precision is 'float8'"),
        (["--colour", "red"], "--colour"),
        (["--data", "a.npz", "--dataset", "digits"], "expected one"),
        (["--data", "none.npz"], "--data none.npz is not there: expected a .npz, .csv or .parquet"),
        (["--config", "none.json"], "none.json"),
        (["--resume", "nowhere"], "nowhere holds no run"),
        (["--resume", "nowhere", "--seed", "3"], "--seed is given"),
        (["--resume", "nowhere", "--precision", "bfloat16x2"], "--precision is given"),
        (["--resume", "nowhere", "--kernels", "auto"], "--kernels is given"),
        (["--resume", "nowhere", "--force"], "--force is given"),
        (["--data", "a.npz", "--data-dir", "."], "--data-dir . is given, and the data are a file"),
        (["--data-dir", "."], "--data-dir . is given, and the data are digits"),
        (["--layers", "8,,9"], "--layers is '8,,9'"),
        (["--layers", "8,"], "--layers is '8,'"),
        (["--layers", "8", "--layers=9"], "--layers is given twice"),
        (["--learning-rate-scale", "1,,2"], "--learning-rate-scale is '1,,2'"),
        (["--dataset", "mnist", "--data-dir", "nowhere"], "train-images-idx3-ubyte"),
        (["--output", "/proc/nothing/mine"], "/proc/nothing"),
    ],
)
def test_bad_arguments_are_one_line_and_write_nothing(run, tmp_path, arguments, message):
    refused(run("train", *arguments), message)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_a_run_is_kept(run, tmp_path):
    run("train", *SMALL, "--output", "mine", "--quiet")
    before = {path.name: path.read_bytes() for path in (tmp_path / "mine").iterdir()}
    refused(run("train", *SMALL, "--output", "mine"), "already holds a run", "--force")
    assert {path.name: path.read_bytes() for path in (tmp_path / "mine").iterdir()} == before
    assert run("train", *SMALL, "--seed", "1", "--output", "mine", "--quiet", "--force")[0] == 0


def test_a_checkpoint_that_does_not_fit_or_is_cut_is_refused(run, tmp_path):
    run("train", *SMALL, "--output", "mine", "--quiet")
    np.savez(tmp_path / "other.npz", images=np.eye(10, dtype=np.float32), labels=np.arange(10) % 2)
    refused(run("eval", "mine", "--data", "other.npz"), "images have shape (2, 10)")
    for name in ("best", "checkpoint", "checkpoint.previous"):
        path = tmp_path / "mine" / f"{name}.safetensors"
        path.write_bytes(path.read_bytes()[:-7])
    refused(run("eval", "mine"), "best.safetensors")
    refused(run("train", "--resume", "mine", "--epochs", "3"), "checkpoint.safetensors")
    refused(run("eval", "nothing.safetensors"), "nothing.safetensors")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.full((9, 2), np.nan), "labels": np.arange(9)}, "brightness nan at [0, 0]"),
        ({"images": np.full((9, 2), 1.5), "labels": np.arange(9)}, "brightness 1.5 at [0, 0]"),
        ({"images": np.zeros((9, 2)), "labels": np.arange(8)}, "expected (9,)"),
        ({"images": np.zeros((9, 2)), "labels": np.arange(9) - 1}, "label is -1"),
    ],
)
def test_bad_arrays_are_one_line(run, tmp_path, arrays, message):
    np.savez(tmp_path / "mine.npz", **arrays)
    refused(run("train", "--data", "mine.npz", "--output", "run"), message)
    assert not (tmp_path / "run").exists()


def test_bad_idx_files_are_one_line(run, tmp_path):
    folder = tmp_path / "mnist"
    folder.mkdir()
    path = folder / "train-images-idx3-ubyte"
    arguments = ("train", "--dataset", "mnist", "--data-dir", tmp_path)
    path.write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 60000, 28, 28) + b"cut")
    refused(run(*arguments), "train-labels-idx1-ubyte of mnist is neither in")
    for name in ("train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{name}-ubyte").touch()
    refused(run(*arguments), "holds 3 bytes of data")
    path.write_bytes(b"\0\0\x0b\x03")
    refused(run(*arguments), "magic number")
    path.write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 1, 2, 2) + bytes(4))
    refused(run(*arguments), "SHA-256")
