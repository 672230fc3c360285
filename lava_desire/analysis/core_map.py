"""A picture of how a network lies on the cores of a chip."""

from __future__ import annotations

import textwrap
from math import ceil
from typing import Any

from matplotlib.patches import Patch, Rectangle

from lava_desire.analysis.style import PURPLE, plain, plots
from lava_desire.deploy.core_map import CoreMap
from lava_desire.palette import BLUE, GREEN, ORANGE
from lava_desire.sheet import Sheet

_COLORS = (BLUE, ORANGE, GREEN, PURPLE, "#E69F00", "#56B4E9")  # the rest is Okabe's and Ito's, too
_FREE = "#BBBBBB"
_MOST_FREE, _MOST_NUMBERED = 256, 160


@plots
def plot_core_map(sheet: Sheet, found: CoreMap, title: str) -> None:
    """Draw the cores of a chip as cells: numbered and coloured by layer, filled by what limits."""
    cells = _cells(found)
    if found.has_cores and found.chip_cores <= _MOST_FREE:
        cells += [("", [])] * (found.chip_cores - len(cells))
    columns = min(len(cells), ceil((2 * len(cells)) ** 0.5)) or 1
    rows = ceil(len(cells) / columns) or 1
    axes = sheet.one((7.0, 4.2))
    for place, (name, parts) in enumerate(cells):
        x, y, height = place % columns + 0.08, place // columns + 0.92, 0.0
        for layer, share in parts:
            share = min(share, 1 - height)
            axes.add_patch(_box(x, y, share, height, facecolor=_color(layer), alpha=0.55))
            height += share
        edge = _color(parts[0][0]) if parts and found.has_cores else _FREE
        axes.add_patch(_box(x, y, 1.0, fill=False, edgecolor=edge, linewidth=1.0))
        if len(cells) <= _MOST_NUMBERED:
            size = max(6, 13 - columns // 2)
            axes.text(x + 0.42, y - 0.42, name, ha="center", va="center", fontsize=size)
    axes.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    where = found.cores_text or "one core, " * (not found.has_cores)
    answer = f"{where}does not fit" if not found.fits else where.removesuffix(", ")
    sheet.title(plain(title or f"{found.network} on {found.title}: {answer}"))
    handles = [
        Patch(
            facecolor=_color(each.layer),
            alpha=0.55,
            label=f"{each.layer}: {plain(each.text)}"
            + f", cores: {each.cores or 'none'}" * found.has_cores,
        )
        for each in found.layers
    ]
    meaning = "layers; a core is filled by the share of the limit it is nearest to"
    sheet.legend(handles, 4, title=meaning if found.has_cores else None)


def _color(layer: int) -> str:
    return _COLORS[(layer - 1) % len(_COLORS)]


def _box(x: float, y: float, share: float, above: float = 0.0, **style: Any) -> Rectangle:
    """Return a box of a cell whose lower left corner is (x, y), y going down."""
    side = 0.84
    return Rectangle((x, y - side * (above + share)), side, side * share, **style)


def _cells(found: CoreMap) -> list[tuple[str, list[tuple[int, float]]]]:
    """Return what is written in each cell, and which layers take which shares of it."""
    if found.has_cores:
        return [
            (
                str(layer.layer),
                [
                    (
                        layer.layer,
                        max(layer.used[name][core] / most for name, most in found.limits.items()),
                    )
                ],
            )
            for layer in found.layers
            for core in range(layer.cores)
        ]
    cells = []
    for place, most in found.limits.items():
        parts = [(layer.layer, sum(layer.used.get(place, ())) / most) for layer in found.layers]
        taken = sum(share for _, share in parts)
        cells.append((f"{textwrap.fill(place, 14)}\n{100 * taken:,.0f} %", parts))
    return cells
