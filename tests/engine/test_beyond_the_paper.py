"""The options that the paper does not have: what they do, and that resuming keeps every bit."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, rule
from lava_desire.checkpoint import write_checkpoint
from lava_desire.data import load_dataset
from lava_desire.engine import CheckpointError, DesireNetwork, evaluate, fit, read_checkpoint
from lava_desire.training.average import WeightAverage

CONFIG = DesireConfig((64, 30, 10), learning_rate=3e-4, batch_size=16, epochs=3, seed=7)
OPTIONS = {
    "learning_rate_scale": (0.5, 2.0),
    "image_shift": 1,
    "image_shift_share": 0.75,
    "image_shift_start": 1,
    "image_brightness": 0.3,
    "weight_average": 0.9,
    "trace_baseline": 0.9,
    "rates_over": "desired",
    "weight_limit": 0.3,
    "rate_floor": 0.1,
    "class_margin": 6,
    "tie_break": "earliest",
}
TIMING = ("samples_per_second", "seconds")


@pytest.fixture(scope="module")
def data():
    digits = load_dataset("digits")
    return (digits.train_images[:300], digits.train_labels[:300]), (
        digits.test_images[:100],
        digits.test_labels[:100],
    )


def same(one, other):
    for mine, expected in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, expected)


class StopHereError(Exception):
    pass


@pytest.mark.parametrize(
    ("arithmetic", "minibatch"),
    [*(("floating_point", minibatch) for minibatch in (1, 19, 20, 33)), ("fixed_point", 20)],
)
def test_with_all_options_a_run_broken_off_goes_on_to_the_bit(
    data, tmp_path, arithmetic, minibatch
):
    config = CONFIG.replace(**OPTIONS)
    whole = DesireNetwork(config, arithmetic=arithmetic)
    expected = fit(whole, *data, folder=tmp_path / "whole")
    calls = 0

    def stop(progress):
        nonlocal calls
        calls += 1
        if calls == minibatch:
            raise StopHereError

    folder = tmp_path / "broken"
    broken = DesireNetwork(config, arithmetic=arithmetic)
    with pytest.raises(StopHereError):
        fit(broken, *data, folder=folder, checkpoint_seconds=0, on_progress=stop)
    network = DesireNetwork(config, arithmetic=arithmetic)
    history = fit(network, *data, folder=folder, resume=True)
    same(network.numpy_weights(), whole.numpy_weights())
    one, other = (
        read_checkpoint(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "broken")
    )
    same(one.average, other.average)
    assert one.state["minibatches_averaged"] == other.state["minibatches_averaged"] == 57
    same(one.input_rates, other.input_rates)
    assert one.rated_samples == other.rated_samples
    assert 0 < one.rated_samples[0] == one.rated_samples[1] < 900  # those with desire
    for mine, record in zip(history.records, expected.records, strict=True):
        assert {k: v for k, v in vars(mine).items() if k not in TIMING} == {
            k: v for k, v in vars(record).items() if k not in TIMING
        }


@pytest.mark.parametrize("name", OPTIONS)
def test_a_run_with_another_option_is_not_gone_on_with(data, tmp_path, name):
    fit(DesireNetwork(CONFIG.replace(epochs=1)), *data, folder=tmp_path)
    network = DesireNetwork(CONFIG.replace(**{name: OPTIONS[name]}))
    with pytest.raises(CheckpointError, match=name):
        fit(network, *data, folder=tmp_path, resume=True)


def test_averaging_changes_nothing_in_training(data):
    plain, averaged = DesireNetwork(CONFIG), DesireNetwork(CONFIG.replace(weight_average=0.9))
    fit(plain, *data)
    history = fit(averaged, *data)
    same(plain.numpy_weights(), averaged.numpy_weights())
    assert all(record.average_accuracy is not None for record in history.records)


def test_the_best_average_is_kept(data, tmp_path):
    config = CONFIG.replace(weight_average=0.9)
    history = fit(DesireNetwork(config), *data, folder=tmp_path)
    best = DesireNetwork.load(tmp_path / "best_average.safetensors")
    assert evaluate(best, data[1]).accuracy == history.best_average.average_accuracy
    rows = json.loads((tmp_path / "metrics.json").read_text())["epochs"]
    assert [row["average_accuracy"] for row in rows] == [
        record.average_accuracy for record in history.records
    ]


def test_without_averaging_there_is_no_average(data, tmp_path):
    history = fit(DesireNetwork(CONFIG), *data, folder=tmp_path)
    assert history.best_average is None
    assert not (tmp_path / "best_average.safetensors").exists()
    with (tmp_path / "metrics.csv").open() as file:
        assert next(csv.DictReader(file))["average_accuracy"] == ""


def test_an_average_begins_as_a_plain_mean_and_then_forgets():
    config = DesireConfig((2, 1), weight_average=0.5)
    network = DesireNetwork(config, weights=[np.array([[0.0, 8.0]], np.float32)])
    average = WeightAverage(network)
    seen = []
    for value in (2.0, 4.0, 8.0):
        network.weights[0].fill_(value)
        average.update()
        seen.append(average.network.weights[0][0, 0].item())
    assert seen == [2.0, 3.0, 5.5]
    assert network.weights[0][0, 0].item() == 8.0


def learn_by_the_rule(config, weights, batches, masks):
    """Learn minibatches with a baseline of traces and a rate floor, by the rule's functions."""
    num_layers, num_steps = config.num_layers, config.num_steps
    rates = [np.zeros(size) for size in config.layer_sizes[:-1]]
    mean_trace = rule.mean_trace(num_steps, config.decay)
    plain = config.replace(trace_baseline=0.0, rate_floor=0.0)
    seen = 0
    for (images, labels), mask in zip(batches, masks, strict=True):
        network = DesireNetwork(plain, weights=weights)
        result = network.train_step(images, labels, config.learning_rate, mask)
        seen += len(labels)
        share = len(labels) / min(seen, config.baseline_samples)
        weights = network.numpy_weights()
        for layer in range(num_layers):
            before, behind = (result.counts[layer + side].numpy() for side in (0, 1))
            rates[layer] = rule.follow_rate(
                rates[layer], before.sum(0), len(labels), num_steps, share
            )
            desire = result.desires[layer].numpy().astype(np.int64)
            if layer + 1 < num_layers:
                desire = desire * mask[layer + 1]
            weights[layer] += rule.baseline_change(
                (desire * behind).sum(0),
                (rates[layer] * (config.trace_baseline * mean_trace)).astype(np.float32),
                config.learning_rate,
            )
        for layer in range(num_layers - 1 if config.rate_floor else 0):
            weights[layer] += rule.rate_floor_change(
                rates[layer + 1],
                config.rate_floor,
                (rates[layer] * mean_trace).astype(np.float32),
                len(labels),
                config.learning_rate,
            )
    return weights, rates


