"""Figures of runs and of networks, drawn into axes that are given or figures of their own.

Colours are of the Okabe-Ito palette, and lines differ in style as well as in colour, so that the
figures survive colour blindness and grey print.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.ticker import MaxNLocator

from lava_desire.analysis.firing import RUNAWAY, FiringRates
from lava_desire.analysis.style import (
    SERIES,
    class_labels,
    documented,
    grid,
    layer_name,
    plain,
)
from lava_desire.config import DesireConfig
from lava_desire.engine import Activity, DesireNetwork, History, Metrics
from lava_desire.model.synapses import refuse_synapses
from lava_desire.palette import BLUE, GREEN, ORANGE
from lava_desire.sheet import Sheet

_UPRIGHT_NAME = 4  # characters of the longest name that is not turned
_ONE_LINE = 16  # characters of a title above a sample
_FEW = 20  # neurons, each of which has a number
_MANY_SPIKES = 1000  # in a panel, of which an SVG or PDF holds a picture


@documented
def plot_learning_curve(history: History, path: str | Path | None = None, *, ax: Any = None) -> Any:
    """Draw accuracy and share of active samples over the epochs.

    Parameters
    ----------
    history : History
        At least one epoch.

    Raises
    ------
    ValueError
        If there is no epoch to draw.
    """
    best = history.best
    _check_epochs(history)
    epochs = [record.epoch for record in history.records]
    sheet = Sheet(ax)
    axes = sheet.one((7, 4.2))
    title = "no test set" if history.test is None else "the last epoch"
    if best is not None and best.accuracy is not None:
        axes.plot(
            *_points(_accuracies(history)),
            color=BLUE,
            marker="o",
            markersize=3,
            label="test" if best.validation_accuracy is None else "validation",
        )
        axes.plot(best.epoch, 100 * best.accuracy, "*", color=rcParams["text.color"], markersize=11)
        title = f"best {100 * best.accuracy:.2f} %, in epoch {best.epoch}"
    if history.average_is_best:
        title += f"; averaged weights {100 * (history.best_accuracy or 0):.2f} %"
    axes.plot(
        epochs,
        [100 * record.train_accuracy for record in history.records],
        color=ORANGE,
        linestyle="--",
        marker=".",
        label="in training",
    )
    if history.test is not None:
        title += f"; test set, read once, {100 * history.test.accuracy:.2f} %"
    _over_epochs(axes, "accuracy (%)")
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
    sheet.title(title)
    curves = [line for line in axes.get_lines() if not line.get_label().startswith("_")]
    sheet.legend([*curves, *active.get_lines()], 3)
    return sheet.done(path)


@documented
def plot_curves(
    histories: Mapping[str, History],
    path: str | Path | None = None,
    title: str = "",
    *,
    against: str | None = None,
    ax: Any = None,
) -> Any:
    """Draw the accuracies of several runs over the epochs, or what they differ by.

    Parameters
    ----------
    histories : mapping of str to History
        The runs by name; accuracy is that of validation, or else of the test set. Those without
        are left out.
    against : str, optional
        Name of the run whose accuracy is subtracted, epoch by epoch.

    Raises
    ------
    ValueError
        If no run has an accuracy to draw, or none is named `against`.
    """
    curves = {name: _accuracies(history) for name, history in histories.items()}
    curves = {name: curve for name, curve in curves.items() if curve}
    if not curves:
        raise ValueError("histories hold no accuracy: expected a run with validation or a test set")
    if against is not None and against not in curves:
        raise ValueError(f"against is {against!r}: expected one of {', '.join(curves)}")
    base = curves[against] if against is not None else {}
    sheet = Sheet(ax)
    axes = sheet.one((7, 4.2))
    for (name, curve), style in zip(curves.items(), cycle(SERIES), strict=False):
        shown = {
            epoch: value - base.get(epoch, 0.0)
            for epoch, value in curve.items()
            if against is None or epoch in base
        }
        axes.plot(*_points(shown), label=plain(name), **style, markersize=3)
    _over_epochs(axes, "accuracy (%)" if against is None else "accuracy: difference (points)")
    title = title or (f"against {against}" if against is not None else "")
    if title:
        sheet.title(plain(title))
    sheet.legend(axes.get_lines(), 2)
    return sheet.done(path)


@documented
def plot_seeds(
    histories: Sequence[History],
    path: str | Path | None = None,
    title: str = "",
    *,
    ax: Any = None,
) -> Any:
    """Draw the accuracies of runs that differ by their seed: mean, and from least to largest.

    Parameters
    ----------
    histories : sequence of History
        The runs, in training and, where there is one, on the validation or else the test set; a
        test set that was read once is a star for each run.

    Raises
    ------
    ValueError
        If there is no run, or one without an epoch to draw.
    """
    if not histories:
        raise ValueError("histories hold no run: expected at least one to draw")
    for history in histories:
        _check_epochs(history)
    training = [{r.epoch: 100 * r.train_accuracy for r in each.records} for each in histories]
    held_out = [_accuracies(each) for each in histories]
    is_validation = histories[0].records[-1].validation_accuracy is not None
    curves = {
        "validation" if is_validation else "test": held_out,
        "in training": training,
    }
    sheet = Sheet(ax)
    axes = sheet.one((7, 4.2))
    for (name, runs), style in zip(curves.items(), SERIES, strict=False):
        epochs = sorted(set.intersection(*(set(run) for run in runs)))
        if epochs:
            values = np.array([[run[epoch] for epoch in epochs] for run in runs])
            axes.plot(epochs, values.mean(axis=0), label=name, **style, markersize=3)
            bounds = values.min(axis=0), values.max(axis=0)
            axes.fill_between(epochs, *bounds, color=style["color"], alpha=0.25, linewidth=0)
    tests = [(each.test.epoch, 100 * each.test.accuracy) for each in histories if each.test]
    if tests:
        label = "test set, read once"
        axes.plot(*zip(*tests, strict=True), "*", color=rcParams["text.color"], label=label)
    _over_epochs(axes, "accuracy (%)")
    sheet.title(plain(title) or f"mean and range of {len(histories)} runs")
    sheet.legend(axes.get_lines(), 3)
    return sheet.done(path)


@documented
def plot_desires(history: History, path: str | Path | None = None, *, ax: Any = None) -> Any:
    """Draw which shares of the samples desired a change, or were undecided, over the epochs.

    Parameters
    ----------
    history : History
        At least one epoch.

    Raises
    ------
    ValueError
        If there is no epoch to draw.
    """
    _check_epochs(history)
    sheet = Sheet(ax)
    axes = sheet.one((7, 3.4))
    shares: dict[str, list[float | None]] = {
        "training samples with desire": [record.active_share for record in history.records],
        "training samples predicted wrong": [1 - r.train_accuracy for r in history.records],
        "held-out samples undecided": [record.undecided_share for record in history.records],
    }
    for (name, values), style in zip(shares.items(), SERIES, strict=False):
        found = {
            record.epoch: 100 * value
            for record, value in zip(history.records, values, strict=True)
            if value is not None
        }
        if found:
            axes.plot(*_points(found), label=name, **style, markersize=3)
    _over_epochs(axes, "share (%)")
    axes.set_ylim(bottom=0)
    sheet.legend(axes.get_lines(), 2)
    return sheet.done(path)


@documented
def plot_rates(
    measured: FiringRates, path: str | Path | None = None, title: str = "", *, ax: Any = None
) -> Any:
    """Draw how often the neurons of each layer fire, sorted: silent ones left, busy ones right.

    Parameters
    ----------
    measured : FiringRates
        What :func:`~lava_desire.analysis.firing_rates` returned.
    title : str
        What stands above; the number of samples when not given.
    """
    sheet = Sheet(ax)
    axes = sheet.one((7, 4.0))
    layers = zip(measured.rates, measured.silent, measured.runaway, cycle(SERIES), strict=False)
    for layer, (rates, silent, runaway, style) in enumerate(layers, start=1):
        name = layer_name(layer, len(measured.rates), len(rates))
        places = 100 * (np.arange(len(rates)) + 0.5) / len(rates)
        marks = {"marker": style["marker"] if len(rates) <= 20 else "", "markersize": 4}
        axes.plot(
            places,
            np.sort(rates),
            label=f"{name}: {silent} silent, {runaway} runaway",
            **{**style, **marks},
        )
    axes.axhline(RUNAWAY, color="0.55", linewidth=0.9, linestyle=":")
    axes.set(
        xlabel="neurons of the layer, sorted (%)",
        ylabel="spikes a time step",
        xlim=(0, 100),
        ylim=(-0.02, 1.02),
    )
    grid(axes)
    sheet.title(plain(title or f"mean over {measured.num_samples} samples"))
    sheet.legend(axes.get_lines()[:-1], 1)
    return sheet.done(path)


def _check_epochs(history: History) -> None:
    if not history.records:
        raise ValueError("history holds no epoch: expected at least one to draw")


def _accuracies(history: History) -> dict[int, float]:
    """Return accuracies in percent by epoch, of those that were evaluated."""
    return {r.epoch: 100 * r.accuracy for r in history.records if r.accuracy is not None}


def _points(curve: Mapping[int, float]) -> tuple[list[int], list[float]]:
    return list(curve), list(curve.values())


def _over_epochs(axes: Any, quantity: str) -> None:
    axes.set(xlabel="epoch", ylabel=quantity)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    grid(axes)


@documented
def plot_confusion(
    metrics: Metrics,
    path: str | Path | None = None,
    title: str = "",
    class_names: Sequence[str] | None = None,
    *,
    ax: Any = None,
) -> Any:
    """Draw the confusion matrix, its last column the samples left undecided.

    Parameters
    ----------
    metrics : Metrics
        Result of an evaluation.
    class_names : sequence of str, optional
        What the K classes are called; as the metrics say, or by number, when not given.

    Raises
    ------
    ValueError
        If there are more or fewer names than classes.
    """
    counts = metrics.confusion
    class_names = metrics.class_names if class_names is None else class_names
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    num_classes = len(counts)
    names = class_labels(num_classes, class_names)
    size = max(5.0, 0.45 * num_classes + 2)
    sheet = Sheet(ax)
    axes = sheet.one((size + 1, size))
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
    turned = 90 if max(map(len, names)) > _UPRIGHT_NAME else 0
    axes.set_xticks(range(num_classes + 1), [*names, "none"], rotation=turned)
    axes.set_yticks(range(num_classes), names)
    axes.set(xlabel="predicted class (none: undecided)", ylabel="label", title=plain(title))
    sheet.figure.colorbar(image, ax=axes, label="share of the label's samples")
    return sheet.done(path)


@documented
def plot_calibration(
    metrics: Metrics, path: str | Path | None = None, title: str = "", *, ax: Any = None
) -> Any:
    """Draw the accuracy of samples by their margin: how far the margin says how sure it is.

    Parameters
    ----------
    metrics : Metrics
        Result of an evaluation, with margins.
    title : str
        What stands above; the expected calibration error when not given.

    Raises
    ------
    ValueError
        If the metrics have no margins.
    """
    error = metrics.expected_calibration_error
    if error is None:
        raise ValueError("metrics have no margins: expected those of evaluate")
    bins = [each for each in metrics.reliability if each.num_samples]
    confidence = [100 * (each.confidence or 0.0) for each in bins]
    accuracy = [100 * (each.accuracy or 0.0) for each in bins]
    sheet = Sheet(ax)
    axes = sheet.one((5.6, 4.2))
    axes.plot([0, 100], [0, 100], color="0.55", linewidth=0.9, linestyle=":", label="as sure")
    axes.plot(confidence, accuracy, color=BLUE, marker="o", label="right, by margin")
    for x, y, each in zip(confidence, accuracy, bins, strict=True):
        where: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "fontsize": 8}
        axes.annotate(str(each.num_samples), (x, y), (4, -14), **where)
    axes.set(
        xlabel="margin as a share of the window (%)",
        ylabel="samples right (%), below: their number",
        xlim=(-3, 103),
        ylim=(-8, 103),
    )
    grid(axes)
    sheet.title(plain(title or f"expected calibration error {100 * error:.2f} %"))
    return sheet.done(path)


@documented
def plot_classified_images(
    config: DesireConfig,
    activity: Activity,
    images: Any,
    labels: Sequence[int],
    image_shape: tuple[int, ...],
    path: str | Path | None = None,
    *,
    class_names: Sequence[str] | None = None,
    ax: Any = None,
) -> Any:
    """Draw each image above the spikes of the network that classified it.

    Parameters
    ----------
    config : DesireConfig
        The network's configuration.
    activity : Activity
        An evaluation of `images`.
    images : array
        (B, N) uint8 or float brightness; one column of the figure an image, so a handful.
    labels : sequence of int
        (B,) classes.
    image_shape : tuple of int
        (height, width), or (channels, height, width): three are drawn in colour, of others the
        mean.

    Raises
    ------
    ValueError
        If there are more or fewer names than classes.
    """
    brightness = np.asarray(images).reshape(len(labels), *image_shape)
    if len(image_shape) == 3:
        is_colour = image_shape[0] == 3
        brightness = np.moveaxis(brightness, 1, -1) if is_colour else brightness.mean(1)
    return _draw_samples(config, activity, labels, brightness, class_names, path, ax)


@documented
def plot_rasters(
    config: DesireConfig,
    activity: Activity,
    labels: Sequence[int],
    path: str | Path | None = None,
    *,
    class_names: Sequence[str] | None = None,
    ax: Any = None,
) -> Any:
    """Draw the spikes of samples in every layer, from the inputs to the classes.

    Parameters
    ----------
    config : DesireConfig
        The network's configuration.
    activity : Activity
        Of the samples; one column of the figure a sample, so a handful.
    labels : sequence of int
        (B,) classes.

    Raises
    ------
    ValueError
        If there are more or fewer names than classes.
    """
    return _draw_samples(config, activity, labels, None, class_names, path, ax)


def _draw_samples(
    config: DesireConfig,
    activity: Activity,
    labels: Sequence[int],
    brightness: Any,
    class_names: Sequence[str] | None,
    path: str | Path | None,
    ax: Any,
) -> Any:
    """Draw a row of images, or of the inputs' spikes, and a row of spikes a layer."""
    num_samples, num_layers = len(labels), config.num_layers
    names = class_labels(config.num_classes, class_names)
    sheet = Sheet(ax)
    rows = sheet.several(
        num_layers + 1,
        num_samples,
        (1.75 * num_samples + 0.9, 2.1 + 1.9 * num_layers),
        sharex="row",
        sharey="row",
        height_ratios=[1, *[1.2] * num_layers],
    )
    verdicts = [
        f"{names[label]}: " + ("undecided" if said < 0 else f"says {names[said]}")
        for label, said in zip(labels, activity.prediction.tolist(), strict=True)
    ]
    fits = max(map(len, verdicts)) <= _ONE_LINE
    for column, (axes, label) in enumerate(zip(rows[0], labels, strict=True)):
        predicted = int(activity.prediction[column])
        axes.set_title(
            verdicts[column] if fits else verdicts[column].replace(": ", "\n", 1),
            fontsize=11 if fits else 9,
            fontweight="normal" if predicted == label else "bold",
            color=rcParams["text.color"] if predicted == label else ORANGE,
        )
        if brightness is not None:
            axes.imshow(brightness[column], cmap="gray_r")
            axes.set_xticks([])
            axes.set_yticks([])
    for layer, row in enumerate(rows):
        if layer == 0 and brightness is not None:
            continue
        spikes = activity.spikes[layer].cpu().numpy()
        for column, axes in enumerate(row):
            _draw_spikes(axes, spikes[:, column])
        is_output = layer == num_layers
        if is_output and len(names) <= _FEW:
            row[0].set_yticks(range(len(names)), names)
            for axes, label in zip(row, labels, strict=True):
                axes.axhspan(int(label) - 0.5, int(label) + 0.5, color=ORANGE, alpha=0.18)
        kind = f"output layer {layer}\nclass" if is_output else f"hidden layer {layer}\nneuron"
        row[0].set_ylabel(kind if layer else "input")
    for axes in rows[-1]:
        axes.set_xlabel("time step")
    return sheet.done(path)


