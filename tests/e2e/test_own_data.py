"""``--data`` with data of a user's own, in each form."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from lava_desire.engine import DesireNetwork

PICTURES = np.random.default_rng(5).integers(0, 256, (40, 6, 8), dtype=np.uint8)
LABELS = np.arange(40) % 4
SHORT = ["--layers", "10", "--epochs", "1", "--output", "mine"]


def idx(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = np.array(array.shape, ">u4").tobytes()
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + shape + array.astype(np.uint8).tobytes())


@pytest.mark.parametrize("case", ["labels__S_1_", "keras_keys", "channels_first"])
def test_a_file_that_users_met_is_learned_and_evaluated(run, shared_dir, case):
    path = str(shared_dir / "cases" / f"{case}.npz")
    status, out, err = run("train", "--data", path, *SHORT)
    assert (status, err) == (0, "")
    assert "network 48-10-4" in out
    status, out, err = run("eval", "mine", "--data", path)
    assert (status, err) == (0, "")
    assert f"% of {40 if case == 'keras_keys' else 8} test samples of" in out


def test_classes_that_do_not_count_from_0_are_named_everywhere(run, shared_dir, tmp_path):
    path = str(shared_dir / "cases" / "labels_1__4.npz")
    status, out, err = run("train", "--data", path, *SHORT)
    assert (status, err) == (0, "")
    assert "8 test samples; classes 1, 2, 3, 4; network 48-10-4" in out
    names = ["1", "2", "3", "4"]
    assert json.loads((tmp_path / "mine" / "run.json").read_text())["classes"] == names
    assert DesireNetwork.load(tmp_path / "mine" / "best.safetensors").class_names == tuple(names)
    status, out, _ = run("eval", "mine", "--data", path, "--confusion", "confusion")
    assert (status, (tmp_path / "confusion.png").read_bytes()[:4]) == (0, b"\x89PNG")
    assert out.splitlines()[-1] == "the confusion matrix is in confusion.png"
    asked = ("eval", "mine", "--data", path, "--confusion", "confusion.csv", "--json")
    confusion = json.loads(run(*asked)[1])["confusion"]
    table = list(csv.reader((tmp_path / "confusion.csv").read_text().splitlines()))
    assert table[0] == ["label", *names, "undecided"]
    assert table[1:] == [[name, *map(str, row)] for name, row in zip(names, confusion, strict=True)]
    status, _, err = run("eval", "mine", "--data", "new.csv", "--confusion", "new.csv")
    assert (status, "--confusion is 'new.csv', the data: expected the name" in err) == (2, True)
    rows = [line.split() for line in out.splitlines()]
    assert [row[0] for row in rows if row[0] in names] == names  # precision, recall and F1 of each
    _, out, _ = run("eval", "mine", "--data", path, "--json")
    assert json.loads(out)["classes"] == names
    # Data with a part of the classes are found by name, and others are refused.
    np.savez(tmp_path / "part.npz", images=PICTURES, labels=np.where(LABELS < 2, 4, 2))
    _, out, _ = run("eval", "mine", "--data", "part.npz", "--json")
    assert np.sum(json.loads(out)["confusion"], axis=1).tolist() == [0, 4, 0, 4]
    np.savez(tmp_path / "from0.npz", images=PICTURES, labels=LABELS)
    np.savez(tmp_path / "turned.npz", images=PICTURES.transpose(0, 2, 1), labels=LABELS + 1)
    status, _, err = run("eval", "mine", "--data", "turned.npz")
    assert (status, "are 8 x 6: expected 6 x 8, as those of mine" in err) == (2, True)
    status, _, err = run("eval", "mine", "--data", "from0.npz")
    assert (status, "a label is '0': expected one of the classes 1, 2, 3, 4" in err) == (2, True)


def test_labels_of_a_file_are_the_numbers_of_a_run_without_names(run, tmp_path):
    np.savez(tmp_path / "num.npz", images=PICTURES, labels=LABELS)
    assert run("train", "--data", "num.npz", *SHORT)[0] == 0
    np.savez(tmp_path / "int1.npz", images=PICTURES, labels=LABELS + 1)
    status, _, err = run("eval", "mine", "--data", "int1.npz")
    assert (status, "a label is '4': expected one of the classes 0, 1, 2, 3: " in err) == (2, True)
    some = LABELS > 0
    np.savez(tmp_path / "some.npz", images=PICTURES[some], labels=LABELS[some])
    _, out, _ = run("eval", "mine", "--data", "some.npz", "--json")
    assert np.sum(json.loads(out)["confusion"], axis=1).tolist() == [0, 2, 2, 2]
    np.savez(tmp_path / "texts.npz", images=PICTURES, labels=np.array(list("abcd"))[LABELS])
    status, _, err = run("eval", "mine", "--data", "texts.npz")
    assert (status, "a network without names of classes has the integers 0 to 3" in err) == (
        2,
        True,
    )


def test_a_run_in_lava_keeps_names_and_needs_no_test_set(run, tmp_path):
    pytest.importorskip("lava.magma", reason="Lava is not installed")
    np.savez(tmp_path / "a.npz", x_train=PICTURES[:4, ::3, ::4], y_train=["a", "b", "a", "b"])
    status, out, err = run("train", "--data", "a.npz", "--backend", "lava", *SHORT)
    assert (status, err) == (0, "")
    assert "4 training and no test samples; classes a, b" in out
    assert DesireNetwork.load(tmp_path / "mine" / "checkpoint.safetensors").class_names == (
        "a",
        "b",
    )


def test_data_that_cannot_be_meant_are_refused_before_a_run_is_replaced(run, shared_dir, tmp_path):
    path = str(shared_dir / "cases" / "test_transposed.npz")
    status, _, err = run("train", "--data", path, *SHORT)
    assert status == 2
    assert "test_images are 8 x 6: expected 6 x 8, as train_images" in err
    np.savez(tmp_path / "sixteen.npz", images=PICTURES % 17, labels=LABELS)
    status, _, err = run("train", "--data", "sixteen.npz", *SHORT)
    assert status == 0
    assert err.count("the largest byte of train images is 16, where white is 255: if their") == 1
    np.savez(tmp_path / "ones.npz", images=PICTURES % 2, labels=LABELS)
    before = (tmp_path / "mine" / "checkpoint.safetensors").read_bytes()
    status, _, err = run("train", "--data", "ones.npz", *SHORT, "--force")
    assert status == 2
    assert "the largest byte of train images is 1, where white is 255, and 20 time steps" in err
    assert (tmp_path / "mine" / "checkpoint.safetensors").read_bytes() == before


def test_a_folder_and_tables_are_learned(run, tmp_path):
    for part in ("train", "t10k"):
        idx(tmp_path / "K" / "raw" / f"{part}-images-idx3-ubyte", PICTURES)
        idx(tmp_path / "K" / "raw" / f"{part}-labels-idx1-ubyte", LABELS)
    status, out, err = run("train", "--data", "K", *SHORT)
    assert (status, err) == (0, "")
    assert "K (K): 40 training and 40 test samples; network 48-10-4" in out
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import csv, parquet

    pixels = {f"p{place}": column for place, column in enumerate(PICTURES.reshape(40, 48).T)}
    table = pyarrow.table({**pixels, "label": LABELS})
    csv.write_csv(table, tmp_path / "mine.csv")
    parquet.write_table(table, tmp_path / "mine.parquet")
    for name in ("mine.csv", "mine.parquet"):
        status, out, err = run("train", "--data", name, *SHORT, "--force")
        assert (status, err) == (0, "")
        assert f"mine ({name}): 32 training and 8 test samples; network 48-10-4" in out


def test_without_a_test_set_training_says_so(run, tmp_path):
    np.savez(tmp_path / "a.npz", x_train=PICTURES, y_train=LABELS)
    status, out, err = run("train", "--data", "a.npz", *SHORT)
    assert (status, err) == (0, "")
    assert "a (a.npz): 40 training and no test samples" in out
    assert "% in training, no test set" in out
    assert not (tmp_path / "mine" / "best.safetensors").exists()
    status, out, err = run("train", "--data", "a.npz", *SHORT, "--force", "--json")
    last = json.loads(out.splitlines()[-1])
    assert (last["best"], last["last"]["test_accuracy"]) == (None, None)
    status, _, err = run("eval", "mine", "--data", "a.npz")
    assert (status, "a has no test set: expected test_images" in err) == (2, True)


def test_all_samples_of_a_file_can_be_asked_for(run, tmp_path):
    np.savez(tmp_path / "num.npz", images=PICTURES, labels=LABELS)
    assert run("train", "--data", "num.npz", *SHORT)[0] == 0
    _, out, _ = run("eval", "mine", "--data", "num.npz")
    assert "of 8 test samples of num" in out
    assert "its other 32 samples are those to train with, and left out; --all takes all" in out
    _, out, _ = run("eval", "mine", "--data", "num.npz", "--all")
    assert "of 40 samples of num" in out
    assert "left out" not in out
    found = json.loads(run("eval", "mine", "--all", "--json")[1])
    assert np.sum(found["confusion"], axis=1).tolist() == [10] * 4


def test_the_weights_of_a_run_are_those_that_met_its_test_set(run, tmp_path):
    np.savez(tmp_path / "num.npz", images=PICTURES, labels=LABELS)
    options = ("--validation", "0.25", "--weight-average", "0.5", "--patience", "9")
    status, _, err = run("train", "--data", "num.npz", *SHORT, *options)
    assert (status, err) == (0, "")
    metrics = tmp_path / "mine" / "metrics.json"
    test = json.loads(metrics.read_text())["test"]
    found = json.loads(run("eval", "mine", "--json")[1])
    assert found["checkpoint"] == f"mine/{test['weights']}"
    assert found["accuracy"] == test["accuracy"]
    average = tmp_path / "mine" / "best_average.safetensors"
    average.write_bytes((tmp_path / "mine" / "best.safetensors").read_bytes())
    metrics.write_text(metrics.read_text().replace(test["weights"], average.name))
    found = json.loads(run("eval", "mine", "--json")[1])
    assert found["checkpoint"] == "mine/best_average.safetensors"


def test_the_weights_of_a_run_are_averaged_ones_where_its_best_is_theirs(run, tmp_path):
    np.savez(tmp_path / "num.npz", images=PICTURES, labels=LABELS)
    assert run("train", "--data", "num.npz", *SHORT, "--weight-average", "0.5")[0] == 0
    metrics = tmp_path / "mine" / "metrics.json"
    found = json.loads(metrics.read_text())
    for average, weights in ((1.0, "best_average.safetensors"), (0.0, "best.safetensors")):
        for record in (*found["epochs"], found["best"], found["last"]):
            record["average_accuracy"] = average
        metrics.write_text(json.dumps(found))
        (row,) = json.loads(run("compare", "mine", "--json")[1])["runs"]
        assert row["best"] == max(average, found["best"]["test_accuracy"])
        assert json.loads(run("eval", "mine", "--json")[1])["checkpoint"] == f"mine/{weights}"


def test_a_folder_of_seeds_names_its_runs_and_patience_what_it_looks_at(run, tmp_path):
    np.savez(tmp_path / "num.npz", images=PICTURES, labels=LABELS)
    options = ("--seeds", "0,1", "--patience", "3")
    status, _, err = run("train", "--data", "num.npz", *SHORT, *options)
    assert (status, "--patience without --validation: what ends the run is" in err) == (0, True)
    status, _, err = run("eval", "mine")
    assert status == 2
    assert "expected a checkpoint, or a run folder; of runs it holds seed-0, seed-1" in err
