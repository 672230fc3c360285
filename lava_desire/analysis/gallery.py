"""The paper's figures and tables: measured once, stored as JSON, drawn."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lava_desire.analysis.accuracy import (
    HIDDEN_NEURONS,
    TIME_STEPS,
    AccuracySweep,
    measure_accuracy,
    plot_accuracy,
    sized_network,
)
from lava_desire.analysis.catalogue import FIGURES as FIGURES
from lava_desire.analysis.complexity import (
    OperationCounts,
    count_measured,
    count_most,
    plot_operations,
)
from lava_desire.analysis.contribution import Contribution, measure_contribution, plot_contribution
from lava_desire.analysis.local_losses import (
    LossCurve,
    local_losses,
    plot_local_losses,
    summarise_losses,
)
from lava_desire.analysis.scaling import Scaling, logarithmic_sizes, measure_scaling, plot_scaling
from lava_desire.analysis.spike_activity import (
    ActivityByClass,
    activity_by_class,
    choose_neurons,
    plot_activity_by_class,
    summarise_activity,
)
from lava_desire.analysis.storage import load_measurement, save_measurement
from lava_desire.analysis.training import Snapshots, train_or_resume
from lava_desire.config import DesireConfig
from lava_desire.data import Dataset
from lava_desire.engine import DesireNetwork

_DECAY_IN_ALL = 6.0  # over its epochs the paper's rate falls by e⁻⁶: short schedules do the same
_ACTIVITY_SAMPLES = 2000  # whose mean is Fig. 7: it is measured at many moments


@dataclass(frozen=True)
class Scale:
    """How large the figures' experiments are; what a CPU does in some minutes, unless given."""

    neurons: tuple[int, ...] = (25, 50, 100, 200, 400)  # values of N in Fig. 4
    steps: tuple[int, ...] = (5, 10, 15, 20, 30, 40)  # values of T in Fig. 5
    epochs: int = 8  # of every network in Fig. 4 and 5
    train_samples: int = 20_000  # that these epochs are over
    watched_neurons: int = 100  # N of the network in Fig. 5 to 8, 2N and N hidden neurons
    watched_epochs: int = 10  # of Fig. 6; Fig. 7 shows the first five of them
    contribution_samples: int = 1000  # of Fig. 8
    largest: int = 10_000  # most hidden neurons of Fig. 9
    sizes: int = 7  # of Fig. 9, in logarithmic steps from 100
    rounds: int = 5  # timed at each size
    learning_rate: float = 4e-5  # of the first epoch

    @classmethod
    def quick(cls) -> Scale:
        """Return what shows in seconds that everything runs."""
        return cls((5, 10), (5, 20), 2, 1000, 20, 2, 100, 400, 3, 1, 1e-4)

    def replace(self, **changes: Any) -> Scale:
        """Return a copy with some fields changed."""
        for name, value in changes.items():
            if isinstance(value, list):
                changes[name] = tuple(value)
        return dataclasses.replace(self, **changes)


