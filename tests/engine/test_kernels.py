"""The compiled kernels compute what the rule says, to the bit, whatever the weights."""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_desire import DesireConfig, rule
from lava_desire.backends.base import Layer
from lava_desire.backends.numba.backend import NumbaBackend
from lava_desire.backends.numba.events import EventLists, list_events, pack
from lava_desire.backends.numba.jit import _ASKS, _LaterBlas
from lava_desire.backends.numba.scan import potential_error, scan_layer
from lava_desire.backends.numba.threads import Workspace
from lava_desire.backends.torch_ops import TorchBackend
from lava_desire.engine import DesireNetwork

from .threads import threads

NUM_IN, NUM_OUT, BATCH = 60, 300, 10  # more neurons than a tile and a block have


@dataclass
class Pair:
    """The same layer on both kernels, and trains for it in the form of each."""

    config: DesireConfig
    weights: torch.Tensor
    spikes: torch.Tensor
    mask: torch.Tensor

    def __post_init__(self) -> None:
        self.compiled, self.reference = (
            kind(self.config, torch.device("cpu"), "float32")
            for kind in (NumbaBackend, TorchBackend)
        )
        self.trains = pack(self.spikes.numpy())

    def layer(self, delay: int = 0) -> Layer:
        return replace(self.compiled.layers[0], delay=delay)


def make_pair(seed: int, scale: float = 0.3, batch: int = BATCH, **fields) -> Pair:
    config = DesireConfig((NUM_IN, NUM_OUT), error_margin=0, **fields)
    generator = np.random.default_rng(seed)
    weights = (generator.standard_normal((NUM_OUT, NUM_IN)) * scale).astype(np.float32)
    rate = generator.random((batch, NUM_IN)) * 0.6
    spikes = generator.random((config.num_steps, batch, NUM_IN)) < rate
    spikes[:, :, NUM_IN // 2 :] = spikes[:, :, NUM_IN // 2, None]  # half of them spike alike
    spikes[:, :, :4] = False
    return Pair(
        config,
        torch.from_numpy(weights),
        torch.from_numpy(spikes),
        torch.from_numpy(generator.random((batch, NUM_OUT)) >= 0.3),
    )


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.05, 0.3, 0.9]), st.booleans())
@settings(max_examples=30, deadline=None)
def test_images_are_encoded_as_the_rule_says(seed, mean, dark):
    pair = make_pair(0, image_brightness=mean)
    generator = np.random.default_rng(seed)
    levels = generator.integers(0, 20 if dark else 256, (BATCH, NUM_IN), dtype=np.uint8)
    levels[0] = 0
    images = torch.from_numpy(levels)
    equal = rule.equalize_brightness(images, mean)
    wanted = rule.encode(equal.to(torch.float32) / 255, pair.config.num_steps, 1.0)
    for kernels in (pair.compiled, pair.reference):
        for given_images in (images, images.to(torch.float32) / 255):
            found = kernels.unpack(kernels.encode(given_images))
            assert torch.equal(found, wanted)


def run_both(pair: Pair, delay: int, gain: float, mask: torch.Tensor | None):
    weights = pair.compiled.arrange(pair.weights)
    mine = pair.compiled.run(pair.layer(delay), weights, pair.trains, gain, mask)
    return (
        pair.compiled.unpack(mine),
        pair.reference.run(pair.layer(delay), pair.weights, pair.spikes, gain, mask),
    )


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1e-3, 0.1, 0.3, 3.0, 1e6]),
    delay=st.integers(0, 1),
    gain=st.sampled_from([1.0, 1 / 0.7]),
    num_steps=st.sampled_from([1, 20, 33, 64]),
    decay=st.sampled_from([0.0, 0.75, 0.9]),
    synapse_decay=st.sampled_from([0.0, 0.5, 0.9, 0.999]),
    threshold=st.sampled_from([1.0, 0.3]),
    reset=st.sampled_from(["subtract", "zero"]),
    masked=st.booleans(),
)
def test_a_layer_spikes_as_the_rule_says(seed, scale, delay, gain, masked, **fields):
    pair = make_pair(seed, scale, **fields)
    mine, exact = run_both(pair, delay, gain, pair.mask if masked else None)
    assert torch.equal(mine, exact)


