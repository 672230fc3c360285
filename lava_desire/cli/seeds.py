"""``lava-desire train --seeds 0,1,2``: the same run from several seeds, and a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lava_desire._text import percent
from lava_desire.cli.plan import Plan
from lava_desire.cli.printing import make_console, tell
from lava_desire.cli.run import SEEDS, check_data, named_as_options, train_run
from lava_desire.cli.run_data import Source
from lava_desire.training.history import seed_folder

if TYPE_CHECKING:
    from lava_desire.cli.torchrun import Team
    from lava_desire.data import Dataset
    from lava_desire.engine import History


def parse_seeds(text: str) -> list[int]:
    """Read seeds: ``"0,1,2"`` becomes ``[0, 1, 2]``; none twice."""
    try:
        seeds = [int(seed) for seed in text.split(",")]
    except ValueError:
        seeds = []
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ValueError(f"--seeds is {text!r}: expected different integers >= 0, as in 0,1,2")
    return seeds


def check_seeds(seeds: str, given: Mapping[str, Any], team: Team | None) -> None:
    """Refuse several seeds beside one, and on several ranks."""
    parse_seeds(seeds)
    if "seed" in given:
        raise ValueError(f"--seed {given['seed']} and --seeds {seeds} are given: expected one")
    if team is not None:
        raise ValueError(
            f"--seeds {seeds} is given under torchrun, whose ranks share one run: expected --seed"
        )


def train_seeds(
    plan: Plan,
    data: Dataset,
    seeds: Sequence[int],
    folder: Path,
    *,
    quiet: bool,
    as_json: bool,
    replaces: bool = False,
) -> None:
    """Train once a seed, each in a folder of its own, or resume what is there; show a table."""
    from lava_desire.cli.display import accuracies, choose_display, introduce
    from lava_desire.training.run_folder import holds_run

    console = make_console(quiet or as_json)
    plan.write(folder / SEEDS, seeds=list(seeds))
    histories: dict[int, History] = {}
    again = f"train --resume {folder}"
    for seed in seeds:
        place = seed_folder(folder, seed)
        place.mkdir(exist_ok=True)
        goes_on = holds_run(place) and not replaces
        run = plan.run(data, plan.network(seed=seed), place, resume=goes_on, replaces=replaces)
        introduce(console, run)
        histories[seed] = train_run(run, choose_display(console, quiet, as_json), again)
        if histories[seed].records:
            tell(console, f"seed {seed}: {accuracies(histories[seed])}\n")
    if as_json:
        print(json.dumps({"folder": str(folder), **summary_of(histories)}))
    for line in table_of(histories) if len(seeds) > 1 else []:
        tell(console, line)
    tell(console, f"everything is in {folder}")


def resume_seeds(
    folder: Path,
    where: Source,
    settings: Mapping[str, Any],
    more: Sequence[int],
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    """Go on with the runs of a folder, to more epochs or with more seeds if they are asked for."""
    plan, others = Plan.read(folder / SEEDS, "seeds")
    seeds = others["seeds"]
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int for seed in seeds):
        raise ValueError(f"{folder / SEEDS} is damaged: seeds is {seeds!r}")
    seeds = list(dict.fromkeys([*seeds, *more]))
    given = {name: value for name, value in settings.items() if value is not None}
    with named_as_options():
        plan = replace(
            plan, config=plan.config.replace(epochs=given.pop("epochs", plan.config.epochs))
        )
    source = where.labelled_as(plan.source) if where.is_named else plan.source
    plan = replace(plan, source=source, **given)
    data = plan.source.load()
    check_data(plan.network(), data, plan.validation, plan.backend)
    train_seeds(plan, data, seeds, folder, quiet=quiet, as_json=as_json)


def numbers_of(history: History) -> dict[str, float | None]:
    """Return the accuracies of a run that a table shows, in [0, 1]; None of what there is not."""
    last, test = history.last, history.test
    return {
        "best": history.best_accuracy,
        "last": last.accuracy if last else None,
        "test": test.accuracy if test else None,
    }


def summary_of(histories: Mapping[int, History]) -> dict[str, Any]:
    """Return the accuracies of all seeds, their means and standard deviations, for JSON."""
    import statistics

    rows = {seed: numbers_of(history) for seed, history in histories.items()}
    over: dict[str, Any] = {}
    for name in ("best", "last", "test"):
        found = [value for row in rows.values() if (value := row[name]) is not None]
        if len(found) == len(rows):
            over[name] = {"mean": statistics.fmean(found), "deviation": _deviation(found)}
    runs = [
        {"seed": seed, **rows[seed], "epochs": len(history.records)}
        | ({"test_record": asdict(history.test)} if history.test else {})
        for seed, history in histories.items()
    ]
    return {"runs": runs, "over_seeds": over}


def table_of(histories: Mapping[int, History]) -> list[str]:
    """Return the lines of a table of all seeds, with mean and standard deviation."""
    found = summary_of(histories)
    records = [record for history in histories.values() for record in history.records]
    validated = any(record.validation_accuracy is not None for record in records)
    columns = {"best": "best in validation" if validated else "best", "last": "last"}
    columns |= {"test": "test, read once"} if "test" in found["over_seeds"] else {}
    lines = ["  ".join([f"{'seed':>9}", *columns.values()])]
    for run in found["runs"]:
        cells = [percent(run[name]).rjust(len(title)) for name, title in columns.items()]
        lines.append("  ".join([f"{run['seed']:>9}", *cells]))
    for row in ("mean", "deviation"):
        over = [found["over_seeds"].get(name) for name in columns]
        cells = [
            percent(each and each[row]).rjust(len(title))
            for each, title in zip(over, columns.values(), strict=True)
        ]
        lines.append("  ".join([f"{row:>9}", *cells]))
    return lines


def _deviation(found: Sequence[float]) -> float | None:
    """Return the standard deviation of a sample, of n − 1; None of a single number."""
    import statistics

    return statistics.stdev(found) if len(found) > 1 else None
