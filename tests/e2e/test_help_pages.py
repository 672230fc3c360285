"""Every command's help has examples that work, and a shell completes what stands in them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from lava_desire import DesireConfig, DesireNetwork
from lava_desire.cli import COMMANDS, _gather_layers, app
from lava_desire.cli.manual import MANUAL

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_examples_that_are_read_as_they_stand(name):
    examples, see = MANUAL[name]
    assert 2 <= len(examples) <= 5
    command = typer.main.get_command(app).commands[name].load()
    for line in examples:
        program, called, *arguments = shlex.split(line)
        assert (program, called) == ("lava-desire", name)
        if arguments != ["--help"]:
            command.make_context(name, _gather_layers(arguments))
    for page in re.findall(r"[\w/]+\.md", see):
        assert (ROOT / page).is_file(), page
    for other in re.findall(r"^[\w ,-]+(?=;)", see):
        assert {each.split()[0] for each in other.split(", ")} <= COMMANDS.keys()


def test_the_help_of_a_command_says_all_of_it(run):
    status, out, _ = run("eval", "--help")
    assert status == 0
    for said in (
        "Examples",
        *MANUAL["eval"].examples,
        "Exit status",
        "LAVA_DESIRE_DATA",
        "See also",
    ):
        assert said in out


@pytest.mark.parametrize(
    ("name", "in_turn"),
    [
        ("train", "preset config output resume seeds backend device precision kernels quiet"),
        ("sweep", "over trials resume preset config output patience device kernels quiet"),
        ("find-rate", "lowest highest count epochs preset config device kernels quiet"),
    ],
)
def test_options_of_a_command_stand_in_turn(run, name, in_turn):
    status, out, _ = run(name, "--help")
    assert status == 0
    options = re.findall(r"^│ --([\w-]+)", out, re.MULTILINE)
    assert [each for each in options if each in in_turn.split()] == in_turn.split()


def test_the_versions_are_told(run):
    from lava_desire import __version__

    status, out, _ = run("--version")
    assert status == 0
    assert re.match(rf"lava-desire {__version__}( \(commit [0-9a-f]{{40}}\+?\))?\npython 3\.", out)
    assert [line.split()[0] for line in out.splitlines()[1:]] == [
        *("python", "torch", "numpy", "lava-nc")
    ]


COMPLETIONS = {
    "ev": ["eval"],
    "train --preset mnist-": ["mnist-best", "mnist-conv", "mnist-conv-best"],
    "train --dataset ": ["digits", "mnist", "fashion-mnist"],
    "train --tie-br": ["--tie-break"],
    "train --tie-break ": ["undecided", "earliest"],
    "train --resume a": ["a", "a/best.safetensors"],
    "eval a/": ["a/best.safetensors"],
    "info ": ["a", "a/best.safetensors", "runs/b"],
    "config explain learning_rate_": [
        "learning_rate_decay",
        "learning_rate_scale",
        "learning_rate_schedule",
    ],
    "config w": ["write"],
    "reproduce fig": ["figures"],
    "export a --to ne": ["nest", "netx"],
    "map --chip loihi": ["loihi1", "loihi2"],
    "completion p": ["powershell", "pwsh"],
}
COMPLETE = """
import io, json, os, sys
from contextlib import redirect_stdout
from lava_desire.cli import main

found = {}
os.environ["_LAVA_DESIRE_COMPLETE"] = "complete_" + sys.argv[1]
sys.argv = ["lava-desire"]
for line in json.load(sys.stdin):
    words = line.split(" ")
    os.environ |= {"COMP_WORDS": "lava-desire " + line, "COMP_CWORD": str(len(words))}
    os.environ |= {"_TYPER_COMPLETE_ARGS": "lava-desire " + line}
    os.environ |= {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    with redirect_stdout(io.StringIO()) as said:
        try:
            main()
        except SystemExit:
            pass
    found[line] = said.getvalue()
print(json.dumps([found, sorted(sys.modules)]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completion")
    for place in ("a", "runs/b", "not a run", "a$(b)"):
        (folder / place).mkdir(parents=True)
    (folder / "a" / "run.json").touch()
    (folder / "runs" / "b" / "checkpoint.safetensors").touch()
    (folder / "a$(b)" / "run.json").touch()
    DesireNetwork(DesireConfig((4, 2))).save(folder / "a" / "best.safetensors")
    return folder


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_answered_without_the_imports_that_take_seconds(folder, shell):
    answer = subprocess.run(
        [sys.executable, "-c", COMPLETE, shell],
        input=json.dumps(list(COMPLETIONS)),
        capture_output=True,
        check=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        text=True,
    )
    found, modules = json.loads(answer.stdout)
    assert not {"torch", "numba", "matplotlib", "sklearn", "lava"} & set(modules)
    for line, expected in COMPLETIONS.items():
        if shell == "zsh":
            completed = re.findall(r'^(?:_arguments .*\()?"([^"]*)"', found[line], re.M)
        else:
            completed = [each.split("\t")[0] for each in found[line].splitlines()]
        assert set(expected) <= set(completed), (line, found[line])
        if line != "info ":
            assert set(completed) == set(expected), (line, found[line])
        assert not any("$" in each for each in completed)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "pwsh"])
def test_the_script_of_a_shell_is_printed_and_a_shell_that_is_here_reads_it(run, shell, tmp_path):
    status, out, _ = run("completion", shell)
    assert status == 0
    assert "_LAVA_DESIRE_COMPLETE" in out
    if shutil.which(shell) and shell != "pwsh":
        (tmp_path / "script").write_text(out)
        subprocess.run([shell, "-n", tmp_path / "script"], check=True)


def test_it_is_installed_by_one_command(run, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    status, out, _ = run("completion", "bash", "--install")
    assert status == 0
    (script,) = (tmp_path / ".bash_completions").iterdir()
    assert str(script) in out
    assert f"source '{script}'" in (tmp_path / ".bashrc").read_text()
    status, _, err = run("completion", "tcsh")
    assert status == 2
    assert "SHELL is 'tcsh': expected one of bash, zsh, fish" in err
