"""A network in one operating-system process does what its forked one does, and needs no fork."""

from __future__ import annotations

import _thread
import cProfile
import gc
import io
import multiprocessing
import os
import pdb
import pstats
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
import weakref
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")
pytest.importorskip("greenlet", reason="greenlet is not installed")

from composed import CONFIG, probed, small
from oddities.process import SAID, Acting, Counter, Drawer, Spoiler, Writer, heard, stopped
from troublesome.process import Troublesome
from waiters.process import Echo, PyTalkerModel, Reader, Talker

from lava_desire.lava_runtime import generators, modes
from lava_desire.lava_runtime.modes import VARIABLE, install
from lava_desire.lava_runtime.one_process import OneProcessRuntime
from lava_desire.lava_runtime.order import topological_order
from lava_desire.lava_runtime.supervision import SupervisedRuntime
from lava_desire.proc import DesireSimCfg, HangError, ProcessError

from lava.magma.core.model.py.model import PyLoihiProcessModel  # isort: skip
from lava.magma.core.model.py.ports import PyOutPort  # isort: skip
from lava.magma.core.run_conditions import RunContinuous, RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip
from lava.proc.dense.process import Dense  # isort: skip
from lava.proc.io.extractor import Extractor  # isort: skip
from lava.proc.io.injector import Injector  # isort: skip
from lava.proc.lif.process import LIF  # isort: skip

SETTINGS = Loihi2SimCfg(select_tag="floating_pt")


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    install("one")
    yield
    monkeypatch.undo()
    install()


def in_both(build_and_run):
    """Return what a function returns with a network forked, and with one that is not."""
    install("processes")
    forked = build_and_run(SupervisedRuntime)
    install("one")
    return forked, build_and_run(OneProcessRuntime)


def learned(runtime):
    network = small()
    potential, spikes = probed(network.lif[0].potential, 40), probed(network.lif[1].s_out, 40)
    try:
        network.run(25)
        network.run(15)
        assert isinstance(network.teacher._runtime, runtime)
        return [potential(), spikes(), *(dense.weights.get() for dense in network.dense)]
    finally:
        network.teacher.stop()


def test_a_network_that_learns_is_the_forked_one_to_the_bit():
    forked, here = in_both(learned)
    assert here[1].any()
    for one, other in zip(forked, here, strict=True):
        assert one.tobytes() == other.tobytes()


def drawn(drawn_before, own):
    np.random.seed(3)
    np.random.randn(drawn_before)
    first, second = Drawer(own), Drawer()
    first.said_out.connect(second.heard_in)
    before = np.random.get_state()
    first.run(RunSteps(3), SETTINGS)
    after = np.random.get_state()
    np.random.rand(5)  # no model sees that
    first.run(RunSteps(3), SETTINGS)
    try:
        assert before[2:] == after[2:]
        np.testing.assert_array_equal(before[1], after[1])
        return first.sum.get(), second.sum.get()
    finally:
        first.stop()


# Of an odd number of Gaussian ones the generator keeps the other of the last pair.
@pytest.mark.parametrize(("drawn_before", "own"), [(0, None), (1, None), (0, 7), (1, 7)])
def test_each_model_has_the_generator_that_a_fork_would_give_it(drawn_before, own):
    forked, here = in_both(lambda _: drawn(drawn_before, own))
    np.testing.assert_array_equal(forked, here)


def test_what_a_model_does_to_its_parameters_stays_in_the_model():
    numbers = np.array([1.0, 2.0])
    spoiler = Spoiler(numbers)
    spoiler.run(RunSteps(2), SETTINGS)
    try:
        assert spoiler.value.get().tolist() == [-2.0, -2.0]
        assert numbers.tolist() == spoiler.value.init.tolist() == [1.0, 2.0]
    finally:
        spoiler.stop()


