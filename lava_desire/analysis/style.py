"""Style of the figures, readable when colour-blind or printed in grey, and how one is made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lava_desire.palette import BLACK, BLUE, GREEN, ORANGE
from lava_desire.sheet import Sheet

_Plot = TypeVar("_Plot", bound=Callable[..., Any])

_SHARED = {
    "path": """
path : path, optional
    Where a PNG, SVG or PDF goes, as its suffix says.
""",
    "title": """
title : str
    What stands above; something of its own when not given.
""",
    "class_names": """
class_names : sequence of str, optional
    What the K classes are called; their numbers when not given.
""",
    "ax": """
ax : Axes, or sequence of Axes, optional
    Where to draw, as many as a new figure would have; a new figure when not given.
""",
}
_RETURNS = """

Returns
-------
Figure, or Axes
    The figure, which a notebook shows; the axes that were given.
"""
_RAISES = """

Raises
------
ValueError
    {also}If `ax` holds more or fewer axes than are drawn, or `path` ends in no known suffix.
OSError
    If the file cannot be written.
"""

PURPLE = "#CC79A7"
"""Of the Okabe-Ito palette, as the others."""

SERIES: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "linestyle": "-", "marker": "o"},
    {"color": ORANGE, "linestyle": "--", "marker": "s"},
    {"color": GREEN, "linestyle": ":", "marker": "^"},
    {"color": PURPLE, "linestyle": "-.", "marker": "D"},
    {"color": BLACK, "linestyle": (0, (5, 1, 1, 1, 1, 1)), "marker": "v"},
)
"""Keywords of the lines of one figure: colour, dashes and marker differ together."""

_SHOWN_NAME = 20


def plots(draw: Callable[..., None]) -> Callable[..., Any]:
    """Make a function that draws a measurement on a sheet one that returns figure or axes.

    The function takes a sheet, the measurement and a title, which may be "". It becomes
    ``plot(measured, path=None, title="", *, ax=None)``, which writes a file where a path is given.
    """

    def plot(
        measured: Any, path: str | Path | None = None, title: str = "", *, ax: Any = None
    ) -> Any:
        sheet = Sheet(ax)
        draw(sheet, measured, title)
        return sheet.done(path)

    plot.__name__, plot.__qualname__, plot.__module__ = (
        draw.__name__,
        draw.__name__,
        draw.__module__,
    )
    own = "\n\nParameters\n----------\nmeasured : dataclass\n    What was measured.\n"
    plot.__doc__ = f"{draw.__doc__}{own}"
    return documented(plot)


def documented(plot: _Plot) -> _Plot:
    """Say in the docstring of a plot what all of them take, give and raise.

    Its own has the other parameters, and those of these names that mean something else; a section
    Raises of one entry, ValueError, where there is more to refuse.
    """
    text, _, refused = inspect.cleandoc(plot.__doc__ or "").partition("\n\nRaises\n")
    told = [name for name in inspect.signature(plot).parameters if name in _SHARED]
    shared = "".join(_SHARED[name].rstrip() for name in told if f"\n{name} : " not in text)
    also = refused.partition("ValueError\n    ")[2]
    raises = _RAISES.format(also=f"{also}\n    " if also else "")
    plot.__doc__ = "".join((text, shared, _RETURNS.rstrip(), raises))
    return plot


def plain(text: str) -> str:
    """Return a text that a figure shows as it is: a name with dollars is no formula."""
    return text.replace("$", r"\$")


def class_labels(num_classes: int, class_names: Sequence[str] | None) -> list[str]:
    """Return what figures call the classes: their names, shortened, or their numbers.

    Raises ValueError if there are more or fewer names than classes.
    """
    if class_names is None:
        return [str(label) for label in range(num_classes)]
    if len(class_names) != num_classes:
        raise ValueError(f"{len(class_names)} class_names: expected {num_classes}")
    return [plain(name[:_SHOWN_NAME]) for name in class_names]


def layer_name(layer: int, num_layers: int, size: int) -> str:
    """Return what a legend calls the plastic layer ℓ of L."""
    kind = "output layer" if layer == num_layers else f"hidden layer {layer}"
    return f"{kind}, {size} neurons"


def grid(axes: Any) -> None:
    """Draw a faint grid behind the data."""
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