@pytest.mark.parametrize("unit", [2.0**-3, 2.0**-4, 0.1])
def test_a_membrane_that_meets_the_threshold_is_decided_exactly(unit):
    # Weights on a coarse grid put potentials on the threshold itself, or one rounding beside it.
    pair = make_pair(7, threshold=0.5)
    pair.weights = torch.round(pair.weights / unit) * unit
    mine, exact = run_both(pair, 0, 1.0, None)
    assert exact.any()
    assert torch.equal(mine, exact)


def test_float32_alone_would_not_do():
    """What the exact second look is for: terms that cancel but for what float32 forgets."""
    weights = torch.tensor([[2.0**24, 1.0, -(2.0**24)]])
    pair = Pair(
        DesireConfig((3, 1), num_steps=5, error_margin=0),
        weights,
        torch.ones(5, 1, 3, dtype=torch.bool),
        torch.ones(1, 1, dtype=torch.bool),
    )
    mine, exact = run_both(pair, 0, 1.0, None)
    assert torch.equal(mine, exact)
    assert exact.all()


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1e-3, 0.1, 0.3, 3.0, 1e6]),
    grid=st.sampled_from([None, None, 2.0**-3]),
    num_out=st.sampled_from([1, 16, 17, 300]),
    delay=st.integers(0, 1),
    num_steps=st.sampled_from([1, 20, 33, 64]),
    decay=st.sampled_from([0.0, 0.75, 0.9]),
    synapse_decay=st.sampled_from([0.0, 0.5, 0.999]),
    threshold=st.sampled_from([1.0, 0.3]),
    reset=st.sampled_from(["subtract", "zero"]),
    eligibility_width=st.sampled_from([2.0**-10, 0.5, 1.0]),
    masked=st.booleans(),
)
def test_neurons_near_their_threshold_are_found_as_the_rule_says(
    seed, scale, grid, num_out, delay, masked, **fields
):
    """Also where nothing has arrived yet, and potentials are at the lower end of the band."""
    pair = make_pair(seed, scale, **fields)
    begins = torch.from_numpy(np.random.default_rng(seed).integers(0, pair.config.num_steps, BATCH))
    begins[0] = pair.config.num_steps  # silent
    pair.spikes[:, :, NUM_IN // 2 :] = True  # in most steps: summed up even where they are silent
    pair.spikes &= (torch.arange(pair.config.num_steps)[:, None] >= begins)[:, :, None]
    weights, mask = pair.weights[:num_out], pair.mask[:, :num_out] if masked else None
    if grid is not None:
        weights = torch.round(weights / grid) * grid
    pair = replace(pair, weights=weights)
    arguments = 1 / 0.7, mask
    mine = pair.compiled.run_eligible(
        pair.layer(delay), pair.compiled.arrange(weights), pair.trains, *arguments
    )
    exact = pair.reference.run_eligible(pair.layer(delay), weights, pair.spikes, *arguments)
    for found, wanted in zip(mine, exact, strict=True):
        assert torch.equal(pair.compiled.unpack(found), wanted)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    batch=st.sampled_from([1, 3, 8, 20]),
    threshold=st.sampled_from([0.0, 0.05, 0.5]),
    grid=st.sampled_from([None, 2.0**-5]),
)
def test_hidden_desires_are_those_of_the_rule(seed, batch, threshold, grid):
    pair = make_pair(seed, batch=batch)
    config = DesireConfig((1, NUM_IN, NUM_OUT), error_margin=0, desire_threshold_hidden=threshold)
    pair = replace(pair, config=config)
    if grid is not None:
        pair.weights = torch.round(pair.weights / grid) * grid
    generator = torch.Generator().manual_seed(seed % 2**31)
    desire = torch.randint(-1, 2, (batch, NUM_OUT), generator=generator, dtype=torch.int8)
    desire[::3] = 0
    outputs = torch.rand(20, batch, NUM_OUT, generator=generator) < 0.2
    weights = pair.compiled.arrange(pair.weights)
    layer = pair.compiled.layers[1]
    mine = pair.compiled.pass_back(layer, weights, desire, pack(outputs.numpy()), pair.mask)
    exact = pair.reference.pass_back(layer, pair.weights, desire, outputs, pair.mask)
    assert torch.equal(mine, exact)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    batch=st.sampled_from([1, 7, 64]),
    delay=st.integers(0, 1),
    num_steps=st.sampled_from([5, 20]),
)
def test_updates_are_those_of_the_rule(seed, batch, delay, num_steps):
    pair = make_pair(seed, batch=batch, num_steps=num_steps)
    generator = torch.Generator().manual_seed(seed % 2**31)
    desire = torch.randint(-1, 2, (batch, NUM_OUT), generator=generator, dtype=torch.int8)
    desire[1::4] = 0
    outputs = torch.rand(num_steps, batch, NUM_OUT, generator=generator) < 0.2
    mine, exact = pair.compiled.arrange(pair.weights.clone()), pair.weights.clone()
    layer = pair.layer(delay)
    with_desire = pair.compiled.learn(
        layer, mine, 1e-2, desire, pair.mask, pair.trains, pack(outputs.numpy())
    )
    expected = pair.reference.learn(layer, exact, 1e-2, desire, pair.mask, pair.spikes, outputs)
    assert not torch.equal(exact, pair.weights)
    assert torch.equal(mine, exact)
    assert torch.equal(with_desire, expected)


