"""A child that is forked from a process that has computed computes as well, to the bit."""

from __future__ import annotations

import multiprocessing
import os

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, DesireNetwork, evaluate, fit

from .threads import threads

CONFIG = DesireConfig((64, 20, 10), num_steps=8, learning_rate=1e-3, batch_size=300, epochs=1)
# So many that torch shares what it does with them among its threads.
IMAGES = np.random.default_rng(0).random((600, 64), np.float32)
LABELS = np.arange(600) % 10
FORK = multiprocessing.get_context("fork")
LONGEST = 60  # seconds: a child that hangs is a failure, not a wait

NETWORKS = {
    "compiled": {},
    "torch": {"kernels": "torch"},
    "bfloat16x2": {"precision": "bfloat16x2"},
    "integers": {"arithmetic": "fixed_point"},
}


def compute(name):
    network = DesireNetwork(CONFIG, **NETWORKS[name])
    history = fit(network, (IMAGES, LABELS), (IMAGES, LABELS))
    metrics = evaluate(network, (IMAGES, LABELS))
    counts = network.forward(IMAGES).counts[-1].numpy()
    return network.numpy_weights(), history.last.test_loss, metrics.confusion, counts


def the_same(ones, others):
    for one, other in zip(ones, others, strict=True):
        if isinstance(one, list):
            the_same(one, other)
        else:
            np.testing.assert_array_equal(one, other)


def in_child(work, *arguments):
    """Return what a forked child has found, which must then end by itself."""
    ours, theirs = FORK.Pipe()

    def tell():
        theirs.send(work(*arguments))

    child = FORK.Process(target=tell)
    child.start()
    try:
        assert ours.poll(LONGEST), "the child hangs"
        found = ours.recv()
        child.join(LONGEST)
        assert child.exitcode == 0
    finally:
        child.kill()
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_a_child_has_its_parents_bits(name):
    with threads(2):
        expected = compute(name)
        the_same(in_child(compute, name), expected)
        the_same(compute(name), expected)  # and the parent goes on


def test_the_children_of_a_pool_and_their_children_end_by_themselves():
    with threads(2):
        expected = compute("compiled")
        with FORK.Pool(2) as pool:
            found = pool.map_async(compute, ["compiled", "torch"]).get(LONGEST)
            pool.close()
            pool.join()
        the_same(found[0], expected)
        the_same(in_child(in_child, compute, "compiled"), expected)


def test_a_child_that_is_forked_while_its_parent_trains_computes():
    expected, found = compute("compiled"), []

    def fork_once(progress):
        if not found:
            found.append(in_child(compute, "compiled"))

    with threads(2):
        network = DesireNetwork(CONFIG)
        fit(network, (IMAGES, LABELS), (IMAGES, LABELS), on_progress=fork_once)
        the_same(network.numpy_weights(), expected[0])
        the_same(found[0], expected)


def test_a_child_stays_with_one_thread_of_torch_where_its_parent_had_more():
    network = DesireNetwork(CONFIG)
    with threads(2):
        with network.threads():
            child = os.fork()
            if child:
                _, status = os.waitpid(child, 0)
        if not child:
            os._exit(torch.get_num_threads())
    assert os.waitstatus_to_exitcode(status) == 1


def more_threads():
    torch.set_num_threads(2)
    return compute("compiled")


def test_a_child_may_ask_for_threads():
    with threads(2):
        the_same(in_child(more_threads), compute("compiled"))
