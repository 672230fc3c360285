"""Recorded runs of the algorithm on real images: every spike, count and desire is the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from recordings import Golden, read

from lava_desire import rule
from lava_desire.engine import PRECISIONS, DesireNetwork

pytestmark = pytest.mark.golden


@pytest.fixture
def golden(golden_path: Path) -> Golden:
    return read(golden_path)


def test_the_configuration_of_the_recording_is_used_whole(golden: Golden, golden_path: Path):
    with np.load(golden_path) as file:
        fields = json.loads(str(file["config_json"]))
    used = golden.config.to_dict()
    for name in set(fields) & set(used):
        assert used[name] == fields[name]
    assert {"num_steps", "error_margin", "decay", "threshold", "learning_rate"} <= set(fields)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_train_step_repeats_the_recording(golden: Golden, precision: str):
    assert_repeats(golden, precision=precision)


@pytest.mark.parametrize("kernels", ["torch", "compiled"])
def test_train_step_repeats_the_recording_of_convolutions(convolution_path: Path, kernels: str):
    assert_repeats(read(convolution_path), kernels=kernels)


def assert_repeats(golden: Golden, **options: str) -> None:
    config = golden.config
    network = DesireNetwork(config, weights=golden.initial, **options)
    for sample in range(len(golden.labels)):
        chosen = slice(sample, sample + 1)
        result = network.train_step(
            golden.images[chosen],
            golden.labels[chosen],
            config.learning_rate,
            [mask[chosen] for mask in golden.masks[: config.num_layers]],
        )
        for layer in range(config.num_layers):
            np.testing.assert_array_equal(result.counts[layer + 1][0], golden.counts[layer][sample])
            np.testing.assert_array_equal(result.desires[layer][0], golden.desires[layer][sample])
        if sample < len(golden.spikes[0]):
            for layer, spikes in enumerate(result.spikes):
                np.testing.assert_array_equal(spikes[:, 0], golden.spikes[layer][sample])
    for mine, recorded in zip(network.numpy_weights(), golden.final, strict=True):
        assert np.abs(mine - recorded).max() < 1e-6


@pytest.mark.parametrize("as_array", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_the_functions_of_the_rule_alone_repeat_the_recording(golden: Golden, as_array):
    config = golden.config
    weights = [as_array(initial.copy()) for initial in golden.initial]
    for sample in range(len(golden.labels)):
        masks = [as_array(mask[sample : sample + 1]) for mask in golden.masks]
        image = golden.images[sample : sample + 1].astype(np.float32) / np.float32(255)
        label = as_array(golden.labels[sample : sample + 1])
        inputs = rule.encode(as_array(image), config.num_steps, config.threshold) & masks[0]
        received, spikes, counts = [], [], []
        for layer in range(1, config.num_layers + 1):
            current = rule.synaptic_current(
                weights[layer - 1], inputs, config.dropout_gain(layer - 1)
            )
            mask = masks[layer] if layer < config.num_layers else None
            trains, potential = [], as_array(np.zeros(current.shape[1:], np.float32))
            for step in range(config.num_steps):
                spike, potential = rule.integrate_and_fire(
                    potential, current[step], config.decay, config.threshold, mask
                )
                trains.append(np.asarray(spike))
            received.append(inputs)
            train = np.stack(trains)
            spikes.append(as_array(train))
            counts.append(as_array(train.sum(0)))
            inputs = as_array(np.concatenate([np.zeros_like(train[:1]), train[:-1]]))
            np.testing.assert_array_equal(counts[-1][0], golden.counts[layer - 1][sample])
        rates = [rule.firing_rate(n, config.num_steps, config.error_margin) for n in counts]
        desires = [rule.output_desire(rates[-1], label, config.desire_threshold_output)]
        for layer in range(config.num_layers, 1, -1):
            mask = masks[layer] if layer < config.num_layers else None
            error = rule.local_error(desires[0], rates[layer - 1], mask)
            z = rule.backpropagate_error(weights[layer - 1], error)
            desires.insert(0, rule.hidden_desire(z, config.desire_threshold_hidden))
        for layer in range(config.num_layers):
            np.testing.assert_array_equal(desires[layer][0], golden.desires[layer][sample])
            trace = as_array(np.zeros(received[layer].shape[1:]))
            traces = []
            for step in range(config.num_steps):
                trace = rule.decay_trace(trace, received[layer][step], config.decay)
                traces.append(np.asarray(trace))
            masked = layer + 1 < config.num_layers
            desire = desires[layer] * masks[layer + 1] if masked else desires[layer]
            pairings = rule.desired_pairings(desire, spikes[layer], as_array(np.stack(traces)))
            weights[layer] = weights[layer] + rule.weight_change(pairings, config.learning_rate)
    for mine, recorded in zip(weights, golden.final, strict=True):
        assert np.abs(np.asarray(mine) - recorded).max() < 1e-6
