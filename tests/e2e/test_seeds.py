from __future__ import annotations

import io
import json
from contextlib import redirect_stdout

import numpy as np
import pytest

from lava_desire import DesireConfig
from lava_desire.checkpoint import BEST, CHECKPOINT
from lava_desire.cli import main
from lava_desire.data import load_dataset
from lava_desire.engine import DesireNetwork, fit, read_checkpoint

SMALL = ("--layers", "20", "--epochs", "2", "--validation", "0.2")


def last_line(out):
    return json.loads(out.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder, out = tmp_path_factory.mktemp("seeds") / "runs", io.StringIO()
    with redirect_stdout(out), pytest.raises(SystemExit) as caught:
        main(["train", *SMALL, "--seeds", "3,1", "--json", "--output", str(folder)])
    assert caught.value.code == 0
    return folder, last_line(out.getvalue())


def test_each_seed_is_the_run_that_it_is_alone(whole):
    folder, summary = whole
    data = load_dataset("digits")
    for seed, found in zip((3, 1), summary["runs"], strict=True):
        config = DesireConfig.preset("digits").resized(64, (20,), 10, epochs=2, seed=seed)
        network = DesireNetwork(config)
        history = fit(network, data, validation=0.2)
        stored = read_checkpoint(folder / f"seed-{seed}" / CHECKPOINT)
        for mine, theirs in zip(network.numpy_weights(), stored.weights, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert (found["seed"], found["best"]) == (seed, history.best.accuracy)
        assert (found["last"], found["test"]) == (history.last.accuracy, history.test.accuracy)
        assert (folder / f"seed-{seed}" / BEST).exists()
    tests = [found["test"] for found in summary["runs"]]
    over = summary["over_seeds"]["test"]
    assert over["mean"] == pytest.approx(np.mean(tests))
    assert over["deviation"] == pytest.approx(np.std(tests, ddof=1))


def test_resumed_they_go_on_to_more_epochs_and_begin_what_is_missing(run, whole, tmp_path):
    folder, _ = whole
    for name in ("seeds.json", "seed-3"):
        source, target = folder / name, tmp_path / name
        if source.is_file():
            target.write_bytes(source.read_bytes())
            continue
        target.mkdir()
        for file in source.iterdir():
            (target / file.name).write_bytes(file.read_bytes())
    status, out, err = run("train", "--resume", str(tmp_path), "--epochs", "3")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[-6:]] == [
        *("seed", "3", "1", "mean", "deviation", "everything")
    ]
    assert "best in validation" in lines[-6]
    assert "test, read once" in lines[-6]
    for seed in (3, 1):
        assert read_checkpoint(tmp_path / f"seed-{seed}" / CHECKPOINT).state["epoch"] == 3
    before = (tmp_path / "seed-1" / CHECKPOINT).read_bytes()
    status, out, err = run("train", "--resume", str(tmp_path), "--seeds", "1,5", "--json")
    assert (status, err) == (0, "")
    assert [each["seed"] for each in last_line(out)["runs"]] == [3, 1, 5]
    assert (tmp_path / "seed-1" / CHECKPOINT).read_bytes() == before
    stored = read_checkpoint(tmp_path / "seed-5" / CHECKPOINT)
    assert (stored.config.seed, stored.state["epoch"]) == (5, 3)
    assert json.loads((tmp_path / "seeds.json").read_text())["seeds"] == [3, 1, 5]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seeds", "0,0"), "--seeds is '0,0': expected different integers >= 0"),
        (("--seeds", "0;1"), "--seeds is '0;1': expected different integers >= 0"),
        (("--seeds", "-1"), "--seeds is '-1': expected different integers >= 0"),
        (("--seeds", "0", "--seed", "1"), "--seed 1 and --seeds 0 are given: expected one"),
        (("--seeds", "0", "--resume", "{folder}/seed-3"), "and --seeds is given"),
        (("--seeds", "0,0", "--resume", "{folder}"), "--seeds is '0,0': expected different"),
        (
            ("--output", "{folder}"),
            "already holds runs: resume with --resume {folder}, with more of",
        ),
        (
            ("--seeds", "0", "--validation", "2.0"),
            "--validation is 2.0: expected 0 < --validation < 1",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(run, whole, arguments, said):
    folder, _ = whole
    given = [each.format(folder=folder) for each in arguments]
    status, out, err = run("train", *given)
    assert (status, out) == (2, "")
    assert said.format(folder=folder) in err


@pytest.mark.parametrize("content", [b"{", b'{"seeds": [0]}', b"[]"])
def test_a_damaged_plan_is_named(run, tmp_path, content):
    (tmp_path / "seeds.json").write_bytes(content)
    status, _, err = run("train", "--resume", str(tmp_path))
    assert status == 2
    assert "seeds.json is damaged" in err


def test_events_for_tensorboard_are_written_by_every_run_and_gone_on_with(run, tmp_path):
    pytest.importorskip("tensorboard")
    place = tmp_path / "runs"
    status, _, _ = run("train", *SMALL, "--seeds", "0,1", "--tensorboard", "--output", str(place))
    assert status == 0
    folders = [place / f"seed-{seed}" / "tensorboard" for seed in (0, 1)]
    assert [len(list(folder.iterdir())) for folder in folders] == [1, 1]
    assert run("train", "--resume", str(place), "--epochs", "3")[0] == 0
    assert run("train", "--resume", str(place / "seed-0"), "--epochs", "4")[0] == 0
    assert [len(list(folder.iterdir())) for folder in folders] == [3, 2]
