"""``lava-desire compare``: runs in a table, the best first, with what differs between them."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lava_desire._text import percent
from lava_desire.cli.fields import Json, option, places
from lava_desire.cli.printing import complain, make_console, say, terminal_width
from lava_desire.cli.run import check_output

if TYPE_CHECKING:
    from lava_desire.analysis.runs import StoredRun

Runs = Annotated[
    list[str],
    typer.Argument(
        help="Run folders, folders with runs below them, or patterns as 'runs/seed-*'.",
        autocompletion=places,
    ),
]


def compare(
    runs: Runs,
    csv_: Annotated[
        str | None, option("Write the table into this .csv file.", True, "--csv")
    ] = None,
    json_: Json = False,
) -> None:
    """Print a table of runs, the most accurate first, with what differs between them.

    Below are mean and standard deviation over runs that differ in nothing but the seed.
    Accuracy is that of validation, or else of the test set. Runs that are damaged or unfinished
    are in the table as far as their files tell.
    """
    from lava_desire.analysis.runs import (
        differences,
        find_runs,
        over_seeds,
        ranked,
        read_run,
        short_names,
    )

    output = None if csv_ is None else check_output("--csv", csv_, (".csv",))
    found = [read_run(folder) for folder in find_runs(runs)]
    names = short_names([run.folder for run in found])
    order = [(names[number], found[number]) for number in ranked(found)]
    rows = [_row(name, run) for name, run in order]
    described = [run.described for _, run in order]
    differing = differences(described)
    for row, each in zip(rows, described, strict=True):
        row["differs"] = {name: each.get(name) for name in differing}
    groups = over_seeds(found)  # not by rank: of a seed that is there twice not the better
    if output is not None:
        from lava_desire.files import write_atomically

        write_atomically(output, _as_csv(rows, differing).encode())
    if json_:
        told = [
            {"runs": [names[number] for number in each.runs], "seeds": list(each.seeds)}
            | {name: {"mean": of[0], "deviation": of[1]} for name, of in each.means.items()}
            for each in groups
        ]
        print(json.dumps({"runs": rows, "differing": differing, "over_seeds": told}))
        return
    _show(rows, [run.progress for _, run in order], differing)
    for group in groups:
        means = [
            f"{name} {100 * mean:.2f} ± {100 * deviation:.2f} %"
            for name, (mean, deviation) in group.means.items()
        ]
        named = ", ".join(names[number] for number in group.runs)
        _say_wrapped(f"mean ± deviation over {len(group.runs)} seeds: {', '.join(means)} ({named})")
    for name, run in order:
        if run.problems:
            complain("warning", f"{name}: {'; '.join(run.problems)}")


def _row(name: str, run: StoredRun) -> dict[str, Any]:
    """Return the numbers of a run, accuracies in [0, 1]."""
    return {
        "run": name,
        "folder": str(run.folder),
        **run.accuracies,
        "best_epoch": run.best and run.best.epoch,
        "chosen_by": run.chosen_by or None,
        "epochs": len(run.history.records),
        "epochs_asked": run.config and run.config.epochs,
        "problems": list(run.problems),
    }


def _as_csv(rows: list[dict[str, Any]], differing: list[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    numbers = [name for name in rows[0] if name not in ("differs", "problems")]
    writer.writerow([*numbers, *differing, "problems"])
    for row in rows:
        values = [row[name] for name in numbers] + list(row["differs"].values())
        writer.writerow([*values, "; ".join(row["problems"])])
    return text.getvalue()


def _show(rows: list[dict[str, Any]], epochs: list[str], differing: list[str]) -> None:
    """Print the table, with a column a difference, or lines below where they are too wide."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    by = {row["chosen_by"] for row in rows} - {None}
    columns = {"run": [row["run"] for row in rows]}
    columns[f"best in {min(by)}" if len(by) == 1 else "best"] = _percents(rows, "best")
    columns["epoch"] = [str(row["best_epoch"] or "-") for row in rows]
    columns["last"] = _percents(rows, "last")
    if any(row["test"] is not None for row in rows):
        columns["test, read once"] = _percents(rows, "test")
    columns["training"] = _percents(rows, "training")
    columns["epochs"] = epochs
    numbers = list(columns)[1:]
    if len(by) > 1:
        columns["chosen by"] = [row["chosen_by"] or "-" for row in rows]
    wide = {name: [row["differs"][name] or "-" for row in rows] for name in differing}
    widths = [max(map(len, [name, *cells])) + 3 for name, cells in (columns | wide).items()]
    fits = sum(widths) <= terminal_width()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    shown = columns | wide if fits else columns
    for name in shown:
        is_number = name in numbers
        justify: Any = "right" if is_number else "left"
        table.add_column(Text(name), justify=justify, no_wrap=is_number, overflow="fold")
    for cells in zip(*shown.values(), strict=True):
        table.add_row(*map(Text, cells))
    make_console().print(table)
    if not differing and len(rows) > 1:
        say("\nnothing differs in configuration, settings and environment")
    if not fits:
        say("\nwhat differs:")
        for name in differing:
            having: dict[str, list[str]] = {}
            for row in rows:
                having.setdefault(row["differs"][name] or "-", []).append(row["run"])
            values = [f"{value} ({', '.join(those)})" for value, those in having.items()]
            _say_wrapped(f"  {name}: {', '.join(values)}")


def _say_wrapped(text: str) -> None:
    say(textwrap.fill(text, terminal_width(), subsequent_indent="    "))


def _percents(rows: list[dict[str, Any]], name: str) -> list[str]:
    return [percent(row[name]) for row in rows]
