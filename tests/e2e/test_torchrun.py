"""Training under torchrun as a user meets it: killed, restarted, interrupted, refused."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lava_desire.checkpoint import read_checkpoint
from lava_desire.cli.torchrun import Launch

TRAIN = ["train", "--layers", "20", "--epochs", "8", "--output", "mine", "--json"]


def torchrun(folder, *options, ranks=2):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        [*command, f"--nproc-per-node={ranks}", *options],
        cwd=folder,
        env={**env, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rank_processes(agent):
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children")
    if not children.exists():
        pytest.skip("no /proc/PID/task/PID/children here: ranks cannot be found")
    return [int(number) for number in children.read_text().split()]


def spoken(errors):
    return [line for line in errors.splitlines() if line.startswith(("lava-desire:", "interr"))]


def test_stopped_then_killed_and_restarted_it_ends_as_undisturbed(run, tmp_path):
    moment = random.Random(3)
    with torchrun(tmp_path, "-m", "lava_desire", *TRAIN) as agent:
        assert json.loads(agent.stdout.readline())["epoch"] == 1
        os.kill(rank_processes(agent)[1], signal.SIGTERM)
        _, errors = agent.communicate(timeout=120)
    assert agent.returncode != 0
    assert spoken(errors) == ["interrupted, saved; resume with: lava-desire train --resume mine"]
    interrupted = read_checkpoint(tmp_path / "mine" / "checkpoint.safetensors")
    assert interrupted.state["samples_done"] > 0 or interrupted.state["epoch"] > 0

    # The same command, which torchrun starts anew after each kill, goes on by itself.
    arguments = ["--max-restarts=3", "-m", "lava_desire", *TRAIN, "--force"]
    with torchrun(tmp_path, *arguments) as agent:
        for victim in (1, 0):
            epoch = json.loads(agent.stdout.readline())["epoch"]
            assert epoch >= 1
            time.sleep(moment.uniform(0, 0.2))
            os.kill(rank_processes(agent)[victim], signal.SIGKILL)
        out, errors = agent.communicate(timeout=200)
    assert agent.returncode == 0, errors
    assert "has lost another rank" in errors
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[-1]["last"]["epoch"] == 8

    run("train", *TRAIN[1:5], "--output", "whole", "--quiet")
    mine, whole = (
        read_checkpoint(tmp_path / name / "checkpoint.safetensors") for name in ("mine", "whole")
    )
    for one, other in zip(mine.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    accuracies = [
        [record["test_accuracy"] for record in checkpoint.state["records"]]
        for checkpoint in (mine, whole)
    ]
    assert accuracies[0] == accuracies[1]


def is_running(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_torchrun_leaves_no_rank_and_a_run_to_go_on_with(run, tmp_path):
    arguments = ["train", "--layers", "20", "--epochs", "100000", "--output", "mine", "--json"]
    with torchrun(tmp_path, "-m", "lava_desire", *arguments) as agent:
        assert json.loads(agent.stdout.readline())["epoch"] == 1
        ranks = rank_processes(agent)
        assert all(map(is_running, ranks))
        agent.kill()
        agent.communicate(timeout=120)  # until nobody writes to its pipes
    deadline = time.monotonic() + 60
    while any(map(is_running, ranks)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(ranks) == 2
    assert not any(map(is_running, ranks))
    done = read_checkpoint(tmp_path / "mine" / "checkpoint.safetensors").state["epoch"]
    resume = ("train", "--resume", "mine", "--quiet", "--epochs", str(done + 1))
    assert run(*resume) == (0, "", "")


def test_bad_input_is_one_line_and_writes_nothing(tmp_path):
    arguments = ("-m", "lava_desire", "train", "--batch-size", "1", "--output", "mine")
    with torchrun(tmp_path, *arguments) as agent:
        _, errors = agent.communicate(timeout=120)
    assert agent.returncode != 0
    assert len(spoken(errors)) == 1
    assert "--batch-size is 1 for 2 ranks: expected at least one sample a rank" in errors
    assert not list(tmp_path.iterdir())


def launch(**changes):
    values = {"rank": 0, "size": 2, "local_rank": 1, "local_size": 2, "restarts": 0}
    values |= {"max_restarts": 0, "job": "mine", "is_named": True}
    return Launch(**{**values, **changes})


def test_each_rank_takes_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert launch().place("cpu") == "cpu"
    assert launch().place("cuda") == "cuda:1"
    assert launch(local_size=1).place("cuda:1") == "cuda:1"
    with pytest.raises(ValueError, match=r"--device is cuda:1 for 2 ranks"):
        launch().place("cuda:1")
    with pytest.raises(ValueError, match="offers torch 2 CUDA devices: expected one a rank"):
        launch(local_size=3).place("cuda")


def test_lava_is_not_shared():
    launch(size=1).check_backend("lava")
    with pytest.raises(ValueError, match="--backend lava learns one sample at a time"):
        launch().check_backend("lava")


@pytest.mark.parametrize(
    ("job", "changes", "restarts", "force", "goes_on"),
    [
        ("mine", {}, 0, False, True),  # another machine's ranks were restarted
        ("mine", {}, 0, True, False),  # the user's second start under one name, to replace the run
        ("mine", {}, 1, True, True),  # --force was obeyed before the restart
        ("mine", {"is_named": False}, 0, False, False),
        ("mine", {"is_named": False}, 1, False, True),
        ("another", {}, 1, False, False),
        (None, {}, 1, False, False),
    ],
)
def test_only_what_this_torchrun_has_begun_is_gone_on_with(
    tmp_path, job, changes, restarts, force, goes_on
):
    notes = {"source": {"dataset": "digits"}, "device": "cpu", "precision": "float32"}
    (tmp_path / "run.json").write_text(json.dumps({**notes, "job": job} if job else notes))
    assert launch(**changes).has_begun(tmp_path, restarts, force) is goes_on


def test_other_commands_are_not_for_several_ranks(run, monkeypatch):
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "localhost")):
        monkeypatch.setenv(name, value)
    status, out, err = run("eval", "mine")
    assert (status, out) == (2, "")
    assert "only train is shared" in err
    monkeypatch.setenv("RANK", "1")
    assert run("eval", "mine") == (2, "", "")
    assert run("train", "--bogus") == (2, "", "")
