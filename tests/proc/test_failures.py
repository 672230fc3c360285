"""A process that fails ends its run, says what happened, and leaves nothing behind."""

from __future__ import annotations

import _thread
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")

from composed import CONFIG, IMAGES, LABELS, Network, probed, small
from troublesome.process import Troublesome

from lava_desire.lava_runtime.modes import install, runtime_for, uninstall
from lava_desire.proc import DesireDense, DesireTeacher, ProcessError

from lava.magma.core.process import process as lava_process  # isort: skip
from lava.magma.core.process.variable import Var  # isort: skip
from lava.magma.core.run_conditions import RunContinuous, RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip
from lava.magma.runtime.runtime import Runtime  # isort: skip
from lava.proc.io.source import RingBuffer  # isort: skip
from lava.proc.lif.process import LIF  # isort: skip

NOT_A_NUMBER = np.full((6, 4), np.nan, np.float32)


def set_unchecked(var, value):
    """Set a Var past the checks of its own, as a RefPort would."""
    Var.set(var, value)


def blocked_by(trouble):
    """A network in which a stock sink waits for what the troublesome process does not send."""
    process = Troublesome(trouble)
    return process, probed(process.s_out, 10)


@pytest.mark.forked
@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("constructor", r"Troublesome \(Process_\d+\): OSError: no such device"),
        ("raise", r"Troublesome \(Process_\d+\): KeyError: 'third step'"),
        ("raise_unsendable", r"Troublesome \(Process_\d+\): UnsendableError: third"),
        ("die", r"Troublesome \(Process_\d+\): killed by SIGKILL"),
        ("exit", r"Troublesome \(Process_\d+\): its operating-system process ended with .* 3"),
    ],
)
def test_the_error_names_the_process_and_says_what_happened(trouble, message):
    process, _ = blocked_by(trouble)
    with pytest.raises(ProcessError, match=message):
        process.run(RunSteps(10), Loihi2SimCfg(select_tag="floating_pt"))
    process.stop()


@pytest.mark.forked
def test_the_error_shows_where_in_the_model_it_was_raised():
    process, _ = blocked_by("raise")
    with pytest.raises(ProcessError) as raised:
        process.run(RunSteps(10), Loihi2SimCfg(select_tag="floating_pt"))
    assert isinstance(raised.value.__cause__, KeyError)
    assert "in do_raise" in str(raised.value.__cause__.__cause__)
    assert raised.value.failures[0].process.startswith("Troublesome")


def wait_for_failure(process):
    """Wait until a child has failed and said so, without a call that would tell."""
    infrastructure = process._runtime._messaging_infrastructure
    deadline = time.monotonic() + 60
    while not infrastructure.failures() and time.monotonic() < deadline:
        time.sleep(0.02)


def run_blocking(network):
    network.run(20)


def run_and_wait(network):
    network.teacher.run(RunSteps(20, blocking=False))
    network.teacher.wait()


def run_and_pause(network):
    network.teacher.run(RunContinuous())
    wait_for_failure(network.teacher)
    network.teacher.pause()


def run_and_stop(network):
    network.teacher.run(RunContinuous())
    wait_for_failure(network.teacher)
    network.teacher.stop()


@pytest.mark.forked
@pytest.mark.parametrize("run", [run_blocking, run_and_wait, run_and_pause, run_and_stop])
def test_weights_that_are_no_numbers_end_the_run_however_it_is_waited_for(run):
    network = small()
    network.run(CONFIG.window_steps)
    set_unchecked(network.dense[0].weights, NOT_A_NUMBER)
    with pytest.raises(ProcessError, match=r"DesireDense of layer 1 .*weights hold NaN"):
        run(network)
    network.teacher.stop()


