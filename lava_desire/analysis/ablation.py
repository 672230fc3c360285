"""Ablations: the effect of single changes on accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lava_desire.analysis.catalogue import BASES as BASES
from lava_desire.analysis.catalogue import VARIANTS
from lava_desire.analysis.experiments import read_history
from lava_desire.analysis.style import grid, plots
from lava_desire.analysis.training import Samples, train_or_resume
from lava_desire.config import DesireConfig
from lava_desire.palette import BLUE, ORANGE
from lava_desire.sheet import Sheet
from lava_desire.training.run_folder import holds_run


@dataclass(frozen=True)
class Ablation:
    """Accuracies of variants over seeds.

    Fields are one list a variant: `seeds` are those that finished, `last`, `last_average` and
    `training` accuracies in [0, 1], one a seed, of the last epoch (weights on test, averaged
    weights on test, training samples under dropout); `changes` are the fields that differ from
    `base`.
    """

    names: list[str]
    seeds: list[list[int]]
    last: list[list[float]]
    last_average: list[list[float]]
    training: list[list[float]]
    changes: list[dict[str, Any]]
    base: dict[str, Any]


def run_folder(folder: str | Path, name: str, seed: int) -> Path:
    """Return where a variant's run is kept."""
    return Path(folder) / f"{name}-seed-{seed}"


def train_variants(
    names: Sequence[str],
    seeds: Sequence[int],
    train: Samples,
    test: Samples,
    folder: str | Path,
    base: DesireConfig,
    device: str = "cpu",
) -> None:
    """Train every variant with every seed, resuming where an earlier call stopped.

    Raises ValueError if a variant is unknown.
    """
    for name in names:
        if name not in VARIANTS:
            raise ValueError(f"variant is {name!r}: expected one of {', '.join(VARIANTS)}")
    for seed in seeds:
        for name in names:
            config = base.replace(seed=seed, **VARIANTS[name])
            train_or_resume(config, train, test, run_folder(folder, name, seed), device=device)


def gather_ablation(
    folder: str | Path,
    base: DesireConfig,
    variants: Mapping[str, Mapping[str, Any]] = VARIANTS,
) -> Ablation:
    """Gather the finished runs of a folder.

    Raises ValueError if a run there has another configuration than its name says.
    """
    rows: dict[str, list[Any]] = {}
    for name, changes in variants.items():
        found = []
        for path in sorted(Path(folder).glob(f"{name}-seed-*")):
            if not holds_run(path):
                continue
            history, config = read_history(path)
            if config != base.replace(seed=config.seed, **changes):
                raise ValueError(f"{path} was trained as {config}: that is not {name}")
            if history.last is not None and history.last.epoch == config.epochs:
                found.append((config.seed, history.last))
        if found:
            rows[name] = found
    return Ablation(
        list(rows),
        [[seed for seed, _ in found] for found in rows.values()],
        [[record.test_accuracy for _, record in found] for found in rows.values()],
        [[record.average_accuracy for _, record in found] for found in rows.values()],
        [[record.train_accuracy for _, record in found] for found in rows.values()],
        [dict(variants[name]) for name in rows],
        base.to_dict(),
    )


@plots
def plot_ablation(sheet: Sheet, ablation: Ablation, title: str) -> None:
    """Draw the variants' test accuracies, a mark a seed."""
    axes = sheet.one((8, 1.4 + 0.45 * len(ablation.names)))
    for row, _ in enumerate(ablation.names):
        for values, offset, color, marker in (
            (ablation.last[row], -0.13, BLUE, "o"),
            (ablation.last_average[row], 0.13, ORANGE, "s"),
        ):
            axes.plot(
                [100 * value for value in values],
                [row + offset] * len(values),
                linestyle="none",
                marker=marker,
                color=color,
                markersize=5,
            )
            mean = 100 * sum(values) / len(values)
            axes.plot([mean, mean], [row + offset - 0.12, row + offset + 0.12], color=color)
    handles = [
        axes.plot([], [], linestyle="none", marker="o", color=BLUE, label="weights")[0],
        axes.plot([], [], linestyle="none", marker="s", color=ORANGE, label="averaged weights")[0],
    ]
    if "base" in ablation.names:
        base = ablation.last[ablation.names.index("base")]
        axes.axvline(100 * sum(base) / len(base), color="0.6", linewidth=1, zorder=0)
    axes.set_yticks(range(len(ablation.names)), ablation.names)
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy after the last epoch (%); a mark a seed, a line their mean")
    axes.legend(handles=handles, fontsize=8)
    axes.set_title(title.replace(": ", ":\n") or "Single changes to the base", fontsize=10)
    grid(axes)