def _draw_spikes(axes: Any, spikes: Any) -> None:
    """Draw (T, N) spikes as bars."""
    time, neuron = np.nonzero(spikes)
    few = spikes.shape[1] <= _FEW
    axes.scatter(
        time,
        neuron,
        s=22 if few else 4,
        marker="|",
        linewidths=1.4 if few else 0.8,
        color=BLUE,
        rasterized=len(time) > _MANY_SPIKES,
    )
    axes.set_xlim(-0.5, len(spikes) - 0.5)
    if few:
        axes.set_yticks(range(spikes.shape[1]))
        axes.tick_params(axis="y", labelsize=7)


@documented
def plot_weights(
    network: DesireNetwork,
    path: str | Path | None = None,
    image_shape: tuple[int, ...] | None = None,
    at_most: int = 64,
    *,
    ax: Any = None,
) -> Any:
    """Draw what the first layer looks for: kernels, or receptive fields of dense neurons.

    Parameters
    ----------
    network : DesireNetwork
        Its first layer is a convolution, or dense.
    image_shape : tuple of int, optional
        (height, width) or (channels, height, width) of the inputs of a dense layer; when not given
        the config's `input_shape`, that of the images which were learned, or else a square.
    at_most : int
        Kernels or neurons that are drawn, evenly spaced, their numbers above; the channels of one
        stand side by side, those of OFF cells last.

    Raises
    ------
    ValueError
        If the layer is of another kind, or its inputs are no such image.
    """
    config = network.config
    refuse_synapses(config.first_layers(1), "plot_weights", ("dense", "conv2d"))
    weights, synapse = network.float_weights()[0], config.synapses[0]
    side = math.isqrt(config.num_pixels)
    if network.feature_names and image_shape is None:
        raise ValueError("inputs are columns of a table: expected an image_shape, if they are one")
    shape = image_shape or config.input_shape or network.image_shape or (side, side)
    if synapse.name == "dense" and math.prod(shape) != config.num_pixels:
        raise ValueError(f"image_shape is {shape}: expected height x width = {config.num_pixels}")
    fields = weights if weights.ndim == 4 else weights.reshape(len(weights), -1, *shape[-2:])
    step = -(-len(fields) // at_most)
    fields = fields[::step]
    # A column of nothing between channels.
    rows = np.pad(fields, ((0, 0), (0, 0), (0, 0), (0, 1)), constant_values=np.nan)
    pictures = np.moveaxis(rows, 1, 2).reshape(len(rows), rows.shape[2], -1)[..., :-1]
    height, width = pictures.shape[1:]
    columns = max(1, round(math.sqrt(1.8 * len(pictures) / fields.shape[1])))
    num_rows = -(-len(pictures) // columns)
    # Room above each for its number, and beside it.
    above, beside = max(1, round(0.3 * height)), max(1, round(0.12 * height))
    mosaic = np.full((num_rows * (height + above), columns * (width + beside) - beside), np.nan)
    sheet = Sheet(ax)
    cell = 0.62 / height  # inches of a weight
    size = (cell * mosaic.shape[1] + 1.6, cell * mosaic.shape[0] + 0.7)
    axes = sheet.one((max(size[0], 4.0), size[1]))
    for index, picture in enumerate(pictures):
        top = (height + above) * (index // columns) + above
        left = (width + beside) * (index % columns)
        mosaic[top : top + height, left : left + width] = picture
        axes.text(left + width / 2 - 0.5, top - 0.7, str(index * step), fontsize=6, ha="center")
    limit = float(np.abs(fields).max()) or 1.0
    image = axes.imshow(mosaic, cmap="RdBu", vmin=-limit, vmax=limit, interpolation="nearest")
    axes.axis("off")
    sheet.figure.colorbar(image, ax=axes, label="weight", shrink=0.8)
    kind = "kernels" if weights.ndim == 4 else "receptive fields"
    sheet.title(f"{len(pictures)} of {len(weights)} {kind}, {config.shape_text}")
    return sheet.done(path)
