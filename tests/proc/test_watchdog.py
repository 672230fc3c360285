"""A network that cannot go on ends, and says who waits for whom; one that is slow goes on."""

from __future__ import annotations

import re
import threading
import time

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")
pytestmark = pytest.mark.forked

from composed import CONFIG, small
from waiters.process import Deaf, Echo, Reader, Talker

from lava_desire.proc import HangError, ProcessError, install

from lava.magma.core.run_conditions import RunContinuous, RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip

SETTINGS = Loihi2SimCfg(select_tag="floating_pt")


@pytest.fixture(autouse=True)
def soon():
    install(deadlock_seconds=0.5)
    yield
    install()


def test_a_cycle_of_processes_that_receive_first_is_a_deadlock_and_names_each_port():
    first, second = Echo(), Echo()
    first.said_out.connect(second.heard_in)
    second.said_out.connect(first.heard_in)
    with pytest.raises(HangError, match="a deadlock") as raised:
        first.run(RunSteps(3), SETTINGS)
    waiting = {each.process: each for each in raised.value.waiting}
    assert set(waiting) == {f"Echo ({first.name})", f"Echo ({second.name})"}
    one = waiting[f"Echo ({first.name})"]
    assert (one.port, one.step, one.receives) == ("heard_in", 1, True)
    assert (one.partner, one.partner_port) == (f"Echo ({second.name})", "said_out")
    assert one.partner_step is None
    assert raised.value.computing == raised.value.idle == []
    assert isinstance(raised.value, ProcessError)
    message = str(raised.value)
    assert f"Echo ({first.name}) waits in step 1 on heard_in for a message from said_out" in message
    with pytest.raises(RuntimeError, match="has ended"):
        first.run(RunSteps(1))


def test_a_message_that_is_never_sent_is_missed_in_the_step_in_which_it_is_due():
    talker, echo = Talker(last=4), Echo()
    talker.said_out.connect(echo.heard_in)
    talker.run(RunSteps(3), SETTINGS)
    with pytest.raises(HangError) as raised:
        talker.run(RunSteps(10))
    (waiting,) = raised.value.waiting
    assert (waiting.process, waiting.step) == (f"Echo ({echo.name})", 5)
    assert (waiting.partner, waiting.partner_step) == (f"Talker ({talker.name})", 5)
    assert "which finished step 5 without sending it" in str(raised.value)
    assert raised.value.idle == [f"Talker ({talker.name})"]


def test_a_message_that_nobody_takes_is_named_by_its_sender():
    talker, deaf = Talker(), Deaf()
    talker.said_out.connect(deaf.heard_in)
    with pytest.raises(HangError) as raised:
        talker.run(RunSteps(1000), SETTINGS)
    (waiting,) = raised.value.waiting
    assert (waiting.process, waiting.port) == (f"Talker ({talker.name})", "said_out")
    assert not waiting.receives
    assert "for room for a message to heard_in of Deaf" in str(raised.value)


def test_a_var_that_is_read_in_the_wrong_phase_is_a_deadlock():
    reader, talker, echo = Reader(2, too_early=True), Talker(), Echo()
    talker.said_out.connect(echo.heard_in)
    reader.var_ref.connect_var(echo.heard)
    with pytest.raises(HangError) as raised:
        reader.run(RunSteps(5), SETTINGS)
    assert {each.process: each.step for each in raised.value.waiting} == {
        f"Reader ({reader.name})": 2
    }
    assert raised.value.waiting[0].port == "var_ref"


def test_an_in_port_that_is_not_connected_reads_zeros():
    echo = Echo()
    try:
        echo.run(RunSteps(3), SETTINGS)
        np.testing.assert_array_equal(echo.heard.get(), 0)
    finally:
        echo.stop()


def test_a_slow_process_is_not_taken_for_a_hang():
    talker, echo = Talker(seconds=1.5), Echo()
    talker.said_out.connect(echo.heard_in)
    try:
        talker.run(RunSteps(2), SETTINGS)
        np.testing.assert_array_equal(echo.heard.get(), 2)
    finally:
        talker.stop()


def test_a_network_at_rest_is_not_taken_for_a_hang():
    talker, echo, reader = Talker(), Echo(), Reader(2)
    talker.said_out.connect(echo.heard_in)
    reader.var_ref.connect_var(echo.heard)
    try:
        for step in range(1, 5):
            talker.run(RunSteps(1), SETTINGS)
            time.sleep(0.7)
            np.testing.assert_array_equal(echo.heard.get(), step)
    finally:
        talker.stop()


def test_a_stall_is_reported_to_those_who_ask_for_that():
    install(deadlock_seconds=None, stall_seconds=0.5)
    talker, echo = Talker(seconds=60), Echo()
    talker.said_out.connect(echo.heard_in)
    with pytest.raises(HangError, match="has not gone on") as raised:
        talker.run(RunSteps(2), SETTINGS)
    assert raised.value.computing == [f"Talker ({talker.name})"]
    assert [each.process for each in raised.value.waiting] == [f"Echo ({echo.name})"]


@pytest.mark.parametrize("end", ["wait", "pause", "stop"])
def test_a_hang_in_the_background_is_reported_when_it_is_waited_for(end):
    echo = Echo()
    echo.said_out.connect(echo.heard_in)
    condition = RunSteps(3, blocking=False) if end == "wait" else RunContinuous()
    echo.run(condition, SETTINGS)
    with pytest.raises(HangError, match=re.escape(f"Echo ({echo.name}) waits in step 1")):
        getattr(echo, end)()


def test_the_watchdog_can_be_switched_off():
    install(deadlock_seconds=None)
    echo = Echo()
    echo.said_out.connect(echo.heard_in)
    echo.run(RunSteps(1, blocking=False), SETTINGS)

    def wait():
        with pytest.raises(RuntimeError):  # the children were ended, or the network has ended
            echo.wait()

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    waiter.join(1.5)
    assert waiter.is_alive()
    echo._runtime._release(kill=True)
    waiter.join(30)
    assert not waiter.is_alive()


@pytest.mark.parametrize("name", ["deadlock_seconds", "stall_seconds"])
@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_a_limit_that_is_no_time_is_refused_by_name(name, seconds):
    with pytest.raises(ValueError, match=f"{name} is .*: expected a number above 0, or None"):
        install(**{name: seconds})


def test_a_network_that_learns_is_watched_and_runs():
    network = small()
    try:
        network.run(3 * CONFIG.window_steps)
        time.sleep(0.7)
        network.run(CONFIG.window_steps)
        network.dense[0].weights.set(network.dense[0].weights.get())
        network.run(CONFIG.window_steps)
    finally:
        network.teacher.stop()
