"""Minibatches that are learned one after the other take a loop of their own, which is not seen."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, DesireNetwork, fit
from lava_desire.backends.numba import ahead
from lava_desire.data import SpikeTrains
from lava_desire.engine import Interrupted, Progress
from lava_desire.errors import NotFiniteError
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


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_run_ends_as_steps_do(config: DesireConfig, count: int) -> None:
    batch_size = {1: 7, 2: 16, 3: 64}[count]  # the last is smaller; there is one
    config = config.replace(batch_size=batch_size, epochs=3, learning_rate=RATE)
    network, stepwise = pair(config)
    stretches: list[int] = []
    learn_in_turn = network.learn_in_turn

    def learn(images: torch.Tensor, *rest: Any) -> tuple[int, int]:
        stretches.append(len(images))
        return learn_in_turn(images, *rest)

    network.learn_in_turn = learn  # type: ignore[method-assign]
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
    networks[0].weights = [weights.contiguous() for weights in networks[0].weights]
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
