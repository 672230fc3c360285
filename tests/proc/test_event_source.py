"""Spikes in place of images: under every tag they are learned as the engine learns them."""

from __future__ import annotations

import contextlib
import warnings

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")

with contextlib.suppress(ImportError):
    import lava_desire.engine  # noqa: F401  (here, and not anew in every child)

from composed import probed
from sender.process import Sender

from lava_desire import Conv2d, Dense, DesireConfig, fixed, rule
from lava_desire.data import SpikeTrains
from lava_desire.proc import (
    DesireChain,
    DesireSequential,
    DesireSimCfg,
    EventSource,
    ProcessError,
    RateEncoder,
    SampleSource,
)
from lava_desire.randomness import epoch_order
from lava_desire.scale import as_brightness

from lava.magma.core.run_conditions import RunSteps  # isort: skip

CONFIG = DesireConfig(
    (6, 9, 3),
    num_steps=8,
    error_margin=1,
    learning_rate=0.03,
    dropout_input=0.3,
    trace_baseline=0.5,
    seed=3,
)
WINDOW, T = CONFIG.window_steps, CONFIG.num_steps
SPIKES = np.random.default_rng(4).random((T, 12, 6)) < 0.5
LABELS = np.arange(12) % 3
IN_INTEGERS = CONFIG.replace(trace_baseline=0)

needs_torch = pytest.mark.skipif(
    "not __import__('importlib.util').util.find_spec('torch')", reason="torch is not installed"
)
TORCH = pytest.param("torch", marks=needs_torch)
TAGS = pytest.mark.parametrize("tag", ["floating_pt", "fixed_pt", TORCH])


def config_of(tag):
    return IN_INTEGERS if tag == "fixed_pt" else CONFIG


def fed(config, spikes=SPIKES, labels=LABELS, batch_size=1, shuffle=False, **options):
    """Return a source of spikes and a network that it feeds, with labels where there are any."""
    common = {"config": config, "batch_size": batch_size}
    source = EventSource(spikes=spikes, labels=labels, shuffle=shuffle, **common)
    network = DesireSequential(**common, **options)
    source.s_out.connect(network.s_in)
    if labels is not None:
        source.label_out.connect(network.label_in)
    return source, network


def run(network, steps, tag, *names, watched=()):
    """Run, and return weights, what Vars of these names show, and others in every step."""
    monitors = [probed(getattr(network, name), steps) for name in watched]
    try:
        network.run(RunSteps(steps), DesireSimCfg(tag))
        shown = [var.get() for var in (*network.weights, *(getattr(network, n) for n in names))]
        return [*shown, *(values() for values in monitors)]
    finally:
        network.stop()


@TAGS
def test_trains_of_the_encoder_are_in_every_step_what_images_are(tag):
    config, seen = config_of(tag), []
    images = np.random.default_rng(1).integers(0, 256, (6, 6), dtype=np.uint8)
    spikes = rule.encode(as_brightness(images), T, config.threshold)
    if tag == "fixed_pt":
        spikes = fixed.encode(
            images.astype(np.int64), T, fixed.IntegerRule(config).encoder_threshold
        )
    images_in = SampleSource(config=config, images=images, labels=LABELS[:6])
    network = DesireSequential(config=config)
    images_in.brightness_out.connect(network.brightness_in)
    images_in.label_out.connect(network.label_in)
    for each in (network, fed(config, spikes.astype(bool), LABELS[:6])[1]):
        watched = ("prediction_out", "desire_out", "counts", "samples_seen", "weights_1")
        watched += ("weights_2", "s_out", "desire_1")
        names = ("confusion", "rated_samples")
        seen.append(run(each, 6 * WINDOW, tag, *names, watched=watched))
    np.testing.assert_equal(*seen)
    assert seen[0][-2].any()
    assert seen[0][-1].any()


