"""Training on the command line with Lava processes is the engine's online training."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")
pytest.importorskip("torch", reason="torch is not installed")

from every_save import assert_same_run, go_on, save_everywhere

from lava_desire import DesireConfig
from lava_desire.checkpoint import read_checkpoint
from lava_desire.data import SpikeTrains
from lava_desire.engine import DesireNetwork, evaluate, fit
from lava_desire.proc import training as lava_training
from lava_desire.training.loop import TrainingRun

SIZES = ("--layers", "12", "--num-steps", "6", "--error-margin", "1", "--learning-rate", "1e-3")


@pytest.fixture
def data(tmp_path):
    generator = np.random.default_rng(0)
    path = tmp_path / "points.npz"
    np.savez(
        path,
        train_images=generator.integers(0, 256, (40, 9), dtype=np.uint8),
        train_labels=np.arange(40) % 3,
        test_images=generator.integers(0, 256, (15, 9), dtype=np.uint8),
        test_labels=np.arange(15) % 3,
    )
    return str(path)


def table(folder):
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if "second" not in name} for row in rows]


def same_evaluation(run, folder):
    """Let Lava classify what the engine does: the same numbers, calibration and loss too."""
    engine, lava = (
        json.loads(run("eval", str(folder), "--json", "--tie-break", "earliest", *on)[1])
        for on in ((), ("--backend", "lava"))
    )
    assert engine == lava
    assert engine["num_correct"] > 0
    shown = run("eval", str(folder), "--backend", "lava")[1]
    assert " as Lava processes)" in shown
    assert "expected calibration error" in shown


def test_both_backends_write_the_same_run_and_resume_each_other(run, data, tmp_path):
    def train(*arguments):
        return run("train", "--quiet", *arguments)[0]

    new = ("--data", data, *SIZES, "--trace-baseline", "0.8", "--weight-limit", "0.5")
    torch, lava = tmp_path / "torch", tmp_path / "lava"
    assert train(*new, "--batch-size", "1", "--epochs", "3", "--output", str(torch)) == 0
    assert train(*new, "--backend", "lava", "--epochs", "1", "--output", str(lava)) == 0
    assert train("--resume", str(lava), "--backend", "torch", "--epochs", "2") == 0
    assert train("--resume", str(lava), "--epochs", "3") == 0
    assert '"backend": "lava"' in (lava / "run.json").read_text()
    for row, other in zip(table(torch), table(lava), strict=True):
        assert float(row.pop("test_loss")) == pytest.approx(float(other.pop("test_loss")))
        assert row == other
    for name in ("checkpoint.safetensors", "best.safetensors"):
        one, other = read_checkpoint(torch / name), read_checkpoint(lava / name)
        assert one.samples_seen == other.samples_seen
        assert one.rated_samples == other.rated_samples
        for field in ("weights", "input_rates"):
            for mine, theirs in zip(getattr(one, field), getattr(other, field), strict=True):
                np.testing.assert_array_equal(mine, theirs)
    same_evaluation(run, lava)
    status, _, errors = run("eval", str(lava), "--backend", "lava", "--precision", "bfloat16x2")
    assert (status, "--precision is bfloat16x2: classifying in Lava" in errors) == (2, True)


@pytest.mark.parametrize("validation", [None, 0.5])
def test_from_python_either_backend_goes_on_with_the_runs_of_the_other(tmp_path, validation):
    config = DesireConfig(
        (9, 4, 3), num_steps=4, error_margin=1, learning_rate=1e-3, batch_size=1, trace_baseline=0.5
    )
    images = np.random.default_rng(0).integers(0, 256, (6, 9), dtype=np.uint8)
    samples = images, np.arange(6) % 3

    def trained(epochs, **options):
        network = DesireNetwork(config.replace(epochs=epochs))
        history = fit(network, samples, samples, validation=validation, **options)
        read = history.test.accuracy if history.test else 0
        return [
            *network.numpy_weights(),
            np.array([*(each.accuracy for each in history.records), read]),
        ]

    alone = trained(3)
    trained(1, folder=tmp_path / "run", backend="lava")
    trained(2, folder=tmp_path / "run", resume=True)
    end = trained(3, folder=tmp_path / "run", resume=True, backend="lava")
    for mine, theirs in zip(alone, end, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_backend_that_is_none_or_cannot_be_shared_is_refused(monkeypatch):
    network = DesireNetwork(DesireConfig((9, 3)))
    with pytest.raises(ValueError, match="backend is 'gpu': expected 'torch' or 'lava'"):
        fit(network, (), backend="gpu")
    with pytest.raises(ValueError, match="backend is 'gpu': expected 'torch' or 'lava'"):
        evaluate(network, (), backend="gpu")
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    with pytest.raises(ValueError, match="backend is 'lava' in a group of 2 ranks"):
        fit(network, (), backend="lava")


def test_lava_refuses_sums_that_it_does_not_compute():
    network = DesireNetwork(DesireConfig((9, 3), batch_size=1), precision="bfloat16x2")
    with pytest.raises(ValueError, match="precision is bfloat16x2: training in Lava expects"):
        fit(network, (np.zeros((2, 9), np.uint8), [0, 1]), backend="lava")


def test_in_integers_too_both_backends_learn_the_same(run, data, tmp_path):
    new = (
        "train",
        "--quiet",
        "--data",
        data,
        *SIZES,
        "--epochs",
        "1",
        "--precision",
        "fixed_point",
    )
    assert run(*new, "--batch-size", "1", "--output", "torch")[0] == 0
    assert run(*new, "--backend", "lava", "--output", "lava")[0] == 0
    one, other = (
        read_checkpoint(tmp_path / folder / "checkpoint.safetensors")
        for folder in ("torch", "lava")
    )
    assert one.formats == other.formats != []
    same_evaluation(run, "lava")
    untrained = DesireNetwork(one.config, arithmetic="fixed_point").numpy_weights()
    for mine, theirs, before in zip(one.weights, other.weights, untrained, strict=True):
        assert mine.dtype == theirs.dtype == np.int8
        np.testing.assert_array_equal(mine, theirs)
        assert (mine != before).any()
    assert [row["test_accuracy"] for row in table(tmp_path / "torch")] == [
        row["test_accuracy"] for row in table(tmp_path / "lava")
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--backend", "gpu"), "--backend is 'gpu': expected torch or lava"),
        (
            ("--backend", "lava", "--batch-size", "8"),
            "--batch-size is 8: training in Lava expects 1",
        ),
        (("--backend", "lava", "--weight-average", "0.9"), "--weight-average is 0.9"),
        (("--backend", "lava", "--image-shift", "1", "--seeds", "0,1"), "--image-shift is 1"),
    ],
)
def test_what_the_processes_do_not_offer_is_refused(run, data, tmp_path, options, message):
    before = set(tmp_path.iterdir())
    status, out, errors = run("train", "--data", data, *SIZES, *options, "--output", "mine")
    assert (status, out) == (2, "")
    assert message in errors
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("precision", "places"), [("float32", range(7)), ("integers", (2, 5))])
def test_from_every_place_where_it_may_be_saved_a_run_goes_on(
    precision, places, tmp_path, monkeypatch
):
    """After an epoch's last window as well, when the processes have not run since."""
    monkeypatch.setattr(lava_training, "_WINDOWS_A_RUN", 2)
    config = DesireConfig(
        (9, 4, 3), num_steps=4, error_margin=1, learning_rate=1e-3, batch_size=1, epochs=2
    )
    arithmetic = "fixed_point" if precision == "integers" else "floating_point"
    if precision != "integers":
        config = config.replace(trace_baseline=0.5, learning_rate_decay=0.5)
    generator = np.random.default_rng(0)
    data = [(generator.integers(0, 256, (3, 9), dtype=np.uint8), np.arange(3)) for _ in range(2)]

    def make_network():
        return DesireNetwork(config, arithmetic=arithmetic)

    run = lava_training.LavaTrainingRun
    saved = save_everywhere(run, make_network, data, tmp_path / "run")
    # The beginning, two runs of windows an epoch, and the end of each epoch.
    assert len(saved) == 1 + 2 * (2 + 1)
    for place in places:
        end = go_on(run, make_network, data, tmp_path / f"from-{place}", saved[place])
        assert_same_run(end, saved[-1], tmp_path)
    alone = save_everywhere(TrainingRun, make_network, data, tmp_path / "engine")
    assert_same_run(alone[-1], saved[-1], tmp_path)


