from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, fit, rule
from lava_desire.backends.base import lif_scan, trace_scan
from lava_desire.backends.registry import default_precision
from lava_desire.backends.torch_ops import TorchBackend
from lava_desire.data import load_dataset
from lava_desire.engine import PRECISIONS, DesireNetwork
from lava_desire.model.synapses import Dense
from lava_desire.randomness import DropoutStream
from lava_desire.training.average import WeightAverage

from .threads import threads

CONFIG = DesireConfig((64, 60, 30, 10), learning_rate=1e-3, seed=5)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture
def batch(digits):
    return digits.train_images[:64], digits.train_labels[:64]


def masks_for(network: DesireNetwork, num_samples: int) -> list[np.ndarray]:
    generator = np.random.default_rng(1)
    return [
        generator.random((num_samples, size)) >= 0.3 for size in network.config.layer_sizes[:-1]
    ]


def test_a_batch_does_what_its_samples_do_one_by_one(batch):
    images, labels = batch
    network = DesireNetwork(CONFIG)
    before = network.numpy_weights()
    masks = masks_for(network, 64)
    changes = [np.zeros(weights.shape) for weights in before]
    counts, desires = [], []
    for sample in range(64):
        one = slice(sample, sample + 1)
        single = DesireNetwork(CONFIG, weights=before)
        result = single.train_step(images[one], labels[one], 1e-3, [mask[one] for mask in masks])
        counts.append([count[0] for count in result.counts])
        desires.append([desire[0] for desire in result.desires])
        for change, new, old in zip(changes, single.numpy_weights(), before, strict=True):
            change += new.astype(np.float64) - old
    together = network.train_step(images, labels, 1e-3, masks)
    for layer in range(4):
        assert torch.equal(together.counts[layer], torch.stack([c[layer] for c in counts]))
    for layer in range(3):
        assert torch.equal(together.desires[layer], torch.stack([d[layer] for d in desires]))
    for change, new, old in zip(changes, network.numpy_weights(), before, strict=True):
        assert np.abs(change).max() > 0
        np.testing.assert_allclose(new.astype(np.float64) - old, change, atol=5e-6)


def test_the_order_within_a_batch_changes_no_bit_of_the_weights(batch):
    images, labels = batch
    first, second = DesireNetwork(CONFIG), DesireNetwork(CONFIG)
    masks = masks_for(first, 64)
    order = np.random.default_rng(2).permutation(64)
    first.train_step(images, labels, 1e-3, masks)
    second.train_step(images[order], labels[order], 1e-3, [mask[order] for mask in masks])
    for mine, other in zip(first.weights, second.weights, strict=True):
        assert torch.equal(mine, other)


def test_the_number_of_threads_changes_no_bit_of_the_weights(batch):
    weights = []
    for count in (1, 2):
        with threads(count):
            network = DesireNetwork(CONFIG)
            for _ in range(3):
                network.train_step(*batch, 1e-3)
            weights.append(network.numpy_weights())
    for one, two in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, two)


def test_dropped_neurons_are_silent_and_keep_their_weights(batch):
    network = DesireNetwork(CONFIG)
    before = network.numpy_weights()
    masks = [np.ones((64, size), dtype=bool) for size in CONFIG.layer_sizes[:-1]]
    masks[1][:, :20] = False
    result = network.train_step(*batch, 1e-3, masks)
    after = network.numpy_weights()
    assert result.counts[1][:, :20].sum() == 0
    np.testing.assert_array_equal(after[0][:20], before[0][:20])
    np.testing.assert_array_equal(after[1][:, :20], before[1][:, :20])
    assert (after[0][20:] != before[0][20:]).any()


