"""A network that is dropped without stop() leaves nothing behind."""

from __future__ import annotations

import gc
import multiprocessing
import weakref

import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")

from composed import small

from lava_desire.lava_runtime.registers import Register, hold_weakly

from lava.magma.core.process.process import ProcessServer  # isort: skip
from lava.magma.core.process.variable import VarServer  # isort: skip
from lava.magma.core.run_conditions import RunContinuous, RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip


def dropped(run):
    """Run a network, drop it, and return what became of its runtime and its first Var."""
    network = small()
    network.run(1)
    run(network)
    watched = weakref.ref(network.teacher._runtime), weakref.ref(network.teacher.counts)
    del network
    gc.collect()
    return [each() for each in watched]


def at_rest(network):
    network.run(3)


def running(network):
    network.teacher.run(RunContinuous(), Loihi2SimCfg(select_tag="floating_pt"))


def stopped(network):
    network.teacher.stop()


@pytest.mark.forked
@pytest.mark.parametrize("run", [at_rest, running, stopped])
def test_the_children_of_a_network_that_is_dropped_end(run):
    before = set(multiprocessing.active_children())
    assert dropped(run) == [None, None]
    assert set(multiprocessing.active_children()) <= before


def test_a_network_in_one_process_is_collected():
    assert dropped(at_rest) == [None, None]


def test_a_network_of_which_one_process_is_held_goes_on():
    network = small()
    network.run(1)
    teacher, weights = network.teacher, network.dense[0].weights
    del network
    gc.collect()
    teacher.run(RunSteps(3))
    assert weights.get().shape == (6, 4)
    teacher.stop()


def test_registers_count_all_and_keep_none():
    hold_weakly()
    processes, variables = ProcessServer(), VarServer()
    before = processes.num_processes, variables.num_vars
    network = small()
    assert list(processes.processes)[-1] in (network.source, network.teacher)
    after = processes.num_processes, variables.num_vars
    assert all(more > less for more, less in zip(after, before, strict=True))
    del network
    gc.collect()
    assert (processes.num_processes, variables.num_vars) == after
    kept = Register([processes])
    assert list(kept) == [processes]