@pytest.mark.parametrize("count", [1, 2])  # the neurons are one piece, or some
def test_an_update_larger_than_its_buffer_is_gathered_in_parts(monkeypatch, count):
    pair = make_pair(3, batch=64)
    desire = torch.ones(64, NUM_OUT, dtype=torch.int8)
    outputs = torch.rand(20, 64, NUM_OUT) < 0.3
    exact = pair.weights.clone()
    layer = pair.compiled.layers[0]
    pair.reference.learn(layer, exact, 1e-2, desire, None, pair.spikes, outputs)
    monkeypatch.setattr("lava_desire.backends.numba.update.PAIRINGS", 1)
    mine = pair.compiled.arrange(pair.weights.clone())
    with threads(count):
        pair.compiled.learn(layer, mine, 1e-2, desire, None, pair.trains, pack(outputs.numpy()))
    assert torch.equal(mine, exact)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), order=st.permutations(range(12)))
def test_neither_threads_nor_the_order_of_samples_change_a_bit(seed, order):
    config = DesireConfig((NUM_IN, NUM_OUT, 140, 10), learning_rate=1e-2, seed=seed % 1000)
    generator = np.random.default_rng(seed)
    images = (generator.random((12, NUM_IN)) * 255).astype(np.uint8)
    labels = generator.integers(0, 10, 12)
    masks = [generator.random((12, size)) >= 0.3 for size in config.layer_sizes[:-1]]
    weights = []
    for count, samples in ((1, list(range(12))), (2, list(order)), (3, list(range(12)))):
        with threads(count):
            network = DesireNetwork(config)
            chosen = [mask[samples] for mask in masks]
            for _ in range(2):
                network.train_step(images[samples], labels[samples], 1e-2, chosen)
            weights.append(network.numpy_weights())
    for first, second, third in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(first, third)


def test_a_sum_of_pairings_is_exact_up_to_256_samples_of_twenty_steps():
    """At β = 3/4 and T = 20 the largest sum that 256 samples can make has room in a float64."""
    decay, num_steps = Fraction(3, 4), 20
    trace, largest = Fraction(0), Fraction(0)
    for _ in range(num_steps):
        trace = decay * trace + 1
        largest += trace
    finest = Fraction(1, 4 ** (num_steps - 1))
    assert 256 * largest / finest <= 2**53
    assert 512 * largest / finest > 2**53


