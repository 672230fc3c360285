"""Models that step in compiled code compute what their own methods do, to the bit."""

from __future__ import annotations

import logging
import os
import pickle
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("lava.magma", reason="Lava is not installed")
pytest.importorskip("greenlet", reason="greenlet is not installed")
pytest.importorskip("numba", reason="numba is not installed")

from composed import CONFIG, IMAGES, LABELS, Network

from lava_desire import DesireConfig
from lava_desire.lava_runtime import compiling, install, stepping, uninstall
from lava_desire.lava_runtime.compiling import VARIABLE
from lava_desire.lava_runtime.program import (
    _FEWEST,
    _MOST_STEPS,
    CompiledSteps,
    _steps_of,
    _sums_in_order,
    steps_for,
)
from lava_desire.proc import ProcessError
from lava_desire.randomness import initial_weights

from lava.magma.core.model.py.model import PyLoihiProcessModel  # isort: skip
from lava.magma.core.decorator import implements  # isort: skip
from lava.magma.core.model.sub.model import AbstractSubProcessModel  # isort: skip
from lava.magma.core.process.ports.ports import OutPort  # isort: skip
from lava.magma.core.process.process import AbstractProcess, LogConfig  # isort: skip
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol  # isort: skip
from lava.magma.core.run_conditions import RunContinuous, RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip
from lava.proc.dense.models import PyDenseModelFloat  # isort: skip
from lava.proc.dense.process import Dense  # isort: skip
from lava.proc.io.sink import PyReceiveModelFloat  # isort: skip
from lava.proc.io.sink import RingBuffer as Sink  # isort: skip
from lava.proc.io.source import PySendModelFloat  # isort: skip
from lava.proc.io.source import RingBuffer as Source  # isort: skip
from lava.proc.lif.models import AbstractPyLifModelFloat, PyLifModelFloat  # isort: skip
from lava.proc.lif.process import LIF, LIFReset  # isort: skip
from lava.proc.monitor.process import Monitor  # isort: skip

SETTINGS = Loihi2SimCfg(select_tag="floating_pt")
PROGRAM = "lava_desire.lava_runtime.program"


@pytest.fixture(autouse=True)
def restored():
    yield
    install()


def program_of(process):
    return process.runtime._driver._program


def is_compiled(process):
    """Tell whether nothing has kept the steps of the last run from compiled code."""
    return re.fullmatch(r"compiled, \d+ of \d+ steps", stepping(process)) is not None


def run(process, num_steps):
    process.run(RunSteps(num_steps), SETTINGS)


def chain(seed, sizes, is_recurrent):
    """Return processes of a drawn chain; where it is recurrent, each layer also hears itself."""
    generator = np.random.default_rng(seed)
    data = generator.normal(1, 2, (sizes[0], int(generator.integers(1, 9))))
    data[generator.random(data.shape) < 0.2] = -0.0
    processes = [Source(data=data)]

    def layer(size):
        du, dv = generator.choice([0.0, 0.1, 0.5, 1.0], 2)
        bias = generator.choice([-0.25, -0.0, 0.0, 0.3], size)
        return LIF(shape=(size,), vth=generator.uniform(0.1, 2), du=du, dv=dv, bias_mant=bias)

    def dense(num_out, num_in):
        weights = generator.normal(0, 1, (num_out, num_in)) * 10.0 ** generator.integers(-9, 2)
        weights[generator.random(weights.shape) < 0.2] = -0.0
        return Dense(weights=weights)

    below = layer(sizes[0])
    processes[0].s_out.connect(below.a_in)
    processes.append(below)
    for size in sizes[1:]:
        forward, above = dense(size, below.s_out.shape[0]), layer(size)
        below.s_out.connect(forward.s_in)
        forward.a_out.connect(above.a_in)
        processes += [forward, above]
        if is_recurrent:
            back = dense(size, size)
            above.s_out.connect(back.s_in)
            back.a_out.connect(above.a_in)
            processes.append(back)
        below = above
    sink = Sink(shape=below.s_out.shape, buffer=7)
    below.s_out.connect(sink.a_in)
    return [*processes, sink]


def monitors_of(members, num_steps):
    monitors = []
    for member in members:
        monitors.append(Monitor())
        monitors[-1].probe(member, num_steps)
    return monitors


def seen(processes):
    """Return every Var as bytes."""
    return [
        (number, var.name, np.asarray(var.get()).tobytes())
        for number, process in enumerate(processes)
        for var in process.vars
    ]


def by(compiled, build, act):
    """Build processes, run them by their own methods or compiled, and return what was seen."""
    install("one", compiled=compiled)
    processes = build()
    run(processes[-1], 1)
    program = program_of(processes[-1])
    assert (program is None) == (compiled == "never")
    try:
        found = act(processes)
        if program is not None:
            assert is_compiled(processes[-1])
        return found
    finally:
        processes[-1].stop()