@needs_torch
@pytest.mark.parametrize("is_convolution", [False, True], ids=["dense", "convolution"])
@pytest.mark.parametrize(
    ("tag", "batch_size"), [("floating_pt", 1), ("fixed_pt", 1), ("torch", 1), ("torch", 4)]
)
def test_spikes_are_learned_as_the_engine_learns_them(tag, batch_size, is_convolution):
    from lava_desire.engine import DesireNetwork

    config = config_of(tag)
    if is_convolution:
        config = config.replace(layers=[Conv2d(4, 2), Dense(3)], input_shape=(1, 2, 3))
    is_integer = {"arithmetic": "fixed_point"} if tag == "fixed_pt" else {}
    engine, num_correct = DesireNetwork(config, **is_integer), 0
    order = np.concatenate([epoch_order(config.seed, epoch, 12) for epoch in (0, 1)])
    for chosen in order.reshape(-1, batch_size):
        step = engine.train_step(SPIKES[:, chosen], LABELS[chosen], config.learning_rate)
        num_correct += step.num_correct
    _, network = fed(config, batch_size=batch_size, shuffle=True)
    *weights, correct = run(network, 24 // batch_size * WINDOW, tag, "num_correct")
    np.testing.assert_equal(weights, engine.numpy_weights())
    assert int(correct[0]) == num_correct


@pytest.mark.forked
@TAGS
def test_forked_processes_learn_the_same(tag):
    *weights, _ = run(fed(config_of(tag))[1], 12 * WINDOW, tag, "num_correct")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LAVA_DESIRE_LAVA_MODE", "one")
        *others, _ = run(fed(config_of(tag))[1], 12 * WINDOW, tag, "num_correct")
    np.testing.assert_equal(weights, others)


@needs_torch
def test_within_a_window_counts_of_both_models_are_those_of_the_spikes_so_far():
    seen = []
    for tag in ("floating_pt", "torch"):
        _, network = fed(CONFIG, learning_enabled=False)
        try:
            for steps in (1, 3, T - 2, 4):
                network.run(RunSteps(steps), DesireSimCfg(tag))
                seen.append((tag, network.counts.get(), network.prediction.get()))
        finally:
            network.stop()
    half = len(seen) // 2
    np.testing.assert_equal([each[1:] for each in seen[:half]], [each[1:] for each in seen[half:]])
    assert any(counts.any() for _, counts, _ in seen)


@TAGS
def test_without_labels_the_network_infers(tag):
    config, seen = config_of(tag), []
    for labels in (LABELS, None):
        _, network = fed(config, labels=labels, training=False, learning_enabled=False)
        said = contextlib.nullcontext() if labels is not None else pytest.warns(match="label_in of")
        with said:
            found = run(network, 12 * WINDOW, tag, "num_samples", watched=["prediction_out"])
        seen.append(found[-1])
        assert found[-2][0] == (12 if labels is not None else 0)
    np.testing.assert_array_equal(*seen)
    assert (seen[0] > 0).any()


def test_labels_that_are_not_there_are_not_learned_from():
    source, network = fed(CONFIG, labels=None)
    source.label_out.connect(network.label_in)
    with pytest.raises(ValueError, match=r"label_out of EventSource .* have no labels: expected"):
        run(network, 1, "floating_pt")


@TAGS
def test_images_beside_spikes_are_refused_by_name(tag):
    _, network = fed(config_of(tag))
    images = SampleSource(config=CONFIG, images=np.ones((1, 6), np.float32), labels=[0])
    images.brightness_out.connect(network.brightness_in)
    message = r"brightness_in and s_in of DesireSequential .* are both connected: expected one"
    with pytest.raises(ValueError, match=message):
        run(network, 1, tag)


@pytest.mark.parametrize("tag", ["floating_pt", TORCH])
def test_a_filter_of_images_is_refused(tag):
    _, network = fed(CONFIG.replace(image_brightness=0.4))
    with pytest.raises(ValueError, match=r"image_brightness is 0.4: expected 0 where s_in of Desi"):
        run(network, 1, tag)


def test_a_chain_of_processes_takes_spikes():
    chain = DesireChain.build(CONFIG)
    source = EventSource(config=CONFIG, spikes=SPIKES, labels=LABELS)
    source.s_out.connect(chain.encoder.s_in)
    source.label_out.connect(chain.teacher.label_in)
    passed = probed(chain.encoder.s_out, 2 * WINDOW)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            chain.teacher.run(RunSteps(2 * WINDOW), DesireSimCfg())
        mask = chain.encoder.mask.get().astype(bool)
        assert not mask.all()
        windows = passed().reshape(2, WINDOW, 6).astype(bool)
        np.testing.assert_array_equal(windows[1, :T], SPIKES[:, 1] & mask)
        assert not windows[:, T:].any()
    finally:
        chain.teacher.stop()


@TAGS
def test_spikes_are_0_or_1_in_the_steps_1_to_t_and_not_looked_at_in_others(tag):
    config = config_of(tag)
    for value, step in ((2.0, T), (np.nan, T + 1)):
        data = np.zeros((6, WINDOW))
        data[:, :T] = SPIKES[:, 0].T
        data[1, step - 1] = value
        network = DesireSequential(config=config, learning_enabled=False)
        Sender(data).out.connect(network.s_in)
        refused = pytest.raises(ProcessError, match=r"s_in holds 2 in step 8 .*: expected 0 or 1")
        with pytest.warns(match="label_in"), refused if step == T else contextlib.nullcontext():
            run(network, WINDOW, tag)


def test_neither_images_nor_spikes_is_said():
    encoder = RateEncoder(config=CONFIG)
    with pytest.warns(match="brightness_in of .* is not connected: nor is s_in, every image is"):
        encoder.run(RunSteps(1), DesireSimCfg())
    encoder.stop()


class Recordings:
    """A data set that notes which samples were read."""

    labels, class_names, shape = LABELS, None, (1, 2, 3)

    def __init__(self):
        self.read = []

    def __len__(self):
        return len(LABELS)

    def spikes(self, samples):
        self.read.append(list(samples))
        return SpikeTrains.pack(SPIKES.reshape(T, 12, 1, 2, 3)[:, samples])


def test_a_data_set_is_read_a_window_at_a_time():
    data = Recordings()
    source, network = fed(CONFIG, data, None, shuffle=True)
    source.label_out.connect(network.label_in)
    weights = run(network, 14 * WINDOW, "floating_pt")
    np.testing.assert_equal(weights, run(fed(CONFIG, shuffle=True)[1], 14 * WINDOW, "floating_pt"))
    orders = [epoch_order(CONFIG.seed, epoch, 12) for epoch in (0, 1)]
    assert data.read == [[0], *([sample] for sample in np.concatenate(orders)[:14])]


def test_held_out_recordings_are_sent_in_order_while_the_network_is_evaluated():
    held_out = Recordings()
    source = EventSource(config=CONFIG, spikes=SPIKES, labels=LABELS, held_out=held_out, position=5)
    sent = probed(source.s_out, 3 * WINDOW)
    samples = []
    try:
        for evaluating in (False, True, True):
            if samples:
                source.evaluating.set(np.array([evaluating]))
            source.run(RunSteps(WINDOW), DesireSimCfg())
            samples.append(int(source.sample.get()[0]))
        windows = sent().reshape(3, WINDOW, 6)
    finally:
        source.stop()
    assert samples == [5, 0, 1]
    assert held_out.read == [[0], [0], [1]]
    np.testing.assert_array_equal(windows[:, :T], SPIKES[:, samples].swapaxes(0, 1))


@pytest.mark.parametrize(
    ("spikes", "options", "message"),
    [
        (SPIKES.astype(np.uint8), {}, "spikes are uint8: expected bool"),
        (SPIKES[0], {}, r"spikes have shape \(12, 6\): expected \(time steps, samples"),
        (SPIKES[1:], {}, "spikes are spike trains of 7 time steps: expected num_steps = 8"),
        (SPIKES[..., 1:], {}, r"spikes are spike trains of neurons of shape \(5,\): expected 6"),
        (SPIKES[:, :0], {}, "spikes hold no sample"),
        (SPIKES, {"labels": LABELS[1:]}, "labels"),
        (SPIKES, {"labels": LABELS - 1}, r"labels hold -1 at \[0\]"),
        (
            SPIKES,
            {"held_out": (SPIKES[1:], LABELS)},
            "held-out spikes are spike trains of 7 time steps",
        ),
        (SPIKES, {"batch_size": 0}, "batch_size is 0"),
        (SPIKES, {"position": -1}, "position is -1"),
    ],
)
def test_what_is_no_recording_of_the_network_is_refused(spikes, options, message):
    with pytest.raises(ValueError, match=message):
        EventSource(config=CONFIG, spikes=spikes, **options)