@pytest.mark.parametrize("waits", [False, True])
def test_a_var_that_is_written_through_a_port_holds_what_was_written(waits):
    writer, echo = Writer(waits), Echo()
    writer.var_ref.connect_var(echo.heard)
    try:
        for _ in range(3):
            writer.run(RunSteps(1), SETTINGS)
        assert echo.heard.get().tolist() == [103.0, 103.0]
        assert writer.read.get().tolist() == ([103.0, 103.0] if waits else [0.0, 0.0])
    finally:
        writer.stop()


def test_nothing_is_forked_and_no_thread_started(monkeypatch):
    def refuse(*_):
        raise AssertionError("a child or a thread was started")

    monkeypatch.setattr(os, "fork", refuse)
    monkeypatch.setattr(multiprocessing.Process, "start", refuse)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    network = small()
    network.run(2 * CONFIG.window_steps)
    network.dense[0].weights.set(network.dense[0].weights.get())
    network.teacher.stop()


@pytest.mark.parametrize("end", ["stop", "failure"])
def test_a_network_that_has_ended_holds_no_model(end):
    process, echo, reader = Troublesome("raise"), Echo(), Reader(2)
    heard = probed(process.s_out, 10)
    reader.var_ref.connect_var(echo.heard)
    for network in (process, reader):
        network.run(RunSteps(2), SETTINGS)
    models = [
        weakref.ref(state.model)
        for network in (process, reader)
        for state in network.runtime._driver.states
    ]
    assert heard().shape == (10, 10)
    if end == "failure":
        with pytest.raises(ProcessError):
            process.run(RunSteps(2))
    process.stop()
    reader.stop()
    gc.collect()
    assert [model() for model in models] == [None] * 4


def test_the_traceback_is_the_models_own():
    process = Troublesome("raise")
    with pytest.raises(ProcessError, match="KeyError: 'third step'") as raised:
        process.run(RunSteps(10), SETTINGS)
    names = [frame.name for frame in traceback.extract_tb(raised.value.__cause__.__traceback__)]
    assert names[-2:] == ["run_spk", "do_raise"]
    assert "in do_raise" in raised.value.failures[0].traceback


def test_a_debugger_stops_in_a_model(monkeypatch):
    said = io.StringIO()
    typed = io.StringIO("p self.time_step\np data.tolist()\nc\n")
    # It would keep Ctrl-C to itself, in the tests behind this one as well.
    debugger = pdb.Pdb(stdin=typed, stdout=said, nosigint=True)
    plain = PyTalkerModel.run_spk

    def run_spk(self):
        data = np.array([4.0, 2.0])
        if self.time_step == 2:
            debugger.set_trace()
        assert data is not None
        plain(self)

    monkeypatch.setattr(PyTalkerModel, "run_spk", run_spk)
    talker, echo = Talker(), Echo()
    talker.said_out.connect(echo.heard_in)
    talker.run(RunSteps(3), SETTINGS)
    talker.stop()
    sys.settrace(None)
    lines = said.getvalue().splitlines()
    assert any(line.endswith("2") for line in lines)
    assert any(line.endswith("[4.0, 2.0]") for line in lines)