@pytest.mark.forked
def test_a_failure_under_a_monitor_ends_the_run_as_well():
    network = small()
    potential, spikes = probed(network.lif[0].potential, 40), probed(network.lif[0].s_out, 40)
    network.run(CONFIG.window_steps)
    assert potential().shape == spikes().shape == (40, 6)
    set_unchecked(network.dense[0].weights, NOT_A_NUMBER)
    with pytest.raises(ProcessError, match="DesireDense of layer 1"):
        network.run(20)


@pytest.mark.forked
def test_a_var_can_be_neither_read_nor_set_after_a_failure():
    network = small()
    network.run(1)
    os.kill(network.teacher._runtime._messaging_infrastructure.actors[0].pid, signal.SIGKILL)
    wait_for_failure(network.teacher)
    with pytest.raises(ProcessError, match="killed by SIGKILL"):
        network.source.sample.get()
    with pytest.raises(RuntimeError):
        network.dense[0].weights.set(np.zeros((6, 4)))


def test_an_activation_that_is_no_number_is_named():
    network = small()
    network.run(1)
    huge = np.full((6, 4), 3e38, np.float32)
    network.dense[0].weights.set(huge)
    with pytest.raises(
        ProcessError, match=r"DesireLIF of layer 1 .* potential is no longer finite"
    ):
        network.run(40)


def test_a_label_that_is_no_class_is_named():
    label = RingBuffer(data=np.array([[7.0]]))
    teacher = DesireTeacher(config=CONFIG)
    label.s_out.connect(teacher.label_in)
    with pytest.raises(ProcessError, match=r"DesireTeacher .*the label is 7: expected .* \[0, 3\)"):
        teacher.run(RunSteps(20), Loihi2SimCfg(select_tag="floating_pt"))


def test_a_third_factor_that_is_missing_is_named():
    config = CONFIG.replace(trace_baseline=1.0, rates_over="desired")
    dense = DesireDense(config=config, layer=1, weights=np.zeros((6, 4)))
    with pytest.raises(ValueError, match=r"third_factor_in of DesireDense .* is not connected"):
        dense.run(RunSteps(2), Loihi2SimCfg(select_tag="floating_pt"))


def test_brightness_out_of_range_is_named():
    network = Network(
        CONFIG, [np.zeros((6, 4), np.float32), np.zeros((3, 6), np.float32)], IMAGES, LABELS
    )
    ring = RingBuffer(data=np.full((4, 1), 255.0))
    ring.s_out.connect(network.encoder.brightness_in)
    with pytest.raises(ProcessError, match=r"RateEncoder .* brightness .* expected .*\[0, 1\]"):
        network.run(1)


def test_a_value_of_another_shape_is_refused_and_the_network_goes_on():
    network = small()
    try:
        network.run(1)
        before = network.dense[0].weights.get()
        with pytest.raises(ValueError, match=r"weights of DesireDense of layer 1 .* \(4, 6\)"):
            network.dense[0].weights.set(np.zeros((4, 6)))
        np.testing.assert_array_equal(network.dense[0].weights.get(), before)
        network.run(1)
    finally:
        network.teacher.stop()


@pytest.mark.forked
def test_a_deadlock_is_found_by_the_watchdog_of_lava_and_ended_by_an_interrupt(capfd):
    install(deadlock_seconds=None)
    # Stock neurons wait for their input before they send: alone in a cycle they wait forever.
    neurons = LIF(shape=(3,))
    neurons.s_out.connect(neurons.a_in)
    watchdog = {"use_watchdog": True, "long_event_timeout": 600.0, "short_event_timeout": 0.3}
    neurons.create_runtime(Loihi2SimCfg(select_tag="floating_pt"), compile_config=watchdog)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupt = threading.Timer(5.0, _thread.interrupt_main)
    interrupt.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            neurons.run(RunSteps(3))
    finally:
        install()
        interrupt.cancel()
        signal.signal(signal.SIGINT, handler)
    assert "Blocked on LIF.s_out->LIF.a_in :: recv" in capfd.readouterr().out


def test_a_network_that_has_ended_says_so():
    network = small()
    network.run(1)
    network.teacher.stop()
    network.teacher.stop()
    with pytest.raises(RuntimeError, match="has ended"):
        network.run(1)


