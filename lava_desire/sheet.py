"""Where a plot is drawn: axes that a caller gives, or a figure of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lava_desire.files import write_figure

DPI = 140
_ROOM = 0.34  # inches of a legend's row below a figure


class Sheet:
    """What a plot is drawn on. Figures of its own are no pyplot's: nothing has to close them."""

    def __init__(self, ax: Any = None) -> None:
        self.given = ax
        self.figure: Any = None
        self._axes: Any = None

    def one(self, size: tuple[float, float]) -> Any:
        """Return the axes to draw on, of a figure of that many inches if it is a new one."""
        return self.several(1, 1, size)[0, 0]

    def several(self, rows: int, columns: int, size: tuple[float, float], **layout: Any) -> Any:
        """Return (rows, columns) axes; `layout` are arguments of ``Figure.subplots``.

        Raises ValueError if axes are given, and not as many.
        """
        if self.given is None:
            from matplotlib.figure import Figure

            self.figure = Figure(figsize=size, layout="constrained")
            self._axes = self.figure.subplots(rows, columns, squeeze=False, **layout)
            return self._axes
        axes = np.array(self.given, dtype=object)
        if axes.size != rows * columns:
            shape = f", {rows} rows of {columns}" if rows > 1 else ""
            raise ValueError(f"ax holds {axes.size} axes: expected {rows * columns}{shape}")
        self._axes = axes.reshape(rows, columns)
        self.figure = self._axes[0, 0].figure
        return self._axes

    def title(self, text: str) -> None:
        """Write a title above the figure, or above the first of the axes that are given."""
        if self.given is None:
            self.figure.suptitle(text, fontsize=11)
        else:
            self._axes[0, 0].set_title(text, fontsize=11)

    def legend(self, handles: Sequence[Any], columns: int, **options: Any) -> None:
        """Draw a legend below the figure; in axes that are given where it covers least."""
        options = {"handles": handles, "fontsize": 9, **options}
        if self.given is not None:
            self._axes[0, 0].legend(loc="best", **options)
            return
        options["ncols"] = columns
        width, height = self.figure.get_size_inches()
        self.figure.set_size_inches(width, height + _ROOM * (-(-len(handles) // columns) - 1))
        self.figure.legend(loc="outside lower center", **options)

    def done(self, path: str | Path | None, dpi: int = DPI) -> Any:
        """Write the whole figure where a path is given; return the axes given, or the figure."""
        if path is not None:
            write_figure(self.figure.figure, path, dpi=dpi)
        return self.figure if self.given is None else self.given
