"""Figures, each drawn into a PNG file.

Colours are of the Okabe-Ito palette, and lines differ in style as well as in colour, so that the
figures survive colour blindness and grey print.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lava_desire.analysis.style import plain
from lava_desire.config import DesireConfig
from lava_desire.engine import Activity, DesireNetwork, History, Metrics
from lava_desire.files import write_figure
from lava_desire.model.synapses import refuse_synapses
from lava_desire.palette import BLUE, GREEN, ORANGE

_SHOWN_NAME, _UPRIGHT_NAME = 20, 4


def plot_learning_curve(history: History, path: str | Path) -> None:
    """Draw accuracy and share of active samples over the epochs.

    Parameters
    ----------
    history : History
        At least one epoch.
    path : path
        Where the PNG goes.

    Raises
    ------
    ValueError
        If there is no epoch to draw.
    OSError
        If the file cannot be written.
    """
    best = history.best
    if not history.records:
        raise ValueError("history holds no epoch: expected at least one to draw")
    epochs = [record.epoch for record in history.records]
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    tested = [record for record in history.records if record.accuracy is not None]
    if tested:
        axes.plot(
            [record.epoch for record in tested],
            [100 * (record.accuracy or 0.0) for record in tested],
            color=BLUE,
            marker="o",
            markersize=3,
            label="test" if tested[0].validation_accuracy is None else "validation",
        )
    axes.plot(
        epochs,
        [100 * record.train_accuracy for record in history.records],
        color=ORANGE,
        linestyle="--",
        marker=".",
        label="training, under dropout",
    )
    curves = axes.get_lines()[:2]
    title = "no test set"
    if best is not None and best.accuracy is not None:
        axes.plot(best.epoch, 100 * best.accuracy, "*", color="black", markersize=11)
        title = f"best {100 * best.accuracy:.2f} %, in epoch {best.epoch}"
    if history.test is not None:
        title += f"; test set, read once, {100 * history.test.accuracy:.2f} %"
    axes.set_title(title, fontsize=11)
    axes.set(xlabel="epoch", ylabel="accuracy (%)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    active = axes.twinx()
    active.plot(
        epochs,
        [100 * record.active_share for record in history.records],
        color=GREEN,
        linestyle=":",
        marker=".",
        label="samples with desire",
    )
    active.set(ylabel="samples with desire (%)", ylim=(0, 100))
    handles = [*curves, *active.get_lines()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    write_figure(figure, path, dpi=150)


def plot_confusion(
    metrics: Metrics,
    path: str | Path,
    title: str = "",
    class_names: Sequence[str] | None = None,
) -> None:
    """Draw the confusion matrix, its last column the samples left undecided.

    Parameters
    ----------
    metrics : Metrics
        Result of an evaluation.
    path : path
        Where the PNG goes.
    title : str
        What stands above.
    class_names : sequence of str, optional
        What the K classes are called; their numbers when not given.

    Raises
    ------
    ValueError
        If there are more or fewer names than classes.
    OSError
        If the file cannot be written.
    """
    counts = metrics.confusion
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    num_classes = len(counts)
    size = max(5.0, 0.45 * num_classes + 2)
    figure = Figure(figsize=(size + 1, size), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if num_classes <= 20:
        for row, column in np.argwhere(counts):
            axes.text(
                column,
                row,
                str(counts[row, column]),
                ha="center",
                va="center",
                fontsize=9,
                color="white" if shares[row, column] > 0.5 else "black",
            )
    names = [str(label) for label in range(num_classes)]
    if class_names is not None:
        if len(class_names) != num_classes:
            raise ValueError(f"{len(class_names)} class_names: expected {num_classes}")
        # A dollar sign begins a formula, which a name is not.
        names = [name[:_SHOWN_NAME].replace("$", r"\$") for name in class_names]
    turned = 90 if max(map(len, names)) > _UPRIGHT_NAME else 0
    axes.set_xticks(range(num_classes + 1), [*names, "none"], rotation=turned)
    axes.set_yticks(range(num_classes), names)
    axes.set(xlabel="predicted class (none: undecided)", ylabel="label", title=plain(title))
    figure.colorbar(image, label="share of the label's samples")
    write_figure(figure, path, dpi=150)


def plot_classified_images(
    config: DesireConfig,
    activity: Activity,
    images: Any,
    labels: Sequence[int],
    image_shape: tuple[int, ...],
    path: str | Path,
) -> None:
    """Draw each image above the spikes of the network that classified it.

    Parameters
    ----------
    config : DesireConfig
        The network's configuration.
    activity : Activity
        An evaluation of `images`.
    images : array
        (B, N_0) uint8 or float brightness; one column of the figure an image, so a handful.
    labels : sequence of int
        (B,) classes.
    image_shape : tuple of int
        (height, width), or (channels, height, width): three are drawn in colour, of others the
        mean.
    path : path
        Where the PNG goes.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    num_images, num_layers = len(labels), config.num_layers
    figure = Figure(figsize=(1.75 * num_images + 0.9, 2.1 + 1.9 * num_layers), layout="constrained")
    rows = figure.subplots(
        num_layers + 1,
        num_images,
        squeeze=False,
        sharex="row",
        sharey="row",
        height_ratios=[1, *[1.2] * num_layers],
    )
    brightness = np.asarray(images).reshape(num_images, *image_shape)
    if len(image_shape) == 3:
        is_colour = image_shape[0] == 3
        brightness = np.moveaxis(brightness, 1, -1) if is_colour else brightness.mean(1)
    for column, (axes, label) in enumerate(zip(rows[0], labels, strict=True)):
        axes.imshow(brightness[column], cmap="gray_r")
        predicted = int(activity.prediction[column])
        verdict = "undecided" if predicted < 0 else f"says {predicted}"
        axes.set_title(
            f"{label}: {verdict}",
            fontsize=11,
            fontweight="normal" if predicted == label else "bold",
            color="black" if predicted == label else ORANGE,
        )
        axes.set_xticks([])
        axes.set_yticks([])
    for layer, row in enumerate(rows[1:], start=1):
        spikes = activity.spikes[layer].cpu().numpy()
        for column, axes in enumerate(row):
            time, neuron = np.nonzero(spikes[:, column])
            wide = config.num_neurons(layer) <= 20
            axes.scatter(
                time,
                neuron,
                s=22 if wide else 4,
                marker="|",
                linewidths=1.4 if wide else 0.8,
                color=BLUE,
            )
            axes.set_xlim(-0.5, config.num_steps - 0.5)
            if wide:
                axes.set_yticks(range(config.num_neurons(layer)))
                axes.tick_params(axis="y", labelsize=7)
                axes.axhspan(
                    int(labels[column]) - 0.5, int(labels[column]) + 0.5, color=ORANGE, alpha=0.18
                )
        kind = "output" if layer == num_layers else "hidden"
        row[0].set_ylabel(f"{kind} layer {layer}\nneuron")
    for axes in rows[-1]:
        axes.set_xlabel("time step")
    write_figure(figure, path, dpi=130)


