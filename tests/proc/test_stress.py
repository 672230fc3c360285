"""Networks that are many, of many processes or short of something; at length: make soak-lava."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")
pytestmark = pytest.mark.forked

from composed import small
from waiters.process import Echo, Talker

from lava_desire.proc import ProcessError

from lava.magma.core.run_conditions import RunContinuous, RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip

SETTINGS = Loihi2SimCfg(select_tag="floating_pt")


def chain_of(num_processes):
    """A talker and echoes, of which each repeats the one before in the same step."""
    processes = [Talker(), *(Echo() for _ in range(num_processes - 1))]
    for one, other in pairwise(processes):
        one.said_out.connect(other.heard_in)
    return processes


def open_files():
    return len(os.listdir("/dev/fd"))


def test_networks_that_are_built_run_and_stopped_leave_no_open_file():
    def build_run_and_stop():
        talker, echo = chain_of(2)
        talker.run(RunSteps(3), SETTINGS)
        np.testing.assert_array_equal(echo.heard.get(), 3)
        talker.stop()

    build_run_and_stop()
    before = open_files()
    for _ in range(8):
        build_run_and_stop()
    assert open_files() <= before


def test_a_network_can_be_run_and_paused_again_and_again():
    talker, echo = chain_of(2)
    talker.run(RunSteps(1), SETTINGS)
    reached = [1.0]
    try:
        for _ in range(20):
            talker.run(RunContinuous())
            talker.pause()
            reached.append(echo.heard.get()[0])
            talker.run(RunSteps(2))
            assert echo.heard.get()[0] == reached[-1] + 2
    finally:
        talker.stop()
    assert reached == sorted(reached)


def test_forty_processes_make_one_network():
    processes = chain_of(40)
    try:
        processes[0].run(RunSteps(10), SETTINGS)
        np.testing.assert_array_equal(processes[-1].heard.get(), 10)
    finally:
        processes[0].stop()


@pytest.mark.parametrize("seed", range(3))
def test_a_child_that_is_killed_at_any_moment_is_named(seed):
    draw = random.Random(seed)
    network = small()
    network.run(1)
    victim = draw.choice(network.teacher._runtime._messaging_infrastructure.actors)
    killer = threading.Timer(draw.uniform(0, 0.3), os.kill, (victim.pid, signal.SIGKILL))
    killer.start()
    with pytest.raises(ProcessError) as raised:
        network.run(10**8)
    killer.join()
    assert f"{victim.label}: killed by SIGKILL" in str(raised.value)


def test_the_limit_of_open_files_is_raised_for_a_network_that_needs_it():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowered = open_files() + 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowered, hard))
    try:
        processes = chain_of(12)
        processes[0].run(RunSteps(2), SETTINGS)
        np.testing.assert_array_equal(processes[-1].heard.get(), 2)
        processes[0].stop()
        assert lowered < resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


SCRIPT = """
import resource, sys
sys.path.insert(0, {folder!r})
from test_stress import SETTINGS, RunSteps, chain_of, open_files
processes = chain_of(12)
lowered = open_files() + 20
resource.setrlimit(resource.RLIMIT_NOFILE, (lowered, lowered))
processes[0].run(RunSteps(2), SETTINGS)
"""


def test_a_limit_of_open_files_that_cannot_be_raised_is_named():
    script = SCRIPT.format(folder=str(Path(__file__).parent))
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].endswith(
        "Too many open files: a network of 13 operating-system processes and 37 channels needs "
        "more than is left of the files that a program may have open (`ulimit -n`)"
    )


def test_a_full_shared_memory_is_named_before_anything_runs(monkeypatch):
    room = iter(range(5))

    def reserve(*_):
        if next(room, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", reserve)
    processes = chain_of(3)
    with pytest.raises(OSError, match=r"of 4 operating-system .* and 10 channels .* /dev/shm"):
        processes[0].run(RunSteps(1), SETTINGS)
    assert next(room, None) is None


def test_a_process_that_cannot_be_forked_is_said_to_be_one_too_many(monkeypatch):
    fork, left = os.fork, iter(range(4))

    def fork_a_few():
        if next(left, None) is None:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return fork()

    monkeypatch.setattr(os, "fork", fork_a_few)
    processes = chain_of(6)
    with pytest.raises(OSError, match="processes that a user may run"):
        processes[0].run(RunSteps(1), SETTINGS)


def test_another_error_of_the_system_is_not_taken_for_a_limit(monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: os.stat("/no/such/file"))
    processes = chain_of(2)
    with pytest.raises(FileNotFoundError, match="/no/such/file"):
        processes[0].run(RunSteps(1), SETTINGS)
