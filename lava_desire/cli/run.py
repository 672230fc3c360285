"""A training run of the command line: a data source, a network and a folder.

What is heavy (torch, numba, Matplotlib, data) is imported where it is used, so that help and bad
options are answered at once.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lava_desire._provenance import commit
from lava_desire._text import printable
from lava_desire.backends.registry import KERNELS, PRECISIONS
from lava_desire.cli.machine import environment
from lava_desire.cli.printing import say
from lava_desire.cli.run_data import Notes, Source, content_of, data_of, notes_file, read_notes
from lava_desire.config import OPTIONS, PRESETS, DesireConfig
from lava_desire.files import FolderLock, check_regular
from lava_desire.model.conv2d import Conv2d
from lava_desire.model.fields import MAX_NEURONS
from lava_desire.model.option import refuse_augmentation_of
from lava_desire.model.synapses import Synapse, layers_of
from lava_desire.training.choose import BACKENDS, training_class
from lava_desire.training.history import LEARNING_CURVE, RUN
from lava_desire.training.interrupt import Interrupted

if TYPE_CHECKING:
    from lava_desire.cli.torchrun import Team
    from lava_desire.data import Dataset
    from lava_desire.engine import DesireNetwork, History

SEEDS, SWEEP = "seeds.json", "sweep.json"  # of several runs, each in a folder in theirs
AUTO = "auto"
FIXED_POINT = "fixed_point"
FIGURES = (".png", ".pdf", ".svg")
_NOT_IN_NAMES = re.compile(r"[^\w.+-]")
_SEPARATOR = re.compile(r"\s*,\s*|\s+")


@dataclass
class Run:
    """What :func:`train_run` needs.

    Under torchrun `job` is its name, and `is_first` whether this is the rank that writes. A new run
    `replaces` one that is in the folder, as ``--force`` asks for; `notes` are those of a run that
    is resumed. Of the training samples a share is for `validation`, where one is given; of
    several runs to choose among none `reads_test` samples; `choose` says whose weights it is for.
    With a `patience` it ends when its accuracy has not risen for so many epochs.
    """

    source: Source
    data: Dataset
    network: DesireNetwork
    folder: Path
    resume: bool = False
    backend: str = "torch"
    replaces: bool = False
    notes: Notes | None = None
    job: str | None = None
    validation: float | None = None
    patience: int | None = None
    tensorboard: bool = False
    reads_test: bool = True
    choose: str = "best"
    is_first: bool = True
    epochs_done: int = 0

    @property
    def is_finished(self) -> bool:
        """Whether all epochs that are asked for were done before."""
        return self.epochs_done > 0 and self.epochs_done >= self.network.config.epochs


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
    given = dict(given or {})
    if file is None and data.num_steps is not None:
        given.setdefault("num_steps", data.num_steps)
    if data.has_spikes and data.input_shape:
        given["input_shape"] = data.input_shape  # spikes in another order of axes are refused then
    config = sized(config, layers, given, data.num_inputs, data.num_classes, data.input_shape)
    with named_as_options():
        refuse_augmentation_of(config, spikes=data.has_spikes)
    return config


def check_settings(
    given: Mapping[str, Any],
    name: str,
    *,
    preset: str | None = None,
    file: str | None = None,
    layers: str | None = None,
) -> None:
    """Refuse what :func:`make_config` would, before data or torch are loaded.

    Of a named data set all of it, of others what is refused for any data.
    """
    config = _base(preset, file, name)
    if name in PRESETS:
        sized_alike(config, layers, given, PRESETS[name])
        return
    hidden: Any = None if layers is None else parse_layers(layers)
    with named_as_options():
        if hidden is None and config.layers:
            config.replace(**given)
            return
        if hidden and isinstance(hidden[-1], Synapse):
            hidden = (1,) * (len(hidden) - 1)  # their sizes depend on the data
        config.resized(math.isqrt(MAX_NEURONS // 4) ** 2, hidden, **given)


def sized_alike(
    config: DesireConfig, layers: str | None, given: Mapping[str, Any], known: DesireConfig
) -> DesireConfig:
    """Return a configuration with other layers and fields, for samples as of another.

    Where it takes them flat they are square images, if that many inputs can be.
    """
    return sized(config, layers, given, known.num_pixels, known.num_classes, known.image_planes)


def untrained(
    given: Mapping[str, Any],
    *,
    dataset: str | None = None,
    preset: str | None = None,
    file: str | None = None,
    layers: str | None = None,
) -> DesireConfig:
    """Return the configuration that is trained on a data set, without loading samples.

    Without one the inputs and classes are the preset's or the config file's own, where training
    without one takes digits.
    """
    config = _base(preset, file, dataset or "digits")
    return sized_alike(config, layers, given, config if dataset is None else PRESETS[dataset])


def sized(
    config: DesireConfig,
    layers: str | None,
    given: Mapping[str, Any],
    num_inputs: int,
    num_classes: int,
    input_shape: tuple[int, ...],
) -> DesireConfig:
    """Return a configuration with other layers and fields, for samples of a size.

    `layers` are a text as :func:`parse_layers` takes it; None leaves the configuration's.

    Planes are those of the samples where the network has any: a dense one takes images flat.
    """
    found: Any = () if layers is None else parse_layers(layers)
    is_whole = bool(found) and isinstance(found[-1], Synapse)
    kinds = found if is_whole else () if found else config.layers
    said = (
        f"{'--layers is' if is_whole else '--config has the layers'} {' '.join(map(str, kinds))!r}"
    )
    changes = dict(given)
    # A dense network that moves or filters images has to know those that are not square.
    names = (option.switch().name for option in OPTIONS if option.needs_planes)
    moves = any(given.get(name, getattr(config, name)) for name in names)
    is_oblong = len(input_shape) == 3 and input_shape[1] != input_shape[2]
    if kinds or len(config.input_shape) == 3 or (moves and is_oblong):
        known = input_shape
        if not known and math.prod(config.input_shape) == num_inputs:
            known = config.input_shape
        if not known and any(isinstance(layer, Conv2d) for layer in kinds):
            raise ValueError(
                f"{said}, and a sample is a row of {num_inputs}: "
                "expected images, (S, height, width) or (S, channels, height, width), or events"
            )
        changes["input_shape"] = known or (num_inputs,)
    with named_as_options():
        if is_whole:
            made = config.replace(layers=found, **changes)
        else:
            classes = None if num_classes == config.num_classes else num_classes
            made = config.resized(num_inputs, found or None, classes, **changes)
    if made.num_classes != num_classes:
        raise ValueError(
            f"{said}, whose last layer is the output and has "
            f"{made.num_classes} neurons: expected {num_classes}, one a class"
        )
    return made


def bin_events(
    source: Source,
    given: dict[str, Any],
    *,
    preset: str | None = None,
    file: str | None = None,
    layers: str | None = None,
) -> Source:
    """Return where the samples are, of recordings with as many bins as the window has steps.

    That is --bins, --num-steps, or what the preset or the config file says. Raises ValueError if
    the first two differ.
    """
    bins, steps = (source.binning or {}).get("bins"), given.get("num_steps")
    if bins is not None:
        if steps not in (None, bins):
            raise ValueError(f"--bins is {bins} and --num-steps {steps}: expected one of them")
        given["num_steps"] = steps = bins
    return source.binned(_base(preset, file, "").num_steps if steps is None else steps)


def _base(preset: str | None, file: str | None, name: str) -> DesireConfig:
    if preset is not None and file is not None:
        raise ValueError(f"both --preset {preset} and --config {file} are given: expected one")
    if file is not None:
        return config_in(Path(file))
    with named_as_options():
        return DesireConfig.preset(preset or (name if name in PRESETS else "digits"))


def check_choice(option: str, value: str | None, allowed: Sequence[str]) -> None:
    """Refuse the value of an option that is not one of a few: ValueError names all of it."""
    if value is not None and value not in allowed:
        few = " or ".join(allowed) if len(allowed) > 1 else f"{allowed[0]}, or leave it out"
        expected = f"one of {', '.join(allowed)}" if len(allowed) > 2 else few
        raise ValueError(f"{option} is {value!r}: expected {expected}")


def compile_ahead(
    device: str | None = None,
    precision: str | None = None,
    kernels: str | None = None,
    *,
    batch_size: int | None = None,
    quiet: bool = False,
) -> None:
    """Let other processes compile what training calls while this one loads torch and data."""
    in_integers = precision == FIXED_POINT
    is_compiled = kernels in (None, AUTO, "compiled")
    is_compiled = is_compiled and (in_integers or precision in (None, AUTO, "float32"))
    if is_compiled and (device or "cpu") == "cpu":
        from lava_desire.backends.numba import ahead

        of_floats = ahead.groups_of(batch_size)
        groups = ahead.groups_in_integers(False) if in_integers else of_floats
        meanwhile = kernels != "compiled" and not in_integers
        ahead.start(*groups, say=None if quiet else ahead.say, meanwhile=meanwhile)


def check_computing(
    device: str | None, precision: str | None = None, kernels: str | None = None
) -> None:
    """Refuse what is no device, precision or kind of kernels; whether they are here, torch says."""
    check_choice("--precision", precision, (AUTO, *PRECISIONS, FIXED_POINT))
    check_choice("--kernels", kernels, KERNELS)
    if device is not None and not re.fullmatch(r"(cpu|cuda)(:\d+)?", device):
        raise ValueError(f"--device is {device!r}: expected cpu, cuda or cuda:N")


_PARAMETERS = [
    field.name for field in dataclasses.fields(DesireConfig) if field.name != "input_shape"
]
_PARAMETERS += ["preset", "device", "precision", "kernels", "validation"]
# A name that is a plain word as well is meant where something is said of it.
_NAMED = re.compile(
    "|".join(
        rf"(?<![\w-]){name}\b" + ("" if "_" in name else r"(?= is | [<>])") for name in _PARAMETERS
    )
)


@contextmanager
def named_as_options(names: re.Pattern[str] = _NAMED) -> Iterator[None]:
    """Let errors within name the options of the command line, in place of Python's parameters."""
    try:
        yield
    except ValueError as error:
        said = names.sub(lambda found: option_of(found[0]), str(error))
        if said == str(error):
            raise
        raise ValueError(said) from error