@pytest.mark.parametrize(
    "fields",
    [{"trace_baseline": 0.9}, {"rate_floor": 0.2}, {"trace_baseline": 1, "rate_floor": 0.3}],
)
@pytest.mark.parametrize("kernels", ["compiled", "torch"])
def test_updates_depend_on_mean_rates_as_the_rule_says(data, kernels, fields):
    config = CONFIG.replace(
        layer_sizes=(64, 30, 20, 10), baseline_samples=40, dropout_input=0.1, **fields
    )
    (images, labels), _ = data
    batches = [(images[k : k + 16], labels[k : k + 16]) for k in range(0, 96, 16)]
    generator = np.random.default_rng(0)
    sizes = config.layer_sizes[:-1]
    masks = [[generator.random((16, size)) < 0.8 for size in sizes] for _ in batches]
    network = DesireNetwork(config, kernels=kernels)
    expected, rates = learn_by_the_rule(config, network.numpy_weights(), batches, masks)
    for batch, mask in zip(batches, masks, strict=True):
        network.train_step(*batch, config.learning_rate, mask)
    same(network.numpy_weights(), expected)
    same([rate.numpy() for rate in network.input_rates.rates], rates)


def test_mean_rates_follow_all_samples_and_forget():
    config = DesireConfig((2, 1), num_steps=10, trace_baseline=0.5, baseline_samples=4)
    rates = DesireNetwork(config).input_rates
    for num_spikes, num_samples in (((20, 0), 2), ((0, 20), 2), ((40, 40), 4), ((0, 0), 2)):
        rates.follow(1, torch.tensor(num_spikes), num_samples)
    same(rates.rates[0], [0.5, 0.5])  # all 1 in the third, then half of it
    assert rates.num_samples.tolist() == [10]


def test_silent_neurons_spike_again_above_a_floor(data):
    config = CONFIG.replace(layer_sizes=(64, 30, 10), dropout_hidden=0.0, epochs=12)
    config = config.replace(learning_rate=1e-3)
    weights = DesireNetwork(config).numpy_weights()
    weights[0][:10] = -0.01  # silent, whatever the image
    plain = DesireNetwork(config, weights=weights)
    fit(plain, *data)
    same(plain.numpy_weights()[0][:10], weights[0][:10])
    network = DesireNetwork(config.replace(rate_floor=0.02), weights=weights)
    fit(network, *data)
    assert (network.input_rates.rates[1][:10] > 0).all()


