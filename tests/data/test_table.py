"""CSV and Parquet files: a row a sample, a column a pixel, and one of labels."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from lava_desire import DesireConfig, DesireNetwork
from lava_desire.cli import app
from lava_desire.cli.run_data import Source, data_of, samples_of
from lava_desire.data import DataError, Dataset, DataWarning, load_data, load_table
from lava_desire.data.unlabelled import load_samples
from lava_desire.training.samples import training_pairs

IMAGES = np.random.default_rng(7).integers(0, 256, (20, 4))
LABELS = np.arange(20) % 2


def columns(**changed):
    found = {"label": LABELS, **{f"pixel{place}": IMAGES[:, place] for place in range(4)}}
    return {**found, **changed}


def write(path, table):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    if path.suffix == ".parquet":
        from pyarrow import parquet

        parquet.write_table(pyarrow.table(table), path)
    else:
        rows = zip(*table.values(), strict=True)
        lines = [",".join(table), *(",".join(map(str, row)) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_is_a_data_set(tmp_path, suffix):
    data = load_data(write(tmp_path / f"mine{suffix}", columns()))
    assert (data.name, data.num_inputs, data.num_classes, data.class_names) == ("mine", 4, 2, None)
    assert (data.train_images.dtype, len(data.train_labels), len(data.test_labels)) == (
        np.uint8,
        16,
        4,
    )
    given = {(*row, label) for row, label in zip(IMAGES.tolist(), LABELS.tolist(), strict=True)}
    kept = np.concatenate([data.train_images, data.test_images]).tolist()
    labels = np.concatenate([data.train_labels, data.test_labels]).tolist()
    assert {(*row, label) for row, label in zip(map(tuple, kept), labels, strict=True)} == given


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_floats_and_texts_are_taken(tmp_path, suffix):
    table = {f"pixel{place}": IMAGES[:, place] / 255 for place in range(4)}
    table["Class"] = np.array(["cat", "dog"])[LABELS].tolist()
    data = load_table(write(tmp_path / f"mine{suffix}", table))
    assert (data.train_images.dtype, data.class_names) == (np.float32, ("cat", "dog"))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"a": LABELS, "b": LABELS},
            "none of the columns 'a', 'b' may be the labels: expected one",
        ),
        (columns(target=LABELS), "2 of the columns 'label', 'target' may be the labels"),
        (columns(sample_id=IMAGES[:, 0]), "the column 'sample_id' holds the number of a row, or"),
        (
            {"label": LABELS + 0.5, "a": LABELS},
            "'label' holds double.* written without a point",
        ),
        ({"label": ["a", "b", "a ", "b"] * 5, "a": LABELS}, "a class is called 'a ', and another"),
        (
            {"label": LABELS, "a": LABELS / 2, "b": LABELS * 14.23},
            r"'b' reaches from 0.0 to 14.23, with 14.23 in row 2 below .* scale each column",
        ),
        (columns(id=np.arange(20)), "the column 'id' holds the number of a row"),
        (columns(pixel1=IMAGES[:, 1] + 1), r"the column 'pixel1' reaches from \d+ to 25[67]|256"),
        (columns(pixel1=["x"] * 20), "the column 'pixel1' holds string: expected integers from 0"),
        ({"label": LABELS}, "has 20 rows and 0 inputs"),
    ],
)
def test_a_table_that_leaves_a_doubt_is_refused(tmp_path, table, message):
    if "pixel1" in table and not isinstance(table["pixel1"], list):
        table["pixel1"] = np.where(table["pixel1"] == table["pixel1"].max(), 256, table["pixel1"])
    for suffix in (".csv", ".parquet"):
        with pytest.raises(DataError, match=message):
            load_table(write(tmp_path / f"mine{suffix}", table))


def test_a_row_without_a_value_a_name_twice_and_no_table_are_refused(tmp_path):
    path = write(tmp_path / "mine.csv", columns())
    text = path.read_text()
    path.write_text(text.replace("\n1,", "\n,", 1))
    with pytest.raises(DataError, match=r"'label' has 1 rows without a value, .* row 2 below"):
        load_table(path)
    path.write_text(text.replace("pixel1", "pixel0", 1))
    with pytest.raises(DataError, match="two columns are called 'pixel0'"):
        load_table(path)
    for suffix in (".csv", ".parquet"):
        (tmp_path / f"none{suffix}").write_bytes(b"\0\1\2")
        with pytest.raises(DataError, match=r"none\.(csv|parquet) is no .*, or a damaged one"):
            load_table(tmp_path / f"none{suffix}")


def test_a_table_of_few_bytes_that_unfolds_to_many_is_refused(tmp_path):
    path = write(tmp_path / "mine.parquet", {"label": np.zeros((1 << 26) + 1, np.int8)})
    assert path.stat().st_size < 1 << 20
    with pytest.raises(DataError, match="states 67108865 rows of 1 columns: expected at most 100"):
        load_table(path)


def test_long_texts_that_a_file_holds_once_are_not_repeated(tmp_path):
    path = write(tmp_path / "mine.parquet", {"label": ["x" * 10_000] * 9_000, "a": [1] * 9_000})
    with pytest.raises(DataError, match="a class is called 'xxx"):
        load_table(path)


def test_without_pyarrow_the_command_that_brings_it_is_named(tmp_path, monkeypatch):
    (tmp_path / "mine.csv").write_text("label,a\n0,1\n")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'pip install "lava_desire\[tables\]"'):
        load_data(tmp_path / "mine.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"label,M\xfcller\n0,1\n", "the names of its columns are not in UTF-8: convert"),
        (b"label,a\nGr\xfcn,1\n", "the column 'label' holds texts that are not in UTF-8: convert"),
        (b"label;a\n0;1\n", "columns are separated by ',', and here ';' seems to do so"),
        (b"label;a\n0;0,5\n", "got 2: 0;0,5; columns are separated by ','"),
    ],
)
def test_a_table_in_another_form_is_refused_with_the_cure(tmp_path, content, message):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_table(tmp_path / "mine.csv")


def test_numbers_of_rows_are_warned_of_and_objects_that_are_integers_are_labels(tmp_path):
    path = write(tmp_path / "mine.csv", columns(number=np.arange(20) + 5))
    with pytest.warns(DataWarning, match="'number' goes up by one from row to row, from 5:"):
        load_table(path)
    assert Dataset("mine", IMAGES.astype(np.uint8), LABELS.astype(object)).num_classes == 2


def test_inputs_are_told_by_the_names_of_their_columns(tmp_path):
    learned = load_table(write(tmp_path / "mine.csv", columns()))
    other = columns()
    path = write(tmp_path / "new.csv", {name: other[name] for name in reversed(other)})
    data, samples = load_table(path), load_samples(path)
    assert data.feature_names == tuple(f"pixel{place}" for place in (3, 2, 1, 0))
    again = data.with_features(learned.feature_names)
    assert again.feature_names == learned.feature_names
    np.testing.assert_array_equal(again.train_images, learned.train_images)
    np.testing.assert_array_equal(again.test_images, learned.test_images)
    inputs = samples.with_features(learned.feature_names).inputs
    np.testing.assert_array_equal(inputs, IMAGES)
    network = DesireNetwork(DesireConfig((4, 2)))
    held_out = training_pairs(network, learned.without_test(), test=data)[1]
    np.testing.assert_array_equal(held_out["test"][0], learned.test_images)
    wrong = other | {"a, b": other.pop("pixel1")}
    path = write(tmp_path / "wrong.parquet", wrong)
    for found in (load_table(path), load_samples(path)):
        with pytest.raises(DataError, match="wrong lacks pixel1 and has besides 'a, b': expected"):
            found.with_features(learned.feature_names)
    plain = Dataset("plain", learned.train_images, learned.train_labels)
    assert plain.with_features(learned.feature_names) is plain
    with pytest.raises(DataError, match="2 feature_names, 1 of them different: expected 4"):
        Dataset("plain", *learned.train, feature_names=("a", "a"))


def test_a_run_takes_the_columns_of_a_table_in_any_order(tmp_path):
    mine, new, run = tmp_path / "mine.csv", tmp_path / "new.csv", tmp_path / "run"
    given = columns()
    write(mine, given)
    write(new, {name: given[name] for name in reversed(given)})
    options = ["--layers", "3", "--epochs", "0", "--kernels", "torch", "--output", str(run)]
    assert CliRunner().invoke(app, ["train", "--data", str(mine), *options]).exit_code == 0
    learned = load_table(mine)
    for same in (False, True):
        data = data_of(run, Source(file=str(new)), same=same)[1]
        np.testing.assert_array_equal(data.train_images, learned.train_images)
    np.testing.assert_array_equal(samples_of(run, Source(file=str(new)))[1].inputs, IMAGES)
    write(new, {name.replace("pixel2", "f2"): given[name] for name in given})
    for read in (data_of, samples_of):
        with pytest.raises(DataError, match="new lacks pixel2 and has besides f2"):
            read(run, Source(file=str(new)))
    notes = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**notes, "features": [1]}))
    with pytest.raises(ValueError, match=r"features are \[1\]: expected a list of texts"):
        data_of(run, Source(file=str(new)))


def test_a_column_of_labels_that_has_another_name_is_told_once_for_a_run(tmp_path):
    table = {f"pixel{place}": IMAGES[:, place] for place in range(4)}
    table["species"] = np.array(["cat", "dog"])[LABELS].tolist()
    mine, new, run = (str(tmp_path / name) for name in ("mine.csv", "new.parquet", "run"))
    write(tmp_path / "mine.csv", table)
    write(tmp_path / "new.parquet", table)
    data = load_data(mine, "species")
    assert (data.class_names, data.num_inputs) == (("cat", "dog"), 4)
    np.testing.assert_array_equal(load_samples(mine, "species").inputs, IMAGES)
    asked = ["train", "--data", mine, "--layers", "3", "--epochs", "1", "--kernels", "torch"]
    named = ["--label-column", "species"]
    out = ["--seeds", "0", "--output", run]
    assert CliRunner().invoke(app, [*asked, *named, *out]).exit_code == 0
    for arguments in (
        ["eval", f"{run}/seed-0", "--data", new],  # the run knows it
        ["predict", f"{run}/seed-0", "--data", new, "--output", str(tmp_path / "found.csv")],
        ["train", "--resume", run, "--data", mine, "--epochs", "2"],
        ["eval", f"{run}/seed-0/best.safetensors", "--data", new, *named],
    ):
        result = CliRunner().invoke(app, arguments)
        assert (result.exit_code, result.exception) == (0, None)
    assert len((tmp_path / "found.csv").read_text().splitlines()) == 21
    for arguments, message in (
        ([*asked, "--label-column", "kind"], "no column is called 'kind', .* 'pixel3', 'species'"),
        (["train", *named], "--label-column species is given without --data: expected a .csv"),
        ([*asked[:2], "mine.npz", *named], r"is given with mine.npz: expected a .csv or"),
        (["train", "--resume", run, "--data", mine, *named], "--label-column is given: expected"),
    ):
        with pytest.raises(ValueError, match=message):
            CliRunner().invoke(app, arguments, catch_exceptions=False)
    with pytest.raises(DataError, match=r"label_column is 'a', and .*mine is no .csv or .parquet"):
        load_data(tmp_path / "mine", "a")
    doubtful = write(tmp_path / "doubt.csv", {**table, "Class": LABELS})
    with pytest.raises(DataError, match="'Class' is called as labels are, which are in 'species'"):
        load_table(doubtful, "species")
