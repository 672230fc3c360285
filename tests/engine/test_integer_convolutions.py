"""Convolutions in integers: the kernels, the sums of the model, and the copies of a weight."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, DesireNetwork, fixed
from lava_desire.backends.integers import backend
from lava_desire.model.conv2d import Conv2d
from lava_desire.model.integers.limits import STATE_LIMIT
from lava_desire.model.synapses import Dense
from lava_desire.randomness import RoundingStream

BATCH = 5
GEOMETRIES = {
    "uncovered": ((2, 8, 9), Conv2d(3, 3, stride=2), Conv2d(4, 2)),
    "padded": ((1, 7, 8), Conv2d(4, 4, stride=2, padding=1), Conv2d(3, 3, padding=2)),
    "oblong": ((3, 9, 6), Conv2d(2, (3, 2), stride=(1, 2), padding=(2, 1)), Conv2d(9, (2, 1))),
    "one position": ((2, 4, 5), Conv2d(6, (4, 5)), Conv2d(5, 1)),
    "stride beyond the kernel": ((2, 9, 9), Conv2d(3, 1, stride=2), Conv2d(4, 2, stride=3)),
}


def config_of(name: str, **changes) -> DesireConfig:
    shape, *convolutions = GEOMETRIES[name]
    fields = {
        "num_steps": 9,
        "threshold": 0.4,
        "dropout_conv": 0.2,
        "learning_rate": 0.1,
        "seed": 3,
    }
    fields["error_margin"] = 1
    fields |= {"desire_threshold_conv": 0.02, "desire_threshold_hidden": 0.02, **changes}
    return DesireConfig(layers=[*convolutions, Dense(3)], input_shape=shape, **fields)


def network_of(name: str, **changes) -> DesireNetwork:
    return DesireNetwork(config_of(name, **changes), arithmetic="fixed_point")


def data_of(config: DesireConfig) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(7)
    shape = BATCH, config.num_inputs
    return draw.integers(0, 256, shape).astype(np.uint8), draw.integers(0, 3, BATCH)


def learned(network: DesireNetwork):
    """Return what two steps and a look at the potentials give."""
    images, labels = data_of(network.config)
    results = [network.train_step(images, labels, 0.1) for _ in range(2)]
    found = [*results[0].spikes, *results[1].spikes, *results[0].desires, *results[1].desires]
    return [*found, *network.weights, *network.potentials(images)], network.take_ranges()


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("changes", [{}, {"reset": "zero", "dropout_conv": 0.0}])
def test_the_kernels_are_the_sums_of_the_model(monkeypatch, name, changes):
    network = network_of(name, **changes)
    before = network.numpy_weights()
    mine, ranges = learned(network)
    monkeypatch.setattr(backend, "Conv2d", type(None))
    expected, expected_ranges = learned(network_of(name, **changes))
    for one, other in zip(mine, expected, strict=True):
        assert torch.equal(one, other)
    assert ranges == expected_ranges
    for layer, weights in enumerate(network.numpy_weights()):
        assert (weights != before[layer]).any()
        assert mine[layer + 1].any()


@pytest.mark.parametrize("name", GEOMETRIES)
def test_a_change_is_the_sum_of_those_of_the_copies_rounded_once(name):
    network = network_of(name)
    before = network.numpy_weights()
    result = network.train_step(*data_of(network.config), 0.1)
    traces = network.traces(result.activity, 0)
    for number, synapse in enumerate(network.config.synapses[:2], start=1):
        spikes = result.spikes[number].numpy().astype(np.int64)
        signs = result.desires[number - 1].numpy() * result.activity.masks[number].numpy()
        signed = (spikes * signs).reshape(9, BATCH, *synapse.post_shape)
        (pad_h, pad_w), (step_h, step_w) = synapse.padding, synapse.stride
        planes = np.pad(
            traces[number - 1].numpy().astype(np.int64).reshape(9, BATCH, *synapse.pre_shape),
            [(0, 0)] * 3 + [(pad_h, pad_h), (pad_w, pad_w)],
        )
        pairs = np.zeros((BATCH, *synapse.weight_shape), np.int64)
        for y, x in np.ndindex(synapse.out_height, synapse.out_width):
            top, left = y * step_h, x * step_w
            rows, columns = synapse.kernel_size
            met = planes[..., top : top + rows, left : left + columns]
            pairs += np.einsum("tbo,tbcij->bocij", signed[..., y, x], met)
        mantissa, shift = network.rule.rate_of(number, 0.1)
        change = fixed.saturate(pairs).sum(0) * mantissa
        words = RoundingStream("weight", *synapse.weight_table, 3, number).draw(0)
        form, shape = network.rule.format_of(number), synapse.weight_shape
        expected = fixed.add_change(before[number - 1], change, shift, words.reshape(shape), form)
        assert change.any()
        np.testing.assert_array_equal(network.numpy_weights()[number - 1], expected)


def test_a_sum_over_positions_is_held_to_24_bits(monkeypatch):
    config = DesireConfig(layers=[Conv2d(2, 1), Dense(2)], input_shape=(2, 40, 40), num_steps=64)
    spikes, changed = [torch.ones((64, 1, 3200), dtype=torch.bool)] * 2, []
    desire = torch.tensor([1, -1], dtype=torch.int8).repeat_interleave(1600)[None]
    zero = [np.zeros((2, 2, 1, 1), int), np.zeros((2, 3200), int)]
    for kind in (Conv2d, type(None)):
        monkeypatch.setattr(backend, "Conv2d", kind)
        network = DesireNetwork(config, arithmetic="fixed_point", weights=zero)
        layer = network.backend.layers[0]
        network.backend.learn(layer, network.weights[0], 0.02, desire, None, *spikes)
        changed.append(network.weights[0].flatten().tolist())
    traces = network.backend.traces(layer, spikes[0], 0)
    assert int(traces[..., :1600].long().sum()) > STATE_LIMIT
    mantissa, shift = network.rule.rate_of(1, 0.02)
    exact = STATE_LIMIT * mantissa / 2**shift
    assert changed[0] == changed[1]
    assert np.abs(np.array(changed[0]) - [exact, exact, -exact, -exact]).max() <= 1


def test_a_batch_without_desire_changes_nothing():
    network = network_of("padded", desire_threshold_output=1.0)
    before = network.numpy_weights()
    result = network.train_step(*data_of(network.config), 0.1)
    assert not any(desire.any() for desire in result.desires)
    for one, other in zip(before, network.numpy_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
