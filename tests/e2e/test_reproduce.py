"""``lava-desire reproduce`` as a user meets it, on few samples."""

from __future__ import annotations

import json

import pytest

from lava_desire.analysis.catalogue import EXPERIMENTS, FIGURES, PROTOCOLS
from lava_desire.analysis.experiments import quick_data
from lava_desire.cli.reproduce import _settle
from lava_desire.cli.run import make_network
from lava_desire.config import DesireConfig


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


@pytest.mark.parametrize(
    ("name", "protocol"),
    [("mnist", "final"), ("fashion-mnist", "validation"), ("fashion-mnist", "test")],
)
def test_an_experiment_is_one_command_and_goes_on(
    run, tmp_path, shared_dir, monkeypatch, name, protocol
):
    monkeypatch.setattr(quick_data, "__defaults__", (200, 100))
    data = ("--data-dir", shared_dir / "data", "--quick", "--output", "mine")
    follows = () if protocol == "validation" else ("--protocol", protocol)
    status, out, err = run("reproduce", name, *data, "--epochs", "1", *follows)
    assert (status, err) == (0, "")
    assert f"protocol {protocol}: " in out
    assert ("on the test set, read once, " in out) == (protocol != "test")
    assert "a smoke test on few samples" in out
    first = json.loads((tmp_path / "mine" / "result.json").read_text())
    assert (first["quick"], first["protocol"]) == (True, protocol)
    assert first["runs"][0]["epochs_done"] == 1
    assert {"commit", "environment", "begun"} <= set(first["runs"][0]["begun_with"])
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
    (tmp_path / "mine" / "result.json").unlink()  # the runs themselves tell what they follow
    other = "final" if protocol == "test" else "test"
    status, _, err = run("reproduce", name, *data, "--protocol", other)
    assert status == 2
    assert f"--protocol is {other}, and the runs in mine follow {protocol!r}: expected" in err


def test_folders_of_before_there_were_protocols_are_gone_on_with(tmp_path):
    older = tmp_path / "mnist"
    assert _settle(older, None, None) == (tmp_path / "mnist-validation", "validation")
    (older / "seed-0").mkdir(parents=True)
    (older / "result.json").write_text("{}")
    assert _settle(older, None, None) == (tmp_path / "mnist-validation", "validation")
    assert _settle(older, older, None) == (older, "test")
    (older / "seed-0" / "checkpoint.safetensors").touch()
    assert _settle(older, None, None) == (older, "test")
    assert _settle(older, None, "final") == (tmp_path / "mnist-final", "final")
    with pytest.raises(ValueError, match=r"and the runs in .* follow 'test': expected --prot"):
        _settle(older, older, "validation")


def test_seeds_side_by_side_are_the_processes_of_each(run, shared_dir, monkeypatch):
    begun = []

    def side_by_side(commands, jobs):
        begun.append((commands, jobs))
        return 3, False

    monkeypatch.setattr("lava_desire.cli.reproduce.side_by_side", side_by_side)
    data = ("--data-dir", shared_dir / "data")
    given = ("mnist-best", "--seed", "0,4", "--parallel", "2", "--protocol", "final", "--quiet")
    assert run("reproduce", *given, *data) == (3, "", "")
    ((commands, jobs),) = begun
    assert jobs == 2
    assert [command[-2:] for command in commands] == [["--seed", "0"], ["--seed", "4"]]
    told = dict(zip(commands[0], commands[0][1:], strict=False))
    assert (told["--output"], told["--protocol"]) == ("results/mnist-best-final", "final")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_recipe_makes_a_network(name):
    recipe = EXPERIMENTS[name]
    config = DesireConfig.preset(recipe.preset).replace(**recipe.changes)
    sizes = (config.num_inputs, 4, 10)
    config = config.replace(layer_sizes=sizes, layers=(), learning_rate_scale=())
    assert make_network(config, "cpu", recipe.precision).config.num_classes == 10
    assert recipe.protocol in PROTOCOLS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["imagenet"], "experiment is 'imagenet': expected one of mnist, fashion-mnist"),
        (["mnist", "--seed", "one"], "--seed is 'one': expected integers"),
        (["mnist", "--epochs", "-1"], "epochs is -1"),
        (["mnist", "--protocol", "luck"], "--protocol is 'luck': expected one of validation, "),
        (["mnist", "--parallel", "0"], "--parallel is 0: expected an integer in [1, 2147483647]"),
        (["figures", "--epochs", "0"], "--epochs is 0: expected an integer in [1, 2147483647]"),
        (["figures", "--largest", "9"], "--largest is 9: expected an integer in [100, 2147483647]"),
        (["figures", "--protocol", "test"], "--protocol and --parallel are for mnist, "),
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
