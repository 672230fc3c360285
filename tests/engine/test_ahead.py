"""Kernels that the cache lacks are compiled by other processes, from a list that is true."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
import pytest

from benchmarks.compiling import RUNS
from lava_desire import DesireConfig, DesireNetwork
from lava_desire.backends.numba import ahead, jit
from lava_desire.model.synapses import layers_of

GROUPS = ("dense", "single", "planes", "near")
CALLED = """
import sys
from benchmarks.compiling import RUNS, record
from lava_desire.backends.numba import ahead

record(sys.argv[1])
kernels = ahead.listed(RUNS[sys.argv[1]])
for kernel in kernels:
    known = {each.types for each in kernels if each.name == kernel.name}
    called = kernel.function.overloads
    print(kernel.name, kernel.arguments in called and len(called) == len(known))
"""
MATRICES = """
import sys
import numba
import numpy as np
from lava_desire.backends.numba.events import count


@numba.njit(cache=True)
def multiply(matrix):
    return np.dot(matrix, matrix) + np.cov(matrix)


print(count(np.array([[3]], np.uint64))[0, 0], "scipy.linalg" in sys.modules)
matrix = np.arange(9.0).reshape(3, 3)
print(np.allclose(multiply(matrix), matrix @ matrix + np.cov(matrix)))
print("scipy.linalg" in sys.modules, sum(multiply.stats.cache_hits.values()))
"""


class Child:
    """A process that is done when it is told so."""

    def __init__(self, kernels):
        self.kernels, self.status = kernels, None

    def poll(self):
        return self.status

    def wait(self):
        self.status = 0


@pytest.fixture
def clock(monkeypatch):
    """Times that are appended to it, the last of which it is."""
    times = [0.0]
    monkeypatch.setattr(ahead.time, "monotonic", lambda: times[-1])
    return times


@pytest.fixture
def begun(monkeypatch):
    begun = []
    monkeypatch.setattr(ahead, "_groups", {})
    monkeypatch.setattr(ahead, "_processors", lambda: 2)
    monkeypatch.setattr(ahead.Kernel, "is_missing", lambda kernel: True)
    monkeypatch.setattr(ahead, "begin", lambda share: begun.append(Child(share)) or begun[-1])
    return begun


@pytest.mark.parametrize("arithmetic", RUNS)
def test_the_list_is_what_training_calls(arithmetic):
    command = [sys.executable, "-c", CALLED, arithmetic]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(ahead.listed(RUNS[arithmetic])) > 10
    untrue = [line for line in lines if not line.endswith(" True")]
    assert not untrue, "python -m benchmarks.compiling --record writes the list anew"


def test_everything_that_is_missing_is_shared_out_once(begun):
    said = []
    ahead.start("dense", "single", say=said.append)
    kernels = [kernel for child in begun for kernel in child.kernels]
    assert sorted(kernels) == sorted(ahead.listed(("dense", "single")))
    assert len(begun) == 4  # two a group
    assert len(said) == 1
    assert said[0].startswith(f"compiling {len(kernels)} kernels for this machine, once")
    ahead.start("single", "dense", say=said.append)
    assert len(begun) == 4
    ahead.finish("dense")
    assert ahead.is_done("dense")
    assert not ahead.is_done("single")
    assert ahead.is_done("planes")


@pytest.mark.parametrize("planes", [(), ("2c3s1",)])
def test_a_network_in_integers_has_its_kernels_compiled_at_its_first_pass(begun, planes):
    config = DesireConfig(layers=layers_of((*planes, "3")), input_shape=(1, 6, 6), num_steps=5)
    network = DesireNetwork(config, arithmetic="fixed_point")
    assert not begun
    network.forward(np.zeros((2, 36), np.uint8))
    kernels = [kernel for child in begun for kernel in child.kernels]
    groups = ("integers", "integer_planes") if planes else ("integers",)
    assert sorted(kernels) == sorted(ahead.listed(groups))
    assert all(child.status == 0 for child in begun)


def test_one_processor_has_one_process_a_group(begun, monkeypatch):
    monkeypatch.setattr(ahead, "_processors", lambda: 1)
    ahead.start(*GROUPS)
    assert [child.kernels[0].group for child in begun] == list(GROUPS)


def test_who_trains_meanwhile_is_told_what_computes(begun):
    said = []
    ahead.start("single", say=said.append, meanwhile=True)
    assert len(said) == 1
    assert said[0].startswith("compiling 2 kernels for this machine, once; kept in ")
    assert said[0].endswith("; until then torch operations compute the same, slower")


def arrive(monkeypatch, *kernels):
    """Put kernels into the cache."""
    monkeypatch.setattr(ahead.Kernel, "is_missing", lambda kernel: kernel not in kernels)


def test_a_group_is_ready_when_the_cache_has_all_of_it_though_its_processes_go_on(
    begun, monkeypatch, clock
):
    assert not ahead.is_ready("dense")
    assert len(begun) == 2
    first, *others = ahead.listed(["dense"])
    arrive(monkeypatch, first)
    clock.append(1.0)
    assert not ahead.is_ready("dense")
    arrive(monkeypatch, *others)  # what was there before is not looked at again
    assert not ahead.is_ready("dense"), "the cache is looked into at intervals"
    clock.append(2.0)
    assert ahead.is_ready("dense")
    arrive(monkeypatch)
    assert ahead.is_ready("dense")
    assert not ahead.has_failed("dense")
    assert len(begun) == 2


def test_what_could_not_be_compiled_is_told_once(begun, monkeypatch, clock):
    assert not ahead.is_ready("dense")
    arrive(monkeypatch, *ahead.listed(["dense"])[2:])
    ahead.finish("dense")
    with pytest.warns(RuntimeWarning, match="look_up, numba.simd.largest_magnitude; kernels='comp"):
        assert not ahead.is_ready("dense")
    assert ahead.has_failed("dense")
    clock.append(100.0)
    assert not ahead.is_ready("dense")
    assert len(begun) == 2


@pytest.mark.parametrize("how", ["rank", "fork"])
def test_other_ranks_and_forked_processes_wait_a_while_before_they_compile(
    how, begun, monkeypatch, clock
):
    if how == "rank":
        monkeypatch.setenv("LOCAL_RANK", "1")
        ahead.start("dense", say=pytest.fail)
    else:
        ahead.start("dense")
        monkeypatch.setattr(ahead.os, "getpid", lambda: 1)
    count = len(begun)
    assert count == (0 if how == "rank" else 2)
    ahead.finish("dense")  # which are none of its own
    assert not any(child.status == 0 for child in begun)
    clock.append(59.0)
    assert not ahead.is_ready("dense")
    assert len(begun) == count
    clock.append(61.0)
    assert not ahead.is_ready("dense")
    assert len(begun) == count + 2
    ahead.finish("dense")
    arrive(monkeypatch, *ahead.listed(["dense"]))
    assert ahead.is_ready("dense")


def test_a_child_leaves_what_it_compiles_in_the_cache(tmp_path, monkeypatch):
    kernel = next(each for each in ahead.listed(GROUPS) if each.name.endswith(".most_spikes"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert ahead.begin([kernel]).wait() == 0
    assert list(tmp_path.rglob("events.most_spikes-*.nbc"))
    asked = f"from lava_desire.backends.numba import ahead; print({kernel!r}.is_missing())"
    asked = asked.replace("Kernel(", "ahead.Kernel(")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    answer = subprocess.check_output([sys.executable, "-c", asked], text=True, env=environment)
    assert answer == "False\n"


def test_kernels_are_compiled_anew_when_a_file_is_another_than_their_own(tmp_path):
    """numba looks at a function's own file alone, and would go on with what it called before."""
    (tmp_path / "kernels.py").write_text(
        "from lava_desire.backends.numba import jit\n\n\n"
        "@jit.njit()\ndef double(number):\n    return 2 * number\n"
    )
    program = (
        "import sys; from lava_desire.backends.numba import jit; jit.STAMP = sys.argv[1]\n"
        "from kernels import double; double(3); print(sum(double.stats.cache_hits.values()))"
    )
    places = [str(tmp_path), *filter(None, sys.path)]
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(places),
    }
    hits = [
        subprocess.check_output([sys.executable, "-c", program, stamp], text=True, env=environment)
        for stamp in ("before", "before", "after")
    ]
    assert [int(each) for each in hits] == [0, 1, 0]