@dataclass
class Gallery:
    """Measures and draws the figures of one folder.

    What has been measured there is drawn again from its file, and runs go on where they stopped.
    """

    data: Dataset  # MNIST in the paper
    scale: Scale
    seed: int  # of all runs
    folder: Path  # of PNG and JSON files, and of the runs, in ``runs``
    device: str  # where networks are trained; Fig. 9 is always measured on the CPU
    notes: dict[str, Any]  # command, commit, environment: written into every JSON file

    @cached_property
    def _base(self) -> DesireConfig:
        return DesireConfig.preset("mnist").resized(
            self.data.num_inputs,
            (1,),
            self.data.num_classes,
            learning_rate=self.scale.learning_rate,
            seed=self.seed,
        )

    def draw(self, name: str) -> Path:
        """Measure one of :data:`FIGURES`, unless that has been done, draw it, and return the PNG.

        Raises ValueError if there is no such figure.
        """
        recipes: dict[str, tuple[Any, Callable[[], Any], Callable[..., Any]]] = {
            "fig4": (AccuracySweep, self._fig4, plot_accuracy),
            "fig5": (AccuracySweep, self._fig5, plot_accuracy),
            "fig6": (LossCurve, self._fig6, self._plot_fig6),
            "fig7": (ActivityByClass, self._fig7, self._plot_fig7),
            "fig8": (Contribution, self._fig8, self._plot_fig8),
            "table3": (OperationCounts, self._table3, plot_operations),
            "fig9": (Scaling, self._fig9, plot_scaling),
        }
        if name not in recipes:
            raise ValueError(f"figure is {name!r}: expected one of {', '.join(recipes)}")
        kind, measure, plot = recipes[name]
        self.folder.mkdir(parents=True, exist_ok=True)
        stored, picture = self.folder / f"{name}.json", self.folder / f"{name}.png"
        if not stored.exists():
            started = time.monotonic()
            measured = measure()
            seconds = round(time.monotonic() - started)
            scale = dataclasses.asdict(self.scale)
            save_measurement(
                measured, stored, data=self.data.name, scale=scale, seconds=seconds, **self.notes
            )
        plot(load_measurement(kind, stored), picture)
        return picture

    def _scheduled(self, epochs: int) -> DesireConfig:
        return self._base.replace(epochs=epochs, learning_rate_decay=_DECAY_IN_ALL / epochs)

    def _fig4(self) -> AccuracySweep:
        base = self._scheduled(self.scale.epochs)
        return self._sweep("fig4", base, HIDDEN_NEURONS, self.scale.neurons)

    def _fig5(self) -> AccuracySweep:
        base = sized_network(self._scheduled(self.scale.epochs), self.scale.watched_neurons)
        return self._sweep("fig5", base, TIME_STEPS, self.scale.steps)

    def _sweep(
        self, name: str, base: DesireConfig, quantity: str, values: Sequence[int]
    ) -> AccuracySweep:
        images, labels = (array[: self.scale.train_samples] for array in self.data.train)
        runs, test = self.folder / "runs" / name, self.data.test
        return measure_accuracy(base, quantity, values, (images, labels), test, runs, self.device)

    @cached_property
    def _watched(self) -> DesireConfig:
        """The network of Fig. 6 and 7."""
        schedule = self._scheduled(self.scale.watched_epochs)
        return sized_network(schedule, self.scale.watched_neurons)

    @cached_property
    def _snapshots(self) -> tuple[Snapshots, Snapshots]:
        """Train that network, and return what was measured of losses and of activity."""
        folder = self.folder / "runs" / "fig6-fig7"
        images, labels = self.data.test
        some = (images[:_ACTIVITY_SAMPLES], labels[:_ACTIVITY_SAMPLES])
        losses = Snapshots(
            [self._samples(epoch) for epoch in range(1, self._watched.epochs + 1)],
            lambda network: local_losses(network, self.data.test),
            folder / "losses",
        )
        activity = Snapshots(
            [self._samples(moment) for moment in self._moments[1:]],
            lambda network: activity_by_class(network, some),
            folder / "activity",
        )
        untrained = DesireNetwork(self._watched, self.device)
        losses.take(untrained, 0)
        activity.take(untrained, 0)
        train_or_resume(
            self._watched,
            self.data.train,
            self.data.test,
            folder / "run",
            device=self.device,
            watch=(losses, activity),
        )
        return losses, activity

    @property
    def _moments(self) -> list[float]:
        """Epochs at which Fig. 7 looks: densely at first, where most happens."""
        last = min(5, self._watched.epochs)
        early = [0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4]
        return early + [quarter / 4 for quarter in range(4, 4 * last + 1)]

    def _samples(self, epochs: float) -> int:
        return round(epochs * len(self.data.train_labels))

    def _fig6(self) -> LossCurve:
        losses, _ = self._snapshots
        epochs = list(range(self._watched.epochs + 1))
        measured = [losses.read(self._samples(epoch)) for epoch in epochs]
        return summarise_losses(self._watched.neurons, epochs, measured)

    def _fig7(self) -> ActivityByClass:
        _, activity = self._snapshots
        neurons = choose_neurons(self._watched.neurons)
        measured = [activity.read(self._samples(moment)) for moment in self._moments]
        return summarise_activity(self._moments, neurons, measured, self.data.class_names)

    def _fig8(self) -> Contribution:
        # One epoch at the paper's own rate: nothing here depends on how long training goes on.
        paper = DesireConfig.preset(self.data.name)
        config = self._watched.replace(learning_rate=paper.learning_rate)
        num_samples = min(self.scale.contribution_samples, len(self.data.train_labels))
        return measure_contribution(config, self.data.train, num_samples, device=self.device)

    def _table3(self) -> OperationCounts:
        path = self.folder / "runs" / "fig6-fig7" / "run" / "checkpoint.safetensors"
        if path.exists():
            network, state = DesireNetwork.load(path), "after training"
        else:
            network, state = DesireNetwork(self._watched), "untrained"
        images, labels = self.data.test
        measured = count_measured(network, images[:10], labels[:10])
        layers = network.config.shape_text
        words = (
            f"5 neurons of each hidden layer of {layers} {state}, T = {network.config.num_steps}, "
            f"10 test samples of {self.data.name}"
        )
        return OperationCounts(count_most(), measured, words)

    def _fig9(self) -> Scaling:
        sizes = logarithmic_sizes(100, max(100, self.scale.largest), self.scale.sizes)
        return measure_scaling(self._base, self.data.train, sizes, self.scale.rounds)

    @property
    def _network_name(self) -> str:
        return f"{self.data.name}, {self._watched.shape_text}"

    def _plot_fig6(self, curve: LossCurve, path: Path) -> None:
        config = self._watched
        words = (
            f"{self._network_name}, {curve.epochs[-1]} epochs (the paper: 150), batch "
            f"{config.batch_size}, learning rate {config.learning_rate:g}, "
            f"decay {config.learning_rate_decay:g} an epoch"
        )
        plot_local_losses(curve, path, f"Local test losses and accuracy\n{words}")

    def _plot_fig7(self, measured: ActivityByClass, path: Path) -> None:
        num_samples = min(_ACTIVITY_SAMPLES, len(self.data.test_labels))
        words = f"{self._network_name}, {num_samples} test samples"
        plot_activity_by_class(measured, path, f"Spike activity by class, {words}")

    def _plot_fig8(self, measured: Contribution, path: Path) -> None:
        words = f"means of {measured.samples_a_bin} samples"
        plot_contribution(
            measured,
            path,
            f"Contribution of the inputs to the first layer's desires, {words}\n"
            f"{self._network_name}, online, learning rate {measured.learning_rate:g}",
        )
