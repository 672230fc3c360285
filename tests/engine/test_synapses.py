"""A kind of synapse without a fast path runs, passes back and learns in every backend."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, DesireNetwork, fixed
from lava_desire.model.synapses import Synapse
from lava_desire.randomness import RoundingStream

CONFIG = DesireConfig((24, 40, 40, 10), learning_rate=1e-2, dropout_input=0.1, num_steps=16, seed=4)
FIXED = {"arithmetic": "fixed_point"}


@pytest.fixture
def one_to_one(monkeypatch):
    """Connect the second layer's neurons with one of the first each, weights (N,)."""
    monkeypatch.setattr(Synapse, "kinds", dict(Synapse.kinds))

    class OneToOne(Synapse):
        name: ClassVar[str] = "one_to_one"

        def _connect(self, pre_shape):
            self.post_shape, self.weight_shape, self.fan_in = pre_shape, (self.num_pre,), 1

        def forward(self, weights, pre):
            return pre * weights

        def transpose(self, weights, post):
            return post * weights

        def pair(self, post, pre):
            return (post * pre).sum(0)

    return CONFIG.replace(layers=(40, "one_to_one", 10), input_shape=(24,), trace_baseline=0.8)


def data(num_samples: int):
    draw = np.random.default_rng(1)
    images = (draw.random((num_samples, 24)) * 255).astype(np.uint8)
    return images, draw.integers(0, 10, num_samples)


def weights_of(num_weights: int, in_integers: bool = False) -> list[np.ndarray]:
    draw = np.random.default_rng(2)
    sizes = CONFIG.layer_sizes
    weights = [draw.normal(0, 0.4, (sizes[k + 1], sizes[k])).astype(np.float32) for k in range(3)]
    own = draw.uniform(0.4, 1.5, num_weights).astype(np.float32)
    weights[1] = own
    if in_integers:
        weights = [np.clip(np.rint(array * 60), -128, 127).astype(int) for array in weights]
    return weights


def same(mine, others) -> None:
    for one, other in zip(mine, others, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    "options", [{"kernels": "compiled"}, {"kernels": "torch"}, FIXED], ids=lambda each: str(each)
)
def test_it_does_what_a_dense_layer_of_a_diagonal_matrix_does(one_to_one, options):
    config = one_to_one
    if options == FIXED:
        config = config.replace(trace_baseline=0.0)
    own = weights_of(40, options == FIXED)
    diagonal = [own[0], np.diag(own[1]), own[2]]
    formats = {"formats": [fixed.LayerFormat(0, 60)] * 3} if options == FIXED else {}
    mine = DesireNetwork(config, weights=own, **options, **formats)
    dense = DesireNetwork(
        config.replace(layer_sizes=CONFIG.layer_sizes), weights=diagonal, **options, **formats
    )
    images, labels = data(8)
    results = [network.train_step(images, labels, 1e-2) for network in (mine, dense)]
    same(results[0].spikes, results[1].spikes)
    same(results[0].desires, results[1].desires)
    assert results[0].desires[0].any()
    assert results[0].spikes[2].any()
    assert results[0].num_active == results[1].num_active
    if options != FIXED:  # whose draws are those of other tables
        assert torch.equal(mine.weights[1], dense.weights[1].diagonal())
    same(mine.weights[::2], dense.weights[::2])
    assert not np.array_equal(mine.numpy_weights()[1], own[1])


def test_all_backends_agree_over_steps(one_to_one):
    networks = [
        DesireNetwork(one_to_one.replace(weight_limit=1.2, weight_average=0.9), kernels=name)
        for name in ("compiled", "torch")
    ]
    images, labels = data(24)
    for first in range(0, 24, 8):
        part = slice(first, first + 8)
        for network in networks:
            network.train_step(images[part], labels[part], 1e-2)
    same(networks[0].weights, networks[1].weights)


def test_integers_learn_by_the_functions_of_fixed(one_to_one):
    config = one_to_one.replace(trace_baseline=0.0)
    formats = [fixed.LayerFormat(0, 60)] * 3
    network = DesireNetwork(config, weights=weights_of(40, True), formats=formats, **FIXED)
    images, labels = data(1)
    before = network.numpy_weights()[1]
    kept = [np.ones((1, size), bool) for size in config.neurons[:-1]]
    result = network.train_step(images, labels, 1e-2, kept)
    traces = network.traces(result.activity, 0)[1][:, 0].numpy().astype(np.int64)
    spikes = result.spikes[2][:, 0].numpy() * result.desires[1][0].numpy()
    mantissa, shift = network.rule.rate_of(2, 1e-2)
    words = RoundingStream("weight", 40, 1, config.seed, 2).draw(0)[:, 0]
    change = fixed.saturate((spikes * traces).sum(0)) * mantissa
    expected = fixed.add_change(before, change, shift, words, formats[1])
    assert change.any()
    np.testing.assert_array_equal(network.numpy_weights()[1], expected)


def test_it_saves_and_resumes(one_to_one, tmp_path):
    network = DesireNetwork(one_to_one)
    network.train_step(*data(8), 1e-2)
    network.save(tmp_path / "network.safetensors")
    loaded = DesireNetwork.load(tmp_path / "network.safetensors")
    for each in (network, loaded):
        each.train_step(*data(5), 1e-2)
    same(network.weights, loaded.weights)
