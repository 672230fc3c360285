"""What ports take is the same under every tag; a missing input is said, and not made up."""

from __future__ import annotations

import contextlib
import warnings

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")

with contextlib.suppress(ImportError):
    import lava_desire.engine  # noqa: F401  (here, and not anew in every child)

from sender.process import Sender

from lava_desire import DesireConfig
from lava_desire.proc import (
    DesireChain,
    DesireDense,
    DesireLIF,
    DesireSequential,
    DesireSimCfg,
    DesireTeacher,
    ProcessError,
    RateEncoder,
    SampleSource,
)

from lava.magma.core.run_conditions import RunSteps  # isort: skip
from lava.proc.io.source import RingBuffer  # isort: skip

CONFIG = DesireConfig((4, 6, 3), num_steps=8, error_margin=1, learning_rate=1e-2)
FOLLOWING = CONFIG.replace(trace_baseline=0.5, rate_floor=0.5)
DESIRED = FOLLOWING.replace(rates_over="desired")
WINDOW, T = CONFIG.window_steps, CONFIG.num_steps
IMAGES, LABELS = np.random.default_rng(0).random((5, 4)).astype(np.float32), np.arange(5) % 3
LEVELS = np.rint(255 * IMAGES).astype(int)

needs_torch = pytest.mark.skipif(
    "not __import__('importlib.util').util.find_spec('torch')", reason="torch is not installed"
)
TORCH = pytest.param("torch", marks=needs_torch)
TAGS = pytest.mark.parametrize("tag", ["floating_pt", "fixed_pt", TORCH])


def in_every_step(samples):
    """Return samples as columns, each for the steps of a window."""
    return np.repeat(samples, WINDOW, axis=0).reshape(len(samples) * WINDOW, -1).T


def learned(network, windows, tag):
    """Run, and return weights before and after, samples and hits counted, and the prediction."""
    cfg = DesireSimCfg(tag)
    try:
        network.run(RunSteps(1), cfg)
        before = [var.get() for var in network.weights]
        network.run(RunSteps(windows * WINDOW - 1), cfg)
        after = [var.get() for var in network.weights]
        score = [int(getattr(network, name).get()[0]) for name in ("num_samples", "num_correct")]
        rated = int(network.rated_samples.get()[0])
        return before, after, score, rated, int(network.prediction.get()[0])
    finally:
        network.stop()


def unlabelled(config, tag, port="label_in"):
    source = SampleSource(config=config, images=IMAGES, labels=LABELS)
    network = DesireSequential(config=config)
    if port == "label_in":
        source.brightness_out.connect(network.brightness_in)
    else:
        source.label_out.connect(network.label_in)
    return learned(network, 3, tag)


@pytest.mark.parametrize(
    ("config", "tag"),
    [
        (CONFIG, "fixed_pt"),
        (FOLLOWING, "floating_pt"),
        (DESIRED, "floating_pt"),
        pytest.param(FOLLOWING, "torch", marks=needs_torch),
    ],
)
@pytest.mark.parametrize("port", ["label_in", "brightness_in"])
def test_without_labels_or_images_nothing_is_learned_nor_scored_and_that_is_said(config, tag, port):
    with pytest.warns(UserWarning, match=rf"{port} of .* is not connected: .*learned") as said:
        before, after, score, rated, _ = unlabelled(config, tag, port)
    assert len([each for each in said if "not connected" in str(each.message)]) == 1
    np.testing.assert_equal(before, after)
    assert (score, rated) == ([0, 0], 0)


@needs_torch
def test_without_labels_predictions_are_those_with_labels():
    predictions = set()
    for tag in ("floating_pt", "torch"):
        with pytest.warns(UserWarning, match="not connected"):
            predictions.add(unlabelled(CONFIG, tag)[-1])
    source, network = (
        SampleSource(config=CONFIG, images=IMAGES, labels=LABELS),
        DesireSequential(config=CONFIG, learning_enabled=False),
    )
    source.brightness_out.connect(network.brightness_in)
    source.label_out.connect(network.label_in)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        predictions.add(learned(network, 3, "floating_pt")[-1])
    assert len(predictions) == 1


@pytest.mark.parametrize("config", [CONFIG, FOLLOWING, DESIRED], ids=["paper", "all", "desired"])
def test_a_chain_without_labels_learns_nothing(config):
    chain = DesireChain.build(config)
    source = SampleSource(config=config, images=IMAGES, labels=LABELS)
    source.brightness_out.connect(chain.encoder.brightness_in)
    weights = [connection.weights.init.copy() for connection in chain.connections]
    try:
        with pytest.warns(UserWarning, match=r"label_in of DesireTeacher .*: nothing is learned"):
            chain.teacher.run(RunSteps(2 * WINDOW), DesireSimCfg("floating_pt"))
        for connection, before in zip(chain.connections, weights, strict=True):
            np.testing.assert_array_equal(connection.weights.get(), before)
            assert int(connection.rated_samples.get()[0]) == 0
        assert int(chain.teacher.num_samples.get()[0]) == 0
    finally:
        chain.teacher.stop()


