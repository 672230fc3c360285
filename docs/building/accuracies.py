"""Tables of what was learned, made from `results/`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from building.tables import ROOT, Page, percent
from lava_desire import DesireConfig


def accuracy(page: Page) -> None:
    """Add every `result.json`: network, protocol, best and last epoch, test set."""
    rows, origins = [], {}
    for path in sorted((ROOT / "results").glob("*/result.json")):
        name = path.relative_to(ROOT).as_posix()
        notes = page.read(name)
        for run in notes.get("runs", [notes]):
            config = run.get("config") or notes.get("config") or _config_beside(path)
            best, last, test = run.get("best"), run.get("last"), run.get("test")
            if not (config and (test or (best and last))):
                continue
            origins[name] = notes
            paper = notes.get("experiment", {}).get("paper_accuracy")
            rows.append(
                [
                    f"[{path.parent.name}](/../{name})",
                    DesireConfig.from_dict(config).shape_text,
                    f"{config['learning_rate']:g}",
                    run["epochs_done"] if "epochs_done" in run else last["epoch"],
                    run.get("seed", config.get("seed")),
                    notes.get("protocol", "test"),
                    best and f"{_watched(best)} (epoch {best['epoch']})",
                    last and _watched(last),
                    test and f"{percent(test['accuracy'])} (epoch {test['epoch']})",
                    percent(paper),
                ]
            )
    page.table(
        [
            "result",
            "network",
            "rate",
            "epochs",
            "seed",
            "protocol",
            "best epoch",
            "last epoch",
            "test set, read once",
            "the paper",
        ],
        rows,
    )
    for name, notes in origins.items():
        page.origin(name, notes)


def _watched(reached: dict[str, Any]) -> str:
    """Return an accuracy on the test set, or in validation, which is named."""
    if "test_accuracy" in reached:
        return percent(reached["test_accuracy"])
    return f"{percent(reached['validation_accuracy'])} in validation"


def _config_beside(path: Path) -> dict[str, Any] | None:
    config = path.with_name("config.json")
    return json.loads(config.read_text("utf-8")) if config.exists() else None


def integers(page: Page) -> None:
    """Add what quantising and learning in integers came to."""
    name = "results/fixed_point/mnist_quantised.json"
    notes = page.read(name)
    page.table(
        ["bits a weight", "before", "quantised", "tuned", "bytes of weights"],
        (
            [
                row["weight_bits"],
                percent(row["accuracy_before"]),
                percent(row["accuracy_untuned"]),
                percent(row["accuracy_after"]) if row["fine_tune_epochs"] else "",
                row["weight_bytes"],
            ]
            for row in notes["results"]
        ),
    )
    page.origin(name, notes)
    rows, origins = [], {}
    for part in ("mnist_float", "mnist_learned", "mnist_learned_online"):
        notes = page.read(f"results/fixed_point/{part}.json")
        found = notes["results"]
        rows.append(
            [
                found["weight_bits"],
                found["config"]["batch_size"],
                found["config"]["epochs"],
                percent(found["best_test_accuracy"]),
                percent(found["last_test_accuracy"]),
            ]
        )
        origins[f"results/fixed_point/{part}.json"] = notes
    page.table(["bits a weight", "batch", "epochs", "best epoch", "last epoch"], rows)
    for name, notes in origins.items():
        page.origin(name, notes)


def convolutions(page: Page) -> None:
    """Add what a convolutional network learns in integers, beside floating point."""
    name = "results/fixed_point/convolutions.json"
    notes = page.read(name)
    found: dict[tuple[Any, ...], list[str]] = {}
    for row in notes["results"]:
        config = row["config"]
        key = row["weight_bits"], config["batch_size"], config["learning_rate"]
        found.setdefault(key, []).append(percent(row["last_test_accuracy"]))
    titles = ["bits a weight", "batch", "learning rate", "test, a seed each"]
    page.table(titles, [[*key, ", ".join(each)] for key, each in found.items()])
    page.origin(name, notes)


def ablation(page: Page) -> None:
    """Add single changes to training."""
    for folder in ("ablation", "ablation-large"):
        name = f"results/{folder}/ablation.json"
        notes = page.read(name)
        found = notes["measurement"]
        page.table(
            [
                f"change ({folder})",
                "seeds",
                "last epoch",
                "averaged weights",
                "training, under dropout",
            ],
            (
                [
                    change,
                    ", ".join(map(str, seeds)),
                    *(
                        ", ".join(map(percent, found[key][i]))
                        for key in ("last", "last_average", "training")
                    ),
                ]
                for i, (change, seeds) in enumerate(
                    zip(found["names"], found["seeds"], strict=True)
                )
            ),
        )
        page.origin(name, notes["notes"])


def rates(page: Page) -> None:
    """Add learning rates."""
    name = "results/learning-rates/runs.json"
    notes = page.read(name)
    rows = []
    for rate, run in notes["runs"].items():
        with (ROOT / f"results/learning-rates/{rate}/metrics.csv").open(newline="") as file:
            epochs = list(csv.DictReader(file))
        last = epochs[-1]
        rows.append(
            [
                rate,
                len(epochs),
                percent(float(last["test_accuracy"])),
                run.get("note", ""),
                f"`{run['command']}`",
            ]
        )
    page.table(["rate", "epochs", "last epoch", "", "command"], rows)
    page.origin(
        name, {"commit": "; ".join(sorted({run["commit"] for run in notes["runs"].values()}))}
    )
