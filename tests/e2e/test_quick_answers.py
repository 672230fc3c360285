"""Help, facts and bad options are answered without the imports that take seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from typer import BadParameter
from typer.main import get_command

from lava_desire.cli import COMMANDS, app

HEAVY = ("torch", "numba", "matplotlib", "scipy", "sklearn", "lava")
MEDIUM = ("numpy", "pydantic", "markdown_it")  # the first two take as long as the rest of an error
ANSWERS = {
    "--help": 0,
    **{f"{name} --help": 0 for name in COMMANDS},
    "neurobench none": 2,
    "neurobench none --backend gpu": 2,
    "info": 0,
    "info --json": 0,
    "train --no-such-option": 2,
    "train --epochs many": 2,
    "train --decay 2": 2,
    "train --tie-break both": 2,
    "train --learning-rate-scale 1,2": 2,
    "train --image-shift 50000": 2,
    "train --preset none": 2,
    "train --config none.json": 2,
    "train --backend none": 2,
    "train --kernels none": 2,
    "train --precision none": 2,
    "train --device none": 2,
    "train --layers 0": 2,
    "train --dataset none": 2,
    "train --data none.npz": 2,
    "train --data none.npz --dataset digits": 2,
    "train --dataset mnist --data-dir taken": 2,
    "find-rate --dataset mnist --data-dir none": 2,
    "watch taken/none": 2,
    "compare none": 2,
    "report none": 2,
    "train --resume none": 2,
    "train --resume none --decay 0.5": 2,
    "train --output taken": 2,
    "eval none": 2,
    "eval taken --tie-break none": 2,
    "export none --to nir --output x.nir": 2,
    "export taken --to none --output x.nir": 2,
    "export taken --to nir --output none/x.nir": 2,
    "map 64-20-10 --chip loihi2": 0,
    "map none": 2,
    "energy none": 2,
    "map 64-20-10 --chip none": 2,
    "reproduce none": 2,
    "reproduce mnist --learning-rate -1": 2,
    "reproduce ablation --base none": 2,
    "demo --output taken": 2,
}
# What looks at a network or into a run, and what typer words.
MORE = {
    "train --dataset mnist --data-dir taken",
    "find-rate --dataset mnist --data-dir none",
    "watch taken/none",
    "compare none",
    "report none",
    "map 64-20-10 --chip loihi2",
    "train --resume none",
    "train --output taken",
    "export taken --to nir --output none/x.nir",
    "demo --output taken",
    "train --epochs many",
}
CALL_ALL = """
import json, sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from lava_desire.cli import main

found = {}
for line in json.load(sys.stdin):
    status, said = None, StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            main(line.split())
    except SystemExit as ended:
        status = ended.code
    found[line] = status, said.getvalue(), sorted(sys.modules)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers")
    (folder / "taken").mkdir()
    (folder / "taken" / "checkpoint.safetensors").touch()
    return json.loads(
        subprocess.run(
            [sys.executable, "-c", CALL_ALL],
            input=json.dumps(sorted(ANSWERS, key=lambda line: line in MORE)),
            capture_output=True,
            check=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            text=True,
        ).stdout
    )


@pytest.mark.parametrize("line", ANSWERS)
def test_it_is_answered_before_anything_heavy_is_imported(answers, line):
    status, said, modules = answers[line]
    assert status == ANSWERS[line], said
    assert said
    unasked = set(HEAVY) if line in MORE else {*HEAVY, *MEDIUM}
    assert not unasked & set(modules), f"{line} imports {unasked & set(modules)}"


def test_a_refusal_names_the_option_and_not_a_parameter(answers):
    for line, named in (
        ("train --decay 2", "--decay is 2.0: expected 0 <= --decay < 1"),
        ("train --data none.npz", "--data none.npz is not there: expected a .npz"),
        ("train --learning-rate-scale 1,2", "--learning-rate-scale is (1.0, 2.0)"),
        ("train --image-shift 50000", "--image-shift is 50000: expected --image-shift < 8"),
        ("train --resume none --decay 0.5", "--decay is given"),
        ("reproduce mnist --learning-rate -1", "--learning-rate is -1.0"),
    ):
        assert named in answers[line][1]