def test_all_that_kernels_are_made_of_is_looked_at():
    looked_at = set(jit.sources())
    assert len(jit.STAMP) == len(looked_at)
    for kernel in ahead.listed(GROUPS):
        python = kernel.function.py_func
        assert Path(python.__code__.co_filename) in looked_at
        for value in python.__globals__.values():
            module = str(getattr(value, "__module__", None))
            if module.startswith("lava_desire.") and not isinstance(value, type):
                assert Path(sys.modules[module].__file__) in looked_at, (kernel.name, value)


def test_what_cannot_be_kept_is_compiled_all_the_same(monkeypatch):
    def none_can_be_written(**options):
        if options.pop("cache", False):
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit(**options)

    monkeypatch.setattr(jit, "numba", SimpleNamespace(njit=none_can_be_written))
    with pytest.warns(RuntimeWarning, match="NUMBA_CACHE_DIR"):
        double = jit.njit(nogil=True)(lambda number: 2 * number)
    assert double(3) == 6
    assert double.signatures


def test_functions_that_multiply_matrices_alone_import_what_does_so(tmp_path):
    pytest.importorskip("scipy")
    program = tmp_path / "program.py"
    program.write_text(MATRICES)
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    for were_cached in (0, 1):
        answer = subprocess.check_output([sys.executable, program], text=True, env=environment)
        assert answer.split() == ["2", "False", "True", "True", str(were_cached)]