def in_pieces(processes):
    found = []
    for num_steps in (2, 5, 1, 40):
        run(processes[-1], num_steps)
        found += seen(processes)
    return found


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(2, 40), min_size=1, max_size=4),
    is_recurrent=st.booleans(),
)
def test_a_drawn_chain_is_the_same_to_the_bit_wherever_it_is_looked_at(seed, sizes, is_recurrent):
    def build():
        return chain(seed, sizes, is_recurrent)

    assert by("never", build, in_pieces) == by("now", build, in_pieces)


def test_what_monitors_record_is_the_same_to_the_bit_and_ends_as_by_lava():
    def build():
        processes = chain(2, [5, 8, 4], is_recurrent=True)
        _, first, dense, second, *_ = processes
        members = [first.v, second.u, dense.a_buff, second.s_out, dense.a_out]
        return [*monitors_of(members, 51), *processes]

    def until_monitors_are_full(processes):
        found = in_pieces(processes)
        with pytest.raises(ProcessError, match="IndexError") as raised:
            run(processes[-1], 20)
        return found, str(raised.value).partition("IndexError")[2]

    def monitored(compiled):
        install("one", compiled=compiled)
        processes = build()
        run(processes[-1], 1)
        assert (program_of(processes[-1]) is None) == (compiled == "never")
        return until_monitors_are_full(processes)

    assert monitored("never") == monitored("now")


def test_what_monitors_record_of_a_network_that_learns_is_the_same_to_the_bit():
    def build():
        processes = network_of()()
        _, encoder, dense, *_ = processes
        lif = processes[5]
        members = [encoder.potential, lif.potential, lif.s_out, dense.a_out]
        return [*monitors_of(members, 60), *processes]

    assert by("never", build, in_pieces) == by("now", build, in_pieces)


def network_of(**options):
    config = DesireConfig((16, 12, 8, 5), num_steps=9, learning_rate=1e-2, **options)
    generator = np.random.default_rng(1)
    images = generator.random((7, 16)).astype(np.float32)
    labels = generator.integers(0, 5, 7)

    def build():
        weights = [3 * each for each in initial_weights(config)]
        network = Network(config, weights, images, labels)
        return [
            network.source,
            network.encoder,
            *network.dense,
            *network.lif,
            network.teacher,
        ]

    return build


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reset": "zero"},
        {"dropout_input": 0.3, "dropout_hidden": 0.4, "decay": 0.8},
        {"trace_baseline": 1.0, "rate_floor": 0.02},
        {"weight_limit": 0.2, "error_margin": 1},
    ],
    ids=str,
)
def test_a_network_that_learns_is_the_same_to_the_bit_wherever_it_is_looked_at(options):
    def act(processes):
        found = []
        for num_steps in (3, 1, 4, 12, 30, 120):
            run(processes[-1], num_steps)
            found += seen(processes)
        return found

    build = network_of(**options)
    assert by("never", build, act) == by("now", build, act)


def test_one_neuron_behind_many_sums_its_inputs_in_the_order_of_numpy():
    config = DesireConfig((64, 1, 3), num_steps=9)
    # A weight of 0.4 is lost in a sum of 2**60, and is not where 2**60 has been taken away again.
    row = np.array([2.0**60, 0.4, -(2.0**60), 0.4] * 16, np.float32)
    weights = [row[np.newaxis], np.ones((3, 1), np.float32)]
    found = []
    for compiled in ("never", "now"):
        install("one", compiled=compiled)
        images = np.ones((1, 64), np.float32)
        network = Network(config, weights, images, np.zeros(1, int), training=False)
        neuron, *_ = network.lif
        for _ in range(4):
            run(neuron, 2)
            found.append(seen([neuron]))
        neuron.stop()
    assert found[:4] == found[4:]


@pytest.mark.parametrize("options", [{"synapse_decay": 0.5}, {"eligibility_width": 0.5}], ids=str)
def test_a_network_with_options_that_have_no_kernel_runs_by_its_own_methods(options):
    install("one", compiled="now")
    processes = network_of(**options)()
    run(processes[-1], 40)
    try:
        assert program_of(processes[-1]) is None
    finally:
        processes[-1].stop()


