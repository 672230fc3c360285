"""Samples that are learned one by one take a loop of their own, which must not be seen."""

from __future__ import annotations

import signal
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, DesireNetwork, fit
from lava_desire.backends.numba.sample import _MOST_WAITING
from lava_desire.data import DataWarning, SpikeTrains
from lava_desire.engine import Interrupted, Progress
from lava_desire.errors import NotFiniteError
from lava_desire.model.integers.format import xylo_formats
from lava_desire.model.state import COUNTERS
from lava_desire.training.average import WeightAverage
from lava_desire.training.callbacks import Callback
from lava_desire.training.loop import TrainingRun

NUM_SAMPLES, RATE = 40, 2e-3
FLOATS, INTEGERS = ARITHMETICS = "floating_point", "fixed_point"
both = pytest.mark.parametrize("arithmetic", ARITHMETICS)

CONFIGS = {
    "paper": DesireConfig((30, 150, 40, 3), seed=3),
    "one layer, wide": DesireConfig((30, 140), seed=1, num_steps=7, error_margin=2),
    "narrow, decay that is rounded": DesireConfig((30, 9, 17, 5, 4), decay=0.9, dropout_hidden=0),
    "both words of a train": DesireConfig((30, 33, 6), num_steps=64, dropout_input=0.2),
    "filtered currents": DesireConfig((30, 40, 20, 4), synapse_decay=0.6, decay=0.81),
    "reset to zero, scaled rates": DesireConfig(
        (30, 300, 4), reset="zero", learning_rate_scale=(0.5, 2.0)
    ),
    "a threshold that nothing reaches": DesireConfig((30, 40, 3), desire_threshold_hidden=3e38),
    "tiny": DesireConfig((30, 1, 2), desire_threshold_hidden=0.0),
    "equalised": DesireConfig((30, 40, 4), image_brightness=0.4),
    "averaged": DesireConfig((30, 40, 4), weight_average=0.95),
    "traces from their mean": DesireConfig((30, 150, 40, 3), trace_baseline=1.0, weight_limit=0.5),
    "every option": DesireConfig(
        (30, 150, 40, 3),
        learning_rate_scale=(0.02, 0.05, 1.0),
        trace_baseline=0.9,
        baseline_samples=20,
        rate_floor=0.2,
        weight_limit=0.3,
        weight_average=0.99,
    ),
    "rates of samples with desire": DesireConfig(
        (30, 40, 20, 4),
        seed=2,
        rate_floor=0.3,
        rates_over="desired",
        synapse_decay=0.3,
        tie_break="earliest",
    ),
    "more trains than are added at a time": DesireConfig((30, 900, 130, 5)),
    "near the threshold": DesireConfig((30, 150, 40, 3), seed=3, eligibility_width=1.0),
    "near it, both words, filtered currents": DesireConfig(
        (30, 33, 140, 6), num_steps=64, eligibility_width=0.5, synapse_decay=0.6, reset="zero"
    ),
    "near it, every option": DesireConfig(
        (30, 150, 40, 3),
        eligibility_width=0.75,
        desire_threshold_hidden=0.05,
        trace_baseline=0.9,
        baseline_samples=20,
        rate_floor=0.2,
        weight_limit=0.3,
        weight_average=0.99,
    ),
    "not known to the loop": DesireConfig((30, 40, 4), feedback="random"),
    "another decision": DesireConfig((30, 40, 4), tie_break="earliest", class_margin=2),
}
CONFIGS = {name: each.replace(batch_size=1) for name, each in CONFIGS.items()}


def data(config: DesireConfig) -> tuple[np.ndarray, np.ndarray]:
    """Draw images of few brightnesses, some of them dark, and labels."""
    rng = np.random.default_rng(7)
    images = rng.choice(np.array([0, 0, 60, 128, 200, 255], np.uint8), (NUM_SAMPLES, 30))
    images[5] = 0
    return images, rng.integers(0, config.num_classes, NUM_SAMPLES)


