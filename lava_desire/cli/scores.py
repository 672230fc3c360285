"""What ``eval`` prints of a network beside its accuracy: scores by class, and calibration."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lava_desire._text import percent, printable
from lava_desire.files import replacing

if TYPE_CHECKING:
    from lava_desire.engine import Metrics
    from lava_desire.training.scores import MarginBin

_MOST = 40  # rows of classes


def write_confusion(metrics: Metrics, path: Path) -> None:
    """Write the confusion matrix as CSV: a row a class of samples, a column a prediction."""
    names = _names(metrics)
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["label", *names, "undecided"])
        writer.writerows([name, *row] for name, row in zip(names, metrics.confusion, strict=True))


def _names(metrics: Metrics) -> tuple[str, ...]:
    return metrics.class_names or tuple(map(str, range(len(metrics.confusion))))


def scores_table(metrics: Metrics) -> str:
    """Return precision, recall and F1 of the classes that have samples, and their means."""
    scores, confusion = metrics.by_class, metrics.confusion
    names = _names(metrics)
    there = [number for number in range(len(confusion)) if scores.support[number]]
    rows = [
        [
            printable(names[number]),
            f"{scores.support[number]}",
            f"{confusion[number, number]}",
            *map(percent, (scores.precision[number], scores.recall[number], scores.f1[number])),
        ]
        for number in there[:_MOST]
    ]
    if len(there) > _MOST:
        rows.append(["...", *[""] * 5])
    means = map(percent, scores.macro.values())
    rows.append(["all, mean", str(metrics.num_samples), str(metrics.num_correct), *means])
    return _table(["class", "samples", "right", "precision", "recall", "F1"], rows)


def reliability_table(metrics: Metrics) -> str:
    """Return accuracy by margin, and the expected calibration error."""
    rows = [
        [
            _margins(each),
            str(each.num_samples),
            percent(each.accuracy or 0.0),
            percent(each.confidence or 0.0),
        ]
        for each in metrics.reliability
        if each.num_samples
    ]
    return (
        _table(["margin", "samples", "right", "margin / T"], rows)
        + "\nmargin: spikes of the first output neuron less those of the second; expected "
        f"calibration error of margin / T: {percent(metrics.expected_calibration_error or 0.0)}"
    )


def _margins(each: MarginBin) -> str:
    return str(each.least) if each.least == each.most else f"{each.least}-{each.most}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in [head, *rows]
    )
