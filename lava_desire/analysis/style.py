"""Style of the figures, readable when colour-blind or printed in grey, and how one is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from matplotlib.figure import Figure

from lava_desire.files import write_figure

_Measured = TypeVar("_Measured")
_PLOTS = """

    Parameters
    ----------
    measured : dataclass
        What was measured.
    path : path, optional
        Where a PNG goes.
    title : str
        What stands above; something of its own when not given.

    Returns
    -------
    Figure
        What was drawn: a notebook shows it.

    Raises
    ------
    OSError
        If the file cannot be written.
    """

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


def plots(draw: Callable[[Figure, _Measured, str], None]) -> Callable[..., Figure]:
    """Make a function that draws a measurement into a figure one that returns the figure.

    Parameters
    ----------
    draw : callable
        Takes an empty figure, the measurement and a title, which may be "".

    Returns
    -------
    callable
        ``plot(measured, path=None, title="")`` also writes a PNG where a path is given.
    """

    def plot(measured: _Measured, path: str | Path | None = None, title: str = "") -> Figure:
        figure = Figure(figsize=(7.0, 4.2), layout="constrained")
        draw(figure, measured, title)
        if path is not None:
            write_figure(figure, path, dpi=140)
        return figure

    plot.__name__, plot.__qualname__, plot.__module__ = (
        draw.__name__,
        draw.__name__,
        draw.__module__,
    )
    plot.__doc__ = f"{draw.__doc__}{_PLOTS}"
    return plot


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
