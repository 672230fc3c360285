"""A training run as the command line knows it: a data source, a network and a folder.

What is heavy (torch, numba, Matplotlib, data) is imported where it is used, so that help and bad
options are answered at once.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lava_desire._fields import MAX_NEURONS
from lava_desire.cli.machine import environment
from lava_desire.config import PRESETS, DesireConfig
from lava_desire.engine.choices import KERNELS, PRECISIONS
from lava_desire.engine.history import METRICS_CSV, METRICS_JSON
from lava_desire.engine.interrupt import Interrupted
from lava_desire.files import FolderLock
from lava_desire.strict_json import parse_json

if TYPE_CHECKING:
    from lava_desire.data import Dataset
    from lava_desire.engine import DesireNetwork, History
    from lava_desire.engine.trainer import TrainingRun

RUN = "run.json"
LEARNING_CURVE = "learning_curve.png"
AUTO = "auto"
FIXED_POINT = "fixed_point"
TRAINING_BACKENDS = ("torch", "lava")
_MAX_TEXT_BYTES = 1 << 20


@dataclass(frozen=True)
class Source:
    """Where the samples come from: a named data set and its folder, or a user's file."""

    dataset: str | None = None
    data_dir: str | None = None
    file: str | None = None

    def __post_init__(self) -> None:
        if self.file is not None and self.dataset is not None:
            raise ValueError(
                f"both --data {self.file} and --dataset {self.dataset} are given: expected one"
            )

    def load(self) -> Dataset:
        """Load the samples."""
        from lava_desire.data import load_data, load_dataset

        if self.file is not None:
            return load_data(self.file)
        return load_dataset(self.dataset or "digits", self.data_dir)


@dataclass
class Run:
    """What :func:`train_run` needs.

    Under torchrun `job` is its name, and `is_first` whether this is the rank that writes.
    """

    source: Source
    data: Dataset
    network: DesireNetwork
    folder: Path
    resume: bool = False
    backend: str = "torch"
    job: str | None = None
    is_first: bool = True


def make_config(
    data: Dataset,
    given: Mapping[str, Any] | None = None,
    *,
    preset: str | None = None,
    file: str | None = None,
    layers: str | None = None,
) -> DesireConfig:
    """Return the preset or the config file asked for, with the fields given, sized for the data.

    Without either the preset of the data set's name is taken, and for a user's own data the
    digits preset, whose schedule suits small sets.
    """
    config = _base(preset, file, data.name)
    hidden = config.layer_sizes[1:-1] if layers is None else parse_layers(layers)
    sizes = (data.num_inputs, *hidden, data.num_classes)
    with named_as_options():
        return config.replace(layer_sizes=sizes, **given or {})


def check_settings(
    given: Mapping[str, Any],
    name: str,
    *,
    preset: str | None = None,
    file: str | None = None,
    layers: str | None = None,
) -> None:
    """Refuse what :func:`make_config` would for any data, before data or torch are loaded."""
    config = _base(preset, file, name)
    hidden = config.layer_sizes[1:-1] if layers is None else parse_layers(layers)
    largest_image = math.isqrt(MAX_NEURONS) ** 2
    with named_as_options():
        config.replace(layer_sizes=(largest_image, *hidden, config.layer_sizes[-1]), **given)


def _base(preset: str | None, file: str | None, name: str) -> DesireConfig:
    if preset is not None and file is not None:
        raise ValueError(f"both --preset {preset} and --config {file} are given: expected one")
    if file is not None:
        return read_config(file)
    with named_as_options():
        return DesireConfig.preset(preset or (name if name in PRESETS else "digits"))


def check_choice(option: str, value: str | None, allowed: Sequence[str]) -> None:
    """Refuse the value of an option that is not one of a few.

    Raises
    ------
    ValueError
        Naming option, value and choices.
    """
    if value is not None and value not in allowed:
        few = " or ".join([*allowed, "none"][:2])
        expected = f"one of {', '.join(allowed)}" if len(allowed) > 2 else few
        raise ValueError(f"{option} is {value!r}: expected {expected}")


def check_computing(device: str | None, precision: str = AUTO, kernels: str = AUTO) -> None:
    """Refuse what is no device, precision or kind of kernels; whether they are here, torch says."""
    check_choice("--precision", precision, (AUTO, *PRECISIONS, FIXED_POINT))
    check_choice("--kernels", kernels, KERNELS)
    if device is not None and not re.fullmatch(r"(cpu|cuda)(:\d+)?", device):
        raise ValueError(f"--device is {device!r}: expected cpu, cuda or cuda:N")