def test_in_integers_mean_rates_add_what_the_rule_says(data):
    config = CONFIG.replace(trace_baseline=0.9, rate_floor=0.3, baseline_samples=40)
    (images, labels), _ = data
    network = DesireNetwork(config, arithmetic="fixed_point")
    rates = [np.zeros(64), np.zeros(30)]
    for first in range(0, 96, 16):
        one = slice(first, first + 16)
        result = network.train_step(images[one], labels[one], 3e-4)
        share = 16 / min(first + 16, 40)
        for layer, rate in enumerate(rates):
            num_spikes = result.counts[layer].sum(0).numpy()
            rates[layer] = rule.follow_rate(rate, num_spikes, 16, config.num_steps, share)
    rule_of, mean_trace = network.rule, rule.mean_trace(config.num_steps, config.decay)
    for layer, (mine, expected) in enumerate(
        zip(network.input_rates.rates, rates, strict=True), start=1
    ):
        np.testing.assert_allclose(mine, expected, atol=2e-2)  # a share of 8 bits
        assert ((mine * 2**23) % 1 == 0).all()
        rates[layer - 1] = mine.numpy()
    mantissa, shift = rule_of.rate_of(1, 3e-4)
    spikes = torch.arange(-15, 15)
    found = list(network.term_factors(1, mantissa, 16, lambda: spikes))
    changes = [
        rule_of.step_of(1) * np.outer(post, pre) / 2.0 ** (bits + shift)
        for post, pre, bits in found
    ]
    baseline = (rates[0] * 0.9 * mean_trace).astype(np.float32)
    traces = (rates[0] * mean_trace).astype(np.float32)
    largest = changes[0].max(), changes[1].max()
    assert min(largest) > 0
    np.testing.assert_allclose(
        changes[0], rule.baseline_change(spikes.numpy(), baseline, 3e-4), atol=1e-2 * largest[0]
    )
    np.testing.assert_allclose(
        changes[1],
        rule.rate_floor_change(rates[1], 0.3, traces, 16, 3e-4),
        atol=2e-2 * largest[1],
    )


def test_limited_mantissas_stay_within_the_limit(data):
    config = CONFIG.replace(weight_limit=0.2)
    formats = DesireNetwork(CONFIG, arithmetic="fixed_point").rule.formats
    network = DesireNetwork(config, arithmetic="fixed_point", formats=formats)
    fit(network, *data)
    for weights, (lowest, highest) in zip(
        network.float_weights(), map(network.rule.range_of, (1, 2)), strict=True
    ):
        assert 0.19 < np.abs(weights).max() <= 0.2
        assert -lowest == highest < 127


@pytest.mark.parametrize("name", ["average", "input_rates"])
def test_a_checkpoint_without_what_a_run_goes_on_from_is_refused(data, tmp_path, name):
    config = CONFIG.replace(epochs=1, weight_average=0.5, trace_baseline=0.5)
    fit(DesireNetwork(config), *data, folder=tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    checkpoint = read_checkpoint(path)
    setattr(checkpoint, name, [])
    write_checkpoint(checkpoint, path)
    with pytest.raises(CheckpointError, match=f"holds no {name}: expected arrays of 2 layers"):
        fit(DesireNetwork(config), *data, folder=tmp_path, resume=True)


def test_averages_of_integers_are_rounded_to_mantissas(data, tmp_path):
    config = CONFIG.replace(weight_average=0.9)
    network = DesireNetwork(config, arithmetic="fixed_point")
    history = fit(network, *data, folder=tmp_path)
    best = DesireNetwork.load(tmp_path / "best_average.safetensors")
    assert evaluate(best, data[1]).accuracy == history.best_average.average_accuracy
    assert best.rule.formats == network.rule.formats
    average = WeightAverage(network)
    for mantissa in (2, 4, 5):
        network.weights[0].fill_(mantissa)
        average.update()
    assert (network.state.average[0] == torch.tensor(11 / 3)).all()
    assert (average.network.weights[0] == 4).all()


def test_a_layers_learning_rate_is_scaled(data):
    (images, labels), _ = data
    masks = [np.ones(64, bool), np.ones(30, bool)]

    def change(**options):
        network = DesireNetwork(CONFIG.replace(**options))
        before = network.numpy_weights()
        network.train_step(images[:16], labels[:16], 2.0**-12, masks)
        return [a - b for a, b in zip(network.numpy_weights(), before, strict=True)]

    plain, scaled = change(), change(learning_rate_scale=(0.0, 2.0))
    assert not scaled[0].any()
    assert plain[0].any()
    np.testing.assert_allclose(scaled[1], 2 * plain[1], atol=1e-6)


def images_learned(data, **options):
    """The images that two epochs show the network, (2, 300, 64)."""
    seen = []

    class Watching(DesireNetwork):
        learns_in_turn = True  # once the loop is compiled, and before

        def learn_in_turn(self, images, *rest):
            seen.append(images.clone())
            return super().learn_in_turn(images, *rest)

    fit(Watching(CONFIG.replace(epochs=2, **options)), *data)
    return torch.cat(seen).reshape(2, 300, 64)


def test_shifted_images_are_what_is_learned(data):
    still = images_learned(data)
    moved = images_learned(data, image_shift=1)
    stayed = (moved == still).all(dim=2).float().mean(dim=1)
    assert ((stayed > 0.02) & (stayed < 0.3)).all()  # one in nine stays, more or less
    # A share of them, from the second epoch on: what moves goes where it went before.
    some = images_learned(data, image_shift=1, image_shift_share=0.5, image_shift_start=1)
    assert (some[0] == still[0]).all()
    as_moved, as_still = (some[1] == moved[1]).all(dim=1), (some[1] == still[1]).all(dim=1)
    assert (as_moved | as_still).all()
    assert 0.35 < (~as_still).float().mean() < 0.55  # eight in nine of a half