def test_what_is_set_between_runs_is_seen_at_once():
    def act(processes):
        _, first, dense, second, sink = processes
        run(sink, 20)
        found = seen(processes)
        dense.weights.set(-dense.weights.get())
        dense.a_buff.set(np.full(dense.a_buff.shape, 0.125))
        first.v.set(np.full(first.v.shape, 5.0))
        second.vth.set(0.01)
        second.bias_mant.set(np.full(second.v.shape, 0.5))
        processes[0].data.set(-processes[0].data.get())
        run(sink, 20)
        return found + seen(processes)

    def build():
        return chain(3, [6, 5], is_recurrent=False)

    assert by("never", build, act) == by("now", build, act)


def model_of(process, cls):
    states = process.runtime._driver.states
    return next(state.model for state in states if type(state.model) is cls)


def test_an_array_that_was_replaced_before_a_run_by_methods_is_used_in_the_run_after_it():
    def act(processes):
        *_, sink = processes
        models = [model_of(sink, each) for each in (PySendModelFloat, PyReceiveModelFloat)]
        run(sink, 20)
        found, kept = [], [model.data for model in models]  # stay, to be used by mistake
        # Which of the two is asked first is not known.
        for replaced, unfit in (models, models[::-1]):
            double = unfit.data
            replaced.data, unfit.data = replaced.data + 3.0, double.astype(np.float32)
            run(sink, 20)
            unfit.data = double
            replaced.data += 1.0  # of what nothing is left where the sink writes
            run(sink, 20)
            found += seen(processes)
        assert not any(model.data is each for model, each in zip(models, kept, strict=True))
        return found

    def build():
        return chain(3, [6, 5], is_recurrent=False)

    assert by("never", build, act) == by("now", build, act)


def test_weights_that_were_replaced_by_equal_ones_of_another_type_are_summed_in_that_type():
    def act(processes):
        *_, sink = processes
        model, found = model_of(sink, PyDenseModelFloat), []
        single = model.weights.astype(np.float32)
        model.weights = double = single.astype(np.float64)
        for weights, num_steps in ((double, 20), (single, 20), (double, 1), (double, 20)):
            model.weights = weights
            run(sink, num_steps)
            found += seen(processes)
        return found

    def build():
        return chain(3, [40, 5], is_recurrent=False)

    assert by("never", build, act) == by("now", build, act)


def aliased_to(kind, model, other):
    """Have a Var of a LIF share memory with another."""
    if kind == "u is v":
        model.u = model.v
    elif kind == "bias_mant within v":
        model.bias_mant = model.v[:1]
    elif kind == "du within v":
        model.du = model.v[:1]
    elif kind == "u beside v":
        shared = np.zeros(len(model.v) + 1)
        model.u, model.v = shared[:-1], shared[1:]
    elif kind == "v of two models":
        model.v = other.v
    elif kind == "v of one place":
        model.v = np.lib.stride_tricks.as_strided(model.v, strides=(0,))


ALIASED = (
    "u is v",
    "bias_mant within v",
    "du within v",
    "u beside v",
    "v of two models",
    "v of one place",
)


@pytest.mark.parametrize("kind", ALIASED)
def test_vars_that_share_memory_become_what_methods_make_of_them(kind):
    def act(compiled):
        install("one", compiled=compiled)
        size = 1 if kind.endswith("within v") else 3
        bias = np.array([0.1, 0.2, 0.3])[:size]
        cells = [LIF(shape=(size,), vth=3.0, du=0.25, dv=0.5, bias_mant=bias) for _ in range(2)]
        cells[0].s_out.connect(cells[1].a_in)
        run(cells[1], 3)
        states = sorted(
            cells[0].runtime._driver.states, key=lambda each: cells[1].name in each.label
        )
        aliased_to(kind, *(each.model for each in states))
        run(cells[1], 9)
        assert stepping(cells[1]).startswith("by methods")
        if compiled == "now":
            assert "share memory" in stepping(cells[1])
        found = seen(cells)
        cells[0].stop()
        return found

    assert act("never") == act("now")


def test_a_potential_that_is_also_the_current_adds_itself():
    install("one", compiled="now")
    neuron = LIF(shape=(1,), vth=100.0, du=0.0, dv=0.5, bias_mant=0.25)
    run(neuron, 1)  # v = 0.25
    model = model_of(neuron, PyLifModelFloat)
    model.u = model.v
    run(neuron, 3)  # v = v (1 - dv) + v + bias: 0.625, 1.1875, 2.03125
    assert neuron.v.get().tolist() == [2.03125]
    model.u = np.zeros(1)
    run(neuron, 3)  # v = v (1 - dv) + bias: 1.265625, 0.8828125, 0.69140625
    assert neuron.v.get().tolist() == [0.69140625]
    assert is_compiled(neuron)
    neuron.stop()