def test_help_is_printed_where_output_takes_ascii_only():
    run = subprocess.run(
        [sys.executable, "-m", "lava_desire", "map", "--help"],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        text=True,
    )
    assert "tags, W?" in run.stdout


def test_typer_shows_markdown_all_the_same_after_a_help_of_ours():
    shown = """
import sys
import typer
from lava_desire.cli import main

try:
    main(["--help"])
except SystemExit:
    app = typer.Typer(rich_markup_mode="markdown", add_completion=False)
    app.command(help="# A heading")(lambda: None)
    sys.argv = ["theirs", "--help"]
    print("theirs")
    app()
"""
    said = subprocess.check_output([sys.executable, "-c", shown], text=True)
    theirs = said.partition("theirs\n")[2]
    assert "A heading" in theirs
    assert "#" not in theirs


def test_info_tells_the_versions_that_are_imported():
    import numpy
    import torch

    from lava_desire.cli.machine import facts

    light, asked = facts(devices=False), facts(devices=True)
    assert (light["torch"], light["numpy"]) == (torch.__version__, numpy.__version__)
    assert light["cuda"] == asked["cuda"]
    assert asked["threads"] == torch.get_num_threads()
    assert light == {name: value for name, value in asked.items() if name in light}


@pytest.mark.parametrize(
    ("line", "needed"), [("--help", set()), ("info", {"cli.info", "cli.machine"})]
)
def test_only_the_command_that_runs_is_imported(line, needed):
    imported = "import sys; from lava_desire.cli import main\ntry: main(sys.argv[1:])\nfinally: "
    imported += "print(*sys.modules, sep='\\n', file=sys.stderr)"
    modules = subprocess.run(
        [sys.executable, "-c", imported, line], capture_output=True, check=True, text=True
    ).stderr.split()
    ours = {name.removeprefix("lava_desire.") for name in modules if "lava_desire." in name}
    assert {"numpy", "pydantic"}.isdisjoint(modules)
    assert {name for name in ours if name.startswith("cli.")} == {"cli.printing", *needed}
    assert not {"config", "model", "deploy"} & ours


@pytest.mark.parametrize("name", ["epochs", "learning_rate", "output", "tie_break"])
def test_values_are_read_as_typer_reads_them(name):
    (option,) = (
        each for each in get_command(app).commands["train"].load().params if each.name == name
    )
    typers = type(option).get_runtime_param(option)
    assert type(typers) is not type(option.get_runtime_param())

    def read(reader, value):
        try:
            return reader.coerce(value, param=option, ctx=None)
        except BadParameter as error:
            return str(error) if name in ("output", "tie_break") else "refused"
        except ValueError as error:
            return "refused" if str(error).startswith(f"{option.opts[0]} is ") else str(error)

    numbers = "0 -0 +7 007 1_0 .5 -.5e-3 1e3 1E+3 1e400 - e3 0x1 1e"
    odd = ("", " ", " 3 ", "nan", "inf", "-Infinity", "many", "9" * 19, "9" * 5000)
    for value in (None, *numbers.split(), *odd, True, 3, 0.5):
        plain, asked = read(option.get_runtime_param(), value), read(typers, value)
        assert (type(plain), repr(plain)) == (type(asked), repr(asked)), value


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_all_says_what_the_help_of_one_says(name):
    command = get_command(app).commands[name]
    assert command.help == command.load().help.split("\n\n")[0].replace("\n", " ")
    assert command.load().params


def test_the_package_knows_its_modules_by_name():
    looked = "import lava_desire as it; print(it.config.DesireConfig is it.DesireConfig)"
    assert subprocess.check_output([sys.executable, "-c", looked], text=True) == "True\n"
