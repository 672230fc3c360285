"""Local losses of the neurons, and accuracy, over the epochs: Fig. 6."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.ticker import MaxNLocator

from lava_desire import rule
from lava_desire.analysis.style import SERIES, grid, layer_name, plots
from lava_desire.analysis.training import Samples
from lava_desire.engine import DesireNetwork
from lava_desire.model.option import EligibilityPolicy, refuse_options
from lava_desire.palette import BLACK
from lava_desire.sheet import Sheet
from lava_desire.training.evaluation import checked_data, chunks

_BATCH = 256
_PERCENTILES = (10, 50, 90)


@dataclass(frozen=True)
class LossCurve:
    """Local test losses over the epochs.

    `epochs` are those after which was measured, 0 the untrained network; `mean` has a list a
    plastic layer of one mean loss of a neuron an epoch, `percentiles` the 10th, 50th and 90th over
    the neurons, layer by epoch; `accuracy` is on test, in [0, 1].
    """

    layer_sizes: list[int]
    epochs: list[int]
    mean: list[list[float]]
    percentiles: list[list[list[float]]]
    accuracy: list[float]


@torch.inference_mode()
def local_losses(network: DesireNetwork, data: Samples) -> dict[str, npt.NDArray[np.float64]]:
    """Measure every neuron's local loss, mean over samples, without dropout (Eq. 5, 6 and 14).

    Raises ValueError if errors are passed back otherwise, with an `eligibility_width`.
    Returns ``"1"`` to ``"L"``, (N_ℓ,) float64 losses of the layer's neurons, and ``"accuracy"``, ()
    float.
    """
    images, labels = checked_data(network, data, "data")
    config = network.config
    refuse_options(config, EligibilityPolicy, ", as errors are those of Eq. 14 here")
    sums = [torch.zeros(size, dtype=torch.float64) for size in config.neurons[1:]]
    correct = 0
    for part in chunks(labels, _BATCH):
        activity, target = network.forward_checked(images[part]), labels[part]
        correct += int((activity.prediction == target).sum())
        desires = network.desires(activity, target)
        for layer in range(1, config.num_layers + 1):
            rate = rule.firing_rate(activity.counts[layer], config.num_steps, config.error_margin)
            if layer == config.num_layers:
                error = rule.output_error(rate, target)
            else:
                error = rule.local_error(desires[layer - 1], rate)
            sums[layer - 1] += rule.local_loss(error).double().sum(0).cpu()
    losses = {
        str(layer): (total / len(labels)).numpy() for layer, total in enumerate(sums, start=1)
    }
    return losses | {"accuracy": np.array(correct / len(labels))}


def summarise_losses(
    neurons: Sequence[int],
    epochs: Sequence[int],
    measured: Sequence[dict[str, npt.NDArray[np.float64]]],
) -> LossCurve:
    """Gather what :func:`local_losses` returned after each of `epochs`."""
    layers = range(1, len(neurons))
    return LossCurve(
        list(neurons),
        list(epochs),
        [[float(losses[str(layer)].mean()) for losses in measured] for layer in layers],
        [
            [np.percentile(losses[str(layer)], _PERCENTILES).tolist() for losses in measured]
            for layer in layers
        ],
        [float(losses["accuracy"]) for losses in measured],
    )


@plots
def plot_local_losses(sheet: Sheet, curve: LossCurve, title: str) -> None:
    """Draw the layers' local losses and the accuracy over the epochs (Fig. 6)."""
    num_layers = len(curve.mean)
    (columns,) = sheet.several(1, num_layers, (4.0 * num_layers, 4.4), sharex=True)
    for layer, axes in enumerate(columns, start=1):
        style = SERIES[(layer - 1) % len(SERIES)]
        low, _, high = np.array(curve.percentiles[layer - 1]).T
        axes.fill_between(
            curve.epochs,
            low,
            high,
            color=style["color"],
            alpha=0.2,
            linewidth=0,
            label="10th to 90th percentile",
        )
        axes.plot(curve.epochs, curve.mean[layer - 1], markersize=3, label="mean", **style)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title(layer_name(layer, num_layers, curve.layer_sizes[layer]), fontsize=10)
        grid(axes)
        right = axes.twinx()
        right.plot(
            curve.epochs,
            [100 * value for value in curve.accuracy],
            color="0.45",
            linewidth=1,
            label="test accuracy",
        )
        right.set_ylim(0, 100)
        if layer == 1:
            axes.set_ylabel("local loss of a neuron, mean over test samples")
        if layer == num_layers:
            right.set_ylabel("test accuracy (%)", color=BLACK)
        else:
            right.set_yticklabels([])
        axes.legend(
            handles=[*axes.get_legend_handles_labels()[0], *right.get_lines()],
            loc="center right",
            fontsize=8,
        )
    sheet.title(title or "Local test losses")
