"""The processes, composed by hand, do what the recorded runs did."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")

from composed import CONFIG, IMAGES, LABELS, Network, probed, small
from recordings import read

from lava_desire import DesireConfig, rule
from lava_desire.proc import DesireDense, DesireLIF, DesireTeacher, RateEncoder, SampleSource
from lava_desire.randomness import initial_weights

from lava.magma.core.run_conditions import RunContinuous, RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip
from lava.proc.io.source import RingBuffer  # isort: skip


@pytest.mark.golden
@pytest.mark.forked
def test_lava_repeats_the_recording(golden_path):
    assert_repeats(read(golden_path))


@pytest.mark.golden
def test_lava_repeats_the_recording_of_convolutions(convolution_path):
    assert_repeats(read(convolution_path))


def test_a_layer_of_numpy_becomes_pythons_own():
    first = {"config": CONFIG, "layer": np.int64(1)}
    for each in (DesireDense(**first, weights=initial_weights(CONFIG)[0]), DesireLIF(**first)):
        layer = each.proc_params["layer"]
        assert (layer, type(layer)) == (1, int)


def assert_repeats(golden):
    config = golden.config
    window, num_samples = config.window_steps, len(golden.labels)
    steps, masks = num_samples * window, golden.masks[: config.num_layers]
    network = Network(config, golden.initial, golden.images, golden.labels, masks)
    spikes = [probed(lif.s_out, steps) for lif in network.lif]
    desires = [probed(lif.desire, steps) for lif in network.lif[:-1]]
    desires.append(probed(network.teacher.desire, steps))
    try:
        network.run(steps)
        weights = [dense.weights.get() for dense in network.dense]
        trains = [values().reshape(num_samples, window, -1) for values in spikes]
        wanted = [values().reshape(num_samples, window, -1)[:, -1] for values in desires]
    finally:
        network.teacher.stop()
    for layer in range(config.num_layers):
        aligned = trains[layer][:, 1 : 1 + config.num_steps]
        np.testing.assert_array_equal(aligned[:3], golden.spikes[layer + 1])
        np.testing.assert_array_equal(trains[layer].sum(1), golden.counts[layer])
        np.testing.assert_array_equal(wanted[layer], golden.desires[layer])
        assert np.abs(weights[layer] - golden.final[layer]).max() < 1e-6


@pytest.mark.forked
def test_a_run_in_pieces_is_a_run_in_one():
    finals = []
    for pieces in ([30], [7, 1, 22]):
        network = small()
        try:
            for piece in pieces:
                network.run(piece)
            finals.append([dense.weights.get() for dense in network.dense])
        finally:
            network.teacher.stop()
    for one, other in zip(*finals, strict=True):
        np.testing.assert_array_equal(one, other)


def test_evaluation_changes_no_weight_and_learning_does():
    for training in (False, True):
        network = small(training=training)
        before = [dense.weights.init.copy() for dense in network.dense]
        try:
            network.run(6 * CONFIG.window_steps)
            changed = [
                bool((dense.weights.get() != old).any())
                for dense, old in zip(network.dense, before, strict=True)
            ]
            samples = int(network.teacher.num_samples.get()[0])
        finally:
            network.teacher.stop()
        assert any(changed) == training
        assert samples == 6


def test_weights_can_be_set_and_learning_switched_off_between_runs():
    network = small()
    try:
        network.run(CONFIG.window_steps)
        new = np.full((6, 4), 0.25, np.float32)
        network.dense[0].weights.set(new)
        network.dense[0].learning_enabled.set(np.array([False]))
        network.run(CONFIG.window_steps)
        np.testing.assert_array_equal(network.dense[0].weights.get(), new)
    finally:
        network.teacher.stop()


@pytest.mark.forked
def test_a_network_can_run_until_it_is_paused():
    network = small()
    try:
        network.teacher.run(RunContinuous(), Loihi2SimCfg(select_tag="floating_pt"))
        network.teacher.pause()
        assert network.teacher.num_samples.get()[0] >= 0
    finally:
        network.teacher.stop()


def test_a_stock_ring_buffer_can_be_the_encoder():
    steps = CONFIG.window_steps
    trains = np.zeros((4, steps))
    trains[0, : CONFIG.num_steps] = 1
    ring = RingBuffer(data=trains)
    dense = DesireDense(config=CONFIG, layer=1, weights=np.ones((6, 4), np.float32))
    lif = DesireLIF(config=CONFIG, layer=1, training=False)
    ring.s_out.connect(dense.s_in)
    dense.a_out.connect(lif.a_in)
    dense.training.init[0] = False
    spikes = probed(lif.s_out, steps)
    try:
        lif.run(RunSteps(steps), Loihi2SimCfg(select_tag="floating_pt"))
        data = spikes().reshape(steps, 6)
    finally:
        lif.stop()
    assert data[1 : 1 + CONFIG.num_steps].all()
    assert not data[1 + CONFIG.num_steps :].any()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: DesireLIF(config=CONFIG, layer=3), r"layer is 3: expected an integer in \[1, 2\]"),
        (lambda: DesireLIF(config=None, layer=1), "config is a NoneType"),
        (
            lambda: DesireDense(config=CONFIG, layer=1, weights=np.ones((4, 6))),
            r"weights of layer 1 is float64 \(4, 6\): expected float or integer \(6, 4\)",
        ),
        (
            lambda: DesireDense(config=CONFIG, layer=1, weights=np.full((6, 4), np.nan)),
            "weights of layer 1 holds NaN",
        ),
        (
            lambda: RateEncoder(config=CONFIG, dropout_masks=np.ones((2, 3), bool)),
            r"dropout_masks are bool \(2, 3\)",
        ),
        (
            lambda: SampleSource(config=CONFIG, images=IMAGES, labels=LABELS + 1),
            r"labels hold 3 at \[2\]: expected classes in \[0, 3\)",
        ),
        (
            lambda: SampleSource(config=CONFIG, images=IMAGES[:, :3], labels=LABELS),
            r"images have shape \(3, 3\)",
        ),
    ],
)
def test_a_wrong_argument_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    ("process", "options", "wrong", "meant"),
    [
        (RateEncoder, {}, "dropout_mask", "dropout_masks"),
        (
            DesireDense,
            {"layer": 1, "weights": np.ones((6, 4))},
            "learning_enable",
            "learning_enabled",
        ),
        (DesireLIF, {"layer": 1}, "trainig", "training"),
        (DesireTeacher, {}, "nam", "name"),
        (SampleSource, {"images": IMAGES, "labels": LABELS}, "shufle", "shuffle"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_parameter_that_does_not_exist_is_refused(process, options, wrong, meant):
    message = f"{process.__name__} has no parameter '{wrong}': did you mean '{meant}'"
    with pytest.raises(TypeError, match=message):
        process(config=CONFIG, **options, **{wrong: None})


def test_two_hundred_digits_learned_online_are_the_engines_in_every_step():
    engine = pytest.importorskip("lava_desire.engine", reason="torch is not installed")
    from lava_desire.data import load_dataset

    config = DesireConfig((64, 30, 20, 10), learning_rate=1e-3, dropout_input=0.1, seed=4)
    num_samples, window, num_layers = 200, config.window_steps, config.num_layers
    images, labels = (array[:num_samples] for array in load_dataset("digits").train)
    weights = initial_weights(config)
    network = Network(config, weights, images, labels)
    steps = num_samples * window
    probes = {
        "spikes": [probed(lif.s_out, steps) for lif in network.lif],
        "desires": [
            *(probed(lif.desire, steps) for lif in network.lif[:-1]),
            probed(network.teacher.desire, steps),
        ],
        "z": [probed(dense.z_out, steps) for dense in network.dense[1:]],
        "prediction": [probed(network.teacher.prediction, steps)],
    }
    try:
        network.run(steps)
        learned = [dense.weights.get() for dense in network.dense]
        seen = {
            name: [read().reshape(num_samples, window, -1) for read in readers]
            for name, readers in probes.items()
        }
    finally:
        network.teacher.stop()
    twin = engine.DesireNetwork(config)
    for sample in range(num_samples):
        one = slice(sample, sample + 1)
        before = twin.numpy_weights()
        result = twin.train_step(images[one], labels[one], config.learning_rate)
        assert seen["prediction"][0][sample, -1] == result.activity.prediction[0]
        for layer in range(1, num_layers + 1):
            spikes = seen["spikes"][layer - 1][sample, 1 : 1 + config.num_steps]
            np.testing.assert_array_equal(spikes, result.spikes[layer][:, 0])
            desire = result.desires[layer - 1].numpy()
            np.testing.assert_array_equal(seen["desires"][layer - 1][sample, -1], desire[0])
            if layer > 1:
                mask = result.activity.masks[layer].numpy() if layer < num_layers else None
                rate = rule.firing_rate(
                    result.counts[layer].numpy(), config.num_steps, config.error_margin
                )
                error = rule.local_error(desire, rate, mask)
                z = rule.backpropagate_error(before[layer - 1], error)
                sent_in = config.num_steps + 2 + num_layers - layer
                np.testing.assert_array_equal(seen["z"][layer - 2][sample, sent_in - 1], z[0])
    for mine, other in zip(learned, twin.numpy_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
