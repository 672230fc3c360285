from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from lava_desire.checkpoint import BEST, CHECKPOINT
from lava_desire.cli.plan import Plan
from lava_desire.cli.run_data import Source
from lava_desire.cli.space import Choice, Range, Space
from lava_desire.cli.sweep import Sweep
from lava_desire.config import DesireConfig
from lava_desire.data import load_dataset
from lava_desire.engine import DesireNetwork, evaluate, read_checkpoint

optuna = pytest.importorskip("optuna")

SMALL = ("--layers", "12", "--epochs", "1", "--validation", "0.2", "--batch-size", "64")
RATES = ("--over", "learning-rate=1e-4..1e-2:log")


def summary(out):
    return json.loads(out.strip().splitlines()[-1])


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("learning-rate=1e-5..1e-3:log", "learning_rate", Range(1e-5, 1e-3, True, False)),
        ("--trace-baseline = 0.5 .. 1", "trace_baseline", Range(0.5, 1.0, False, False)),
        ("batch_size=8..64", "batch_size", Range(8, 64, False, True)),
        ("off-channel=3..9", "off_channel", Range(3, 9, False, True, step=2)),
        ("tie-break=undecided,earliest", "tie_break", Choice(("undecided", "earliest"))),
        ("layers=20, 30 20", "layers", Choice(("20", "30 20"))),
        ("layers=20|16c5s2 10", "layers", Choice(("20", "16c5s2 10"))),
    ],
)
def test_what_to_vary_is_read(text, name, values):
    assert dict(Space.parse([text]).over) == {name: values}


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ((), "no --over is given: expected what to vary"),
        (("learning-rat=1,2",), "--over is 'learning-rat=1,2': expected FIELD=VALUES"),
        (("seed=0,1",), "--over is 'seed=0,1': expected FIELD=VALUES"),
        (("epochs=2,few",), "--epochs is 'few': expected an integer in [0, 2147483647]"),
        (("learning-rate-scale=x|1",), "error: --learning-rate-scale is 'x': expected numbers"),
        (("learning-rate",), "--over is 'learning-rate': expected FIELD=VALUES"),
        (("learning-rate=1e-3..1e-5",), "expected LOW < HIGH"),
        (("learning-rate=0..1:log",), "expected 0 < LOW < HIGH"),
        (("learning-rate=a..b",), "expected values of learning_rate, separated by commas"),
        (("batch-size=8,x",), "--batch-size is 'x': expected an integer"),
        (("batch-size=8,0",), "--batch-size is 0: expected an integer in [1, 2147483647]"),
        (("layers=20,0",), "--layers is '0': expected the sizes"),
        (("trace-baseline=0,0",), "expected different values"),
        (("trace-baseline=0,1", "trace-baseline=0.5..1"), "gives trace_baseline twice"),
        (("decay=0.5..2",), "--decay"),
        (("off-channel=3..8",), "--off-channel is 8: expected 0, or an odd side from 3 to 255"),
        (("off-channel=0..9",), "--off-channel is 2: expected 0, or an odd side from 3 to 255"),
        (("off-channel=3..9:log",), "expected LOW..HIGH, or values separated by commas"),
    ],
)
def test_what_cannot_be_varied_is_refused_before_anything_is_made(run, tmp_path, over, said):
    options = [each for text in over for each in ("--over", text)]
    status, out, err = run("sweep", *options, "--output", str(tmp_path / "sweep"))
    assert (status, out) == (2, "")
    assert said in err
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize("sampler", [optuna.samplers.RandomSampler, optuna.samplers.TPESampler])
def test_only_what_a_field_takes_is_drawn(sampler):
    space = Space.parse(["off-channel=3..9"])
    study = optuna.create_study(sampler=sampler(seed=0))
    drawn = {space.suggest(study.ask())["off_channel"] for _ in range(40)}
    assert drawn == {3, 5, 7, 9}