def test_without_desire_nothing_changes(digits):
    config = CONFIG.replace(desire_threshold_output=1e6)
    network = DesireNetwork(config)
    before = network.numpy_weights()
    result = network.train_step(digits.train_images[:8], digits.train_labels[:8], 1.0)
    assert result.num_active == 0
    for old, new in zip(before, network.numpy_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_hidden_layer_hears_the_layer_below_one_step_later():
    weights = [np.ones((1, 1), np.float32), np.ones((1, 1), np.float32)]
    network = DesireNetwork(DesireConfig((1, 1, 1), num_steps=6, error_margin=0), weights=weights)
    spikes = network.forward(np.array([[0.5]], np.float32)).spikes
    trains = ["".join(str(int(s)) for s in train[:, 0, 0]) for train in spikes]
    assert trains == ["010101", "010101", "001010"]


def test_eight_bit_images_spike_as_their_brightness_does(digits):
    images = np.arange(64, dtype=np.uint8)[None] * 4
    network = DesireNetwork(CONFIG)
    by_table = network.forward(images).spikes
    by_value = network.forward(images.astype(np.float32) / 255).spikes
    for one, other in zip(by_table, by_value, strict=True):
        assert torch.equal(one, other)


def test_evaluation_draws_no_masks_and_training_draws_one_a_sample(batch):
    network = DesireNetwork(CONFIG)
    network.forward(batch[0])
    assert network.samples_seen == 0
    network.train_step(*batch, 1e-3)
    assert network.samples_seen == 64


def test_hard_reset_leaves_no_rest():
    weights = [np.array([[1.5]], np.float32)]
    counts = {}
    for reset in ("subtract", "zero"):
        config = DesireConfig((1, 1), num_steps=8, error_margin=0, reset=reset)
        network = DesireNetwork(config, weights=weights)
        counts[reset] = int(network.forward(np.array([[0.6]], np.float32)).counts[1])
    assert counts["zero"] <= counts["subtract"]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_scan_over_the_window_is_the_rule_step_by_step(precision):
    generator = torch.Generator().manual_seed(3)
    backend = TorchBackend(CONFIG, torch.device("cpu"), precision)
    spikes = torch.rand(20, 4, 50, generator=generator) < 0.2
    weights = torch.randn(30, 50, generator=generator) * 0.2
    dense = Dense(30).connected((50,))
    current = backend._current(dense, weights, spikes.flatten(0, 1), 1.25).view(20, 4, 30)
    exact = rule.synaptic_current(weights, spikes, 1.25)
    tolerance = 0 if precision == "float32" else 1e-4
    assert (current - exact).abs().max() <= tolerance
    mask = torch.rand(4, 30, generator=generator) < 0.7
    scanned = lif_scan(current, 0.75, 1.0, mask, "subtract")
    potential = torch.zeros(4, 30)
    trace = torch.zeros(4, 50, dtype=torch.float64)
    traces = trace_scan(spikes, 0.75, torch.float64)
    for step in range(20):
        fired, potential = rule.integrate_and_fire(potential, current[step], 0.75, 1.0, mask)
        assert torch.equal(scanned[step], fired)
        trace = rule.decay_trace(trace, spikes[step], 0.75)
        assert torch.equal(traces[step], trace)


def test_a_cpu_is_exact_by_default_and_a_gpu_uses_its_tensor_cores():
    assert default_precision("cpu") == "float32"
    assert default_precision("cuda:1") == "bfloat16x2"


def test_save_and_load_give_the_same_network(tmp_path, batch):
    network = DesireNetwork(CONFIG)
    network.train_step(*batch, 1e-3)
    network.save(tmp_path / "network.safetensors")
    loaded = DesireNetwork.load(tmp_path / "network.safetensors")
    assert loaded.config == CONFIG
    assert loaded.samples_seen == 64
    assert torch.equal(loaded.predict(batch[0]), network.predict(batch[0]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"config": 3}, "config is a int"),
        ({"device": "tpu"}, "device is 'tpu'"),
        ({"precision": "float8"}, "precision is 'float8'"),
        ({"weights": [np.zeros((2, 2), np.float32)]}, "weights holds 1 arrays: expected 3"),
    ],
)
def test_a_wrong_argument_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        DesireNetwork(**{"config": CONFIG, **arguments})


def test_a_refused_step_leaves_the_weights(batch):
    network = DesireNetwork(CONFIG)
    before = network.numpy_weights()
    with pytest.raises(ValueError, match="learning_rate is -1"):
        network.train_step(*batch, -1)
    with pytest.raises(ValueError, match=r"labels hold 10 at \[0\]: expected classes in \[0, 10\)"):
        network.train_step(batch[0], batch[1] * 0 + 10, 1e-3)
    for old, new in zip(before, network.numpy_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.999])
def test_a_network_draws_the_masks_of_the_streams(probability):
    config = DesireConfig((5, 37, 2), seed=4, dropout_input=probability, dropout_hidden=0.3)
    network = DesireNetwork(config)
    drawn = [network.draw_masks(size) for size in (3, 40, 1, 6)]
    for layer, size, dropped in ((0, 5, probability), (1, 37, 0.3)):
        masks = np.concatenate([masks[layer].numpy() for masks in drawn])
        np.testing.assert_array_equal(masks, DropoutStream(size, dropped, 4, layer).draw(50))
    assert network.samples_seen == 50
    share = network.draw_masks(20, slice(3, 9))[1].numpy()
    np.testing.assert_array_equal(share, DropoutStream(37, 0.3, 4, 1).draw(70)[53:59])
    assert network.samples_seen == 70
    nothing = network.draw_masks(20, slice(20, 20))
    assert [mask.shape for mask in nothing] == [(0, size) for size in network.config.neurons[:-1]]


