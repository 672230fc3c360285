from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.util
import inspect
import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from lava_desire.lava_runtime import compat, mending, mends

ROOT = Path(__file__).parents[2]

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
    with mends.unhashable_defaults_allowed("some.module"), pytest.raises(ValueError):  # noqa: PT011

        @dataclasses.dataclass
        class Elsewhere:
            values: list = []  # noqa: RUF008


def test_the_decorator_is_restored_after_an_error():
    strict = dataclasses.dataclass
    with pytest.raises(KeyError), mends.unhashable_defaults_allowed("some.module"):
        raise KeyError
    assert dataclasses.dataclass is strict


def test_each_object_gets_a_default_of_its_own():
    @dataclasses.dataclass
    class Inner:
        value: int = 1

    with mends.unhashable_defaults_allowed(__name__):

        @dataclasses.dataclass
        class Outer:
            inner: Inner = Inner()  # noqa: RUF009

    first, second = Outer(), Outer()
    assert first.inner == second.inner
    if sys.version_info >= (3, 11):
        assert first.inner is not second.inner


@pytest.mark.parametrize("mend", mends.MENDS, ids=lambda mend: mend.module.rpartition(".")[2])
def test_each_mend_says_why_and_names_a_module_of_lava(mend):
    pytest.importorskip("lava", reason="Lava is not installed")
    assert importlib.util.find_spec(mend.module) is not None
    assert len(mend.reason) > 40
    assert f"`{mend.module}`" in (ROOT / "docs" / "lava.md").read_text()


def test_a_mend_that_is_not_needed_leaves_the_module_alone():
    mend = mends.Mend("some.module", "Nothing is wrong.", needed=False)
    finder = mending.Finder("some", lambda: [mend])
    assert finder.find_spec("some.module") is None


def test_mends_are_loaded_when_the_package_is_asked_for():
    finder = mending.Finder("some", None)
    assert finder.find_spec("other.module") is None
    assert finder.find_spec("something") is None


def test_a_module_is_mended_once_its_code_has_run_and_stays_what_it_is(tmp_path, monkeypatch):
    (tmp_path / "broken_package").mkdir()
    (tmp_path / "broken_package" / "module.py").write_text("value = around = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    seen = []

    @contextlib.contextmanager
    def around():
        seen.append("before")
        yield
        seen.append("behind")

    def after(module):
        seen.append(module.value)
        module.value = 2

    mend = mends.Mend("broken_package.module", "It is 1.", True, around, after)
    finder = mending.Finder("broken_package", lambda: [mend])
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    module = importlib.import_module("broken_package.module")
    try:
        assert (seen, module.value) == (["before", "behind", 1], 2)
        assert "around = 1" in inspect.getsource(module)
        importlib.reload(module)
        assert module.value == 2
    finally:
        del sys.modules["broken_package"], sys.modules["broken_package.module"]


def run(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


def test_lava_imports_where_multiprocessing_has_been_used():
    pytest.importorskip("lava", reason="Lava is not installed")
    ended = run(
        "import multiprocessing as m; m.Queue(); ask = m.set_start_method\n"
        "import lava_desire.proc; print(m.get_start_method(), m.set_start_method is ask)"
    )
    assert (ended.stdout, ended.returncode) == (
        f"{multiprocessing.get_all_start_methods()[0]} True\n",
        0,
    ), ended.stderr


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_under_another_start_method_it_imports_and_only_a_fork_is_refused(method):
    pytest.importorskip("lava", reason="Lava is not installed")
    ended = run(
        f"import multiprocessing as m; m.set_start_method({method!r})\n"
        "import lava_desire.proc\n"
        "from lava_desire.lava_runtime.compat import check_start_method\n"
        "print(m.get_start_method()); check_start_method()"
    )
    assert ended.stdout == f"{method}\n"
    assert f"RuntimeError: Lava forks its processes, and multiprocessing is set to {method!r}" in (
        ended.stderr
    )


def hook():
    lines = (ROOT / "tools" / "lava_desire.pth").read_text().splitlines(keepends=True)
    (code,) = [line for line in lines if line[0] != "#"]  # Python runs each line by itself
    return code


OWN = "from lava.magma.core.process.process import AbstractProcess\n"


def test_lava_may_be_imported_before_anything_of_ours(tmp_path):
    pytest.importorskip("lava", reason="Lava is not installed")
    (tmp_path / "lava_desire.pth").write_text(hook())
    start = f"import site, sys; site.addsitedir({str(tmp_path)!r})\n"
    ended = run(start + "print('lava_desire' in sys.modules)\n" + OWN + "import lava_desire.proc")
    assert (ended.stdout, ended.returncode) == ("False\n", 0), ended.stderr


def test_the_hook_lets_python_go_on_where_the_package_is_gone(tmp_path):
    ended = run(
        "import sys; sys.modules['lava_desire'] = None\n"
        + hook()
        + "try:\n    import lava.no_such_module\nexcept ModuleNotFoundError: print('as ever')"
    )
    assert (ended.stdout, ended.stderr) == ("as ever\n", "")


def test_after_the_package_lava_may_be_imported_by_itself():
    pytest.importorskip("lava", reason="Lava is not installed")
    ended = run("import lava_desire\n" + OWN)
    assert ended.returncode == 0, ended.stderr


def test_without_lava_one_line_says_what_to_install():
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_LAVA], capture_output=True, text=True, check=True
    )
    assert run.stdout == f"Lava is not installed; run: {compat.INSTALL_COMMAND}\n"


def test_the_package_imports_neither_torch_nor_lava_nor_numpy():
    script = "import sys, lava_desire; print({'torch', 'lava', 'numpy'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
