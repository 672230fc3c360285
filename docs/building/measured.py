"""Tables of what was measured, made from the JSON that the measurements left.

`{measured} NAME` in a page stands for a table of :data:`TABLES`; `{measured} other` for every file
of `benchmarks/results` that none of them has read. Below each stand machine, commit and command.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

ROOT = Path(__file__).parents[2]
BENCHMARKS = "benchmarks/results"
Rows = Iterable[Sequence[Any]]


class Page:
    """Reads JSON for one table, and remembers what it read."""

    def __init__(self) -> None:
        self.files: list[Path] = []
        self.lines: list[str] = []

    def read(self, name: str) -> Any:
        """Return the content of a JSON file, named from the root."""
        self.files.append(ROOT / name)
        return json.loads((ROOT / name).read_text("utf-8"))

    def table(self, titles: Sequence[str], rows: Rows) -> None:
        """Add a Markdown table; numbers stand to the right."""
        rows = [[_shown(cell) for cell in row] for row in rows]
        numeric = [all(_is_number(row[i]) for row in rows) for i in range(len(titles))]
        self.lines += ["", _row(titles), _row("--:" if right else ":--" for right in numeric)]
        self.lines += [*map(_row, rows), ""]

    def origin(self, name: str, notes: dict[str, Any]) -> None:
        """Add where and with what it was measured."""
        machine = notes.get("environment", {})
        parts = [
            f"`{notes['command']}`" if "command" in notes else "",
            f"commit {notes['commit'][:300] if len(notes['commit']) != 40 else notes['commit'][:7]}"
            if notes.get("commit")
            else "",
            ", ".join(
                str(text)
                for text in (
                    machine.get("gpu") or machine.get("device_name"),
                    machine.get("processor"),
                    f"{machine['threads']} threads" if machine.get("threads", 0) > 1 else
                    "1 thread" if machine.get("threads") else None,
                    f"Python {machine['python']}" if "python" in machine else None,
                    f"torch {machine['torch']}" if "torch" in machine else None,
                )
                if text
            ),
        ]
        told = "; ".join(part for part in parts if part)
        self.lines += ["", "{.measured}", f"{told or 'measured'}. [{name}](/../{name})", ""]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if value == 0 or 1e-3 <= abs(value) < 1e6:
            digits = max(0, 3 - len(str(int(abs(value))))) if abs(value) >= 1 else 3
            return f"{value:,.{digits}f}"
        return f"{value:.3g}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value).replace("|", "\\|")


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[\d,.]*(e-?\d+)?( %)?", text) is not None


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f} %"


def _engine(page: Page) -> None:
    name = f"{BENCHMARKS}/engine.json"
    notes = page.read(name)
    found = {row["case"]: row for row in notes["results"]}
    ours = found["ours, in training, B = 64"]["ms_per_sample"]
    page.table(
        ["case", "ms a sample", "of the processor", "time, ours in training = 1", "peak MiB"],
        (
            [
                case,
                row["ms_per_sample"],
                row["processor_ms_per_sample"],
                f"{row['ms_per_sample'] / ours:.2f}",
                f"{row['peak_mebibytes']:.0f}",
            ]
            for case, row in found.items()
            if not case.startswith("before")
        ),
    )
    page.origin(name, notes)


def _peers(page: Page) -> None:
    name = f"{BENCHMARKS}/engine.json"
    notes = page.read(name)
    found = {row["case"]: row for row in notes["results"]}
    cases = ["ours, in training, B = 64", "ours, untrained, B = 64"]
    cases += [case for case in found if case.startswith(("SpikingJelly", "snnTorch"))]
    page.table(
        ["program", "ms a training sample", "of the processor", "peak MiB"],
        (
            [
                case.replace("ours", "lava_desire"),
                found[case]["ms_per_sample"],
                found[case]["processor_ms_per_sample"],
                f"{found[case]['peak_mebibytes']:.0f}",
            ]
            for case in cases
        ),
    )
    page.origin(name, notes)


def _lava(page: Page) -> None:
    name = f"{BENCHMARKS}/lava.json"
    notes = page.read(name)
    page.table(
        ["network", "case", "steps a second", "time, stock chain on Lava = 1", "processor ms a step"],
        (
            [
                row["network"],
                row["case"],
                f"{row['steps_per_second']:.0f}",
                f"{row['time_relative_to_chain']:.2f}",
                f"{row['processor_ms_per_step']:.2f}",
            ]
            for row in notes["results"]
        ),
    )
    page.origin(name, notes)


def _soak(page: Page) -> None:
    name = f"{BENCHMARKS}/lava_stress.json"
    notes = page.read(name)
    run, many = notes["one_run"], notes["many_networks"]
    page.table(
        ["what", "found"],
        [
            ["steps in one run", run["steps"]],
            ["samples learned", run["samples_learned"]],
            ["largest growth of a child, KiB", run["largest_growth_of_a_child"]["resident_kib"]],
            ["processes and segments left after it", run["left_processes"] + run["left_segments"]],
            ["networks built and stopped in turn", many["networks"]],
            ["processes left, of those started", f"{many['left_processes']} of {many['processes_started']}"],
            ["segments left, of those made", f"{many['left_segments']} of {many['segments_made']}"],
            ["growth of the interpreter a network, KiB",
             round(many["growth_of_parent"]["resident_kib"] / many["networks"])],
        ],
    )
    page.origin(name, notes)


def _exports(page: Page) -> None:
    name = f"{BENCHMARKS}/exports.json"
    notes = page.read(name)
    versions = notes["frameworks"]["versions"]
    found: dict[tuple[str, str, str], dict[str, int]] = {}
    for row in notes["frameworks"]["results"]:
        version = versions.get(row["framework"].lower(), "")
        key = (f"{row['framework']} {version}", row["reset"], row["how"])
        sums = found.setdefault(key, {"bits": 0, "wrong": 0})
        sums["bits"] += row["output_bits"]
        sums["wrong"] += row["mismatching"]
    lava_dl = [row for row in notes["netx"]["results"]]
    key = (f"lava-dl {notes['netx']['versions']['lava-dl']}", "zero", "netx file")
    found[key] = {
        "bits": sum(row["output_bits"] for row in lava_dl),
        "wrong": sum(row["mismatching"] for row in lava_dl),
    }
    page.table(
        ["framework", "reset", "how", "bits that differ", "of bits"],
        ([*key, sums["wrong"], sums["bits"]] for key, sums in found.items()),
    )
    page.origin(name, notes)


def _on_lava(page: Page) -> None:
    name = f"{BENCHMARKS}/exports_on_lava.json"
    notes = page.read(name)
    page.table(
        ["network and processes", "images", "spikes", "spikes that differ", "of bits"],
        (
            [
                row["processes"],
                row["images"],
                row["spikes"],
                row["mismatching_spikes"],
                row["output_bits"],
            ]
            for row in notes["results"]
        ),
    )
    page.origin(name, notes)


def _learning_engine(page: Page) -> None:
    name = f"{BENCHMARKS}/learning_engine.json"
    notes = page.read(name)
    page.table(
        ["arithmetic, window", "layer", "correlation of samples", "error of the sum", "slope of the sum"],
        (
            [
                case,
                layer["layer"],
                f"{layer['correlation_of_samples']:.6f}",
                f"{layer['relative_error_of_sums']:.2g}",
                f"{layer['slope_of_sums']:.3f}",
            ]
            for case, row in notes["changes_of_weights"].items()
            for layer in row["layers"]
        ),
    )
    page.origin(name, notes)


def _accuracy(page: Page) -> None:
    rows = []
    for path in sorted((ROOT / "results").glob("*/result.json")):
        name = path.relative_to(ROOT).as_posix()
        notes = page.read(name)
        for run in notes.get("runs", [notes]):
            config = run.get("config") or notes.get("config") or _config_beside(path)
            best, last = run.get("best"), run.get("last")
            if not (config and best and last):
                continue
            paper = notes.get("experiment", {}).get("paper_accuracy")
            rows.append(
                [
                    f"[{path.parent.name}](/../{name})",
                    "-".join(map(str, config["layer_sizes"])),
                    f"{config['learning_rate']:g}",
                    run.get("epochs_done", last["epoch"]),
                    run.get("seed", config.get("seed")),
                    f"{_percent(best['test_accuracy'])} (epoch {best['epoch']})",
                    _percent(last["test_accuracy"]),
                    _percent(paper),
                    f"`{notes['command']}`",
                ]
            )
    page.table(
        ["result", "network", "rate", "epochs", "seed", "best epoch", "last epoch", "the paper", "command"],
        rows,
    )


def _config_beside(path: Path) -> dict[str, Any] | None:
    config = path.with_name("config.json")
    return json.loads(config.read_text("utf-8")) if config.exists() else None


def _integers(page: Page) -> None:
    name = "results/fixed_point/mnist_quantised.json"
    notes = page.read(name)
    page.table(
        ["bits a weight", "before", "quantised", "tuned", "bytes of weights"],
        (
            [
                row["weight_bits"],
                _percent(row["accuracy_before"]),
                _percent(row["accuracy_untuned"]),
                _percent(row["accuracy_after"]) if row["fine_tune_epochs"] else "",
                row["weight_bytes"],
            ]
            for row in notes["results"]
        ),
    )
    page.origin(name, notes)
    rows = []
    for part in ("mnist_float", "mnist_learned", "mnist_learned_online"):
        notes = page.read(f"results/fixed_point/{part}.json")
        found = notes["results"]
        rows.append(
            [
                found["weight_bits"],
                found["config"]["batch_size"],
                found["config"]["epochs"],
                _percent(found["best_test_accuracy"]),
                _percent(found["last_test_accuracy"]),
                f"`{notes['command']}`",
            ]
        )
    page.table(["weights", "batch", "epochs", "best epoch", "last epoch", "command"], rows)


def _ablation(page: Page) -> None:
    for folder in ("ablation", "ablation-large"):
        name = f"results/{folder}/ablation.json"
        notes = page.read(name)
        found = notes["measurement"]
        page.table(
            [f"change ({folder})", "seeds", "last epoch", "averaged weights", "training, under dropout"],
            (
                [
                    change,
                    ", ".join(map(str, seeds)),
                    *(", ".join(map(_percent, found[key][i])) for key in ("last", "last_average", "training")),
                ]
                for i, (change, seeds) in enumerate(zip(found["names"], found["seeds"], strict=True))
            ),
        )
        page.origin(name, notes["notes"])


def _rates(page: Page) -> None:
    name = "results/learning-rates/runs.json"
    notes = page.read(name)
    rows = []
    for rate, run in notes["runs"].items():
        with (ROOT / f"results/learning-rates/{rate}/metrics.csv").open(newline="") as file:
            epochs = list(csv.DictReader(file))
        last = epochs[-1]
        rows.append(
            [rate, len(epochs), _percent(float(last["test_accuracy"])), run.get("note", ""), f"`{run['command']}`"]
        )
    page.table(["rate", "epochs", "last epoch", "", "command"], rows)
    page.origin(name, {"commit": "; ".join(sorted({run["commit"] for run in notes["runs"].values()}))})


TABLES: dict[str, Callable[[Page], None]] = {
    "engine": _engine,
    "peers": _peers,
    "lava": _lava,
    "soak": _soak,
    "exports": _exports,
    "exports-on-lava": _on_lava,
    "learning-engine": _learning_engine,
    "accuracy": _accuracy,
    "integers": _integers,
    "ablation": _ablation,
    "learning-rates": _rates,
}


def _other(page: Page) -> None:
    known = {
        *("engine", "lava", "lava_stress", "exports", "exports_on_lava", "learning_engine"),
    }
    for path in sorted((ROOT / BENCHMARKS).glob("*.json")):
        if path.stem in known:
            continue
        name = path.relative_to(ROOT).as_posix()
        notes = page.read(name)
        found = notes.get("results") if isinstance(notes, dict) else None
        rows = found if isinstance(found, list) else []
        rows = [row for row in rows if isinstance(row, dict)]
        titles = list(dict.fromkeys(
            key for row in rows for key, value in row.items() if not isinstance(value, dict | list)
        ))
        page.lines += ["", f"**{path.stem.replace('_', ' ')}**", ""]
        if titles:
            page.table(
                [title.replace("_", " ") for title in titles],
                ([row.get(title) for title in titles] for row in rows),
            )
        page.origin(name, notes if isinstance(notes, dict) else {})


TABLES["other"] = _other


class Measured(Directive):
    """Put a table of :data:`TABLES` into a page."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table, and what it comes from."""
        name = self.arguments[0]
        if name not in TABLES:
            raise self.error(f"measured {name}: expected one of {', '.join(TABLES)}")
        page = Page()
        TABLES[name](page)
        for path in page.files:
            self.state.document.settings.env.note_dependency(str(path))
        box = nodes.container()
        self.state.nested_parse(StringList(page.lines, source=name), 0, box)
        return list(box.children)


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_directive("measured", Measured)
    return {"parallel_read_safe": True}