def test_another_configuration_is_computed_with_from_the_same_state():
    config = DesireConfig(
        (6, 4), num_steps=4, threshold=0.5, error_margin=1, trace_baseline=1.0, seed=2
    )
    network = DesireNetwork(config, weights=[np.full((4, 6), 0.2, np.float32)])
    images = np.full((2, 6), 200, np.uint8)
    network.train_step(images, [0, 1], learning_rate=0.0)
    rates, seen = network.input_rates.rates[0].clone(), network.samples_seen
    assert (network.predict(images) == -1).all()  # all neurons spike alike
    network.config = config.replace(threshold=2.0)
    alone = DesireNetwork(network.config, weights=network.weights)
    assert torch.equal(network.forward(images).counts[1], alone.forward(images).counts[1])
    assert torch.equal(network.input_rates.rates[0], rates)
    assert network.samples_seen == seen == 2
    with pytest.raises(ValueError, match=r"config has the layers 6-5: expected .* 6-4"):
        network.config = DesireConfig((6, 5))
    assert network.config.threshold == 2.0


def test_another_way_to_break_ties_is_used_at_once():
    weights = [np.array([[0.3], [0.23]], np.float32)]  # a spike each, in the steps 2 and 3
    config = DesireConfig((1, 2), num_steps=3, threshold=0.5, error_margin=0)
    network = DesireNetwork(config, weights=weights)
    assert network.forward([[1.0]]).counts[1].tolist() == [[1, 1]]
    assert network.predict([[1.0]]).tolist() == [-1]
    network.config = config.replace(tie_break="earliest")
    assert network.predict([[1.0]]).tolist() == [0]


@pytest.mark.parametrize("kernels", ["torch", "compiled"])
@pytest.mark.parametrize("of_state", [False, True])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda each: each.double(), "torch.float64 (3, 4): expected torch.float32 (3, 4)"),
        (lambda each: each.half(), "torch.float16 (3, 4): expected torch.float32 (3, 4)"),
        (lambda each: each[:, 1:], "torch.float32 (3, 3): expected torch.float32 (3, 4)"),
        (lambda each: each.numpy(), "<class 'numpy.ndarray'>: expected a tensor"),
    ],
)
def test_weights_whose_bytes_mean_something_else_are_refused(kernels, of_state, change, said):
    """Compiled code reads memory as it is: it must not take them for float32 of that shape."""
    config = DesireConfig((4, 3, 2), num_steps=8, batch_size=1, epochs=1)
    images, labels = np.full((2, 4), 255, np.uint8), np.array([0, 1])
    network = DesireNetwork(config, kernels=kernels)
    weights = [change(each) for each in network.weights]
    if not of_state:
        with pytest.raises(ValueError, match=f"weights of layer 1 are {re.escape(said)}"):
            network.weights = weights
        return
    network.state.weights = weights
    for use in (
        lambda: network.predict(images[:1]),
        lambda: network.predict(images),
        lambda: network.train_step(images, labels, 1e-3),
        lambda: network.train_step(images[:1], labels[:1], 1e-3),
        lambda: fit(network, (images, labels)),
    ):
        with pytest.raises(ValueError, match=f"weights of layer 1 are {re.escape(said)}"):
            use()
    network.state.weights = weights[:1]
    with pytest.raises(ValueError, match="weights holds 1 arrays: expected 2"):
        network.predict(images)


@pytest.mark.parametrize("kernels", ["torch", "compiled"])
@pytest.mark.parametrize("batch_size", [1, 2])
def test_averages_whose_bytes_mean_something_else_are_refused(kernels, batch_size):
    config = DesireConfig(
        (4, 3, 2), num_steps=8, batch_size=batch_size, epochs=1, weight_average=0.9
    )
    network = DesireNetwork(config, kernels=kernels)
    average, images = WeightAverage(network), torch.full((2, 4), 255, dtype=torch.uint8)
    network.state.average = [each.double() for each in network.state.average]
    said = "averages of layer 1 are torch.float64 (3, 4): expected torch.float32 (3, 4)"
    with pytest.raises(ValueError, match=re.escape(said)):
        network.learn_in_turn(images, torch.tensor([0, 1]), 1e-3, average)