@pytest.mark.parametrize("way", ["debugger", "thread"])
def test_vars_that_come_to_share_memory_within_a_run_are_seen(way, monkeypatch):
    """Set between two compiled stretches, or in a step that a debugger sees, as methods have it."""

    def act(compiled):
        install("one", compiled=compiled)
        neuron = LIF(shape=(1,), vth=1e9, du=0.0, dv=0.5, bias_mant=0.25)
        run(neuron, 3)  # v = 0.25, 0.375, 0.4375
        model, driver = model_of(neuron, PyLifModelFloat), neuron.runtime._driver
        if compiled == "now":
            driver._program._num_steps = 4  # a stretch

        def trace(frame, event, _):
            if frame.f_code is AbstractPyLifModelFloat.run_spk.__code__ and model.time_step == 8:
                model.u = model.v  # before the step is gone through

        let_others = driver.generators.let_others

        def between(*arguments):
            if way == "thread" and model.time_step == 7:
                model.u = model.v
            elif way == "debugger" and model.time_step in (7, 8):
                sys.settrace(trace if model.time_step == 7 else before)
            return let_others(*arguments)

        before = sys.gettrace()
        monkeypatch.setattr(driver.generators, "let_others", between)
        try:
            run(neuron, 9)
        finally:
            sys.settrace(before)
        told, found = stepping(neuron), neuron.v.get().tolist()
        neuron.stop()
        return told, found

    potential = 0.0
    for step in range(1, 13):  # from the eighth on the current is the potential
        potential = 0.5 * potential + (potential if step >= 8 else 0.0) + 0.25
    assert act("never")[1] == [potential]
    told, found = act("now")
    assert found == [potential]
    assert re.match(r"compiled, 4 of 9 steps; .*, because [uv] of Py.* and [uv] of .* share", told)


def test_a_method_that_a_debugger_replaces_within_a_run_is_called(monkeypatch):
    install("one", compiled="now")
    neuron = lif()
    run(neuron, 3)
    model, driver = model_of(neuron, PyLifModelFloat), neuron.runtime._driver
    driver._program._num_steps = 4
    let_others, before, called = driver.generators.let_others, sys.gettrace(), []

    def between(*arguments):
        if model.time_step == 7:
            sys.settrace(lambda *_: None)
        elif model.time_step == 8:
            sys.settrace(before)
            run_spk = model.run_spk
            model.run_spk = lambda: (called.append(model.time_step), run_spk())
        return let_others(*arguments)

    monkeypatch.setattr(driver.generators, "let_others", between)
    try:
        run(neuron, 9)
    finally:
        sys.settrace(before)
    told = stepping(neuron)
    neuron.stop()
    assert called == [9, 10, 11, 12]
    assert told.endswith("PyLifModelFloat of LIF (cells), or its class, was given another method")


def test_a_model_that_was_set_to_another_time_step_counts_from_there():
    def act(compiled):
        install("one", compiled=compiled)
        processes = chain(3, [6, 5], is_recurrent=False)
        *_, sink = processes
        found = []
        run(sink, 4)
        model_of(sink, PySendModelFloat).time_step = 1  # its data begin anew, but for one step
        run(sink, 20)
        told = stepping(sink)
        assert told.startswith("by methods")
        if compiled == "now":
            assert re.search(r"PySend\S+ of RingBuffer \(\w+\) is at time step 1, and", told) or (
                re.search(r"is at time step 4, and PySend\S+ of RingBuffer \(\w+\) at 1$", told)
            )
        found += seen(processes)
        sink.stop()
        return found

    assert act("never") == act("now")


def test_a_model_that_asks_for_a_pause_before_a_run_is_heard():
    def act(compiled):
        install("one", compiled=compiled)
        *_, sink = chain(3, [6, 5], is_recurrent=False)
        run(sink, 4)
        model = model_of(sink, PySendModelFloat)
        model._req_pause = True
        run(sink, 20)
        step = model.time_step
        sink.stop()
        return step

    assert act("never") == act("now") == 5


def test_stretches_that_take_too_long_become_shorter_however_short_runs_are(monkeypatch):
    def num_steps_after(most_seconds, run_steps):
        monkeypatch.setattr(f"{PROGRAM}._MOST_SECONDS", most_seconds)
        for _ in range(3):
            run(sink, run_steps)
        return program_of(sink)._num_steps

    install("one", compiled="now")
    *_, sink = chain(0, [3, 4], is_recurrent=False)
    run(sink, 1)
    assert num_steps_after(np.inf, 40_000) == _MOST_STEPS
    assert num_steps_after(-1.0, 10) == _FEWEST
    sink.stop()


