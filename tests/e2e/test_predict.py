"""``lava-desire predict``: a row a sample, of labelled data and of others."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest

from lava_desire import DesireConfig, DesireNetwork, load_dataset
from lava_desire.data import Dataset, SpikeTrains
from lava_desire.data.events import Events, load_events
from lava_desire.training.evaluation import margin_of

PICTURES = np.random.default_rng(5).integers(0, 256, (30, 6, 8), dtype=np.uint8)
PICTURES[0] = 0  # undecided
LABELS = np.arange(30) % 3
NAMES = ("cat", "dog", 'eel, "moray"')


@pytest.fixture
def network(tmp_path):
    """A network that has not learned; its weights are large enough to decide some samples."""
    network = DesireNetwork(DesireConfig((48, 12, 3), seed=4))
    network.class_names = NAMES
    network.weights = [weights * 3 for weights in network.weights]
    network.save(tmp_path / "mine.safetensors")
    return network


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def check_rows(rows, network, samples):
    """Compare what a file says with what the network does."""
    activity = network.forward(samples)
    counts = activity.counts[-1]
    names = network.class_names or tuple(map(str, range(network.config.num_classes)))
    assert [int(row["index"]) for row in rows] == list(range(len(counts)))
    assert [int(row["class"]) for row in rows] == activity.prediction.tolist()
    assert [row["class_name"] for row in rows] == [
        names[number] if number >= 0 else "" for number in activity.prediction
    ]
    found = [[int(row[f"count_{name}"]) for name in names] for row in rows]
    assert found == counts.tolist()
    assert [int(row["margin"]) for row in rows] == margin_of(counts).tolist()
    assert [row["undecided"] for row in rows] == [
        "true" if number < 0 else "false" for number in activity.prediction
    ]


def test_a_run_classifies_its_own_test_samples(run, tmp_path):
    run("train", "--layers", "20", "--epochs", "1", "--output", "mine")
    status, out, err = run("predict", "mine", "--output", "found.csv")
    assert (status, err) == (0, "")
    assert out.startswith("359 samples of digits are classified, ")
    network = DesireNetwork.load(tmp_path / "mine" / "best.safetensors")
    check_rows(rows_of(tmp_path / "found.csv"), network, load_dataset("digits").test_images)
    status, out, _ = run("predict", "mine", "--output", "found.json", "--json")
    undecided = json.loads(out)["num_undecided"]
    found = json.loads((tmp_path / "found.json").read_text())
    assert (status, len(found), sum(row["undecided"] for row in found)) == (0, 359, undecided)
    broken = run("predict", "mine", "--output", "more.json", "--tie-break", "earliest", "--json")
    assert json.loads(broken[1])["num_undecided"] < undecided
    # The run's own data are not there any more.
    (tmp_path / "mine" / "run.json").unlink()
    status, _, err = run("predict", "mine", "--output", "again.csv")
    assert (status, "expected --data or --dataset" in err) == (2, True)


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"images": PICTURES}, PICTURES),
        ({"data": PICTURES.reshape(30, 48) / 255}, PICTURES),
        ({"images": PICTURES, "labels": LABELS}, PICTURES),
        ({"x_test": PICTURES[:9]}, PICTURES[:9]),
        ({"x_train": PICTURES, "x_test": PICTURES[:9]}, PICTURES[:9]),
        ({"train_images": PICTURES, "train_labels": LABELS}, PICTURES),
        ({"spikes": PICTURES[None].repeat(20, 0).reshape(20, 30, 48) > 128}, None),
    ],
)
def test_files_need_no_labels(run, network, tmp_path, arrays, expected):
    np.savez(tmp_path / "new.npz", **arrays)
    option = "--events" if expected is None else "--data"
    status, _, err = run("predict", "mine.safetensors", option, "new.npz", "--output", "new.csv")
    assert (status, err) == (0, "")
    rows = rows_of(tmp_path / "new.csv")
    check_rows(rows, network, arrays["spikes"] if expected is None else expected)
    assert rows[0]["class"] == "-1"
    assert any(row["class_name"] in NAMES for row in rows)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("labelled", [False, True])
def test_tables_need_no_column_of_labels(run, network, tmp_path, suffix, labelled):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import csv as tables
    from pyarrow import parquet

    pixels = {f"p{place}": PICTURES.reshape(30, 48)[:, place] for place in range(48)}
    table = pyarrow.table({**({"class": LABELS} if labelled else {}), **pixels})
    write = tables.write_csv if suffix == ".csv" else parquet.write_table
    write(table, tmp_path / f"new{suffix}")
    given = ["mine.safetensors", "--data", f"new{suffix}"]
    status, _, err = run("predict", *given, "--output", "found.parquet")
    assert (status, err) == (0, "")
    found = parquet.read_table(tmp_path / "found.parquet")
    assert found.column("class").to_pylist() == network.predict(PICTURES).tolist()
    assert found.schema.field("undecided").type == pyarrow.bool_()


def test_a_folder_of_idx_files_needs_no_labels(run, network, tmp_path):
    header = bytes([0, 0, 8, 3]) + np.array(PICTURES.shape, ">u4").tobytes()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "t10k-images-idx3-ubyte").write_bytes(header + PICTURES.tobytes())
    status, _, err = run("predict", "mine.safetensors", "--data", "new", "--output", "new.csv")
    assert (status, err) == (0, "")
    check_rows(rows_of(tmp_path / "new.csv"), network, PICTURES)


def test_recordings_need_no_folders_of_classes(run, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    random = np.random.default_rng(1)
    for name in ("left", "right"):
        (tmp_path / "dots" / name).mkdir(parents=True)
        for number in range(5):
            times = np.sort(random.integers(0, 9000, 12))
            spots = random.integers(0, 4, (2, 12))
            recording = Events(times, *spots, np.ones(12, int), sensor=(2, 4, 4))
            recording.save(tmp_path / "dots" / name / f"{number}.npz")
    binning = ["--bins", "10", "--counts", "clip", "--layers", "10", "--epochs", "0"]
    assert run("train", "--events", "dots", *binning, "--output", "mine")[0] == 0
    status, _, err = run("predict", "mine", "--output", "own.csv")
    assert (status, err) == (0, "")
    network = DesireNetwork.load(tmp_path / "mine" / "checkpoint.safetensors")
    train, test = load_events(tmp_path / "dots", 10, counts="clip")
    check_rows(rows_of(tmp_path / "own.csv"), network, test.spikes(np.arange(len(test))))
    kept = sorted((tmp_path / "cache").rglob("*.npy"))
    (tmp_path / "new" / "later").mkdir(parents=True)
    shutil.copy(tmp_path / "dots" / "left" / "3.npz", tmp_path / "new" / "a.npz")
    shutil.copy(tmp_path / "dots" / "right" / "1.npz", tmp_path / "new" / "later" / "b.npz")
    status, _, err = run("predict", "mine", "--events", "new", "--output", "new.csv")
    assert (status, err) == (0, "")
    rows = rows_of(tmp_path / "new.csv")
    assert [row["file"] for row in rows] == ["a.npz", "later/b.npz"]
    every = [train.spikes(np.arange(8)), test.spikes(np.arange(2))]
    trains = SpikeTrains(np.concatenate([each.planes for each in every]), 10, (2, 4, 4))
    order = [file.relative_to(tmp_path / "dots").as_posix() for file in (*train.files, *test.files)]
    check_rows(rows, network, trains[[order.index("left/3.npz"), order.index("right/1.npz")]])
    assert sorted((tmp_path / "cache").rglob("*.npy")) == kept  # what is read once is not kept


def test_nothing_that_is_there_is_lost(run, network, tmp_path):
    np.savez(tmp_path / "new.npz", images=PICTURES)
    given = ["predict", "mine.safetensors", "--data", "new.npz", "--output"]
    (tmp_path / "new.csv").write_text("mine")
    status, _, err = run(*given, "new.csv")
    assert (status, "new.csv is there already" in err) == (2, True)
    assert (tmp_path / "new.csv").read_text() == "mine"
    assert run(*given, "new.csv", "--force", "--quiet") == (0, "", "")
    assert len(rows_of(tmp_path / "new.csv")) == 30
    np.savez(tmp_path / "two.npz", images=PICTURES, data=PICTURES)
    np.savez(tmp_path / "none.npz", labels=LABELS)
    np.savez(tmp_path / "small.npz", images=PICTURES[:, :3])
    pixels = "\n".join([",".join(f"p{place}" for place in range(48)), ",".join(["3"] * 48)])
    (tmp_path / "new2.csv").write_text(pixels)
    before = sorted(tmp_path.iterdir())
    for options, message in [
        (["new.txt"], "expected a name that ends in .csv or .json or .parquet"),
        (["none/new.csv"], "there is no folder none"),
        (["a.csv", "--data", "two.npz"], "holds data, images: expected one array of samples"),
        (["a.csv", "--data", "none.npz"], "holds labels: expected one array of samples"),
        (["a.csv", "--data", "small.npz"], "24"),
        (["new2.csv", "--data", "new2.csv", "--force"], "'new2.csv', the data: expected the name"),
        (
            ["a.csv", "--data", "nowhere.npz"],
            "--data nowhere.npz is not there: expected a .npz, .csv or .parquet file, or a folder",
        ),
    ]:
        status, _, err = run(
            "predict", "mine.safetensors", "--data", "new.npz", "--output", *options
        )
        assert (status, message in err) == (2, True), err
    assert sorted(tmp_path.iterdir()) == before


def test_names_that_a_run_has_learned_are_written(run, tmp_path):
    pets = np.array(NAMES)[LABELS]
    data = Dataset("pets", PICTURES, pets)
    np.savez(tmp_path / "pets.npz", images=PICTURES, labels=pets)
    assert (
        run("train", "--data", "pets.npz", "--layers", "9", "--epochs", "0", "--output", "r")[0]
        == 0
    )
    assert run("predict", "r", "--data", "pets.npz", "--output", "pets.csv")[0] == 0
    header = list(rows_of(tmp_path / "pets.csv")[0])
    assert header[3:6] == [f"count_{name}" for name in data.class_names]
