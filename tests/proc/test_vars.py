"""Vars are read and set by index, list and number, and what is refused costs nothing."""

from __future__ import annotations

import contextlib
import time

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")

from keeper.process import Keeper
from scipy.sparse import csr_matrix

import lava_desire.proc  # noqa: F401

from lava.magma.core.run_conditions import RunContinuous, RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip
from lava.proc.dense.process import Dense  # isort: skip
from lava.proc.lif.process import LIF  # isort: skip
from lava.proc.sparse.process import Sparse  # isort: skip

CONFIG = Loihi2SimCfg(select_tag="floating_pt")
WEIGHTS = np.arange(12.0).reshape(3, 4)
STORED = csr_matrix(np.array([[1.0, 0, 2], [0, 0, 3], [0, 4, 5]]))


class Stock:
    """Processes of Lava's own, in one network, and one with Vars of every other kind."""

    def __init__(self):
        self.dense, self.sparse = Dense(weights=WEIGHTS), Sparse(weights=STORED)
        self.keeper = Keeper()
        self.lif = LIF(shape=(3,), bias_mant=np.array([1.0, 2.0, 3.0]))
        self.dense.a_out.connect(self.lif.a_in)
        self.sparse.a_out.connect(self.lif.a_in)
        self.sparse.s_in.connect_from(self.lif.s_out)

    def step(self):
        self.lif.run(RunSteps(1), CONFIG)


@pytest.fixture(scope="module")
def started():
    network = Stock()
    keeper = network.keeper
    network.step()
    keeper.run(RunSteps(1), CONFIG)
    yield network
    network.lif.stop()
    keeper.stop()


@pytest.fixture
def network(started):
    yield started
    # Whatever was refused, both networks go on, and no answer is left in a pipe.
    started.dense.weights.set(WEIGHTS)
    started.step()
    started.keeper.run(RunSteps(1), CONFIG)
    np.testing.assert_array_equal(started.dense.weights.get(), WEIGHTS)
    np.testing.assert_array_equal(started.lif.bias_mant.get(), [1, 2, 3])
    np.testing.assert_array_equal(started.keeper.switch.get(), [1, 0])


# What Lava's own runtime answers; the last three it takes for no index, or refuses.
INDICES = [
    [1],
    [0, 2],
    [[1], [2]],
    [-1],
    (1, 2),
    (1,),
    1,
    -1,
    slice(0, 2),
    (slice(None), 1),
    [True, False, True],
    np.array([1]),
    np.int64(2),
    (),
    0,
    np.array([0]),
    np.array([0, 2]),
]


@pytest.mark.parametrize("idx", INDICES, ids=repr)
def test_an_index_selects_what_it_does_in_numpy(network, idx):
    got = network.dense.weights.get(idx)
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, WEIGHTS[idx])
    network.dense.weights.set(100 + WEIGHTS, idx)
    expected = WEIGHTS.copy()
    expected[idx] += 100
    np.testing.assert_array_equal(network.dense.weights.get(), expected)
    network.dense.weights.set(WEIGHTS[idx], idx)
    np.testing.assert_array_equal(network.dense.weights.get(), WEIGHTS)


@pytest.mark.parametrize("idx", INDICES, ids=repr)
def test_an_index_selects_before_the_first_run_what_it_does_after_it(idx):
    got = Dense(weights=WEIGHTS).weights.get(idx)
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, WEIGHTS[idx])


def test_what_a_var_begins_with_is_broadcast_and_stays_as_it_is():
    var, neurons = Dense(weights=WEIGHTS).weights, LIF(shape=(3,), v=2)
    var.get(slice(0, 2))[:] = 99
    np.testing.assert_array_equal(var.get(), WEIGHTS)
    np.testing.assert_array_equal(neurons.v.get([0, 2]), [2, 2])
    with pytest.raises(IndexError, match=r"v of LIF \(.*\) has shape \(3,\) and no elements 3"):
        neurons.v.get(3)
    with pytest.raises(ValueError, match=r"weights of Sparse .* is a sparse matrix"):
        Sparse(weights=STORED).weights.get(0)
    with pytest.raises(ValueError, match=r"text of Keeper .* is a text: expected no index, got 0"):
        Keeper().text.get(0)


@pytest.mark.parametrize("idx", [7, [7], (0, 9), -4, [1.0], "a", (0, 0, 0)], ids=repr)
def test_an_index_that_leads_nowhere_is_refused_by_name(network, idx):
    message = r"weights of Dense \(.*\) has shape \(3, 4\) and no elements"
    with pytest.raises(IndexError, match=message):
        network.dense.weights.get(idx)
    with pytest.raises(IndexError, match=message):
        network.dense.weights.set(WEIGHTS, idx)


def test_lists_and_numbers_are_taken(network):
    network.lif.bias_mant.set([4, 5, 6])
    np.testing.assert_array_equal(network.lif.bias_mant.get(), [4, 5, 6])
    network.lif.bias_mant.set([1.0, 2.0, 3.0])
    for value in (2.5, [2.5], np.float32(2.5), np.array(2.5), np.array([[2.5]]), 10):
        network.lif.vth.set(value)
        np.testing.assert_array_equal(network.lif.vth.get(), np.ravel(value))
        network.step()  # a model whose number has become another type goes on as well


def test_axes_of_length_one_do_not_count(network):
    network.lif.bias_mant.set([[4], [5], [6]])
    np.testing.assert_array_equal(network.lif.bias_mant.get(), [4, 5, 6])
    network.lif.bias_mant.set([[7, 8]], [0, 2])
    np.testing.assert_array_equal(network.lif.bias_mant.get(), [7, 5, 8])
    network.lif.bias_mant.set([[1.0, 2.0, 3.0]])
    network.dense.weights.set(WEIGHTS[:, :, None] + 1)
    np.testing.assert_array_equal(network.dense.weights.get(), WEIGHTS + 1)
    with pytest.raises(ValueError, match=r"shape \(4, 3\): expected \(3, 4\)"):
        network.dense.weights.set(WEIGHTS.T)