def option_of(field: str) -> str:
    """Return the option that sets a field of the configuration: ``--layers`` or its own name."""
    return "--layers" if field == "layer_sizes" else f"--{field.replace('_', '-')}"


def config_in(place: Path) -> DesireConfig:
    """Return the configuration of a file, a run folder or a checkpoint.

    Raises ValueError, naming the file, if it holds none; OSError if it cannot be read.
    """
    if place.is_dir():
        place = place / "config.json"
        check_regular(place, follow=False)
    if place.suffix == ".safetensors":
        from lava_desire.checkpoint import read_checkpoint

        return read_checkpoint(place).config
    return DesireConfig.from_file(place)


def trained_file(place: str) -> Path:
    """Return a checkpoint, or that of a run folder: the one that the test set was read with.

    Where it was not, at the end of a run, its best, averaged ones where they did better, or its
    last where there is none. Raises FileNotFoundError if there is nothing of that name, or the
    folder holds runs.
    """
    path = Path(place)
    if path.is_dir():
        from lava_desire.checkpoint import BEST, CHECKPOINT

        names = (_chosen_weights(path), BEST, CHECKPOINT)
        there = (name for name in names if name and os.path.lexists(path / name))
        path /= next(there, CHECKPOINT)
        if os.path.lexists(path):
            check_regular(path, follow=False)
    if not path.exists():
        expected = "a checkpoint, or a run folder"
        if path.parent == Path(place):
            runs = sorted(each.parent.name for each in Path(place).glob(f"*/{path.name}"))
            listed = ", ".join(map(printable, runs[:5])) + (", ..." if len(runs) > 5 else "")
            expected += f"; of runs it holds {listed}" if runs else ""
        raise FileNotFoundError(f"No such file: {path}; expected {expected}")
    return path


