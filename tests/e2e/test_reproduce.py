"""``lava-desire reproduce`` as a user meets it, on few samples."""

from __future__ import annotations

import json

import pytest

from lava_desire.analysis.catalogue import FIGURES


def test_all_figures_are_drawn_and_what_they_show_is_kept(run, tmp_path):
    status, out, err = run("reproduce", "figures", "--quick")
    assert (status, err) == (0, "")
    folder = tmp_path / "runs" / "quick" / "figures"
    for name in FIGURES:
        assert f"{name}.png" in out
        assert (folder / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
        stored = json.loads((folder / f"{name}.json").read_text())
        assert stored["notes"]["data"] == "digits"
        assert {"command", "commit", "environment", "scale"} <= set(stored["notes"])
        assert stored["measurement"]


def test_a_figure_that_was_measured_is_only_drawn_again(run, tmp_path):
    arguments = ("reproduce", "figures", "--quick", "--only", "fig8", "--output", "mine")
    assert run(*arguments)[0] == 0
    before = (tmp_path / "mine" / "fig8.json").read_bytes()
    (tmp_path / "mine" / "fig8.png").unlink()
    assert run(*arguments)[0] == 0
    assert (tmp_path / "mine" / "fig8.png").exists()
    assert (tmp_path / "mine" / "fig8.json").read_bytes() == before


def test_the_ablation_runs_on_what_needs_no_download(run, tmp_path):
    names = "base,shift-1"
    arguments = ("reproduce", "ablation", "--quick", "--only", names, "--seed", "0,1")
    assert run(*arguments)[0] == 0
    stored = json.loads((tmp_path / "runs/quick/ablation/ablation.json").read_text())
    assert stored["measurement"]["names"] == ["base", "shift-1"]
    assert stored["measurement"]["seeds"] == [[0, 1], [0, 1]]
    assert (tmp_path / "runs/quick/ablation/ablation.png").exists()


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_an_experiment_is_one_command_and_goes_on(run, tmp_path, shared_dir, name):
    data = ("--data-dir", shared_dir / "data", "--quick", "--output", "mine")
    status, out, err = run("reproduce", name, *data, "--epochs", "1")
    assert (status, err) == (0, "")
    assert "a smoke test on few samples" in out
    first = json.loads((tmp_path / "mine" / "result.json").read_text())
    assert first["quick"] is True
    assert first["runs"][0]["epochs_done"] == 1
    assert first["runs"][0]["config"]["seed"] == 0
    assert run("reproduce", name, *data, "--epochs", "2", "--quiet") == (0, "", "")
    second = json.loads((tmp_path / "mine" / "result.json").read_text())
    assert second["runs"][0]["epochs_done"] == 2
    assert {path.name for path in (tmp_path / "mine" / "seed-0").iterdir()} >= {
        "config.json",
        "metrics.csv",
        "metrics.json",
        "checkpoint.safetensors",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["imagenet"], "experiment is 'imagenet': expected one of mnist, fashion-mnist"),
        (["mnist", "--seed", "one"], "--seed is 'one': expected integers"),
        (["mnist", "--epochs", "-1"], "epochs is -1"),
        (["figures", "--quick", "--only", "fig1"], "figure is 'fig1': expected one of fig4"),
        (["ablation", "--quick", "--only", "luck"], "variant is 'luck': expected one of base"),
        (["ablation", "--quick", "--base", "huge"], "--base is 'huge': expected small or"),
        (["mnist", "--data-dir", "nowhere"], "train-images-idx3-ubyte"),
    ],
)
def test_bad_arguments_are_one_line(run, tmp_path, arguments, message):
    status, out, err = run("reproduce", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("lava-desire: error: ")
    assert err.count("\n") == 1
    assert message in err