def test_inputs_of_the_same_train_are_summed_once():
    words = np.array([[7, 0, 7, 1, 7, 1 << 19]], np.uint64)
    events = list_events(words, 0, 20, Workspace(), "test")
    assert events.num_sums[0] == 1
    assert events.num_units[0] == 3
    assert events.unit_words[0, :3].tolist() == [7, 1, 1 << 19]
    assert events.used.tolist() == [0, 2, 3, 4, 5]
    assert events.members[0, :5].tolist() == [0, 1, 3, 2, 4]  # places in `used`
    assert events.unit_of[0, :5].tolist() == [0, 0, 1, 0, 2]
    begin = events.step_begin[0]
    assert events.groups[0, : events.num_groups[0]].tolist() == [[0, 1, 3, 5, 6, 0, 0, 0]]
    assert events.events[0, begin[0] : begin[1]].tolist() == [6, 2, 5, 5]  # 5 adds nothing
    assert events.events[0, begin[2] : begin[3]].tolist() == [6, 5, 5, 5]
    delayed = list_events(words, 1, 20, Workspace(), "test")
    assert delayed.num_units[0] == 2  # what spikes in the last step is not heard


def test_inputs_that_spike_in_most_steps_are_listed_where_they_are_silent():
    always = (1 << 20) - 1
    words = np.array([[always, always ^ 4, always, 1]], np.uint64)
    events = list_events(words, 0, 20, Workspace(), "silent")
    assert (events.num_plain[0], events.num_sums[0], events.num_units[0]) == (0, 2, 3)
    sign = -(1 << 31)
    assert events.groups[0, : events.num_groups[0]].tolist() == [
        [0, 2, 4, 4, 5, sign, 0, 0],  # row 4 adds nothing, rows 5 and 6 are minus the sums
        [1, 4, 4, 4, 6, sign, 0, 0],
        [5, 6, 4, 4, 7, sign, 0, 0],
    ]
    begin = events.step_begin[0]
    assert events.events[0, begin[0] : begin[1]].tolist() == [7, 3, 4, 4]
    assert events.events[0, begin[2] : begin[3]].tolist() == [7, 6, 4, 4]
    assert events.most[0] == 4


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(1, 40),
    kinds=st.sampled_from([1, 3, 40]),
    num_steps=st.sampled_from([2, 20, 64]),
    delay=st.integers(0, 1),
)
def test_every_train_that_arrives_is_in_one_unit(seed, size, kinds, num_steps, delay):
    generator = np.random.default_rng(seed)
    window = 2**num_steps - 1
    trains = generator.integers(0, window, kinds, np.uint64, endpoint=True)
    trains[::2] |= generator.integers(0, window, len(trains[::2]), np.uint64, endpoint=True)
    words = trains[generator.integers(0, kinds, (3, size))]
    words[generator.random(words.shape) < generator.random()] = 0
    events = list_events(words, delay, num_steps, Workspace(), "units")
    for sample in range(3):
        arriving = {j: int(word) << delay & window for j, word in enumerate(words[sample])}
        inputs = [j for j, train in arriving.items() if train]
        unit_of = events.unit_of[sample, : len(inputs)]
        plain, sums, units = (
            int(number[sample]) for number in (events.num_plain, events.num_sums, events.num_units)
        )
        assert events.inputs[sample, : len(inputs)].tolist() == inputs
        assert [int(events.unit_words[sample, unit]) for unit in unit_of] == [
            arriving[j] for j in inputs
        ]
        edges = events.unit_begin[sample, : units + 1]
        members = [
            events.used[events.members[sample, begin:end]].tolist()
            for begin, end in pairwise(edges)
        ]
        assert members == [
            [j for j, its in zip(inputs, unit_of, strict=True) if its == unit]
            for unit in range(units)
        ]
        first = [some[0] for some in members]
        for part in (first[:plain], first[plain:sums], first[sums:]):
            assert part == sorted(part)
        summed = [arriving[j] for j in first[:sums]]
        assert len(set(summed)) == sums
        assert not set(summed) & {arriving[j] for j in first[sums:]}
        assert len(inputs) == edges[sums] + units - sums


