"""Known values by hand, properties by hypothesis; torch gives the bits that NumPy gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lava_desire import rule

try:
    import torch
except ImportError:
    torch = None

rates = arrays(np.float32, (3, 5), elements=st.floats(0, 2, width=32))
signed = arrays(np.int8, (3, 5), elements=st.sampled_from([-1, 0, 1]))
reals = arrays(np.float32, (3, 5), elements=st.floats(-4, 4, width=32))
trains = arrays(np.bool_, (6, 3, 5))


def f32(*values):
    return np.array(values, np.float32)


def test_the_encoder_spikes_as_often_as_brightness_says():
    spikes = rule.encode(f32(0, 0.25, 0.5, 1), 8, 1.0)
    np.testing.assert_array_equal(spikes.sum(0), [0, 2, 4, 8])
    np.testing.assert_array_equal(spikes[:, 1], [0, 0, 0, 1, 0, 0, 0, 1])


def test_a_membrane_decays_then_integrates_then_compares_then_subtracts():
    spikes, potential = rule.integrate_and_fire(f32(0.8, 0.8, 0.4), f32(0.4, 0.3, 2.5), 0.75, 1.0)
    np.testing.assert_array_equal(spikes, [True, False, True])
    np.testing.assert_allclose(potential, [0.0, 0.9, 1.8], atol=1e-6)


def test_a_potential_that_equals_the_threshold_fires():
    assert rule.integrate_and_fire(f32(0), f32(1), 0.75, 1.0)[0].all()


def test_a_dropped_neuron_integrates_and_never_fires():
    spikes, potential = rule.integrate_and_fire(f32(0), f32(3), 0.75, 1.0, np.array([False]))
    assert not spikes.any()
    assert potential == 3


def test_a_reset_to_zero_forgets_the_rest():
    _, potential = rule.integrate_and_fire(f32(0), f32(2.5), 0.75, 1.0, reset="zero")
    assert potential == 0


def test_the_gain_scales_what_a_synapse_carries():
    weights, spikes = f32(0.5, 0.25)[None], np.array([[True, False], [True, True]])
    np.testing.assert_array_equal(rule.synaptic_current(weights, spikes, 2.0), [[1.0], [1.5]])


def test_a_trace_decays_and_adds_the_spike():
    np.testing.assert_array_equal(rule.decay_trace(f32(1, 2), np.array([1, 0]), 0.75), [1.75, 1.5])


def test_a_rate_is_one_at_the_margin_and_may_exceed_it():
    np.testing.assert_array_equal(
        rule.firing_rate(np.array([0, 8, 16, 20]), 20, 4), [0, 0.5, 1, 1.25]
    )


def test_a_tie_is_undecided():
    counts = np.array([[3, 1, 3], [0, 0, 0], [1, 2, 0]])
    np.testing.assert_array_equal(rule.predict(counts), [rule.UNDECIDED, rule.UNDECIDED, 1])


def test_a_tie_may_go_to_the_earliest():
    counts, last = (
        np.array([[3, 1, 3], [0, 0, 0], [2, 2, 0]]),
        np.array([[9, 1, 8], [0] * 3, [7] * 3]),
    )
    np.testing.assert_array_equal(rule.predict(counts, last), [2, rule.UNDECIDED, rule.UNDECIDED])


def test_ternarize_is_strict_at_the_threshold():
    np.testing.assert_array_equal(
        rule.ternarize(f32(-0.5, -0.25, 0, 0.25, 0.5), 0.25), [-1, 0, 0, 0, 1]
    )


def test_the_label_desires_more_spikes_and_the_others_fewer():
    rate = f32(0.5, 0.5, 0.2)[None]
    np.testing.assert_array_equal(rule.output_desire(rate, np.array([0]), 0.3), [[1, -1, 0]])
    rate = f32(0.8, 0.3, 0.31)[None]
    np.testing.assert_array_equal(rule.output_desire(rate, np.array([0]), 0.3), [[0, 0, -1]])


def test_a_local_error_points_where_the_neuron_should_go():
    desire, rate = np.array([1, -1, 0, 1, 1], np.int8), f32(0.25, 0.25, 0.9, 1.25, 0.5)
    mask = np.array([1, 1, 1, 1, 0], bool)
    np.testing.assert_array_equal(rule.local_error(desire, rate, mask), [0.75, -0.25, 0, 0.25, 0])


def test_errors_travel_back_through_the_transposed_weights():
    weights = np.array([[1, 2, 3], [0, -1, 4]], np.float32)
    np.testing.assert_array_equal(
        rule.backpropagate_error(weights, f32(0.5, 1)[None]), [[0.5, 0, 5.5]]
    )


def test_an_update_pairs_postsynaptic_spikes_with_presynaptic_traces():
    desire = np.array([[1, -1]], np.int8)
    spikes = np.array([[[1, 0]], [[1, 1]]], bool)
    traces = np.array([[[1.0]], [[0.75]]])
    pairings = rule.desired_pairings(desire, spikes, traces)
    np.testing.assert_array_equal(pairings, [[1.75], [-0.75]])
    np.testing.assert_array_equal(rule.weight_change(pairings, 2.0), [[3.5], [-1.5]])


def test_a_loss_is_half_the_squared_error():
    np.testing.assert_array_equal(rule.local_loss(f32(-2, 0, 1)), [2, 0, 0.5])


@given(reals, st.floats(0, 2))
def test_ternarize_is_odd_and_ternary(values, threshold):
    desire = rule.ternarize(values, threshold)
    assert set(np.unique(desire)) <= {-1, 0, 1}
    np.testing.assert_array_equal(rule.ternarize(-values, threshold), -desire)


@given(signed, rates)
def test_a_local_error_has_the_sign_of_desire(desire, rate):
    error = rule.local_error(desire, rate)
    assert (error * desire >= 0).all()
    assert (error[desire == 0] == 0).all()


@given(trains, trains)
def test_without_desire_nothing_is_paired(spikes, others):
    traces = others.astype(np.float64)
    assert not rule.desired_pairings(np.zeros((3, 5), np.int8), spikes, traces).any()


@given(signed, trains, trains, st.permutations(range(5)))
def test_the_order_of_neurons_does_not_matter(desire, spikes, inputs, order):
    traces = inputs.astype(np.float64)
    straight = rule.desired_pairings(desire, spikes, traces)
    turned = rule.desired_pairings(desire[:, order], spikes[..., order], traces[..., order])
    np.testing.assert_array_equal(turned, straight[order][:, order])


@pytest.mark.skipif(torch is None, reason="torch is not installed")
@settings(max_examples=50)
@given(reals, rates, signed, trains, st.sampled_from(["subtract", "zero"]))
def test_torch_gives_the_bits_that_numpy_gives(values, rate, desire, spikes, reset):
    labels = np.array([0, 4, 2])
    mask = spikes[0]
    cases = [
        (rule.integrate_and_fire, (values, rate, 0.75, 1.0, mask, reset)),
        (rule.encode, (rate / 2, 7, 1.0)),
        (rule.synaptic_current, (values, spikes, 1.25)),
        (rule.decay_trace, (values, mask, 0.75)),
        (rule.firing_rate, (spikes.sum(0), 20, 4)),
        (rule.last_spikes, (spikes,)),
        (rule.predict, (spikes.sum(0),)),
        (rule.predict, (spikes.sum(0), spikes.sum(0)[:, ::-1].copy())),
        (rule.ternarize, (values, 0.3)),
        (rule.output_error, (rate, labels)),
        (rule.output_desire, (rate, labels, 0.3)),
        (rule.margin_desire, (spikes.sum(0), labels, 2)),
        (rule.local_error, (desire, rate, mask)),
        (rule.backpropagate_error, (values, rate[:, :3])),
        (rule.hidden_desire, (values, 0.05)),
        (rule.desired_pairings, (desire, spikes, spikes.astype(np.float64))),
        (rule.follow_rate, (rate[0].astype(np.float64), spikes.sum((0, 1)), 3, 7, 0.3)),
        (rule.limit_weights, (values, 0.3)),
        (rule.baseline_change, (spikes.sum((0, 1)), rate[0], 1e-3)),
        (rule.weight_change, (values.astype(np.float64), 1e-5)),
        (rule.local_loss, (values,)),
    ]
    for function, arguments in cases:
        tensors = [torch.tensor(a) if isinstance(a, np.ndarray) else a for a in arguments]
        by_numpy, by_torch = function(*arguments), function(*tensors)
        if not isinstance(by_numpy, tuple):
            by_numpy, by_torch = (by_numpy,), (by_torch,)
        for one, other in zip(by_numpy, by_torch, strict=True):
            assert str(other.dtype).endswith(str(one.dtype)), function.__name__
            np.testing.assert_array_equal(one, other.numpy(), err_msg=function.__name__)
