"""The surrogate network is the engine's, and its gradient has Eq. 4's form."""

from __future__ import annotations

import pytest
import torch

from lava_desire import DesireConfig
from lava_desire.analysis.alignment import (
    LOSSES,
    PATHS,
    Understanding,
    alignment,
    cosine,
    layer_signals,
    satisfied,
    surrogate_pass,
    weight_directions,
)
from lava_desire.engine import DesireNetwork, fit

OTHERS = [{}, {"reset": "zero"}, {"synapse_decay": 0.5}]


def passed_of(network, images, masks=None):
    """A pass through the network's weights, and these."""
    inputs = torch.as_tensor(images)
    spikes = network.backend.unpack(network.backend.encode(inputs))
    weights = [each.double().requires_grad_() for each in network.weights]
    return surrogate_pass(network.config, weights, spikes, masks), weights


@pytest.mark.parametrize("changes", OTHERS, ids=str)
@pytest.mark.parametrize("dropped", [False, True])
def test_spikes_and_desires_are_the_engines_to_the_bit(trained, digits, changes, dropped):
    network = DesireNetwork(trained.config.replace(**changes), weights=trained.weights)
    images, labels = digits.train_images[:40], torch.as_tensor(digits.train_labels[:40]).long()
    masks = network.draw_masks(40) if dropped else None
    passed, _ = passed_of(network, images, masks)
    activity = network.forward(images, masks)
    for train, expected in zip(passed.trains, activity.spikes, strict=True):
        assert torch.equal(train.bool(), expected)
    for mine, theirs in zip(
        passed.passed_back(labels), network.desires(activity, labels), strict=True
    ):
        assert torch.equal(mine, theirs.float())


@pytest.mark.parametrize("changes", OTHERS, ids=str)
@pytest.mark.parametrize("loss", LOSSES)
def test_error_derivative_and_trace_multiply_to_autograds_gradient(trained, digits, changes, loss):
    network = DesireNetwork(trained.config.replace(**changes), weights=trained.weights)
    labels = torch.as_tensor(digits.train_labels[:40]).long()
    passed, weights = passed_of(network, digits.train_images[:40], network.draw_masks(40))
    value = passed.loss(labels, loss)
    signals = layer_signals(passed, labels, "gradient", passed.errors(value))
    found = weight_directions(passed, signals, "derivative")
    expected = torch.autograd.grad(value, weights)
    for mine, theirs in zip(found, expected, strict=True):
        assert torch.allclose(
            -mine, theirs.float(), rtol=1e-4, atol=1e-5 * float(theirs.abs().max())
        )


def test_desires_and_spikes_make_the_engines_update(trained, digits):
    images, labels = digits.train_images[:40], torch.as_tensor(digits.train_labels[:40]).long()
    passed, before = passed_of(trained, images)
    found = weight_directions(passed, layer_signals(passed, labels, "desire", []), "spike")
    network = DesireNetwork(trained.config, weights=trained.weights)
    activity = network.forward(images)
    network.update(activity, network.desires(activity, labels), 2.0**-4)
    for direction, weight, old in zip(found, network.weights, before, strict=True):
        assert torch.allclose(direction / 16, weight - old.float(), atol=1e-4)


def test_a_neuron_by_hand():
    """An input that always spikes, a weight of 1/2: p = 1/2, 7/8, 37/32, and a spike."""
    config = DesireConfig((1, 1), num_steps=3, error_margin=0, decay=0.75)
    passed = surrogate_pass(
        config, [torch.full((1, 1), 0.5)], torch.ones(3, 1, 1, dtype=torch.bool)
    )
    assert passed.potentials[0].flatten().tolist() == [0.5, 0.875, 1.15625]
    assert passed.counts.tolist() == [[1.0]]
    near, spike = (
        weight_directions(passed, [torch.ones(1, 1)], kind)[0].item() for kind in ("near", "spike")
    )
    assert (near, spike) == (1.75 + 2.3125, 2.3125)  # traces of two steps, of the last