def test_where_numpy_sums_in_another_order_models_go_by_their_own_methods(monkeypatch):
    assert not _sums_in_order(1)  # a single column, pairwise
    monkeypatch.setattr(f"{PROGRAM}._sums_in_order", lambda num_out: num_out < 100)
    install("one", compiled="now")
    *_, sink = chain(0, [3, 4], is_recurrent=False)
    run(sink, 5)
    assert program_of(sink) is None
    sink.stop()


def test_what_is_set_within_a_window_is_seen():
    def act(processes):
        encoder, dense, teacher = processes[1], processes[2], processes[-1]
        run(teacher, 4)
        encoder.potential.set(np.full(16, 0.75))
        dense.weights.set(2 * dense.weights.get())
        teacher.counts.set(np.arange(5))
        run(teacher, 3)
        found = seen(processes)
        run(teacher, 30)
        return found + seen(processes)

    build = network_of()
    assert by("never", build, act) == by("now", build, act)


def steps_by_methods(process, num_steps, method, cls, monkeypatch):
    """Return how often a method was called in a run."""
    count, plain = [], getattr(cls, method)

    def counted(self, *arguments, **options):
        count.append(self)
        return plain(self, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(cls, method, counted)
        run(process, num_steps)
    return len(count)


@pytest.mark.parametrize(
    ("cls", "method"),
    [
        (PyLifModelFloat, "run_spk"),
        (AbstractPyLifModelFloat, "subthr_dynamics"),
        (PyDenseModelFloat, "run_spk"),
        (PyLoihiProcessModel, "run_spk"),  # which that of LIF calls by super()
    ],
)
def test_a_method_that_was_replaced_is_called(cls, method, monkeypatch):
    install("one", compiled="now")
    *_, sink = chain(0, [3, 4], is_recurrent=False)
    run(sink, 5)
    try:
        callers = PyLifModelFloat if cls is PyLoihiProcessModel else cls
        number = sum(isinstance(each.model, callers) for each in sink.runtime._driver.states)
        called = steps_by_methods(sink, 6, method, cls, monkeypatch)
        assert called == 6 * number
        run(sink, 5)
        assert is_compiled(sink)
    finally:
        sink.stop()


def test_a_class_with_a_method_that_is_none_of_its_own_file_gets_no_compiled_steps():
    class Silent(PyLifModelFloat):
        reset_voltage = Mock()

    steps_for(Silent)(CompiledSteps)
    assert Silent not in _steps_of
    assert PyLifModelFloat in _steps_of


def test_weights_too_many_to_be_compared_in_each_stretch_are_summed_by_methods(monkeypatch):
    install("one", compiled="now")
    monkeypatch.setattr("lava_desire.lava_runtime.stock._MOST_WEIGHTS", 11)
    *_, sink = chain(0, [3, 4], is_recurrent=False)
    run(sink, 5)
    assert program_of(sink) is None
    sink.stop()


def test_a_method_that_one_model_was_given_is_called():
    install("one", compiled="now")
    *_, sink = chain(0, [3, 4], is_recurrent=False)
    run(sink, 5)
    model = model_of(sink, PyLifModelFloat)
    called, plain = [], model.run_spk
    model.run_spk = lambda: (called.append(model.time_step), plain())
    run(sink, 3)
    sink.stop()
    assert called == [6, 7, 8]


def test_a_method_that_one_port_was_given_is_called():
    install("one", compiled="now")
    *_, sink = chain(0, [3, 4], is_recurrent=False)
    run(sink, 5)
    assert program_of(sink)._kernels
    port = model_of(sink, PyDenseModelFloat).s_in
    called, plain = [], port.recv

    def counted():
        called.append(port)
        return plain()

    port.recv = counted
    run(sink, 3)
    assert len(called) == 3
    port.recv = plain
    run(sink, 3)
    assert is_compiled(sink)
    sink.stop()


def test_a_debugger_sees_the_models():
    install("one", compiled="now")
    *_, sink = chain(0, [3, 4], is_recurrent=False)
    run(sink, 5)
    entered = []

    def trace(frame, event, _):
        if frame.f_code is AbstractPyLifModelFloat.run_spk.__code__:
            entered.append(event)

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run(sink, 4)
    finally:
        sys.settrace(before)
        sink.stop()
    assert entered == ["call"] * 8


def test_numbers_that_leave_the_range_are_warned_of_as_by_numpy():
    def build():
        return [Source(data=np.full((2, 3), 1e308)), LIF(shape=(2,), vth=np.inf, du=0, dv=0)]

    def act(compiled):
        install("one", compiled=compiled)
        source, neurons = build()
        source.s_out.connect(neurons.a_in)
        run(neurons, 1)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            run(neurons, 9)
        found = seen([neurons])
        neurons.stop()
        return found, sorted({str(each.message) for each in said})

    assert act("never") == act("now")
    assert "overflow" in act("now")[1][0]


def test_where_a_kernel_gives_up_nothing_is_there_of_later_steps():
    def build():
        source = Source(data=np.full((2, 40), 6e306))
        neurons, sink = LIF(shape=(2,), vth=np.inf, du=0, dv=0), Sink(shape=(2,), buffer=50)
        source.s_out.connect(neurons.a_in)
        neurons.s_out.connect(sink.a_in)
        return [*monitors_of([neurons.v], 50), source, neurons, sink]

    def act(compiled):
        install("one", compiled=compiled)
        processes = build()
        run(processes[-1], 1)
        with np.errstate(over="ignore", invalid="ignore"):
            run(processes[-1], 30)
        found = seen(processes)
        assert np.isinf(processes[2].v.get()).all()
        processes[-1].stop()
        return found

    assert act("never") == act("now")


def test_an_activation_that_is_no_number_is_refused_where_it_comes():
    messages = []
    for compiled in ("never", "now"):
        install("one", compiled=compiled)
        weights = [np.full((6, 4), 3e38, np.float32), np.ones((3, 6), np.float32)]
        network = Network(CONFIG, weights, np.ones_like(IMAGES), LABELS)
        with (
            np.errstate(over="ignore"),
            pytest.raises(ProcessError, match="a_in holds inf") as raised,
        ):
            network.run(30)
        messages.append(str(raised.value).partition("ValueError")[2])
    assert messages[0] == messages[1] != ""


def test_a_run_in_the_background_is_paused_between_steps():
    install("one", compiled="now")
    *_, sink = chain(0, [3, 4], is_recurrent=False)
    run(sink, 2)
    sink.run(RunContinuous())
    states = sink.runtime._driver.states
    limit = time.monotonic() + 60
    while states[0].model.time_step <= 20 and time.monotonic() < limit:
        time.sleep(0.001)
    sink.pause()
    steps = {state.model.time_step for state in states}
    assert len(steps) == 1
    assert steps.pop() > 20
    sink.stop()


def test_two_networks_at_once_compute_what_each_does_alone():
    def build():
        return chain(5, [6, 30, 4], is_recurrent=False)

    def alone(processes):
        run(processes[-1], 3000)
        return seen(processes)

    expected = by("never", build, alone)
    install("one", compiled="now")
    both = [build(), build()]
    for processes in both:
        run(processes[-1], 1)
    for processes in both:
        processes[-1].run(RunSteps(3000, blocking=False))
    for processes in both:
        processes[-1].wait()
    found = [seen(processes) for processes in both]
    for processes in both:
        processes[-1].stop()
    assert found == [expected, expected]


def lif(**options):
    return LIF(shape=(3,), bias_mant=0.3, name="cells", **options)


def test_a_network_tells_how_many_steps_were_compiled():
    install("one", compiled="now")
    neurons = lif()
    with pytest.raises(
        RuntimeError, match=r"LIF \(cells\) has not run yet: ask after its first run"
    ):
        stepping(neurons)
    run(neurons, 1)
    assert stepping(neurons) == "by methods, because no two steps of the run could be taken at once"
    run(neurons, 12)
    assert stepping(neurons) == "compiled, 12 of 12 steps"
    neurons.stop()
    assert stepping(neurons) == "compiled, 12 of 12 steps"


def test_a_network_that_was_built_has_not_run_yet():
    install("one", compiled="now")
    neurons = lif()
    neurons.create_runtime(run_cfg=SETTINGS)
    with pytest.raises(RuntimeError, match=r"LIF \(cells\) has not run yet"):
        stepping(neurons)
    run(neurons, 12)
    assert stepping(neurons) == "compiled, 12 of 12 steps"
    neurons.stop()


class Outer(AbstractProcess):
    """A layer, as a process that is made of others."""

    def __init__(self):
        super().__init__(name="outer")
        self.s_out = OutPort(shape=(3,))


@implements(proc=Outer, protocol=LoihiProtocol)
class OuterModel(AbstractSubProcessModel):
    def __init__(self, proc):
        self.neurons = lif()
        self.neurons.s_out.connect(proc.out_ports.s_out)


def test_a_process_that_is_made_of_others_tells_how_they_step():
    install("one", compiled="now")
    outer, sink = Outer(), Sink(shape=(3,), buffer=20)
    outer.s_out.connect(sink.a_in)
    with pytest.raises(RuntimeError, match=r"Outer \(outer\) has not run yet"):
        stepping(outer)
    run(sink, 1)
    run(sink, 12)
    assert stepping(outer) == stepping(sink) == "compiled, 12 of 12 steps"
    sink.stop()


def test_a_first_run_of_one_step_is_told_to_be_too_short_and_not_to_wait_for_kernels():
    install("one", compiled="now")
    *_, sink = chain(0, [3, 4], is_recurrent=False)
    run(sink, 1)  # in which the order of connected models is found out
    assert stepping(sink) == "by methods, because no two steps of the run could be taken at once"
    sink.stop()


@pytest.mark.parametrize(
    ("patches", "why"),
    [
        ({"_seconds": 0.0}, "kernels are loaded once networks have run for 1 s; .*"),
        ({"_is_cached": lambda _: False}, "another process still compiles the kernels; .*"),
        (
            {"_failed": {compiling._OWN}},
            "the kernels of .*kernels could not be compiled: the log .*",
        ),
        ({"find_spec": lambda _: None}, "numba is not installed"),
    ],
    ids=["not yet", "compiling", "failed", "no numba"],
)
def test_a_network_without_kernels_tells_what_it_waits_for(
    patches, why, nothing_loaded, monkeypatch
):
    monkeypatch.setattr(compiling, "_CHILD", "import time; time.sleep(5)")
    for name, patch in patches.items():
        monkeypatch.setattr(compiling, name, patch)
    install("one", compiled="auto")
    *_, sink = chain(0, [3, 4], is_recurrent=False)
    run(sink, 9)
    told = stepping(sink)
    sink.stop()
    for child in compiling._compilers.values():
        child._child.kill()
        child._child.wait()
    assert re.fullmatch(f"by methods, because {why}", told), told


def test_a_network_of_windows_tells_the_steps_in_which_spikes_go_forward():
    install("one", compiled="now")
    network = network_of()()[-1]
    run(network, 36)  # three windows of 9 steps, and 3 back
    assert stepping(network) == "compiled, 24 of 36 steps"
    network.stop()


def test_a_network_is_told_to_be_compiled_while_it_runs():
    install("one", compiled="now")
    neurons = lif()
    run(neurons, 1)
    neurons.run(RunContinuous())
    limit = time.monotonic() + 60
    while not is_compiled(neurons) and time.monotonic() < limit:
        time.sleep(0.001)
    assert is_compiled(neurons)
    neurons.stop()


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (
            lambda: [Dense(weights=np.eye(3)[:1]), lif()],
            r"PyDenseModelFloat of Dense \(Process_\d+\) has weights \(1, 3\): kernels take two "
            "outputs or more",
        ),
        (
            lambda: [Dense(weights=np.eye(3), num_message_bits=8), lif()],
            r"PyDenseModelFloat of Dense .* hears graded spikes \(num_message_bits\).*",
        ),
        (
            lambda: [LIFReset(shape=(3,), reset_interval=5, reset_offset=0), lif()],
            r"PyLifResetModelFloat of LIFReset \(Process_\d+\) has no compiled steps",
        ),
    ],
    ids=["one output", "graded spikes", "another process"],
)
def test_a_network_that_goes_by_methods_names_who_is_the_reason(build, why):
    install("one", compiled="now")
    first, neurons = build()
    neurons.s_out.connect(first.s_in if isinstance(first, Dense) else first.a_in)
    run(neurons, 9)
    told = stepping(neurons)
    assert re.fullmatch(f"by methods, because {why}", told), told
    neurons.stop()
    assert stepping(neurons) == told


