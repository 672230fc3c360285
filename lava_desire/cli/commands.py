"""The commands, each a function whose parameters are its options."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from lava_desire._text import printable
from lava_desire.backends.registry import PRECISIONS
from lava_desire.cli import torchrun
from lava_desire.cli.fields import (
    BINNING,
    COMPUTING,
    SAMPLES,
    STORED,
    Device,
    Json,
    Quiet,
    Trained,
    check_fields,
    given_fields,
    option,
    places,
    with_fields,
    with_samples,
    with_settings,
)
from lava_desire.cli.plan import holds_plan, make_plan
from lava_desire.cli.printing import make_console, say, tell
from lava_desire.cli.run import (
    AUTO,
    FIGURES,
    FIXED_POINT,
    SEEDS,
    Run,
    check_choice,
    check_computing,
    check_data,
    check_folder,
    check_output,
    compile_ahead,
    make_config,
    make_network,
    named_as_options,
    new_folder,
    on_backend,
    open_run,
    option_of,
    train_run,
    trained_file,
)
from lava_desire.cli.run_data import PATIENCE, VALIDATION, Source, data_of, describe
from lava_desire.cli.scores import reliability_table, scores_table, write_confusion
from lava_desire.cli.seeds import check_seeds, parse_seeds, resume_seeds, train_seeds
from lava_desire.model.fields import Part
from lava_desire.model.option import DecisionPolicy
from lava_desire.training.choose import BACKENDS
from lava_desire.training.history import LEARNING_CURVE

if TYPE_CHECKING:
    from rich.console import Console

    from lava_desire.engine import Metrics

_EVALUATED_ON = ("fixed", "lava")
_CONFUSION = "confusion.png"  # of a demo
_FLOATING = f"{', '.join((AUTO, *PRECISIONS[:-1]))} or {PRECISIONS[-1]}"


@with_fields(Part, default="preset's")
@with_samples(*SAMPLES)
@with_settings
def train(
    *,
    where: dict[str, Any],
    which: dict[str, Any],
    output: Annotated[str | None, option("Run folder.", "runs/<dataset>-<time>")] = None,
    force: Annotated[bool, option("Replace a run in the folder.", True, "--force")] = False,
    resume: Annotated[
        str | None, option("Go on with the run in this folder, to the bit.", values=places)
    ] = None,
    validation: Annotated[
        float | None,
        option(
            "Share of the training samples that choose the best epoch, as 0.1; the test set is "
            "then read once, at the end.",
            "none",
            allowed=VALIDATION,
        ),
    ] = None,
    patience: Annotated[
        int | None,
        option(
            "End when the accuracy has not become better for so many epochs.",
            "all epochs",
            allowed=PATIENCE,
        ),
    ] = None,
    tensorboard: Annotated[
        bool, option("Write events for TensorBoard into the run's folder.", True, "--tensorboard")
    ] = False,
    seeds: Annotated[
        str | None, option("Several runs, a seed each, and a table: 0,1,2.", "--seed")
    ] = None,
    backend: Annotated[
        str | None, option("torch, or lava: online, as processes.", "torch", values=BACKENDS)
    ] = None,
    how: dict[str, Any],
    quiet: Quiet = False,
    json_: Json = False,
    **fields: Any,
) -> None:
    """Train a network; Ctrl-C saves, and --resume goes on to the bit as if never stopped.

    Several processes share a minibatch, with the result of one:
    torchrun --nproc-per-node=2 -m lava_desire train ...
    """
    team = torchrun.join(backend)
    is_first = team is None or team.is_first
    quiet = quiet or not is_first
    given = given_fields(fields)
    check_choice("--backend", backend, BACKENDS)
    check_computing(*map(how.get, COMPUTING))
    device = how.get("device")
    if seeds is not None:
        check_seeds(seeds, given, team)
    if resume is not None:
        has_seeds = holds_plan(resume, SEEDS)
        others = [*(name for name in given if name != "epochs")]
        options = {**which, **{name: how[name] for name in how if name != "device"}}
        options |= {
            "output": output,
            "force": force or None,
            "validation": validation,
            "seeds": None if has_seeds else seeds,
            "patience": patience,
            **{name: where.pop(name, None) for name in ("label_column", *BINNING)},
        }
        others += [name for name, value in options.items() if value is not None]
        if others:
            named = ", ".join(option_of(name) for name in others)
            raise ValueError(
                f"--resume keeps the settings of the run, and {named} is given: "
                "expected --epochs, --backend, --device, --data, --events, or nothing beside it"
            )
        source = Source.given(**where)
        if has_seeds:
            changes = {"epochs": given.get("epochs"), "device": device, "backend": backend}
            more = parse_seeds(seeds) if seeds is not None else []
            resume_seeds(Path(resume), source, changes, more, quiet=quiet, as_json=json_)
            return
        run = open_run(Path(resume), device, given.get("epochs"), backend, source, team)
        if team is not None:
            team.launch.check_backend(run.backend)
    else:

        def load(source: Source) -> Any:
            if source.is_there:
                batch_size, is_quiet = given.get("batch_size"), quiet or json_
                compile_ahead(*map(how.get, COMPUTING), batch_size=batch_size, quiet=is_quiet)
            return team.in_turn(source.load) if team else source.load()

        plan, samples = make_plan(
            where,
            given,
            **which,
            **how,
            check=lambda: None if team else check_folder(output, force),
            load=load,
            backend=backend,
            validation=validation,
            patience=patience,
            tensorboard=tensorboard,
        )
        if team is not None:
            plan = replace(plan, device=team.launch.place(plan.device))
        network = plan.network()
        check_data(network, samples, validation, plan.backend)
        if seeds is not None:
            folder = new_folder(output, samples.name, force)
            numbers = parse_seeds(seeds)
            train_seeds(plan, samples, numbers, folder, quiet=quiet, as_json=json_, replaces=force)
            return
        if team is None:
            folder, goes_on = new_folder(output, samples.name, force), False
        else:
            folder, goes_on = team.open_folder(output, samples.name, force)
        run = plan.run(samples, network, folder, resume=goes_on, replaces=force)
    run.tensorboard |= tensorboard
    run.is_first, run.job = is_first, team.launch.job if team else None
    from lava_desire.cli.display import accuracies, choose_display, introduce

    as_json = json_ and is_first
    console = make_console(quiet or json_)
    introduce(console, run, team.launch.size if team else 1)
    started = time.monotonic()
    history = train_run(run, choose_display(console, quiet or run.is_finished, as_json))
    seconds = time.monotonic() - started
    best, last = history.best, history.last
    if as_json:
        summary = {"folder": str(run.folder), "seconds": seconds}
        summary |= {"best": best and asdict(best), "last": last and asdict(last)}
        summary |= {"test": asdict(history.test)} if history.test else {}
        print(json.dumps(summary))
    if run.is_finished:
        asked, is_open = run.network.config.epochs, run.network.config.rate_policy is None
        tell(
            console,
            f"{run.epochs_done} epochs are done already, of {asked} asked for: nothing is left to "
            "train" + "; more are trained with a higher --epochs" * is_open,
        )
    if last is None:
        tell(console, f"no epoch was trained, as --epochs is 0; the network is in {run.folder}")
    else:
        tell(
            console,
            f"{accuracies(history)}, {seconds:.0f} s; everything is in {run.folder}",
        )


@with_fields(DecisionPolicy, default="the network's own")
@with_samples(*STORED)
def eval_(
    checkpoint: Trained,
    where: dict[str, Any],
    device: Device = None,
    precision: Annotated[
        str | None,
        option(f"{_FLOATING}; for integers --backend fixed.", AUTO, values=(AUTO, *PRECISIONS)),
    ] = None,
    backend: Annotated[
        str | None,
        option(
            "fixed: in integers, quantised where the network is not; lava: as Lava processes, a "
            "sample at a time, with the same result.",
            values=_EVALUATED_ON,
        ),
    ] = None,
    confusion: Annotated[
        str | None,
        option("Draw the confusion matrix into this .png, .pdf or .svg file, or write a .csv."),
    ] = None,
    all_: Annotated[
        bool, option("Take all samples of the data, not the test set alone.", True, "--all")
    ] = False,
    quiet: Quiet = False,
    json_: Json = False,
    **fields: Any,
) -> None:
    """Classify the test images with a trained network."""
    check_choice("--backend", backend, _EVALUATED_ON)
    given = given_fields(fields)
    check_fields(given)
    if precision == FIXED_POINT:
        raise ValueError(f"--precision is {precision!r}: expected --backend fixed for integers")
    check_choice("--precision", precision, (AUTO, *PRECISIONS))
    check_computing(device)
    precision = None if precision == AUTO else precision
    if precision is not None and backend == "fixed":
        raise ValueError(
            f"--precision {precision} is given with --backend {backend}, which computes in "
            "integers: expected one of the two"
        )
    source = Source.given(**where)
    path = trained_file(checkpoint)
    if confusion is not None:
        named = confusion if Path(confusion).suffix else f"{confusion}.png"
        target = check_output("--confusion", named, (*FIGURES, ".csv"), path, source)
    source, samples = data_of(Path(checkpoint), source)
    samples, part = (samples.as_test(), "samples") if all_ else (samples, "test samples")

    from lava_desire.engine import DesireNetwork, default_precision, evaluate

    chosen = precision or default_precision(device or "cpu")
    network = DesireNetwork.load(path, device or "cpu", precision=chosen)
    if precision is not None and network.arithmetic == FIXED_POINT:
        raise ValueError(
            f"--precision {precision} is given, and the network of {path} is in integers: leave "
            "--precision out"
        )
    network.config = network.config.replace(**given)
    if backend == "lava":
        shown = sys.stderr.isatty() and not (quiet or json_)
        with named_as_options():
            metrics = evaluate(network, samples, backend=backend, progress=shown)
    else:
        network = on_backend(network, backend, samples)
        metrics = evaluate(network, samples)
    if confusion is not None and target.suffix.lower() == ".csv":
        write_confusion(metrics, target)
    elif confusion is not None:
        from lava_desire.analysis import plot_confusion

        title = f"{printable(samples.name)}, {metrics.num_samples} {part}"
        plot_confusion(metrics, target, title, network.class_names)
    if json_:
        values: dict[str, Any] = {
            "checkpoint": str(path),
            "data": samples.name,
            "source": asdict(source),
            "network": list(network.config.neurons),
            "layers": network.config.shape_text,
            "arithmetic": network.arithmetic,
            "precision": network.precision,
            "device": str(network.device),
        }
        values |= metrics.to_dict()
        print(json.dumps(values))
    elif not quiet:
        say(
            f"{100 * metrics.accuracy:.2f} % of {metrics.num_samples} {part} of "
            f"{describe(source, samples)} are right, {metrics.num_undecided} undecided "
            f"({path}, {network.precision} "
            f"{'as Lava processes' if backend == 'lava' else f'on {network.device}'})"
        )
        if "data" in where and not all_:
            say(
                f"its other {len(samples.train_labels)} samples are those to train with, and left "
                "out; --all takes all"
            )
        say(scores_table(metrics))
        say(reliability_table(metrics))
        if confusion is not None:
            say(f"the confusion matrix is in {target}")


def demo(
    output: Annotated[
        str | None, option("Folder of the demo.", "runs/demo, or runs/demo-events")
    ] = None,
    force: Annotated[bool, option("Replace an earlier demo.", True, "--force")] = False,
    events: Annotated[
        bool, option("Digits as an event camera sees them, made here.", True, "--events")
    ] = False,
) -> None:
    """Train on handwritten digits and draw what the network does with held-out ones."""
    output = output or ("runs/demo-events" if events else "runs/demo")
    check_folder(output, force)
    compile_ahead()
    if events:
        _demo_of_events(output, force)
        return

    from lava_desire.analysis import plot_classified_images

    console = make_console()
    source = Source("digits")
    samples = source.load()
    network = make_network(make_config(samples), "cpu", AUTO)
    run = Run(source, samples, network, new_folder(output, "demo", force), replaces=force)
    results = _train_demo(console, run, "digits, {} held-out samples")
    rasters = run.folder / "digits.png"
    shown = [int((samples.test_labels == digit).argmax()) for digit in (0, 2, 3, 5, 8, 9)]
    images = samples.test_images[shown]
    plot_classified_images(
        network.config,
        network.forward(images),
        images,
        [int(samples.test_labels[index]) for index in shown],
        samples.image_shape or (1, samples.num_inputs),
        rasters,
    )
    _show_demo(run, *results, "digits", f"digits and spikes  {rasters}")


def _demo_of_events(output: str, force: bool) -> None:
    """Train on digits that an event camera has seen with saccades, kept as spike trains."""
    import numpy as np

    from lava_desire.data.events import EventDataset
    from lava_desire.data.events.synthetic import saccades

    console = make_console()
    folder = new_folder(output, "demo-events", force)
    source = Source(events=str(folder / "digits.npz"))
    tell(console, "an event camera looks at the digits of scikit-learn, with three saccades each")
    digits, window = Source("digits").load(), 300_000
    images = np.concatenate([digits.train_images, digits.test_images]).reshape(-1, 8, 8)
    labels = np.concatenate([digits.train_labels, digits.test_labels])
    recordings = saccades(images, duration=window, amplitude=1)
    binning: dict[str, Any] = {"start": 0, "duration": window, "late": "last", "counts": "clip"}
    data = EventDataset(recordings, 20, labels=labels, **binning)
    trains = data.spikes(np.arange(len(data)))
    planes = trains.planes.reshape(*trains.planes.shape[:2], *trains.shape)
    np.savez(str(source), spikes=planes, num_steps=trains.num_steps, labels=labels)
    samples = source.load()
    given = {"learning_rate": 8e-4, "trace_baseline": 1.0, "batch_size": 32, "epochs": 6}
    network = make_network(make_config(samples, given), "cpu", AUTO)
    run = Run(source, samples, network, folder, replaces=force)
    results = _train_demo(console, run, "event digits, {} held-out recordings")
    _show_demo(run, *results, "recordings", f"the spikes         {source}")


def _train_demo(console: Console, run: Run, title: str) -> tuple[Metrics, float]:
    """Train, draw the confusion matrix, and return metrics of the test set and seconds taken."""
    from lava_desire.analysis import plot_confusion
    from lava_desire.cli.display import LiveTable, introduce
    from lava_desire.engine import evaluate

    introduce(console, run)
    started = time.monotonic()
    train_run(run, LiveTable(console))
    seconds = time.monotonic() - started
    metrics = evaluate(run.network, run.data.test)
    plot_confusion(metrics, run.folder / _CONFUSION, title.format(metrics.num_samples))
    return metrics, seconds


def _show_demo(run: Run, metrics: Metrics, seconds: float, kind: str, more: str) -> None:
    """Say what was found and where the files are, and run the network in Lava."""
    from lava_desire.checkpoint import CHECKPOINT

    say(
        f"\n{100 * metrics.accuracy:.2f} % of {metrics.num_samples} {kind} that it never saw are "
        f"recognised, after {seconds:.0f} s of training.\n"
        f"  learning curve     {run.folder / LEARNING_CURVE}\n"
        f"  confusion matrix   {run.folder / _CONFUSION}\n"
        f"  {more}\n"
        f"  the network        {run.folder / CHECKPOINT}"
    )
    _show_in_lava(run)


def _show_in_lava(run: Run) -> None:
    """Classify the held-out samples once more, with Lava processes, and draw a window of theirs."""
    from lava_desire.checkpoint import CHECKPOINT

    try:
        from lava_desire.proc.training import draw_window_in_lava, predict_in_lava
    except ImportError as error:
        say(f"\nThe same network as Lava processes was left out: {error}")
        return
    started = time.monotonic()
    images, labels = run.data.test
    ours = run.network.predict(images).numpy()
    theirs = predict_in_lava(run.folder / CHECKPOINT, images, labels)
    agreeing, seconds = int((ours == theirs).sum()), time.monotonic() - started
    say(
        f"\nThe same network as Lava processes, spike by spike, on the same digits: {agreeing} of "
        f"{len(labels)} predictions agree ({seconds:.0f} s)."
    )
    if agreeing < len(labels):
        raise ValueError("the Lava processes and the engine disagree: expected the same spikes")
    # A sample that is not recognised: its desires have somewhere to go.
    sample, path = int((ours != labels).argmax()), run.folder / "window.png"
    shown = images[[sample]] if run.data.has_spikes else images[sample]
    draw_window_in_lava(run.folder / CHECKPOINT, shown, int(labels[sample]), path)
    say(f"  one window, desires flowing back  {path}")
