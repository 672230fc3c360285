from __future__ import annotations

import json

import numpy as np
import pytest

from lava_desire import DesireConfig
from lava_desire.analysis.ablation import (
    gather_ablation,
    plot_ablation,
    run_folder,
    train_variants,
)
from lava_desire.analysis.catalogue import BASES, EXPERIMENTS, VARIANTS
from lava_desire.analysis.experiments import (
    quick_data,
    spread,
    write_report,
    write_ties,
)
from lava_desire.analysis.training import Snapshots, train_or_resume
from lava_desire.checkpoint import write_checkpoint
from lava_desire.engine import CheckpointError, DesireNetwork, evaluate, fit
from lava_desire.training.history import seed_folder
from lava_desire.training.run_folder import read_latest

SMALL = BASES["small"].config
CONFIG = DesireConfig((64, 12, 10), learning_rate=3e-4, batch_size=16, epochs=2)


class StopHereError(Exception):
    pass


def snapshots(folder):
    return Snapshots(
        [16, 700, 1438, 2876], lambda network: {"w": network.numpy_weights()[1]}, folder
    )


def test_a_finished_run_is_only_read(digits, tmp_path):
    first = train_or_resume(CONFIG, digits.train, digits.test, tmp_path)
    again = train_or_resume(CONFIG, digits.train, digits.test, tmp_path)
    assert again.records == first.records
    with pytest.raises(CheckpointError, match="seed"):
        train_or_resume(CONFIG.replace(seed=9), digits.train, digits.test, tmp_path)


@pytest.mark.parametrize("stop_after", [20, 90, 91, 120])
def test_a_broken_off_run_keeps_the_same_snapshots(digits, tmp_path, stop_after):
    whole = snapshots(tmp_path / "whole")
    data = (digits.train, digits.test)
    train_or_resume(CONFIG, *data, tmp_path / "run-whole", watch=[whole])
    broken, calls = snapshots(tmp_path / "broken"), []

    def stop(network, progress):
        calls.append(progress)
        if len(calls) == stop_after:
            raise StopHereError

    # Stopping comes first: the call is lost, as by a kill between checkpoint and measurement.
    with pytest.raises(StopHereError):
        train_or_resume(CONFIG, *data, tmp_path / "run", watch=[stop, broken])
    train_or_resume(CONFIG, *data, tmp_path / "run", watch=[broken])
    for moment in (16, 700, 1438, 2876):
        np.testing.assert_array_equal(whole.read(moment)["w"], broken.read(moment)["w"])


def test_a_moment_that_was_not_measured_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        snapshots(tmp_path).read(16)


