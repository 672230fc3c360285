"""Accuracy against the size of the network and the length of its trains: Fig. 4 and 5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lava_desire.analysis.style import grid, plots
from lava_desire.analysis.training import Samples, train_or_resume
from lava_desire.config import DesireConfig
from lava_desire.palette import BLUE, ORANGE
from lava_desire.sheet import Sheet

HIDDEN_NEURONS, TIME_STEPS = "hidden neurons N", "time steps T"


@dataclass(frozen=True)
class AccuracySweep:
    """Test accuracy of networks that differ in one number.

    `quantity` is :data:`HIDDEN_NEURONS` or :data:`TIME_STEPS`; `best` and `last` are test
    accuracies in [0, 1] of the best and of the last epoch, one a value; `schedule` says for the
    title how the networks were trained.
    """

    quantity: str
    values: list[int]
    best: list[float]
    last: list[float]
    schedule: str


def sized_network(base: DesireConfig, num_hidden: int) -> DesireConfig:
    """Return the paper's N_0 – 2N – N – N_L network (Sec. 4.2)."""
    return base.resized(hidden=(2 * num_hidden, num_hidden))


def timed_network(base: DesireConfig, num_steps: int) -> DesireConfig:
    """Return the network with other trains; the margin m keeps its share of them (Sec. 4.2)."""
    margin = round(base.error_margin * num_steps / base.num_steps)
    return base.replace(num_steps=num_steps, error_margin=min(margin, num_steps - 1))


def measure_accuracy(
    base: DesireConfig,
    quantity: str,
    values: Sequence[int],
    train: Samples,
    test: Samples,
    folder: str | Path,
    device: str = "cpu",
) -> AccuracySweep:
    """Train a network for every value, each in a folder of its own.

    `quantity` is :data:`HIDDEN_NEURONS` or :data:`TIME_STEPS`; runs that are finished in `folder`
    are only read. Raises ValueError if the quantity is unknown, or a value makes no network.
    """
    builders = {HIDDEN_NEURONS: sized_network, TIME_STEPS: timed_network}
    if quantity not in builders:
        raise ValueError(f"quantity is {quantity!r}: expected one of {', '.join(builders)}")
    configs = [builders[quantity](base, value) for value in values]
    best, last = [], []
    for value, config in zip(values, configs, strict=True):
        history = train_or_resume(config, train, test, Path(folder) / str(value), device=device)
        tested = [
            record.test_accuracy
            for record in (history.best, history.last)
            if record is not None and record.test_accuracy is not None
        ]
        if len(tested) < 2:
            raise ValueError(f"epochs is {config.epochs}: expected at least 1, and a test set")
        best.append(tested[0])
        last.append(tested[1])
    schedule = (
        f"{base.epochs} epochs of {len(train[1])} samples, batch {base.batch_size}, "
        f"learning rate {base.learning_rate:g}, decay {base.learning_rate_decay:g} an epoch"
    )
    if quantity == TIME_STEPS:
        schedule = f"network {base.shape_text}\n{schedule}"
    return AccuracySweep(quantity, list(values), best, last, schedule)


@plots
def plot_accuracy(sheet: Sheet, sweep: AccuracySweep, title: str) -> None:
    """Draw test accuracy against what was varied (Fig. 4 and 5)."""
    axes = sheet.one((7.0, 4.2))
    places = range(len(sweep.values))
    percent = [100 * value for value in sweep.best]
    axes.plot(places, percent, color=BLUE, marker="o", label="best epoch")
    axes.plot(
        places,
        [100 * value for value in sweep.last],
        color=ORANGE,
        linestyle="--",
        marker="s",
        markersize=4,
        label="last epoch",
    )
    for place, value in zip(places, percent, strict=True):
        axes.annotate(
            f"{value:.1f}",
            (place, value),
            (0, 8),
            textcoords="offset points",
            ha="center",
            bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5},
        )
    axes.set_xticks(list(places), [str(value) for value in sweep.values])
    axes.margins(y=0.15)
    hidden = sweep.quantity == HIDDEN_NEURONS
    axes.set(
        xlabel="N, of 2N and N hidden neurons" if hidden else "time steps T",
        ylabel="test accuracy (%)",
    )
    axes.set_title(
        title or f"Accuracy against {sweep.quantity}, short schedule\n{sweep.schedule}",
        fontsize=9,
    )
    axes.legend(loc="lower right")
    grid(axes)