def test_a_network_in_integers_names_its_tag():
    install("one", compiled="now")
    neurons = LIF(shape=(3,), name="cells")
    neurons.run(RunSteps(9), Loihi2SimCfg(select_tag="fixed_pt"))
    assert stepping(neurons) == (
        "by methods, because PyLifModelBitAcc of LIF (cells) computes in fixed_pt, which has no "
        "compiled steps"
    )
    neurons.stop()


def test_a_run_that_goes_on_by_methods_says_from_which_step_on():
    install("one", compiled="now")
    neurons = LIF(shape=(2,), vth=np.inf, du=0, dv=0, bias_mant=2.0**1023)
    with np.errstate(over="ignore"):
        run(neurons, 1)
        run(neurons, 9)
    told = stepping(neurons)
    neurons.stop()
    assert told == (
        f"by methods, because PyLifModelFloat of LIF ({neurons.name}) left what a float can hold "
        "in step 2"
    )


@pytest.mark.parametrize(
    ("choose", "why"),
    [
        (lambda: install("one", compiled="never"), ".* switched off by compiled='never'"),
        (lambda: install("processes"), "it is forked: .* in one process"),
        (uninstall, r"Lava's own runtime runs it: call install\(\) before its first run"),
    ],
    ids=["never", "forked", "Lava's own"],
)
def test_a_network_that_was_not_to_be_compiled_says_so(choose, why):
    choose()
    neurons = lif()
    run(neurons, 5)
    told = stepping(neurons)
    neurons.stop()
    assert re.fullmatch(f"by methods, because {why}", told), told