def _chosen_weights(folder: Path) -> str | None:
    """Return the name of the weights that a run says are its best, or has read its test set with.

    None where it says neither.
    """
    from lava_desire.checkpoint import CheckpointError
    from lava_desire.training.run_folder import read_history

    try:
        return read_history(folder).weights_file
    except (OSError, CheckpointError):
        return None


def parse_layers(text: str) -> tuple[int, ...] | tuple[Synapse, ...]:
    """Read the layers: ``"200,100"``, sizes of the hidden ones, becomes ``(200, 100)``.

    Where one is no number, as in ``"16c5s2 32c5s2 10"``, they are all there are, the output layer
    being the last, and become connections.
    """
    texts = _SEPARATOR.split(text.strip())
    try:
        sizes = tuple(int(size) for size in texts)
    except ValueError:
        sizes = ()
    if sizes and min(sizes) >= 1:
        return sizes
    reason = ""
    if not sizes and all(texts) and not all(each.isdecimal() for each in texts):
        try:
            return layers_of(texts)
        except ValueError as error:
            unknown = re.match(r"layers holds (.* as (layer \d+))", str(error))
            if not unknown:
                raise ValueError(f"--layers is {text!r}: {error}") from None
            reason = f", the stride s before the padding p; {unknown[2]} is none"
    raise ValueError(
        f"--layers is {text!r}: expected the sizes of the hidden layers, each at least 1, as in "
        "--layers 200 100; or, where one is a convolution, all layers, the last with a neuron a "
        f"class, as in --layers 16c5s2 32c5s2 10{reason}"
    )


