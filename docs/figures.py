"""Draw docs/images: `python docs/figures.py [window|timeline|digits|cores|events|gallery]`."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from PIL import Image

from lava_desire import DesireConfig, DesireNetwork, fit, load_dataset
from lava_desire.analysis import plot_classified_images, plot_core_map
from lava_desire.deploy import map_network
from lava_desire.palette import BLACK, BLUE, GREEN, ORANGE

IMAGES = Path(__file__).parent / "images"
rcParams["svg.hashsalt"] = "lava_desire"  # the same file from the same code
GREY = "#555555"


def draw_windows(path: Path) -> None:
    """Draw one digit, its spikes through three layers, and the desires that come back.

    Beside it, as ``window.png``, what the library draws of the same window.
    """
    from lava.magma.core.run_conditions import RunSteps

    from lava_desire.proc import (
        DesireChain,
        DesireSimCfg,
        SampleSource,
        WindowRecorder,
        plot_window,
    )

    digits = load_dataset("digits")
    config = DesireConfig((64, 40, 20, 10), learning_rate=1e-4, batch_size=16, epochs=6)
    network = DesireNetwork(config)
    fit(network, digits.train, digits.test)
    # A sample that is not yet learned well: the label's neuron and a rival are both active.
    activity = network.forward(digits.test_images)
    counts, labels = activity.counts[-1].numpy(), np.asarray(digits.test_labels)
    own = counts[np.arange(len(labels)), labels]
    rival = np.where(np.eye(10, dtype=bool)[labels], 0, counts).max(axis=1)
    sample = int(np.argmax((own >= 3) & (own <= 8) & (rival > own) & (rival <= 9)))

    chosen = slice(sample, sample + 1)
    source = SampleSource(
        config=config, images=digits.test_images[chosen], labels=labels[chosen], shuffle=False
    )
    chain = DesireChain.build(
        config, weights=[weights.numpy() for weights in network.weights], training=False
    )
    source.brightness_out.connect(chain.encoder.brightness_in)
    source.label_out.connect(chain.teacher.label_in)
    recorder = WindowRecorder(chain)
    source.run(RunSteps(config.window_steps), DesireSimCfg("floating_pt"))
    record = recorder.window(0)
    source.stop()
    busiest = record.spikes[2].sum(axis=0).argsort()[::-1]
    plot_window(
        record,
        path.with_name("window.png"),
        label=int(labels[sample]),
        neurons=[int(neuron) for neuron in busiest[[0, 4, 8]]],
    )
    _draw_record(record, digits.test_images[sample].reshape(8, 8), int(labels[sample]), path)


def _draw_record(record: Any, image: Any, label: int, path: Path) -> None:
    config = record.config
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    grid = figure.add_gridspec(4, 3, width_ratios=[1.5, 6.6, 0.9], height_ratios=[2, 1.7, 1.3, 1.2])
    picture = figure.add_subplot(grid[1:3, 0])
    picture.imshow(image, cmap="gray_r")
    picture.set(xticks=[], yticks=[], title=f"one sample: a {label}")
    picture.set_xlabel("brightness → spikes\n(darker: more of them)", fontsize=9)
    names = ["input", "hidden 1", "hidden 2", "output"]
    shared = None
    for layer, name in enumerate(names):
        axes = figure.add_subplot(grid[layer, 1], sharex=shared)
        shared = shared or axes
        size = config.layer_sizes[layer]
        step, neuron = np.nonzero(record.spikes[layer])
        axes.scatter(step + 1, neuron, s=130 / size + 5, marker="|", color=BLACK, linewidths=1.3)
        axes.set_ylabel(f"{name}\n({size})", rotation=0, ha="right", va="center", fontsize=10)
        axes.set(ylim=(-1, size), yticks=[])
        if layer:
            _draw_desires(axes, record, layer)
            changes = figure.add_subplot(grid[layer, 2], sharey=axes)
            changes.barh(np.arange(size), record.changes[layer - 1], height=1.0, color=GREEN)
            changes.tick_params(labelleft=False, left=False, labelsize=8)
            changes.locator_params(axis="x", nbins=2)
            if layer == 1:
                changes.set_title("Σ |ΔW|\nof a neuron", fontsize=9)
            if layer == 3:
                changes.set_xlabel("weight\nchange", fontsize=9)
        axes.tick_params(labelbottom=layer == 3)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    shared.set_xlim(0.3, config.window_steps + 0.8)
    shared.set_title("spikes go forward →", loc="left", fontsize=10)
    shared.set_title("← desires come back", loc="right", fontsize=10, color=ORANGE)
    axes.set_xlabel("time step of the window (neurons are stacked; their number in brackets)")
    axes.set_xticks([1, 5, 10, 15, 20, config.window_steps])
    handles = [
        axes.scatter([], [], marker="|", color=BLACK, s=60, label="spike"),
        axes.scatter([], [], marker="^", color=BLUE, s=40, label="desire +1: spike more"),
        axes.scatter([], [], marker="v", color=ORANGE, s=40, label="desire −1: spike less"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=140)


def _draw_desires(axes: Any, record: Any, layer: int) -> None:
    config = record.config
    arrival = config.num_steps + 1 + config.num_layers - layer
    axes.axvspan(arrival - 0.5, arrival + 0.5, color=GREEN, alpha=0.14, linewidth=0)
    for sign, color, marker in ((1, BLUE, "^"), (-1, ORANGE, "v")):
        step, neuron = np.nonzero(record.desires[layer - 1] == sign)
        axes.scatter(step + 1 - 0.22 * sign, neuron, s=16, marker=marker, color=color)


def draw_timeline(path: Path) -> None:
    """Draw who does what in the steps of a window, for T = 20 and L = 3."""
    steps, layers = 20, 3
    last = steps + layers
    rows = ["encoder"]
    for layer in range(1, layers + 1):
        rows += [f"connection {layer}", f"layer {layer}"]
    rows += ["teacher"]
    figure = Figure(figsize=(10, 4.3), layout="constrained")
    axes = figure.add_subplot()

    def cell(row: int, start: int, end: int, color: str, text: str, hatch: str = "") -> None:
        axes.add_patch(
            Rectangle(
                (start - 0.5, row - 0.36),
                end - start + 1,
                0.72,
                facecolor=color,
                alpha=0.25,
                edgecolor=color,
                hatch=hatch,
                linewidth=1.2,
            )
        )
        axes.text((start + end) / 2, row, text, ha="center", va="center", fontsize=9)

    cell(0, 1, steps, BLUE, "spikes of t = step − 1")
    for layer in range(1, layers + 1):
        arrival = steps + 1 + layers - layer
        connection, neurons = 2 * layer - 1, 2 * layer
        cell(connection, 2, steps + 1, BLUE, "sends a = W (g·u), summed one step before")
        cell(connection, arrival, arrival, GREEN, "ΔW", hatch="///")
        cell(neurons, 2, steps + 1, BLUE, "integrate, fire: t = step − 2")
        if layer < layers:
            cell(neurons, arrival, arrival, ORANGE, "d")
    cell(len(rows) - 1, 2, steps, BLUE, "counts the output's spikes")
    cell(len(rows) - 1, steps + 1, steps + 1, ORANGE, "d")
    for layer in range(layers, 0, -1):
        arrival = steps + 1 + layers - layer
        sender = len(rows) - 1 if layer == layers else 2 * layer
        _arrow(
            axes, (arrival + 0.62, sender), (arrival + 0.62, 2 * layer - 1), f"d{'₁₂₃'[layer - 1]}"
        )
        if layer > 1:
            _arrow(axes, (arrival + 0.62, 2 * layer - 1), (arrival + 1, 2 * layer - 1.62), "z")
    axes.axvline(1 - 0.5, color=GREY, linewidth=1, linestyle=":")
    axes.text(0.55, -0.75, "state reset, masks drawn", fontsize=8.5, color=GREY, va="center")
    axes.set(
        xlim=(0.3, last + 1.6),
        ylim=(len(rows) - 0.5, -1.05),
        xlabel="time step of the window, T = 20, L = 3",
        yticks=range(len(rows)),
        xticks=[1, 2, 5, 10, 15, 20, 21, 22, 23],
    )
    axes.set_yticklabels(rows)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


def _arrow(axes: Any, start: tuple[float, float], end: tuple[float, float], text: str) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=11, color=ORANGE, linewidth=1.4
        )
    )
    axes.text(end[0] + 0.12, (start[1] + end[1]) / 2, text, color=ORANGE, fontsize=10, va="center")


def draw_digits(path: Path) -> None:
    """Draw six held-out digits above the spikes that classified them, as the demo does."""
    digits = load_dataset("digits")
    config = DesireConfig.preset("digits")
    network = DesireNetwork(config)
    fit(network, digits.train, digits.test)
    labels = np.asarray(digits.test_labels)
    chosen = [int(np.flatnonzero(labels == label)[0]) for label in (0, 2, 3, 5, 8, 9)]
    images = digits.test_images[chosen]
    plot_classified_images(
        config, network.forward(images), images, labels[chosen].tolist(), (8, 8), path
    )


def draw_changed_events(path: Path) -> None:
    """Draw a recording of a digit as it is, and changed as training changes it."""
    import torch

    from lava_desire.data.events import EventDataset, synthetic
    from lava_desire.training.augment import draw_moves, move_samples

    digits = load_dataset("digits")
    recordings = synthetic.saccades(digits.train_images[2:3].reshape(-1, 8, 8))
    data = EventDataset(recordings, 20, labels=[0], start=0, duration=300_000, counts="clip")
    planes = torch.from_numpy(data.spikes([0]).planes)
    changes: dict[str, dict[str, Any]] = {
        "as it is": {},
        "image_shift=3": {"image_shift": 3},
        "image_mirror=1": {"image_mirror": 1.0},
        "time_shift=6": {"time_shift": 6},
        "spike_drop=0.5": {"spike_drop": 0.5},
    }
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots(2, len(changes), height_ratios=(2, 1), sharey="row")
    for (title, change), (seen, times) in zip(changes.items(), axes.T, strict=True):
        config = DesireConfig((392, 10), input_shape=data.shape, num_steps=20, seed=31, **change)
        moves = draw_moves(config, 0, 1)
        shown = planes if moves is None else move_samples(planes, moves, config)
        spikes = np.unpackbits(shown.numpy()[0], axis=0, count=20, bitorder="little")
        spikes = spikes.reshape(20, *data.shape)
        # Of the first saccade: later ones cover what it drew.
        darker, brighter = spikes[:6].sum(0) / 3
        picture = np.ones((*darker.shape, 3))
        picture[..., :2] -= np.clip(brighter, 0, 1)[..., None] * (1, 0.55)
        picture[..., 1:] -= np.clip(darker, 0, 1)[..., None] * (0.55, 1)
        seen.imshow(np.clip(picture, 0, 1))
        seen.set_title(title, fontsize=10, family="monospace" if change else None)
        seen.set_xticks([])
        seen.set_yticks([])
        times.bar(range(20), spikes.sum((1, 2, 3)), width=1, color=BLUE)
        times.set_xlabel("time step")
        times.spines[["top", "right"]].set_visible(False)
    axes[1, 0].set_ylabel("spikes")
    figure.savefig(path, dpi=110)


def draw_cores(path: Path) -> None:
    """Draw how the paper's network for MNIST would lie on the cores of Loihi."""
    config = DesireConfig.preset("mnist").replace(reset="zero")
    plot_core_map(map_network(config, "loihi1"), path)


def draw_gallery(path: Path) -> None:
    """Run the code of docs/gallery.md from top to bottom, and keep the pictures that it makes."""
    page = (IMAGES.parent / "gallery.md").read_text("utf-8")
    begun = Path.cwd()
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("results").symlink_to(IMAGES.parents[1] / "results")
        names: dict[str, Any] = {}
        for code in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
            exec(code, names)
        path.mkdir(exist_ok=True)
        for picture in Path().glob("*.png"):
            Image.open(picture).convert("RGB").quantize(256, kmeans=2).save(path / picture.name)
        os.chdir(begun)


DRAWN = {
    "window": (draw_windows, "first_window.png"),
    "timeline": (draw_timeline, "timeline.svg"),
    "digits": (draw_digits, "digits.png"),
    "cores": (draw_cores, "cores.png"),
    "events": (draw_changed_events, "changed_events.png"),
    "gallery": (draw_gallery, "gallery"),
}

if __name__ == "__main__":
    for wanted in sys.argv[1:] or DRAWN:
        draw, name = DRAWN[wanted]
        draw(IMAGES / name)
        print(IMAGES / name)
