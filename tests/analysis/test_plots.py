"""Every plot: of its own, in axes that are given, in the format that a path asks for."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from lava_desire import DesireConfig, DesireNetwork, analysis, evaluate
from lava_desire.analysis import firing_rates
from lava_desire.analysis.ablation import Ablation
from lava_desire.analysis.accuracy import TIME_STEPS, AccuracySweep
from lava_desire.analysis.complexity import OperationCounts, count_measured, count_most
from lava_desire.analysis.contribution import Contribution
from lava_desire.analysis.local_losses import LossCurve
from lava_desire.analysis.scaling import PHASES, Scaling
from lava_desire.analysis.spike_activity import ActivityByClass
from lava_desire.deploy import map_network
from lava_desire.engine import EpochRecord, History
from lava_desire.training.history import TestRecord

NAMES = ("cat", "a $dog$", "<owl>")
CONFIG = DesireConfig((16, 8, 3), num_steps=6, reset="zero")
IMAGES = np.random.default_rng(2).integers(0, 256, (9, 16), np.uint8)
LABELS = np.arange(9) % 3


def record(epoch, accuracy):
    rest = {"active_share": 0.5, "samples_per_second": 9.0, "seconds": 1.0}
    test = {"test_accuracy": accuracy, "test_loss": 0.1, "undecided_share": 0.1}
    return EpochRecord(epoch=epoch, learning_rate=1e-4, train_accuracy=0.4, **test, **rest)


HISTORY = History([record(1, 0.25), record(2, 0.5)])
ANOTHER = History([record(1, 0.375), record(2, 0.375), record(3, 0.75)])


def window():
    steps, sizes = CONFIG.window_steps, CONFIG.neurons
    return SimpleNamespace(
        config=CONFIG,
        window=0,
        spikes=[np.ones((steps, size), bool) for size in sizes],
        potentials=[np.ones((steps, size)) for size in sizes[1:]],
        desires=[np.ones((steps, size), np.int8) for size in sizes[1:]],
        changes=[np.ones(size) for size in sizes[1:]],
        prediction=1,
    )


def arguments():
    """Return for every plot what it draws, its options, and how many axes it takes."""
    network = DesireNetwork(CONFIG)
    metrics, activity = evaluate(network, (IMAGES, LABELS)), network.forward(IMAGES[:2])
    samples, named = (CONFIG, activity, [0, 1]), {"class_names": NAMES}
    sweep = AccuracySweep(TIME_STEPS, [5, 10], [0.5, 0.75], [0.5, 0.7], "2 epochs")
    losses = LossCurve([16, 8, 3], [0, 1], [[1, 0]] * 2, [[[0, 1, 2]] * 2] * 2, [0.1, 0.5])
    by_class = ActivityByClass([0, 1], [[0, 1], [0]], [np.ones((2, 3, 2)), np.ones((2, 3, 1))])
    ablation = Ablation(["base"], [[0]], [[0.5]], [[0.6]], [[0.4]], [{}], {})
    subtracting = DesireNetwork(CONFIG.replace(reset="subtract"))
    measured = count_measured(subtracting, IMAGES, LABELS)
    operations = OperationCounts(count_most(), measured, "here")
    times = {phase: [1.0, 2.0] for phase in PHASES}
    scaling = Scaling([10, 20], times, [1.0, 2.0], "16-N-3", 1, 1)
    return {
        "plot_ablation": ((ablation,), {}, 1),
        "plot_accuracy": ((sweep,), {}, 1),
        "plot_activity_by_class": ((replace(by_class, class_names=NAMES),), {}, 6),
        "plot_classified_images": ((CONFIG, activity, IMAGES[:2], [0, 1], (4, 4)), named, 6),
        "plot_calibration": ((metrics,), {}, 1),
        "plot_confusion": ((metrics,), named, 1),
        "plot_contribution": ((Contribution(2, np.ones((3, 16)), [0.5] * 3, 0.1),), {}, 2),
        "plot_core_map": ((map_network(CONFIG, "loihi1"),), {}, 1),
        "plot_curves": (({"a $1": HISTORY, "b": ANOTHER},), {"against": "b"}, 1),
        "plot_desires": ((HISTORY,), {}, 1),
        "plot_learning_curve": ((HISTORY,), {}, 1),
        "plot_local_losses": ((losses,), {}, 2),
        "plot_operations": ((operations,), {}, 1),
        "plot_rasters": (samples, named, 6),
        "plot_rates": ((firing_rates(network, IMAGES),), {}, 1),
        "plot_scaling": ((scaling,), {}, 2),
        "plot_seeds": (([HISTORY, ANOTHER],), {}, 1),
        "plot_weights": ((network,), {}, 1),
        "plot_window": ((window(),), {"label": 0, **named}, 8),
    }


ARGUMENTS = arguments()


def test_every_plot_is_in_the_one_module_and_here():
    assert {name for name in analysis.__all__ if name.startswith("plot_")} == set(ARGUMENTS)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_plot_draws_into_axes_that_are_given(name):
    plot, (what, options, count) = getattr(analysis, name), ARGUMENTS[name]
    figure = Figure()
    beside, *given = figure.subplots(1, count + 1).tolist()
    ax = given[0] if count == 1 else np.array(given)
    assert plot(*what, **options, ax=ax) is ax
    assert not beside.has_data()
    drawn = [axes for axes in given if axes.has_data() or axes.tables or axes.texts]
    assert len(drawn) >= count - 2  # a window leaves two empty
    with pytest.raises(ValueError, match=f"ax holds {count + 1} axes: expected {count}"):
        plot(*what, **options, ax=figure.axes[: count + 1])


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_plot_returns_a_figure_of_its_own_that_names_classes(name):
    plot, (what, options, count) = getattr(analysis, name), ARGUMENTS[name]
    figure = plot(*what, **options)
    assert isinstance(figure, Figure)
    assert len(figure.axes) >= count
    shown = {text.get_text() for text in figure.findobj(lambda each: hasattr(each, "get_text"))}
    if "class_names" in options or name == "plot_activity_by_class":
        assert any("cat" in text for text in shown)
        assert any(r"a \$dog\$" in text for text in shown)  # no formula


@pytest.mark.parametrize(
    ("name", "file", "start"),
    [
        ("plot_accuracy", "drawn.svg", b"<?xml"),
        ("plot_confusion", "drawn.pdf", b"%PDF-"),
        ("plot_weights", "drawn", b"\x89PNG\r"),
    ],
)
def test_a_plot_writes_what_the_suffix_says(name, file, start, tmp_path):
    what, options, _ = ARGUMENTS[name]
    axes = Figure().add_subplot()
    getattr(analysis, name)(*what, path=tmp_path / file, **options, ax=axes)
    (written,) = tmp_path.iterdir()
    assert written.suffix in (".svg", ".pdf", ".png")
    assert written.read_bytes()[:5] == start


def test_a_difference_of_curves_is_epoch_by_epoch():
    axes = analysis.plot_curves({"a": HISTORY, "b": ANOTHER}, against="b").axes[0]
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}
    assert lines == {"a": [[1, -12.5], [2, 12.5]], "b": [[1, 0], [2, 0], [3, 0]]}
    with pytest.raises(ValueError, match="against is 'c': expected one of a, b"):
        analysis.plot_curves({"a": HISTORY, "b": ANOTHER}, against="c")
    with pytest.raises(ValueError, match="histories hold no accuracy"):
        analysis.plot_curves({"a": History()})
    with pytest.raises(ValueError, match="history holds no epoch"):
        analysis.plot_desires(History())


def test_seeds_are_drawn_as_mean_and_range_of_the_epochs_they_share():
    read_once = replace(ANOTHER, test=TestRecord(3, "latest.safetensors", 0.5, 0.1, 0.0, 8))
    axes = analysis.plot_seeds([HISTORY, read_once]).axes[0]
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}
    assert lines == {
        "test": [[1, 31.25], [2, 43.75]],
        "in training": [[1, 40], [2, 40]],
        "test set, read once": [[3, 50]],
    }
    with pytest.raises(ValueError, match="histories hold no run"):
        analysis.plot_seeds([])


def test_silent_and_runaway_neurons_are_counted_and_named():
    network = DesireNetwork(CONFIG)
    weights = network.weights[0]
    weights[:2], weights[2] = -1.0, 9.0
    images = np.full((3, 16), 255, np.uint8)
    found = firing_rates(network, images)
    counts = network.forward(images).counts[1].double().mean(0).numpy() / CONFIG.num_steps
    np.testing.assert_allclose(found.rates[0], counts)
    assert found.silent[0] >= 2
    assert found.runaway[0] >= 1
    (legend,) = analysis.plot_rates(found).legends
    shown = legend.get_texts()[0].get_text()
    assert re.search(f"{found.silent[0]} silent, {found.runaway[0]} runaway", shown)
    with pytest.raises(ValueError, match="images hold no sample"):
        firing_rates(network, images[:0])
