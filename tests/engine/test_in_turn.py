"""Minibatches that are learned one after the other take a loop of their own, which is not seen."""

from __future__ import annotations

import math
import signal
import threading
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, DesireNetwork, fit
from lava_desire.backends.numba import ahead
from lava_desire.backends.numba.threads import Workspace
from lava_desire.data import SpikeTrains
from lava_desire.engine import Interrupted, Progress
from lava_desire.errors import NotFiniteError
from lava_desire.training import loop
from lava_desire.training.average import WeightAverage
from lava_desire.training.callbacks import Callback
from lava_desire.training.loop import TrainingRun

from .test_online import CONFIGS as ONLINE
from .test_online import NUM_SAMPLES, RATE, UNKNOWN, assert_same, data
from .threads import threads

CONFIGS = {
    **ONLINE,
    "no sample with desire": DesireConfig(
        (30, 40, 20, 4), desire_threshold_output=20.0, rate_floor=0.3, weight_average=0.9
    ),
    "no more than a bound": DesireConfig((30, 150, 3), weight_limit=0.2),
    "wider than an update gathers at once": DesireConfig((30, 1700, 3)),
    "several tiles and blocks": DesireConfig((30, 300, 290, 4), trace_baseline=0.5),
}
CONFIGS = {name: each.replace(batch_size=8) for name, each in CONFIGS.items()}


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile loops in this process, where they are called."""
    monkeypatch.setattr(ahead, "start", lambda *groups, **options: None)
    monkeypatch.setattr(ahead, "is_done", lambda group: True)
    monkeypatch.setattr(ahead, "is_ready", lambda group: True)


def pair(config: DesireConfig, weights: Any = None) -> tuple[DesireNetwork, DesireNetwork]:
    """Return a network, and one that takes every minibatch as a step."""
    network, stepwise = (DesireNetwork(config, weights=weights) for _ in range(2))
    stepwise.backend._in_turn = None
    return network, stepwise


def watch(network: DesireNetwork) -> list[int]:
    """Return a list that will tell how many samples are learned in each call."""
    stretches: list[int] = []
    learn_in_turn = network.learn_in_turn

    def learn(images: torch.Tensor, *rest: Any) -> tuple[int, int]:
        stretches.append(len(images))
        return learn_in_turn(images, *rest)

    network.learn_in_turn = learn  # type: ignore[method-assign]
    return stretches


# The last minibatch is smaller; there is one; it is a single sample.
EACH_CONFIG = [(name, *how) for name in CONFIGS for how in ((1, 7), (2, 16), (3, 64))]
SOME = "every option", "near it, every option", "several tiles and blocks"
OTHERWISE = [(name, *how) for name in SOME for how in ((3, 7), (2, 13), (3, 39), (1, 64))]


@pytest.mark.parametrize(("name", "count", "batch_size"), [*EACH_CONFIG, *OTHERWISE])
def test_a_run_ends_as_steps_do(name: str, count: int, batch_size: int) -> None:
    config = CONFIGS[name].replace(batch_size=batch_size, epochs=3, learning_rate=RATE)
    network, stepwise = pair(config)
    stretches = watch(network)
    with threads(count):
        histories = [fit(each, data(config)) for each in (network, stepwise)]
    assert_same(network, stepwise)
    for mine, theirs in zip(*(each.records for each in histories), strict=True):
        assert (mine.train_accuracy, mine.active_share) == (
            theirs.train_accuracy,
            theirs.active_share,
        )
    assert sum(stretches) == (3 * NUM_SAMPLES if network.learns_in_turn else 0)
    assert not stretches or max(stretches) > batch_size or batch_size > NUM_SAMPLES
    assert stepwise.learns_in_turn is False


def test_a_run_with_a_schedule_and_moved_images_ends_as_steps_do() -> None:
    config = DesireConfig(
        (30, 40, 4),
        input_shape=(1, 5, 6),
        weight_average=0.95,
        batch_size=8,
        image_shift=1,
        image_shift_share=0.7,
        learning_rate_schedule="cosine",
        learning_rate=RATE,
        epochs=3,
    )
    networks = pair(config)
    stretches = watch(networks[0])
    for each in networks:
        fit(each, data(config))
    assert_same(*networks)
    assert sum(stretches) == 3 * NUM_SAMPLES
    still = DesireNetwork(config.replace(image_shift=0))
    fit(still, data(config))
    assert not np.array_equal(still.numpy_weights()[0], networks[0].numpy_weights()[0])


class SetSizes(Callback):
    """Sets other sizes of minibatches, by epochs that have ended."""

    def __init__(self, sizes: dict[int, int]) -> None:
        self.sizes = sizes

    def on_epoch_end(self, run: TrainingRun, record: Any) -> None:
        if record.epoch in self.sizes:
            network = run.network
            network.config = network.config.replace(batch_size=self.sizes[record.epoch])


def test_stretches_grow_to_what_memory_holds_of_the_present_minibatches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = CONFIGS["paper"].replace(batch_size=2, epochs=4)
    monkeypatch.setattr(loop, "_STRETCH_SECONDS", 1e9)
    monkeypatch.setattr(loop, "_STRETCH_BYTES", 12 * config.num_inputs)  # images are bytes
    network = DesireNetwork(config)
    stretches = watch(network)
    run = TrainingRun(network, data(config), None, None)
    run.callbacks = [SetSizes({2: 4, 3: 8})]
    run.carry_out(checkpoint_seconds=math.inf)
    assert stretches == [2, 4, 8, 12, 12, 2, *[12] * 3, 4, 4, 8, 12, 12, 4, *[8] * 5]


def test_stretches_of_single_samples_are_bounded_by_their_trains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = CONFIGS["paper"].replace(batch_size=1, epochs=1)
    monkeypatch.setattr(loop, "_STRETCH_SECONDS", 1e9)
    monkeypatch.setattr(loop, "_STRETCH_BYTES", 11 * 8 * config.num_inputs)
    network = DesireNetwork(config)
    stretches = watch(network)
    fit(network, data(config), checkpoint_seconds=math.inf)
    assert stretches == [1, 2, 4, 8, 11, 11, 3]


class Stepwise(DesireNetwork):
    learns_in_turn = False


@pytest.mark.parametrize("size", [1, 4])
def test_a_size_that_is_set_within_an_epoch_counts_from_the_next(size: int) -> None:
    class SetSize(Callback):
        def on_progress(self, run: TrainingRun, progress: Progress) -> None:
            if progress.samples_done == 16:
                run.network.config = run.network.config.replace(batch_size=size)

    config = CONFIGS["averaged"].replace(batch_size=16, epochs=2, learning_rate=RATE)
    networks = DesireNetwork(config), Stepwise(config)
    stretches = watch(networks[0])
    for each in networks:
        fit(each, data(config), callbacks=[SetSize()])
    assert_same(*networks)
    assert stretches == [16, *[size] * (NUM_SAMPLES // size)]


def test_lists_of_single_steps_make_room_for_the_loop() -> None:
    network = DesireNetwork(CONFIGS["paper"])
    events = network.backend._events
    images, labels = data(network.config)
    network.train_step(images[:8], labels[:8], RATE)
    assert len(events._kept) == network.config.num_layers
    network.learn_in_turn(*map(torch.from_numpy, (images, labels)), RATE)
    assert not events._kept
    assert not events._workspace._buffers


@pytest.mark.parametrize("batch_size", [1, 8])
def test_weights_that_are_set_lie_as_the_loops_want_them(batch_size: int) -> None:
    config = CONFIGS["paper"].replace(batch_size=batch_size)
    network, other = (DesireNetwork(config) for _ in range(2))
    network.weights = [weights.contiguous() for weights in network.weights]
    other.train_step_checked = network.train_step_checked = None  # type: ignore[assignment, method-assign]
    for each in (network, other):
        each.learn_in_turn(*map(torch.from_numpy, data(config)), RATE)
    assert_same(network, other)


def test_a_loop_whose_thread_fails_leaves_the_position_and_works_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = CONFIGS["every option"].replace(batch_size=4)
    network = DesireNetwork(config)
    average = WeightAverage(network)
    images, labels = map(torch.from_numpy, data(config))
    take = Workspace.take

    def fail(self: Workspace, name: str, *rest: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            raise MemoryError(name)
        return take(self, name, *rest)

    with threads(2):
        with monkeypatch.context() as patch:
            patch.setattr(Workspace, "take", fail)
            for _ in range(1000):  # another thread may come too late to fail
                before = network.samples_seen, network.state.minibatches_averaged
                try:
                    network.learn_in_turn(images, labels, RATE, average)
                except MemoryError:
                    break
            else:
                pytest.fail("no thread but the first came in time")
        assert (network.samples_seen, network.state.minibatches_averaged) == before
        assert all(each.position == before[0] for each in network._dropout)
        network.learn_in_turn(images, labels, RATE, average)
    assert network.samples_seen == before[0] + NUM_SAMPLES
    assert network.state.minibatches_averaged == before[1] + NUM_SAMPLES // 4


def test_some_have_no_desire_and_some_change_all_the_same() -> None:
    config = CONFIGS["no sample with desire"].replace(batch_size=7, learning_rate=RATE)
    network, _ = pair(config)
    before = [each.copy() for each in network.numpy_weights()]
    images, labels = map(torch.from_numpy, data(config))
    assert network.learn_in_turn(images, labels, RATE, WeightAverage(network))[1] == 0
    assert not np.array_equal(network.numpy_weights()[0], before[0])
    assert np.array_equal(network.numpy_weights()[2], before[2])


def test_only_options_that_the_loop_knows_take_it() -> None:
    networks = {name: pair(each)[0] for name, each in CONFIGS.items()}
    assert {name for name, each in networks.items() if not each.learns_in_turn} == UNKNOWN
    convolution = DesireConfig(layers=("4c3", 2), input_shape=(1, 5, 6))
    assert not DesireNetwork(convolution).learns_in_turn
    assert not DesireNetwork(CONFIGS["paper"], kernels="torch").learns_in_turn
    assert not DesireNetwork(CONFIGS["paper"], precision="bfloat16x2").learns_in_turn
    assert not DesireNetwork(CONFIGS["paper"], arithmetic="fixed_point").learns_in_turn


@pytest.mark.parametrize("name", ["paper", "near the threshold"])
def test_potentials_that_meet_a_threshold_are_decided_exactly(name: str) -> None:
    config = CONFIGS[name].replace(decay=0.5, dropout_hidden=0.0)
    coarse = [np.round(each * 8) / 8 for each in DesireNetwork(config).numpy_weights()]
    networks = pair(config, coarse)
    for each in networks:
        each.learn_in_turn(*map(torch.from_numpy, data(config)), 2**-6)
    assert_same(*networks)


def test_spike_trains_are_learned_in_turn() -> None:
    config = DesireConfig((30, 40, 4), num_steps=11, batch_size=6, epochs=1, learning_rate=RATE)
    networks = pair(config)
    spikes = np.random.default_rng(2).random((11, NUM_SAMPLES, 30)) < 0.3
    for each in networks:
        fit(each, (SpikeTrains.pack(spikes), data(config)[1]))
    assert_same(*networks)


def test_weights_that_lie_otherwise_are_learned_as_well() -> None:
    config = CONFIGS["paper"].replace(batch_size=6, epochs=1, learning_rate=RATE)
    networks = pair(config)
    networks[0].state.weights = [weights.contiguous() for weights in networks[0].weights]
    for each in networks:
        fit(each, data(config))
    assert_same(*networks)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", ["paper", "every option", "near it, every option"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_a_stretch_ends_where_a_minibatch_cannot_be_learned(
    value: float, name: str, count: int
) -> None:
    config = CONFIGS[name].replace(weight_limit=0.0)  # a bound would make all finite
    images, labels = data(config)
    images[:, 4] = 0
    images[25, 4] = 255  # the first sample that meets the weights of input 4
    networks = pair(config)
    for network in networks:
        average = WeightAverage(network) if config.weight_average else None
        network.weights[0][:, 4] = value
        with threads(count), pytest.raises(NotFiniteError, match="layer 1"):
            network.learn_in_turn(torch.from_numpy(images), torch.from_numpy(labels), RATE, average)
        assert network.samples_seen == 32
    assert_same(*networks)
    initial = DesireNetwork(config).numpy_weights()
    assert not np.array_equal(networks[0].numpy_weights()[2], initial[2])


def test_a_callback_that_watches_is_called_after_every_minibatch() -> None:
    seen: list[int] = []

    class Watch(Callback):
        def on_progress(self, run: TrainingRun, progress: Progress) -> None:
            seen.append(progress.samples_done)

    config = CONFIGS["paper"].replace(batch_size=16, epochs=1)
    fit(DesireNetwork(config), data(config), callbacks=[Watch()])
    assert seen == [16, 32, NUM_SAMPLES]


@pytest.mark.parametrize("after_each", [True, False])
def test_an_interrupted_run_goes_on_from_where_it_was(tmp_path: Path, after_each: bool) -> None:
    config = CONFIGS["every option"].replace(batch_size=4, epochs=2, learning_rate=RATE)
    whole, broken, resumed = (DesireNetwork(config) for _ in range(3))
    fit(whole, data(config))
    seen: list[int] = []

    def interrupt(progress: Progress) -> None:
        seen.append(progress.samples_done)
        if len(seen) == 3:
            signal.raise_signal(signal.SIGINT)

    run = TrainingRun(broken, data(config), None, tmp_path)
    with pytest.raises(Interrupted):
        run.carry_out(on_progress=interrupt, after_each=after_each)
    assert (seen == [4, 8, 12]) == after_each
    assert seen[-1] < NUM_SAMPLES
    fit(resumed, data(config), folder=tmp_path, resume=True)
    assert_same(whole, resumed)


@pytest.mark.parametrize("way", ["given", "set", "loaded", "restored"])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_pruned_weights_of_minus_zero_become_the_same_by_every_way(way, batch_size):
    """A sparse update would leave −0.0 where a dense one makes 0.0 of it."""
    config = DesireConfig((30, 600, 4), num_steps=8, batch_size=batch_size, epochs=1, seed=1)
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (16, 30), np.uint8), np.arange(16) % 4
    pruned = [
        (rng.normal(size=shape) * (rng.random(shape) < 0.5)).astype(np.float32)
        for shape in ((600, 30), (4, 600))
    ]
    assert all((np.signbit(each) & (each == 0)).any() for each in pruned)
    found = set()
    for kernels, count, steps in product(("compiled", "torch"), (1, 2), (False, True)):
        network = DesireNetwork(config, kernels=kernels, weights=pruned)
        if way == "set":
            network.weights = [torch.from_numpy(each.copy()) for each in pruned]
        elif way == "loaded":
            names = list(network.state_dict())
            state = network.state_dict()
            for name, each in zip(names, pruned, strict=False):
                state[name] = torch.from_numpy(each.copy())
            network.load_state_dict(state)
        elif way == "restored":
            stored = network.state.copy()
            for array, each in zip(stored.weights, pruned, strict=True):
                array[...] = each
            network.restore(stored)
        with threads(count):
            if steps:
                for at in range(0, len(images), batch_size):
                    part = slice(at, at + batch_size)
                    network.train_step(images[part], labels[part], 1e-3)
            else:
                network.learn_in_turn(torch.from_numpy(images), torch.from_numpy(labels), 1e-3)
        found.add(b"".join(each.tobytes() for each in network.numpy_weights()))
    assert len(found) == 1