_PARAMETERS = [field.name for field in dataclasses.fields(DesireConfig)]
_PARAMETERS += ["preset", "device", "precision", "kernels"]
# A name that is a plain word as well is meant where something is said of it.
_NAMED = re.compile(
    "|".join(
        rf"(?<![\w-]){name}\b" + ("" if "_" in name else r"(?= is | [<>])") for name in _PARAMETERS
    )
)


@contextmanager
def named_as_options() -> Iterator[None]:
    """Let errors within name the options of the command line, in place of Python's parameters."""
    try:
        yield
    except ValueError as error:
        said = _NAMED.sub(lambda found: option_of(found[0]), str(error))
        if said == str(error):
            raise
        raise ValueError(said) from error


def option_of(field: str) -> str:
    """Return the option that sets a field of the configuration: ``--layers`` or its own name."""
    return "--layers" if field == "layer_sizes" else f"--{field.replace('_', '-')}"


def read_config(path: str | Path) -> DesireConfig:
    """Read a configuration from a JSON file.

    Raises
    ------
    ValueError
        If it holds none; the message names the file.
    OSError
        If it cannot be read.
    """
    try:
        return DesireConfig.from_json(_read_text(Path(path)))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _read_text(path: Path) -> str:
    """Read a small text file, and no endless one."""
    with path.open("rb") as file:
        content = file.read(_MAX_TEXT_BYTES + 1)
    if len(content) > _MAX_TEXT_BYTES:
        raise ValueError(f"{path} has more than {_MAX_TEXT_BYTES} bytes: expected a small file")
    return content.decode()


def trained_file(place: str) -> Path:
    """Return a checkpoint, or that of a run folder: its best, or its last where there is none.

    Raises
    ------
    FileNotFoundError
        If there is nothing of that name.
    """
    from lava_desire.engine.run_folder import BEST, CHECKPOINT

    path = Path(place)
    if path.is_dir():
        path = path / BEST if (path / BEST).exists() else path / CHECKPOINT
    if not path.exists():
        raise FileNotFoundError(f"No such file: {path}; expected a checkpoint, or a run folder")
    return path


def parse_layers(text: str) -> tuple[int, ...]:
    """Read the sizes of the hidden layers: ``"200,100"`` becomes ``(200, 100)``."""
    try:
        sizes = tuple(int(size) for size in text.replace(",", " ").split())
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise ValueError(
            f"--layers is {text!r}: expected the sizes of the hidden layers, each at least 1, "
            "as in --layers 200 100"
        )
    return sizes


def parse_scale(text: str | None) -> tuple[float, ...] | None:
    """Read factors on the learning rate, one a plastic layer: ``"1,1,2"``."""
    if text is None:
        return None
    try:
        return tuple(float(factor) for factor in text.replace(",", " ").split())
    except ValueError:
        raise ValueError(
            f"--learning-rate-scale is {text!r}: expected numbers, one a plastic layer, as in 1,1,2"
        ) from None


def check_data(network: DesireNetwork, data: Dataset) -> None:
    """Refuse samples that the network cannot learn, before anything is made or replaced.

    Raises
    ------
    ValueError
        As :func:`~lava_desire.engine.fit`.
    """
    from lava_desire.engine.evaluation import checked_data
    from lava_desire.engine.samples import training_pairs

    train, test, _ = training_pairs(network, data, None)
    for name, part in (("train", train), ("test", test)):
        if part is not None:
            checked_data(network, part, name)


def make_network(
    config: DesireConfig, device: str, precision: str, kernels: str = AUTO
) -> DesireNetwork:
    """Build the network, its precision chosen by device where it is left open.

    The precision ``fixed_point`` makes a network that learns in integers.
    """
    from lava_desire.engine import DesireNetwork, default_precision

    with named_as_options():
        if precision == FIXED_POINT:
            return DesireNetwork(config, device, kernels=kernels, arithmetic=FIXED_POINT)
        if precision == AUTO:
            precision = default_precision(device)
        return DesireNetwork(config, device, precision=precision, kernels=kernels)


def on_backend(network: DesireNetwork, backend: str | None, data: Dataset) -> DesireNetwork:
    """Return the network in the arithmetic asked for; integers are scaled on the training set."""
    if backend is None or network.arithmetic == FIXED_POINT:
        return network
    from lava_desire.deploy import quantize

    return quantize(network, data).network


def check_folder(output: str | None, force: bool) -> None:
    """Refuse the folder of another run, unless that may be replaced.

    Raises
    ------
    FileExistsError
        If there is a run in the folder.
    """
    from lava_desire.engine.run_folder import holds_run

    if output is not None and not force and holds_run(Path(output)):
        raise FileExistsError(
            f"{output} already holds a run: go on with --resume {output}, choose another "
            "folder, or replace it with --force"
        )