def test_a_model_may_ask_for_a_pause():
    process, recorded = blocked_by("ask_for_pause")
    try:
        process.run(RunSteps(10), Loihi2SimCfg(select_tag="floating_pt"))  # ends after step 3
        process.run(RunSteps(4))
        assert recorded().shape == (10, 10)
    finally:
        process.stop()


@pytest.mark.parametrize("wish", ["ask_for_pause", "ask_for_stop"])
def test_a_network_can_be_stopped_after_a_model_has_asked_for_something(wish):
    process, _ = blocked_by(wish)
    process.run(RunContinuous(), Loihi2SimCfg(select_tag="floating_pt"))
    time.sleep(1.0)
    process.stop()


@pytest.mark.forked
def test_a_model_may_ask_for_the_end():
    process, _ = blocked_by("ask_for_stop")
    process.run(RunSteps(10), Loihi2SimCfg(select_tag="floating_pt"))
    with pytest.raises(RuntimeError, match="has ended"):
        process.run(RunSteps(1))


def test_the_runtime_of_lava_can_be_given_back():
    assert lava_process.Runtime is runtime_for
    uninstall()
    try:
        assert lava_process.Runtime is Runtime
    finally:
        install()
    assert lava_process.Runtime is runtime_for


SCRIPT = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
sys.path.insert(0, {folder!r})
from composed import RunContinuous, small
from lava.magma.core.run_conditions import RunSteps
network = small()
network.run(1)
infrastructure = network.teacher._runtime._messaging_infrastructure
pids = [actor.pid for actor in infrastructure.actors] + [infrastructure.smm._manager._process.pid]
segments = [handle.name for handle in infrastructure.smm._shared_memory_handles]
print(*pids, *segments, flush=True)
{last}
"""


def outlived(last, signal_number=None):
    """Run a script that ends without stop(); return its exit code and what is still there."""
    folder = str(Path(__file__).parent)
    script = SCRIPT.format(folder=folder, last=last).replace("RunContinuous, ", "")
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        names = child.stdout.readline().split()
        if signal_number is not None:
            time.sleep(0.5)
            # Ctrl-C in a terminal reaches every process of the group.
            to_all = signal_number == signal.SIGINT
            (os.killpg if to_all else os.kill)(child.pid, signal_number)
        _, errors = child.communicate(timeout=200)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
    pids = [int(name) for name in names if name.isdigit()]
    segments = [Path("/dev/shm") / name.lstrip("/") for name in names if not name.isdigit()]
    assert len(pids) > 8
    assert len(segments) > 20
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        left = [pid for pid in pids if is_running(pid)] + [s for s in segments if s.exists()]
        if not left:
            break
        time.sleep(0.1)
    return child.returncode, errors, left


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.forked
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
class TestWithoutStop:
    def test_a_script_that_forgets_to_stop_ends(self):
        code, _, left = outlived("")
        assert (code, left) == (0, [])

    def test_an_exception_ends_the_script(self):
        code, errors, left = outlived("raise SystemError('mine')")
        assert (code, left) == (1, [])
        assert errors.strip().endswith("SystemError: mine")

    def test_control_c_in_a_run_ends_everything_with_one_traceback(self):
        code, errors, left = outlived("network.run(10**9)", signal.SIGINT)
        assert left == []
        assert code in (1, 130, -signal.SIGINT)
        assert errors.count("Traceback") == 1
        assert errors.strip().endswith("KeyboardInterrupt")

    def test_control_c_between_runs_ends_everything(self):
        _, errors, left = outlived("time.sleep(60)", signal.SIGINT)
        assert left == []
        assert errors.count("Traceback") == 1

    def test_the_children_of_a_killed_parent_end_too(self):
        code, _, left = outlived("network.run(10**9)", signal.SIGKILL)
        assert (code, left) == (-signal.SIGKILL, [])
