"""A script beside its process runs once, and models are found beside it."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")

PROCESS = """
import lava_desire
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

class Counter(AbstractProcess):
    def __init__(self, **options):
        super().__init__(**options)
        self.steps = Var(shape=(1,), init=0)
"""
MODEL = """
import numpy as np
from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

@implements(proc=Counter, protocol=LoihiProtocol)
@requires(CPU)
class PyCounter(PyLoihiProcessModel):
    steps: np.ndarray = LavaPyType(np.ndarray, np.int64)

    def run_spk(self):
        self.steps = self.steps + 1
"""
BODY = """
import sys
import lava_desire.lava_runtime as runtime
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg

runtime.install()
print("began in", __name__)
counter = Counter()
try:
    counter.run(RunSteps(3), Loihi2SimCfg())
    print("steps", int(counter.steps.get()[0]))
finally:
    counter.stop()
"""
IMPORT = "from counter import Counter\n"
ONCE = "began in __main__\nsteps 3\n"


def run(folder, files, *command):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return subprocess.run(
        [sys.executable, *(command or ("script.py",))],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"counter.py": PROCESS + MODEL, "script.py": IMPORT + BODY}, ()),
        ({"script.py": PROCESS + MODEL + BODY}, ()),
        ({"counter.py": PROCESS, "models.py": IMPORT + MODEL, "script.py": IMPORT + BODY}, ()),
        # The models are beside a script that defines the process, and import it.
        ({"models.py": "from script import Counter\n" + MODEL, "script.py": PROCESS + BODY}, ()),
        # Other scripts beside, with classes and networks of their own, without a guard.
        (
            {
                "counter.py": PROCESS + MODEL,
                "script.py": IMPORT + BODY,
                "train.py": IMPORT + "class Args:\n    pass\n" + BODY,
                "other.py": PROCESS + MODEL + BODY,
            },
            (),
        ),
        (
            {
                "net/__init__.py": "",
                "net/counter.py": PROCESS,
                "net/models.py": "from net.counter import Counter\n" + MODEL,
                "net/script.py": "from .counter import Counter\n" + BODY,
                "net/train.py": "from .counter import Counter\n" + BODY,
            },
            ("-m", "net.script"),
        ),
        # As in a notebook, or a terminal: what runs has no file, and lies beside scripts.
        (
            {"code.txt": PROCESS + MODEL + BODY, "train.py": PROCESS + MODEL + BODY},
            ("-c", "exec(open('code.txt').read())"),
        ),
        (
            {"counter.py": PROCESS + MODEL, "script.py": IMPORT + BODY},
            ("-c", "exec(open('script.py').read())"),
        ),
    ],
    ids=[
        *("script", "one file", "models beside", "models import the script", "other scripts"),
        *("package", "notebook", "notebook beside its process"),
    ],
)
def test_a_script_runs_once(tmp_path, files, command):
    ended = run(tmp_path, files, *command)
    assert (ended.stdout, ended.returncode) == (ONCE, 0), ended.stderr


def test_a_file_with_models_that_runs_a_network_is_named(tmp_path):
    files = {
        "counter.py": PROCESS + MODEL,
        "script.py": IMPORT + BODY,
        "torchlike.py": IMPORT + MODEL + BODY,
    }
    ended = run(tmp_path, files)
    path = tmp_path / "torchlike.py"
    assert ended.stdout == "began in __main__\nbegan in torchlike\n"
    assert f"UnguardedScriptError: {path} runs a network when it is imported" in ended.stderr
    assert "if __name__ == '__main__':" in ended.stderr


def test_a_broken_file_beside_is_named_and_passed_over(tmp_path):
    broken = IMPORT + "class Model(Counter):\n    pass\nimport no_such_package\n"
    files = {"counter.py": PROCESS + MODEL, "script.py": IMPORT + BODY, "broken.py": broken}
    ended = run(tmp_path, files)
    assert (ended.stdout, ended.returncode) == (ONCE, 0), ended.stderr
    assert f"{tmp_path / 'broken.py'}, looked into for models" in ended.stderr
    assert "No module named 'no_such_package'" in ended.stderr


def test_no_model_is_still_an_error_of_lava(tmp_path):
    ended = run(tmp_path, {"script.py": PROCESS + BODY})
    assert ended.returncode == 1
    assert "NoProcessModelFound" in ended.stderr
