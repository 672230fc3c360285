"""Operation counts for Table 3: upper bounds as formulas, and means over real samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lava_desire import rule
from lava_desire.analysis import operations
from lava_desire.analysis.operations import Constants, Counted, Tally
from lava_desire.analysis.style import plots
from lava_desire.config import DesireConfig
from lava_desire.engine import DesireNetwork
from lava_desire.model.option import (
    CurrentFilter,
    EligibilityPolicy,
    FeedbackPolicy,
    refuse_options,
)
from lava_desire.model.options.reset import Reset
from lava_desire.model.synapses import delayed, refuse_synapses
from lava_desire.sheet import Sheet

PROCESSES = ("forward", "backward", "update")
KINDS = ("multiplications", "additions", "conditions")

PAPER: dict[str, dict[str, tuple[str, str, str]]] = {
    "desire backpropagation": {
        "forward": ("1", "T·I", "T·I"),
        "backward": ("O", "2·O", "1"),
        "update": ("1", "–", "1"),
    },
    "classical backpropagation": {
        "forward": ("I", "I", "–"),
        "backward": ("2·O", "O", "–"),
        "update": ("2", "–", "–"),
    },
}
"""The paper's Table 3, in the order of :data:`KINDS`, to stand beside the counts."""


@dataclass(frozen=True)
class OperationCounts:
    """Operations of a neuron (forward, backward) or of a weight (update) for a sample.

    `most` maps algorithm and process to three formulas in T, I and O, in the order of
    :data:`KINDS`: every input spikes in every step and every neuron has a desire. `measured` maps a
    process to three means over neurons and test samples of what `measured_with` says.
    """

    most: dict[str, dict[str, list[str]]]
    measured: dict[str, list[float]]
    measured_with: str


def count_most() -> dict[str, dict[str, list[str]]]:
    """Count the most a neuron can need at several sizes, and write the counts as formulas."""
    sizes = [(steps, size) for steps in (2, 3, 5, 8) for size in (1, 2, 4, 7)]
    counters = dict(zip(PAPER, (_most_spiking, _most_classical), strict=True))
    found: dict[str, dict[str, list[str]]] = {}
    for algorithm, count in counters.items():
        found[algorithm] = {}
        for process in PROCESSES:
            counts = [count(*size)[process] for size in sizes]
            letter = "O" if process == "backward" else "I"
            found[algorithm][process] = [
                _formula(sizes, kind, letter) for kind in zip(*counts, strict=True)
            ]
    return found


def _constants(config: DesireConfig, tally: Tally, layer: int = 1) -> Constants:
    def single(value: float) -> Counted:
        return Counted(np.float32(value), tally)

    return Constants(
        zero=single(0),
        one=single(1),
        decay=single(config.decay),
        threshold=single(config.threshold),
        desire_threshold=single(config.desire_threshold_of(layer) if config.num_layers > 1 else 0),
        learning_rate=Counted(np.float64(config.learning_rate), tally),
    )


def _most_spiking(num_steps: int, size: int) -> dict[str, tuple[int, int, int]]:
    tally = Tally()
    constants = _constants(DesireConfig((1, 1, 1)), tally)
    one = Counted(np.float32(1), tally)
    ones = [one] * size
    operations.spiking_forward(ones, [ones] * num_steps, constants)
    forward = tally.reset()
    # A wish for fewer spikes is found by the second condition, and silence is furthest from 1.
    low, silent = (Counted(np.float32(value), tally) for value in (-1, 0))
    operations.spiking_backward([low] * size, ones, [silent] * size, constants)
    backward = tally.reset()
    operations.spiking_update(one, one, [one] * num_steps, [one.double()] * num_steps, constants)
    return {"forward": forward, "backward": backward, "update": tally.reset()}


def _most_classical(num_steps: int, size: int) -> dict[str, tuple[int, int, int]]:
    tally = Tally()
    one = Counted(np.float32(1), tally)
    ones = [one] * size
    operations.classical_forward(ones, ones, one)
    forward = tally.reset()
    operations.classical_backward(ones, ones, ones, one)
    backward = tally.reset()
    operations.classical_update(one, one, one, one)
    return {"forward": forward, "backward": backward, "update": tally.reset()}


def _formula(sizes: Sequence[tuple[int, int]], counts: Sequence[int], letter: str) -> str:
    """Write counts as a sum of T·I, T, I and 1, exactly, or fail."""
    names = (f"T·{letter}", "T", letter, "")
    matrix = np.array([(steps * size, steps, size, 1) for steps, size in sizes], float)
    solution = np.linalg.lstsq(matrix, np.array(counts, float), rcond=None)[0]
    factors = np.rint(solution).astype(int)
    if not np.array_equal(matrix @ factors, counts):
        raise ArithmeticError(f"the counts {list(counts)} are no sum of {', '.join(names)}1")
    parts = []
    for factor, name in zip(factors, names, strict=True):
        if factor:
            number = "" if name and factor == 1 else str(factor)
            parts.append("·".join(part for part in (number, name) if part))
    return " + ".join(parts) or "–"