@pytest.mark.parametrize("arithmetic", ["floating_point", "fixed_point"])
def test_the_processes_follow_a_configuration_that_a_callback_sets(arithmetic):
    config = DesireConfig(
        (9, 5, 3), num_steps=9, error_margin=1, learning_rate=0.03, batch_size=1, epochs=3
    )
    generator = np.random.default_rng(0)
    data = generator.integers(0, 256, (12, 9), dtype=np.uint8), np.arange(12) % 3
    runs = []
    for backend, threshold in (("torch", 0.5), ("lava", 0.5), ("torch", config.threshold)):
        network = DesireNetwork(config, arithmetic=arithmetic)

        def set_config(record, network=network, threshold=threshold):
            network.config = network.config.replace(threshold=threshold)

        history = fit(network, data, data, backend=backend, callbacks=[set_config])
        runs.append([*network.numpy_weights(), [each.test_loss for each in history.records]])
    np.testing.assert_equal(runs[1], runs[0])
    assert (runs[2][0] != runs[0][0]).any()

    def average(record):
        network.config = network.config.replace(weight_average=0.9)

    with pytest.raises(ValueError, match=r"weight_average is 0.9: training in Lava expects 0"):
        fit(network, data, data, backend="lava", callbacks=[average])


@pytest.mark.parametrize("arithmetic", ["floating_point", "fixed_point"])
def test_spike_trains_are_learned_in_lava_as_by_the_engine(tmp_path, arithmetic):
    config = DesireConfig(
        (9, 5, 3), num_steps=9, error_margin=1, learning_rate=0.03, dropout_input=0.2, batch_size=1
    )
    spikes, labels = np.random.default_rng(0).random((9, 12, 9)) < 0.4, np.arange(12) % 3
    np.save(tmp_path / "planes.npy", SpikeTrains.pack(spikes).planes)
    mapped = SpikeTrains(np.load(tmp_path / "planes.npy", mmap_mode="r"), 9, (9,))
    runs = []
    for backend, trains in (("torch", spikes), ("lava", spikes), ("lava", mapped)):
        network = DesireNetwork(config.replace(epochs=2), arithmetic=arithmetic)
        folder = tmp_path / f"{len(runs)}"
        history = fit(network, (trains, labels), (trains, labels), folder=folder, backend=backend)
        runs.append([*network.numpy_weights(), [each.test_accuracy for each in history.records]])
    np.testing.assert_equal(runs[1], runs[0])
    np.testing.assert_equal(runs[2], runs[0])
    if arithmetic == "floating_point":
        seen = lava_training.predict_in_lava(folder / "checkpoint.safetensors", mapped, labels)
        np.testing.assert_array_equal(seen, network.predict(spikes))
        metrics = [evaluate(network, (mapped, labels), backend=on) for on in ("torch", "lava")]
        assert metrics[0].to_dict() == metrics[1].to_dict()
        lava_training.draw_window_in_lava(
            folder / "checkpoint.safetensors", mapped[:1], 0, tmp_path / "window.png"
        )
    with pytest.raises(ValueError, match="test holds images, and train spike trains"):
        fit(network, (spikes, labels), (np.ones((3, 9), np.float32), [0, 1, 2]), backend="lava")
