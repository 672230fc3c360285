"""``lava-desire reproduce``: the paper's experiments and figures, one command each."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lava_desire._provenance import commit
from lava_desire.analysis.catalogue import BASES, EXPERIMENTS, FIGURES, VARIANTS
from lava_desire.cli.fields import DataDir, Json, completing, option
from lava_desire.cli.machine import environment
from lava_desire.cli.printing import make_console, say, tell
from lava_desire.cli.run import (
    AUTO,
    Run,
    check_choice,
    check_computing,
    interrupted_status,
    make_network,
    named_as_options,
    train_run,
)
from lava_desire.cli.run_data import Source
from lava_desire.config import PRESETS, DesireConfig
from lava_desire.training.interrupt import Interrupted

if TYPE_CHECKING:
    from rich.console import Console

    from lava_desire.cli.display import Silence
    from lava_desire.data import Dataset

ABLATION, FIGURES_NAME = "ablation", "figures"
_NAMES = (*EXPERIMENTS, FIGURES_NAME, ABLATION)
_QUICK_EPOCHS = 2


def reproduce(
    experiment: Annotated[
        str, typer.Argument(help=", ".join(_NAMES) + ".", autocompletion=completing(_NAMES))
    ],
    seed: Annotated[str, option("A seed, or several: 0,1,2.")] = "0",
    epochs: Annotated[int | None, option("Passes over the data.", "the experiment's")] = None,
    learning_rate: Annotated[float | None, option("Of the first epoch.", "the preset's")] = None,
    batch_size: Annotated[int | None, option("1 is online.", "the preset's")] = None,
    preset: Annotated[
        str | None, option("Another preset.", "the experiment's", values=list(PRESETS))
    ] = None,
    data_dir: DataDir = None,
    output: Annotated[str | None, option("Folder.", "results/<experiment>")] = None,
    quick: Annotated[
        bool, option("A smoke test: few samples, two epochs.", True, "--quick")
    ] = False,
    only: Annotated[str | None, option("Some figures or variants: fig4,fig9.", "all")] = None,
    neurons: Annotated[str | None, option("Figures: values of N.", "25,50,100,200,400")] = None,
    steps: Annotated[str | None, option("Figures: values of T.", "5,10,15,20,30,40")] = None,
    largest: Annotated[int | None, option("Figures: most neurons timed.", "10000")] = None,
    base: Annotated[str, option(f"Ablation: {' or '.join(BASES)} network.")] = "small",
    device: Annotated[str, option("cpu, cuda or cuda:N.")] = "cpu",
    quiet: Annotated[bool, option("Print nothing but errors.", True, "--quiet")] = False,
    json_: Json = False,
) -> None:
    """Reproduce a result of the paper; the same command again goes on where it stopped."""
    if experiment not in _NAMES:
        raise ValueError(f"experiment is {experiment!r}: expected one of {', '.join(_NAMES)}")
    check_choice("--base", base, tuple(BASES))
    check_computing(device)
    seeds = _numbers("--seed", seed)
    folder = Path(output or f"{'runs/quick' if quick else 'results'}/{experiment}")
    console = make_console(quiet or json_)
    asked = _Asked(experiment, seeds, folder, data_dir, quick, only, device, console)
    try:
        if experiment in EXPERIMENTS:
            changes: dict[str, Any] = {"learning_rate": learning_rate, "batch_size": batch_size}
            changes["epochs"] = _QUICK_EPOCHS if quick and epochs is None else epochs
            changes = {name: value for name, value in changes.items() if value is not None}
            with named_as_options():
                config = DesireConfig.preset(preset or experiment).replace(**changes)
                configs = [config.replace(seed=one) for one in seeds]

            from lava_desire.cli.display import choose_display

            for config in configs:
                _train(asked, config, choose_display(console, quiet, json_))
            _report(asked, json_)
        elif experiment == ABLATION:
            _ablate(asked, base, epochs)
        else:
            given: dict[str, Any] = {"epochs": epochs, "largest": largest}
            given["neurons"] = _numbers("--neurons", neurons) if neurons else None
            given["steps"] = _numbers("--steps", steps) if steps else None
            _draw(asked, {name: value for name, value in given.items() if value})
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

    def load(self) -> Dataset:
        """Load MNIST, or for a smoke test the digits, which need no download."""
        return Source("digits").load() if self.quick else Source("mnist", self.data_dir).load()

    def some_of(self, names: Iterable[str]) -> list[str]:
        """Return the names that ``--only`` gives, or all."""
        return self.only.split(",") if self.only else list(names)


def _train(asked: _Asked, config: DesireConfig, display: Silence) -> None:
    from lava_desire.analysis.experiments import seed_folder
    from lava_desire.training.run_folder import holds_run

    source = Source(EXPERIMENTS[asked.experiment].dataset, asked.data_dir, quick=asked.quick)
    data = source.load()
    place = seed_folder(asked.folder, config.seed)
    place.mkdir(parents=True, exist_ok=True)
    network = make_network(config, asked.device, AUTO)
    train_run(Run(source, data, network, place, resume=holds_run(place)), display)


def _report(asked: _Asked, as_json: bool) -> None:
    from lava_desire.analysis.experiments import write_report

    experiment = EXPERIMENTS[asked.experiment]
    report = write_report(experiment, asked.folder, provenance(), asked.quick)
    if as_json:
        print(json.dumps({key: report[key] for key in ("over_seeds", "best_minus_paper")}))
    for run in report["runs"]:
        state = "" if run["finished"] else f" (stopped after epoch {run['epochs_done']})"
        tell(
            asked.console,
            f"seed {run['seed']}: best {100 * run['best']['test_accuracy']:.2f} % in epoch "
            f"{run['best']['epoch']}, last {100 * run['last']['test_accuracy']:.2f} %{state}; "
            f"the paper's {asked.experiment}: {100 * experiment.paper_accuracy:.2f} %",
        )
    if asked.quick:
        tell(asked.console, "a smoke test on few samples: these accuracies mean nothing")


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