def new_folder(output: str | None, name: str, force: bool) -> Path:
    """Make the folder of a new run, emptied of an older run only when that is asked for."""
    from lava_desire.engine.run_folder import (
        BEST,
        BEST_AVERAGE,
        CHECKPOINT,
        CONFIG,
        PREVIOUS,
        holds_run,
    )

    folder = Path(output) if output else _folder_of_now(name)
    if holds_run(folder):
        check_folder(output, force)
        metrics = (METRICS_CSV, METRICS_JSON, LEARNING_CURVE)
        with FolderLock(folder):
            for name in (RUN, CONFIG, *metrics, BEST, BEST_AVERAGE, PREVIOUS, CHECKPOINT):
                (folder / name).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _folder_of_now(name: str) -> Path:
    """Return a folder named for the time, which no run has: clocks may be set back."""
    from lava_desire.engine.run_folder import holds_run

    folder = Path(f"runs/{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    others = (folder.with_name(f"{folder.name}-{number}") for number in itertools.count(2))
    return next(place for place in itertools.chain([folder], others) if not holds_run(place))


def open_run(
    folder: Path,
    device: str | None,
    epochs: int | None,
    backend: str | None = None,
    place: Callable[[str], str] = str,
) -> Run:
    """Open a run to go on with it: what is not given is as its files say.

    `place` is what makes a rank's own device of the one that all were given.
    """
    source, notes = read_notes(folder / RUN)
    from lava_desire.engine.run_folder import read_latest

    device, backend = place(device or notes["device"]), backend or notes["backend"]
    precision, kernels = notes["precision"], notes["kernels"]
    config = read_latest(folder)[0].config
    if epochs is not None:
        with named_as_options():
            config = config.replace(epochs=epochs)
    network = make_network(config, device, precision, kernels)
    return Run(source, source.load(), network, folder, resume=True, backend=backend)


def read_notes(path: Path) -> tuple[Source, dict[str, str]]:
    """Read what a run notes about itself: its source, and device, precision, kernels, backend.

    Raises
    ------
    ValueError
        If there are no notes, or they are damaged.
    OSError
        If they cannot be read.
    """
    if not path.is_file():
        raise ValueError(f"{path.parent} holds no run to resume: {path.name} is missing")
    try:
        notes = {"kernels": AUTO, "backend": "torch", **parse_json(_read_text(path))}
        source = Source(**notes["source"])
        settings = {name: notes[name] for name in ("device", "precision", "kernels", "backend")}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    places = [place for place in asdict(source).values() if place is not None]
    if not all(isinstance(text, str) for text in (*settings.values(), *places)):
        raise ValueError(f"{path} is damaged: expected texts as source and settings")
    return source, settings


def train_run(run: Run, display: Any) -> History:
    """Train, showing progress, and leave config, metrics, checkpoints and curve in the folder."""
    network = run.network
    chosen = _training_class(run.backend, network)
    with named_as_options():
        training = chosen(network, run.data, None, run.folder)
    notes = {
        "source": asdict(run.source),
        "device": str(network.device) if run.job is None else network.device.type,
        "precision": network.precision,
        "kernels": network.kernels,
        "backend": run.backend,
        "environment": environment(),
    }
    notes |= {"classes": list(run.data.names)} if run.data.class_names else {}
    notes |= {"job": run.job} if run.job is not None else {}
    training.notes[RUN] = (json.dumps(notes, indent=2) + "\n").encode()
    try:
        with display:
            history = training.carry_out(run.resume, on_progress=display.update)
    except Interrupted as interrupted:
        # typer would take it for a plain Ctrl-C and say nothing.
        if run.is_first:
            print(
                f"interrupted, saved; resume with: lava-desire train --resume {run.folder}",
                file=sys.stderr,
            )
        raise typer.Exit(interrupted_status(interrupted)) from interrupted
    if run.is_first and history.records:
        from lava_desire.analysis import plot_learning_curve

        plot_learning_curve(history, run.folder / LEARNING_CURVE)
    return history


def interrupted_status(interrupted: Interrupted) -> int:
    """Return the exit status that says which signal it was, as shells count: 130, or 143."""
    return 128 + interrupted.signal


def _training_class(backend: str, network: DesireNetwork) -> type[TrainingRun]:
    """Return what trains: the engine, alone or as a rank, or a network of Lava processes."""
    check_choice("--backend", backend, TRAINING_BACKENDS)
    if backend == "torch":
        from lava_desire.engine.trainer import training_class

        return training_class(network)
    from lava_desire.cli.lava_backend import LavaTrainingRun

    return LavaTrainingRun


def terminal_width() -> int:
    """Return the width of the terminal, or 100 where the output goes to a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 100
