"""Spike activity of neurons, class by class, over the first epochs: Fig. 7."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lava_desire.analysis.style import class_labels, plots
from lava_desire.analysis.training import Samples
from lava_desire.engine import DesireNetwork
from lava_desire.sheet import Sheet
from lava_desire.training.evaluation import checked_data, chunks

_BATCH = 256


@dataclass(frozen=True)
class ActivityByClass:
    """Relative spike counts of chosen neurons over training.

    `epochs` are the moments of training at which was measured, 0 the untrained network; `neurons`
    and `activity` have an entry a plastic layer: numbers of the neurons shown, and their spikes a
    time step, (moments, classes, neurons) in [0, 1].
    """

    epochs: list[float]
    neurons: list[list[int]]
    activity: list[Any]
    class_names: Sequence[str] | None = None


def activity_by_class(network: DesireNetwork, data: Samples) -> dict[str, npt.NDArray[np.float32]]:
    """Measure how often each neuron spikes for each class, without dropout.

    Returns ``"1"`` to ``"L"``: (K, N_ℓ) float32, spikes a time step in [0, 1], NaN for a class
    without samples.
    """
    images, labels = checked_data(network, data, "data")
    neurons, num_classes = network.config.neurons, network.config.num_classes
    sums = [torch.zeros(num_classes, size, dtype=torch.float64) for size in neurons[1:]]
    for part in chunks(labels, _BATCH):
        activity, target = network.forward_checked(images[part]), labels[part]
        for total, counts in zip(sums, activity.counts[1:], strict=True):
            total.index_add_(0, target.cpu().long(), counts.cpu().double())
    samples = torch.bincount(labels.cpu().long(), minlength=num_classes)
    steps = (samples * network.config.num_steps).double()[:, None]
    return {
        str(layer): (total / steps).float().numpy() for layer, total in enumerate(sums, start=1)
    }


def choose_neurons(neurons: Sequence[int], at_most: int = 20) -> list[list[int]]:
    """Choose neurons of each plastic layer to show: evenly spaced, all of a small layer.

    The order of neurons in a dense layer means nothing, so evenly spaced is as good as random; in a
    convolution it is through channels and positions.
    """
    chosen = []
    for size in neurons[1:]:
        count = min(size, at_most)
        chosen.append([size * index // count for index in range(count)])
    return chosen


def summarise_activity(
    epochs: Sequence[float],
    neurons: Sequence[Sequence[int]],
    measured: Sequence[dict[str, npt.NDArray[np.float32]]],
    class_names: Sequence[str] | None = None,
) -> ActivityByClass:
    """Gather what :func:`activity_by_class` returned at each of the moments `epochs`."""
    activity = [
        np.stack([moment[str(layer)][:, chosen] for moment in measured])
        for layer, chosen in enumerate(neurons, start=1)
    ]
    chosen_neurons = [list(chosen) for chosen in neurons]
    return ActivityByClass(list(epochs), chosen_neurons, activity, class_names)


@plots
def plot_activity_by_class(sheet: Sheet, measured: ActivityByClass, title: str) -> None:
    """Draw neurons against time, a row of pictures a layer, a column a class (Fig. 7)."""
    layers = [np.asarray(activity, float) for activity in measured.activity]
    num_layers, num_classes = len(layers), layers[0].shape[1]
    names = class_labels(num_classes, measured.class_names)
    kind = "class " if measured.class_names is None else ""
    size = (1.15 * num_classes + 1.6, 1.9 * num_layers + 0.9)
    rows = sheet.several(num_layers, num_classes, size, sharex=True, sharey="row")
    edges = _edges(measured.epochs)
    for layer, (row, activity) in enumerate(zip(rows, layers, strict=True), start=1):
        num_neurons = activity.shape[2]
        for label, axes in enumerate(row):
            image = axes.pcolormesh(
                edges,
                np.arange(num_neurons + 1) - 0.5,
                activity[:, label].T,
                cmap="viridis",
                vmin=0,
                vmax=1,
                rasterized=True,
            )
            axes.set_xlim(edges[0], edges[-1])
            axes.set_ylim(num_neurons - 0.5, -0.5)
            axes.tick_params(labelsize=7)
            if layer == 1:
                axes.set_title(f"{kind}{names[label]}", fontsize=10)
            if layer == num_layers:
                axes.set_xlabel("epoch", fontsize=9)
        place = "output" if layer == num_layers else "hidden"
        row[0].set_ylabel(f"{place} layer {layer}\nneuron shown", fontsize=9)
        row[0].set_yticks(range(0, num_neurons, 5 if num_neurons > 10 else 3))
    sheet.figure.colorbar(image, ax=rows, label="spikes a time step", shrink=0.6)
    sheet.title(title or "Spike activity by class")


def _edges(moments: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return where one moment's column ends and the next begins: halfway."""
    middle = (np.array(moments[1:]) + np.array(moments[:-1])) / 2
    return np.concatenate([[moments[0]], middle, [moments[-1]]])
