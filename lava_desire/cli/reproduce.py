"""``lava-desire reproduce``: the paper's experiments and figures, one command each."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lava_desire._provenance import commit
from lava_desire.analysis.catalogue import BASES, EXPERIMENTS, FIGURES, VARIANTS
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
from lava_desire.config import DesireConfig
from lava_desire.training.interrupt import Interrupted

if TYPE_CHECKING:
    from rich.console import Console

    from lava_desire.analysis.gallery import Scale
    from lava_desire.cli.display import Silence

ABLATION, FIGURES_NAME = "ablation", "figures"
_NAMES = (*EXPERIMENTS, FIGURES_NAME, ABLATION)
_QUICK_EPOCHS = 2


def reproduce(
    experiment: Annotated[str, typer.Argument(help=", ".join(_NAMES) + ".")],
    seed: Annotated[str, typer.Option(help="A seed, or several: 0,1,2.")] = "0",
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the data.", show_default="the experiment's")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Of the first epoch.", show_default="the preset's")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="1 is online.", show_default="the preset's")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Another preset.", show_default="the experiment's")
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(help="Folder of the IDX files; else LAVA_DESIRE_DATA, else a download."),
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="Folder.", show_default="results/<experiment>")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A smoke test: few samples, two epochs.")
    ] = False,
    only: Annotated[
        str | None, typer.Option(help="Some figures or variants: fig4,fig9.", show_default="all")
    ] = None,
    neurons: Annotated[
        str | None, typer.Option(help="Figures: values of N.", show_default="25,50,100,200,400")
    ] = None,
    steps: Annotated[
        str | None, typer.Option(help="Figures: values of T.", show_default="5,10,15,20,30,40")
    ] = None,
    largest: Annotated[
        int | None, typer.Option(help="Figures: most neurons timed.", show_default="10000")
    ] = None,
    base: Annotated[str, typer.Option(help=f"Ablation: {' or '.join(BASES)} network.")] = "small",
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False,
) -> None:
    """Reproduce a result of the paper; the same command again goes on where it stopped."""
    if experiment not in _NAMES:
        raise ValueError(f"experiment is {experiment!r}: expected one of {', '.join(_NAMES)}")
    check_choice("--base", base, tuple(BASES))
    check_computing(device)
    seeds = _numbers("--seed", seed)
    folder = Path(output or f"{'runs/quick' if quick else 'results'}/{experiment}")

    console = make_console(quiet or json_)
    try:
        if experiment in EXPERIMENTS:
            changes: dict[str, Any] = {"epochs": _QUICK_EPOCHS if quick else None}
            changes |= {"learning_rate": learning_rate, "batch_size": batch_size}
            changes |= {} if epochs is None else {"epochs": epochs}
            changes = {name: value for name, value in changes.items() if value is not None}
            with named_as_options():
                config = DesireConfig.preset(preset or experiment).replace(**changes)
                configs = [config.replace(seed=one) for one in seeds]

            from lava_desire.cli.display import choose_display

            for config in configs:
                shown = choose_display(console, quiet, json_)
                _train(experiment, config, folder, data_dir, quick, device, shown)
            _report(experiment, folder, quick, console, json_)
        elif experiment == ABLATION:
            _ablate(seeds, epochs, only, base, folder, data_dir, quick, device, console)
        else:
            from lava_desire.analysis.gallery import Scale

            scale = Scale.quick() if quick else Scale.laptop()
            given: dict[str, Any] = {"epochs": epochs, "largest": largest}
            given["neurons"] = _numbers("--neurons", neurons) if neurons else None
            given["steps"] = _numbers("--steps", steps) if steps else None
            scale = scale.replace(**{name: value for name, value in given.items() if value})
            _draw(scale, seeds[0], only, folder, data_dir, quick, device, console)
    except Interrupted as interrupted:
        say("interrupted, saved; the same command goes on", sys.stderr)
        raise typer.Exit(interrupted_status(interrupted)) from interrupted


def _train(
    name: str,
    config: DesireConfig,
    folder: Path,
    data_dir: str | None,
    quick: bool,
    device: str,
    display: Silence,
) -> None:
    from lava_desire.analysis.experiments import seed_folder
    from lava_desire.training.run_folder import holds_run

    source = Source(EXPERIMENTS[name].dataset, data_dir, quick=quick)
    data = source.load()
    place = seed_folder(folder, config.seed)
    place.mkdir(parents=True, exist_ok=True)
    resume = holds_run(place)
    run = Run(source, data, make_network(config, device, AUTO), place, resume)
    train_run(run, display)


def _report(name: str, folder: Path, quick: bool, console: Console, as_json: bool) -> None:
    from lava_desire.analysis.experiments import write_report

    experiment = EXPERIMENTS[name]
    report = write_report(experiment, folder, provenance(), quick)
    if as_json:
        print(json.dumps({key: report[key] for key in ("over_seeds", "best_minus_paper")}))
    for run in report["runs"]:
        state = "" if run["finished"] else f" (stopped after epoch {run['epochs_done']})"
        tell(
            console,
            f"seed {run['seed']}: best {100 * run['best']['test_accuracy']:.2f} % in epoch "
            f"{run['best']['epoch']}, last {100 * run['last']['test_accuracy']:.2f} %{state}; "
            f"the paper's {name}: {100 * experiment.paper_accuracy:.2f} %",
        )
    if quick:
        tell(console, "a smoke test on few samples: these accuracies mean nothing")


def _ablate(
    seeds: list[int],
    epochs: int | None,
    only: str | None,
    base_name: str,
    folder: Path,
    data_dir: str | None,
    quick: bool,
    device: str,
    console: Console,
) -> None:
    from lava_desire.analysis.ablation import gather_ablation, plot_ablation, train_variants
    from lava_desire.analysis.storage import save_measurement

    names = only.split(",") if only else list(VARIANTS)
    base, num_samples = BASES[base_name].config, BASES[base_name].train_samples
    if quick:
        # The data set that needs no download.
        data = Source("digits").load()
        base = base.resized(64, (20,), 10, epochs=_QUICK_EPOCHS)
        names = [name for name in names if "layer" not in name]
    else:
        data = Source("mnist", data_dir).load()
    base = base.replace(epochs=epochs or base.epochs)
    train = (data.train_images[:num_samples], data.train_labels[:num_samples])
    train_variants(names, seeds, train, data.test, folder, base, device)
    variants = {name: changes for name, changes in VARIANTS.items() if name in names}
    ablation = gather_ablation(folder, base, VARIANTS if not quick else variants)
    save_measurement(ablation, folder / "ablation.json", **provenance())
    layers = base.shape_text
    plot_ablation(
        ablation,
        folder / "ablation.png",
        f"{data.name}, {layers}, {base.epochs} epochs of {len(train[1])} samples: "
        "single changes to the base",
    )
    tell(console, f"everything is in {folder}")


def _draw(
    scale: Scale,
    seed: int,
    only: str | None,
    folder: Path,
    data_dir: str | None,
    quick: bool,
    device: str,
    console: Console,
) -> None:
    names = only.split(",") if only else list(FIGURES)
    data = Source("digits").load() if quick else Source("mnist", data_dir).load()
    from lava_desire.analysis.gallery import Gallery

    gallery = Gallery(data, scale, seed, folder, device, provenance())
    for name in names:
        started = time.monotonic()
        path = gallery.draw(name)
        tell(console, f"{name:7} {time.monotonic() - started:6.0f} s  {path}")


def _numbers(option: str, text: str) -> list[int]:
    try:
        numbers = [int(number) for number in text.split(",")]
    except ValueError:
        raise ValueError(f"{option} is {text!r}: expected integers, as in 0,1,2") from None
    return numbers


def provenance() -> dict[str, Any]:
    """Return the command, the commit and the machine that a result came from."""
    arguments = " ".join(sys.argv[1:])
    return {
        "command": f"lava-desire {arguments}",
        "commit": commit(),
        "environment": environment(),
    }