def count_measured(
    network: DesireNetwork, images: Any, labels: Any, neurons_a_layer: int = 5
) -> dict[str, list[float]]:
    """Count what neurons of a network really do for samples, in evaluation.

    A few samples are enough: this is plain Python. Of each hidden layer `neurons_a_layer` neurons
    are counted, evenly spaced. Returns by process the means of :data:`KINDS`: a hidden neuron's
    forward and backward pass, and the update of a weight to it. Raises ValueError if the network is
    in fixed point, a layer is not dense, or currents are filtered, potentials set to 0 at a spike,
    or errors passed back by other weights.
    """
    config, tally = network.config, Tally()
    network.check_floating()
    refuse_synapses(config, "the count of operations")
    changing = CurrentFilter, EligibilityPolicy, Reset, FeedbackPolicy
    refuse_options(config, changing, " for the count of operations")
    activity = network.forward(images)
    desires = [desire.cpu().numpy() for desire in network.desires(activity, labels)]
    spikes = [
        delayed(train.cpu().numpy(), config.delay(layer))
        for layer, train in enumerate(activity.spikes[:-1], start=1)
    ]
    rates = [
        rule.firing_rate(counts, config.num_steps, config.error_margin).cpu().numpy()
        for counts in activity.counts
    ]
    weights = network.numpy_weights()
    rows: dict[str, list[tuple[int, int, int]]] = {process: [] for process in PROCESSES}
    for layer in range(1, config.num_layers):
        constants, size = _constants(config, tally, layer), config.num_neurons(layer)
        chosen = range(0, size, max(1, size // neurons_a_layer))
        for sample in range(len(labels)):
            inputs = [_counted(step, tally) for step in spikes[layer - 1][:, sample]]
            behind = (
                _counted(desires[layer][sample], tally),
                _counted(rates[layer + 1][sample], tally),
            )
            traces = _traces(spikes[layer - 1][:, sample], config.decay)
            for neuron in chosen:
                train = operations.spiking_forward(
                    _counted(weights[layer - 1][neuron], tally), inputs, constants
                )
                rows["forward"].append(tally.reset())
                operations.spiking_backward(
                    _counted(weights[layer][:, neuron], tally), *behind, constants
                )
                rows["backward"].append(tally.reset())
                sources = neuron * spikes[layer - 1].shape[2] // size
                operations.spiking_update(
                    Counted(weights[layer - 1][neuron, sources], tally),
                    Counted(desires[layer - 1][sample, neuron], tally),
                    train,
                    _counted(traces[:, sources], tally),
                    constants,
                )
                rows["update"].append(tally.reset())
    return {process: np.mean(counts, axis=0).tolist() for process, counts in rows.items()}


def _counted(values: Any, tally: Tally) -> list[Counted]:
    return [Counted(value, tally) for value in values]


def _traces(spikes: Any, decay: float) -> Any:
    trace, traces = np.zeros(spikes.shape[1]), []
    for step in spikes:
        trace = rule.decay_trace(trace, step, decay)
        traces.append(trace)
    return np.array(traces)


@plots
def plot_operations(sheet: Sheet, counts: OperationCounts, title: str) -> None:
    """Draw the table: counted formulas, the paper's, and the measured means (Table 3)."""
    rows, labels = [], []
    for process in PROCESSES:
        for source, name in (("counted", "counted, at most"), ("paper", "the paper")):
            row = []
            for algorithm in PAPER:
                table: Any = counts.most if source == "counted" else PAPER
                row += list(table[algorithm][process])
            rows.append(row)
            labels.append(f"{process}: {name}")
        rows.append([f"{value:.1f}" for value in counts.measured[process]] + [""] * 3)
        labels.append(f"{process}: counted, mean")
    axes = sheet.one((11.5, 4.6))
    axes.axis("off")
    short = ("mult.", "add.", "cond.")
    table = axes.table(
        rows,
        rowLabels=labels,
        colLabels=[f"{name}\n{kind}" for name in ("desire BP", "classical BP") for kind in short],
        loc="center",
        cellLoc="center",
    )
    table.auto_set_font_size(False)
    table.set_fontsize(10)
    table.scale(1, 1.6)
    for (row, _), cell in table.get_celld().items():
        cell.set_edgecolor("0.7")
        if row == 0:
            cell.set_height(cell.get_height() * 1.6)
            cell.set_facecolor("0.92")
        elif (row - 1) % 3 == 0:
            cell.set_text_props(fontweight="bold")
    axes.set_title(
        title
        or "Operations for a sample: of a neuron (forward, backward), of a weight (update).  "
        "I inputs, O outputs, T steps\n"
        f"means: {counts.measured_with}",
        fontsize=9,
    )
