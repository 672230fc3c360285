"""What a Lava user does with processes works with these."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")

from composed import CONFIG, IMAGES, LABELS, probed, small
from writer.process import Writer

from lava_desire import DesireConfig
from lava_desire.proc import DesireDense, DesireLIF

from lava.magma.core.run_conditions import RunContinuous, RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip
from lava.proc.dense.process import Dense  # isort: skip
from lava.proc.io.sink import RingBuffer as Sink  # isort: skip
from lava.proc.io.source import RingBuffer as Source  # isort: skip
from lava.proc.lif.process import LIF  # isort: skip

T, WINDOW = CONFIG.num_steps, CONFIG.window_steps


def settings():
    return Loihi2SimCfg(select_tag="floating_pt")


def test_every_var_and_out_port_can_be_monitored():
    network = small()
    steps = 2 * WINDOW
    processes = {
        "source": network.source,
        "encoder": network.encoder,
        "dense": network.dense[1],
        "lif": network.lif[0],
        "output": network.lif[1],
        "teacher": network.teacher,
    }
    members = {
        f"{name} {member.name}": member
        for name, process in processes.items()
        for member in [*process.out_ports, *process.vars]
    }
    readers = {name: probed(member, steps) for name, member in members.items()}
    try:
        network.run(steps)
        seen = {name: read().reshape(2, WINDOW, -1) for name, read in readers.items()}
    finally:
        network.teacher.stop()
    np.testing.assert_array_equal(seen["source sample"][:, :, 0], [[0] * WINDOW, [1] * WINDOW])
    np.testing.assert_array_equal(seen["source label_out"], seen["source sample"])
    np.testing.assert_array_equal(seen["source brightness_out"][0, 0], IMAGES[0])
    for name in ("encoder training", "dense training", "lif training", "dense learning_enabled"):
        assert seen[name].all()
    np.testing.assert_array_equal(seen["dense learning_rate"], np.full((2, WINDOW, 1), 1e-2))
    # The bright pixel of each image spikes in every step of the train, the others never.
    np.testing.assert_array_equal(seen["encoder s_out"].sum(1), T * IMAGES[:2])
    assert not seen["encoder s_out"][:, T:].any()
    # Spikes are counted as they arrive.
    np.testing.assert_array_equal(np.cumsum(seen["output s_out"], axis=1), seen["teacher counts"])
    np.testing.assert_array_equal(seen["teacher counts_out"][:, T], seen["teacher counts"][:, T])
    np.testing.assert_array_equal(seen["teacher num_samples"][:, -1, 0], [1, 2])
    np.testing.assert_array_equal(
        seen["teacher prediction_out"][:, T], seen["teacher prediction"][:, T]
    )
    # Backward, each message has one step in the window, and zeros travel in the others.
    for name, step in (
        ("teacher desire_out", T),
        ("dense z_out", T + 1),
        ("lif desire_out", T + 1),
    ):
        assert not np.delete(seen[name], step, axis=1).any(), name
    assert seen["teacher desire_out"][:, T].any()
    assert seen["dense z_out"][:, T + 1].any()
    kept = seen["lif desire"][:, T + 1] * seen["lif mask"][:, T + 1]
    np.testing.assert_array_equal(seen["lif desire_out"][:, T + 1], kept)
    assert not (seen["lif s_out"] * (1 - seen["lif mask"])).any()
    # The weights of the second connection change in the step in which its desire arrives.
    changed = (np.diff(seen["dense weights"], axis=1) != 0).any(axis=2)
    assert changed[:, T - 1].any()
    assert not np.delete(changed, T - 1, axis=1).any()


def test_stock_ring_buffers_can_be_source_and_sink():
    steps = 3 * WINDOW
    network, other = small(), small(source=False)
    images = Source(data=np.repeat(IMAGES, WINDOW, axis=0).T)
    labels = Source(data=np.repeat(LABELS, WINDOW)[None].astype(float))
    predictions, counts = Sink(shape=(1,), buffer=steps), Sink(shape=(3,), buffer=steps)
    images.s_out.connect(other.encoder.brightness_in)
    labels.s_out.connect(other.teacher.label_in)
    other.teacher.prediction_out.connect(predictions.a_in)
    other.teacher.counts_out.connect(counts.a_in)
    expected = probed(network.teacher.counts_out, steps)
    try:
        network.run(steps)
        other.run(steps)
        np.testing.assert_array_equal(counts.data.get().T, expected())
        correct = predictions.data.get()[0].reshape(3, WINDOW)[:, T] == LABELS
        assert int(other.teacher.num_correct.get()[0]) == correct.sum()
        for mine, stock in zip(network.dense, other.dense, strict=True):
            np.testing.assert_array_equal(mine.weights.get(), stock.weights.get())
    finally:
        network.teacher.stop()
        other.teacher.stop()


def test_stock_connections_and_neurons_mix_with_these():
    steps = WINDOW
    trains = np.zeros((4, steps))
    trains[1, :T] = 1
    source, weights = Source(data=trains), np.full((6, 4), 0.5)
    stock, mine = Dense(weights=weights), DesireDense(config=CONFIG, layer=1, weights=weights)
    mine.training.init[0] = False
    # Each neuron model behind each connection model.
    layers = [DesireLIF(config=CONFIG, layer=1, training=False) for _ in range(2)]
    neurons = [LIF(shape=(6,), vth=0.99, dv=0.25, du=1.0) for _ in range(2)]
    source.s_out.connect([stock.s_in, mine.s_in])
    stock.a_out.connect([layers[0].a_in, neurons[0].a_in])
    mine.a_out.connect([layers[1].a_in, neurons[1].a_in])
    spikes = [probed(layer.s_out, steps) for layer in layers + neurons]
    try:
        source.run(RunSteps(steps), settings())
        by_layer, by_layer_too, by_neurons, by_neurons_too = (read() for read in spikes)
    finally:
        source.stop()
    np.testing.assert_array_equal(by_layer, by_layer_too)
    np.testing.assert_array_equal(by_neurons, by_neurons_too)
    assert by_layer.any()
    assert by_neurons.any()


def run_beside_stock(activation, config, vth):
    """Spikes of a layer with hard reset and of stock neurons for the same activation."""
    source = Source(data=activation)
    mine = DesireLIF(config=config, layer=1, training=False)
    stock = LIF(shape=(len(activation),), vth=vth, dv=1 - config.decay, du=1.0)
    source.s_out.connect([mine.a_in, stock.a_in])
    spikes = [probed(mine.s_out, activation.shape[1]), probed(stock.s_out, activation.shape[1])]
    try:
        source.run(RunSteps(activation.shape[1]), settings())
        return [read() for read in spikes]
    finally:
        source.stop()


def test_with_hard_reset_a_layer_is_stock_neurons_but_for_the_comparison():
    config = DesireConfig((1, 5), num_steps=12, reset="zero")
    # Eighths are exact in the float32 of the layer and the float64 of the stock neurons; the
    # first step of a window holds no activation.
    activation = np.random.default_rng(3).integers(-4, 10, (5, config.window_steps)) / 8
    activation[:, 0] = 0
    # Just below 1, stock neurons compare as v >= 1, as these do.
    mine, stock = run_beside_stock(activation, config, vth=np.nextafter(1.0, 0.0))
    np.testing.assert_array_equal(mine, stock)
    assert 5 < mine.sum() < mine.size


def test_a_potential_that_equals_the_threshold_fires_here_and_not_in_stock_neurons():
    config = DesireConfig((1, 1), num_steps=4, error_margin=0, reset="zero")
    activation = np.array([[0, 1.0, 0, 0, 0]])
    mine, stock = run_beside_stock(activation, config, vth=1.0)
    assert mine[:, 0].tolist() == [0, 1, 0, 0, 0]
    assert not stock.any()


@pytest.mark.parametrize("connection", ["plastic", "stock"])
def test_a_layer_can_be_connected_to_itself(connection):
    config = DesireConfig((6, 6), num_steps=8, error_margin=1)
    weights = np.random.default_rng(1).normal(0, 1, (6, 6)).astype(np.float32)
    source = Source(data=np.eye(6))
    layer = DesireLIF(config=config, layer=1, training=False)
    forward = DesireDense(config=config, layer=1, weights=np.eye(6, dtype=np.float32))
    source.s_out.connect(forward.s_in)
    forward.a_out.connect(layer.a_in)
    if connection == "plastic":
        back = DesireDense(config=config, layer=1, weights=weights)
        layer.s_out.connect([back.s_in, back.s_post_in])
        back.z_out.connect(layer.z_in)
    else:
        back = Dense(weights=weights)
        layer.s_out.connect(back.s_in)
    back.a_out.connect(layer.a_in)
    steps = 4 * config.window_steps
    spikes, activation = probed(layer.s_out, steps), probed(back.a_out, steps)
    try:
        layer.run(RunSteps(steps), settings())
        spikes, activation = spikes(), activation()
    finally:
        layer.stop()
    assert spikes.any()
    # What comes back is one step old.
    expected = (spikes[:-1] @ weights.T.astype(float)).astype(np.float32)
    np.testing.assert_allclose(activation[1:], expected, rtol=1e-6)


def test_networks_in_one_script_do_not_disturb_each_other():
    alone = small()
    together = [small(), small()]
    try:
        alone.run(4 * WINDOW)
        for steps in (3, WINDOW, 3 * WINDOW - 3):
            for network in together:
                network.run(steps)
        for network in together:
            for mine, other in zip(network.dense, alone.dense, strict=True):
                np.testing.assert_array_equal(mine.weights.get(), other.weights.get())
        together[0].teacher.stop()
        together[1].run(1)
    finally:
        for network in (alone, *together):
            network.teacher.stop()


def test_a_run_goes_on_after_pauses_and_waits():
    network = small()
    try:
        network.run(1)
        for _ in range(2):
            network.teacher.run(RunContinuous())
            time.sleep(0.05)
            network.teacher.pause()
            paused_at = int(network.teacher.num_samples.get()[0])
            time.sleep(0.05)
            assert int(network.teacher.num_samples.get()[0]) == paused_at
            network.run(5 * WINDOW)
            assert int(network.teacher.num_samples.get()[0]) == paused_at + 5
        network.teacher.run(RunSteps(2 * WINDOW, blocking=False))
        network.teacher.wait()
        assert int(network.teacher.num_samples.get()[0]) == paused_at + 7
        network.teacher.run(RunSteps(10**9, blocking=False))
        network.teacher.pause()
        network.teacher.run(RunSteps(1, blocking=False))
        time.sleep(0.2)
        network.teacher.pause()  # the run has ended by itself
        network.run(1)
        network.teacher.run(RunContinuous())
    finally:
        network.teacher.stop()


def test_the_learning_rate_can_be_set_between_runs():
    network = small()
    try:
        network.run(WINDOW)
        network.dense[1].learning_rate.set(np.array([0.0]))
        before = network.dense[1].weights.get()
        network.run(3 * WINDOW)
        np.testing.assert_array_equal(network.dense[1].weights.get(), before)
        network.dense[1].learning_rate.set(np.array([0.5]))
        network.run(3 * WINDOW)
        assert (network.dense[1].weights.get() != before).any()
    finally:
        network.teacher.stop()


NEW = np.full((6, 4), 0.25, np.float32)


@pytest.mark.parametrize("way", ["set", "written through a RefPort"])
def test_weights_from_outside_take_effect_with_the_next_window(way):
    steps = 3 * WINDOW
    plain, changed = small(), small()
    for network in (plain, changed):
        network.dense[0].learning_enabled.init[0] = False
    readers = [probed(network.dense[0].a_out, steps) for network in (plain, changed)]
    if way != "set":
        writer = Writer(NEW, step=4)
        writer.ref.connect_var(changed.dense[0].weights)
    try:
        plain.run(steps)
        changed.run(4)
        if way == "set":
            changed.dense[0].weights.set(NEW)
        changed.run(steps - 4)
        np.testing.assert_array_equal(changed.dense[0].weights.get(), NEW)
        before, after = (read().reshape(3, WINDOW, 6) for read in readers)
    finally:
        plain.teacher.stop()
        changed.teacher.stop()
    np.testing.assert_array_equal(before[0], after[0])
    # One input spikes in each step; the activation is sent one step later, scaled for no dropout.
    np.testing.assert_array_equal(after[1, 1 : T + 1], np.full((T, 6), 0.25, np.float32))


def test_twenty_networks_leave_nothing():
    for _ in range(20):
        network = small()
        network.run(2)
        network.teacher.stop()


@pytest.mark.forked
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="looks at /proc")
def test_a_long_run_needs_no_more_memory_than_a_short_one():
    network = small()
    try:
        network.run(1000)
        infrastructure = network.teacher._runtime._messaging_infrastructure
        pids = [actor.pid for actor in infrastructure.actors]
        segments = len(infrastructure.smm._shared_memory_handles)

        def pages():
            return np.array([int(Path(f"/proc/{p}/statm").read_text().split()[1]) for p in pids])

        before = pages()
        network.run(4000)
        assert (pages() - before).max() < 64  # a quarter of a MiB; a kept message a step is more
        assert len(infrastructure.smm._shared_memory_handles) == segments
    finally:
        network.teacher.stop()


@pytest.mark.forked
def test_vars_of_every_kind_cross_to_the_parent_and_back_as_they_are():
    network = small()
    dense, lif = network.dense[0], network.lif[0]
    weights = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
    try:
        network.run(3)
        dense.weights.set(weights.T.copy().T)  # in Fortran's order
        np.testing.assert_array_equal(dense.weights.get(), weights)
        lif.mask.set(np.array([True, False] * 3))
        np.testing.assert_array_equal(lif.mask.get(), [1, 0] * 3)
        network.teacher.desire.set(np.array([1, 0, -1], np.int8))
        np.testing.assert_array_equal(network.teacher.desire.get(), [1, 0, -1])
        network.teacher.num_samples.set(np.array([7]))
        assert network.teacher.num_samples.get() == 7
        assert dense.weights.get().dtype == np.float64  # as Lava gives every Var
    finally:
        network.teacher.stop()