def test_the_log_of_lava_says_once_how_a_network_steps(caplog):
    install("one", compiled="now")
    neurons = lif(log_config=LogConfig(level=logging.INFO))
    # Stretches are of 2, 4, 8 steps, longer where they are fast: one step of 9 could be left over.
    for num_steps in (1, 8, 1, 8):
        run(neurons, num_steps)
    neurons.stop()
    said = [each for each in caplog.messages if "steps" in each]
    assert said == [
        "this network steps by methods, because no two steps of the run could be taken at once",
        "this network steps compiled, 8 of 8 steps",
    ]


def test_the_log_of_lava_is_quiet_unless_it_is_asked(caplog):
    install("one", compiled="now")
    neurons = lif()
    run(neurons, 9)
    neurons.stop()
    assert not [each for each in caplog.messages if "steps" in each]


@pytest.mark.parametrize("source", ["compiled", VARIABLE])
def test_a_choice_that_there_is_none_of_is_refused_by_name(source, monkeypatch):
    given_ = {}
    if source == VARIABLE:
        monkeypatch.setenv(VARIABLE, "soon")
    else:
        given_["compiled"] = "soon"
    with pytest.raises(ValueError, match=rf"{source} is 'soon': expected one of auto, now, never"):
        install("one", **given_)
    monkeypatch.undo()