def test_factors_of_layers_are_varied():
    assert Space.parse(["learning-rate-scale=1,1|1,2"]).over == {
        "learning_rate_scale": Choice(("1,1", "1,2"))
    }
    with pytest.raises(
        ValueError, match=r"--learning-rate-scale is \(1.0, -1.0\): expected numbers"
    ):
        Space.parse(["learning-rate-scale=1,1|1,-1"])


def test_a_sweep_is_chosen_by_validation_and_goes_on_to_more_trials(run, tmp_path):
    place = str(tmp_path / "sweep")
    given = ("sweep", *SMALL, *RATES, "--trials", "2", "--seeds", "4,5", "--json")
    status, out, _ = run(*given, "--output", place)
    assert status == 0
    found = summary(out)
    assert sorted(row["trial"] for row in found["trials"]) == [0, 1]
    assert all(1e-4 <= row["settings"]["learning_rate"] <= 1e-2 for row in found["trials"])
    status, out, _ = run("sweep", "--resume", place, "--trials", "3", "--json")
    assert status == 0
    more = summary(out)
    accuracies = [row["accuracy"] for row in more["trials"]]
    assert accuracies == sorted(accuracies, reverse=True)
    assert len(accuracies) == 3
    best = more["trials"][0]["trial"]
    assert more["test"]["trial"] == best
    data, reached, validated = load_dataset("digits"), [], []
    for seed in (4, 5):
        folder = tmp_path / "sweep" / f"trial-{best:04d}" / f"seed-{seed}"
        reached.append(evaluate(DesireNetwork.load(folder / BEST), data).accuracy)
        records = read_checkpoint(folder / CHECKPOINT).state["records"]
        assert all(record["test_accuracy"] is None for record in records)
        validated.append(max(record["validation_accuracy"] for record in records))
        assert json.loads((folder / "metrics.json").read_text())["test"] is None
    assert more["test"]["accuracies"] == reached
    assert accuracies[0] == pytest.approx(np.mean(validated))
    with (tmp_path / "sweep" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["trial"], row["state"]) for row in rows] == [(n, "complete") for n in "012"]
    # The same from the beginning draws the same values.
    again = summary(run(*given, "--output", str(tmp_path / "again"))[1])
    assert again["trials"] == found["trials"]


def test_the_test_set_is_read_in_the_precision_of_the_sweep(run, tmp_path, monkeypatch):
    from lava_desire import engine

    precisions = []

    def watched(network, data):
        precisions.append(network.precision)
        return evaluate(network, data)

    monkeypatch.setattr(engine, "evaluate", watched)
    for precision in ("bfloat16x2", "fixed_point"):
        given = ("--trials", "1", "--precision", precision, "--json")
        status, out, _ = run("sweep", *SMALL, *RATES, *given, "--output", str(tmp_path / precision))
        assert status == 0
        assert precisions.pop() == precision
        assert summary(out)["test"]["trial"] == 0


def test_a_grid_is_tried_once_each_and_what_does_not_go_together_is_named(run, tmp_path):
    place = tmp_path / "grid"
    over = ("--over", "num-steps=4,6", "--over", "error-margin=1,5")
    status, out, err = run("sweep", *SMALL, *over, "--output", str(place))
    assert (status, err) == (0, "")
    lines = [line for line in out.splitlines() if line.startswith("trial ")]
    tried = {line.split("  ")[1] for line in lines}
    assert tried == {
        f"num_steps {steps}, error_margin {margin}" for steps in (4, 6) for margin in (1, 5)
    }
    assert len(lines) == 4
    assert sum("refused: --error-margin" in line for line in lines) == 1


def sweep_in(folder, **more):
    plan = Plan(Source("digits"), DesireConfig((64, 12, 10), epochs=2), validation=0.2)
    folder.mkdir()
    settings = {"sampler": "tpe", "prune": False, **more}
    work = Sweep(folder, plan, Space.parse(["learning-rate=1e-4..1e-2:log"]), [0], **settings)
    work.begin(1)
    return work