@pytest.mark.parametrize(
    ("build", "ports"),
    [
        (lambda: RateEncoder(config=CONFIG), ["brightness_in"]),
        (lambda: DesireLIF(config=CONFIG, layer=1), ["a_in"]),
        (lambda: DesireTeacher(config=CONFIG), ["s_in"]),
        (
            lambda: DesireDense(config=CONFIG, layer=1, weights=np.ones((6, 4))),
            ["s_in", "s_post_in", "desire_in"],
        ),
        (lambda: DesireSequential(config=CONFIG), ["brightness_in"]),
    ],
    ids=["encoder", "neurons", "teacher", "connection", "network"],
)
def test_every_input_whose_absence_changes_what_happens_is_named(build, ports):
    process = build()
    try:
        with pytest.warns(UserWarning, match="is not connected") as said:
            process.run(RunSteps(1), DesireSimCfg("floating_pt"))
    finally:
        process.stop()
    named = [str(each.message).split(" of ")[0] for each in said]
    assert [name for name in named if name.endswith("_in")][: len(ports)] == ports


def fed(process, port, data, kind=float, tag="floating_pt"):
    """Run a process for two windows with data on one port, in every other zeros."""
    sender = Sender(data, kind)
    sender.out.connect(getattr(process, port))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the other ports
        try:
            process.run(RunSteps(2 * WINDOW), DesireSimCfg(tag))
        finally:
            process.stop()


def column(size, value, step):
    """Return zeros (size, window) with one value in one step, counted from 1."""
    data = np.zeros((size, WINDOW))
    data[1, step - 1] = value
    return data


@pytest.mark.parametrize(
    ("port", "value", "tag"),
    [
        ("s_in", 0.4, "floating_pt"),
        ("s_in", 2.0, "fixed_pt"),
        ("s_post_in", -1.0, "floating_pt"),
        ("s_post_in", np.nan, "fixed_pt"),
        ("teacher", 2.0, "floating_pt"),
        ("teacher", 0.4, "fixed_pt"),
    ],
)
def test_spikes_are_0_or_1(port, value, tag):
    if port == "teacher":
        process, port, size = DesireTeacher(config=CONFIG), "s_in", 3
    else:
        process = DesireDense(config=CONFIG, layer=1, weights=np.ones((6, 4)))
        size = 4 if port == "s_in" else 6
    message = rf"{port} holds {value:g} in step 4 .*: expected 0 or 1"
    with pytest.raises(ProcessError, match=message):
        fed(process, port, column(size, value, 4), tag=tag)


@pytest.mark.parametrize(("value", "tag"), [(0.4, "floating_pt"), (2.0, "fixed_pt")])
def test_desires_are_ternary_in_the_step_in_which_they_are_read(value, tag):
    def build():
        return DesireDense(config=CONFIG, layer=2, weights=np.ones((3, 6)))

    message = rf"desire_in holds {value:g} in step {T + 1} .*: expected -1, 0 or 1"
    with pytest.raises(ProcessError, match=message):
        fed(build(), "desire_in", column(3, value, T + 1), tag=tag)
    fed(build(), "desire_in", column(3, value, T), tag=tag)


@pytest.mark.parametrize("value", [0.5, np.nan])
def test_activations_are_integers_in_fixed_point_and_finite_in_floating_point(value):
    message = rf"a_in holds {value:g} in step 3 .*: expected integers"
    with pytest.raises(ProcessError, match=message):
        fed(DesireLIF(config=CONFIG, layer=1), "a_in", column(6, value, 3), tag="fixed_pt")
    if np.isfinite(value):
        return
    with pytest.raises(ProcessError, match=rf"z_in holds {value} in step {T + 2} .*: expected fin"):
        fed(DesireLIF(config=CONFIG, layer=1), "z_in", column(6, value, T + 2))


def network_fed_by(images, labels, image_kind=float, label_kind=float):
    network = DesireSequential(config=CONFIG)
    Sender(in_every_step(images), image_kind).out.connect(network.brightness_in)
    Sender(in_every_step(labels), label_kind).out.connect(network.label_in)
    return network


@pytest.mark.parametrize(
    ("label", "tag"),
    [
        (1.7, "floating_pt"),
        (1.7, "fixed_pt"),
        pytest.param(1.7, "torch", marks=needs_torch),
        (-1.0, "fixed_pt"),
        (3.0, "floating_pt"),
        (np.nan, "floating_pt"),
    ],
)
def test_labels_are_classes(label, tag):
    network = network_fed_by(IMAGES[:1], np.array([label]))
    message = rf"the label is {label:g}: expected a class in \[0, 3\)"
    with pytest.raises(ProcessError, match=message):
        network.run(RunSteps(WINDOW), DesireSimCfg(tag))


