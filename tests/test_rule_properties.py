"""What every function of the rule keeps to, whatever it is given."""

from __future__ import annotations

import inspect
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lava_desire import rule

try:
    import torch
except ImportError:
    torch = None

T, B, N = 7, 3, 5

brightness = arrays(np.float32, (B, N), elements=st.floats(0, 1, width=32))
levels = arrays(np.uint8, (B, N))
means = st.floats(0.01, 0.99)
reals = arrays(np.float32, (B, N), elements=st.floats(-4, 4, width=32))
squares = arrays(np.float32, (N, N), elements=st.floats(-4, 4, width=32))
rates = arrays(np.float32, (B, N), elements=st.floats(0, 1.25, width=32))
desires = arrays(np.int8, (B, N), elements=st.sampled_from([-1, 0, 1]))
spikes = arrays(np.bool_, (B, N))
trains = arrays(np.bool_, (T, B, N))
counts = arrays(np.int64, (B, N), elements=st.integers(0, T))
labels = arrays(np.int64, (B,), elements=st.integers(0, N - 1))
orders = st.permutations(range(N))
decays = st.floats(0, 0.99)
# As float32 holds them, so that multiples do not round.
thresholds = st.sampled_from([0.25, 0.5, 1.0, 2.0])
resets = st.sampled_from(["subtract", "zero"])


def same(one, other):
    np.testing.assert_array_equal(one, other)


def test_every_function_has_its_properties_here():
    functions = [name for name, value in vars(rule).items() if inspect.isfunction(value)]
    public = {name for name in functions if not name.startswith("_")} - {"array_namespace"}
    tested = {name.removeprefix("test_").split("__")[0] for name in globals() if "__" in name}
    assert public <= tested


@given(st.floats(0.015625, 1.0, width=32), st.floats(-4.0, 4.0, width=32))
def test_near_threshold__holds_between_the_ends_alone(width, potential):
    found = rule.near_threshold(np.array([potential], np.float32), 1.0, width)
    low, high = np.float32(1.0 - width), np.float32(1.0 + width)
    assert found.dtype == bool
    assert bool(found[0]) == bool(low < np.float32(potential) < high)


@given(st.sampled_from((-1, 0, 1)), st.floats(0.0, 1.0, width=32), st.booleans())
def test_eligible_error__is_a_share_with_the_sign_of_the_desire(desire, share, kept):
    d, e = np.array([desire], np.int8), np.array([share], np.float32)
    found = rule.eligible_error(d, e, np.array([kept]))
    assert found.dtype == np.float32
    assert found[0] == (desire * np.float32(share) if kept else 0)


