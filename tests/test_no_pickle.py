"""No file that is read can run code: nothing unpickles, evaluates or follows what it names."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "lava_desire"
FILES = sorted(PACKAGE.rglob("*.py"))
# Pickles an exception that stands in memory, to see whether it can be sent to the parent.
MAY_PICKLE = {"lava_runtime/actors.py"}
# Asks for nodes, which are texts, by a loader that makes nothing of tags.
MAY_READ_YAML = {"config_files.py": {"yaml.scan", "yaml.compose"}}
UNPICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
CALLS = {"eval", "exec", "compile", "__import__"}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def calls_in(path: Path) -> list[tuple[str, ast.Call]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [(ast.unparse(node.func), node) for node in found]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_module_unpickles(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
    }
    reads_yaml = MAY_READ_YAML.get(name_of(path), set())
    if name_of(path) not in MAY_PICKLE:
        assert not (imported - ({"yaml"} if reads_yaml else set())) & UNPICKLERS
    for name, call in calls_in(path):
        assert name not in CALLS
        assert name not in ("np.lib.npyio.NpzFile", "np.fromfile")
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if name == "torch.load":  # refuses all classes but tensors
            assert given.get("weights_only") == "True"
        if name.startswith("yaml."):
            assert name in reads_yaml
            assert given.get("Loader") == "yaml.BaseLoader"
        if name in ("np.load", "numpy.load"):
            assert given.get("allow_pickle") == "False"


def test_scripts_that_are_written_do_not_unpickle_either():
    for path in (PACKAGE / "deploy").rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "np.load(" in line:
                assert "allow_pickle=False" in line
