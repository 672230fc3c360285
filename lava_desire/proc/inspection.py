"""Records one window of a network with Lava's Monitors, and draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lava.proc.monitor.process import Monitor

from lava_desire.config import DesireConfig
from lava_desire.palette import BLACK, BLUE, GREEN, ORANGE
from lava_desire.proc.chain import DesireChain
from lava_desire.proc.checks import check_count
from lava_desire.sheet import Sheet

Array = Any


@dataclass(frozen=True)
class WindowRecord:
    """One window of a network. The first axis of every array is the step, 1 to T + L.

    Attributes
    ----------
    config : DesireConfig
    window : int
        Which window it was, counted from 0.
    spikes : list of ndarray
        L + 1 arrays (T + L, N_ℓ) bool, input first.
    potentials : list of ndarray
        L arrays (T + L, N_ℓ) float, membrane potential after the step.
    desires : list of ndarray
        L arrays (T + L, N_ℓ) int8: what was sent back to each connection, in the step it was sent.
    changes : list of ndarray
        L arrays (N_ℓ,) float, Σ_i |ΔW| of every neuron.
    prediction : int
        The class, or −1 where undecided.
    """

    config: DesireConfig
    window: int
    spikes: list[Array]
    potentials: list[Array]
    desires: list[Array]
    changes: list[Array]
    prediction: int


class WindowRecorder:
    """Monitors on all that goes forward and backward in a network.

    Make one before the first run. Monitors keep every step, and slow it down: this is for looking
    at some windows, not at a training run.

    Parameters
    ----------
    chain : DesireChain
        The network.
    num_windows : int
        Windows that will be run at most; a Monitor can keep no more steps than it was told.

    Raises
    ------
    ValueError
        If there is no window to record.
    """

    def __init__(self, chain: DesireChain, num_windows: int = 1) -> None:
        self.config = chain.config
        self.num_windows = check_count("num_windows", num_windows, 1)
        layers, connections = chain.layers, chain.connections
        senders = [*(layer.desire_out for layer in layers[:-1]), chain.teacher.desire_out]
        self._probes = {
            "spikes": [
                self._probe(chain.encoder.s_out),
                *(self._probe(layer.s_out) for layer in layers),
            ],
            "potentials": [self._probe(layer.potential) for layer in layers],
            "desires": [self._probe(sender) for sender in senders],
            "changes": [self._probe(connection.change) for connection in connections],
            "prediction": [self._probe(chain.teacher.prediction)],
        }

    def _probe(self, target: Any) -> Monitor:
        monitor = Monitor()
        monitor.probe(target, self.num_windows * self.config.window_steps)
        return monitor

    def window(self, index: int = 0) -> WindowRecord:
        """Return what happened in a window that has been run; the network must be paused.

        Parameters
        ----------
        index : int
            Which one, counted from 0.

        Returns
        -------
        WindowRecord
            Spikes, potentials, desires and changes of that window.

        Raises
        ------
        ValueError
            If it is not one of those that are recorded.
        """
        if not 0 <= index < self.num_windows:
            raise ValueError(f"index is {index}: expected 0 <= index < {self.num_windows}")
        steps = slice(index * self.config.window_steps, (index + 1) * self.config.window_steps)
        read = {
            name: [_values(monitor)[steps] for monitor in monitors]
            for name, monitors in self._probes.items()
        }
        return WindowRecord(
            config=self.config,
            window=index,
            spikes=[values.astype(bool) for values in read["spikes"]],
            potentials=read["potentials"],
            desires=[values.astype(np.int8) for values in read["desires"]],
            changes=[values[-1] for values in read["changes"]],
            prediction=int(read["prediction"][0][-1, 0]),
        )


def _values(monitor: Monitor) -> Array:
    of_process = next(iter(monitor.get_data().values()))
    return next(iter(of_process.values()))


def plot_window(
    record: WindowRecord,
    path: str | Path | None = None,
    *,
    label: int | None = None,
    neurons: Sequence[int] = (0, 1, 2),
    class_names: Sequence[str] | None = None,
    ax: Any = None,
) -> Any:
    """Draw a window: spikes going forward, membranes, desires coming back, weights that changed.

    Parameters
    ----------
    record : WindowRecord
        The window.
    path : path, optional
        Where a PNG, SVG or PDF goes, as its suffix says.
    label : int, optional
        The sample's class, for the title.
    neurons : sequence of int
        Neurons of the last hidden layer (of the output without one) whose membrane potential is
        drawn, three at most.
    class_names : sequence of str, optional
        What the K classes are called; their numbers when not given.
    ax : sequence of Axes, optional
        Where to draw, (L + 2, 2) or flat; a new figure when not given.

    Returns
    -------
    Figure, or sequence of Axes
        The figure, or the axes that were given.

    Raises
    ------
    ValueError
        If there is no such neuron, or more than three are asked for, or `ax` holds more or fewer
        axes.
    OSError
        If the file cannot be written.
    """
    config = record.config
    watched = max(config.num_layers - 1, 1)
    most = config.num_neurons(watched)
    if not 1 <= len(neurons) <= 3 or not all(0 <= neuron < most for neuron in neurons):
        raise ValueError(f"neurons is {tuple(neurons)}: expected one to three in [0, {most})")
    num_rows = config.num_layers + 2
    sheet = Sheet(ax)
    size = (10, 1.4 + 1.75 * num_rows)
    axes = sheet.several(num_rows, 2, size, sharex="col", width_ratios=[5, 1])
    names = class_names or [str(number) for number in range(config.num_classes)]
    says = "undecided" if record.prediction < 0 else names[record.prediction]
    of_class = f"a sample of class {names[label]}, predicted " if label is not None else ""
    sheet.title(f"window {record.window}: {of_class}{says}".replace("$", r"\$"))
    for layer in range(config.num_layers + 1):
        _draw_spikes(axes[layer, 0], record, layer)
        if layer > 0:
            _draw_desires(axes[layer, 0], record, layer)
            _draw_changes(axes[layer, 1], record.changes[layer - 1])
    _draw_potentials(axes[-1, 0], record, watched, neurons)
    for unused in (axes[0, 1], axes[-1, 1]):
        unused.set_axis_off()
    axes[1, 1].set_title("weight change,\nsum over inputs", fontsize=9)
    axes[-2, 1].tick_params(labelbottom=True)
    axes[-2, 1].set_xlabel("Σ |ΔW|", fontsize=9)
    axes[-1, 0].set_xlabel("time step of the window")
    axes[-1, 0].set_xlim(0.5, config.window_steps + 0.5)
    sheet.legend(axes[1, 0].get_legend_handles_labels()[0], 3, markerscale=1.6)
    return sheet.done(path, dpi=130)


def _draw_spikes(axes: Any, record: WindowRecord, layer: int) -> None:
    step, neuron = np.nonzero(record.spikes[layer])
    axes.scatter(step + 1, neuron, s=11, marker="|", linewidths=1.1, color=BLACK, label="spike")
    name = "input" if layer == 0 else f"layer {layer}"
    axes.set_ylabel(f"{name}\nneuron")
    size = record.config.num_neurons(layer)
    if size <= 10:
        axes.set_yticks(range(0, size, 2 if size > 5 else 1))
    axes.set_ylim(-0.03 * size - 0.5, 1.03 * size - 0.5)


def _draw_desires(axes: Any, record: WindowRecord, layer: int) -> None:
    # Side by side within the step: neighbours of opposite desire would hide each other.
    for sign, color, marker, meaning in (
        (1, BLUE, "^", "desire +1: more spikes"),
        (-1, ORANGE, "v", "desire −1: fewer spikes"),
    ):
        step, neuron = np.nonzero(record.desires[layer - 1] == sign)
        axes.scatter(step + 1 - 0.2 * sign, neuron, s=10, marker=marker, color=color, label=meaning)
    config = record.config
    arrival = config.num_steps + 1 + config.num_layers - layer
    axes.axvspan(arrival - 0.45, arrival + 0.45, color=GREEN, alpha=0.12, linewidth=0)


def _draw_changes(axes: Any, changes: Array) -> None:
    axes.barh(np.arange(len(changes)), changes, height=1.0, color=GREEN)
    axes.set_ylim(-0.03 * len(changes) - 0.5, 1.03 * len(changes) - 0.5)
    axes.tick_params(labelleft=False)
    axes.ticklabel_format(axis="x", style="sci", scilimits=(-2, 2))


def _draw_potentials(axes: Any, record: WindowRecord, layer: int, neurons: Sequence[int]) -> None:
    steps = np.arange(1, record.config.window_steps + 1)
    looks = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, ":", "^"))
    for neuron, (color, line, marker) in zip(neurons, looks, strict=False):
        values = record.potentials[layer - 1][:, neuron]
        axes.plot(
            steps, values, line, color=color, marker=marker, markersize=3, label=f"neuron {neuron}"
        )
    axes.axhline(record.config.threshold, color=BLACK, linewidth=0.8, linestyle="-.")
    axes.text(0.6, record.config.threshold, "θ", va="bottom")
    axes.set_ylabel(f"layer {layer}\nmembrane\npotential")
    # Above: within, it would cover some neuron's steps.
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), fontsize=8, frameon=False, ncols=3)
