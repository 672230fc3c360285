"""Whoever takes a run takes the run's own data, and says which; folders of strangers do no harm."""

from __future__ import annotations

import json
import os
import shutil
import sys

import numpy as np
import pytest

from lava_desire.checkpoint import read_checkpoint
from lava_desire.cli import main, run_data
from lava_desire.cli import run as cli_run
from lava_desire.training.run_folder import CHECKPOINT, FILES

OWN = ["--data", "own.npz", "--layers", "4", "--epochs", "1"]


def save_images(path, seed=0, num_samples=50):
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (num_samples, 8, 8), dtype=np.uint8)
    np.savez(path, images=images, labels=np.arange(num_samples) % 10)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train once on forty samples of one's own, ten more for the test."""
    folder = tmp_path_factory.mktemp("trained")
    save_images(folder / "own.npz")
    with pytest.raises(SystemExit) as caught:
        main(
            ["train", "--data", str(folder / "own.npz"), *OWN[2:], "--output", str(folder / "own")]
        )
    assert caught.value.code == 0
    return folder


@pytest.fixture
def own(trained, run, tmp_path):
    """Return that run in a folder of runs, as if trained on the data beside that folder."""
    shutil.copytree(trained, tmp_path / "runs")
    (tmp_path / "runs/own.npz").rename(tmp_path / "own.npz")
    notes = json.loads((tmp_path / "runs/own/run.json").read_text())
    assert notes["source"]["file"] == str(trained / "own.npz")
    notes["source"]["file"] = str(tmp_path / "own.npz")
    (tmp_path / "runs/own/run.json").write_text(json.dumps(notes))
    return tmp_path / "runs/own"


