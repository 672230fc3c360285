"""While kernels are compiled torch operations compute, and no bit tells when that ended."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, DesireNetwork, evaluate, fit
from lava_desire.backends.numba import ahead
from lava_desire.backends.numba.backend import NumbaBackend
from lava_desire.backends.numba.starting import StartingBackend, exact_spikes
from lava_desire.backends.numba.words import WordBackend

IMAGES, LABELS, TEST_IMAGES, TEST_LABELS = (
    np.random.default_rng(5).integers(0, high, shape, dtype)
    for high, shape, dtype in (
        (256, (18, 36), np.uint8),
        (3, 18, np.int64),
        (256, (9, 36), np.uint8),
        (3, 9, np.int64),
    )
)
FIELDS = {"batch_size": 7, "epochs": 2, "learning_rate": 0.02}
DENSE = DesireConfig((36, 50, 20, 3), dropout_input=0.2, dropout_hidden=0.4, **FIELDS)
PLANES = DesireConfig(layers=("4c3s1", "6c3s2", "3"), input_shape=(1, 6, 6), **FIELDS)
EVERY = DENSE.replace(
    trace_baseline=0.9,
    rate_floor=0.2,
    weight_limit=0.5,
    weight_average=0.9,
    learning_rate_scale=(0.1, 0.5, 1.0),
    image_shift=1,
    synapse_decay=0.5,
    num_steps=9,
    error_margin=2,
    tie_break="earliest",
    rates_over="desired",
    reset="zero",
)
CONFIGS = {
    "dense": DENSE,
    "every option": EVERY,
    "random feedback": DENSE.replace(feedback="random"),
    "one sample at a time": EVERY.replace(batch_size=1),
    "planes": PLANES,
    "planes, with terms": PLANES.replace(trace_baseline=0.8, rate_floor=0.1),
    "rounded sums": DENSE.replace(decay=0.9),
    "near the threshold": DENSE.replace(eligibility_width=0.5),
}
NEVER = 10**9


@pytest.fixture
def turn(monkeypatch):
    """Return a function that lets kernels be there after so many questions for them."""

    def at(number, single=0, loop=0):
        asked = Counter()

        def is_ready(group):
            asked[group] += 1
            if group.endswith("loop"):
                return asked[group] > loop
            return asked[group] > number + single * (group == "single")

        monkeypatch.setattr(ahead, "is_ready", is_ready)
        return asked

    return at


def learned(config, kernels="auto"):
    """Train; return every bit of what came of it."""
    network = DesireNetwork(config, kernels=kernels)
    history = fit(network, (IMAGES, LABELS), (TEST_IMAGES, TEST_LABELS))
    found = [array.tobytes() for _, array in network.state.copy().named_arrays()]
    for record in history.records:
        found += [record.train_accuracy, record.active_share, record.test_loss, *record.rates]
        found += [record.average_accuracy]
    found.append(evaluate(network, (TEST_IMAGES, TEST_LABELS)).confusion.tobytes())
    found += [spikes.numpy().tobytes() for spikes in network.forward(TEST_IMAGES).spikes]
    return found, network


def test_auto_starts_at_once_and_a_name_waits():
    kinds = [
        type(DesireNetwork(DENSE, kernels=kernels).backend) for kernels in ("auto", "compiled")
    ]
    assert kinds == [StartingBackend, NumbaBackend]
    assert DesireNetwork(DENSE).backend.name == "compiled"


@pytest.mark.parametrize("name", CONFIGS)
def test_no_bit_tells_when_kernels_took_over(name, turn):
    config = CONFIGS[name]
    expected, _ = learned(config, "compiled")
    asked = turn(NEVER)
    assert learned(config)[0] == expected
    questions = asked["dense"]
    assert questions > 100
    rng = np.random.default_rng(3)
    for number in (0, *rng.integers(2, questions, 5)):
        turn(int(number), single=int(rng.integers(30)), loop=int(rng.integers(5)))
        assert learned(config)[0] == expected, number


@pytest.mark.parametrize("name", ["every option", "planes"])
def test_torch_operations_on_words_do_what_those_on_spikes_do(name, turn):
    turn(NEVER)
    assert learned(CONFIGS[name])[0] == learned(CONFIGS[name], "torch")[0]


def test_kernels_may_take_over_within_a_step(turn):
    expected = DesireNetwork(EVERY, kernels="compiled")
    result = expected.train_step(IMAGES[:7], LABELS[:7], 0.02)
    asked = turn(NEVER)
    DesireNetwork(EVERY).train_step(IMAGES[:7], LABELS[:7], 0.02)
    assert asked["dense"] > 20
    for number in range(asked["dense"]):
        turn(number)
        network = DesireNetwork(EVERY)
        found = network.train_step(IMAGES[:7], LABELS[:7], 0.02)
        assert found.num_active == result.num_active
        assert all(map(torch.equal, found.spikes, result.spikes))
        assert all(map(torch.equal, found.desires, result.desires))
        assert all(map(torch.equal, network.weights, expected.weights))


def test_a_pass_is_learned_from_by_kernels_that_came_after_it(turn):
    expected, network = DesireNetwork(DENSE, kernels="compiled"), DesireNetwork(DENSE)
    turn(NEVER)
    masks = network.draw_masks(7)
    activity = network.forward(IMAGES[:7], masks)
    turn(0)
    network.update(activity, network.desires(activity, LABELS[:7]), 0.02)
    expected.train_step(IMAGES[:7], LABELS[:7], 0.02, masks)
    assert all(map(torch.equal, network.weights, expected.weights))


def test_masks_of_a_share_are_those_of_the_whole(turn):
    network = DesireNetwork(DENSE)
    turn(0)
    whole = network.draw_masks(20)
    turn(NEVER)
    network = DesireNetwork(DENSE)
    share = network.draw_masks(20, slice(3, 9))
    assert all(torch.equal(mine, all_[3:9]) for mine, all_ in zip(share, whole, strict=True))
    assert network.samples_seen == 20


def test_samples_sent_and_counted_are_the_same_before_and_after(turn):
    network = DesireNetwork(DENSE)
    backend, chosen = network.backend, torch.tensor([4, 0, 6])
    trains, other = backend.encode(torch.from_numpy(IMAGES[:7])), torch.arange(7) % 2 == 0
    seen = []
    for number in (NEVER, 0):
        turn(number)
        planes = backend.to_bytes(trains, chosen)
        seen.append(
            [
                planes,
                torch.from_numpy(backend.from_bytes(planes, chosen, 7).view(np.int64)),
                backend.counts_together(trains),
                backend.counts_together(trains, other),
            ]
        )
    assert all(map(torch.equal, *seen))


@pytest.mark.parametrize(
    ("config", "waits"),
    [
        (DENSE, False),
        (DENSE.replace(synapse_decay=0.5), False),
        (DENSE.replace(decay=0.9), True),
        (DENSE.replace(synapse_decay=0.3), True),
        (DENSE.replace(num_steps=64), True),
        (PLANES, False),
        (PLANES.replace(trace_baseline=0.8), True),
    ],
)
def test_an_update_whose_sum_depends_on_its_order_waits(config, waits, turn, monkeypatch):
    turn(NEVER)
    waited, learners = [], set()
    monkeypatch.setattr(ahead, "finish", waited.append)
    for kind in NumbaBackend, WordBackend:

        def learn(self, *arguments, kind=kind, learn=kind.learn):
            learners.add(kind)
            return learn(self, *arguments)

        monkeypatch.setattr(kind, "learn", learn)
    DesireNetwork(config).train_step(IMAGES[:7], LABELS[:7], 0.02)
    assert bool(waited) == waits
    assert NumbaBackend in learners if waits else learners == {WordBackend}


def test_where_kernels_cannot_be_compiled_no_update_waits_for_them(turn, monkeypatch):
    turn(NEVER)
    config = DENSE.replace(decay=0.9)
    monkeypatch.setattr(ahead, "has_failed", lambda group: group == "dense")
    monkeypatch.setattr(NumbaBackend, "learn", pytest.fail)
    result = DesireNetwork(config).train_step(IMAGES[:7], LABELS[:7], 0.02)
    assert result.num_active > 0


@pytest.mark.parametrize("decays", [(0.75, 0.0), (0.5, 0.5), (0.875, 0.25), (0.0, 0.0)])
def test_a_sum_is_exact_of_as_many_spikes_as_is_said(decays):
    config = DesireConfig((3, 2), decay=decays[0], synapse_decay=decays[1], num_steps=12)
    most = exact_spikes(config)
    assert most > 0
    beta, alpha = map(Fraction, decays)
    traces, current, trace = [], Fraction(0), Fraction(0)
    for step in range(12):  # of an input that spikes at first, and of one that always does
        current, trace = alpha * current + (step == 0), beta * trace + alpha * current + (step == 0)
        traces.append(trace)
    finest = min(Fraction(1, each.denominator) for each in traces if each)
    current = trace = Fraction(0)
    for _ in range(12):
        current = alpha * current + 1
        trace = beta * trace + current
    assert most * trace / finest <= 2**53
    assert float(most * trace - finest) == most * trace - finest  # an odd multiple of the finest


def test_a_copy_goes_on_where_it_is(turn):
    network = DesireNetwork(DENSE)
    turn(NEVER)
    for other in copy.deepcopy(network), pickle.loads(pickle.dumps(network)):
        other.train_step(IMAGES[:7], LABELS[:7], 0.02)
        assert not other.backend.is_compiled()


FRESH = """
import sys
from pathlib import Path
import numpy as np
from lava_desire import DesireConfig, DesireNetwork
from lava_desire.backends.numba import ahead
place, ahead._CHILD = Path(sys.argv[1]), sys.argv[2]
ahead.Kernel.is_missing = lambda kernel: not place.exists()
config = DesireConfig((36, 20, 3), batch_size=7)
draw = np.random.default_rng(0)
images, labels = draw.integers(0, 256, (7, 36), np.uint8), np.arange(7) % 3
network, steps = DesireNetwork(config), 0
while not network.backend.is_compiled() and not ahead.has_failed("dense"):
    network.train_step(images, labels, 1e-3)
    steps += 1
    place.with_name("begun").touch()
