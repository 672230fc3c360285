"""Convolutions learn as processes what they learn in the engine, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")

from lava_desire import Conv2d, Dense, DesireConfig
from lava_desire.proc import (
    DesireChain,
    DesireConnection,
    DesireConv,
    DesireDense,
    DesireSequential,
    DesireSimCfg,
    SampleSource,
    WindowRecorder,
    plot_window,
)
from lava_desire.proc.desire_connection.sums import Sums
from lava_desire.proc.desire_conv.sums import ConvSums
from lava_desire.randomness import initial_weights

from lava.magma.core.run_conditions import RunSteps  # isort: skip

DRAW = np.random.default_rng(5)
IMAGES, LABELS = DRAW.integers(0, 256, (24, 2, 8, 7), dtype=np.uint8), np.arange(24) % 3
CONFIG = DesireConfig(
    layers=[Conv2d(4, 3, stride=2, padding=1), Conv2d(5, (3, 2)), Dense(9), Dense(3)],
    input_shape=(2, 8, 7),
    num_steps=9,
    error_margin=1,
    threshold=0.5,
    desire_threshold_conv=0.1,
    desire_threshold_hidden=0.05,
    dropout_input=0.1,
    dropout_conv=0.2,
    dropout_hidden=0.3,
    learning_rate=0.02,
    batch_size=1,
)
BEYOND = CONFIG.replace(
    trace_baseline=0.5, rate_floor=0.3, weight_limit=0.6, baseline_samples=8, class_margin=2
)


def network_of(config, **options):
    source = SampleSource(config=config, images=IMAGES.reshape(24, -1), labels=LABELS)
    network = DesireSequential(config=config, **options)
    source.brightness_out.connect(network.brightness_in)
    source.label_out.connect(network.label_in)
    return network


def learned_in_lava(config, tag, **options):
    network = network_of(config, **options)
    try:
        network.run(RunSteps(24 * config.window_steps), DesireSimCfg(tag))
        state = network.state()
        score = [int(var.get()[0]) for var in (network.num_correct, network.num_active)]
        return score, state
    finally:
        network.stop()


def learned_by_the_engine(config, **options):
    from lava_desire import DesireNetwork

    network, score = DesireNetwork(config, **options), np.zeros(2, int)
    for sample in range(24):
        one = slice(sample, sample + 1)
        result = network.train_step(IMAGES[one].reshape(1, -1), LABELS[one], config.learning_rate)
        score += result.num_correct, result.num_active
    return score.tolist(), network.state.copy()


@pytest.mark.parametrize(
    ("config", "tag", "options"),
    [
        (CONFIG, "floating_pt", {"kernels": "torch"}),
        (BEYOND, "floating_pt", {"kernels": "torch"}),
        (BEYOND, "floating_pt", {}),
        (BEYOND, "torch", {}),
        (CONFIG, "fixed_pt", {"arithmetic": "fixed_point"}),
    ],
)
def test_all_tags_learn_what_the_engine_does(config, tag, options):
    pytest.importorskip("torch", reason="torch is not installed")
    score, mine = learned_in_lava(config, tag)
    expected, theirs = learned_by_the_engine(config, **options)
    assert score == expected
    assert min(score) > 0
    assert mine.names() == theirs.names()
    for name in mine.names():
        np.testing.assert_equal(getattr(mine, name), getattr(theirs, name), err_msg=name)


@pytest.mark.parametrize("tag", ["floating_pt", "fixed_pt"])
def test_a_run_of_fit_goes_on_in_lava(tag, tmp_path):
    pytest.importorskip("torch", reason="torch is not installed")
    from lava_desire import DesireNetwork, fit

    config = (BEYOND if tag == "floating_pt" else CONFIG).replace(epochs=2)
    arithmetic = {"arithmetic": "fixed_point"} if tag == "fixed_pt" else {}
    samples = IMAGES[:8].reshape(8, -1), LABELS[:8]

    def trained(epochs, **options):
        network = DesireNetwork(config.replace(epochs=epochs), **arithmetic)
        history = fit(network, samples, samples, **options)
        return network.state.copy(), history.last.test_accuracy

    whole = trained(2)
    trained(1, folder=tmp_path)
    both = trained(2, folder=tmp_path, resume=True, backend="lava")
    np.testing.assert_equal(vars(both[0]), vars(whole[0]))
    assert both[1] == whole[1]


GEOMETRIES = [
    (Conv2d(3, 3), (2, 7, 6)),
    (Conv2d(4, (3, 2), stride=(2, 1), padding=1), (3, 9, 8)),
    (Conv2d(2, (2, 5), stride=(3, 2), padding=(1, 2)), (2, 8, 9)),
    (Conv2d(3, 1), (2, 3, 3)),
    (Conv2d(2, 2, stride=3), (1, 9, 8)),  # inputs that no position meets
    (Conv2d(5, 4, padding=3), (1, 2, 1)),
]


@pytest.mark.parametrize("threshold", [0.0, 0.8, 1.0])
@pytest.mark.parametrize(("layer", "shape"), GEOMETRIES, ids=str)
def test_sums_over_spikes_are_those_of_the_equation(layer, shape, threshold):
    config = DesireConfig(layers=[layer, Dense(3)], input_shape=shape)
    synapse, weights = config.synapses[0], initial_weights(config)[0]
    fast, plain = ConvSums(config, synapse), Sums(config, synapse)
    spikes = DRAW.random(synapse.num_pre) >= threshold
    for rows in (slice(None), np.array([1])):
        weights[rows] += 1
        for sums in (fast, plain):
            sums.take(weights, rows)
        mine, expected = fast.current(spikes), plain.current(spikes)
        assert mine.dtype == expected.dtype
        np.testing.assert_allclose(mine, expected, atol=1e-12)


def test_a_process_of_another_kind_of_layer_is_refused_by_the_name_of_the_right_one():
    weights = initial_weights(CONFIG)
    for layer, process, meant in ((1, DesireDense, DesireConv), (3, DesireConv, DesireDense)):
        message = f"layer {layer} of the config is connected by a .*, or {meant.__name__}$"
        with pytest.raises(ValueError, match=message):
            process(config=CONFIG, layer=layer, weights=weights[layer - 1])
        assert DesireConnection(config=CONFIG, layer=layer, weights=weights[layer - 1])
    built = DesireChain.build(CONFIG).connections
    assert [type(each) for each in built] == [DesireConv, DesireConv, DesireDense, DesireDense]
    with pytest.raises(ValueError, match=r"weights of layer 1 is .*: expected .* \(4, 2, 3, 3\)"):
        DesireConv(config=CONFIG, layer=1, weights=weights[0].reshape(4, -1))


def test_a_window_of_convolutions_is_recorded_and_drawn(tmp_path):
    chain = DesireChain.build(CONFIG.replace(learning_rate=0.1), training=False)
    source = SampleSource(config=CONFIG, images=IMAGES[:1].reshape(1, -1), labels=LABELS[:1])
    source.brightness_out.connect(chain.encoder.brightness_in)
    source.label_out.connect(chain.teacher.label_in)
    recorder = WindowRecorder(chain)
    try:
        chain.teacher.run(RunSteps(CONFIG.window_steps), DesireSimCfg())
        record = recorder.window()
    finally:
        chain.teacher.stop()
    assert [spikes.shape[1] for spikes in record.spikes] == [112, 64, 30, 9, 3]
    first = record.changes[0].reshape(4, 16)
    assert first.any()
    assert (first == first[:, :1]).all()  # the neurons of a map share what changes
    plot_window(record, tmp_path / "window.png")
    assert (tmp_path / "window.png").stat().st_size > 10_000
