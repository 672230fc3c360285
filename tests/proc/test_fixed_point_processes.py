"""Lava's fixed-point processes and the engine's twin compute the same integers."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")
pytest.importorskip("torch", reason="torch is not installed")

from recordings import read

from lava_desire import Conv2d, DesireConfig
from lava_desire.data import load_dataset
from lava_desire.engine import DesireNetwork
from lava_desire.fixed import LayerFormat, default_formats
from lava_desire.proc import (
    DesireConnection,
    DesireDense,
    DesireLIF,
    DesireTeacher,
    ProcessError,
    RateEncoder,
    SampleSource,
)
from lava_desire.proc.desire_connection.models_fixed import AbstractPyDesireConnectionModelFixed
from lava_desire.proc.desire_conv.sums import ConvSums
from lava_desire.proc.desire_dense.sums import DenseSums
from lava_desire.randomness import initial_weights

from lava.magma.core.decorator import implements, requires, tag  # isort: skip
from lava.magma.core.model.py.type import LavaPyType  # isort: skip
from lava.magma.core.process.variable import Var  # isort: skip
from lava.magma.core.resources import CPU  # isort: skip
from lava.magma.core.run_conditions import RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol  # isort: skip
from lava.proc.dense.process import Dense  # isort: skip
from lava.proc.io.source import RingBuffer  # isort: skip
from lava.proc.monitor.process import Monitor  # isort: skip


# Of each recording, so that the four take a minute; all of them agreed when they were tried.
NUM_IMAGES = 20


class Open(DesireConnection):
    """A connection whose trace is a Var, for a monitor to read."""

    def __init__(self, **options):
        super().__init__(**options)
        self.trace = Var(shape=self.s_in.shape, init=0)


@implements(proc=Open, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyOpenModelFixed(AbstractPyDesireConnectionModelFixed):
    trace: np.ndarray = LavaPyType(np.ndarray, np.int64)

    @staticmethod
    def sums(config, synapse):
        return (ConvSums if isinstance(synapse, Conv2d) else DenseSums)(config, synapse)


class Network:
    """Source, encoder, connections, layers and teacher, each with monitors."""

    def __init__(self, config, weights, images, labels, masks=None, formats=None, training=True):
        masks = masks or [None] * config.num_layers
        layers = range(1, config.num_layers + 1)
        self.config, self.num_samples = config, len(images)
        self.steps = len(images) * config.window_steps
        common = {"config": config, "training": training}
        source = SampleSource(config=config, images=images, labels=labels)
        encoder = RateEncoder(dropout_masks=masks[0], **common)
        self.dense = [
            Open(
                layer=layer,
                weights=weights[layer - 1],
                formats=formats,
                learning_enabled=training,
                **common,
            )
            for layer in layers
        ]
        lif = [
            DesireLIF(
                layer=layer,
                formats=formats,
                dropout_masks=masks[layer] if layer < config.num_layers else None,
                **common,
            )
            for layer in layers
        ]
        self.teacher = teacher = DesireTeacher(config=config)
        source.brightness_out.connect(encoder.brightness_in)
        source.label_out.connect(teacher.label_in)
        below = encoder
        for connection, neurons in zip(self.dense, lif, strict=True):
            below.s_out.connect(connection.s_in)
            connection.a_out.connect(neurons.a_in)
            neurons.s_out.connect(connection.s_post_in)
            if neurons is not lif[-1]:
                neurons.desire_out.connect(connection.desire_in)
            if below is not encoder:
                connection.z_out.connect(below.z_in)
            below = neurons
        below.s_out.connect(teacher.s_in)
        teacher.desire_out.connect(self.dense[-1].desire_in)
        if config.rates_desired_samples:
            for connection in self.dense:
                teacher.third_factor_out.connect(connection.third_factor_in)
        probe = self._probe
        self.spikes = [probe(encoder.s_out), *(probe(neurons.s_out) for neurons in lif)]
        self.potentials = [probe(neurons.potential) for neurons in lif]
        self.traces = [probe(connection.trace) for connection in self.dense]
        self.desires = [*(probe(neurons.desire) for neurons in lif[:-1]), probe(teacher.desire)]
        self.predictions = probe(teacher.prediction)

    def _probe(self, member):
        monitor = Monitor()
        monitor.probe(member, self.steps)

        def values():
            recorded = next(iter(next(iter(monitor.get_data().values())).values()))
            return recorded.reshape(self.num_samples, self.config.window_steps, -1)

        return values

    def run(self):
        """Run all samples; what was recorded replaces the monitors."""
        try:
            self.teacher.run(RunSteps(self.steps), Loihi2SimCfg(select_tag="fixed_pt"))
            self.weights = [connection.weights.get() for connection in self.dense]
            for name in ("spikes", "potentials", "traces", "desires"):
                setattr(self, name, [values() for values in getattr(self, name)])
            self.predictions = self.predictions()
        finally:
            self.teacher.stop()


def assert_twins(network, twin, images, labels, masks=None, learning_rate=None):
    """Learn the samples with the twin, comparing every integer with what Lava recorded."""
    steps, num_layers = twin.config.num_steps, twin.config.num_layers
    rate = twin.config.learning_rate if learning_rate is None else learning_rate
    for sample in range(len(labels)):
        one = slice(sample, sample + 1)
        given = masks and [mask[one] for mask in masks]
        kept = [stream.draw()[0] for stream in _streams(twin)] if given is None else given
        potentials = twin.potentials(images[one], kept)
        seen = twin.samples_seen
        result = twin.train_step(images[one], labels[one], rate, given)
        traces = twin.traces(result.activity, seen)
        assert network.predictions[sample, -1, 0] == result.activity.prediction[0]
        for layer in range(num_layers + 1):
            lag = int(layer > 0)
            recorded = network.spikes[layer][sample]
            np.testing.assert_array_equal(
                recorded[lag : lag + steps], result.spikes[layer][:, 0].numpy()
            )
            assert recorded.sum() == result.counts[layer].sum()
        for layer in range(num_layers):
            np.testing.assert_array_equal(
                network.potentials[layer][sample][1 : 1 + steps], potentials[layer][:, 0]
            )
            np.testing.assert_array_equal(
                network.traces[layer][sample][:steps], traces[layer][:, 0]
            )
            np.testing.assert_array_equal(
                network.desires[layer][sample][-1], result.desires[layer][0]
            )
    for mine, other in zip(network.weights, twin.numpy_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def _streams(twin):
    """Return dropout streams at the position of the twin's own, which stay where they are."""
    from lava_desire.randomness import DropoutStream

    config = twin.config
    streams = [
        DropoutStream(size, config.dropout_of(layer), config.seed, layer)
        for layer, size in enumerate(config.layer_sizes[:-1])
    ]
    for stream in streams:
        stream.seek(twin.samples_seen)
    return streams


