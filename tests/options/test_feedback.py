"""Errors that come back through other synapses than Wᵀ, to the bit alike in all that computes."""

from __future__ import annotations

import dataclasses
from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from differential.accounts import Examination
from differential.draw import draw
from lava_desire import Conv2d, Dense, DesireConfig, DesireNetwork, fixed
from lava_desire.model.options.feedback import FEEDBACKS
from lava_desire.randomness import feedback_held, initial_weights

OTHERS = FEEDBACKS[1:]
CASE = 6
LAYERS = (64, 40, 30, 10)


@cache
def examination(feedback, **fields):
    found, case = Examination(CASE), draw(CASE)
    config = case.config.replace(feedback=feedback, class_margin=0, rate_floor=0.1, **fields)
    found.case = dataclasses.replace(case, config=config)
    return found


@pytest.mark.parametrize("feedback", OTHERS)
@pytest.mark.parametrize(
    "pair",
    [
        ("torch operations", "compiled kernels"),
        ("torch operations", "the rule on NumPy"),
        ("torch operations", "the engine, resumed"),
    ],
    ids=" = ".join,
)
def test_backends_learn_the_same(feedback, pair):
    assert examination(feedback).compare(pair)


@pytest.mark.parametrize("alpha", [0, 0.625])
@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_integers_learn_what_their_equations_do(feedback, alpha):
    found = examination(feedback, synapse_decay=alpha)
    assert found.compare(("the engine in integers", "fixed on NumPy"))


@pytest.mark.parametrize("feedback", OTHERS)
@pytest.mark.skipif(find_spec("lava") is None, reason="Lava is not installed")
def test_lava_learns_what_the_engine_does(feedback):
    for account in ("Lava floating_pt", "Lava torch"):
        assert examination(feedback).compare(("the engine online", account))


@pytest.mark.parametrize("alpha", [0, 0.625])
@pytest.mark.skipif(find_spec("lava") is None, reason="Lava is not installed")
def test_lava_learns_what_the_engine_does_in_integers(alpha):
    found = examination("learned" if alpha else "sign", synapse_decay=alpha)
    assert found.compare(("the engine online in integers", "Lava fixed_pt"))


def passed_back(network, layer):
    """Return desires of a hidden layer, and those of z = Bᵀ c that NumPy computes."""
    activity = network.forward(np.random.default_rng(0).random((20, network.config.num_inputs)))
    desires = network.desires(activity, np.arange(20) % 10)
    config, counts = network.config, activity.counts[layer + 1].numpy()
    rate = (counts / (config.num_steps - config.error_margin)).astype(np.float32)
    desire = desires[layer].numpy().astype(np.float32)
    error = desire * np.abs((desire + 1) / 2 - rate)
    matrix = network.feedback_matrix(layer + 1).numpy()
    matrix = config.synapses[layer].matrix(matrix)
    z = (error.astype(np.float64) @ matrix.astype(np.float64)).astype(np.float32)
    threshold = config.desire_threshold_of(layer)
    return desires[layer - 1].numpy(), (z > threshold).astype(int) - (z < -threshold)


@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_desires_come_back_through_the_matrix(feedback):
    networks = [DesireNetwork(DesireConfig(LAYERS, feedback=feedback))]
    layers = [Conv2d(4, 3, stride=2), Conv2d(5, 2), Dense(10)]
    config = DesireConfig(layers=layers, input_shape=(1, 8, 8), feedback=feedback)
    networks.append(DesireNetwork(config))
    for network in networks:
        for weights in network.weights:
            weights.mul_(1.5)
        for layer in (1, 2):
            given, wanted = passed_back(network, layer)
            assert given.any()
            np.testing.assert_array_equal(given, wanted)


def test_random_feedback_is_a_third_each_and_as_large_as_initial_weights():
    config = DesireConfig((784, 300, 200, 10), feedback="random")
    held = feedback_held(config, 2)
    magnitudes, counts = np.unique(np.abs(held), return_counts=True)
    assert len(magnitudes) == 2
    assert counts / counts.sum() == pytest.approx([1 / 3, 2 / 3], abs=0.01)
    assert held.std() == pytest.approx(initial_weights(config)[1].std(), rel=0.01)
    assert abs(np.corrcoef(held.ravel(), initial_weights(config)[1].ravel())[0, 1]) < 0.02
    other = feedback_held(config.replace(seed=1), 2)
    assert (other != held).mean() > 0.5


def test_learned_feedback_gets_the_changes_of_the_weights():
    network = DesireNetwork(DesireConfig(LAYERS, feedback="learned"))
    before = [network.feedback_matrix(layer) - network.weights[layer - 1] for layer in (2, 3)]
    images = np.random.default_rng(0).random((20, 64))
    first = network.weights[1].clone()
    network.train_step(images, np.arange(20) % 10, 0.01)
    assert not torch.equal(first, network.weights[1])
    for layer, difference in zip((2, 3), before, strict=True):
        given = network.feedback_matrix(layer)
        torch.testing.assert_close(given, network.weights[layer - 1] + difference)


@pytest.mark.parametrize("feedback", OTHERS)
def test_integers_have_it_on_the_grid_of_the_weights(feedback):
    config = DesireConfig(LAYERS, feedback=feedback)
    network = DesireNetwork(config, arithmetic="fixed_point")
    real = DesireNetwork(config, weights=network.float_weights())
    for layer in (2, 3):
        found, step = network.feedback_matrix(layer), network.rule.step_of(layer)
        assert found.dtype == torch.int16
        assert len(found.unique()) > 2
        np.testing.assert_allclose(
            found.numpy(), real.feedback_matrix(layer).numpy() / step, atol=0.51
        )
    before = [network.feedback_matrix(2), network.weights[1].short()]
    network.train_step(np.random.default_rng(0).random((20, 64)), np.arange(20) % 10, 0.01)
    moved = network.weights[1].short() - before[1]
    assert moved.any()
    if feedback == "learned":
        torch.testing.assert_close(network.feedback_matrix(2), before[0] + moved)


def test_feedback_in_integers_is_held_to_ten_bits():
    kept = fixed.feedback_kept(np.float32([[300.0, -0.26]]), 0.5)
    assert kept.tolist() == [[511, -1]]
    policy = DesireConfig(LAYERS, feedback="learned").feedback_policy
    assert fixed.feedback_mantissas(policy, np.int8([[127, -128]]), kept).tolist() == [[511, -129]]


def test_what_is_no_feedback_is_refused():
    with pytest.raises(ValueError, match="expected one of transpose, random, sign, learned"):
        DesireConfig(LAYERS, feedback="dfa")
