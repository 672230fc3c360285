"""Style of the figures: readable when colour-blind or printed in grey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from lava_desire.files import write_figure

BLUE, ORANGE, GREEN, PURPLE, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000"
"""Of the Okabe-Ito palette."""

SERIES: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "linestyle": "-", "marker": "o"},
    {"color": ORANGE, "linestyle": "--", "marker": "s"},
    {"color": GREEN, "linestyle": ":", "marker": "^"},
    {"color": PURPLE, "linestyle": "-.", "marker": "D"},
    {"color": BLACK, "linestyle": (0, (5, 1, 1, 1, 1, 1)), "marker": "v"},
)
"""Keywords of the lines of one figure: colour, dashes and marker differ together."""


def new_figure(width: float = 7.0, height: float = 4.2) -> Figure:
    """Return an empty figure of that size in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Figure, path: str | Path | None) -> Figure:
    """Write a PNG where a path is given, and return the figure: a notebook shows it.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    if path is not None:
        write_figure(figure, path, dpi=140)
    return figure


def plain(text: str) -> str:
    """Return a text that a figure shows as it is: a name with dollars is no formula."""
    return text.replace("$", r"\$")


def layer_name(layer: int, num_layers: int, size: int) -> str:
    """Return what a legend calls the plastic layer ℓ of L."""
    kind = "output layer" if layer == num_layers else f"hidden layer {layer}"
    return f"{kind}, {size} neurons"


def grid(axes: Any) -> None:
    """Draw a faint grid behind the data."""
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
