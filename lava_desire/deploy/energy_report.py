"""Energy on a chip as text."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING

from lava_desire.deploy.chips.base import KINDS
from lava_desire.deploy.core_report import table

if TYPE_CHECKING:
    from lava_desire.deploy.chip_energy import Energy

PARTS = ("synapses", "somas", "network")
SIMULATED_PARTS = ("synapse", "soma", "network", "total")
"""As a script of --to sanafe reports them."""
EVENTS = {
    "synaptic_operations": "spikes that arrive at synapses, those of the last step included",
    "neuron_updates": "neurons with a potential or a current, or with a spike that arrives, a step",
    "neuron_updates_idle": "the other neurons, a step",
    "messages": "spikes times the cores that they go to",
    "updates_with_desire": "synapses of neurons with a desire: what the rule touches",
    "updates_of_spiking": "those of neurons that spiked, or, with an eligibility_width, had an "
    "eligible step: others change nothing (Eq. 4)",
    "weights_changed": "weights that a training step of one sample did change",
    "updates_dense": "all synapses, as a rule without desires would",
    "errors_back": "synapses through which errors of neurons with a desire go back (Eq. 13)",
}
LEARNING = (
    *("desires", "updates_with_desire", "updates_of_spiking"),
    *("weights_changed", "updates_dense", "errors_back"),
)
"""What is counted of a training step."""
TITLES = {
    "synaptic_operations": "synaptic operations",
    "neuron_updates": "neuron updates",
    "neuron_updates_idle": "idle updates",
    "updates_with_desire": "updates with desire",
    "updates_of_spiking": "of which spiked",
    "weights_changed": "weights changed",
    "updates_dense": "dense updates",
    "errors_back": "errors back",
    "somas": "neurons",
    "network": "between cores",
}
"""What columns call the events, and the parts of a chip, whose names are not plain enough."""
_OF = {"makers": "the chip's makers", "sanafe": "SANA-FE"}
_WIDTH = 100


def lines_of(found: Energy) -> list[str]:
    """Return lines of at most 100 columns."""
    layers, number = found.layers, _number
    lines = [
        f"{found.network} on {found.title}, {found.cores} cores with its inputs; "
        f"{100 * found.accuracy:.2f} % of {found.samples} samples right",
        "Nothing ran on a chip: a count (by the engine) times a published figure is derived.",
        "",
        f"A sample, {found.steps} steps, {number(found.input_spikes)} input spikes (counted):",
    ]
    counted = ("spikes", "synaptic_operations", "neuron_updates", "neuron_updates_idle", "messages")
    lines += table(
        ["layer", *map(title, counted)],
        [[each.layer, *(number(each.events[name]) for name in counted)] for each in layers],
    )
    for who in layers[0].energies:
        rows = [
            [
                each.layer,
                *map(_nJ, [*each.energies[who].values(), sum(each.energies[who].values())]),
            ]
            for each in layers
        ]
        sums = [_nJ(found.total(who, part)) for part in PARTS]
        rows.append(["all", *sums, _nJ(found.total(who))])
        simulated = found.simulated if who == "sanafe" else None
        if simulated is not None:
            given = simulated["energy_J"]
            rows.append(["simulated", *(_nJ(1e12 * given[part]) for part in SIMULATED_PARTS)])
        lines += ["", f"Energy a sample in nJ, derived with figures of {_OF.get(who, who)}:"]
        lines += table(["layer", *map(title, PARTS), "all"], rows)
    if found.time_ns is not None:
        lines += [
            "",
            f"Time a sample: {found.time_ns / 1e6:.3f} ms, derived with the makers' times",
        ]
    if found.simulated is not None:
        by = found.simulated["simulated_by"]
        lines.append(
            f"Simulated by {by}: {1e3 * found.simulated['time_s']:.3f} ms, "
            f"{found.simulated['samples']} samples, {found.simulated['steps']} steps"
            + ("" if found.arithmetic == "fixed_point" else ", of its integers")
        )
    lines += ["", *_learning_lines(found)]
    lines += ["", "Counted:"]
    for name, text in EVENTS.items():
        lines += _wrapped(f"{title(name)}: {text}")
    lines.append("Assumed:")
    for text in found.assumptions:
        lines += _wrapped(text)
    for who, figures in found.figures.items():
        lines.append(
            "Times of the chip's makers:" if who == "times" else f"Figures of {_OF.get(who, who)}:"
        )
        sources = [each["source"] for each in figures.values()]
        source = os.path.commonprefix(sources).rstrip(', "')  # noqa: RUF071  these are no paths
        kinds = dict.fromkeys(each["kind"] for each in figures.values())
        said = "; ".join(f"{kind}, {KINDS[kind]}" for kind in kinds)
        values = (
            f"{event.replace('_', ' ')} {each['value']:g} {each['unit']}"
            for event, each in figures.items()
        )
        lines += _wrapped(f"{source} ({said}): {', '.join(values)}")
    return lines


def _learning_lines(found: Energy) -> list[str]:
    """Return what a training step does, or why none is counted."""
    if found.not_learned:
        return textwrap.wrap(
            f"A training step is not counted: {found.not_learned}. It is counted of a network in "
            "floating point.",
            _WIDTH,
        )
    layers, number = found.layers, _number
    lines = [
        f"A training step of one sample, beyond that (means over {found.training_samples}); all "
        "but desires are synapses:"
    ]
    rows = [[each.layer, *(number(each.learning[name]) for name in LEARNING)] for each in layers]
    priced = [_nJ(found.learning_total(name)) for name in LEARNING]
    has = layers[0].learning_energies
    rows.append(
        [
            "all, nJ",
            *(one if name in has else "" for name, one in zip(LEARNING, priced, strict=True)),
        ]
    )
    lines += table(["layer", *map(title, LEARNING)], rows)
    if found.learning_ns is not None:
        lines.append(f"Time that it adds: {found.learning_ns / 1e6:.3f} ms, derived")
    return lines


def title(name: str) -> str:
    """Return what a column is called."""
    return TITLES.get(name, name)


def _number(value: float) -> str:
    """Return a mean as text: with a decimal where it is small and no whole number."""
    return f"{value:,.1f}" if value < 10 and value % 1 else f"{value:,.0f}"


def _nJ(picojoules: float) -> str:  # noqa: N802  the unit
    return f"{picojoules / 1e3:,.1f}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    ")
