"""A target is one file: what it declares is what the command, its help and Python know of it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lava_desire import DesireConfig, DesireNetwork, load_dataset
from lava_desire.deploy import export, scale_to_integers, targets
from lava_desire.deploy.integer_network import as_integers
from lava_desire.deploy.lava_processes import on_stock
from lava_desire.deploy.targets import base
from lava_desire.model.fields import declared
from lava_desire.model.integers.limits import WEIGHT_BITS
from lava_desire.model.synapses import Dense, Synapse

TARGETS = targets.find_targets()
CHIP = '''"""A chip that takes weights as JSON, in cores of up to 16 neurons."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lava_desire.deploy.targets import base

CORE = 16


@dataclass(frozen=True)
class Options(base.Options):
    """How weights are written."""

    digits: int = base.option(6, "digits of a weight, 1 to 9.", allowed=range(1, 10))


def refuse(network: Any, options: Options) -> None:
    """Refuse layers that fit no core."""
    largest = max(network.config.layer_sizes[1:])
    if largest > CORE:
        raise ValueError(f"a layer has {largest} neurons: chip holds at most {CORE}; try digits=1")


def write(network: Any, path: Path, options: Options) -> str:
    """Write the weights."""
    weights = [array.round(options.digits).tolist() for array in network.numpy_weights()]
    path.write_text(json.dumps(weights))
    return f"{path} holds {network.config.shape_text} for the chip"