@pytest.mark.parametrize(("decay", "shift"), [(0.75, 0.0), (0.75, -0.5), (0.99, 0.0)])
def test_the_second_look_is_rare(decay, shift):
    """Few neurons are run again, also where all are far below the threshold or hardly forget."""
    pair = make_pair(11, scale=0.2, batch=200, decay=decay)
    pair.weights += shift
    weights = pair.compiled.arrange(pair.weights)
    trains = pair.compiled.run(pair.layer(), weights, pair.trains, 1.0, None)
    assert trains.any() == (shift == 0)
    assert share_of_doubts(pair) < (0.01 if decay == 0.75 else 0.05)


def share_of_doubts(pair: Pair) -> float:
    """Count neurons that come within the bound of the threshold, in the rule's arithmetic."""
    decay = pair.config.decay
    events = list_events(pair.trains, 0, 20, Workspace(), "doubts")
    current = rule.synaptic_current(pair.weights, pair.spikes)
    potential, doubts = torch.zeros_like(current[0]), torch.zeros(current[0].shape, dtype=bool)
    magnitude = float(pair.weights.abs().max()) * events.most
    bounds = [
        potential_error(depth, largest, 20, decay, 0.0, 1.0)
        for depth, largest in zip(events.depth, magnitude, strict=True)
    ]
    for step in range(20):
        value = decay * potential + current[step]
        doubts |= (value - 1).abs() <= torch.tensor(bounds)[:, None]
        _, potential = rule.integrate_and_fire(potential, current[step], decay, 1.0)
    return float(doubts.float().mean())


def test_lists_of_trains_are_kept_until_others_take_their_place():
    first, second, third = (np.full((2, 3), word, np.uint64) for word in (3, 5, 6))
    lists = EventLists(20, 2)
    kept = lists.of(first, 0)
    assert lists.of(second, 1).unit_words[0, 0] == 10
    assert lists.of(first, 0) is kept
    assert lists.of(first, 1) is not kept
    assert lists.of(third, 0).unit_words[0, 0] == 6
    assert lists.of(first, 0).unit_words[0, 0] == 3
    assert copy.deepcopy(lists).of(second, 0).unit_words[0, 0] == 5


def test_lists_of_trains_in_passing_share_a_place_of_their_own():
    learned, seen, other = (np.full((2, 3), word, np.uint64) for word in (3, 5, 6))
    lists = EventLists(20, 2)
    kept, passing = lists.of(learned, 0), lists.of(seen, 0, in_passing=True)
    assert lists.of(seen, 0) is passing
    place = passing.unit_words.ctypes.data
    assert lists.of(other, 0, in_passing=True).unit_words.ctypes.data == place
    assert lists.of(learned, 0) is kept
    assert kept.unit_words[0, 0] == 3
    again = lists.of(seen, 0)
    assert (again is passing, again.unit_words[0, 0]) == (False, 5)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1, exclude_min=True), st.integers(1, 70))
def test_an_average_moves_as_torchs_lerp_does(seed, share, size):
    rng = np.random.default_rng(seed)
    weights, average = (
        torch.from_numpy(rng.normal(size=(size, 33)).astype(np.float32)) for _ in range(2)
    )
    expected = torch.lerp(average, weights, share)
    kernels = NumbaBackend(DesireConfig((4, 3)), torch.device("cpu"), "float32")
    mine = kernels.arrange(average)
    kernels.move_average(mine, kernels.arrange(weights), share)
    assert torch.equal(mine, expected)


def test_the_kernels_let_other_threads_run():
    assert scan_layer.targetoptions["nogil"]


@pytest.mark.parametrize("scipy", [None, ModuleType("scipy")], ids=["missing", "there"])
def test_numba_is_answered_once_that_scipy_is_there_however_often_its_module_is_looked_for(
    scipy, monkeypatch
):
    def asks():
        raise ImportError

    linalg, finder = SimpleNamespace(ensure_blas=asks), _LaterBlas()
    monkeypatch.setitem(sys.modules, "numba.np.linalg", linalg)
    monkeypatch.setitem(sys.modules, "scipy", scipy)
    for _ in range(2):
        finder.find_spec(_ASKS)
    assert (linalg.ensure_blas is asks) == (scipy is None)
    if scipy is not None:
        linalg.ensure_blas()
    assert linalg.ensure_blas is asks