@pytest.mark.parametrize(
    ("value", "idx", "message"),
    [
        (5, None, r"bias_mant of LIF .* shape \(\): expected \(3,\)"),
        ([1.0, 2.0], None, r"shape \(2,\): expected \(3,\)"),
        ([1.0, 2.0], [1], r"shape \(2,\): expected \(1,\) for the elements \[1\], or \(3,\)"),
        ([[1.0], [2.0, 3.0]], None, "bias_mant of LIF .* what is no array"),
        ([1, None, 2], None, "expected numbers"),
        (["a", "b", "c"], None, "expected numbers"),
        (np.array([1j, 2, 3]), None, "expected numbers"),
    ],
)
def test_a_value_of_another_shape_or_kind_is_refused_by_name(network, value, idx, message):
    with pytest.raises(ValueError, match=message):
        network.lif.bias_mant.set(value, idx)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("switch", [2, 0], "switch of Keeper .* set to 2: expected True or False"),
        ("switch", [np.nan, 0], "expected True or False"),
        ("bytes", np.full((2, 3), 128), r"set to 128: expected whole numbers in \[-128, 127\]"),
        ("bytes", np.full((2, 3), 1.5), "set to 1.5: expected whole numbers"),
        ("bytes", np.full((2, 3), np.nan), "set to nan: expected whole numbers"),
        ("short", [1e39, 0], "set to 1e.39: expected numbers that float32 can hold"),
        ("text", np.array([300]), "expected a str of ASCII characters"),
        ("text", [0.5], "expected a str of ASCII characters"),
        ("text", "\u00fc", "text of Keeper .* expected a str of ASCII characters"),
        ("fraction", "5", "fraction of Keeper .* set to the text '5': expected numbers"),
        ("whole", 4.5, "whole of Keeper .* set to 4.5: expected whole numbers"),
        ("number", np.nan, "number of Keeper .* set to nan: expected whole numbers"),
    ],
)
def test_a_number_that_would_be_another_in_the_var_is_refused(network, name, value, message):
    with pytest.raises(ValueError, match=message):
        getattr(network.keeper, name).set(value)


def test_numbers_keep_their_type_where_they_can(network):
    keeper = network.keeper
    for name, value in (("whole", 4), ("fraction", 2), ("number", -7)):
        var = getattr(keeper, name)
        before = var.get()
        var.set([value])
        np.testing.assert_array_equal(var.get(), [value])
        var.set(before)
    np.testing.assert_array_equal(keeper.listed.get([0, 2]), [1, 3])
    keeper.bytes.set(np.array([[9]]), (1, 2))
    np.testing.assert_array_equal(keeper.bytes.get(), [[0, 1, 2], [3, 4, 9]])


def test_a_text_crosses_whole(network):
    text = network.keeper.text
    assert text.get() == "spike"
    for other in ("trace", "a longer one", "no"):
        text.set(other)
        assert text.get() == other
    text.set("no")
    with pytest.raises(IndexError, match=r"text of Keeper .* has 2 characters and no 4"):
        text.get(4)
    text.set("spike")
    assert (text.get([0, 1]), text.get(0), text.get(slice(2, 4))) == ("sp", "s", "ik")
    with pytest.raises(ValueError, match=r"text of Keeper .* whole, got the index"):
        text.set("x", [0])


def test_a_sparse_matrix_crosses_whole_also_with_zeros_in_it(network):
    weights = network.sparse.weights
    np.testing.assert_array_equal(weights.get().toarray(), STORED.toarray())
    other = STORED.copy()
    other.data[:] = [0, 7, 0, 8, 9]
    for matrix in (other, STORED, other, STORED):
        weights.set(matrix)
        np.testing.assert_array_equal(weights.get().toarray(), matrix.toarray())
    for idx in ([0], 1):
        with pytest.raises(ValueError, match=r"weights of Sparse .* expected no index"):
            weights.get(idx)
    with pytest.raises(ValueError, match=r"weights of Sparse .* shape \(3, 3\): expected \(5,\)"):
        weights.set(np.ones((3, 3)))


def test_a_network_that_runs_can_neither_be_read_nor_set_nor_run_again(network):
    lif = network.lif
    lif.run(RunContinuous(), CONFIG)
    for refused in (lif.v.get, lambda: lif.vth.set(3.0), lambda: lif.run(RunSteps(1), CONFIG)):
        with pytest.raises(RuntimeError, match=r"is running: call pause\(\), or wait\(\)"):
            refused()
    lif.pause()
    lif.vth.set(10)
    lif.run(RunSteps(1, blocking=False), CONFIG)
    lif.wait()
    assert lif.vth.get() == 10


def test_a_run_that_is_over_need_not_be_waited_for(network):
    lif = network.lif
    lif.run(RunSteps(1, blocking=False), CONFIG)
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(RuntimeError):  # it is running
            assert lif.vth.get() == 10
            break
        assert time.monotonic() < deadline
    network.step()


@pytest.mark.parametrize("steps", [-1, -3, 1.5, np.nan, "3", None, 2**54])
def test_a_number_of_steps_that_is_none_is_refused(network, steps):
    with pytest.raises(ValueError, match=r"num_steps of RunSteps is .* expected a whole number"):
        network.lif.run(RunSteps(steps), CONFIG)


def test_what_is_no_run_condition_is_refused(network):
    with pytest.raises(ValueError, match="the run condition is 3: expected RunSteps"):
        network.lif.run(3, CONFIG)