@pytest.fixture
def nothing_loaded(monkeypatch):
    """As in a program that has loaded no kernels, and whose networks have run for long."""
    for name, empty in (("_loaded", {}), ("_compilers", {}), ("_failed", set())):
        monkeypatch.setattr(compiling, name, empty)
    monkeypatch.setattr(compiling, "_seconds", 60.0)
    monkeypatch.setattr(compiling, "_INTERVAL", 0.0)


def failing(error):
    def fail(*arguments, **options):
        raise error

    return fail


@pytest.mark.parametrize(
    ("patches", "said"),
    [
        ({"_is_cached": failing(pickle.UnpicklingError("invalid load key"))}, "invalid load key"),
        ({"_is_cached": failing(ImportError("Numba needs NumPy"))}, "Numba needs NumPy"),
        (
            {"_is_cached": lambda _: False, "_Compiler": failing(OSError("no processes left"))},
            "no processes left",
        ),
        (
            {"_is_cached": lambda _: True, "_compiled": failing(ValueError("half a file"))},
            "half a file",
        ),
        ({"_is_cached": lambda _: False, "_CHILD": "raise SystemExit(3)"}, "ended with 3"),
    ],
    ids=["damaged index", "numba refuses", "no process", "damaged code", "not compiled"],
)
def test_where_kernels_cannot_be_had_a_network_goes_on_and_the_log_says_so_once(
    patches, said, nothing_loaded, monkeypatch, caplog
):
    for name, patch in patches.items():
        monkeypatch.setattr(compiling, name, patch)
    install("one", compiled="auto")
    *_, sink = chain(0, [3, 4], is_recurrent=False)
    limit = time.monotonic() + 60
    while not caplog.records and time.monotonic() < limit:
        run(sink, 4)
    run(sink, 40)
    assert program_of(sink)._kernels is None
    sink.stop()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert said in record.getMessage()


def test_who_asks_for_compiled_steps_at_once_is_told_that_numba_is_needed(
    nothing_loaded, monkeypatch
):
    monkeypatch.setattr(compiling, "_compiled", failing(ImportError("No module named 'numba'")))
    install("one", compiled="now")
    *_, sink = chain(0, [3, 4], is_recurrent=False)
    with pytest.raises(RuntimeError, match=r"compiled='now'.* needs numba .*No module named"):
        run(sink, 4)
    sink.stop()


SCRIPT = """
import time
import numpy as np
from lava_desire.lava_runtime import install
install("one")
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.lif.process import LIF
first, second = LIF(shape=(3,), bias_mant=0.3), LIF(shape=(3,))
first.s_out.connect(second.a_in)
first.run(RunSteps(1), Loihi2SimCfg(select_tag="floating_pt"))
program = first.runtime._driver._program
began, steps = time.monotonic(), 1
while program._kernels is None and time.monotonic() - began < 250:
    first.run(RunSteps(10))
    steps += 10
print(program._kernels is not None, steps > 20, first.v.get().tolist())
first.stop()
"""


def test_what_is_not_compiled_another_process_compiles_while_the_network_runs(tmp_path):
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        VARIABLE: "auto",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=True,
    )
    assert done.stdout.startswith("True True ["), done.stdout + done.stderr
    assert list(tmp_path.rglob("*.nbi"))
