"""Kernels that the cache lacks are compiled by other processes, from a list that is true."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import numba
import pytest

from lava_desire.backends.numba import ahead, jit

GROUPS = ("dense", "single", "planes")
CALLED = """
from benchmarks.compiling import record
from lava_desire.backends.numba import ahead

ahead.start = lambda *groups, **options: None
record()
kernels = ahead.listed(("dense", "single", "planes"))
for kernel in kernels:
    known = {each.types for each in kernels if each.name == kernel.name}
    called = kernel.function.overloads
    print(kernel.name, kernel.arguments in called and len(called) == len(known))
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
def begun(monkeypatch):
    begun = []
    monkeypatch.setattr(ahead, "_children", {})
    monkeypatch.setattr(ahead, "_processors", lambda: 2)
    monkeypatch.setattr(ahead.Kernel, "is_missing", lambda kernel: True)
    monkeypatch.setattr(ahead, "_begin", lambda share: begun.append(Child(share)) or begun[-1])
    return begun


def test_the_list_is_what_training_calls():
    done = subprocess.run([sys.executable, "-c", CALLED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(ahead.listed(GROUPS)) > 10
    untrue = [line for line in lines if not line.endswith(" True")]
    assert not untrue, "python -m benchmarks.compiling --record writes the list anew"


def test_everything_that_is_missing_is_shared_out_once(begun):
    said = []
    ahead.start("dense", "single", say=said.append)
    kernels = [kernel for child in begun for kernel in child.kernels]
    assert sorted(kernels) == sorted(ahead.listed(("dense", "single")))
    assert len(begun) == 3  # two for one group, and one for the other's only kernel
    assert len(said) == 1
    assert said[0].startswith(f"compiling {len(kernels)} kernels for this machine, once")
    ahead.start("single", "dense", say=said.append)
    assert len(begun) == 3
    ahead.finish("dense")
    assert ahead.is_done("dense")
    assert not ahead.is_done("single")
    assert ahead.is_done("planes")


@pytest.mark.parametrize(("processors", "rank"), [(1, "0"), (2, "1")])
def test_nothing_is_begun_by_one_processor_nor_by_other_ranks(begun, monkeypatch, processors, rank):
    monkeypatch.setattr(ahead, "_processors", lambda: processors)
    monkeypatch.setenv("LOCAL_RANK", rank)
    ahead.start(*GROUPS, say=pytest.fail)
    assert not begun


def test_a_child_leaves_what_it_compiles_in_the_cache(tmp_path, monkeypatch):
    kernel = next(each for each in ahead.listed(GROUPS) if each.name.endswith(".most_spikes"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert ahead._begin([kernel]).wait() == 0
    assert list(tmp_path.rglob("events.most_spikes-*.nbc"))
    asked = f"from lava_desire.backends.numba import ahead; print({kernel!r}.is_missing())"
    asked = asked.replace("Kernel(", "ahead.Kernel(")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    answer = subprocess.check_output([sys.executable, "-c", asked], text=True, env=environment)
    assert answer == "False\n"


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
