"""Each figure's measurement on a small network, and that its picture is drawn."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from lava_desire import DesireConfig, rule
from lava_desire.analysis import plot_weights
from lava_desire.analysis.accuracy import (
    HIDDEN_NEURONS,
    TIME_STEPS,
    AccuracySweep,
    measure_accuracy,
    plot_accuracy,
    sized_network,
    timed_network,
)
from lava_desire.analysis.contribution import (
    input_contribution,
    measure_contribution,
    plot_contribution,
)
from lava_desire.analysis.local_losses import local_losses, plot_local_losses, summarise_losses
from lava_desire.analysis.scaling import (
    PHASES,
    logarithmic_sizes,
    measure_scaling,
    plot_scaling,
)
from lava_desire.analysis.spike_activity import (
    activity_by_class,
    choose_neurons,
    plot_activity_by_class,
    summarise_activity,
)
from lava_desire.analysis.storage import load_measurement, save_measurement
from lava_desire.deploy import quantize
from lava_desire.engine import DesireNetwork, evaluate


def drawn(plot, measured, path):
    """Whether a plot is written where a path is given, and the same one is there without."""
    names = [axes.get_ylabel() for axes in plot(measured, path).axes]
    written = path.read_bytes()[:4] == b"\x89PNG"
    path.unlink()
    shown = plot(measured)
    return written and not path.exists() and names == [axes.get_ylabel() for axes in shown.axes]


def test_networks_are_sized_as_in_the_paper():
    base = DesireConfig.preset("mnist")
    assert sized_network(base, 100).layer_sizes == (784, 200, 100, 10)
    assert sized_network(base, 800) == base


def test_the_margin_keeps_its_share_of_the_trains():
    base = DesireConfig.preset("mnist")
    margins = {steps: timed_network(base, steps).error_margin for steps in (1, 5, 10, 20, 40)}
    assert margins == {1: 0, 5: 1, 10: 2, 20: 4, 40: 8}


def test_accuracy_is_measured_once_and_then_read(digits, tmp_path):
    base = DesireConfig((64, 1, 10), learning_rate=1e-3, epochs=2, batch_size=16)
    arguments = (base, HIDDEN_NEURONS, [4, 8], digits.train, digits.test, tmp_path)
    sweep = measure_accuracy(*arguments)
    assert [len(sweep.best), len(sweep.last)] == [2, 2]
    assert all(best >= last for best, last in zip(sweep.best, sweep.last, strict=True))
    stamp = (tmp_path / "4" / "checkpoint.safetensors").stat().st_mtime_ns
    assert measure_accuracy(*arguments) == sweep
    assert (tmp_path / "4" / "checkpoint.safetensors").stat().st_mtime_ns == stamp
    assert drawn(plot_accuracy, sweep, tmp_path / "figure.png")


def test_an_unknown_quantity_is_refused(digits, tmp_path):
    with pytest.raises(ValueError, match="quantity is 'width': expected one of hidden neurons"):
        measure_accuracy(DesireConfig((64, 10)), "width", [1], digits.train, digits.test, tmp_path)


def test_a_measurement_survives_its_file(tmp_path):
    sweep = AccuracySweep(TIME_STEPS, [5, 10], [0.5, 0.6], [0.5, 0.6], "short")
    save_measurement(sweep, tmp_path / "a.json", commit="abc")
    assert load_measurement(AccuracySweep, tmp_path / "a.json") == sweep
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(ValueError, match=r"b.json holds no AccuracySweep"):
        load_measurement(AccuracySweep, tmp_path / "b.json")


def test_local_losses_are_those_of_the_rule(trained, digits):
    images, labels = digits.test
    losses = local_losses(trained, digits.test)
    activity = trained.forward(images)
    desires = trained.desires(activity, labels)
    rate = rule.firing_rate(activity.counts[1], 20, 4)
    expected = rule.local_loss(rule.local_error(desires[0], rate)).double().mean(0)
    np.testing.assert_allclose(losses["1"], expected, rtol=1e-6)
    metrics = evaluate(trained, digits.test)
    assert losses["accuracy"] == metrics.accuracy
    assert losses["3"].sum() == pytest.approx(metrics.loss)
    assert [losses[str(layer)].shape for layer in (1, 2, 3)] == [(30,), (20,), (10,)]


def test_output_loss_falls_in_training(trained, digits, tmp_path):
    untrained = local_losses(DesireNetwork(trained.config), digits.test)
    after = local_losses(trained, digits.test)
    curve = summarise_losses(trained.config.layer_sizes, [0, 3], [untrained, after])
    assert curve.mean[2][1] < curve.mean[2][0]
    assert curve.accuracy[1] > curve.accuracy[0]
    low, middle, high = curve.percentiles[0][0]
    assert low <= middle <= high
    assert drawn(plot_local_losses, curve, tmp_path / "figure.png")


def test_activity_is_spikes_a_step_by_class(trained, digits, tmp_path):
    images, labels = digits.test
    found = activity_by_class(trained, digits.test)
    counts = trained.forward(images).counts[3].numpy()
    expected = np.stack([counts[labels == label].mean(0) / 20 for label in range(10)])
    np.testing.assert_allclose(found["3"], expected, rtol=1e-6)
    neurons = choose_neurons(trained.config.layer_sizes)
    assert [len(chosen) for chosen in neurons] == [20, 20, 10]
    summary = summarise_activity([0, 1, 2], neurons, [found] * 3)
    assert summary.activity[0].shape == (3, 10, 20)
    assert drawn(plot_activity_by_class, summary, tmp_path / "figure.png")


def test_a_silent_input_contributes_nothing(trained, digits):
    images, labels = digits.test_images[:50], digits.test_labels[:50]
    activity = trained.forward(images)
    contribution = input_contribution(trained, activity, labels)
    silent = activity.counts[0].numpy() == 0
    assert not contribution[silent].any()
    assert contribution[~silent].any()


def test_a_contribution_is_positive_where_a_spike_helps():
    # One input drives the right neuron, silent so far, and the other drives the wrong one.
    weights = [np.array([[0.1, 0.0], [0.0, 2.0]], np.float32), np.eye(2, dtype=np.float32) * 2]
    config = DesireConfig((2, 2, 2), error_margin=0)
    network = DesireNetwork(config, weights=weights)
    activity = network.forward(np.array([[1.0, 1.0]], np.float32))
    assert activity.counts[1].tolist() == [[0, 20]]
    contribution = input_contribution(network, activity, [0])[0]
    assert contribution[0] > 0 > contribution[1]


def test_integers_are_shown_as_the_weights_that_they_stand_for(trained, digits):
    images, labels = digits.train_images[:50], digits.train_labels[:50]
    network = quantize(trained, (images, labels), weight_bits=4).network
    weights, activity = network.float_weights(), network.forward(images)
    errors = rule.local_error(
        network.desires(activity, labels)[0], rule.firing_rate(activity.counts[1], 20, 4)
    )
    wanted = activity.counts[0].numpy() / 20 * (errors.numpy() @ weights[0])
    np.testing.assert_allclose(
        input_contribution(network, activity, labels), wanted, rtol=1e-4, atol=1e-6
    )
    axes = plot_weights(network, ax=plt.figure().subplots())
    shown = np.nanmax(np.abs(np.ma.filled(axes.images[0].get_array(), np.nan)))
    assert shown == np.abs(weights[0]).max() < 5
    same = zip(trained.float_weights(), trained.numpy_weights(), strict=True)
    assert all(np.array_equal(*pair) for pair in same)


def test_contributions_are_means_of_bins(digits, tmp_path):
    config = DesireConfig((64, 20, 10), learning_rate=1e-4)
    measured = measure_contribution(config, digits.train, 60, 20)
    assert measured.values.shape == (3, 64)
    assert all(0 <= share <= 1 for share in measured.with_desire)
    assert drawn(plot_contribution, measured, tmp_path / "figure.png")
    with pytest.raises(ValueError, match="samples_a_bin 20: expected"):
        measure_contribution(config, digits.train, 10, 20)


def test_sizes_are_logarithmic():
    assert logarithmic_sizes(100, 10_000, 3) == [100, 1000, 10_000]


def test_every_phase_and_memory_are_measured(digits, tmp_path):
    base = DesireConfig((64, 1, 10), batch_size=8)
    measured = measure_scaling(base, digits.train, [10, 4000], rounds=1)
    assert set(measured.milliseconds) == set(PHASES)
    assert all(len(times) == 2 and min(times) > 0 for times in measured.milliseconds.values())
    # 4000 x 74 float32 weights alone are 1.1 MiB.
    assert measured.megabytes[1] > measured.megabytes[0] + 1
    assert drawn(plot_scaling, measured, tmp_path / "figure.png")
    with pytest.raises(ValueError, match="0 sizes"):
        measure_scaling(base, digits.train, [])
