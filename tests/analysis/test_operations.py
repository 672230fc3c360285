"""What is counted is the algorithm: counted neurons compute what the rule does, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from lava_desire import DesireConfig, DesireNetwork, rule
from lava_desire.analysis import operations
from lava_desire.analysis.complexity import (
    PAPER,
    OperationCounts,
    _constants,
    _formula,
    count_measured,
    count_most,
    plot_operations,
)
from lava_desire.analysis.operations import Counted, Tally


def counted(values, tally):
    return [Counted(value, tally) for value in values]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "network is in fixed point: expected one in floating point"),
        ({"reset": "zero"}, "reset is zero: expected subtract for the count of operations"),
        ({"feedback": "sign"}, "feedback is sign: expected transpose for the count"),
    ],
)
def test_neurons_of_another_kind_are_not_counted_as_the_papers(changes, message):
    arithmetic = "floating_point" if changes else "fixed_point"
    network = DesireNetwork(DesireConfig((4, 3, 2), **changes), arithmetic=arithmetic)
    with pytest.raises(ValueError, match=message):
        count_measured(network, np.ones((1, 4), np.float32), [0])


@pytest.fixture
def setting():
    tally = Tally()
    config = DesireConfig((12, 7, 5), learning_rate=0.01)
    return config, tally, _constants(config, tally), np.random.default_rng(4)


def test_the_counted_forward_pass_is_the_rules(setting):
    config, tally, constants, generator = setting
    weights = generator.normal(0, 0.7, (30, 12)).astype(np.float32)
    spikes = generator.random((20, 12)) < 0.3
    potential, expected = np.zeros(30, np.float32), []
    for step in spikes:
        current = rule.synaptic_current(weights, step)
        fired, potential = rule.integrate_and_fire(
            potential, current, np.float32(config.decay), np.float32(config.threshold)
        )
        expected.append(fired)
    inputs = [counted(step, tally) for step in spikes]
    for neuron, row in enumerate(weights):
        train = operations.spiking_forward(counted(row, tally), inputs, constants)
        assert [bool(spike.value) for spike in train] == [fired[neuron] for fired in expected]
    assert 0 < np.mean(expected) < 1


def test_the_counted_backward_pass_is_the_rules(setting):
    config, tally, constants, generator = setting
    weights = generator.normal(0, 0.1, (9, 40)).astype(np.float32)
    desire = generator.integers(-1, 2, 9).astype(np.int8)
    rate = rule.firing_rate(generator.integers(0, 21, 9), 20, 4)
    error = rule.local_error(desire, rate)
    z = rule.backpropagate_error(weights, error)
    expected = rule.hidden_desire(z, config.desire_threshold_hidden)
    found = [
        operations.spiking_backward(
            counted(column, tally), counted(desire, tally), counted(rate, tally), constants
        )
        for column in weights.T
    ]
    assert found == expected.tolist()
    assert set(found) == {-1, 0, 1}


def test_the_counted_update_is_the_rules(setting):
    config, tally, constants, generator = setting
    spikes = generator.random((20, 1, 3)) < 0.4
    inputs = generator.random((20, 1, 4)) < 0.4
    desire = np.array([[-1, 0, 1]], np.int8)
    traces, trace = [], np.zeros((1, 4))
    for step in inputs:
        trace = rule.decay_trace(trace, step, config.decay)
        traces.append(trace)
    pairings = rule.desired_pairings(desire, spikes, np.stack(traces))
    weights = generator.normal(0, 1, (3, 4)).astype(np.float32)
    expected = weights + rule.weight_change(pairings, config.learning_rate)
    for neuron, place in np.ndindex(3, 4):
        after = operations.spiking_update(
            Counted(weights[neuron, place], tally),
            Counted(desire[0, neuron], tally),
            counted(spikes[:, 0, neuron], tally),
            counted(np.stack(traces)[:, 0, place], tally),
            constants,
        )
        assert after.value == expected[neuron, place]


def test_a_weight_without_desire_costs_one_condition(setting):
    _, tally, constants, _ = setting
    one, zero = counted([np.float32(1), np.float32(0)], tally)
    assert operations.spiking_update(one, zero, [one] * 20, [one] * 20, constants) is one
    assert tally.reset() == (0, 0, 1)
    assert tally.reset() == (0, 0, 0)


def test_the_most_that_a_neuron_needs():
    most = count_most()
    assert most["desire backpropagation"] == {
        "forward": ["T", "T·I + 2·T", "T·I + T"],
        "backward": ["O", "2·O", "2·O + 2"],
        "update": ["1", "T + 1", "T + 2"],
    }
    assert most["classical backpropagation"] == {
        "forward": ["I", "I", "–"],
        "backward": ["2·O", "O", "–"],
        "update": ["2", "1", "–"],
    }


def test_the_papers_leading_terms_are_what_is_counted():
    most = count_most()
    for algorithm, process, kind in (
        ("desire backpropagation", "forward", 1),
        ("desire backpropagation", "forward", 2),
        ("desire backpropagation", "backward", 0),
        ("desire backpropagation", "backward", 1),
        ("desire backpropagation", "update", 0),
        ("classical backpropagation", "forward", 0),
        ("classical backpropagation", "backward", 0),
        ("classical backpropagation", "update", 0),
    ):
        assert most[algorithm][process][kind].startswith(PAPER[algorithm][process][kind])


def test_counts_that_no_formula_gives_are_refused():
    sizes = [(2, 1), (3, 1), (2, 2), (3, 2), (5, 5)]
    assert _formula(sizes, [steps * size + 3 for steps, size in sizes], "I") == "T·I + 3"
    with pytest.raises(ArithmeticError, match="no sum of"):
        _formula(sizes, [steps**2 * size for steps, size in sizes], "I")


def test_real_samples_need_less_than_the_most(trained, digits, tmp_path):
    means = count_measured(trained, digits.test_images[:3], digits.test_labels[:3], 4)
    steps, largest = trained.config.num_steps, 64
    assert means["forward"][0] == steps
    assert 0 < means["forward"][1] < steps * largest
    assert means["update"][2] < steps + 2
    counts = OperationCounts(count_most(), means, "a test")
    plot_operations(counts, tmp_path / "table.png")
    assert (tmp_path / "table.png").read_bytes()[:4] == b"\x89PNG"