def test_two_hundred_digits_are_learned_with_the_same_integers():
    config = DesireConfig(
        (64, 30, 10), learning_rate=1e-3, dropout_input=0.1, seed=4, image_brightness=0.4
    )
    images, labels = (array[:200] for array in load_dataset("digits").train)
    weights = initial_weights(config)
    network = Network(config, weights, images, labels)
    network.run()
    twin = DesireNetwork(config, arithmetic="fixed_point")
    before = twin.numpy_weights()
    assert_twins(network, twin, images, labels)
    assert all(
        (after != first).mean() > 0.05
        for after, first in zip(twin.numpy_weights(), before, strict=True)
    )


@pytest.mark.golden
def test_the_images_of_the_recordings_are_learned_with_the_same_integers(golden_path):
    assert_learns_alike(read(golden_path))


@pytest.mark.golden
def test_those_of_convolutions_are_as_well(convolution_path):
    assert_learns_alike(read(convolution_path))


def assert_learns_alike(golden):
    config, weights = golden.config, golden.initial
    images, labels, *masks = (
        array[:NUM_IMAGES]
        for array in (golden.images, golden.labels, *golden.masks[: config.num_layers])
    )
    network = Network(config, weights, images, labels, masks)
    network.run()
    twin = DesireNetwork(config, weights=weights, arithmetic="fixed_point")
    assert_twins(network, twin, images, labels, masks)


@pytest.mark.parametrize("weight_bits", [2, 5])
def test_few_bits_and_neurons_reset_to_zero_agree_as_well(weight_bits):
    config = DesireConfig(
        (64, 12, 10), num_steps=9, decay=0.875, learning_rate=3e-2, reset="zero", seed=2
    )
    images, labels = (array[:12] for array in load_dataset("digits").train)
    formats = default_formats(config, weight_bits)
    network = Network(config, initial_weights(config), images, labels, formats=formats)
    network.run()
    twin = DesireNetwork(config, arithmetic="fixed_point", formats=formats)
    assert_twins(network, twin, images, labels)
    assert max(int(np.abs(weights).max()) for weights in network.weights) == 2 ** (weight_bits - 1)


