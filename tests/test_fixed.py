"""The arithmetic in integers: known values, and no integer wraps at the edges."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lava_desire import DesireConfig, fixed, rule
from lava_desire.fixed import IntegerRule, LayerFormat
from lava_desire.model.encoding import BRIGHTEST
from lava_desire.model.integers.limits import (
    ACCUMULATOR_LIMIT,
    STATE_LIMIT,
    TRACE_LIMIT,
    WEIGHT_EXPONENTS,
)

CONFIG = DesireConfig((784, 200, 100, 10))
FORMATS = [LayerFormat(0, 500)] * 3
STATE = st.integers(-STATE_LIMIT, STATE_LIMIT)
WORD = st.integers(0, 2**32 - 1)


def one(value, dtype=np.int64):
    return np.array([value], dtype)


def test_the_constants_are_those_of_the_specification():
    integers = IntegerRule(CONFIG)
    assert integers.decay == 3072
    assert integers.impulse == 31.75 * 256
    assert integers.encoder_threshold == 255
    assert integers.full_count == 16
    assert integers.output_threshold == 4  # more than 4.8 spikes are 5 or more
    assert integers.gain_into(1, True) == 64
    assert integers.gain_into(2, True) == 91  # 64 / 0.7 is 91.4
    assert integers.gain_into(2, False) == 64
    assert integers.threshold_of(1) == integers.format_of(1).threshold * 64


@pytest.mark.parametrize(("value", "decayed"), [(5, 3), (-5, -3), (1, 0), (-1, 0), (4, 3)])
def test_decay_rounds_toward_zero(value, decayed):
    assert fixed.decay_toward_zero(one(value), 3072) == decayed


@given(STATE, STATE, st.integers(64, 2**16 - 1), st.integers(0, 4095), st.integers(64, 2**23 - 64))
def test_a_potential_never_wraps(potential, activation, gain, decay, threshold):
    spikes, after = fixed.integrate_and_fire(
        one(potential), one(activation), gain, decay, threshold
    )
    exact = int(abs(potential) * decay // 4096) * (1 if potential >= 0 else -1) + activation * gain
    held = max(min(exact, STATE_LIMIT), -STATE_LIMIT)
    assert spikes[0] == (held > threshold)
    assert after[0] == held - threshold * (held > threshold)
    assert abs(int(after[0])) <= STATE_LIMIT


def test_a_potential_at_the_threshold_does_not_fire_and_one_unit_more_does():
    for potential, fires in ((640, False), (641, True)):
        spikes, after = fixed.integrate_and_fire(one(0), one(potential), 1, 0, 640)
        assert spikes[0] == fires
        assert after[0] == (1 if fires else 640)


@given(st.integers(-(2**31), 2**31), st.sampled_from(WEIGHT_EXPONENTS))
def test_an_activation_is_held_to_24_bits(total, exponent):
    exact = total * 2**exponent if exponent >= 0 else total // 2**-exponent
    found = int(fixed.apply_exponent(one(total), exponent)[0])
    assert found == max(min(exact, STATE_LIMIT), -STATE_LIMIT)


@given(arrays(np.int8, (3, 5)), arrays(np.bool_, (5,)), st.sampled_from(WEIGHT_EXPONENTS))
def test_activations_are_sums_of_mantissas(weights, spikes, exponent):
    total = (weights.astype(np.int64) * spikes).sum(1)
    np.testing.assert_array_equal(
        fixed.synaptic_activation(weights, spikes, exponent), fixed.apply_exponent(total, exponent)
    )


@given(st.integers(0, TRACE_LIMIT), st.booleans(), st.integers(0, 4095), WORD)
def test_a_trace_stays_in_seven_bits(trace, spike, decay, word):
    impulse = max(127 * 256 * (4096 - decay) >> 12, 1)
    found = fixed.decay_trace(one(trace), one(spike), decay, impulse, one(word, np.uint32))[0]
    exact = trace * decay / 4096 + spike * impulse / 256
    assert 0 <= found <= TRACE_LIMIT
    assert abs(min(exact, TRACE_LIMIT) - found) < 2


def test_traces_have_the_mean_of_what_they_round():
    words = np.random.default_rng(0).integers(0, 2**32, (20, 100_000), dtype=np.uint32)
    spikes = np.array([1, 0, 0, 1, 1, 0, 1, 0, 0, 0] * 2)
    trace, exact = np.zeros(100_000, np.int64), 0.0
    for spike, drawn in zip(spikes, words, strict=True):
        trace = fixed.decay_trace(trace, np.full(100_000, spike), 3072, 8128, drawn)
        exact = 0.75 * exact + 31.75 * spike
        assert trace.mean() == pytest.approx(exact, abs=0.02)


@given(
    st.integers(0, STATE_LIMIT),
    st.integers(0, TRACE_LIMIT),
    st.sampled_from([-1, 0, 1]),
    st.integers(0, 255),
)
def test_the_accumulator_never_wraps(gathered, trace, desire, rate):
    pairings = fixed.gather_pairings(np.array([[gathered]]), np.array([True]), one(trace))
    assert pairings[0, 0] == min(gathered + trace, STATE_LIMIT)
    change = fixed.weight_change(pairings, one(desire, np.int8), rate)
    exact = int(pairings[0, 0]) * desire * rate
    assert change[0, 0] == max(min(exact, ACCUMULATOR_LIMIT), -ACCUMULATOR_LIMIT)


@given(
    st.integers(2, 8),
    st.integers(-128, 127),
    st.integers(-ACCUMULATOR_LIMIT, ACCUMULATOR_LIMIT),
    st.integers(0, 31),
    WORD,
)
def test_a_weight_is_held_to_its_bits(bits, start, change, shift, word):
    form = LayerFormat(0, 500, bits)
    start = max(min(start, form.highest), form.lowest)
    found = fixed.add_change(one(start, np.int8), one(change), shift, one(word, np.uint32), form)
    exact = start + ((change + (word >> 32 - shift)) >> shift)
    assert found.dtype == np.int8
    assert found[0] == max(min(exact, form.highest), form.lowest)


@given(st.integers(-3000, 3000), st.integers(8, 20))
def test_a_change_has_the_mean_of_what_it_rounds(change, shift):
    words = np.random.default_rng(shift).integers(0, 2**32, 20_000, dtype=np.uint32)
    form = LayerFormat(0, 500, 8)
    added = fixed.add_change(np.zeros(20_000, np.int8), np.full(20_000, change), shift, words, form)
    assert added.mean() == pytest.approx(change / 2**shift, abs=0.02)


def test_no_pairs_make_no_change_whatever_is_drawn():
    words = np.array([0, 1, 2**31, 2**32 - 1], np.uint32)
    for shift in range(32):
        added = fixed.add_change(
            np.full(4, 7, np.int8), np.zeros(4, np.int64), shift, words, LayerFormat(0, 500)
        )
        np.testing.assert_array_equal(added, 7)


@given(st.floats(1e-9, 1e-2), st.integers(1, 3))
def test_a_learning_rate_is_kept_to_half_a_percent(learning_rate, layer):
    integers = IntegerRule(CONFIG)
    mantissa, shift = integers.rate_of(layer, learning_rate)
    meant = learning_rate / (31.75 * integers.step_of(layer))
    assert 0 <= mantissa <= 255
    assert 0 <= shift <= 31
    assert mantissa / 2**shift == pytest.approx(meant, rel=1 / 256, abs=2.0**-32)


def test_a_learning_rate_of_zero_is_zero_and_a_huge_one_is_refused():
    integers = IntegerRule(CONFIG)
    assert integers.rate_of(1, 0.0) == (0, 0)
    with pytest.raises(ValueError, match=r"learning_rate is 1000000.0: expected at most"):
        integers.rate_of(1, 1e6)


def test_a_bound_below_any_step_of_a_weight_is_refused_by_its_name():
    said = r"weight_limit is 1e-09: expected more than .*, as a threshold of 1 has a mantissa"
    with pytest.raises(ValueError, match=said) as refused:
        fixed.default_formats(CONFIG.replace(weight_limit=1e-9))
    least = float(str(refused.value).split("more than ")[1].split(",")[0])
    assert fixed.default_formats(CONFIG.replace(weight_limit=1.01 * least))[0].weight_exp == -8


def test_a_learning_rate_may_become_zero_on_the_grid_but_not_begin_so():
    integers = IntegerRule(CONFIG.replace(learning_rate=1e-12))
    said = r"learning_rate is 1e-12, which is 0 on the grid of layer 1: expected 0, or [\d.e-]+ and"
    with pytest.raises(ValueError, match=said) as refused:
        integers.check_rate(1, 1e-12)
    assert integers.rate_of(1, float(str(refused.value).split(", or ")[1].split()[0]))[0] > 0
    integers.check_rate(1, 5e-13)
    integers.check_rate(1, 0.0)
    integers.check_rate(1, 1e-3)
    frozen = IntegerRule(CONFIG.replace(learning_rate=1e-3, learning_rate_scale=(0, 1, 1)))
    frozen.check_rate(1, 1e-3)


def test_the_first_epoch_that_learns_nothing_is_known_before():
    config = CONFIG.replace(
        learning_rate=1e-6, learning_rate_decay=0.5, learning_rate_scale=(1, 9, 0)
    )
    integers = IntegerRule(config)
    for layer in (1, 2):
        least = integers.least_rate(layer)
        assert integers.rate_of(layer, least) == (1, 31)
        assert integers.rate_of(layer, least / 2) == (0, 31)
    epochs = [
        next(e for e in range(99) if integers.rate_of(layer, config.learning_rate_at(e))[0] == 0)
        for layer in (1, 2)
    ]
    assert epochs[0] < epochs[1]
    assert integers.first_idle(range(99)) == (epochs[0], 1)
    assert integers.first_idle(range(epochs[0] + 3, 99)) == (epochs[0] + 3, 1)
    assert integers.first_idle(range(epochs[0])) is None
    assert integers.first_idle(range(10**9)) == (epochs[0], 1)
    assert IntegerRule(config.replace(learning_rate=0)).first_idle(range(99)) is None


def test_a_convolution_has_the_format_of_its_fan_in_and_the_mean_over_its_positions():
    layers, shape = ["16c5s2", "32c5s2", "10"], (1, 28, 28)
    integers = IntegerRule(DesireConfig(layers=layers, input_shape=shape, learning_rate=1e-12))
    dense = IntegerRule(DesireConfig((25, 400, 512, 10)))
    assert integers.format_of(1) == dense.format_of(1)
    assert integers.format_of(2) == dense.format_of(2)
    for layer, positions in ((1, 144), (2, 16), (3, 1)):
        assert integers.rate_of(layer, 1e-4) == dense.rate_of(layer, 1e-4 / positions)
    for layer, threshold in ((1, 0.2), (2, 0.05)):
        expected = threshold * integers.full_count / integers.step_of(layer + 1)
        assert integers.hidden_threshold(layer) == int(expected)
    with pytest.raises(
        ValueError, match=r"learning_rate is 1e-12, which is 0 on the grid of layer 1"
    ):
        integers.check_rate(1, 1e-12)
    with pytest.raises(
        ValueError, match=r"learning_rate is 100000.0: expected at most .* of layer 2"
    ):
        integers.check_rate(2, 1e5)


@pytest.mark.parametrize(("rate", "scale"), [(0.5, 1000.0), (1e300, 1e38)])
def test_a_refused_learning_rate_is_the_one_that_was_given(rate, scale):
    integers = IntegerRule(CONFIG.replace(learning_rate_scale=(1.0, scale, 1.0)))
    with pytest.raises(ValueError, match=f"learning_rate is {re.escape(repr(rate))}: ") as refused:
        integers.rate_of(2, rate)
    assert "on the grid of layer 2" in str(refused.value)
    assert str(refused.value).endswith(f"layer 2, whose learning_rate_scale is {scale:g}")
    largest = float(str(refused.value).split("at most ")[1].split()[0])
    integers.rate_of(2, largest * 0.99)
    with pytest.raises(ValueError, match="learning_rate is"):
        integers.rate_of(2, largest * 1.01)


@given(
    arrays(np.int64, (2, 6), elements=st.integers(0, 20)),
    arrays(np.int8, (2, 6), elements=st.sampled_from([-1, 0, 1])),
    arrays(np.bool_, (2, 6)),
)
def test_local_errors_are_the_rules_in_spikes(counts, desire, mask):
    rate = rule.firing_rate(counts, 20, 4)
    np.testing.assert_array_equal(
        fixed.local_error(desire, counts, 16, mask), 16 * rule.local_error(desire, rate, mask)
    )


@given(arrays(np.int64, (4, 10), elements=st.integers(0, 20)), st.integers(0, 9))
def test_output_desires_are_the_rules(counts, label):
    labels = np.full(4, label)
    integers = IntegerRule(CONFIG)
    np.testing.assert_array_equal(
        fixed.output_desire(counts, labels, integers.full_count, integers.output_threshold),
        rule.output_desire(rule.firing_rate(counts, 20, 4), labels, 0.30),
    )


@given(arrays(np.int8, (10, 7)), arrays(np.int64, (10,), elements=st.integers(-20, 20)))
def test_hidden_desires_are_the_rules_for_the_weights_that_mantissas_stand_for(weights, errors):
    integers = IntegerRule(CONFIG)
    z = fixed.backpropagate_error(weights, errors)
    real = (errors / 16) @ (weights.astype(np.float64) * integers.step_of(3))
    desire = fixed.hidden_desire(z, integers.hidden_threshold(2))
    np.testing.assert_array_equal(desire, rule.ternarize(real, 0.05))


def test_z_is_held_to_24_bits():
    weights, errors = np.full((2**16, 1), 127, np.int8), np.full(2**16, 20)
    assert fixed.backpropagate_error(weights, errors) == STATE_LIMIT
    assert fixed.backpropagate_error(weights, -errors) == -STATE_LIMIT


def test_a_pixel_of_255_spikes_every_step_and_the_trains_are_exact():
    trains = fixed.encode(np.arange(256), 255, 255)
    np.testing.assert_array_equal(trains.sum(0), np.arange(256))
    assert trains[:, 255].all()


@given(arrays(np.uint8, (5,)))
def test_bytes_as_floats_are_the_same_brightness(image):
    as_float = image.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(fixed.integer_brightness(as_float), image)


def test_a_boolean_pixel_is_dark_or_the_brightest():
    assert fixed.integer_brightness(np.array([True, False])).tolist() == [255, 0]


@pytest.mark.parametrize("image", [[1.5], [-0.5], [np.nan], [300], [-1]])
def test_brightness_that_would_wrap_around_is_refused(image):
    with pytest.raises(ValueError, match=r"expected \[0, (1|255)\]"):
        fixed.integer_brightness(np.array(image))


@given(st.integers(-STATE_LIMIT, STATE_LIMIT), st.integers(0, BRIGHTEST), st.integers(1, 1000))
def test_the_encoder_never_wraps(potential, brightness, threshold):
    spikes, after = fixed.encode_step(one(potential), one(brightness), threshold)
    held = min(potential + brightness, STATE_LIMIT)
    assert after[0] == held - threshold * (held >= threshold)
    assert spikes[0] == (held >= threshold)


@given(st.floats(1e-6, 2.0), st.integers(2, 8), st.sampled_from([0.5, 1.0, 3.0]))
def test_a_format_keeps_the_step_that_was_asked_for(step, bits, threshold):
    form = LayerFormat.of_step(step, threshold, bits)
    precision = 1e-3 if form.threshold >= 512 else 0.5 / form.threshold * 1.01
    assert form.step(threshold) == pytest.approx(step, rel=precision)
    weights = np.array([form.lowest, 0, form.highest, 10 * form.highest]) * form.step(threshold)
    mantissas = fixed.quantize_weights(weights, form, threshold)
    np.testing.assert_array_equal(mantissas, [form.lowest, 0, form.highest, form.highest])
    np.testing.assert_allclose(
        fixed.dequantize_weights(mantissas, form, threshold)[:3], weights[:3], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: LayerFormat(8, 500), r"weight_exp is 8: expected an integer in \[-8, 7\]"),
        (lambda: LayerFormat(0, 2**17), r"threshold is 131072: expected an integer in \[1, 131071"),
        (lambda: LayerFormat(0, 500, 9), r"weight_bits is 9: expected an integer in \[2, 8\]"),
        (lambda: LayerFormat(0, 2.5), "threshold is 2.5"),
        (lambda: LayerFormat.of_step(0.0, 1.0), "step is 0.0: expected a finite number > 0"),
        (lambda: LayerFormat.of_step(1e9, 1.0), "step is 1000000000.0 at a threshold of 1.0"),
        (lambda: fixed.default_formats(CONFIG, 1), "weight_bits is 1"),
        (lambda: IntegerRule(CONFIG, [LayerFormat(0, 500)]), "formats holds 1 formats: expected 3"),
        (lambda: IntegerRule(CONFIG, [None] * 3), "formats holds None"),
        (lambda: IntegerRule(CONFIG.replace(threshold=1e-3)), r"threshold is 0.001: expected"),
        (lambda: IntegerRule(CONFIG.replace(threshold=2.0**-90)), r"threshold is 8.07.*e-28: exp"),
        (lambda: IntegerRule(CONFIG.replace(threshold=2.0**90)), r"threshold is 1.23.*e\+27: exp"),
        (
            lambda: IntegerRule(CONFIG.replace(threshold=1e5), FORMATS),
            r"threshold is 100000.0: expected",
        ),
        (lambda: IntegerRule(CONFIG.replace(num_steps=4097)), r"num_steps is 4097: .* \[1, 4096\]"),
        (
            lambda: IntegerRule(CONFIG.replace(dropout_hidden=0.9999)),
            "dropout_hidden is 0.9999: ex",
        ),
        (lambda: IntegerRule(CONFIG.replace(dropout_input=0.9995)), "dropout_input is 0.9995: exp"),
        (
            lambda: IntegerRule(
                DesireConfig(layers=["2c3", 4, 2], input_shape=(1, 5, 5), dropout_conv=0.9995)
            ),
            r"dropout_conv is 0.9995: expected at most 0.9990 in fixed point",
        ),
        (lambda: fixed.formats_from_dicts([{"bits": 8}]), "formats are"),
    ],
)
def test_a_wrong_value_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()
