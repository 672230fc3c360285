from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from lava_desire.lava_runtime import compat

WITHOUT_LAVA = """
import sys
sys.modules["lava"] = None
try:
    import lava_desire.proc
except ImportError as error:
    print(error)
"""


def test_lava_imports_and_the_decorator_is_restored():
    pytest.importorskip("lava", reason="Lava is not installed")
    strict = dataclasses.dataclass
    compat.import_lava()
    assert dataclasses.dataclass is strict
    assert sys.modules["lava.magma.compiler.var_model"].dataclass is strict


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 allows such a default")
def test_a_mutable_default_is_still_refused_elsewhere():
    with compat._unhashable_defaults_allowed("some.module"), pytest.raises(ValueError):  # noqa: PT011

        @dataclasses.dataclass
        class Elsewhere:
            values: list = []  # noqa: RUF008


def test_the_decorator_is_restored_after_an_error():
    strict = dataclasses.dataclass
    with pytest.raises(KeyError), compat._unhashable_defaults_allowed("some.module"):
        raise KeyError
    assert dataclasses.dataclass is strict


def test_each_object_gets_a_default_of_its_own():
    @dataclasses.dataclass
    class Inner:
        value: int = 1

    with compat._unhashable_defaults_allowed(__name__):

        @dataclasses.dataclass
        class Outer:
            inner: Inner = Inner()  # noqa: RUF009

    first, second = Outer(), Outer()
    assert first.inner == second.inner
    if sys.version_info >= (3, 11):
        assert first.inner is not second.inner


@pytest.mark.skipif(sys.version_info >= (3, 11), reason="later Pythons need the shim")
def test_on_python_3_10_the_decorator_is_left_alone():
    pytest.importorskip("lava", reason="Lava is not installed")
    ended = run(
        "from lava_desire.lava_runtime import compat\n"
        "compat._unhashable_defaults_allowed = None; compat.import_lava()"
    )
    assert ended.returncode == 0, ended.stderr


def run(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


def test_lava_imports_where_multiprocessing_has_been_used():
    pytest.importorskip("lava", reason="Lava is not installed")
    ended = run(
        "import multiprocessing as m; m.Queue(); ask = m.set_start_method\n"
        "import lava_desire.proc; print(m.get_start_method(), m.set_start_method is ask)"
    )
    assert (ended.stdout, ended.returncode) == ("fork True\n", 0), ended.stderr


def test_another_start_method_is_named():
    pytest.importorskip("lava", reason="Lava is not installed")
    ended = run("import multiprocessing as m; m.set_start_method('spawn'); import lava_desire.proc")
    assert "ImportError: Lava forks its processes, and multiprocessing is set to 'spawn'" in (
        ended.stderr
    )


def test_without_lava_one_line_says_what_to_install():
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_LAVA], capture_output=True, text=True, check=True
    )
    assert run.stdout == f"Lava is not installed; run: {compat.INSTALL_COMMAND}\n"


def test_the_package_imports_neither_torch_nor_lava():
    script = "import sys, lava_desire; print({'torch', 'lava'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