@pytest.mark.parametrize("name", ["", "best.safetensors", "checkpoint.safetensors"])
def test_eval_takes_the_runs_own_data_and_names_it(run, own, tmp_path, name, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    status, out, err = run("eval", f"../runs/own/{name}".rstrip("/"))
    assert (status, err) == (0, "")
    assert f"of 10 test samples of own ({tmp_path / 'own.npz'}) are right" in out
    status, out, _ = run("eval", own, "--json", "--quiet")
    assert json.loads(out)["source"]["file"] == str(tmp_path / "own.npz")
    assert json.loads(out)["num_samples"] == 10
    status, out, _ = run("eval", own, "--dataset", "digits")
    assert "of 359 test samples of digits are right" in out
    status, out, _ = run("export", own, "--to", "fixed", "--output", "fixed.safetensors")
    assert f"scaled on own ({tmp_path / 'own.npz'})" in out


def test_a_checkpoint_of_no_run_asks_for_data(run, own, tmp_path):
    shutil.copy(own / CHECKPOINT, tmp_path / "bare.safetensors")
    export = ("export", "bare.safetensors", "--to", "fixed", "--output", "fixed.safetensors")
    for command in (("eval", "bare.safetensors"), export):
        status, out, err = run(*command)
        assert (status, out) == (2, "")
        assert "bare.safetensors is in no folder of a run" in err
        assert "expected --data or --dataset" in err
        assert run(*command, "--data", "own.npz")[0] == 0


def test_a_run_whose_data_have_moved_is_gone_on_with(run, own, tmp_path):
    shutil.copytree(own, tmp_path / "unbroken")
    assert run("train", "--resume", tmp_path / "unbroken", "--epochs", "3", "--quiet")[0] == 0
    (tmp_path / "own.npz").rename(tmp_path / "moved.npz")
    for command in (("eval", own), ("train", "--resume", own, "--epochs", "2")):
        status, _, err = run(*command)
        assert status == 2
        assert f"{tmp_path / 'own.npz'}, the data of {own}, are not there: expected --data" in err
    command = ("train", "--resume", own, "--quiet", "--epochs")
    assert run(*command, "2", "--data", "moved.npz") == (0, "", "")
    assert json.loads((own / "run.json").read_text())["source"]["file"] == str(
        tmp_path / "moved.npz"
    )
    assert run(*command, "3") == (0, "", "")
    for mine, other in zip(
        read_checkpoint(own / CHECKPOINT).weights,
        read_checkpoint(tmp_path / "unbroken" / CHECKPOINT).weights,
        strict=True,
    ):
        np.testing.assert_array_equal(mine, other)


def test_other_data_are_refused_by_name(run, own, tmp_path):
    save_images(tmp_path / "other.npz", seed=1)
    before = {path.name: path.read_bytes() for path in own.iterdir()}
    for given in (("--data", "other.npz"), ("--dataset", "digits")):
        status, out, err = run("train", "--resume", own, "--epochs", "2", *given)
        assert (status, out) == (2, "")
        assert f"{given[1]} holds other samples than {own} was begun with" in err
    assert {path.name: path.read_bytes() for path in own.iterdir()} == before
    shutil.move(tmp_path / "other.npz", tmp_path / "own.npz")
    status, _, err = run("eval", own)
    assert status == 2
    assert "own.npz holds other samples than" in err
    assert "to take them all the same, give --data" in err
    assert run("eval", own, "--data", "own.npz")[0] == 0
    assert "the data of" in run("eval", own, "--data-dir", ".")[2]


def test_an_output_replaces_no_file_of_the_run(run, own, tmp_path):
    shutil.copy(own / CHECKPOINT, tmp_path / "bare.safetensors")
    (tmp_path / "link.safetensors").symlink_to(own / CHECKPOINT)
    named = tmp_path / "own.nir"
    (tmp_path / "own.npz").rename(named)
    notes = json.loads((own / "run.json").read_text())
    notes["source"]["file"] = str(named)
    (own / "run.json").write_text(json.dumps(notes))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    fixed = ("--to", "fixed", "--dataset", "digits", "--output")
    for command, message in (
        (("export", own, *fixed, own / CHECKPOINT), "a file of the run in"),
        (("export", own, *fixed, own / "best.safetensors"), "a file of the run in"),
        (("export", own, *fixed, "link.safetensors"), "a file of the run in"),
        (("export", "bare.safetensors", *fixed, "bare.safetensors"), "the checkpoint that is read"),
        (("export", own, "--to", "nir", "--output", named), "the data of the run"),
        (("eval", own, "--confusion", own / "learning_curve.png"), "a file of the run in"),
        (("eval", own, "--confusion", "m.txt"), "expected a name that ends in .png or .pdf or"),
    ):
        status, out, err = run(*command)
        assert (status, out) == (2, "")
        assert message in err
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before
    assert run("export", own, *fixed, own / "integers.safetensors", "--quiet")[0] == 0


def test_eval_says_in_what_it_computed_and_ignores_no_precision(run, own):
    assert run("export", own, "--to", "fixed", "--output", "i.safetensors", "--quiet")[0] == 0
    data = ("--data", "own.npz")
    for command, message in (
        ((own, "--backend", "fixed", "--precision", "float32"), "with --backend fixed"),
        (("i.safetensors", *data, "--precision", "float32"), "i.safetensors is in integers"),
        ((own, "--precision", "fixed_point"), "expected --backend fixed for integers"),
        ((own, "--backend", "torch"), "expected fixed or lava"),
        ((own, *data, "--data-dir", "."), "--data-dir . is given, and the data are a file"),
        ((own, "--dataset", "digits", "--data-dir", "."), "the data are digits"),
    ):
        status, out, err = run("eval", *command)
        assert (status, out) == (2, "")
        assert message in err
    told = json.loads(run("eval", own, "--precision", "float32", "--json")[1])
    assert (told["network"], told["data"]) == ([64, 4, 10], "own")
    assert (told["arithmetic"], told["precision"]) == ("floating_point", "float32")
    told = json.loads(run("eval", own, "--backend", "fixed", "--json")[1])
    assert told["arithmetic"] == told["precision"] == "fixed_point"


def test_a_run_that_is_done_says_so(run, own):
    assert run("train", "--resume", own, "--epochs", "2", "--quiet")[0] == 0
    for epochs in (1, 2):
        status, out, err = run("train", "--resume", own, "--epochs", epochs)
        assert (status, err) == (0, "")
        assert f"2 epochs are done already, of {epochs} asked for: nothing is left to train" in out
    status, out, err = run("train", *OWN[:4], "--epochs", "0", "--output", "none")
    assert (status, err) == (0, "")
    assert "no epoch was trained, as --epochs is 0" in out
    status, out, err = run("train", "--resume", "none", "--epochs", "1")
    assert (status, "nothing is left" in out) == (0, False)


@pytest.mark.parametrize("what", ["pipe", "/dev/zero", "link to a pipe"])
@pytest.mark.parametrize("how", ["typed", "in run.json"])
def test_a_pipe_or_a_device_is_no_data(run, own, tmp_path, what, how):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    path = {"pipe": tmp_path / "pipe", "link to a pipe": tmp_path / "link"}.get(what, what)
    if how == "typed":
        refused = [run("train", "--data", path), run("eval", own, "--data", path)]
    else:
        notes = json.loads((own / "run.json").read_text())
        notes["source"]["file"] = str(path)
        (own / "run.json").write_text(json.dumps(notes))
        refused = [run("train", "--resume", own), run("eval", own)]
    for status, _, err in refused:
        assert status == 2
        assert f"{path} is a pipe or a device: expected a regular file" in err


@pytest.mark.parametrize("kind", ["pipe", "link", "text", "list", "number"])
def test_notes_that_are_none_are_refused_by_every_reader(run, own, tmp_path, kind):
    notes = own / "run.json"
    content = notes.read_text()
    notes.unlink()
    (tmp_path / "theirs").write_text(content)
    if kind == "pipe":
        os.mkfifo(notes)
    elif kind == "link":
        notes.symlink_to(tmp_path / "theirs")
    else:
        notes.write_text({"text": "x", "list": "[]", "number": '{"source": {"file": 1}}'}[kind])
    for command in (
        ("eval", own),
        ("train", "--resume", own),
        ("export", own, "--to", "fixed", "--output", "x.safetensors"),
    ):
        status, out, err = run(*command)
        assert (status, out) == (2, "")
        assert "run.json is " in err


def test_links_in_a_run_folder_lead_nowhere(run, own, tmp_path):
    """Under --resume and --force every file of the run may be a link to a file of the user's."""
    theirs = tmp_path / "theirs"
    theirs.write_bytes(b"theirs")
    for name in ("learning_curve.png", "metrics.csv", "metrics.json", "best.safetensors"):
        (own / name).unlink()
        (own / name).symlink_to(theirs)
    (own / ".theirs.partial").write_bytes(b"theirs")
    status, _, err = run("train", "--resume", own, "--epochs", "9", "--quiet")
    assert (status, err) == (0, "")
    assert run("eval", own, "--confusion", own / "metrics.csv")[0] == 2
    for name in FILES:
        (own / name).unlink(missing_ok=True)
        (own / name).symlink_to(theirs)
    status, _, err = run("eval", own)
    assert status == 2
    assert "symbolic link" in err
    status, _, err = run("train", *OWN, "--output", own, "--force", "--quiet")
    assert (status, err) == (0, "")
    assert theirs.read_bytes() == b"theirs"
    assert (own / ".theirs.partial").read_bytes() == b"theirs"
    assert not any(path.is_symlink() for path in own.iterdir())
    (own / "run.lock").symlink_to(theirs)
    status, _, err = run("train", "--resume", own, "--epochs", "10")
    assert status == 2
    assert "run.lock is a link, a pipe, a device" in err
    assert theirs.read_bytes() == b"theirs"


def test_a_run_keeps_its_permissions(run, own):
    for path in own.iterdir():
        path.chmod(0o600)
    assert run("train", "--resume", own, "--epochs", "2", "--quiet")[0] == 0
    assert run("train", *OWN, "--output", own, "--force", "--quiet")[0] == 0
    kept = {path.name: path.stat().st_mode & 0o777 for path in own.iterdir()}
    for name in ("run.json", "config.json", CHECKPOINT):
        assert kept[name] == 0o600


@pytest.mark.parametrize("what", ["checkpoint", "notes", "trainer", "folder in place of a file"])
def test_a_replacement_that_fails_leaves_the_run_as_it_was(run, own, monkeypatch, what):
    if what == "folder in place of a file":
        (own / "metrics.csv").unlink()
        (own / "metrics.csv").mkdir()
    before = {path.name: path.read_bytes() for path in own.iterdir() if path.is_file()}

    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    module, name = {
        "checkpoint": (sys.modules["lava_desire.checkpoint"], "dump_arrays"),
        "notes": (cli_run, "notes_file"),
        "trainer": (cli_run, "training_class"),
    }.get(what, (cli_run, "not_there"))
    monkeypatch.setattr(module, name, fail, raising=False)
    backend = ["--backend", "lava"] if what == "trainer" else []
    assert run("train", *OWN, *backend, "--output", own, "--force", "--quiet")[0] == 2
    monkeypatch.undo()
    monkeypatch.chdir(own.parent.parent)
    assert {path.name: path.read_bytes() for path in own.iterdir() if path.is_file()} == before
    if what != "folder in place of a file":
        assert run("train", "--resume", own, "--epochs", "2", "--quiet") == (0, "", "")


def test_runs_of_the_same_second_have_folders_of_their_own(run, own, tmp_path, monkeypatch):
    monkeypatch.setattr(cli_run.time, "strftime", lambda pattern: "20260101-000000")
    folders = [cli_run.new_folder(None, name, False) for name in ("own", "own", "own", "a/../[b]")]
    assert [folder.name for folder in folders] == [
        "own-20260101-000000",
        "own-20260101-000000-2",
        "own-20260101-000000-3",
        "a_.._b_-20260101-000000".replace("_b_", "__b_"),
    ]
    assert all(folder.is_dir() for folder in folders)


def test_names_out_of_files_steer_no_terminal_and_are_no_markup(run, tmp_path):
    name = "\x1b[31m[b] :smile: $x_{$\u202e" + "n" * 150
    save_images(tmp_path / f"{name}.npz")
    said = [run("train", "--data", f"{name}.npz", *OWN[2:], "--output", "[/b]\x07")]
    said.append(run("eval", "[/b]\x07", "--confusion", "confusion.png"))
    said.append(run("export", "[/b]\x07", "--to", "fixed", "--output", "fixed.safetensors"))
    said.append(run("eval", "\x1b]0;title\x07"))
    assert [status for status, _, _ in said] == [0, 0, 0, 2]
    for _, out, err in said:
        assert all(each.isprintable() or each == "\n" for each in out + err)
        assert all(len(line) <= 2000 for line in (out + err).splitlines())
    assert "everything is in [/b]\\x07" in said[0][1]
    assert "\\x1b[31m[b] :smile: $x_{$\\u202e" in said[1][1]


def test_json_is_printed_in_quiet_as_well(run, own):
    status, out, err = run("train", *OWN, "--output", own, "--force", "--quiet", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (0, "")
    assert [line.get("epoch") for line in lines] == [1, None]
    assert lines[-1]["folder"] == str(own)
    assert json.loads(run("eval", own, "--quiet", "--json")[1])["num_samples"] == 10


def test_a_quick_run_is_evaluated_on_the_samples_it_had(monkeypatch, tmp_path):
    from lava_desire.analysis.experiments import quick_data
    from lava_desire.data import load_dataset

    quick = run_data.Source("digits", quick=True)
    monkeypatch.setattr(quick_data, "__defaults__", (30, 20))
    assert len(quick.load().test_labels) == 20
    notes = {
        "source": {"dataset": "digits", "quick": True},
        "device": "cpu",
        "precision": "float32",
    }
    notes["content"] = run_data.content_of(quick.load())
    (tmp_path / "run.json").write_text(json.dumps(notes))
    assert run_data.data_of(tmp_path, run_data.Source())[0] == quick
    assert run_data.content_of(load_dataset("digits")) != notes["content"]
