"""A map of cores as text."""

from __future__ import annotations

import itertools
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lava_desire.deploy.core_map import CoreMap


def lines_of(found: CoreMap) -> list[str]:
    """Return lines of at most 100 columns, but for names that are longer."""
    bits = "/".join(map(str, dict.fromkeys(found.weight_bits)))
    answer = "it fits" if found.fits else "it does not fit"
    lines = [
        f"{found.network} on {found.title}, {bits}-bit weights{', learning' * found.learning}: "
        f"{found.cores_text}{answer}",
        "",
    ]
    layers = [(f"{each.layer}: {each.text}", each) for each in found.layers]
    if found.has_cores:
        rows: list[list[Any]] = [
            [name, each.neurons, each.cores or "none"]
            + [max(each.used.get(limit, (0,))) for limit in found.limits]
            + [each.limited_by]
            for name, each in layers
        ]
        rows.insert(0, ["", "", "", *found.limits.values(), "<- a core holds"])
        lines += ["The layers, and the fullest core of each:"]
        lines += table(["layer", "neurons", "cores", *found.limits, "limited by"], rows)
    else:
        taken = {
            name: sum(sum(each.used.get(name, ())) for _, each in layers) for name in found.limits
        }
        lines += table(
            ["limit", "taken", "of"], [[*each, found.limits[each[0]]] for each in taken.items()]
        )
    lines += ["", "Synaptic memory over all cores, KiB:"]
    titles = [
        "layer",
        "synapses",
        "to one",
        "from one",
        "weights",
        "indices",
        "lists",
        "tags",
        "feedback",
        "weights alone",
    ]
    lines += table(
        titles,
        [
            [name, each.synapses, each.fan_in, each.fan_out]
            + [
                number / 1024
                for number in (
                    each.weight_bytes,
                    each.index_bytes,
                    each.list_bytes,
                    each.learning_bytes,
                    each.feedback_bytes,
                )
            ]
            + [
                f"{each.weights_alone} core{'s' * (each.weights_alone != 1)}"
                if each.weights_alone
                else ""
            ]
            for name, each in layers
        ],
    )
    said = [f"- Does not fit: {problem}." for problem in found.problems]
    said += [f"- {sentence}" for sentence in found.assumptions]
    wrapped = (textwrap.wrap(each, 98, subsequent_indent="  ") for each in said)
    return [*lines, "", *itertools.chain.from_iterable(wrapped)]


def table(titles: list[str], rows: list[list[Any]]) -> list[str]:
    """Return lines of a table, the first and last columns to the left."""
    cells = [titles, *([_cell(each) for each in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    sides = ["<", *">" * (len(widths) - 2), "<"]
    return [
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in cells
    ]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}" if value else "-"
    return f"{value:,}" if isinstance(value, int) else str(value)