def plot_weights(
    network: DesireNetwork,
    path: str | Path,
    image_shape: tuple[int, ...] | None = None,
    at_most: int = 64,
) -> None:
    """Draw what the first layer looks for: kernels, or receptive fields of dense neurons.

    Parameters
    ----------
    network : DesireNetwork
        Its first layer is a convolution, or dense.
    path : path
        Where the PNG goes.
    image_shape : tuple of int, optional
        (height, width) or (channels, height, width) of the inputs of a dense layer; when not given
        the config's `input_shape`, or else a square.
    at_most : int
        Kernels or neurons that are drawn, evenly spaced; the channels of one stand side by side.

    Raises
    ------
    ValueError
        If the layer is of another kind, or its inputs are no such image.
    OSError
        If the file cannot be written.
    """
    config = network.config
    refuse_synapses(config.first_layers(1), "plot_weights", ("dense", "conv2d"))
    weights, synapse = network.numpy_weights()[0], config.synapses[0]
    side = math.isqrt(config.num_inputs)
    shape = image_shape or config.input_shape or (side, side)
    if synapse.name == "dense" and math.prod(shape) != config.num_inputs:
        raise ValueError(f"image_shape is {shape}: expected height x width = {config.num_inputs}")
    fields = weights if weights.ndim == 4 else weights.reshape(len(weights), -1, *shape[-2:])
    step = -(-len(fields) // at_most)
    fields = fields[::step]
    # A column of nothing between channels.
    rows = np.pad(fields, ((0, 0), (0, 0), (0, 0), (0, 1)), constant_values=np.nan)
    pictures = np.moveaxis(rows, 1, 2).reshape(len(rows), rows.shape[2], -1)[..., :-1]
    limit = float(np.abs(fields).max()) or 1.0
    columns = min(len(pictures), max(1, 16 // fields.shape[1]))
    num_rows = -(-len(pictures) // columns)
    size = (0.7 * fields.shape[1] * columns + 1.4, 0.85 * num_rows + 0.6)
    figure = Figure(figsize=(max(size[0], 4.0), size[1]), layout="constrained")
    grid = figure.subplots(num_rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for index, (axes, picture) in enumerate(zip(grid.flat, pictures, strict=False)):
        image = axes.imshow(picture, cmap="RdBu", vmin=-limit, vmax=limit)
        axes.set_title(str(index * step), fontsize=6, pad=2)
    figure.colorbar(image, ax=grid, label="weight")
    kind = "kernels" if weights.ndim == 4 else "receptive fields"
    figure.suptitle(f"{len(pictures)} of {len(weights)} {kind}, {config.shape_text}", fontsize=9)
    write_figure(figure, path, dpi=150)
