"""``--events``: recordings of an event camera, and spike trains in a file."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from lava_desire import DesireNetwork, evaluate
from lava_desire.data import load_npz
from lava_desire.data.events import Events, load_events

REST = ["--epochs", "2", "--output", "mine", "--seed", "3"]
SHORT = ["--layers", "10", *REST]


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    """Recordings of a dot that goes left or right, a folder a class."""
    random = np.random.default_rng(1)
    for name in ("left", "right"):
        for number in range(10):
            x = np.arange(12) // 2 if name == "right" else np.arange(12)[::-1] // 2
            recording = Events(
                np.arange(12) * 1000 + random.integers(0, 900, 12),
                x,
                np.full(12, number % 4),
                np.ones(12, int),
                sensor=(2, 4, 6),
            )
            (tmp_path / "dots" / name).mkdir(parents=True, exist_ok=True)
            recording.save(tmp_path / "dots" / name / f"{number}.npz")
    return tmp_path / "dots"


def test_a_folder_of_recordings_is_learned_evaluated_and_gone_on_with(run, folder, tmp_path):
    options = ["--duration", "12000", "--start", "0", "--late", "last", "--counts", "clip"]
    status, out, err = run("train", "--events", folder, "--bins", "10", *options, *SHORT)
    assert status == 0
    assert "none of the 2 neurons of layer 2 spikes for any of 16 training samples" in err
    assert "16 training and 4 test samples; classes left, right; network 48-10-2, 10 time" in out
    notes = json.loads((tmp_path / "mine" / "run.json").read_text())
    binning = {"duration": 12000, "start": 0, "late": "last", "counts": "clip", "num_steps": 10}
    assert notes["source"]["binning"] == binning
    _, test = load_events(folder, **binning)
    network = DesireNetwork.load(tmp_path / "mine" / "best.safetensors")
    assert network.class_names == ("left", "right")
    assert network.config.input_shape == test.shape
    with pytest.raises(ValueError, match=r"the network.s input_shape"):  # channels last
        network.predict(np.zeros((10, 1, *test.shape[1:], test.shape[0]), bool))
    status, out, _ = run("eval", "mine", "--json")
    found = json.loads(out)
    assert found["accuracy"] == evaluate(network, test).accuracy
    assert run("energy", "mine", "--quiet", "--json", "energy.json")[0] == 0
    derived = json.loads((tmp_path / "energy.json").read_text())
    activity = network.forward(test.spikes(np.arange(4)))
    assert (derived["accuracy"], derived["samples"], derived["steps"]) == (found["accuracy"], 4, 11)
    assert derived["input_spikes"] == int(activity.counts[0].sum()) / 4
    assert derived["layers"][0]["events"]["synaptic_operations"] == derived["input_spikes"] * 10
    # They have moved: both commands take the new place, with the run's own bins.
    shutil.move(folder, tmp_path / "moved")
    assert "are not there" in run("eval", "mine")[2]
    status, out, err = run("eval", "mine", "--events", "moved", "--json")
    assert json.loads(out)["confusion"] == found["confusion"]
    status, out, err = run("train", "--resume", "mine", "--events", "moved", "--epochs", "3")
    assert (status, err) == (0, "")
    (tmp_path / "moved" / "left" / "0.npz").unlink()
    status, _, err = run("train", "--resume", "mine", "--epochs", "4")
    assert (status, "holds other samples than mine was begun with" in err) == (2, True)


def test_find_rate_bins_recordings_as_training_does(run, folder):
    options = ["--events", folder, "--bins", "10", "--duration", "12000", "--start", "0"]
    options += ["--late", "last", "--layers", "10", "--count", "2", "--epochs", "1"]
    status, _, err = run("find-rate", *options)
    assert (status, "--counts clip makes one spike" in err) == (2, True)
    status, out, err = run("find-rate", *options, "--counts", "clip")
    assert (status, err) == (0, "")
    assert "best: --learning-rate" in out


@pytest.mark.parametrize("form", ["bool", "packed"])
def test_a_file_of_spike_trains_is_learned_with_as_many_steps_as_it_has(run, tmp_path, form):
    spikes = np.random.default_rng(0).random((9, 20, 2, 3, 4)) < 0.3
    arrays = {"spikes": spikes, "labels": np.arange(20) % 2}
    if form == "packed":
        planes = np.packbits(spikes.reshape(9, 20, 24), axis=0, bitorder="little").swapaxes(0, 1)
        arrays |= {"spikes": planes, "num_steps": 9}
    np.savez(tmp_path / "mine.npz", **arrays)
    np.testing.assert_array_equal(
        load_npz(tmp_path / "mine.npz").train[0].unpack()[:, 0],
        spikes.reshape(9, 20, 24)[:, 0],
    )
    status, out, err = run("train", "--events", "mine.npz", *SHORT)
    assert (status, err) == (0, "")
    assert "network 24-10-2, 9 time steps" in out
    assert "% of 4 test samples of mine" in run("eval", "mine")[1]
    if form == "bool":
        options = ["--layers", "2c2 2", "--kernels", "torch", *REST, "--force"]
        status, out, err = run("train", "--events", "mine.npz", *options)
        assert (status, err) == (0, "")
        assert "network 2x3x4-2c2-2, 9 time steps" in out
    message = run("train", "--data", "mine.npz", "--num-steps", "8", *SHORT, "--force")[2]
    assert "spike trains of 9 time steps: expected --num-steps = 8" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--bins", "5"], "--bins is given without --events: expected recordings to bin"),
        (["--events", "x.npz", "--bins", "5"], "--bins is given with x.npz: expected recordings"),
        (["--events", "dots", "--data", "x.npz"], "both --data x.npz and --events dots are given"),
        (["--events", "dots", "--data-dir", "x"], "--data-dir x is given, and the data are"),
        (["--events", "dots", "--bins", "5", "--num-steps", "6"], "--bins is 5 and --num-steps 6"),
        (["--events", "dots", "--bins", "5", "--late", "x"], "--late is 'x': expected"),
        (["--events", "dots", "--sensor", "34"], "--sensor is '34': expected CHANNELS,HEIGHT"),
        (["--events", "dots", "--bins", "5"], "--counts clip"),
        (["--events", "dots", "--bins", "0"], "--bins is 0: expected an integer in [1, 4096]"),
        (["--events", "nowhere"], "--events nowhere is not there: expected recordings"),
        (
            ["--events", "dots", "--counts", "clip", "--image-brightness", "0.3"],
            "--image-brightness",
        ),
        (
            ["--events", "dots", "--counts", "clip", "--image-bend", "1"],
            "--image-bend is 1.0: expected 0 where what is learned are spike trains, whose spikes",
        ),
        (["--resume", "mine", "--bins", "3"], "--bins is given: expected --epochs, --backend"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_is_made(
    run, folder, tmp_path, options, message
):
    own = [] if "--resume" in options else SHORT
    status, _, err = run("train", *options, *own)
    assert status == 2
    assert message in err
    assert not (tmp_path / "mine").exists()


def test_the_demo_of_events_learns(run, tmp_path):
    status, out, err = run("demo", "--events")
    assert (status, err) == (0, "")
    place = tmp_path / "runs" / "demo-events"
    metrics = json.loads((place / "metrics.json").read_text())
    assert metrics["last"]["test_accuracy"] > 0.9
    assert (place / "confusion.png").read_bytes()[:4] == b"\x89PNG"
    assert f"{100 * metrics['last']['test_accuracy']:.2f} % of 359 recordings that it never" in out