def test_a_report_stands_beside_the_papers_number(digits, tmp_path):
    for seed in (0, 1):
        config = CONFIG.replace(seed=seed)
        train_or_resume(config, digits.train, digits.test, seed_folder(tmp_path, seed))
        write_ties(seed_folder(tmp_path, seed), digits.test)
    report = write_report(EXPERIMENTS["mnist"], tmp_path, {"commit": "abc"}, quick=True)
    assert report["experiment"]["paper_accuracy"] == 0.9841
    assert report["commit"] == "abc"
    best = [run["best"]["test_accuracy"] for run in report["runs"]]
    assert report["over_seeds"]["best"]["mean"] == pytest.approx(sum(best) / 2)
    assert report["over_seeds"]["ties_undecided"]["mean"] == pytest.approx(sum(best) / 2)
    assert report["over_seeds"]["ties_earliest"]["mean"] >= sum(best) / 2
    assert report["best_minus_paper"] == pytest.approx(max(best) - 0.9841)
    assert (report["protocol"], report["samples"]) == ("test", {"training": 1438, "test": 359})
    assert [run["finished"] for run in report["runs"]] == [True, True]
    assert (tmp_path / "learning_curves.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="nothing to report"):
        write_report(EXPERIMENTS["mnist"], tmp_path / "seed-0", {}, quick=True)


@pytest.mark.parametrize(
    ("protocol", "options", "samples"),
    [
        ("validation", {"validation": 0.1}, {"training": 1294, "validation": 144, "test": 359}),
        ("final", {"choose": "last"}, {"training": 1438, "test": 359}),
    ],
)
def test_a_report_says_what_a_test_set_came_to_that_was_read_once(
    digits, tmp_path, monkeypatch, protocol, options, samples
):
    tested = []
    for seed in (0, 1):
        place = seed_folder(tmp_path, seed)
        network = DesireNetwork(CONFIG.replace(seed=seed))
        history = fit(network, digits, folder=place, **options)
        write_ties(place, digits.test)
        tested.append(history.test.accuracy)
    report = write_report(EXPERIMENTS["mnist"], tmp_path, {}, quick=True, protocol=protocol)
    assert (report["protocol"], report["samples"]) == (protocol, samples)
    mean, over = sum(tested) / 2, report["over_seeds"]
    assert over["test"]["mean"] == pytest.approx(mean)
    assert over["test"]["standard_error"] == pytest.approx((mean * (1 - mean) / 359) ** 0.5)
    assert over["ties_undecided"] == over["test"]
    assert report["mean_minus_paper"] == pytest.approx(mean - 0.9841)
    assert ("best" in over) == (protocol == "validation")
    monkeypatch.setattr("lava_desire.analysis.experiments.evaluate", None)
    write_ties(place, digits.test)  # known, and not read again


def test_ties_are_broken_in_the_precision_of_the_run(digits, tmp_path, monkeypatch):
    train_or_resume(CONFIG, digits.train, digits.test, tmp_path, precision="bfloat16x2")
    precisions = set()

    def watched(network, test):
        precisions.add(network.precision)
        return evaluate(network, test)

    monkeypatch.setattr("lava_desire.analysis.experiments.evaluate", watched)
    write_ties(tmp_path, digits.test)
    assert precisions == {"bfloat16x2"}


def test_ties_are_of_the_averaged_weights_where_these_did_better(digits, tmp_path):
    config = CONFIG.replace(weight_average=0.98, seed=2)
    history = train_or_resume(config, digits.train, digits.test, tmp_path)
    assert history.test is None
    assert history.average_is_best
    write_ties(tmp_path, digits.test)
    found = json.loads((tmp_path / "tie_break.json").read_text())
    assert found["weights"] == history.weights_file == "best_average.safetensors"
    assert found["epoch"] == history.best_average.epoch
    assert found["accuracy"]["undecided"] == history.best_accuracy > history.best.accuracy


def test_a_run_that_tells_no_precision_is_refused_by_the_name_of_its_file(digits, tmp_path):
    train_or_resume(CONFIG.replace(epochs=1), digits.train, digits.test, tmp_path)
    checkpoint, path = read_latest(tmp_path)
    del checkpoint.state["precision"]
    write_checkpoint(checkpoint, path)
    with pytest.raises(CheckpointError, match=r"checkpoint.safetensors says precision = None: exp"):
        write_ties(tmp_path, digits.test)


def test_the_deviation_of_one_seed_is_unknown():
    assert spread([0.5]) == {"seeds": 1, "mean": 0.5, "deviation": None}
    assert spread([0.4, 0.6])["deviation"] == pytest.approx(0.1414, abs=1e-4)


def test_a_smoke_test_takes_the_first_samples(digits):
    few = quick_data(digits, 30, 20)
    assert (len(few.train_labels), len(few.test_labels)) == (30, 20)
    np.testing.assert_array_equal(few.train_images, digits.train_images[:30])


def test_every_variant_is_a_valid_configuration_that_differs():
    configs = [SMALL.replace(**changes) for changes in VARIANTS.values()]
    assert all(one != other for i, one in enumerate(configs) for other in configs[:i])


def test_an_ablation_gathers_what_has_finished(digits, tmp_path):
    base = SMALL.replace(layer_sizes=(64, 12, 10), epochs=1)
    names = ["base", "shift-1"]
    train_variants(names, [0, 1], digits.train, digits.test, tmp_path, base)
    unfinished = run_folder(tmp_path, "batch-16", 0)
    config = base.replace(batch_size=16)

    def stop(network, progress):
        raise StopHereError

    with pytest.raises(StopHereError):
        train_or_resume(config, digits.train, digits.test, unfinished, watch=[stop])
    variants = {name: VARIANTS[name] for name in (*names, "batch-16")}
    ablation = gather_ablation(tmp_path, base, variants)
    assert ablation.names == names
    assert ablation.seeds == [[0, 1], [0, 1]]
    assert ablation.changes == [{}, {"image_shift": 1}]
    plot_ablation(ablation, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"


def test_a_run_under_a_wrong_name_is_refused(digits, tmp_path):
    base = SMALL.replace(layer_sizes=(64, 12, 10), epochs=1)
    train_or_resume(base, digits.train, digits.test, run_folder(tmp_path, "shift-1", 0))
    with pytest.raises(ValueError, match="that is not shift-1"):
        gather_ablation(tmp_path, base)
    with pytest.raises(ValueError, match="variant is 'luck': expected one of base"):
        train_variants(["luck"], [0], digits.train, digits.test, tmp_path, base)