print(steps > 0, network.backend.is_compiled())
for _ in range(3):
    network.train_step(images, labels, 1e-3)
other = DesireNetwork(config, kernels="torch")
for _ in range(steps + 3):
    other.train_step(images, labels, 1e-3)
print(all(np.array_equal(*each) for each in zip(network.numpy_weights(), other.numpy_weights())))
"""


@pytest.mark.parametrize("broken", [False, True])
def test_training_begins_while_other_processes_compile(broken, tmp_path):
    place = tmp_path / "compiled"
    child = f"""
import time
from pathlib import Path
place = Path({str(place)!r})
while not place.with_name("begun").exists():
    time.sleep(0.01)
{"raise SystemExit" if broken else "place.touch()"}
"""
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(place), child],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", str(not broken), "True"]
    assert done.stderr.count("until then torch operations compute the same") == 1
    assert done.stderr.count("kernels could not be compiled, and torch operations go on") == broken


@pytest.mark.parametrize(
    ("group", "others"),
    [
        ("dense", "torch operations"),
        ("single", "compiled single steps"),
        ("near_loop", "compiled single steps"),
    ],
)
def test_a_group_that_fails_says_what_goes_on(group, others, monkeypatch):
    monkeypatch.setattr(ahead, "_groups", {})
    monkeypatch.setattr(ahead, "_CHILD", "")
    monkeypatch.setattr(ahead.Kernel, "is_missing", lambda kernel: True)
    ahead.start(group)
    ahead.finish(group)
    with pytest.warns(RuntimeWarning, match=f"not be compiled, and {others} go on, slower: "):
        assert not ahead.is_ready(group)
    assert ahead.has_failed(group)