@given(levels, means, orders)
def test_equalize_brightness__gives_all_images_the_same_mean(k, mean, order):
    equal = rule.equalize_brightness(k, mean)
    assert equal.dtype == np.uint8
    total = k.sum(axis=1, dtype=np.int64)
    assert not equal[total == 0].any()
    # Each pixel is its share of the wanted sum, rounded, or white.
    lit = total > 0
    share = k[lit] / total[lit, None] * round(255 * N * mean)
    assert (np.abs(equal[lit] - np.minimum(share, 255)) <= 0.5 + 1e-9).all()
    same(rule.equalize_brightness(k[:, order], mean), equal[:, order])
    same(rule.equalize_brightness(k[1], mean), equal[1])
    # Half as bright, doubled: the same image. Levels as floats are the same levels.
    same(
        rule.equalize_brightness(2 * (k.astype(np.int32) // 2), mean),
        rule.equalize_brightness(k // 2, mean),
    )
    same(rule.equalize_brightness(k.astype(np.float32) / np.float32(255), mean), equal)
    assert rule.equalize_brightness(k, 0) is k


@given(arrays(np.uint8, st.tuples(*[st.integers(1, 9)] * 3)), st.sampled_from((3, 5, 255)))
def test_off_levels__is_how_much_darker_a_pixel_is_than_its_surround(k, side):
    off, reach = rule.off_levels(k, side), side // 2
    assert off.dtype == np.uint8
    for image, row, column in np.ndindex(*k.shape):
        around = k[
            image,
            max(0, row - reach) : row + reach + 1,
            max(0, column - reach) : column + reach + 1,
        ]
        darker = Fraction(int(around.sum(dtype=np.int64)), around.size) - int(k[image, row, column])
        assert off[image, row, column] == min(255, max(0, math.floor(2 * darker + Fraction(1, 2))))
    same(rule.off_levels(k.swapaxes(1, 2), side), off.swapaxes(1, 2))
    same(rule.off_levels(k[:, ::-1, ::-1], side), off[:, ::-1, ::-1])
    same(rule.off_levels(k[0], side), off[0])
    assert not rule.off_levels(np.full_like(k, 7), side).any()


@given(brightness, st.data())
def test_encode_step__adds_up_to_the_brightness(x, data):
    threshold = data.draw(thresholds)
    rest = st.floats(0, threshold / 2, width=32)
    potential = data.draw(arrays(np.float32, (B, N), elements=rest))
    spike, after = rule.encode_step(potential, x, threshold)
    same(after, (potential + x) - np.float32(threshold) * spike)
    same(spike, potential + x >= threshold)


@given(brightness, orders)
def test_encode__is_between_silence_and_a_spike_a_step(x, order):
    train = rule.encode(x, T, 1.0)
    assert train.shape == (T, B, N)
    assert train.dtype == bool
    assert not train[:, x == 0].any()
    assert train[:, x == 1].all()
    count = train.sum(axis=0)
    assert (np.abs(count - T * x.astype(np.float64)) <= 1 + 1e-4).all()
    same(rule.encode(x[:, order], T, 1.0), train[..., order])
    same(rule.encode(x[1], T, 1.0), train[:, 1])
    # A brighter pixel never spikes less.
    pixels = np.argsort(x, axis=1)
    assert (np.diff(np.take_along_axis(count, pixels, axis=1), axis=1) >= 0).all()


@given(squares, spikes, orders, st.sampled_from([1.0, 1.25, 2.0]))
def test_synaptic_current__is_a_sum_whose_order_does_not_matter(weights, u, order, gain):
    current = rule.synaptic_current(weights, u, gain)
    assert current.dtype == np.float32
    same(rule.synaptic_current(weights[order], u, gain), current[:, order])
    turned = rule.synaptic_current(weights[:, order], u[:, order], gain)
    np.testing.assert_allclose(turned, current, rtol=1e-6, atol=1e-12)
    for sample in range(B):
        np.testing.assert_allclose(
            rule.synaptic_current(weights, u[sample], gain), current[sample], rtol=1e-6, atol=1e-12
        )
    same(rule.synaptic_current(-weights, u, gain), -current)
    assert not rule.synaptic_current(weights, np.zeros_like(u), gain).any()


@given(reals, reals, decays, thresholds, resets, spikes, orders)
def test_integrate_and_fire__masked_neurons_are_silent_and_others_unmoved(
    potential, current, decay, threshold, reset, mask, order
):
    fired, after = rule.integrate_and_fire(potential, current, decay, threshold, mask, reset)
    free, free_after = rule.integrate_and_fire(potential, current, decay, threshold, None, reset)
    assert not fired[~mask].any()
    same(fired[mask], free[mask])
    same(after[mask], free_after[mask])
    same(after[~mask], (decay * potential + current)[~mask])
    turned = rule.integrate_and_fire(
        potential[:, order], current[:, order], decay, threshold, mask[:, order], reset
    )
    same(turned[0], fired[:, order])
    same(turned[1], after[:, order])
    single = rule.integrate_and_fire(potential[1], current[1], decay, threshold, mask[1], reset)
    same(single[1], after[1])
    # What has not fired is below the threshold; a reset never raises a potential.
    assert (after[mask & ~fired] < threshold).all()
    assert (after <= decay * potential + current).all()
    if reset == "zero":
        assert not after[fired].any()


@given(trains, decays, decays)
def test_filter_current__puts_what_the_trace_says_into_the_potential(u, decay, alpha):
    current, potential, filtered, trace = (np.zeros((B, N)) for _ in range(4))
    for step in u:
        current = rule.filter_current(current, step.astype(float), alpha)
        _, potential = rule.integrate_and_fire(potential, current, decay, threshold=1e9)
        filtered = rule.decay_trace(filtered, step, alpha)
        trace = rule.decay_trace(trace, filtered, decay)
    same(potential, trace)


@given(trains, decays, orders)
def test_decay_trace__stays_below_that_of_a_spike_a_step(u, decay, order):
    trace = turned = np.zeros((B, N))
    for step in u:
        trace = rule.decay_trace(trace, step, decay)
        turned = rule.decay_trace(turned, step[:, order], decay)
    assert (trace >= u[-1]).all()
    assert (trace <= (1 / (1 - decay)) * (1 + 1e-12)).all()
    same(turned, trace[:, order])
    assert not trace[~u.any(axis=0)].any()


@given(counts, st.integers(0, T - 1), orders)
def test_firing_rate__grows_with_the_count_up_to_its_bound(n, margin, order):
    rate = rule.firing_rate(n, T, margin)
    assert rate.dtype == np.float32
    assert (rate >= 0).all()
    assert (rate <= np.float32(T / (T - margin))).all()
    same(rate >= 1, n >= T - margin)
    same(rule.firing_rate(n[:, order], T, margin), rate[:, order])


@given(trains)
def test_last_spikes__is_where_the_count_was_reached(s):
    last, reached = rule.last_spikes(s), s.cumsum(0) == s.sum(0)
    same(last == 0, ~s.any(0))
    same(last, np.where(s.any(0), reached.argmax(0) + 1, 0))
    same(rule.last_spikes(s[:, 1]), last[1])


@given(trains, orders)
def test_predict__gives_a_tie_to_the_earliest(s, order):
    n, last = s.sum(0), rule.last_spikes(s)
    strict, winner = rule.predict(n), rule.predict(n, last)
    same(winner[strict >= 0], strict[strict >= 0])
    turned = rule.predict(n[:, order], last[:, order])
    for sample in range(B):
        ranked = sorted(zip(-n[sample], last[sample], range(n.shape[1]), strict=True))
        decided = ranked[0][:2] != ranked[1][:2]
        assert winner[sample] == (ranked[0][2] if decided else rule.UNDECIDED)
        assert winner[sample] == (order[turned[sample]] if decided else rule.UNDECIDED)


@given(counts, orders)
def test_predict__follows_the_neurons_wherever_they_stand(n, order):
    winner = rule.predict(n)
    turned = rule.predict(n[:, order])
    for sample in range(B):
        ties = (n[sample] == n[sample].max()).sum() > 1
        assert (winner[sample] == rule.UNDECIDED) == ties
        if not ties:
            assert winner[sample] == order[turned[sample]]
            assert n[sample, winner[sample]] == n[sample].max()
    same(rule.predict(n[1]), winner[1])
    same(rule.predict(n + 1), winner)


@given(reals, st.floats(0, 4), orders)
def test_ternarize__is_odd_and_falls_with_the_threshold(x, threshold, order):
    d = rule.ternarize(x, threshold)
    assert d.dtype == np.int8
    same(rule.ternarize(-x, threshold), -d)
    same(rule.ternarize(x[:, order], threshold), d[:, order])
    same(d != 0, np.abs(x) > threshold)
    assert (np.abs(rule.ternarize(x, threshold + 0.5)) <= np.abs(d)).all()
    assert (d * x >= 0).all()


@given(rates, labels, orders)
def test_output_error__is_the_distance_from_one_and_from_zero(rate, label, order):
    error = rule.output_error(rate, label)
    rows = np.arange(B)
    same(error[rows, label], rate[rows, label] - 1)
    others = np.ones((B, N), bool)
    others[rows, label] = False
    same(error[others], rate[others])
    places = np.argsort(order)
    same(rule.output_error(rate[:, order], places[label]), error[:, order])
    same(rule.output_error(rate[1:2], label[1:2]), error[1:2])


@given(rates, labels, st.floats(0, 1), orders)
def test_output_desire__asks_more_of_one_class_and_less_of_others(rate, label, threshold, order):
    d = rule.output_desire(rate, label, threshold)
    rows = np.arange(B)
    others = np.ones((B, N), bool)
    others[rows, label] = False
    assert d.dtype == np.int8
    assert (d[rows, label] >= 0).all()
    assert (d[others] <= 0).all()
    places = np.argsort(order)
    same(rule.output_desire(rate[:, order], places[label], threshold), d[:, order])
    same(rule.output_desire(rate[1:2], label[1:2], threshold), d[1:2])
    perfect = np.zeros((B, N), np.float32)
    perfect[rows, label] = 1
    assert not rule.output_desire(perfect, label, threshold).any()


@given(counts, labels, st.integers(1, T), orders)
def test_margin_desire__asks_for_a_lead_and_for_nothing_more(n, label, margin, order):
    d = rule.margin_desire(n, label, margin)
    rows = np.arange(B)
    own = n[rows, label]
    others = n.copy()
    others[rows, label] = -1
    leads = own - np.maximum(others.max(axis=1), 0) >= margin
    assert d.dtype == np.int8
    same(d[rows, label], np.where(leads, 0, 1).astype(np.int8))
    assert not d[leads].any()
    for row in rows[~leads]:  # of the others, those that spike most
        fewer = (others[row] == others[row].max()) & (others[row] > 0)
        same(np.delete(d[row] == -1, label[row]), np.delete(fewer, label[row]))
    places = np.argsort(order)
    same(rule.margin_desire(n[:, order], places[label], margin), d[:, order])
    same(rule.margin_desire(n[1:2], label[1:2], margin), d[1:2])
    # One spike more for each of two or more classes changes no order.
    same(
        rule.margin_desire(n + 1, label, margin)[others.max(axis=1) > 0], d[others.max(axis=1) > 0]
    )


@given(desires, rates, spikes, orders)
def test_local_error__is_none_without_desire_or_behind_a_mask(d, rate, mask, order):
    c = rule.local_error(d, rate, mask)
    assert c.dtype == np.float32
    assert not c[(d == 0) | ~mask].any()
    assert (c * d >= 0).all()
    assert (np.abs(c) <= 1.25).all()
    same(c[mask], rule.local_error(d, rate)[mask])
    same(rule.local_error(d[:, order], rate[:, order], mask[:, order]), c[:, order])
    same(rule.local_error(d[1], rate[1], mask[1]), c[1])


@given(squares, desires, rates, spikes, orders)
def test_backpropagate_error__hears_only_neurons_that_desire(weights, d, rate, mask, order):
    c = rule.local_error(d, rate, mask)
    z = rule.backpropagate_error(weights, c)
    assert z.dtype == np.float32
    other = weights.copy()
    inert = ~c.any(axis=0)
    other[inert] = 99
    same(rule.backpropagate_error(other, c), z)
    same(rule.backpropagate_error(weights[:, order], c), z[:, order])
    turned = rule.backpropagate_error(weights[order], c[:, order])
    np.testing.assert_allclose(turned, z, rtol=1e-6, atol=1e-12)
    same(rule.backpropagate_error(weights, -c), -z)
    assert not rule.backpropagate_error(weights, np.zeros_like(c)).any()


@given(reals, st.floats(0, 2))
def test_hidden_desire__is_ternary_and_odd(z, threshold):
    d = rule.hidden_desire(z, threshold)
    assert set(np.unique(d)) <= {-1, 0, 1}
    same(rule.hidden_desire(-z, threshold), -d)
    same(d, rule.ternarize(z, threshold))


@given(desires, trains, trains, spikes, orders, st.integers(1, B - 1))
def test_desired_pairings__add_up_over_any_division_into_batches(d, s, u, mask, order, cut):
    trace, traces = np.zeros((B, N)), []
    for step in u:
        trace = rule.decay_trace(trace, step, 0.75)
        traces.append(trace)
    r = np.stack(traces)
    kept = d * mask
    pairs = rule.desired_pairings(kept, s, r)
    parts = [
        rule.desired_pairings(kept[part], s[:, part], r[:, part])
        for part in (slice(cut), slice(cut, None))
    ]
    same(parts[0] + parts[1], pairs)
    same(rule.desired_pairings(kept[::-1], s[:, ::-1], r[:, ::-1]), pairs)
    same(rule.desired_pairings(kept[:, order], s[..., order], r), pairs[order])
    same(rule.desired_pairings(kept, s, r[..., order]), pairs[:, order])
    same(rule.desired_pairings(-kept, s, r), -pairs)
    assert not pairs[~kept.any(axis=0)].any()
    assert not pairs[~s.any(axis=(0, 1))].any()
    assert not pairs[:, ~u.any(axis=(0, 1))].any()
    assert (np.abs(pairs) <= 4 * T * B).all()


@given(squares, st.floats(0, 1))
def test_weight_change__is_none_without_pairs_or_rate(pairings, rate):
    change = rule.weight_change(pairings.astype(np.float64), rate)
    assert change.dtype == np.float32
    same(rule.weight_change(-pairings.astype(np.float64), rate), -change)
    assert not rule.weight_change(pairings.astype(np.float64), 0.0).any()
    assert not change[pairings == 0].any()
    assert (change * pairings >= 0).all()


@given(arrays(np.int64, (N,), elements=st.integers(0, T)), st.floats(0, 1), st.data())
def test_follow_rate__stays_a_rate_between_the_old_and_the_new(num_spikes, share, data):
    rate = data.draw(arrays(np.float64, (N,), elements=st.floats(0, 1)))
    after = rule.follow_rate(rate, num_spikes, 1, T, share)
    assert after.dtype == np.float64
    new = num_spikes / T
    assert (after >= np.minimum(rate, new) - 1e-15).all()
    assert (after <= np.maximum(rate, new) + 1e-15).all()
    same(rule.follow_rate(rate, num_spikes, 1, T, 0.0), rate)
    same(rule.follow_rate(rate, 3 * num_spikes, 3, T, share), after)
    same(rule.follow_rate(rate, 3 * num_spikes, np.array(3), T, share), after)
    same(rule.follow_rate(rate, 0 * num_spikes, 0, T, 0.0), rate)  # no samples


@given(trains, decays, decays)
def test_mean_trace__is_that_of_a_spike_in_every_step(u, decay, alpha):
    current, trace, traces = np.zeros((B, N)), np.zeros((B, N)), []
    for step in np.ones_like(u):
        current = rule.decay_trace(current, step, alpha)
        trace = rule.decay_trace(trace, current, decay)
        traces.append(trace)
    mean = rule.mean_trace(T, decay, alpha)
    np.testing.assert_allclose(mean, np.mean(traces))
    assert 1 <= mean < 1 / (1 - decay) / (1 - alpha) + 1e-12


@given(arrays(np.int64, (N,), elements=st.integers(-T, T)), rates, st.floats(0, 1e-2))
def test_baseline_change__is_a_product_with_the_sign_of_less_desire(spikes_wanted, rate, eta):
    baseline = rate[0]
    change = rule.baseline_change(spikes_wanted, baseline, eta)
    assert change.dtype == np.float32
    assert (change * spikes_wanted[:, None] <= 0).all()
    same(rule.baseline_change(-spikes_wanted, baseline, eta), -change)
    assert not change[:, baseline == 0].any()
    assert np.linalg.matrix_rank(change.astype(np.float64), tol=1e-6) <= 1


@given(
    arrays(np.float64, (N,), elements=st.floats(0, 1)),
    st.floats(0.01, 0.9),
    rates,
    st.floats(0, 1e-2),
    st.integers(1, 64),
)
def test_rate_floor_change__lifts_what_spikes_too_little_and_nothing_else(
    rate, floor, traces, eta, num_samples
):
    mean_traces = traces[0]
    change = rule.rate_floor_change(rate, floor, mean_traces, num_samples, eta)
    assert change.dtype == np.float32
    assert (change >= 0).all()
    assert not change[rate >= floor].any()
    assert not change[:, mean_traces == 0].any()
    most = eta * num_samples * rule.LIFT
    assert (change <= np.float32(most * (1 + 1e-6)) * mean_traces * (1 + 1e-6)).all()
    lower = rule.rate_floor_change(rate / 2, floor, mean_traces, num_samples, eta)
    assert (lower >= change).all()


@given(reals, st.floats(0, 2, width=32))
def test_limit_weights__ends_within_the_limit_and_moves_nothing_else(weights, limit):
    limited = rule.limit_weights(weights, limit)
    assert limited.dtype == np.float32
    within = np.abs(weights) <= limit if limit else np.full(weights.shape, True)
    same(limited[within], weights[within])
    if limit:
        assert (np.abs(limited) <= np.float32(limit)).all()
        same(rule.limit_weights(limited, limit), limited)
        same(rule.limit_weights(-weights, limit), -limited)


@given(reals)
def test_local_loss__is_even_and_never_negative(error):
    loss = rule.local_loss(error)
    assert (loss >= 0).all()
    same(rule.local_loss(-error), loss)
    assert not loss[error == 0].any()


@given(squares, trains, trains, spikes)
def test_zero_desire_changes_no_weight(weights, s, u, mask):
    c = rule.local_error(np.zeros((B, N), np.int8), np.ones((B, N), np.float32), mask)
    z = rule.backpropagate_error(weights, c)
    d = rule.hidden_desire(z, 0.0)
    change = rule.weight_change(rule.desired_pairings(d, s, u.astype(np.float64)), 1.0)
    same(weights + change, weights)


@pytest.mark.skipif(torch is None, reason="torch is not installed")
@given(reals, rates, desires, trains, labels, resets, st.data())
def test_torch_computes_the_same_bits_in_any_shape(values, rate, d, s, label, reset, data):
    mask, decay = s[0], data.draw(decays)
    threshold = data.draw(thresholds)
    cases = [
        (rule.equalize_brightness, (rate / 2, 0.3)),
        (rule.off_levels, (s.astype(np.uint8) * 90, 3)),
        (rule.encode_step, (rate / 2, rate, threshold)),
        (rule.integrate_and_fire, (values, rate, decay, threshold, mask, reset)),
        (rule.decay_trace, (values.astype(np.float64), mask, decay)),
        (rule.firing_rate, (s.sum(0), T, 2)),
        (rule.predict, (s.sum(0),)),
        (rule.predict, (s.sum(0), s.sum(0)[:, ::-1].copy())),
        (rule.output_error, (rate, label)),
        (rule.output_desire, (rate, label, 0.3)),
        (rule.margin_desire, (s.sum(0), label, 2)),
        (rule.local_error, (d, rate, mask)),
        (rule.hidden_desire, (values, 0.05)),
        (rule.weight_change, (values.astype(np.float64), 1e-3)),
        (rule.local_loss, (values,)),
    ]
    for function, arguments in cases:
        tensors = [torch.tensor(a) if isinstance(a, np.ndarray) else a for a in arguments]
        by_numpy, by_torch = function(*arguments), function(*tensors)
        if not isinstance(by_numpy, tuple):
            by_numpy, by_torch = (by_numpy,), (by_torch,)
        for one, other in zip(by_numpy, by_torch, strict=True):
            np.testing.assert_array_equal(one, other.numpy(), err_msg=function.__name__)