def check_data(
    network: DesireNetwork, data: Dataset, validation: float | None, backend: str
) -> None:
    """Refuse what cannot learn, or samples that it cannot, before anything is made or replaced.

    Raises the ValueErrors of :func:`~lava_desire.engine.fit`.
    """
    from lava_desire.training.evaluation import checked_data
    from lava_desire.training.samples import split_off, training_pairs

    with named_as_options():
        training_class(network, backend).check_network(network)
        train, held_out, _ = training_pairs(network, data)
        checked = checked_data(network, train, "train")
        for name, part in held_out.items():
            checked_data(network, part, name)
        if validation is not None:
            split_off(checked, validation, network.config.seed)


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


def check_output(
    option: str,
    output: str,
    suffixes: Sequence[str],
    trained: Path | None = None,
    data: Source | None = None,
) -> Path:
    """Return the file that an option names, for a command that reads a checkpoint and `data`.

    Raises ValueError if its name ends in none of the `suffixes`, there is no such folder, or a file
    would be lost: one of a run, its data, or the checkpoint itself.
    """
    from lava_desire.training.run_folder import FILES, holds_run

    path = Path(output)
    if path.suffix.lower() not in suffixes:
        few = " or ".join(suffixes)
        raise ValueError(f"{option} is {output!r}: expected a name that ends in {few}")
    if not path.parent.is_dir():
        raise ValueError(f"{option} is {output!r}: there is no folder {path.parent}")
    elsewhere = "expected the name of another file"
    place = Path(os.path.realpath(path))
    for each in (path, place):
        folder = each.parent
        if each.name in FILES and (holds_run(folder) or os.path.lexists(folder / RUN)):
            raise ValueError(f"{option} is {output!r}, a file of the run in {folder}: {elsewhere}")
    given = None if data is None else data.file or data.events
    if given is not None and place == Path(os.path.realpath(given)):
        raise ValueError(f"{option} is {output!r}, the data: {elsewhere}")
    if trained is None:
        return path
    if place == Path(os.path.realpath(trained)):
        raise ValueError(f"{option} is {output!r}, the checkpoint that is read: {elsewhere}")
    notes = trained.parent / RUN
    file = read_notes(notes).source.file if os.path.lexists(notes) else None
    if file is not None and place == Path(os.path.realpath(file)):
        raise ValueError(f"{option} is {output!r}, the data of the run: {elsewhere}")
    return path


def check_folder(output: str | None, force: bool) -> None:
    """Refuse a file, and the folder of another run, unless that may be replaced.

    Raises FileExistsError if there is a run in the folder, or several, or it is a file.
    """
    if output is None or not os.path.lexists(output):
        return
    from lava_desire.training.run_folder import holds_run

    if not os.path.isdir(output):
        raise FileExistsError(
            f"--output is {output!r}, which is no folder: expected one, or a new name"
        )
    if force:
        return
    several = any(os.path.lexists(Path(output) / name) for name in (SEEDS, SWEEP))
    more = ", with more of them by --seeds" if os.path.lexists(Path(output) / SEEDS) else ""
    if several or holds_run(Path(output)):
        raise FileExistsError(
            f"{output} already holds {'runs' if several else 'a run'}: resume with --resume "
            f"{output}{more}, choose another folder, or replace it with --force"
        )


def new_folder(output: str | None, name: str, force: bool) -> Path:
    """Make the folder of a new run; one that is in it stays until the new one has begun.

    Raises the errors of :func:`check_folder`; FolderInUseError if another process writes in it.
    """
    if output is None:
        return _folder_of_now(name)
    check_folder(output, force)
    folder = Path(output)
    make_folder(folder)
    with FolderLock(folder):  # refused before anything is said of the run
        return folder


def make_folder(folder: Path) -> None:
    """Make a folder and those above it. Raises OSError that names it and what is expected."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"The folder {folder} cannot be made ({error.strerror}): expected one in a folder that "
            "can be written in"
        ) from None


def _folder_of_now(name: str) -> Path:
    """Make a folder named for the time that is nobody's, also not of who began in this second."""
    first = Path("runs") / f"{_NOT_IN_NAMES.sub('_', name)}-{time.strftime('%Y%m%d-%H%M%S')}"
    make_folder(first.parent)
    for number in itertools.count(1):
        folder = first if number == 1 else first.with_name(f"{first.name}-{number}")
        with suppress(FileExistsError):
            folder.mkdir()
            break
    return folder