def pair(
    config: DesireConfig, weights: Any = None, arithmetic: str = FLOATS
) -> tuple[DesireNetwork, DesireNetwork]:
    """Return a network, and one that takes every sample as a batch of one."""
    network, batched = (
        DesireNetwork(config, weights=weights, arithmetic=arithmetic) for _ in range(2)
    )
    batched.backend._online = None
    return network, batched


def assert_same(one: DesireNetwork, other: DesireNetwork) -> None:
    mine, theirs = (each.state.copy() for each in (one, other))
    assert mine.names() == theirs.names()
    for (name, array), (_, other_array) in zip(
        mine.named_arrays(), theirs.named_arrays(), strict=True
    ):
        assert array.tobytes() == other_array.tobytes(), name
    for name in COUNTERS:
        assert getattr(mine, name) == getattr(theirs, name), name
    if one.arithmetic == INTEGERS:
        assert one.take_ranges() == other.take_ranges()


@both
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_step_and_a_pass_see_and_change_what_a_batch_of_one_does(
    config: DesireConfig, arithmetic: str
) -> None:
    network, batched = pair(config, arithmetic=arithmetic)
    images, labels = data(config)
    rng = np.random.default_rng(0)
    for at in range(NUM_SAMPLES):
        masks = None
        if at % 4 == 3:
            masks = [rng.random((1, size)) < 0.6 for size in config.neurons[:-1]]
        part = slice(at, at + 1)
        mine, theirs = (
            each.train_step(images[part], labels[part], RATE, masks) for each in (network, batched)
        )
        assert (mine.num_correct, mine.num_active) == (theirs.num_correct, theirs.num_active)
        for name in ("trains", "masks"):
            values = (getattr(each.activity, name) for each in (mine, theirs))
            assert all(map(np.array_equal, *values)), name
        eligible = (each.activity.eligible or [] for each in (mine, theirs))
        assert all(map(np.array_equal, *eligible))
        assert bool(mine.activity.eligible) == bool(config.eligibility_width)
        assert all(map(torch.equal, mine.desires, theirs.desires))
        mine, theirs = (each.forward(images[part]) for each in (network, batched))
        assert all(map(np.array_equal, mine.trains, theirs.trains))
        assert torch.equal(mine.prediction, theirs.prediction)
        assert torch.equal(network.predict(images[part]), theirs.prediction)
    assert_same(network, batched)
    initial = DesireNetwork(config, arithmetic=arithmetic).numpy_weights()
    assert not all(map(np.array_equal, network.numpy_weights(), initial))


def test_an_image_is_classified_however_it_lies() -> None:
    network, batched = pair(CONFIGS["paper"])
    images = data(CONFIGS["paper"])[0]
    expected = batched.predict(images)
    assert len(set(expected.tolist())) > 1
    locked = images.copy()
    locked.flags.writeable = False
    wide = np.repeat(images, 2, axis=1)
    for at, each in enumerate(expected):
        part = slice(at, at + 1)
        given = [images[part], locked[part], wide[part, ::2], np.asfortranarray(images)[part]]
        given += [images[part][:, ::-1].copy()[:, ::-1], torch.from_numpy(images[part])]
        given += [(images[part] / 255).tolist(), images[part].reshape(1, 5, 6)]
        assert [network.predict(image).tolist() for image in given] == [[int(each)]] * len(given)
    network.predict(images[:1]).add_(1)  # is the caller's own
    assert torch.equal(network.predict(images[:1]), expected[:1])


def test_one_row_of_bytes_goes_the_short_way_and_others_do_not() -> None:
    def classified(config: DesireConfig, image: Any, value: float | None = None) -> Any:
        network, _ = pair(config)
        if value is not None:
            network.weights[0][:] = value
        return network.backend.classify(network.weights, image)

    paper, row = CONFIGS["paper"], np.full((1, 30), 255, np.uint8)
    short = classified(paper, row)
    assert torch.equal(short, pair(paper)[1].predict(row))
    for other in (row[0], row / 255, torch.from_numpy(row), row[:, 1:], row * 0 + 1, [row]):
        assert classified(paper, other) is None
    assert classified(paper, row, np.nan) is None
    assert classified(CONFIGS["equalised"], row) is None
    assert classified(paper.replace(tie_break="earliest"), row) is None


