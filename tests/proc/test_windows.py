"""When a Var that is set within a window takes effect: each Var, in each step, under each tag."""

from __future__ import annotations

import contextlib
import itertools

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")

with contextlib.suppress(ImportError):
    import lava_desire.engine  # noqa: F401  (here, and not anew in every child)

from writer.process import Writer

from lava_desire import DesireConfig
from lava_desire.proc import DesireSequential, DesireSimCfg, SampleSource

from lava.magma.core.run_conditions import RunSteps  # isort: skip

PAPER = DesireConfig(
    (5, 7, 6, 3),
    num_steps=6,
    error_margin=1,
    learning_rate=0.02,
    dropout_input=0.1,
    desire_threshold_hidden=0.02,
    seed=5,
)
FOLLOWING = PAPER.replace(
    trace_baseline=0.7, baseline_samples=9, rate_floor=0.3, weight_limit=0.9, class_margin=1
)
DESIRED = FOLLOWING.replace(rates_over="desired")
WINDOW, T, L = PAPER.window_steps, PAPER.num_steps, PAPER.num_layers
IMAGES = np.random.default_rng(1).random((11, 5)).astype(np.float32)
LABELS = np.arange(11) % 3
# Strong enough that neurons of each layer spike in so few steps.
WEIGHTS = [
    np.random.default_rng(3).normal(0.4, 0.5, (size, inputs)).astype(np.float32)
    for inputs, size in itertools.pairwise(PAPER.layer_sizes)
]

needs_torch = pytest.mark.skipif(
    "not __import__('importlib.util').util.find_spec('torch')", reason="torch is not installed"
)
TORCH = pytest.param("torch", marks=needs_torch)
TAGS = pytest.mark.parametrize("tag", ["floating_pt", "fixed_pt", TORCH])


class Stepped:
    """A network that runs step by step."""

    def __init__(self, config, tag, **options):
        source = SampleSource(config=config, images=IMAGES, labels=LABELS)
        self.network = DesireSequential(config=config, weights=WEIGHTS, **options)
        self.settings = DesireSimCfg(tag)
        source.brightness_out.connect(self.network.brightness_in)
        source.label_out.connect(self.network.label_in)

    def __enter__(self):
        self.network.run(RunSteps(WINDOW), self.settings)  # Vars can be set from the first run on
        return self

    def __exit__(self, *_):
        self.network.stop()

    def run(self, steps=1):
        if steps:
            self.network.run(RunSteps(steps), self.settings)

    def state(self):
        """Return all that was learned and scored."""
        names = ("num_samples", "num_correct", "num_active", "loss", "confusion", "rated_samples")
        members = [*self.network.weights, *self.network.input_rates]
        return [*(getattr(self.network, name).get() for name in names), *(m.get() for m in members)]


@pytest.mark.parametrize(
    ("config", "tag"),
    [
        (PAPER, "fixed_pt"),
        (DESIRED, "floating_pt"),
        pytest.param(FOLLOWING, "torch", marks=needs_torch),
        pytest.param(DESIRED, "torch", marks=needs_torch),
    ],
)
def test_a_var_that_is_set_to_its_own_value_changes_nothing_in_any_step(config, tag):
    windows = 4
    with Stepped(config, tag) as undisturbed:
        before = undisturbed.network.weights[0].get()
        undisturbed.run(windows * WINDOW)
        expected = undisturbed.state()
        assert (undisturbed.network.weights[0].get() != before).any()
    with Stepped(config, tag) as stepped:
        for _ in range(windows * WINDOW):
            stepped.run()
            for var in stepped.network.vars:
                var.set(var.get())
        np.testing.assert_equal(stepped.state(), expected)
    assert expected[0][0] == windows + 1


def values_for(network, generator):
    """Return for each Var another value that it may be set to."""
    values = {
        "learning_rate": [generator.choice([0.0, 0.01, 0.03])],
        "learning_enabled": [generator.random() < 0.7],
        "training": [generator.random() < 0.5],
        "rated_samples": [int(generator.integers(0, 20))],
        "counts": generator.integers(0, 4, 3),
        "desire": generator.integers(-1, 2, 3),
        "prediction": [1],
        "num_correct": [3],
        "samples_seen": [8],
    }
    for layer, var in enumerate(network.weights, start=1):
        values[f"weights_{layer}"] = generator.normal(0.2, 0.5, var.shape)
        if layer < L:
            size = network.config.layer_sizes[layer]
            values[f"desire_{layer}"] = generator.integers(-1, 2, size)
    for layer, var in enumerate(network.input_rates, start=1):
        values[f"input_rates_{layer}"] = generator.random(var.shape)
    return values


@needs_torch
@pytest.mark.parametrize("config", [PAPER, DESIRED], ids=["paper", "desired"])
def test_processes_and_engine_agree_whatever_is_set_in_whichever_step(config):
    changed, before = set(), None
    with Stepped(config, "floating_pt") as processes, Stepped(config, "torch") as engine:
        generator = np.random.default_rng(2)
        names = sorted(values_for(processes.network, generator))
        assert set(names) >= {var.name for var in processes.network.vars} - SCORES
        for name in names:
            for step in range(WINDOW):
                value = values_for(processes.network, generator)[name]
                for stepped in (processes, engine):
                    stepped.run(step)
                    getattr(stepped.network, name).set(value)
                    stepped.run(WINDOW - step)
                    stepped.network.learning_rate.set(config.learning_rate)
                    stepped.network.learning_enabled.set(True)
                after = processes.state()
                np.testing.assert_equal(engine.state(), after, err_msg=f"{name} in step {step}")
                if before is None or not np.array_equal(before[6], after[6]):
                    changed.add(name)
                before = after
    assert set(names) <= changed  # there was something to agree about