def open_run(
    place: Path,
    device: str | None,
    epochs: int | None,
    backend: str | None = None,
    given: Source = Source(),  # noqa: B008 - it cannot change
    team: Team | None = None,
) -> Run:
    """Open the run of a folder, or of a checkpoint, to resume it.

    What is not given is as its files say; the samples that are given must be the same.
    """
    from lava_desire.checkpoint import CHECKPOINT, PREVIOUS
    from lava_desire.training.run_folder import read_latest

    folder = place
    if place.is_file():
        folder = place.parent
        if place.name not in (CHECKPOINT, PREVIOUS):
            raise ValueError(f"--resume is {place}: expected the folder of a run, as {folder}")
    notes = read_notes(folder / RUN)
    settings = notes.settings
    device = device or settings["device"]
    device = team.launch.place(device) if team else device
    latest = read_latest(folder)[0]
    config, done = latest.config, latest.state.get("epoch")
    if epochs is not None:
        with named_as_options():
            config = config.replace(epochs=epochs)
    network = make_network(config, device, settings["precision"], settings["kernels"])

    def load() -> tuple[Source, Dataset]:
        return data_of(folder, given, same=True)

    source, data = team.in_turn(load) if team else load()
    backend = backend or settings["backend"]
    check_choice("--backend", backend, BACKENDS)
    with named_as_options():
        training_class(network, backend).check_network(network)
    run = Run(source, data, network, folder, resume=True, backend=backend, notes=notes)
    run.validation, run.patience, run.choose = notes.validation, notes.patience, notes.choose
    run.tensorboard = notes.tensorboard
    run.epochs_done = done if isinstance(done, int) else 0
    return run


def train_run(run: Run, display: Any, again: str | None = None) -> History:
    """Train, showing progress, and leave config, metrics, checkpoints and curve in the folder.

    An interrupted run says which command resumes it, or the several that it is one of.
    """
    network = run.network
    from lava_desire.training.callbacks import EarlyStopping
    from lava_desire.training.loggers import TensorBoardLogger
    from lava_desire.training.run_folder import holds_run

    with named_as_options():
        training = training_class(network, run.backend)(
            network,
            run.data if run.reads_test else run.data.without_test(),
            None,
            run.folder,
            run.validation,
            run.choose,
        )
    training.replaces = run.replaces
    training.notes = _notes(run)
    if run.patience is not None:
        training.callbacks.append(EarlyStopping(run.patience))
    if run.tensorboard:
        training.callbacks.append(TensorBoardLogger())
    if training.validation is not None:
        display.column = "validation"
    try:
        with display:
            history = training.carry_out(run.resume, on_progress=display.update, after_each=False)
        if run.is_first and history.records:
            from lava_desire.analysis import plot_learning_curve

            plot_learning_curve(history, run.folder / LEARNING_CURVE)
    except KeyboardInterrupt as interrupted:
        if not isinstance(interrupted, Interrupted) and not holds_run(run.folder):
            raise
        if run.is_first:
            again = again or f"train --resume {run.folder}"
            say(f"interrupted, saved; resume with: lava-desire {again}", sys.stderr)
        raise typer.Exit(interrupted_status(interrupted)) from interrupted
    return history


def _notes(run: Run) -> dict[str, bytes]:
    """Return the file that tells where a run's data are, if it is new or they have moved."""
    network, source = run.network, run.source.absolute()
    if run.resume:
        if run.notes is None or run.notes.source == source:
            return {}
        return {RUN: run.notes.with_source(source, run.data)}
    fields: dict[str, Any] = {
        "source": asdict(source),
        "content": content_of(run.data),
        "device": str(network.device) if run.job is None else network.device.type,
        "precision": network.precision,
        "kernels": network.kernels,
        "backend": run.backend,
        "commit": commit(),
        "environment": environment(),
        "begun": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    if Path(sys.argv[0]).stem in ("lava-desire", "__main__"):  # and not called from Python
        fields["command"] = shlex.join(["lava-desire", *sys.argv[1:]])
    fields |= {"classes": list(run.data.names)} if run.data.class_names else {}
    fields |= {"features": list(run.data.feature_names)} if run.data.feature_names else {}
    fields |= {"image_shape": list(run.data.image_shape)} if run.data.image_shape else {}
    fields |= {"validation": run.validation} if run.validation is not None else {}
    fields |= {"choose": run.choose} if run.choose != "best" else {}
    fields |= {"patience": run.patience} if run.patience is not None else {}
    fields |= {"tensorboard": True} if run.tensorboard else {}
    fields |= {"job": run.job} if run.job is not None else {}
    return {RUN: notes_file(fields)}


def interrupted_status(interrupted: KeyboardInterrupt) -> int:
    """Return the exit status that says which signal it was, as shells count: 130, or 143."""
    return 128 + getattr(interrupted, "signal", signal.SIGINT)