TARGET = base.Target(
    name="chip", summary="JSON for a chip.", suffix=".json", write=write, refuse=refuse,
    options=Options,
)
'''
CALL = """
import json, sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
import lava_desire.deploy.targets as targets

targets.__path__.append(sys.argv[1])
from lava_desire.cli import main

found = []
for line in json.load(sys.stdin):
    said = StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            main(line.split())
    except SystemExit as ended:
        found.append((ended.code, " ".join(said.getvalue().replace("\\u2502", " ").split())))
print(json.dumps(found))
"""


def network_of(*sizes, **options):
    return DesireNetwork(DesireConfig(sizes, reset="zero"), **options)


def python(program, *arguments, cwd, given=""):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        input=given, capture_output=True, text=True, cwd=cwd, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_option_of_punctuation_names_what_is_allowed_in_quotes():
    @dataclass(frozen=True)
    class Options(base.Options):
        separator: str = base.option(",", "what is between weights.", allowed=(",", ";", "", "tab"))

    with pytest.raises(ValueError, match=r"^separator is '\.': expected one of ',', ';', '', tab$"):
        Options(".")


def test_a_file_in_the_folder_is_a_target_of_the_command(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "chip.py").write_text(CHIP)
    (tmp_path / "more" / "core.py").write_text(CHIP.replace('"chip"', '"core"'))
    network_of(8, 4, 3).save(tmp_path / "small.safetensors")
    network_of(8, 40, 3).save(tmp_path / "large.safetensors")
    expected = {
        "export --help": (0, "--digits <int> chip: digits of a weight, 1 to 9. core: digits"),
        "export --help ": (0, "--to chip: JSON for a chip."),
        "export small.safetensors --to chip --output a.json --digits 2": (
            0,
            "a.json holds 8-4-3 for the chip",
        ),
        "export large.safetensors --to chip --output b.json": (
            2,
            "a layer has 40 neurons: chip holds at most 16; try --digits 1",
        ),
        "export small.safetensors --to chip --output a.json --digits 0": (
            2,
            "--digits is 0: expected an integer in [1, 9]",
        ),
        "export small.safetensors --to chip --output a.txt": (2, "a name that ends in .json"),
        "export small.safetensors --to nir --output a.nir --digits 2": (
            2,
            "--digits is given with --to nir: it is for chip or core",
        ),
        "export small.safetensors --to none --output a.nir": (
            2,
            f"--to is 'none': expected one of {', '.join(sorted(['chip', 'core', *TARGETS]))}",
        ),
    }
    told = python(CALL, str(tmp_path / "more"), cwd=tmp_path, given=json.dumps(list(expected)))
    for (line, (status, message)), (found, said) in zip(expected.items(), told, strict=True):
        assert (found, message in said) == (status, True), f"{line}: {said}"
    assert not (tmp_path / "b.json").exists()
    weights = json.loads((tmp_path / "a.json").read_text())
    exact = DesireNetwork.load(tmp_path / "small.safetensors").numpy_weights()
    for written, array in zip(weights, exact, strict=True):
        np.testing.assert_allclose(written, array, atol=0.0051)


def test_a_file_in_the_folder_is_a_target_of_python(tmp_path, monkeypatch):
    (tmp_path / "chip.py").write_text(CHIP)
    monkeypatch.setattr(targets, "__path__", [*targets.__path__, str(tmp_path)])
    monkeypatch.setitem(sys.modules, f"{targets.__name__}.chip", None)  # put back afterwards
    del sys.modules[f"{targets.__name__}.chip"]
    path = tmp_path / "a.json"
    assert export(network_of(8, 4, 3), path, to="chip", digits=1).endswith("for the chip")
    with pytest.raises(ValueError, match="chip holds at most 16"):
        export(network_of(8, 40, 3), path, to="chip")
    with pytest.raises(ValueError, match=r"digits is 0: expected an integer in \[1, 9\]"):
        export(network_of(8, 4, 3), path, to="chip", digits=0)


@pytest.mark.parametrize("to", TARGETS)
def test_python_writes_what_the_command_does(to, tmp_path):
    needs = {"nir": "nir", "netx": "h5py", "onnx": "onnx"}
    if to in needs:
        pytest.importorskip(needs[to], reason=f"{needs[to]} is not installed")
    images, labels = load_dataset("digits").train
    sizes = (16, 12, 8) if to == "xylo" else (64, 12, 10)  # a small chip
    data = images[:, : sizes[0]], labels % sizes[-1]
    options = {"data": data} if TARGETS[to].samples else {}
    path = tmp_path / f"net{TARGETS[to].suffix}"
    network = network_of(*sizes)
    if to == "xylo":
        network = DesireNetwork(network.config.replace(reset="subtract"))
    report = export(network, path, to, **options)
    assert path.is_file()
    assert f"{path}" in report
    assert "-".join(map(str, sizes)) in report


@pytest.mark.parametrize("to", [to for to in TARGETS if "conv2d" in TARGETS[to].synapses])
def test_a_network_with_convolutions_leaves_by_every_target_that_takes_them(to, tmp_path):
    if to in ("nir", "netx"):
        pytest.importorskip({"nir": "nir", "netx": "h5py"}[to])
    config = DesireConfig(
        layers=("3c3s2", "4c2", "3"), input_shape=(1, 8, 8), num_steps=6, error_margin=1,
        reset="zero",
    )  # fmt: skip
    network, digits = DesireNetwork(config), load_dataset("digits")
    images, labels = digits.train_images[:20], digits.train_labels[:20] % 3
    options = {"data": (images, labels)} if TARGETS[to].samples else {}
    path = tmp_path / f"net{TARGETS[to].suffix}"
    assert config.shape_text in export(network, path, to, **options)
    if to == "fixed":
        back = DesireNetwork.load(path)
        wanted = [each.numpy() for each in back.forward(images).spikes]
        assert wanted[1].any()
        for mine, other in zip(as_integers(back).spikes(wanted[0]), wanted[1:], strict=True):
            np.testing.assert_array_equal(mine, other)


def test_declarations_import_nothing_heavy(tmp_path):
    program = (
        "import json, sys\n"
        "from lava_desire.deploy.targets import find_targets\n"
        "find_targets()\n"
        "print(json.dumps(sorted({'torch', 'numpy', 'lava', 'nir', 'h5py'} & set(sys.modules))))"
    )
    assert python(program, cwd=tmp_path) == []


def test_the_name_of_a_target_is_that_of_its_file():
    for to, target in TARGETS.items():
        assert target.write.__module__ == f"{targets.__name__}.{to}"


def test_declared_ranges_are_those_of_the_integers():
    fields = TARGETS["fixed"].options.__dataclass_fields__
    assert fields["weight_bits"].metadata["allowed"] == WEIGHT_BITS


@pytest.mark.parametrize(
    ("to", "name", "options", "message"),
    [
        ("none", "net.nir", {}, f"to is 'none': expected one of {', '.join(TARGETS)}"),
        ("nir", "net.net", {}, "net.net': expected a name that ends in .nir"),
        ("lava", "net.py", {"dt": 1}, "dt is given with to='lava': expected no option"),
        ("nir", "net.nir", {"dt": 1}, "dt is given with to='nir': expected dialect"),
        ("nir", "net.nir", {"dialect": "x"}, "dialect is 'x': expected one of common, nirtorch"),
        ("fixed", "net.safetensors", {"bits": 4}, "expected weight_bits or data"),
        ("fixed", "net.safetensors", {"weight_bits": 9}, "weight_bits is 9: expected an integer"),
        ("fixed", "net.safetensors", {}, "data is not given with to='fixed': expected samples to"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_is_written(to, name, options, message, tmp_path):
    with pytest.raises(ValueError, match=r".+") as caught:
        export(network_of(8, 4, 3), tmp_path / name, to, **options)
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_network_that_a_target_cannot_hold_is_refused_by_name(tmp_path):
    floating = DesireNetwork(DesireConfig((8, 4, 3)))
    integers = scale_to_integers(network_of(8, 4, 3))
    for network, to, message in (
        (floating, "lava", "stock Lava neurons reset to zero: train with reset='zero', or"),
        (floating, "netx", "export with convert_reset=True, and measure the accuracy then"),
        (integers, "nir", "in fixed point already: export one in floating point"),
        (integers, "fixed", "in fixed point already: copy its checkpoint"),
        ("net", "nir", "network is a str: expected a DesireNetwork or an IntegerNetwork"),
    ):
        with pytest.raises(ValueError, match=r".+") as caught:
            export(network, tmp_path / f"net{TARGETS[to].suffix}", to)
        assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_help_of_reset_names_the_targets_whose_neurons_reset_to_zero():
    subtracting = DesireNetwork(DesireConfig((8, 4, 3)))
    need_zero = []
    for name, target in TARGETS.items():
        try:
            target.check(subtracting)
        except ValueError as error:
            need_zero += [name] if "reset" in str(error) else []
    (field,) = (each for each in dataclasses.fields(DesireConfig) if each.name == "reset")
    assert f"export --to {', '.join(need_zero)} need zero" in declared(field).help


def test_other_synapses_are_refused_by_name_wherever_a_network_leaves(monkeypatch, tmp_path):
    monkeypatch.setattr(Synapse, "kinds", dict(Synapse.kinds))

    class Other(Dense):
        name = "other"

    config = DesireConfig(reset="zero", layers=(4, Other(3)), input_shape=(8,))
    network = DesireNetwork(config)
    message = "synapses of layer 2 are other: {} knows dense and conv2d only"
    for to, target in TARGETS.items():
        path = tmp_path / f"net{target.suffix}"
        known = message.replace("dense and conv2d", " and ".join(target.synapses))
        with pytest.raises(ValueError, match=known.format(to)):
            export(network, path, to)
    with pytest.raises(ValueError, match=message.format("stock Lava")):
        on_stock(network)
    with pytest.raises(ValueError, match=message.format("an IntegerNetwork")):
        scale_to_integers(network)
    assert not list(tmp_path.iterdir())


def test_the_page_shows_what_the_targets_declare():
    rows = ["| `to` | writes | files | options |", "| --- | --- | --- | --- |"]
    for to, target in TARGETS.items():
        files = " and ".join(f"`{each}`" for each in (target.suffix, target.beside) if each)
        options = ", ".join(f"`{name}`" for name in target.options.__dataclass_fields__)
        rows.append(f"| `{to}` | {target.summary.rstrip('.')} | {files} | {options} |")
    page = Path(__file__).parents[2] / "docs" / "export.md"
    table = "\n".join(rows)
    assert table in page.read_text("utf-8"), f"expected in docs/export.md:\n{table}"