@needs_torch
@pytest.mark.parametrize("step", [3, T, T + 1, T + 3])
def test_what_a_ref_port_writes_holds_for_processes_and_engine_alike(step):
    states = []
    for tag in ("floating_pt", "torch"):
        stepped = Stepped(DESIRED, tag)
        value = np.random.default_rng(6).normal(0.3, 0.6, (6, 7))
        writer = Writer(value, WINDOW + step)
        writer.ref.connect_var(stepped.network.weights_2)
        with stepped:
            before = stepped.network.weights_2.get()
            stepped.run(2 * WINDOW)
            states.append(stepped.state())
    np.testing.assert_equal(*states)
    assert (states[0][7] - before != 0).all()


SCORES = {"num_samples", "num_active", "loss", "confusion"}


def run_of(config, tag, actions, **options):
    """Run windows, with actions at (window, step), and return what was learned and scored."""
    with Stepped(config, tag, **options) as stepped:
        for window in range(3):
            for step in range(WINDOW):
                if (window, step) in actions:
                    actions[window, step](stepped.network)
                stepped.run()
        return stepped.state()


@TAGS
@pytest.mark.parametrize("step", [1, T, T + 1, WINDOW - 1])
def test_training_that_is_set_within_a_window_holds_from_the_next(tag, step):
    def switch(network):
        network.training.set(False)

    assert_equal = np.testing.assert_equal
    assert_equal(run_of(PAPER, tag, {(0, step): switch}), run_of(PAPER, tag, {(1, 0): switch}))


@TAGS
@pytest.mark.parametrize("step", [1, T, T + 1, WINDOW - 1])
def test_weights_that_are_set_within_a_window_are_used_from_the_next(tag, step):
    low, high = (-60, 60) if tag == "fixed_pt" else (-1, 1)
    weights = np.random.default_rng(4).integers(low, high + 1, (6, 7))

    def put(network):
        network.weights_2.set(weights)

    options = {"learning_enabled": False}
    within = run_of(PAPER, tag, {(0, step): put}, **options)
    np.testing.assert_equal(within, run_of(PAPER, tag, {(1, 0): put}, **options))
    assert (within[7] == weights).all()


@TAGS
@pytest.mark.parametrize("step", [1, T])
@pytest.mark.parametrize("on", [True, False], ids=["on", "off"])
def test_learning_is_switched_at_once(tag, step, on):
    def switch(network):
        network.learning_enabled.set(on)

    options = {"learning_enabled": not on}
    within = run_of(PAPER, tag, {(0, step): switch}, **options)
    np.testing.assert_equal(within, run_of(PAPER, tag, {(0, 0): switch}, **options))
    unswitched = run_of(PAPER, tag, {}, **options)
    assert any((one != other).any() for one, other in zip(within, unswitched, strict=True))


@TAGS
def test_a_learning_rate_holds_for_the_connections_that_have_not_yet_learned(tag):
    with Stepped(PAPER, tag) as stepped:
        before = [var.get() for var in stepped.network.weights]
        for _ in range(4):
            stepped.network.learning_rate.set(PAPER.learning_rate)
            stepped.run(T + 1)  # the last connection has learned
            stepped.network.learning_rate.set(0)
            stepped.run(WINDOW - T - 1)
        after = [var.get() for var in stepped.network.weights]
    for one, other in zip(before[:-1], after[:-1], strict=True):
        np.testing.assert_array_equal(one, other)
    assert (before[-1] != after[-1]).any()


@TAGS
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("learning_rate", [-1], r"learning_rate is -1\.0: expected learning_rate >= 0"),
        ("learning_rate", np.nan, "learning_rate is nan: expected a finite number"),
        ("training", 2, "training.* set to 2: expected"),
        ("training", 0.5, "training.* set to 0.5: expected True or False"),
        ("rated_samples", -1, r"it was set to -1: expected numbers in \[0, "),
        ("input_rates_1", [0, 0, 0, 0, 1.5], r"it was set to 1\.5: expected numbers in \[0, 1\]"),
        ("desire_1", np.full(7, 2), r"it was set to 2: expected numbers in \[-1, 1\]"),
    ],
)
def test_what_the_configuration_would_refuse_is_refused_and_the_network_goes_on(
    tag, name, value, message
):
    with Stepped(PAPER, tag) as stepped:
        var = getattr(stepped.network, name)
        before = var.get()
        with pytest.raises(ValueError, match=message):
            var.set(value)
        np.testing.assert_array_equal(var.get(), before)
        stepped.run(WINDOW)


@pytest.mark.parametrize(("value", "message"), [(200, r"in \[-128, 127\]"), (1.5, "whole")])
def test_mantissas_outside_their_format_are_refused(value, message):
    with Stepped(PAPER, "fixed_pt") as stepped:
        with pytest.raises(ValueError, match=rf"weights.* set to {value:g}: expected .*{message}"):
            stepped.network.weights_3.set(np.full((3, 6), value))
        stepped.run(WINDOW)
