"""The rule written for Loihi's learning engine changes weights as ours does."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")

from lava_desire import DesireConfig, rule
from lava_desire.deploy import (
    DesireErrors,
    DesireLearningLIF,
    LoihiRule,
    loihi_feedback_rule,
    loihi_learning_rule,
)

from lava.magma.core.run_conditions import RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip
from lava.proc.dense.process import Dense, LearningDense  # isort: skip
from lava.proc.io.source import RingBuffer  # isort: skip

CONFIG = DesireConfig((6, 4), num_steps=10, error_margin=2, learning_rate=1e-2)
SAMPLES, MARGIN = 3, 3
DEEP = DesireConfig(
    (8, 6, 5, 4),
    num_steps=10,
    error_margin=2,
    learning_rate=1e-2,
    dropout_hidden=0.0,
    batch_size=1,
    desire_threshold_hidden=(0.05, 0.2),
)
INTEGERS = loihi_learning_rule(DEEP, weight_scale=60.0)


def experiment(fixed, window_steps=None):
    """Run three windows; return weights before and after, trains and desires of each."""
    generator = np.random.default_rng(5)
    weights = generator.normal(0.3, 0.4, (4, 6)).astype(np.float32)
    scale = 100.0
    chosen = loihi_learning_rule(
        CONFIG, weight_scale=scale if fixed else None, window_steps=window_steps, rng_seed=1
    )
    if fixed:
        weights = (2 * np.rint(weights * scale / 2)).astype(np.int32)
    trains = generator.random((SAMPLES, CONFIG.num_steps, 6)) < 0.4
    desires = generator.integers(-1, 2, (SAMPLES, 4))
    steps = SAMPLES * chosen.window_steps
    windows = np.zeros((SAMPLES, chosen.window_steps, 6), np.int32)
    windows[:, : CONFIG.num_steps] = trains
    wanted = np.zeros((SAMPLES, chosen.window_steps, 4), np.int32)
    wanted[:, CONFIG.num_steps + 1] = desires
    source = RingBuffer(data=windows.reshape(-1, 6).T)
    teacher = RingBuffer(data=wanted.reshape(-1, 4).T)
    dense = LearningDense(
        weights=weights if fixed else weights.astype(np.float64), learning_rule=chosen.rule
    )
    neurons = DesireLearningLIF(
        config=CONFIG, layer=1, rule=chosen, threshold=int(scale) if fixed else None
    )
    source.s_out.connect(dense.s_in)
    teacher.s_out.connect(neurons.a_third_factor_in)
    dense.a_out.connect(neurons.a_in)
    for port in ("bap", "y1", "y2", "y3"):
        getattr(neurons, f"s_out_{port}").connect(getattr(dense, f"s_in_{port}"))
    tag = Loihi2SimCfg(select_tag=chosen.arithmetic)
    learned = [weights]
    try:
        for _ in range(SAMPLES):
            source.run(RunSteps(steps // SAMPLES), tag)
            learned.append(dense.weights.get())
    finally:
        source.stop()
    return chosen, [array / (scale if fixed else 1.0) for array in learned], trains, desires


def expected_change(weights, trains, desires):
    """Return Eq. 4 for one sample, with the spikes that these weights give."""
    potential, trace = np.zeros(4, np.float32), np.zeros(6)
    spikes, traces = [], []
    for train in trains:
        current = rule.synaptic_current(weights.astype(np.float32), train)
        fired, potential = rule.integrate_and_fire(potential, current, CONFIG.decay, 1.0)
        trace = rule.decay_trace(trace, train, CONFIG.decay)
        spikes.append(fired)
        traces.append(trace)
    pairings = rule.desired_pairings(
        desires[None], np.array(spikes)[:, None], np.array(traces)[:, None]
    )
    return rule.weight_change(pairings, CONFIG.learning_rate)


def test_in_floating_point_it_is_our_rule_after_a_long_window():
    chosen, learned, trains, desires = experiment(fixed=False, window_steps=64)
    assert chosen.window_steps == 64
    for sample in range(SAMPLES):
        change = learned[sample + 1] - learned[sample]
        wanted = expected_change(learned[sample], trains[sample], desires[sample])
        assert np.abs(wanted).max() > 0.01
        np.testing.assert_allclose(change, wanted, atol=1e-7)


def test_in_the_shortest_window_the_trace_of_the_sample_before_is_left():
    chosen, learned, trains, desires = experiment(fixed=False)
    assert chosen.window_steps == 16
    first = expected_change(learned[0], trains[0], desires[0])
    np.testing.assert_allclose(learned[1] - learned[0], first, atol=1e-7)
    second = expected_change(learned[1], trains[1], desires[1])
    error = np.abs(learned[2] - learned[1] - second).max()
    # The trace of an input is at most 4, and six steps of decay leave 18 % of it.
    assert 1e-6 < error < 0.75**6 * 4 * CONFIG.learning_rate * 4


def test_in_integers_it_is_our_rule_but_for_rounding():
    chosen, learned, trains, desires = experiment(fixed=True, window_steps=64)
    assert chosen.learning_rate == pytest.approx(CONFIG.learning_rate, rel=0.02)
    for sample in range(SAMPLES):
        change = learned[sample + 1] - learned[sample]
        wanted = expected_change(learned[sample], trains[sample], desires[sample])
        assert np.corrcoef(change.ravel(), wanted.ravel())[0, 1] > 0.98
        assert np.abs(change - wanted).max() < 0.1 * np.abs(wanted).max() + 0.02


class Loop:
    """A network of three layers whose errors come back in Lava."""

    SCALE = 60.0

    def __init__(self, fixed, learns):
        generator = np.random.default_rng(3)
        self.fixed, self.window = fixed, 32
        self.scale = self.SCALE if fixed else 1.0
        sizes = DEEP.layer_sizes
        draw = [generator.normal(0.3, 0.5, pair[::-1]) for pair in pairwise(sizes)]
        back = [generator.normal(0.0, 0.5, pair) for pair in pairwise(sizes[1:])]
        self.start, self.back = [self.held(w) for w in draw], [self.held(w) for w in back]
        self.trains = generator.random((SAMPLES, DEEP.num_steps, sizes[0])) < 0.5
        self.labels = generator.integers(0, sizes[-1], SAMPLES)
        windows = np.zeros((SAMPLES, self.window, sizes[0]), np.int32)
        windows[:, : DEEP.num_steps] = self.trains
        targets = np.zeros((SAMPLES, self.window, sizes[-1]), np.int32)
        targets[np.arange(SAMPLES), DEEP.num_steps, self.labels] = 1
        self.source = RingBuffer(data=windows.reshape(-1, sizes[0]).T)
        teacher = RingBuffer(data=targets.reshape(-1, sizes[-1]).T)
        options = {"weight_scale": self.scale if fixed else None, "window_steps": self.window}
        units = self.scale * np.array(DEEP.desire_threshold_hidden) * 8  # T − m
        below, feedback = self.source.s_out, None
        self.forward, self.backward, self.errors = [], [], []
        for layer, weights in enumerate(self.start, start=1):
            chosen = loihi_learning_rule(DEEP, rng_seed=layer, **options)
            backward = loihi_feedback_rule(DEEP, rng_seed=layer + 9, **options) if learns else None
            dense = LearningDense(weights=weights, learning_rule=chosen.rule)
            neurons = DesireLearningLIF(
                config=DEEP, layer=layer, rule=chosen, threshold=int(self.scale) if fixed else None
            )
            errors = DesireErrors(
                config=DEEP.replace(class_margin=MARGIN * learns),
                layer=layer,
                rule=chosen,
                feedback_rule=backward,
                threshold=round(units[layer - 1]) if fixed and layer < 3 else None,
            )
            below.connect(dense.s_in)
            dense.a_out.connect(neurons.a_in)
            for port in ("bap", "y1", "y2", "y3"):
                getattr(neurons, f"s_out_{port}").connect(getattr(dense, f"s_in_{port}"))
            neurons.s_out.connect(errors.s_in)
            errors.desire_out.connect(neurons.a_third_factor_in)
            if layer > 1:
                self.bring_back(self.back[layer - 2], errors, self.errors[-1], feedback)
            below, feedback = neurons.s_out, backward
            self.forward.append(dense)
            self.errors.append(errors)
        teacher.s_out.connect(self.errors[-1].target_in)

    def bring_back(self, weights, above, below, chosen):
        if chosen is None:
            dense = Dense(weights=weights, num_message_bits=8)
        else:
            dense = LearningDense(weights=weights, num_message_bits=8, learning_rule=chosen.rule)
            below.s_out_y1.connect(dense.s_in_y1)
            below.s_out_y2.connect(dense.s_in_y2)
        above.c_out.connect(dense.s_in)
        dense.a_out.connect(below.z_in)
        self.backward.append(dense)

    def held(self, weights):
        return (2 * np.rint(weights * self.scale / 2)).astype(np.int32) if self.fixed else weights

    def run(self):
        """Yield of each window weights before and after, feedback before and after, desires."""
        tag = Loihi2SimCfg(select_tag="fixed_pt" if self.fixed else "floating_pt")
        before = self.start, self.back
        try:
            for _ in range(SAMPLES):
                self.source.run(RunSteps(self.window), tag)
                after = tuple(
                    [d.weights.get() for d in held] for held in (self.forward, self.backward)
                )
                wanted = [errors.desire.get() for errors in self.errors]
                counts = [errors.count.get() for errors in self.errors]
                yield [[w / self.scale for w in held] for held in (*before, *after)], wanted, counts
                before = after
        finally:
            self.source.stop()


@pytest.mark.parametrize("learns", [False, True], ids=["fixed feedback", "learned feedback"])
@pytest.mark.parametrize("fixed", [False, True], ids=["float", "fixed"])
def test_errors_come_back_through_all_layers_within_lava(fixed, learns):
    loop, moved = Loop(fixed, learns), 0
    for sample, ((weights, back, after, back_after), wanted, counts) in enumerate(loop.run()):
        label = loop.labels[sample : sample + 1]
        rates = [rule.firing_rate(n[None], DEEP.num_steps, DEEP.error_margin) for n in counts]
        desire = rule.output_desire(rates[-1], label, DEEP.desire_threshold_output)
        if learns:
            desire = rule.margin_desire(counts[-1][None], label, MARGIN)
        np.testing.assert_array_equal(wanted[-1], desire[0])
        for layer in (1, 0):
            z = back[layer] @ rule.local_error(desire, rates[layer + 1])[0].astype(float)
            desire = rule.hidden_desire(z[None], DEEP.desire_threshold_hidden[layer])
            np.testing.assert_array_equal(wanted[layer], desire[0])
            moved += np.abs(desire).sum()
            # The synapses that lead backward change as those that lead forward.
            forward = after[layer + 1] - weights[layer + 1]
            backward = (back_after[layer] - back[layer]).T
            if not learns:
                assert not backward.any()
            elif fixed:
                assert np.abs(backward - forward).max() <= 6 / loop.scale
            else:
                np.testing.assert_allclose(backward, forward, atol=2e-3 * np.abs(forward).max())
    assert moved > 5


def test_what_cannot_bring_errors_back_is_named():
    chosen, integers = loihi_learning_rule(DEEP), loihi_learning_rule(DEEP, weight_scale=60.0)
    tight = DEEP.replace(num_steps=29)
    for arguments, message in (
        ({"rule": "dw"}, "rule is a str: expected a LoihiRule"),
        ({"feedback_rule": "dw"}, "feedback_rule is a str: expected a LoihiRule"),
        ({"layer": 4}, r"layer is 4: expected an integer in \[1, 3\]"),
        (
            {"rule": integers},
            r"threshold is None: expected an integer in \[1, 9223372036854775807\]",
        ),
        ({"threshold": 5}, "in floating point, and in the last layer, it is the config's"),
        ({"rule": integers, "threshold": 5, "layer": 3}, "threshold is 5: in floating point, and"),
        (
            {"feedback_rule": loihi_feedback_rule(DEEP, window_steps=64)},
            "for floating_pt and 64 steps: expected floating_pt and 16",
        ),
        ({"feedback_rule": loihi_feedback_rule(DEEP)}, "window_steps is 16: expected a rule with"),
        ({"config": tight, "rule": loihi_learning_rule(tight)}, "expected a rule with at least 34"),
        ({"config": tight}, f"for a num_steps of {DEEP.num_steps}: expected one for 29"),
        ({"feedback_rule": loihi_feedback_rule(tight)}, "for a num_steps of 29: expected one for"),
    ):
        with pytest.raises(ValueError, match=message):
            DesireErrors(**{"config": DEEP, "layer": 1, "rule": chosen, **arguments})
    with pytest.raises(TypeError, match="no parameter 'thresold': did you mean 'threshold'"):
        DesireErrors(config=DEEP, layer=1, rule=chosen, thresold=5)


def test_a_window_is_the_power_of_two_that_holds_spikes_and_desires():
    for num_steps, sizes, window in ((20, (4, 3, 2), 32), (30, (4, 3, 2), 32), (31, (4, 3, 2), 64)):
        config = DesireConfig(sizes, num_steps=num_steps)
        assert loihi_learning_rule(config).window_steps == window


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"config": CONFIG.replace(num_steps=600)}, "expected at most 512, the longest"),
        ({"window_steps": 20}, "window_steps is 20: expected one of 16, 32"),
        ({"window_steps": 8}, "window_steps is 8: expected one of 16, 32"),
        ({"config": CONFIG.replace(decay=0.0)}, "decay is 0"),
        (
            {"config": CONFIG.replace(decay=0.995), "weight_scale": 60.0},
            "decay is 0.995: expected at most 0.9921",
        ),
        ({"learning_rate": 0}, "learning_rate is 0: expected a number above 0"),
        ({"weight_scale": -1.0}, "weight_scale is -1.0"),
        ({"weight_scale": 1e-6}, r"needs a factor of .* in the engine"),
        ({"weight_scale": 1e9}, r"needs a factor of .* in the engine"),
        ({"config": None}, "config is a NoneType"),
        ({"rng_seed": -1}, r"rng_seed is -1: expected an integer in \[0, 9223372036854775807\]"),
        (
            {"config": DesireConfig(layers=("2c2", "4"), input_shape=(1, 3, 3))},
            "layer 1 are conv2d: Loihi's learning engine knows dense only",
        ),
    ],
)
def test_a_wrong_argument_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        loihi_learning_rule(**{"config": CONFIG, **arguments})


def test_a_threshold_that_no_potential_reaches_keeps_a_neuron_silent():
    integers = loihi_learning_rule(CONFIG, weight_scale=100.0)
    source = RingBuffer(data=np.ones((6, 1), np.int32))
    dense = Dense(weights=np.full((4, 6), 127))
    neurons = DesireLearningLIF(config=CONFIG, layer=1, rule=integers, threshold=sys.maxsize)
    source.s_out.connect(dense.s_in)
    dense.a_out.connect(neurons.a_in)
    try:
        source.run(RunSteps(9), Loihi2SimCfg(select_tag="fixed_pt"))
        assert not neurons.count.get().any()
        assert (neurons.v.get() > 0).all()
    finally:
        source.stop()
    errors = DesireErrors(config=DEEP, layer=1, rule=INTEGERS, threshold=sys.maxsize)
    assert errors.proc_params["threshold"] == sys.maxsize
    assert loihi_learning_rule(CONFIG, rng_seed=sys.maxsize).rule.rng_seed == sys.maxsize


def test_integers_of_numpy_become_pythons_own():
    one, five = np.int64(1), np.int64(5)
    neurons = DesireLearningLIF(config=DEEP, layer=one, rule=INTEGERS, threshold=five)
    errors = DesireErrors(config=DEEP, layer=one, rule=INTEGERS, threshold=five)
    seeded = loihi_learning_rule(CONFIG, rng_seed=five).rule
    held = (neurons.vth.init, seeded.rng_seed)
    held += tuple(errors.proc_params[name] for name in ("threshold", "layer"))
    assert held == (5, 5, 5, 1)
    assert {type(each) for each in held} == {int}


def test_a_neuron_wants_the_rule_and_its_threshold():
    integers = loihi_learning_rule(CONFIG, weight_scale=100.0)
    assert isinstance(integers, LoihiRule)
    with pytest.raises(ValueError, match="threshold is None: expected an integer"):
        DesireLearningLIF(config=CONFIG, layer=1, rule=integers)
    with pytest.raises(ValueError, match="in floating point it is the config's"):
        DesireLearningLIF(config=CONFIG, layer=1, rule=loihi_learning_rule(CONFIG), threshold=5)
    with pytest.raises(ValueError, match="layer is 2"):
        DesireLearningLIF(config=CONFIG, layer=2, rule=integers, threshold=5)
    with pytest.raises(ValueError, match="rule is a str"):
        DesireLearningLIF(config=CONFIG, layer=1, rule="dw")
    with pytest.raises(ValueError, match=r"for a decay of .*: expected one for 0\.5, as in config"):
        DesireLearningLIF(config=CONFIG.replace(decay=0.5), layer=1, rule=integers, threshold=5)