def test_a_trial_whose_worker_is_gone_is_gone_on_with(run, tmp_path):
    work = sweep_in(tmp_path / "sweep")
    trial, number, values, lock = work._claim(work.study())
    assert trial is not None
    # As long as its worker holds it, nobody else takes it, and there is no other.
    assert work._claim(work.study()) is None
    lock.close()
    status, out, _ = run("sweep", "--resume", str(work.folder), "--json")
    assert status == 0
    rows = summary(out)["trials"]
    assert [(row["trial"], row["settings"]) for row in rows] == [(number, values)]


def test_a_trial_that_lags_behind_is_stopped(run, tmp_path, monkeypatch):
    work = sweep_in(tmp_path / "sweep", prune=True)
    study = work.study()
    for _ in range(6):  # that were better from the first epoch on
        other = study.ask()
        work.space.suggest(other)
        for epoch in range(1, 7):
            other.report(1.0, epoch)
        study.tell(other, 1.0)
    plan = json.loads((work.folder / "sweep.json").read_text())
    plan["config"]["epochs"] = 6
    (work.folder / "sweep.json").write_text(json.dumps(plan))
    monkeypatch.setattr(Sweep, "_read_test", lambda sweep: None)  # those have no runs
    status, out, _ = run("sweep", "--resume", str(work.folder), "--trials", "7")
    assert status == 0
    assert "trial 6: stopped, behind the others" in out


def test_several_processes_share_the_trials(run, tmp_path):
    place = tmp_path / "shared"
    status, out, _ = run(
        *("sweep", *SMALL, *RATES, "--trials", "3", "--jobs", "2", "--json"), "--output", str(place)
    )
    assert status == 0
    rows = summary(out)["trials"]
    assert sorted(row["trial"] for row in rows) == [0, 1, 2]
    assert len({row["settings"]["learning_rate"] for row in rows}) == 3


def test_a_sweep_that_is_none_or_is_given_other_settings_is_refused(run, tmp_path):
    status, _, err = run("sweep", "--resume", str(tmp_path))
    assert (status, "holds no sweep to resume" in err) == (2, True)
    given = ["--epochs", "3", *RATES, "--data", "other.csv", "--label-column", "kind"]
    status, _, err = run("sweep", "--resume", str(tmp_path), *given)
    assert (status, "--epochs, --over, --data, --label-column is given" in err) == (2, True)
    (tmp_path / "sweep.json").write_text('{"seeds": []}')
    status, _, err = run("sweep", "--resume", str(tmp_path))
    assert (status, "sweep.json is damaged" in err) == (2, True)
    status, _, err = run("train", "--output", str(tmp_path))
    assert (status, "already holds runs" in err) == (2, True)


def test_find_rate_prints_each_and_the_best(run):
    given = ("find-rate", "--layers", "12", "--count", "3", "--samples", "300")
    status, out, err = run(*given, "--lowest", "1e-4")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [float(line.split()[0]) for line in lines[1:-1]] == [1e-4, 1e-3, 1e-2]
    assert lines[-1].startswith("best: --learning-rate ")
    found = summary(run(*given, "--lowest", "1e-4", "--json")[1])
    best = max(found["tried"], key=lambda each: each["accuracy"])
    assert found["best"] == best["learning_rate"]
    for options, message in (
        (
            ("--lowest", "1", "--highest", "0.1"),
            "--lowest is 1.0, --highest 0.1: expected 0 < --lo",
        ),
        (("--highest", "inf"), "--highest is inf: expected a finite number, value > 0"),
        (("--count", "1"), "--count is 1: expected an integer in [2, 2147483647]"),
        (("--samples", "0"), "--samples is 0: expected an integer in [1, 2147483647]"),
        (("--epochs", "0"), "--epochs is 0: expected an integer in [1, 2147483647]"),
        (("--epochs", "few"), "--epochs is 'few': expected an integer in [1, 2147483647]"),
        (("--precision", "fixed_point", "--highest", "1e4"), "--highest is 10000.0: expected at m"),
    ):
        status, out, err = run(*given, *options)
        assert (status, out, message in err) == (2, "", True), err
    status, _, err = run(*given, "--learning-rate", "0.1")
    assert (status, "--learning-rate is 0.1: expected --lowest" in err) == (2, True)