def test_evaluation_changes_no_mantissa_and_mantissas_are_taken_as_they_are():
    config = DesireConfig((4, 6, 3), num_steps=8, error_margin=1, learning_rate=1e-2)
    formats = (LayerFormat(2, 700, 8), LayerFormat(-1, 800, 6))
    generator = np.random.default_rng(0)
    mantissas = [generator.integers(-32, 32, shape) for shape in ((6, 4), (3, 6))]
    images, labels = np.eye(4, dtype=np.float32)[:3], np.arange(3)
    network = Network(config, mantissas, images, labels, formats=formats, training=False)
    network.run()
    twin = DesireNetwork(config, weights=mantissas, arithmetic="fixed_point", formats=formats)
    activity = twin.forward(images)
    np.testing.assert_array_equal(network.predictions[:, -1, 0], activity.prediction)
    for layer, potentials in enumerate(twin.potentials(images)):
        np.testing.assert_array_equal(
            network.potentials[layer][:, 1:9].transpose(1, 0, 2), potentials
        )
        np.testing.assert_array_equal(network.weights[layer], mantissas[layer])


@pytest.mark.parametrize(
    ("scale", "message"), [(1e4, "expected at most"), (1e-13, "which is 0 on the grid of layer 1")]
)
def test_a_learning_rate_off_the_grid_of_one_layer_ends_the_run_before_another_has_learned(
    scale, message
):
    config = DesireConfig(
        (4, 6, 3),
        num_steps=8,
        error_margin=1,
        learning_rate=1.0,
        learning_rate_scale=(scale, 0.01),
        dropout_hidden=0,
    )
    images, labels = np.ones((1, 4), np.float32), np.zeros(1, np.int64)
    dark = Network(config, initial_weights(config), images * 0, labels)
    # Silent as it is, and nothing to learn, it is refused in the first step of a window.
    with pytest.raises(ProcessError, match=rf"layer 1 .*learning_rate is 1\.0.* {message}"):
        dark.teacher.run(RunSteps(1), Loihi2SimCfg(select_tag="fixed_pt"))


def test_a_layer_takes_the_activations_of_lavas_own_dense_connection():
    config = DesireConfig((4, 6), num_steps=8)
    form = LayerFormat(1, 600, 8)
    mantissas = np.random.default_rng(1).integers(-128, 128, (6, 4))
    steps = config.window_steps
    trains = np.zeros((4, steps))
    trains[:, : config.num_steps] = np.random.default_rng(2).random((4, config.num_steps)) < 0.5
    ring = RingBuffer(data=trains)
    # Mixed signs take nine bits there, of which the lowest is cut off.
    stock = Dense(weights=2 * mantissas, weight_exp=form.weight_exp - 1)
    mine = DesireDense(config=config, layer=1, weights=mantissas, formats=[form])
    recorded = []
    for connection in (stock, mine):
        lif = DesireLIF(config=config, layer=1, formats=[form], training=False)
        ring.s_out.connect(connection.s_in)
        connection.a_out.connect(lif.a_in)
        monitor = Monitor()
        monitor.probe(lif.potential, steps)
        recorded.append(monitor)
    try:
        ring.run(RunSteps(steps), Loihi2SimCfg(select_tag="fixed_pt"))
        found = [next(iter(next(iter(m.get_data().values())).values())) for m in recorded]
    finally:
        ring.stop()
    assert np.abs(found[0]).max() > 0
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda config: DesireDense(config=config, layer=1, weights=np.full((6, 4), 128)),
            r"weights holds 128: expected mantissas in \[-128, 127\]",
        ),
        (
            lambda config: DesireLIF(config=config, layer=1, formats=[LayerFormat(0, 500)]),
            "formats holds 1 formats: expected 2",
        ),
    ],
)
def test_a_wrong_argument_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build(DesireConfig((4, 6, 3)))


@pytest.mark.parametrize(
    ("layers", "shape"), [((), ()), (("4c3s2", "10"), (1, 8, 8))], ids=["dense", "convolution"]
)
def test_what_mean_rates_add_to_an_update_agrees_as_well(layers, shape):
    config = DesireConfig(
        () if layers else (64, 30, 10),
        layers=layers,
        input_shape=shape,
        learning_rate=2e-3,
        seed=4,
        trace_baseline=0.9,
        rate_floor=0.2,
        weight_limit=0.6 if layers else 0.2,
        rates_over="desired",
        baseline_samples=20,
    )
    images, labels = (array[:30] for array in load_dataset("digits").train)
    network = Network(config, initial_weights(config), images, labels)
    network.run()
    twin = DesireNetwork(config, arithmetic="fixed_point")
    plain = DesireNetwork(
        config.replace(trace_baseline=0.0, rate_floor=0.0), arithmetic="fixed_point"
    )
    for sample in range(30):
        plain.train_step(images[sample : sample + 1], labels[sample : sample + 1], 2e-3)
    assert_twins(network, twin, images, labels)
    assert all((rates > 0).any() for rates in twin.input_rates.rates)
    for mine, other in zip(twin.numpy_weights(), plain.numpy_weights(), strict=True):
        assert (mine != other).mean() > 0.05