def test_parameters_of_torch_are_learned_as_other_weights_are() -> None:
    config = CONFIGS["paper"].replace(epochs=1)
    images, labels = data(config)
    networks = [DesireNetwork(config) for _ in range(3)]
    networks[1].weights = [torch.nn.Parameter(each) for each in networks[1].weights]
    networks[2].state.weights = [torch.nn.Parameter(each) for each in networks[2].weights]
    for network in networks:
        fit(network, (images, labels))
    first, *others = (network.numpy_weights() for network in networks)
    for other in others:
        for mine, theirs in zip(first, other, strict=True):
            assert np.array_equal(mine, theirs)


def test_weights_that_are_exchanged_are_seen_in_the_next_image() -> None:
    network, _ = pair(CONFIGS["paper"])
    images = data(CONFIGS["paper"])[0]
    for seed, exchange in enumerate(("list", "item", "data", "values", "order")):
        other = DesireNetwork(CONFIGS["paper"].replace(seed=seed))
        if exchange == "list":
            network.weights = other.weights
        for layer, weights in enumerate(other.weights):
            if exchange == "item":
                network.weights[layer] = weights.clone()
            elif exchange == "data":
                network.weights[layer].data = weights.clone()
            elif exchange == "values":
                network.weights[layer].copy_(weights)
            elif exchange == "order":
                network.weights[layer] = weights.contiguous()
        expected = other.predict(images)
        assert len(set(expected.tolist())) > 1
        found = torch.cat([network.predict(image[None]) for image in images])
        assert torch.equal(found, expected), exchange


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_an_image_that_meets_weights_beyond_all_bounds_is_refused(value: float) -> None:
    network, _ = pair(CONFIGS["paper"])
    image = np.full((1, 30), 255, np.uint8)
    network.predict(image)
    network.weights[0][:, 7] = value
    with pytest.raises(NotFiniteError):
        network.predict(image)