def test_products_of_small_models_keep_to_one_thread_during_a_run(monkeypatch):
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def threads():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]

    seen = []
    monkeypatch.setattr(PyTalkerModel, "run_spk", lambda self: seen.append(blas_threads()))

    def blas_threads():
        pools = threadpoolctl.threadpool_info()
        return [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"]

    before = threads()
    talker = Talker()
    talker.run(RunSteps(20), SETTINGS)
    talker.stop()
    assert seen[-1] == [1] * len(seen[-1])
    assert threads() == before


def test_a_port_that_a_model_is_given_is_known_to_it_and_other_attributes_are_none():
    model = PyTalkerModel({"seconds": 0.0, "last": 1})
    model.number, model.array, model.nothing = 3, np.zeros(2), None
    port = PyOutPort.VEC_DENSE([], model, (2,), float)
    model.said_out = port
    assert model.py_ports == [port]
    assert (model.number, model.nothing, len(model.array)) == (3, None, 2)


def test_a_profiler_sees_the_models():
    network = small()
    network.run(1)
    with cProfile.Profile() as profiler:
        network.run(20)
    network.teacher.stop()
    calls = {
        (Path(file).parent.name, name): counts[1]
        for (file, _, name), counts in pstats.Stats(profiler).stats.items()
    }
    assert calls["desire_lif", "run_spk"] == 40


def test_a_deadlock_is_named_at_once():
    first, second = Echo(), Echo()
    first.said_out.connect(second.heard_in)
    second.said_out.connect(first.heard_in)
    with pytest.raises(HangError, match="a deadlock, every process waits") as raised:
        first.run(RunSteps(3), SETTINGS)
    assert {each.process for each in raised.value.waiting} == {
        f"Echo ({first.name})",
        f"Echo ({second.name})",
    }


def test_a_var_that_is_read_in_the_wrong_phase_is_a_deadlock():
    reader, echo = Reader(2, too_early=True), Echo()
    reader.var_ref.connect_var(echo.heard)
    with pytest.raises(HangError, match=r"waits in step 2 on var_ref") as raised:
        reader.run(RunSteps(5), SETTINGS)
    assert raised.value.idle == [f"Echo ({echo.name})"]


def test_a_cycle_runs_when_a_process_sends_first():
    dense, neurons = Dense(weights=np.eye(3)), LIF(shape=(3,), bias_mant=1, vth=2)
    dense.a_out.connect(neurons.a_in)
    neurons.s_out.connect(dense.s_in)
    voltage = probed(neurons.v, 12)
    neurons.run(RunSteps(12), SETTINGS)
    try:
        assert len(np.unique(voltage())) > 2
    finally:
        neurons.stop()


@pytest.mark.parametrize("dense_first", [True, False])
def test_in_a_cycle_only_those_wait_that_send_before_they_receive(dense_first):
    install("one", compiled="never")  # compiled, nobody waits
    makers = [lambda: Dense(weights=np.eye(3)), lambda: LIF(shape=(3,))]
    dense, neurons = sorted(
        (make() for make in makers[:: 1 if dense_first else -1]), key=lambda each: type(each) is LIF
    )
    dense.a_out.connect(neurons.a_in)
    neurons.s_out.connect(dense.s_in)
    dense.run(RunSteps(2), SETTINGS)
    driver, waited = dense.runtime._driver, []
    wait_for = driver.wait_for
    driver.wait_for = lambda channel, receives: (
        waited.append(channel.destination[0].label),
        wait_for(channel, receives),
    )
    dense.run(RunSteps(3))
    dense.stop()
    assert waited == [f"Dense ({dense.name})"] * 3


def test_a_run_goes_on_in_the_background_until_it_is_paused_or_stopped():
    talker, echo = Talker(seconds=0.001), Echo()
    talker.said_out.connect(echo.heard_in)
    talker.run(RunContinuous(), SETTINGS)
    with pytest.raises(RuntimeError, match="is running"):
        echo.heard.get()
    time.sleep(0.05)
    talker.pause()
    reached = echo.heard.get()[0]
    assert reached > 1
    talker.run(RunSteps(4, blocking=False))
    talker.wait()
    assert echo.heard.get()[0] == reached + 4
    talker.run(RunContinuous())
    talker.stop()
    with pytest.raises(RuntimeError, match="has ended"):
        talker.run(RunSteps(1))


@pytest.mark.parametrize("end", ["wait", "stop"])
def test_a_failure_in_the_background_is_reported_when_it_is_waited_for(end):
    process = Troublesome("raise")
    process.run(RunSteps(10, blocking=False), SETTINGS)
    process._runtime._thread.join(30)
    with pytest.raises(ProcessError, match="third step"):
        getattr(process, end)()


def test_an_interrupt_ends_the_network_and_is_the_callers():
    talker = Talker(seconds=0.01)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupt = threading.Timer(0.2, _thread.interrupt_main)
    interrupt.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            talker.run(RunSteps(10**6), SETTINGS)
    finally:
        interrupt.cancel()
        signal.signal(signal.SIGINT, handler)
    with pytest.raises(RuntimeError, match="has ended"):
        talker.run(RunSteps(1))


def test_a_model_that_leaves_the_program_ends_its_network_only():
    process = Troublesome("exit")
    with pytest.raises(ProcessError, match=r"Troublesome .* left the program with exit code 3"):
        process.run(RunSteps(10), SETTINGS)


def test_an_error_when_a_model_is_built_names_it():
    process = Troublesome("constructor")
    with pytest.raises(ProcessError, match=r"Troublesome \(.*\): OSError: no such device"):
        process.run(RunSteps(10), SETTINGS)


@pytest.mark.parametrize("last", ["", "raise SystemError('mine')"])
def test_a_script_that_does_not_stop_its_network_ends(last):
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_one_process import *\n"
        "install('one')\n"
        "Talker().run(RunContinuous(), SETTINGS)\n" + last
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == (1 if last else 0), run.stderr
    assert run.stderr.strip().endswith("SystemError: mine" if last else "")


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_it_runs_where_nothing_can_be_forked(method):
    script = (
        "import multiprocessing, os, sys\n"
        f"multiprocessing.set_start_method({method!r})\n"
        "del os.fork\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from composed import CONFIG, small\n"
        "network = small()\n"
        "network.run(2 * CONFIG.window_steps)\n"
        "print(network.teacher.num_samples.get())\n"
        "network.teacher.stop()\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.stdout.split() == ["[2.]"], run.stderr


def test_it_runs_and_writes_files_with_what_python_has_on_windows(tmp_path):
    script = Path(__file__).with_name("without_posix.py")
    run = subprocess.run(
        [sys.executable, script, tmp_path / "file"],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert run.stdout == "[2.] ['spawn']\n2 1\n", run.stderr


def test_the_script_of_stock_lava_gives_the_same_spikes_with_and_without_us():
    added = (Path(__file__).parents[2] / "docs" / "stock_lava.py").read_text()
    plain = re.sub(r".*# added\n", "", added)
    assert added.count("\n") - plain.count("\n") <= 3
    folder = str(Path(__file__).parents[2])
    said = []
    for script in (plain, added):
        # Lava as released forks a process each: few steps, then.
        script = script.replace("STEPS = 2000", "STEPS = 200")
        script = f"import sys; sys.path.insert(0, {folder!r})\nimport lava_desire\n" + script
        run = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
        )
        assert run.returncode == 0, run.stderr
        said.append(run.stdout.partition(",")[0])
    assert said[0] == said[1]
    assert int(said[0].split()[0]) > 1000


def test_messages_come_from_outside_and_go_there_while_it_runs():
    injector, extractor = Injector(shape=(2,), buffer_size=2), Extractor(shape=(2,), buffer_size=2)
    injector.out_port.connect(extractor.in_port)
    injector.run(RunSteps(20, blocking=False), DesireSimCfg())
    received = []
    for number in range(20):
        injector.send(np.full(2, float(number)))
        received.append(extractor.receive()[0])
    injector.wait()
    (model,) = (s.model for s in injector.runtime._driver.states if "Injector" in s.label)
    assert not hasattr(model, "__del__")  # Lava's fails, and Python would say so
    injector.stop()
    assert received == list(range(20))


def test_a_run_that_waits_for_the_outside_can_be_stopped():
    injector, echo = Injector(shape=(2,)), Echo()
    injector.out_port.connect(echo.heard_in)
    injector.run(RunContinuous(), DesireSimCfg())
    time.sleep(0.05)
    injector.stop()


def test_an_asynchronous_process_runs_beside_one_in_step():
    counter, echo = Counter(last=5), Echo()
    counter.count_out.connect(echo.heard_in)
    counter.run(RunSteps(5), SETTINGS)
    try:
        assert echo.heard.get()[0] == 5
        assert counter.count.get()[0] == 5
    finally:
        counter.stop()


def test_an_asynchronous_process_counts_until_it_is_paused():
    counter = Counter()
    counter.run(RunContinuous(), SETTINGS)
    time.sleep(0.02)
    counter.pause()
    assert counter.count.get()[0] > 1
    counter.stop()


def test_the_mode_is_read_from_the_environment_and_refused_by_name(monkeypatch):
    monkeypatch.setenv(VARIABLE, "threads")
    with pytest.raises(ValueError, match=f"{VARIABLE} is 'threads': expected one of auto, one"):
        install()
    with pytest.raises(ValueError, match="mode is 'two': expected one of auto, one, processes"):
        install("two")


def test_by_itself_only_a_network_of_large_models_is_forked(monkeypatch):
    install("auto")
    monkeypatch.setattr(modes, "_num_cores", lambda: 4)
    monkeypatch.setattr(modes, "_LARGE", 50)
    for sizes, runtime in (
        ((4, 4, 4), OneProcessRuntime),
        ((8, 8, 4), OneProcessRuntime),
        ((8, 8, 8), SupervisedRuntime),
    ):
        one, other = (Dense(weights=np.ones(shape)) for shape in pairwise(sizes[::-1]))
        other.a_out.connect(one.s_in)
        one.create_runtime(SETTINGS)
        assert isinstance(one.runtime, runtime)
        one.run(RunSteps(1))
        one.stop()


def test_what_cannot_run_in_one_process_is_forked_and_why_is_said(monkeypatch, caplog):
    monkeypatch.setattr(PyTalkerModel, "run", lambda self: PyLoihiProcessModel.run(self))
    monkeypatch.setattr(modes, "_said", set())
    talker = Talker()
    talker.run(RunSteps(1), SETTINGS)
    talker.stop()
    assert isinstance(talker.runtime, SupervisedRuntime)
    assert f"PyTalkerModel of Talker ({talker.name}) has a run() of its own" in caplog.text


def test_the_order_follows_messages_and_begins_a_cycle_with_those_that_send_first():
    assert topological_order(4, [(3, 2), (2, 1), (1, 0)]) == [3, 2, 1, 0]
    assert topological_order(3, []) == [0, 1, 2]
    cycle = [(0, 1), (1, 2), (2, 1), (2, 3)]
    assert topological_order(4, cycle) == [0, 1, 2, 3]
    assert topological_order(4, cycle, {2}) == [0, 2, 1, 3]


def test_a_var_of_an_asynchronous_process_is_read_and_set_forked_and_in_one_process():
    def counted(_):
        counter = Counter(last=3)
        counter.run(RunSteps(1), SETTINGS)
        try:
            before = counter.count.get().tolist()
            counter.count.set([7.0])
            return before, counter.count.get().tolist(), type(counter.count.get(0))
        finally:
            counter.stop()

    forked, here = in_both(counted)
    assert forked == here == ([3.0], [7.0], np.float64)


def seeded(seed):
    np.random.seed(seed)
    first, second = Acting("seed", seed), Acting("draw")
    first.run(RunSteps(4), SETTINGS)
    second.run(RunSteps(4), SETTINGS)
    try:
        return first.drawn.get(), second.drawn.get()
    finally:
        first.stop()
        second.stop()


# Lists give keys that begin alike, whatever the seed.
@pytest.mark.parametrize("seed", [1, [1, 2]])
def test_a_model_may_seed_numpys_generator_with_the_seed_of_the_program(seed):
    forked, here = in_both(lambda _: seeded(seed))
    np.testing.assert_array_equal(forked, here)
    assert here[0][0] == here[0][1] == here[0][2]


def test_a_generator_that_a_model_sets_is_the_programs_no_longer_after_the_run():
    generator = np.random.get_bit_generator()
    acting = Acting("generator")
    acting.run(RunSteps(2), SETTINGS)
    acting.stop()
    assert np.random.get_bit_generator() is generator


def test_networks_that_run_at_once_draw_what_each_draws_alone():
    def drawn(at_once):
        np.random.seed(5)
        networks = [Acting("draw"), Acting("draw"), Drawer()]
        for each in networks:
            each.run(RunSteps(1), SETTINGS)
            np.random.rand()  # they begin with different states
        before = np.random.get_state()[1].tobytes()
        for each in networks:
            each.run(RunSteps(400, blocking=not at_once), SETTINGS)
        for each in networks:
            each.wait()
        assert np.random.get_state()[1].tobytes() == before
        numbers = [*networks[0].drawn.get(), *networks[1].drawn.get(), *networks[2].sum.get()]
        for each in networks:
            each.stop()
        return numbers

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert drawn(at_once=True) == drawn(at_once=False)


def test_a_network_that_another_keeps_waiting_warns_and_leaves_the_programs_state(monkeypatch):
    monkeypatch.setattr(generators, "_MOST_SECONDS", 0.05)
    np.random.seed(5)
    before = np.random.get_state()[1].tobytes()
    acting = Acting("draw")
    acting.run(RunSteps(1), SETTINGS)
    is_inside, may_end = threading.Event(), threading.Event()

    def keep():
        with generators.Generators().inside():
            is_inside.set()
            may_end.wait()

    keeper = threading.Thread(target=keep)
    keeper.start()
    is_inside.wait()
    with pytest.warns(RuntimeWarning, match="two networks run at once"):
        acting.run(RunSteps(3), SETTINGS)
    may_end.set()
    keeper.join()
    assert np.random.get_state()[1].tobytes() == before
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        acting.run(RunSteps(3), SETTINGS)
    acting.stop()
    assert np.random.get_state()[1].tobytes() == before


def test_the_context_of_the_program_reaches_the_models():
    token = SAID.set("by the program")
    try:
        for condition in (RunSteps(1), RunSteps(1, blocking=False)):
            acting = Acting("context")
            acting.run(condition, SETTINGS)
            acting.wait()
            acting.stop()
            assert heard.pop() == "by the program"
    finally:
        SAID.reset(token)


@pytest.mark.parametrize("action", ["StopIteration", "GeneratorExit", "UnspeakableError"])
def test_whatever_a_model_raises_is_an_error_that_names_it(action):
    def fail(_):
        with pytest.raises(ProcessError, match=rf"Acting .*: {action}"):
            Acting(action).run(RunSteps(2), SETTINGS)

    in_both(fail)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_network_that_another_thread_stops_says_that_it_has_ended(blocking):
    acting = Acting("sleep")
    timer = threading.Timer(0.1, acting.stop)
    timer.start()
    with pytest.raises(RuntimeError, match="this network has ended"):  # noqa: PT012
        acting.run(RunSteps(100_000, blocking=blocking), SETTINGS)
        acting.wait()
    timer.join()


def test_a_run_that_another_thread_pauses_can_be_followed_by_another():
    acting = Acting("sleep")
    timer = threading.Timer(0.1, acting.pause)
    timer.start()
    acting.run(RunSteps(100_000), SETTINGS)
    timer.join()
    acting.run(RunSteps(2), SETTINGS)
    assert acting.drawn.get().tolist() == [0.0] * 4
    acting.stop()


def test_a_model_may_stop_its_network():
    acting = Acting("stop")
    stopped.append(acting)
    acting.run(RunSteps(100_000), SETTINGS)
    stopped.clear()
    with pytest.raises(RuntimeError, match="this network has ended"):
        acting.drawn.get()


def test_a_network_that_is_dropped_does_not_run_on():
    acting = Acting("sleep")
    acting.run(RunContinuous(), SETTINGS)
    thread = acting._runtime._thread
    del acting
    gc.collect()
    thread.join(10.0)
    assert not thread.is_alive()


@pytest.mark.parametrize("chosen", ["install('processes', deadlock_seconds=7.0)", "uninstall()"])
def test_the_import_leaves_what_the_program_has_chosen(chosen):
    script = f"""
from lava_desire.lava_runtime import install, uninstall
{chosen}
from lava.magma.core.process import process
from lava_desire.lava_runtime import modes, watch
before = process.Runtime, modes._mode, watch.limits
import lava_desire.proc
assert before == (process.Runtime, modes._mode, watch.limits)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=100)
