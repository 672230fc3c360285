"""The twin: its kernels are the functions of `fixed`, and it trains, saves and resumes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_desire import DesireConfig, DesireNetwork, evaluate, fit, fixed, load_dataset, rule
from lava_desire.backends.integers import kernels as fixed_kernels
from lava_desire.backends.numba.philox import draw_eight, draw_parts
from lava_desire.checkpoint import CheckpointError
from lava_desire.engine import read_checkpoint
from lava_desire.fixed import LayerFormat, default_formats
from lava_desire.model.integers.arithmetic import apply_exponent
from lava_desire.model.integers.limits import ACCUMULATOR_LIMIT, STATE_LIMIT
from lava_desire.operations import count_operations
from lava_desire.randomness import RoundingStream

from .threads import threads

CONFIG = DesireConfig(
    (64, 30, 10), learning_rate=1e-3, dropout_input=0.1, batch_size=8, epochs=2, seed=3
)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def integer_network(config=CONFIG, **options):
    return DesireNetwork(config, arithmetic="fixed_point", **options)


def by_hand(network, image, label, masks, sample, learning_rate):
    """Learn one sample with the functions of `fixed` alone; return every integer."""
    config, integers = network.config, network.rule
    weights = network.numpy_weights()
    sizes, steps = config.layer_sizes, config.num_steps
    equalized = rule.equalize_brightness(image, config.image_brightness)
    brightness = fixed.integer_brightness(equalized)
    inputs = fixed.encode(brightness, steps, integers.encoder_threshold) & masks[0]
    spikes, potentials, traces = [inputs], [], []
    for layer in range(1, config.num_layers + 1):
        form = integers.format_of(layer)
        stream = RoundingStream("trace", steps, sizes[layer - 1], config.seed, layer)
        words = stream.draw(sample)
        potential, trace = np.zeros(sizes[layer], np.int64), np.zeros(sizes[layer - 1], np.int64)
        train, reached, history = [], [], []
        for step in range(steps):
            activation = fixed.synaptic_activation(
                weights[layer - 1], inputs[step], form.weight_exp
            )
            fires, potential = fixed.integrate_and_fire(
                potential,
                activation,
                integers.gain_into(layer, True),
                integers.decay,
                integers.threshold_of(layer),
                masks[layer] if layer < config.num_layers else None,
                config.reset,
            )
            trace = fixed.decay_trace(
                trace, inputs[step], integers.decay, integers.impulse, words[step]
            )
            train.append(fires)
            reached.append(potential)
            history.append(trace)
        spikes.append(np.stack(train))
        potentials.append(np.stack(reached))
        traces.append(np.stack(history))
        inputs = np.concatenate([np.zeros_like(spikes[-1][:1]), spikes[-1][:-1]])
    counts = [train.sum(0) for train in spikes]
    labels = np.array([label])
    if config.class_margin:
        desire = rule.margin_desire(counts[-1][None], labels, config.class_margin)[0]
    else:
        desire = fixed.output_desire(
            counts[-1][None], labels, integers.full_count, integers.output_threshold
        )[0]
    desires = [desire]
    for layer in range(config.num_layers, 1, -1):
        mask = masks[layer] if layer < config.num_layers else None
        error = fixed.local_error(desire, counts[layer], integers.full_count, mask)
        z = fixed.backpropagate_error(weights[layer - 1], error)
        desire = fixed.hidden_desire(z, integers.hidden_threshold(layer - 1))
        desires.insert(0, desire)
    for layer in range(1, config.num_layers + 1):
        wanted = desires[layer - 1]
        if layer < config.num_layers:
            wanted = wanted * masks[layer]
        pairings = np.zeros(weights[layer - 1].shape, np.int64)
        for step in range(steps):
            pairings = fixed.gather_pairings(pairings, spikes[layer][step], traces[layer - 1][step])
        mantissa, shift = integers.rate_of(layer, learning_rate)
        stream = RoundingStream("weight", *weights[layer - 1].shape, config.seed, layer)
        weights[layer - 1] = fixed.add_change(
            weights[layer - 1],
            fixed.weight_change(pairings, wanted, mantissa),
            shift,
            stream.draw(sample),
            integers.format_of(layer),
        )
    return spikes, potentials, traces, desires, weights


@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("exponent", [2, -2])
@pytest.mark.parametrize("margin", [0, 5])
def test_the_kernels_are_the_functions_of_fixed(digits, reset, exponent, margin):
    config = DesireConfig(
        (64, 30, 20, 10),
        learning_rate=5e-3,
        dropout_input=0.1,
        reset=reset,
        seed=5,
        class_margin=margin,
        image_brightness=margin / 10,
    )
    # Exponents that no one would choose, for the shift to the right.
    formats = [LayerFormat(exponent, 400 if exponent > 0 else 20)] * 3
    network = integer_network(config, formats=formats)
    for sample in range(12):
        chosen = slice(sample, sample + 1)
        images = digits.train_images[chosen]
        masks = [torch.from_numpy(stream.draw()) for stream in network._dropout]
        for stream in network._dropout:
            stream.seek(sample)
        potentials = network.potentials(images, masks)
        expected = by_hand(
            network,
            images[0],
            digits.train_labels[sample],
            [mask[0].numpy() for mask in masks],
            sample,
            config.learning_rate,
        )
        result = network.train_step(images, digits.train_labels[chosen], config.learning_rate)
        found = (
            [train[:, 0] for train in result.spikes],
            [values[:, 0] for values in potentials],
            [values[:, 0] for values in network.traces(result.activity, sample)],
            [desire[0] for desire in result.desires],
            network.numpy_weights(),
        )
        for mine, other in zip(expected, found, strict=True):
            for one, another in zip(mine, other, strict=True):
                np.testing.assert_array_equal(one, another)


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**50), st.integers(1, 40), st.integers(1, 9))
@settings(max_examples=50, deadline=None)
def test_the_compiled_philox_is_numpys(seed, sample, length, rows):
    stream = RoundingStream("weight", rows, length, seed, 2)
    row = sample % rows
    words, drawn = stream.draw(sample, row, 1)[0], np.empty(8, np.uint32)
    for part in range(stream.counters_a_row):
        draw_eight(stream.key, stream.counter_of(sample, row) + part, drawn)
        expected = words[8 * part : 8 * part + 8]
        np.testing.assert_array_equal(drawn[: len(expected)], expected)
    parts = np.arange(0, stream.counters_a_row, 2)
    together = np.zeros(8 * stream.counters_a_row, np.uint32)
    draw_parts(stream.key, stream.counter_of(sample, row), parts, parts, together)
    chosen = np.arange(length) // 8 % 2 == 0
    np.testing.assert_array_equal(together[:length], np.where(chosen, words, 0))
    packed, places = np.zeros(8 * len(parts), np.uint32), np.arange(len(parts))
    draw_parts(stream.key, stream.counter_of(sample, row), parts, places, packed)
    np.testing.assert_array_equal(packed, together.reshape(-1, 8)[parts].reshape(-1))


NEAR_ENDS = st.sampled_from([0, 1, 2**15, 2**22, 2**23 - 2, 2**23 - 1, 2**23, 2**31 - 400])


@given(
    st.lists(st.tuples(NEAR_ENDS, st.integers(-300, 300)), min_size=1, max_size=9),
    st.integers(-8, 7),
    st.one_of(st.integers(64, 200), st.integers(64, 2**40)),
    st.sampled_from([0, 1, 2048, 4095]),
    st.integers(0, 4095),
    st.integers(1, 2**17 - 1),
    st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_neurons_saturate_as_those_of_fixed(
    sums, exponent, gain, filtering, decay, mantissa, subtract
):
    """Also where products would not fit 32 bits, in which the kernel computes."""
    signed = np.array([near * (1 if off % 2 else -1) + off for near, off in sums])
    steps = np.stack([signed, -signed, signed, signed])[:, None]
    found, reached = np.empty(steps.shape, bool), np.empty(steps.shape, np.int32)
    constants = exponent, gain, filtering, decay, mantissa << 6, subtract
    notes, near, band = np.zeros(5, np.int64), np.empty(steps.shape, bool), (0, mantissa << 7)
    everyone = np.empty((0, 0), bool)
    fixed_kernels.run_neurons(steps, constants, everyone, found, band, near, reached, notes)
    potential, overflows = np.zeros(signed.shape, np.int64), 0
    current, largest = np.zeros_like(potential), 0
    for step, now in enumerate(steps[:, 0]):
        activation = apply_exponent(now, exponent)
        is_held = activation != (now << exponent if exponent >= 0 else now >> -exponent)
        largest = max(largest, int(np.abs(activation).max()))
        if filtering:
            kept = fixed.decay_toward_zero(current, filtering)
            current = fixed.filter_current(current, activation, gain, filtering)
            is_held |= current != kept + activation * gain
        overflows += is_held.sum()
        arrived = (current, 1) if filtering else (activation, gain)
        before = fixed.integrate(potential, *arrived, decay)
        spikes, potential = fixed.integrate_and_fire(
            potential,
            *arrived,
            decay,
            mantissa << 6,
            reset="subtract" if subtract else "zero",
        )
        np.testing.assert_array_equal(near[step, 0], (before > band[0]) & (before < band[1]))
        np.testing.assert_array_equal(found[step, 0], spikes)
        np.testing.assert_array_equal(reached[step, 0], potential)
    assert notes[fixed_kernels.ACTIVATIONS_SATURATED] == overflows
    assert notes[fixed_kernels.LARGEST_ACTIVATION] == largest


def test_threads_change_no_integer(digits):
    weights = []
    for count in (1, 3):
        network = integer_network(CONFIG.replace(trace_baseline=1.0, rate_floor=0.1))
        with threads(count):
            network.train_step(digits.train_images[:9], digits.train_labels[:9], 1e-3)
        weights.append([*network.numpy_weights(), *map(vars, network.take_ranges())])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_equal(one, other)


def test_a_sample_of_a_batch_has_the_draws_that_it_has_alone(digits):
    images, labels = digits.train_images[:8], digits.train_labels[:8]
    together = integer_network()
    result = together.train_step(images, labels, 0.0)
    traces = together.traces(result.activity, 0)
    alone = integer_network()
    for sample in range(8):
        one = slice(sample, sample + 1)
        single = alone.train_step(images[one], labels[one], 0.0)
        for layer, values in enumerate(alone.traces(single.activity, sample)):
            np.testing.assert_array_equal(values[:, 0], traces[layer][:, sample])
            np.testing.assert_array_equal(
                single.spikes[layer + 1][:, 0], result.spikes[layer + 1][:, sample]
            )
            np.testing.assert_array_equal(single.desires[layer][0], result.desires[layer][sample])
    assert together.samples_seen == alone.samples_seen == 8


def test_the_mean_change_of_weights_is_that_of_the_equation(digits):
    """Over many seeds the integers learn η Σ d s r, the sum with exact traces."""
    base = DesireConfig((64, 10), learning_rate=2e-3)
    image, label = digits.train_images[:1], digits.train_labels[:1]
    start = integer_network(base).numpy_weights()
    changes = []
    for seed in range(400):
        network = integer_network(base.replace(seed=seed), weights=start)
        result = network.train_step(image, label, base.learning_rate)
        changes.append(network.numpy_weights()[0].astype(int) - start[0])
    inputs, outputs = (train.numpy().astype(float) for train in result.spikes)
    traces, trace = [], np.zeros((1, 64))
    for spikes in inputs:
        trace = rule.decay_trace(trace, spikes, base.decay)
        traces.append(trace)
    pairings = rule.desired_pairings(result.desires[0].numpy(), outputs, np.stack(traces))
    wanted = rule.weight_change(pairings, base.learning_rate) / network.rule.step_of(1)
    assert np.abs(wanted).max() > 0.5
    error = np.mean(changes, axis=0) - wanted
    assert np.abs(error).max() < 0.15
    assert abs(error.mean()) < 0.01


def test_potentials_are_held_at_the_end_of_24_bits_and_counted():
    config = DesireConfig((3, 1), num_steps=30)
    network = integer_network(config, weights=[np.full((1, 3), 127)], formats=[LayerFormat(7, 1)])
    potentials = network.potentials(np.ones((1, 3), np.float32))[0]
    assert potentials.max() == STATE_LIMIT - network.rule.threshold_of(1)
    assert (potentials.diff(dim=0) >= 0).all()
    (reached,) = network.take_ranges()
    assert reached.highest == STATE_LIMIT
    assert reached.largest_activation == 3 * 127 << 7
    assert reached.potentials_saturated == 27
    (reached,) = network.take_ranges()
    assert reached.potentials_saturated == 0


def test_weights_that_would_leave_their_range_stay_at_its_end():
    rows = np.array([[127], [-128]], np.int8)
    changes = np.array([[ACCUMULATOR_LIMIT * 4, -ACCUMULATOR_LIMIT * 4]])
    held = fixed_kernels.add_changes(
        rows, np.array([0]), changes, 0, np.array([1, 2], np.uint64), 0, -128, 127
    )
    assert held == 2
    np.testing.assert_array_equal(rows[:, 0], [127, -128])


def test_learning_in_integers_classifies_digits(digits):
    network = integer_network(DesireConfig.preset("digits").replace(epochs=3))
    history = fit(network, digits.train, digits.test)
    assert network.weights[0].dtype == torch.int8
    assert history.last.test_accuracy > 0.8
    assert evaluate(network, digits.test).accuracy == history.last.test_accuracy


def test_a_resumed_run_ends_as_an_unbroken_one(digits, tmp_path):
    train = (digits.train_images[:64], digits.train_labels[:64])
    whole = integer_network()
    fit(whole, train, digits.test, folder=tmp_path / "whole")
    parts = integer_network(CONFIG.replace(epochs=1))
    fit(parts, train, digits.test, folder=tmp_path / "parts")
    resumed = integer_network()
    fit(resumed, train, digits.test, folder=tmp_path / "parts", resume=True)
    for one, other in zip(whole.numpy_weights(), resumed.numpy_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_formats_or_floats_do_not_resume_a_run(digits, tmp_path):
    train = (digits.train_images[:16], digits.train_labels[:16])
    fit(integer_network(), train, digits.test, folder=tmp_path)
    for other in (
        integer_network(formats=default_formats(CONFIG, 6)),
        DesireNetwork(CONFIG),
    ):
        with pytest.raises(CheckpointError, match="was trained with formats"):
            fit(other, train, digits.test, folder=tmp_path, resume=True)


def test_a_checkpoint_keeps_mantissas_formats_and_the_place_in_the_random_streams(digits, tmp_path):
    path = tmp_path / "network.safetensors"
    network = integer_network(formats=default_formats(CONFIG, 6))
    network.train_step(digits.train_images[:5], digits.train_labels[:5], 1e-3)
    network.save(path)
    loaded = DesireNetwork.load(path)
    assert loaded.arithmetic == "fixed_point"
    assert read_checkpoint(path).arithmetic == "fixed_point"
    assert loaded.rule.formats == network.rule.formats
    for each in (network, loaded):
        each.train_step(digits.train_images[5:9], digits.train_labels[5:9], 1e-3)
    for one, other in zip(network.numpy_weights(), loaded.numpy_weights(), strict=True):
        assert one.dtype == np.int8
        np.testing.assert_array_equal(one, other)


def test_operations_are_counted_by_the_network_that_ran(digits):
    network = integer_network()
    activity = network.forward(digits.test_images[:6])
    first, second = count_operations(network, activity)
    arrived = int(activity.spikes[1][:-1].sum())
    assert first.spikes_received == int(activity.spikes[0].sum())
    assert second.spikes_received == arrived
    assert second.synaptic_operations == arrived * 10
    assert second.weight_bytes_read == arrived * 10
    assert first.weight_bytes_stored == 64 * 30
    assert first.neuron_updates == 6 * 20 * 30
    real = DesireNetwork(CONFIG, weights=network.float_weights())
    assert count_operations(real, real.forward(digits.test_images[:6]))[0].weight_bytes_stored == (
        4 * 64 * 30
    )


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"learning_rate_scale": (300.0, 0.01)}, "learning_rate"),
    ],
)
def test_a_step_that_one_layer_refuses_changes_nothing(digits, changes, name):
    network = integer_network(CONFIG.replace(**changes))
    before = network.numpy_weights()
    with pytest.raises(ValueError, match=f"{name} is"):
        network.train_step(digits.train_images[:8], digits.train_labels[:8], 1.0)
    assert network.samples_seen == 0
    assert [stream.position for stream in network._dropout] == [0, 0]
    for mine, old in zip(network.numpy_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, old)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arithmetic": "decimal"}, "arithmetic is 'decimal': expected one of floating_point"),
        ({"formats": default_formats(CONFIG)}, "formats are given: expected none"),
        ({"arithmetic": "fixed_point", "precision": "bfloat16x2"}, "precision is 'bfloat16x2'"),
        ({"arithmetic": "fixed_point", "weights": [np.zeros((30, 64))]}, "weights holds 1 arrays"),
        (
            {"arithmetic": "fixed_point", "weights": [np.full((30, 64), 200), np.zeros((10, 30))]},
            r"weights\[0\] holds 200: expected mantissas in \[-128, 127\]",
        ),
        (
            {"arithmetic": "fixed_point", "weights": [np.zeros((30, 60)), np.zeros((10, 30))]},
            r"weights\[0\] is float64 \(30, 60\): expected float or integer \(30, 64\)",
        ),
    ],
)
def test_a_wrong_argument_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        DesireNetwork(CONFIG, **options)