@pytest.mark.parametrize("images", [IMAGES, LEVELS, IMAGES > 0.5], ids=["floats", "levels", "bits"])
def test_brightness_means_the_same_in_fixed_point_whatever_sends_it(images):
    kind = {"f": np.float32, "i": np.int32, "b": bool}[images.dtype.kind]
    floats = images / 255 if kind is np.int32 else images.astype(np.float32)
    source = SampleSource(config=CONFIG, images=floats.astype(np.float32), labels=LABELS)
    expected = DesireSequential(config=CONFIG)
    source.brightness_out.connect(expected.brightness_in)
    source.label_out.connect(expected.label_in)
    network = network_fed_by(images, LABELS, kind, np.int64)
    _, expected_weights, expected_score, *_ = learned(expected, 5, "fixed_pt")
    before, weights, score, *_ = learned(network, 5, "fixed_pt")
    np.testing.assert_equal(weights, expected_weights)
    assert score == expected_score
    assert (before[1] != weights[1]).any()


@needs_torch
def test_an_image_of_the_darkest_level_is_an_image_in_fixed_point():
    from lava_desire.engine import DesireNetwork

    config = CONFIG.replace(image_brightness=0.5, dropout_hidden=0, class_margin=8)
    images = np.array([[1] * 4, [255, 0, 20, 90], [0, 1, 0, 1]], np.uint8)
    source = SampleSource(config=config, images=images, labels=LABELS[:3])
    network = DesireSequential(config=config)
    source.brightness_out.connect(network.brightness_in)
    source.label_out.connect(network.label_in)
    before, after, *_ = learned(network, 3, "fixed_pt")
    twin = DesireNetwork(config, arithmetic="fixed_point")
    for sample in range(3):
        one = slice(sample, sample + 1)
        twin.train_step(images[one], LABELS[one], config.learning_rate)
    np.testing.assert_equal(after, twin.numpy_weights())
    assert any((old != new).any() for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("images", "kind", "tag", "message"),
    [
        (LEVELS, float, "floating_pt", r"expected values in \[0, 1\]; levels of 255 are to be div"),
        pytest.param(LEVELS, float, "torch", r"in \[0, 1\]; levels of 255", marks=needs_torch),
        (LEVELS, float, "fixed_pt", r"in \[0, 1\], or integers in \[0, 255\] from an integer port"),
        (LEVELS + 200, np.int32, "fixed_pt", r"expected values in \[0, 255\]"),
        (IMAGES > 0.5, np.int32, "fixed_pt", r"holds integers of at most 1: expected .*\[0, 255\]"),
        (-IMAGES, float, "fixed_pt", "brightness reaches from -"),
    ],
)
def test_brightness_on_another_scale_is_refused_with_the_cure(images, kind, tag, message):
    network = network_fed_by(images, LABELS, kind)
    with pytest.raises(ProcessError, match=message):
        network.run(RunSteps(5 * WINDOW), DesireSimCfg(tag))


@pytest.mark.parametrize("port", ["brightness_in", "label_in"])
def test_a_ring_buffer_that_would_cut_its_data_is_refused_with_the_cure(port):
    images, labels = (IMAGES, LABELS) if port == "brightness_in" else (LEVELS, LABELS + 0.7)
    network = DesireSequential(config=CONFIG)
    RingBuffer(data=in_every_step(images)).s_out.connect(network.brightness_in)
    RingBuffer(data=in_every_step(labels)).s_out.connect(network.label_in)
    with pytest.raises(ValueError, match=rf"{port} of .* RingBuffer .* cuts 0\.\d+ to 0: expected"):
        network.run(RunSteps(1), DesireSimCfg("fixed_pt"))


@pytest.mark.parametrize(
    ("tag", "step"),
    [("floating_pt", 2), ("fixed_pt", T), pytest.param("torch", T, marks=needs_torch)],
)
def test_brightness_that_changes_within_a_sample_is_refused(tag, step):
    images = in_every_step(IMAGES[:2])
    images[3, WINDOW + step - 1] = 0.25
    network = DesireSequential(config=CONFIG)
    Sender(images).out.connect(network.brightness_in)
    Sender(in_every_step(LABELS[:2])).out.connect(network.label_in)
    message = rf"brightness_in has changed in step {step} .* at input 3 from 0\.\d+ to 0.25"
    with pytest.raises(ProcessError, match=message):
        network.run(RunSteps(2 * WINDOW), DesireSimCfg(tag))


@TAGS
def test_what_comes_after_the_last_step_of_the_encoder_is_not_looked_at(tag):
    images = in_every_step(IMAGES)
    expected = None
    for _ in range(2):
        network = DesireSequential(config=CONFIG)
        Sender(images).out.connect(network.brightness_in)
        Sender(in_every_step(LABELS)).out.connect(network.label_in)
        _, weights, score, *_ = learned(network, 5, tag)
        if expected is not None:
            np.testing.assert_equal((weights, score), expected)
        expected = (weights, score)
        images = images.copy()
        images[:, T::WINDOW] = np.nan
