"""``lava-desire reproduce``: the paper's experiments and figures, one command each."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lava_desire._provenance import commit
from lava_desire._text import percent
from lava_desire.analysis.catalogue import (
    BASES,
    EXPERIMENTS,
    FIGURES,
    FINAL,
    PROTOCOLS,
    TEST,
    VALIDATION,
    VALIDATION_SHARE,
    VARIANTS,
    Experiment,
)
from lava_desire.cli.fields import SAMPLES, Json, allowed_of, completing, option
from lava_desire.cli.machine import environment
from lava_desire.cli.printing import make_console, say, tell
from lava_desire.cli.run import (
    Run,
    check_choice,
    check_computing,
    interrupted_status,
    make_folder,
    make_network,
    named_as_options,
    train_run,
)
from lava_desire.cli.run_data import Source, read_notes
from lava_desire.cli.workers import side_by_side
from lava_desire.config import PRESETS, DesireConfig
from lava_desire.files import read_file
from lava_desire.model.fields import integers
from lava_desire.strict_json import parse_json
from lava_desire.training.history import METRICS_JSON, RUN, seed_folder, seed_folders
from lava_desire.training.interrupt import Interrupted

if TYPE_CHECKING:
    from rich.console import Console

    from lava_desire.cli.display import Silence
    from lava_desire.data import Dataset
    from lava_desire.training.history import History

ABLATION, FIGURES_NAME = "ablation", "figures"
_NAMES = (*EXPERIMENTS, FIGURES_NAME, ABLATION)
_QUICK_EPOCHS = 2


def reproduce(
    experiment: Annotated[
        str, typer.Argument(help=", ".join(_NAMES) + ".", autocompletion=completing(_NAMES))
    ],
    seed: Annotated[str, option("A seed, or several: 0,1,2.")] = "0",
    protocol: Annotated[
        str | None,
        option(
            "What chooses the epoch: validation, final (the last) or test (as the paper).",
            "the folder's, or validation",
            values=list(PROTOCOLS),
        ),
    ] = None,
    parallel: Annotated[int, option("Seeds at a time, each a process.", allowed=integers(1))] = 1,
    epochs: Annotated[
        int | None,
        option("Passes over the data.", "the experiment's", allowed=integers(1)),
    ] = None,
    learning_rate: Annotated[
        float | None,
        option("Of the first epoch.", "the preset's", allowed=allowed_of("learning_rate")),
    ] = None,
    batch_size: Annotated[
        int | None, option("1 is online.", "the preset's", allowed=allowed_of("batch_size"))
    ] = None,
    preset: Annotated[
        str | None, option("Another preset.", "the experiment's", values=list(PRESETS))
    ] = None,
    data_dir: Annotated[str | None, SAMPLES["data_dir"][1]] = None,
    output: Annotated[str | None, option("Folder.", "results/<experiment>-<protocol>")] = None,
    quick: Annotated[
        bool, option("A smoke test: few samples, two epochs.", True, "--quick")
    ] = False,
    only: Annotated[str | None, option("Some figures or variants: fig4,fig9.", "all")] = None,
    neurons: Annotated[str | None, option("Figures: values of N.", "25,50,100,200,400")] = None,
    steps: Annotated[str | None, option("Figures: values of T.", "5,10,15,20,30,40")] = None,
    largest: Annotated[
        int | None, option("Figures: most neurons timed.", "10000", allowed=integers(100))
    ] = None,
    base: Annotated[str, option(f"Ablation: {' or '.join(BASES)} network.")] = "small",
    device: Annotated[str, option("cpu, cuda or cuda:N.")] = "cpu",
    quiet: Annotated[bool, option("Print nothing but errors.", True, "--quiet")] = False,
    json_: Json = False,
) -> None:
    """Reproduce a result of the paper; the same command again goes on where it stopped."""
    if experiment not in _NAMES:
        raise ValueError(f"experiment is {experiment!r}: expected one of {', '.join(_NAMES)}")
    check_choice("--base", base, tuple(BASES))
    check_choice("--protocol", protocol, tuple(PROTOCOLS))
    check_computing(device)
    seeds = _numbers("--seed", seed)
    folder = Path("runs/quick" if quick else "results") / experiment
    if experiment in EXPERIMENTS:
        folder, protocol = _settle(folder, Path(output) if output else None, protocol)
    elif protocol is not None or parallel > 1:
        raise ValueError(
            f"--protocol and --parallel are for {', '.join(EXPERIMENTS)}: expected neither beside "
            f"{experiment}"
        )
    console = make_console(quiet or json_)
    place = Path(output or folder)
    asked = _Asked(
        *(experiment, seeds, place, data_dir, quick, only, device, console),
        *(protocol or TEST, preset),
    )
    try:
        if experiment in EXPERIMENTS:
            changes: dict[str, Any] = {"learning_rate": learning_rate, "batch_size": batch_size}
            changes["epochs"] = _QUICK_EPOCHS if quick and epochs is None else epochs
            changes = {name: value for name, value in changes.items() if value is not None}
            with named_as_options():
                config = DesireConfig.preset(asked.recipe.preset)
                config = config.replace(**{**asked.recipe.changes, **changes})
                configs = [config.replace(seed=one) for one in seeds]
            source = Source(asked.recipe.dataset, data_dir, quick=quick)
            data = source.load()
            tell(console, f"protocol {protocol}: {PROTOCOLS[asked.protocol]}")
            if parallel > 1 and len(seeds) > 1:
                _train_side_by_side(asked, parallel, {"preset": preset, **changes})
            else:
                from lava_desire.cli.display import choose_display

                for config in configs:
                    _train(asked, source, data, config, choose_display(console, quiet, json_))
            _report(asked, json_)
        elif experiment == ABLATION:
            _ablate(asked, base, epochs)
        else:
            given: dict[str, Any] = {"epochs": epochs, "largest": largest}
            given["neurons"] = _numbers("--neurons", neurons) if neurons else None
            given["steps"] = _numbers("--steps", steps) if steps else None
            _draw(asked, {name: value for name, value in given.items() if value is not None})
    except Interrupted as interrupted:
        say("interrupted, saved; the same command goes on", sys.stderr)
        raise typer.Exit(interrupted_status(interrupted)) from interrupted


@dataclass(frozen=True)
class _Asked:
    """What the options ask for, whichever the experiment."""

    experiment: str
    seeds: list[int]
    folder: Path
    data_dir: str | None
    quick: bool
    only: str | None
    device: str
    console: Console
    protocol: str
    preset: str | None

    @property
    def recipe(self) -> Experiment:
        """The experiment, from another preset where one is given."""
        known = EXPERIMENTS[self.experiment]
        return known if self.preset is None else replace(known, preset=self.preset)

    def load(self) -> Dataset:
        """Load MNIST, or for a smoke test the digits, which need no download."""
        return Source("digits").load() if self.quick else Source("mnist", self.data_dir).load()

    def some_of(self, names: Iterable[str]) -> list[str]:
        """Return the names that ``--only`` gives, or all."""
        return self.only.split(",") if self.only else list(names)


def _train(
    asked: _Asked, source: Source, data: Dataset, config: DesireConfig, display: Silence
) -> None:
    from lava_desire.analysis.experiments import write_ties
    from lava_desire.training.run_folder import holds_run

    place = seed_folder(asked.folder, config.seed)
    make_folder(place)
    run = Run(
        source,
        data,
        make_network(config, asked.device, asked.recipe.precision),
        place,
        resume=holds_run(place),
        validation=VALIDATION_SHARE if asked.protocol == VALIDATION else None,
        choose="last" if asked.protocol == FINAL else "best",
    )
    train_run(run, display)
    write_ties(place, data.test, asked.device)


def _train_side_by_side(asked: _Asked, parallel: int, changes: dict[str, Any]) -> None:
    """Train each seed in a process of its own, so many at a time."""
    tell(asked.console, f"lava-desire watch {asked.folder} shows how they go")
    options = {
        "output": asked.folder,
        "protocol": asked.protocol,
        "device": asked.device,
        "data-dir": asked.data_dir,
        **changes,
    }
    shared = ["reproduce", asked.experiment, "--quiet", *(["--quick"] if asked.quick else [])]
    for name, value in options.items():
        shared += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
    commands = [[*shared, "--seed", str(seed)] for seed in asked.seeds]
    status, interrupted = side_by_side(commands, parallel)
    if interrupted:
        say("interrupted, saved; the same command goes on", sys.stderr)
    if status:
        raise typer.Exit(status)


def _settle(named: Path, output: Path | None, protocol: str | None) -> tuple[Path, str]:
    """Return the folder of an experiment, and its protocol: what runs there follow goes on.

    Raises ValueError if another one is asked for.
    """
    if output is None:
        # Before there were several protocols a folder had the name of the experiment alone.
        goes_on = any(named.glob("seed-*/*checkpoint.*")) and _protocol_of(named) == TEST
        recipe = EXPERIMENTS[named.name]
        protocol = protocol or (TEST if goes_on else recipe.protocol)
        output = named if protocol == TEST else named.with_name(f"{named.name}-{protocol}")
    held = _protocol_of(output)
    if protocol is None:
        protocol = held or EXPERIMENTS[named.name].protocol
    if held not in (None, protocol):
        raise ValueError(
            f"--protocol is {protocol}, and the runs in {output} follow {held!r}: expected "
            f"--protocol {held}, or another folder, --output"
        )
    return output, protocol


def _protocol_of(folder: Path) -> str | None:
    """Return the protocol that the runs in a folder follow; None where there are none."""
    result = folder / "result.json"
    if result.exists():
        found = parse_json(read_file(result, follow=False))
        protocol = found.get("protocol", TEST) if isinstance(found, dict) else None
        if protocol not in PROTOCOLS:
            raise ValueError(f"{result} is damaged: protocol is {protocol!r}")
        return str(protocol)
    for place in seed_folders(folder):
        if (place / RUN).exists():
            notes = read_notes(place / RUN)
            if notes.choose == "last":
                return FINAL
            return TEST if notes.validation is None else VALIDATION
        if (place / METRICS_JSON).exists():
            return TEST
    return None


def _report(asked: _Asked, as_json: bool) -> None:
    from lava_desire.analysis.experiments import read_history, write_report
    from lava_desire.training.run_folder import holds_run

    experiment = asked.recipe
    report = write_report(experiment, asked.folder, provenance(), asked.quick, asked.protocol)
    if as_json:
        shown = ("protocol", "over_seeds", "best_minus_paper", "mean_minus_paper")
        print(json.dumps({key: report[key] for key in shown if key in report}))
    paper = f"the paper's {experiment.dataset}: {100 * experiment.paper_accuracy:.2f} %"
    folders = filter(holds_run, seed_folders(asked.folder))
    histories = [each for each in (read_history(path)[0] for path in folders) if each.records]
    for run, history in zip(report["runs"], histories, strict=True):
        state = "" if run["finished"] else f" (stopped after epoch {run['epochs_done']})"
        tell(asked.console, f"seed {run['seed']}: {_reached(run, history)}{state}; {paper}")
    reached = report["over_seeds"].get("last" if asked.protocol == TEST else "test")
    if reached and reached["seeds"] > 1:
        mean, deviation, chance = (
            f"{100 * reached.get(name, math.nan):.2f}"
            for name in ("mean", "deviation", "standard_error")
        )
        tell(
            asked.console,
            f"{'last epoch' if asked.protocol == TEST else 'test set'}: mean {mean} %, deviation "
            f"{deviation} over {reached['seeds']} seeds; chance alone moves {chance} points, one "
            f"standard error of {report['samples'].get('test')} samples",
        )
    if asked.quick:
        tell(asked.console, "a smoke test on few samples: these accuracies mean nothing")


def _reached(run: dict[str, Any], history: History) -> str:
    """Return what a run has come to, of ``result.json`` and of its history."""
    from lava_desire.cli.display import accuracies

    text, ties = accuracies(history), run["tie_break"]
    if ties is None:
        return text
    return f"{text}, {percent(ties['accuracy']['earliest'])} with ties to the earliest"


def _ablate(asked: _Asked, base_name: str, epochs: int | None) -> None:
    from lava_desire.analysis.ablation import gather_ablation, plot_ablation, train_variants
    from lava_desire.analysis.storage import save_measurement

    names, folder, data = asked.some_of(VARIANTS), asked.folder, asked.load()
    base, num_samples = BASES[base_name].config, BASES[base_name].train_samples
    if asked.quick:
        base = base.resized(64, (20,), 10, epochs=_QUICK_EPOCHS)
        names = [name for name in names if "layer" not in name]
    base = base.replace(epochs=epochs or base.epochs)
    train = (data.train_images[:num_samples], data.train_labels[:num_samples])
    train_variants(names, asked.seeds, train, data.test, folder, base, asked.device)
    variants = {name: changes for name, changes in VARIANTS.items() if name in names}
    ablation = gather_ablation(folder, base, VARIANTS if not asked.quick else variants)
    save_measurement(ablation, folder / "ablation.json", **provenance())
    plot_ablation(
        ablation,
        folder / "ablation.png",
        f"{data.name}, {base.shape_text}, {base.epochs} epochs of {len(train[1])} samples: "
        "single changes to the base",
    )
    tell(asked.console, f"everything is in {folder}")


def _draw(asked: _Asked, changes: dict[str, Any]) -> None:
    from lava_desire.analysis.gallery import Gallery, Scale

    scale = (Scale.quick() if asked.quick else Scale()).replace(**changes)
    seed = asked.seeds[0]
    gallery = Gallery(asked.load(), scale, seed, asked.folder, asked.device, provenance())
    for name in asked.some_of(FIGURES):
        started = time.monotonic()
        path = gallery.draw(name)
        tell(asked.console, f"{name:7} {time.monotonic() - started:6.0f} s  {path}")


def _numbers(option: str, text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise ValueError(f"{option} is {text!r}: expected integers, as in 0,1,2") from None


def provenance() -> dict[str, Any]:
    """Return the command, the commit and the machine that a result came from."""
    return {
        "command": f"lava-desire {' '.join(sys.argv[1:])}",
        "commit": commit(),
        "environment": environment(),
    }