def test_a_dark_image_is_told_of_and_a_black_one_is_not() -> None:
    network, _ = pair(CONFIGS["paper"])
    with pytest.warns(DataWarning, match="the largest byte of images is 63"):
        network.predict(np.full((1, 30), 63, np.uint8))
    with pytest.raises(ValueError, match="the largest byte of images is 1"):
        network.predict(np.full((1, 30), 1, np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network.predict(np.full((1, 30), 64, np.uint8))
        assert network.predict(np.zeros((1, 30), np.uint8)).tolist() == [-1]
        small, _ = pair(DesireConfig((15, 3), batch_size=1))  # too few to conclude from
        small.predict(np.full((1, 15), 1, np.uint8))


@pytest.mark.parametrize("shape", [(1, 31), (1, 29), (30,), (1, 5, 7), (1, 2, 3, 5)])
def test_an_image_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    network, batched = pair(CONFIGS["paper"])
    image = np.zeros(shape, np.uint8)
    messages = []
    for each in (network, batched):
        with pytest.raises(ValueError, match="expected") as refused:
            each.predict(image)
        messages.append(str(refused.value))
    assert messages[0] == messages[1]


def test_masked_pixels_are_refused() -> None:
    network, _ = pair(CONFIGS["paper"])
    image = np.ma.masked_equal(np.zeros((1, 30), np.uint8), 0)
    with pytest.raises(ValueError, match="masked"):
        network.predict(image)


def test_potentials_that_meet_the_threshold_are_decided_exactly() -> None:
    config = CONFIGS["paper"]
    coarse = [np.round(each * 8) / 8 for each in DesireNetwork(config).numpy_weights()]
    network, batched = pair(config, coarse)
    images = torch.from_numpy(data(config)[0])
    for each in images[:, None]:
        mine, theirs = (some.forward(each).trains for some in (network, batched))
        assert all(map(np.array_equal, mine, theirs))


def test_potentials_that_meet_the_ends_of_a_band_are_decided_exactly() -> None:
    config = DesireConfig((30, 150, 40, 3), eligibility_width=0.5, dropout_hidden=0.0, decay=0.5)
    coarse = [np.round(each * 8) / 8 for each in DesireNetwork(config).numpy_weights()]
    network, batched = pair(config, coarse)
    images, labels = data(config)
    for at in range(NUM_SAMPLES):
        mine, theirs = (
            some.train_step(images[at : at + 1], labels[at : at + 1], 0.0).activity.eligible
            for some in (network, batched)
        )
        assert all(map(np.array_equal, mine, theirs))


@both
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_run_of_one_sample_a_minibatch_ends_as_steps_do(
    config: DesireConfig, arithmetic: str
) -> None:
    config = config.replace(batch_size=1, epochs=2, learning_rate=RATE)
    network, batched = pair(config, arithmetic=arithmetic)
    stretches: list[int] = []
    learn_in_turn = network.learn_in_turn

    def learn(images: torch.Tensor, *rest: Any) -> tuple[int, int]:
        stretches.append(len(images))
        return learn_in_turn(images, *rest)

    network.learn_in_turn = learn  # type: ignore[method-assign]
    histories = [fit(each, data(config)) for each in (network, batched)]
    assert_same(network, batched)
    for mine, theirs in zip(*(each.records for each in histories), strict=True):
        assert (mine.train_accuracy, mine.active_share) == (
            theirs.train_accuracy,
            theirs.active_share,
        )
    expected = 2 * NUM_SAMPLES if network.learns_in_turn else 0
    assert sum(stretches) == expected
    assert not stretches or max(stretches) > 1


UNKNOWN = {"not known to the loop", "another decision"}
WITH_TERMS = {name for name, each in CONFIGS.items() if each.terms}


@pytest.mark.parametrize(
    ("arithmetic", "unknown"), [(FLOATS, UNKNOWN), (INTEGERS, UNKNOWN | WITH_TERMS)]
)
def test_only_options_that_the_loop_knows_take_it(arithmetic: str, unknown: set[str]) -> None:
    networks = {name: pair(each, arithmetic=arithmetic)[0] for name, each in CONFIGS.items()}
    assert {name for name, each in networks.items() if not each.learns_in_turn} == unknown
    convolution = DesireConfig(layers=("4c3", 2), input_shape=(1, 5, 6), batch_size=1)
    assert not DesireNetwork(convolution, arithmetic=arithmetic).learns_in_turn


def test_only_kernels_take_the_loop_and_integers_of_loihi() -> None:
    assert not DesireNetwork(CONFIGS["paper"], kernels="torch").learns_in_turn
    xylo = DesireConfig((30, 40, 4), decay=0.875, synapse_decay=0.75, batch_size=1)
    formats = xylo_formats(xylo)
    network = DesireNetwork(xylo, arithmetic=INTEGERS, formats=formats)
    assert not network.learns_in_turn
    wide = DesireConfig(
        (30, 1100, 4), num_steps=4096, batch_size=1
    )  # whose errors may sum to more than 32 bits
    assert not DesireNetwork(wide, arithmetic=INTEGERS).learns_in_turn


def test_samples_beyond_the_random_words_are_refused_as_one_by_one() -> None:
    config = CONFIGS["reset to zero, scaled rates"]
    images, labels = (torch.from_numpy(each) for each in data(config))
    states: list[DesireNetwork] = []
    for network in pair(config, arithmetic=INTEGERS):
        beyond = 2**63 // (300 * 4)  # rows of layer 1, and counters that each takes
        network.samples_seen = beyond - 3
        message = f"samples_seen is {beyond}: expected samples_seen <= {beyond - 1}"
        with pytest.raises(ValueError, match=message):
            network.learn_in_turn(images, labels, RATE)
        states.append(network)
    assert_same(*states)


@both
def test_spike_trains_are_learned_in_turn(arithmetic: str) -> None:
    config = DesireConfig((30, 40, 4), num_steps=11, batch_size=1, epochs=1, learning_rate=RATE)
    network, batched = pair(config, arithmetic=arithmetic)
    spikes = np.random.default_rng(2).random((11, NUM_SAMPLES, 30)) < 0.3
    for each in (network, batched):
        fit(each, (SpikeTrains.pack(spikes), data(config)[1]))
    assert_same(network, batched)


@both
def test_weights_that_lie_otherwise_are_learned_as_well(arithmetic: str) -> None:
    config = CONFIGS["paper"].replace(batch_size=1, epochs=1, learning_rate=RATE)
    network, batched = pair(config, arithmetic=arithmetic)
    network.state.weights = [weights.contiguous() for weights in network.weights]
    for each in (network, batched):
        fit(each, data(config))
    assert_same(network, batched)


@pytest.mark.parametrize("name", ["every option", "rates of samples with desire"])
def test_weights_wait_for_more_samples_than_are_kept(name: str) -> None:
    config = CONFIGS[name]
    images, labels = (torch.from_numpy(np.tile(each.T, 4).T) for each in data(config))
    assert len(images) > 2 * _MOST_WAITING
    networks = pair(config)
    for each in networks:
        average = WeightAverage(each) if config.weight_average else None
        assert each.learn_in_turn(images, labels, RATE, average)[1] > _MOST_WAITING
    assert_same(*networks)
    rates = torch.cat(networks[0].state.input_rates[1:])
    assert bool(((rates > 0) & (rates < config.rate_floor)).any())


@pytest.mark.parametrize("name", ["paper", "every option"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_a_stretch_ends_where_a_sample_cannot_be_learned(value: float, name: str) -> None:
    config = CONFIGS[name].replace(weight_limit=0.0)  # which would make all weights finite
    images, labels = data(config)
    images[:, 4] = 0
    images[25, 4] = 255  # the first sample that meets the weights of input 4
    states: list[DesireNetwork] = []
    for network in pair(config):
        average = WeightAverage(network) if config.weight_average else None
        network.weights[0][:, 4] = value
        with pytest.raises(NotFiniteError, match="layer 1"):
            network.learn_in_turn(torch.from_numpy(images), torch.from_numpy(labels), RATE, average)
        assert network.samples_seen == 26
        states.append(network)
    assert_same(*states)


@both
def test_a_callback_that_watches_is_called_after_every_sample(arithmetic: str) -> None:
    seen: list[int] = []

    class Watch(Callback):
        def on_progress(self, run: TrainingRun, progress: Progress) -> None:
            seen.append(progress.samples_done)

    config = CONFIGS["paper"].replace(batch_size=1, epochs=1)
    fit(DesireNetwork(config, arithmetic=arithmetic), data(config), callbacks=[Watch()])
    assert seen == list(range(1, NUM_SAMPLES + 1))


@pytest.mark.parametrize(("name", "arithmetic"), [("every option", FLOATS), ("averaged", INTEGERS)])
@pytest.mark.parametrize("after_each", [True, False])
def test_an_interrupted_run_goes_on_from_where_it_was(
    tmp_path: Path, after_each: bool, name: str, arithmetic: str
) -> None:
    config = CONFIGS[name].replace(batch_size=1, epochs=2, learning_rate=RATE)
    whole, broken, resumed = (DesireNetwork(config, arithmetic=arithmetic) for _ in range(3))
    fit(whole, data(config))
    seen: list[int] = []

    def interrupt(progress: Progress) -> None:
        seen.append(progress.samples_done)
        if len(seen) == 3:
            signal.raise_signal(signal.SIGINT)

    run = TrainingRun(broken, data(config), None, tmp_path)
    with pytest.raises(Interrupted):
        run.carry_out(on_progress=interrupt, after_each=after_each)
    assert (seen == [1, 2, 3]) == after_each
    assert seen[-1] < NUM_SAMPLES
    fit(resumed, data(config), folder=tmp_path, resume=True)
    assert_same(whole, resumed)