def test_each_path_leaves_out_what_it_says(trained, digits):
    labels = torch.as_tensor(digits.train_labels[:40]).long()
    passed, _ = passed_of(trained, digits.train_images[:40])
    paths = {name: passed.passed_back(labels, **path) for name, path in PATHS.items()}
    ternary = {name: [set(each.unique().tolist()) <= {-1, 0, 1} for each in found]
               for name, found in paths.items()}  # fmt: skip
    assert ternary == {
        "passed_back": [False, False, False],
        "ternary_output": [False, False, True],
        "undamped": [True, True, True],
        "gated": [True, True, True],
        "desire": [True, True, True],
    }
    error = passed.errors(passed.loss(labels, "squared_error"))[-1].mean(0)
    assert cosine(paths["passed_back"][-1], error) == pytest.approx(1)


def test_alignment_of_an_output_is_known(trained, digits):
    found = alignment(trained, digits.train_images[:64], digits.train_labels[:64], "squared_error")
    assert found["updates"]["passed back"][-1] == pytest.approx(1)  # Eq. 5 is that gradient
    assert found["same_sign"][-1] == 1
    assert all(abs(each) < 1 + 1e-9 for cosines in found["updates"].values() for each in cosines)
    assert found["neurons"]["ternary"][0] >= found["neurons"]["desire"][0]


def test_networks_that_compute_otherwise_are_refused(trained, digits):
    pair = digits.train_images[:4], digits.train_labels[:4]
    with pytest.raises(ValueError, match="network is in fixed point: expected one in floating"):
        alignment(DesireNetwork(trained.config, arithmetic="fixed_point"), *pair, "desires")
    with pytest.raises(ValueError, match="feedback is sign: expected transpose, as errors come"):
        alignment(DesireNetwork(trained.config.replace(feedback="sign")), *pair, "desires")


def test_what_is_learned_satisfies_desires_and_leaves_the_network_as_it_is(trained, digits):
    before = [each.clone() for each in trained.weights]
    pair = digits.train_images[:32], digits.train_labels[:32]
    still, moved = (satisfied(trained, *pair, rate) for rate in (0.0, 1e-4))
    assert all(map(torch.equal, before, trained.weights))
    assert [layer[1] for layer in still["more"]] == [1, 1, 1]
    assert all(risen > fallen for risen, _, fallen in moved["more"])


def test_a_run_is_measured_epoch_by_epoch_and_keeps_its_bits(digits):
    config = DesireConfig((64, 12, 10), epochs=1, batch_size=16, learning_rate=1e-3)
    train = digits.train_images[:64], digits.train_labels[:64]
    watch = Understanding(*train)
    watched, alone = DesireNetwork(config), DesireNetwork(config)
    fit(watched, train, callbacks=[watch])
    fit(alone, train)
    assert all(map(torch.equal, watched.weights, alone.weights))
    assert [record["epoch"] for record in watch.records] == [0, 1]
    assert {"silent", "runaway", "cross_entropy", "squared_error", "satisfied"} < set(
        watch.records[-1]
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda passed, labels: passed.loss(labels, "hinge"), "kind is 'hinge': expected one of"),
        (lambda passed, labels: passed.post(1, "trace"), "kind is 'trace': expected one of"),
        (
            lambda passed, labels: layer_signals(passed, labels, "wish", []),
            "error is 'wish': expected one of",
        ),
    ],
)
def test_unknown_names_are_refused(trained, digits, call, message):
    passed, _ = passed_of(trained, digits.train_images[:2])
    with pytest.raises(ValueError, match=message):
        call(passed, torch.as_tensor(digits.train_labels[:2]).long())


def test_convolutions_are_refused():
    config = DesireConfig(layers=("2c3s2", "10"), input_shape=(1, 8, 8))
    with pytest.raises(ValueError, match="synapses of layer 1 are conv2d"):
        surrogate_pass(config, [], torch.zeros(20, 1, 64))
